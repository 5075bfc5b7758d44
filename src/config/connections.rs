//! `[connections]`: SIP over TCP, WebSocket and SCTP.

use std::time::Duration;

use super::read::{HOUR, entries};
use super::section::Document;
use super::value;

/// SIP over TCP, WebSocket and SCTP.
#[derive(Clone, Debug, PartialEq)]
pub struct Connections {
    /// TCP connections, and SCTP associations, followed at the same time.
    pub max_flows: usize,
    /// Bytes of messages that wait for their rest, over all connections.
    pub max_buffered_bytes: u32,
    /// A connection without segments is forgotten after this time.
    pub idle_timeout: Duration,
}

impl Default for Connections {
    fn default() -> Self {
        Connections { max_flows: 20_000, max_buffered_bytes: 32 << 20, idle_timeout: Duration::from_secs(10 * 60) }
    }
}

/// Reads the section.
pub(super) fn read(document: &mut Document<'_>) -> Connections {
    let default = Connections::default();
    document.section("connections", |section| Connections {
        max_flows: section.take("max_flows", default.max_flows, entries),
        // The longest message has 320 KiB: less than a few of them would drop what is in order.
        max_buffered_bytes: section
            .take("max_buffered_bytes", default.max_buffered_bytes, |typed| value::bytes(typed, 1 << 20..=1 << 30)),
        idle_timeout: section.take("idle_timeout", default.idle_timeout, |typed| {
            value::duration(typed, Duration::from_secs(1)..=HOUR * 24)
        }),
    })
}
