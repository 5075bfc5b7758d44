//! What only the listener knows: what it refused, who is connected, what found no room.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::engine::{DROPPED, HEP_REJECTED};
use crate::numbers::{Collection, Family, Value, fixed};
use crate::wire::hep::Refused;

use super::{INTERFACE, kernel};

static CONNECTIONS: Family =
    Family::gauge("hep_connections", "", &[], "Mirrors that are connected by TCP or TLS; UDP has no connections.");
static CLOSED: Family = Family::counter(
    "hep_connections_closed_total",
    "",
    &["reason"],
    "Connections of mirrors that ended: by the peer, or cut off here, for the other reasons.",
);

/// The families of this folder, in the order of the catalogue.
pub static FAMILIES: &[&Family] = &[&CONNECTIONS, &CLOSED];

/// Why a connection ended; the `reason` label of `hep_connections_closed_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum End {
    /// The peer closed it, or it broke.
    Peer = 0,
    /// No packet for `hep.idle_timeout`.
    Idle,
    /// A packet that was begun did not end in time.
    Stalled,
    /// What came is no HEP 3, or longer than is taken: where the next packet begins cannot be known.
    Malformed,
    /// TLS failed, or took too long.
    Handshake,
    /// `hep.max_connections` were there.
    Limit,
    /// Not from `hep.allowed_networks`.
    NotAllowed,
}

impl End {
    pub const ALL: [End; 7] =
        [End::Peer, End::Idle, End::Stalled, End::Malformed, End::Handshake, End::Limit, End::NotAllowed];

    pub const fn reason(self) -> &'static str {
        match self {
            End::Peer => "peer",
            End::Idle => "idle",
            End::Stalled => "stalled",
            End::Malformed => "malformed",
            End::Handshake => "handshake",
            End::Limit => "limit",
            End::NotAllowed => "not_allowed",
        }
    }
}

/// Shared by all tasks of the listener, and read at a scrape; no count says anything of another.
#[derive(Debug, Default)]
pub struct Counters {
    /// Sockets of UDP.
    inodes: Vec<u64>,
    rejected: [AtomicU64; Refused::ALL.len()],
    closed: [AtomicU64; End::ALL.len()],
    connections: AtomicUsize,
    no_room: AtomicU64,
}

impl Counters {
    pub(super) fn new(inodes: Vec<u64>) -> Counters {
        Counters { inodes, ..Counters::default() }
    }

    pub(super) fn reject(&self, reason: Refused) {
        self.rejected[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn no_room_for(&self, packets: usize) {
        self.no_room.fetch_add(packets as u64, Ordering::Relaxed);
    }

    pub(super) fn open(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn close(&self, end: End) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        self.refuse(end);
    }

    /// A connection that was never one.
    pub(super) fn refuse(&self, end: End) {
        self.closed[end as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn collect(&self, out: &mut Collection) {
        for (reason, count) in Refused::ALL.into_iter().zip(&self.rejected) {
            out.add(&HEP_REJECTED, vec![fixed(reason.reason())], Value::Counter(count.load(Ordering::Relaxed)));
        }
        for (end, count) in End::ALL.into_iter().zip(&self.closed) {
            out.add(&CLOSED, vec![fixed(end.reason())], Value::Counter(count.load(Ordering::Relaxed)));
        }
        out.add(&CONNECTIONS, Vec::new(), Value::Gauge(self.connections.load(Ordering::Relaxed) as f64));
        let no_room = self.no_room.load(Ordering::Relaxed);
        for (place, count) in [("queue", no_room), ("kernel", kernel::drops(&self.inodes))] {
            out.add(&DROPPED, vec![fixed(INTERFACE), fixed(place)], Value::Counter(count));
        }
    }
}
