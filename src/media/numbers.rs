//! What is counted of media, by codec, direction and peer.

use std::collections::HashMap;

use crate::labels::{Labels, Series};
use crate::numbers::{Collection, Family, Histogram, Value, fixed};
use crate::quality::codec::CodecId;
use crate::site::{Direction, PeerId, Site};
use crate::wire::rtcp::PacketType;

use super::delay::Delay;
use super::interval::Interval;
use super::rtcp_numbers::Reported;
use super::sequence::Settled;
use super::sundry::{self, Sundry};

/// G.107 Annex B: MOS 4.03 is R 80, from where users are satisfied; 3.60 is R 70, below which many are not.
pub const GOOD_MOS: f64 = 4.03;
pub const FAIR_MOS: f64 = 3.60;

pub const JITTER_BOUNDS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.2, 0.5];
pub const LOSS_BOUNDS: &[f64] = &[0.0, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5];
const GAP_BOUNDS: &[f64] = &[0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0];
pub const MOS_BOUNDS: &[f64] = &[1.0, 1.5, 2.0, 2.5, 3.0, 3.1, 3.5, FAIR_MOS, 4.0, GOOD_MOS, 4.3, 4.5];
pub const ROUND_TRIP_BOUNDS: &[f64] =
    &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 2.0];
const BURST_BOUNDS: &[f64] = &[1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 25.0, 50.0, 100.0, 250.0];

const LABELS: &[&str] = &["codec", "direction", "peer"];

static STREAMS_ACTIVE: Family = Family::gauge("rtp_streams_active", "", LABELS, "RTP streams that are running now.");
static STREAMS_STARTED: Family =
    Family::counter("rtp_streams_started_total", "", LABELS, "RTP streams seen, one a source, destination and SSRC.");
static PACKETS: Family =
    Family::counter("rtp_packets_total", "", LABELS, "RTP packets that arrived, duplicates included.");
static PAYLOAD_BYTES: Family = Family::counter(
    "rtp_payload_bytes_total",
    "bytes",
    LABELS,
    "RTP payload without headers, CSRCs, extensions and padding.",
);
static EXPECTED: Family = Family::counter(
    "rtp_packets_expected_total",
    "",
    LABELS,
    "Sequence numbers from first to last (RFC 3550 A.3), counted once no late packet is awaited: 64 to 127 later.",
);
static LOST: Family = Family::counter(
    "rtp_packets_lost_total",
    "",
    LABELS,
    "Of the expected sequence numbers, those that never arrived; a duplicate hides none, a late packet is not lost.",
);
static DUPLICATED: Family = Family::counter(
    "rtp_packets_duplicated_total",
    "",
    LABELS,
    "Arrivals of a sequence number that had already arrived.",
);
static REORDERED: Family = Family::counter(
    "rtp_packets_reordered_total",
    "",
    LABELS,
    "First arrivals with a sequence number below the highest seen.",
);
static DISCARDED: Family = Family::counter(
    "rtp_packets_discarded_total",
    "",
    LABELS,
    "Packets that came too late for the emulated playout buffer (quality.playout_buffer); they are not lost on the wire.",
);
static RELAYED: Family = Family::counter(
    "rtp_relayed_packets_total",
    "",
    LABELS,
    "Packets that were seen coming into this host and going out of it again; labels are those of the outgoing stream.",
);
static RELAY_LOST: Family = Family::counter(
    "rtp_relay_lost_packets_total",
    "",
    LABELS,
    "Packets of relayed streams that came into this host and did not go out again; labels are those of the outgoing stream.",
);
static ENCRYPTED: Family = Family::counter(
    "rtp_encrypted_streams_started_total",
    "",
    LABELS,
    "Of the streams that started, those whose SDP names a profile of SRTP.",
);
static BURSTS: Family = Family::counter(
    "rtp_bursts_total",
    "",
    LABELS,
    "Bursts of lost and discarded packets (RFC 3611 section 4.7.2, Gmin 16).",
);
static BURST_PACKETS: Family =
    Family::counter("rtp_burst_packets_total", "", LABELS, "Packets inside these bursts, received or not.");
static BURST_LOSSES: Family = Family::counter(
    "rtp_burst_lost_packets_total",
    "",
    LABELS,
    "Of the packets inside bursts, those lost or discarded.",
);
static JITTER: Family = Family::histogram(
    "rtp_jitter_seconds",
    "seconds",
    LABELS,
    "Interarrival jitter (RFC 3550 A.8) at the end of each interval of a stream, over its media packets without telephone events and comfort noise; streams of unknown clock are left out.",
);
static LOSS_RATIO: Family = Family::histogram(
    "rtp_loss_ratio",
    "ratio",
    LABELS,
    "Lost against expected packets (RFC 3550 A.3), one observation a stream an interval.",
);
static GAP: Family = Family::histogram(
    "rtp_gap_seconds",
    "seconds",
    LABELS,
    "Longest time between two arrivals, one observation a stream an interval.",
);
static MOS: Family = Family::histogram(
    "rtp_mos",
    "",
    LABELS,
    "Estimated mean opinion score (ITU-T G.107, G.107.1, G.107.2, on the scale of G.107) of what the playout buffer lets through, one observation a stream an interval; codecs without model are left out.",
);
static LOSS_BURST: Family =
    Family::histogram("rtp_loss_burst_packets", "", LABELS, "Length of each run of consecutive lost packets.");
static STREAM_SECONDS: Family = Family::counter(
    "rtp_stream_seconds_total",
    "seconds",
    &["codec", "direction", "peer", "quality"],
    "Time that streams spent at a quality: good is MOS 4.03 and up, fair 3.60 and up, poor below, unknown no model.",
);
static RTCP_PACKETS: Family = Family::counter(
    "rtcp_packets_total",
    "",
    &["type", "direction"],
    "RTCP packets by type (SR, RR, SDES, BYE, APP, RTPFB, PSFB, XR), those inside compound packets each.",
);

static ROUND_TRIP: Family = Family::histogram(
    "rtcp_round_trip_seconds",
    "seconds",
    &["direction", "peer"],
    "Round trip from here to the receiver of a stream and back, from LSR and DLSR (RFC 3550 section 6.4.1) or XR DLRR (RFC 3611 section 4.5); direction is the stream's.",
);
static REPORTED_LOSS: Family = Family::histogram(
    "rtcp_reported_loss_ratio",
    "ratio",
    LABELS,
    "Fraction lost in the report blocks of receivers (RFC 3550 section 6.4.1): what they say, not what is measured here.",
);
static REPORTED_JITTER: Family = Family::histogram(
    "rtcp_reported_jitter_seconds",
    "seconds",
    LABELS,
    "Interarrival jitter in the report blocks of receivers; streams of unknown clock are left out.",
);

/// The families of this folder, in the order of the catalogue.
pub static FAMILIES: &[&Family] = &[
    &STREAMS_ACTIVE,
    &STREAMS_STARTED,
    &PACKETS,
    &PAYLOAD_BYTES,
    &EXPECTED,
    &LOST,
    &DUPLICATED,
    &REORDERED,
    &DISCARDED,
    &RELAYED,
    &RELAY_LOST,
    &ENCRYPTED,
    &BURSTS,
    &BURST_PACKETS,
    &BURST_LOSSES,
    &JITTER,
    &LOSS_RATIO,
    &GAP,
    &MOS,
    &LOSS_BURST,
    &STREAM_SECONDS,
    &RTCP_PACKETS,
    &ROUND_TRIP,
    &REPORTED_LOSS,
    &REPORTED_JITTER,
];

/// Labels that a stream is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CellKey {
    pub codec: CodecId,
    pub direction: Direction,
    pub peer: PeerId,
}

/// Numbers of all streams with the same labels.
#[derive(Clone, Debug)]
pub struct Cell {
    pub key: CellKey,
    pub active: u64,
    pub started: u64,
    pub packets: u64,
    pub payload_bytes: u64,
    pub settled: Settled,
    pub duplicated: u64,
    pub reordered: u64,
    pub discarded: u64,
    pub encrypted: u64,
    pub relayed: u64,
    pub relay_lost: u64,
    bursts: u64,
    burst_packets: u64,
    burst_losses: u64,
    pub burst: Histogram,
    jitter: Histogram,
    loss_ratio: Histogram,
    gap: Histogram,
    mos: Histogram,
    reported_loss: Histogram,
    reported_jitter: Histogram,
    /// Seconds of good, fair, poor and unknown quality.
    seconds: [f64; 4],
}

impl Cell {
    fn new(key: CellKey) -> Cell {
        Cell {
            key,
            active: 0,
            started: 0,
            packets: 0,
            payload_bytes: 0,
            settled: Settled::default(),
            duplicated: 0,
            reordered: 0,
            discarded: 0,
            encrypted: 0,
            relayed: 0,
            relay_lost: 0,
            bursts: 0,
            burst_packets: 0,
            burst_losses: 0,
            burst: Histogram::new(BURST_BOUNDS),
            jitter: Histogram::new(JITTER_BOUNDS),
            loss_ratio: Histogram::new(LOSS_BOUNDS),
            gap: Histogram::new(GAP_BOUNDS),
            mos: Histogram::new(MOS_BOUNDS),
            reported_loss: Histogram::new(LOSS_BOUNDS),
            reported_jitter: Histogram::new(JITTER_BOUNDS),
            seconds: [0.0; 4],
        }
    }

    /// Counts what a receiver reported of a stream: loss as a ratio, jitter in ticks of its clock.
    pub fn observe_reported(&mut self, loss_ratio: f64, jitter_ticks: f64, clock_rate: u32) {
        self.reported_loss.observe(loss_ratio);
        if clock_rate != 0 {
            self.reported_jitter.observe(jitter_ticks / f64::from(clock_rate));
        }
    }

    /// Counts what one interval of one stream showed.
    fn observe(&mut self, interval: &Interval, mos: Option<f64>) {
        self.bursts += interval.bursts;
        self.burst_packets += interval.burst_packets;
        self.burst_losses += interval.burst_losses;
        self.loss_ratio.observe(interval.loss_ratio);
        self.gap.observe(interval.gap_seconds);
        if let Some(jitter) = interval.jitter_seconds {
            self.jitter.observe(jitter);
        }
        let quality = match mos {
            Some(mos) if mos >= GOOD_MOS => 0,
            Some(mos) if mos >= FAIR_MOS => 1,
            Some(_) => 2,
            None => 3,
        };
        self.seconds[quality] += interval.seconds;
        if let Some(mos) = mos {
            self.mos.observe(mos);
        }
    }
}

/// All numbers of the media side of one worker.
#[derive(Clone, Debug)]
pub struct Numbers {
    keys: Series<CellKey, u32>,
    pub cells: Vec<Cell>,
    rtcp: HashMap<(u8, Direction), u64>,
    round_trips: Series<(Direction, PeerId), Histogram>,
    pub sundry: Sundry,
    /// What RTCP holds beyond that.
    pub reported: Reported,
}

impl Labels for CellKey {
    /// Codecs are those of the table.
    fn other(self) -> CellKey {
        CellKey { peer: PeerId::OTHER, ..self }
    }
}

impl Numbers {
    /// `max_series`: label sets of one family.
    pub fn new(max_series: usize) -> Numbers {
        Numbers {
            keys: Series::new(max_series),
            cells: Vec::new(),
            rtcp: HashMap::new(),
            round_trips: Series::new(max_series),
            sundry: Sundry::new(max_series),
            reported: Reported::new(max_series),
        }
    }

    /// The row of these labels, made where it is not there.
    pub fn cell(&mut self, key: CellKey) -> u32 {
        let key = self.keys.admit(key);
        *self.keys.row(key, || {
            self.cells.push(Cell::new(key));
            self.cells.len() as u32 - 1
        })
    }

    /// Counts what one interval of one stream showed, and its MOS with the delay that went into it.
    pub fn observe(&mut self, cell: u32, interval: &Interval, rated: Option<(f64, Delay)>) {
        let Some(row) = self.cells.get_mut(cell as usize) else { return };
        row.observe(interval, rated.map(|(mos, _)| mos));
        if let Some((_, delay)) = rated {
            self.sundry.observe_delay(delay.source, row.key.direction, row.key.peer, delay.seconds);
        }
    }

    /// The round trip between both ends of a stream, once an interval.
    pub fn observe_end_to_end(&mut self, cell: u32, seconds: f64) {
        if let Some(CellKey { direction, peer, .. }) = self.cells.get(cell as usize).map(|row| row.key) {
            self.sundry.observe_end_to_end(direction, peer, seconds);
        }
    }

    pub fn count_rtcp(&mut self, packet: PacketType, direction: Direction) {
        *self.rtcp.entry((packet as u8, direction)).or_default() += 1;
    }

    /// The round trips of streams that go this way.
    pub fn round_trip(&mut self, direction: Direction, peer: PeerId) -> &mut Histogram {
        self.round_trips.row((direction, peer), || Histogram::new(ROUND_TRIP_BOUNDS))
    }

    /// RTCP packets by type, for the report.
    pub fn rtcp_by_type(&self) -> impl Iterator<Item = (PacketType, u64)> + '_ {
        PacketType::ALL.into_iter().map(|packet| {
            let of_type = self.rtcp.iter().filter(|((number, _), _)| *number == packet as u8);
            (packet, of_type.map(|(_, n)| n).sum())
        })
    }

    pub fn collect(&self, site: &Site, out: &mut Collection) {
        for family in FAMILIES.iter().chain(sundry::FAMILIES) {
            out.declare(family);
        }
        self.sundry.collect(site, out);
        self.keys.collect_overflow(&STREAMS_ACTIVE, out);
        self.round_trips.collect_overflow(&ROUND_TRIP, out);
        for (key, index) in self.keys.iter() {
            let cell = &self.cells[*index as usize];
            let labels = vec![fixed(key.codec.name()), fixed(key.direction.name()), site.name(key.peer)];
            let mut add = |family, value| out.add(family, labels.clone(), value);
            add(&STREAMS_ACTIVE, Value::Gauge(cell.active as f64));
            for (family, count) in [
                (&STREAMS_STARTED, cell.started),
                (&PACKETS, cell.packets),
                (&PAYLOAD_BYTES, cell.payload_bytes),
                (&EXPECTED, cell.settled.expected),
                (&LOST, cell.settled.lost),
                (&DUPLICATED, cell.duplicated),
                (&REORDERED, cell.reordered),
                (&DISCARDED, cell.discarded),
                (&RELAYED, cell.relayed),
                (&RELAY_LOST, cell.relay_lost),
                (&ENCRYPTED, cell.encrypted),
                (&BURSTS, cell.bursts),
                (&BURST_PACKETS, cell.burst_packets),
                (&BURST_LOSSES, cell.burst_losses),
            ] {
                add(family, Value::Counter(count));
            }
            for (family, histogram) in [
                (&JITTER, &cell.jitter),
                (&LOSS_RATIO, &cell.loss_ratio),
                (&GAP, &cell.gap),
                (&MOS, &cell.mos),
                (&LOSS_BURST, &cell.burst),
                (&REPORTED_LOSS, &cell.reported_loss),
                (&REPORTED_JITTER, &cell.reported_jitter),
            ] {
                add(family, Value::Histogram(histogram.clone()));
            }
            for (quality, seconds) in ["good", "fair", "poor", "unknown"].into_iter().zip(cell.seconds) {
                let mut labels = labels.clone();
                labels.push(fixed(quality));
                out.add(&STREAM_SECONDS, labels, Value::CounterFloat(seconds));
            }
        }
        for ((direction, peer), histogram) in self.round_trips.iter() {
            let labels = vec![fixed(direction.name()), site.name(*peer)];
            out.add(&ROUND_TRIP, labels, Value::Histogram(histogram.clone()));
        }
        for ((number, direction), count) in &self.rtcp {
            let packet = PacketType::ALL[usize::from(*number)];
            out.add(&RTCP_PACKETS, vec![fixed(packet.name()), fixed(direction.name())], Value::Counter(*count));
        }
        self.reported.collect(site, out);
    }
}
