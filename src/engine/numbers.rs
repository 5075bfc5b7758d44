//! What is counted of each capture interface.

use crate::media::Share;
use crate::numbers::{Collection, Family, Value, fixed};
use crate::time::Timestamp;
use crate::wire::Undecoded;

const LABELS: &[&str] = &["interface"];

static PACKETS: Family =
    Family::counter("capture_packets_total", "", LABELS, "Frames that the capture delivered to this program.");
static BYTES: Family =
    Family::counter("capture_bytes_total", "bytes", LABELS, "Bytes on the wire of the frames delivered.");
pub static DROPPED: Family = Family::counter(
    "capture_dropped_packets_total",
    "",
    &["interface", "where"],
    "Frames lost before this program saw them: kernel is a full ring, interface a full card, queue one of our own.",
);
static UNDECODED: Family = Family::counter(
    "capture_undecoded_frames_total",
    "",
    &["interface", "reason"],
    "Frames in which no UDP, TCP or SCTP could be read; not_ip and other_protocol are other protocols, not faults.",
);
static SEEN_TWICE: Family = Family::counter(
    "capture_seen_twice_packets_total",
    "",
    LABELS,
    "Copies of packets that were seen before at another point of their way, which count nowhere else.",
);
static LAST_PACKET: Family = Family::gauge(
    "capture_last_packet_timestamp_seconds",
    "seconds",
    LABELS,
    "Unix time of the last frame; zero before the first.",
);
static UP: Family = Family::gauge(
    "capture_interface_up",
    "",
    LABELS,
    "1 while the interface is being captured, 0 while it is missing or may not be opened; it is tried again.",
);
static REOPENS: Family =
    Family::counter("capture_reopens_total", "", LABELS, "How often an interface that had gone was captured again.");
static SHARE: Family = Family::gauge(
    "capture_media_share",
    "",
    &[],
    "Ratio of the RTP streams that are followed: 1 is all, less while there is more traffic than this program can read (capture.shed_media).",
);
static HELD: Family = Family::gauge(
    "sidetone_memory_short",
    "",
    &[],
    "1 while tables grow no further, because the program takes as much memory as it may (limits.memory).",
);
static TRACKED: Family =
    Family::gauge("sidetone_tracked_entries", "", &["table"], "Entries in each table of the packet path.");
static EVICTED: Family = Family::counter(
    "sidetone_evicted_entries_total",
    "",
    &["table"],
    "Entries that gave way to others because their table was at its cap.",
);

/// The families of this folder, in the order of the catalogue.
pub static FAMILIES: &[&Family] = &[
    &PACKETS,
    &BYTES,
    &DROPPED,
    &UNDECODED,
    &SEEN_TWICE,
    &SHARE,
    &HELD,
    &LAST_PACKET,
    &UP,
    &REOPENS,
    &TRACKED,
    &EVICTED,
];

/// Numbers of one interface, or of `file`.
#[derive(Clone, Debug)]
pub struct InterfaceNumbers {
    pub name: String,
    pub packets: u64,
    pub bytes: u64,
    pub undecoded: [u64; Undecoded::ALL.len()],
    pub seen_twice: u64,
    pub last_packet: Timestamp,
    /// As libpcap counts them: no room in the ring, no room in the card.
    pub dropped_kernel: u64,
    pub dropped_interface: u64,
    /// No room in a queue of our own.
    pub dropped_queue: u64,
    pub up: bool,
    pub reopens: u64,
}

impl InterfaceNumbers {
    pub fn new(name: String) -> InterfaceNumbers {
        InterfaceNumbers {
            name,
            packets: 0,
            bytes: 0,
            undecoded: [0; Undecoded::ALL.len()],
            seen_twice: 0,
            last_packet: Timestamp::default(),
            dropped_kernel: 0,
            dropped_interface: 0,
            dropped_queue: 0,
            up: false,
            reopens: 0,
        }
    }

    pub fn collect(&self, out: &mut Collection) {
        let interface = || std::borrow::Cow::Owned(self.name.clone());
        out.add(&PACKETS, vec![interface()], Value::Counter(self.packets));
        out.add(&BYTES, vec![interface()], Value::Counter(self.bytes));
        let dropped =
            [("kernel", self.dropped_kernel), ("interface", self.dropped_interface), ("queue", self.dropped_queue)];
        for (place, count) in dropped {
            out.add(&DROPPED, vec![interface(), fixed(place)], Value::Counter(count));
        }
        for (reason, count) in Undecoded::ALL.into_iter().zip(self.undecoded) {
            out.add(&UNDECODED, vec![interface(), fixed(reason.reason())], Value::Counter(count));
        }
        out.add(&SEEN_TWICE, vec![interface()], Value::Counter(self.seen_twice));
        out.add(&LAST_PACKET, vec![interface()], Value::Gauge(self.last_packet.seconds()));
        out.add(&UP, vec![interface()], Value::Gauge(f64::from(u8::from(self.up))));
        out.add(&REOPENS, vec![interface()], Value::Counter(self.reopens));
    }
}

/// Adds which part of the media is followed, and whether memory is short.
pub(super) fn collect_limits(share: Share, is_held: bool, out: &mut Collection) {
    out.put(&SHARE, Vec::new(), Value::Gauge(share.ratio()));
    out.put(&HELD, Vec::new(), Value::Gauge(f64::from(u8::from(is_held))));
}

/// Adds how full the tables are, and what gave way.
pub(super) fn collect_tables(
    tracked: impl Iterator<Item = (&'static str, usize)>,
    evicted: impl Iterator<Item = (&'static str, u64)>,
    out: &mut Collection,
) {
    for (table, entries) in tracked {
        out.add(&TRACKED, vec![fixed(table)], Value::Gauge(entries as f64));
    }
    for (table, entries) in evicted {
        out.add(&EVICTED, vec![fixed(table)], Value::Counter(entries));
    }
}
