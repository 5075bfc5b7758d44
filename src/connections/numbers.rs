//! What is counted of SIP over connections.

use crate::numbers::{Collection, Family, Value, fixed};

static LOST: Family = Family::counter(
    "sip_stream_lost_bytes_total",
    "bytes",
    &[],
    "Bytes of SIP over TCP, WebSocket or SCTP that the capture missed, or could not use since it missed others.",
);
static RESYNCHRONISATIONS: Family = Family::counter(
    "sip_stream_resynchronisations_total",
    "",
    &["reason"],
    "How often the next message had to be looked for in SIP over TCP or WebSocket: after a gap, or garbage between messages.",
);
static UNREADABLE: Family = Family::counter(
    "sip_unreadable_flows_total",
    "",
    &["protocol"],
    "TCP connections and SCTP associations on a SIP port in which no SIP can be read: tls, compressed WebSocket, other.",
);
static BUFFERED: Family = Family::gauge(
    "sip_stream_buffered_bytes",
    "bytes",
    &[],
    "Memory that holds pieces of SIP messages until the rest comes.",
);

/// The families of this folder, in the order of the catalogue.
pub static FAMILIES: &[&Family] = &[&LOST, &RESYNCHRONISATIONS, &UNREADABLE, &BUFFERED];

/// Why the next message had to be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    Gap = 0,
    Garbage,
}

/// What was found on a SIP port in place of SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Protocol {
    Tls = 0,
    CompressedWebSocket,
    Other,
}

/// Numbers of one worker.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    pub lost_bytes: u64,
    resynchronisations: [u64; 2],
    unreadable: [u64; 3],
    pub buffered: usize,
}

impl Numbers {
    pub fn resynchronised(&mut self, reason: Reason) {
        self.resynchronisations[reason as usize] += 1;
    }

    pub fn unreadable(&mut self, protocol: Protocol) {
        self.unreadable[protocol as usize] += 1;
    }

    /// All series exist from the start, so that `rate()` sees the first event.
    pub fn collect(&self, out: &mut Collection) {
        out.add(&LOST, vec![], Value::Counter(self.lost_bytes));
        for (reason, count) in ["gap", "garbage"].into_iter().zip(self.resynchronisations) {
            out.add(&RESYNCHRONISATIONS, vec![fixed(reason)], Value::Counter(count));
        }
        for (protocol, count) in ["tls", "compressed_websocket", "other"].into_iter().zip(self.unreadable) {
            out.add(&UNREADABLE, vec![fixed(protocol)], Value::Counter(count));
        }
        out.add(&BUFFERED, vec![], Value::Gauge(self.buffered as f64));
    }
}
