//! The calls that SIPp makes in the live tests, and the agent's configuration for them.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::net::SocketAddr;
use std::path::Path;

use crate::common::PortBlock;
use crate::sipp::{self, Counts, Sipp};

/// RTP packets in each direction of an answered call.
pub const MEDIA_PACKETS: u16 = 100;

/// A configuration that sees nothing but `block`: this host is 127.0.0.1, the carrier 127.0.0.2.
pub fn configuration(address: SocketAddr, interfaces: &str, block: &PortBlock) -> String {
    let (sip_ports, media_ports) = block.ranges();
    format!(
        r#"
        [web]
        listen_address = "{address}"
        [capture]
        interfaces = {interfaces}
        sip_ports = ["{sip_ports}"]
        media_ports = ["{media_ports}"]
        reopen_interval = "200ms"
        [media]
        interval = "1s"
        idle_timeout = "3s"
        [site]
        local_networks = ["127.0.0.1/32"]
        [[peers]]
        name = "carrier"
        networks = ["127.0.0.2/32"]
        "#
    )
}

/// A kind of call: its scenario, the user that is called, how many, and how they end.
pub struct Kind {
    pub scenario: &'static str,
    user: &'static str,
    pub calls: u16,
    pub outcome: &'static str,
}

/// The calls of a test.
pub const KINDS: [Kind; 5] = [
    Kind { scenario: "uac_answered", user: "answer", calls: 5, outcome: "completed" },
    Kind { scenario: "uac_retransmitted", user: "late", calls: 2, outcome: "completed" },
    Kind { scenario: "uac_busy", user: "busy", calls: 3, outcome: "busy" },
    Kind { scenario: "uac_not_found", user: "missing", calls: 4, outcome: "not_found" },
    Kind { scenario: "uac_cancelled", user: "ringing", calls: 3, outcome: "cancelled" },
];
/// How many of them are answered.
pub const ANSWERED: u16 = 7;

/// Running calls: the callee, and a caller for each kind of call.
pub struct Calls {
    callee: Sipp,
    callers: Vec<Sipp>,
}

/// Starts all calls at once.
pub fn start_calls(folder: &Path, block: &PortBlock) -> Calls {
    sipp::write_media(folder, MEDIA_PACKETS);
    let total: u16 = KINDS.iter().map(|kind| kind.calls).sum();
    let (port, media) = (block.sip(0), block.media(5));
    let callee = Sipp::start(folder, "uas", &format!("-i 127.0.0.2 -mi 127.0.0.2 -p {port} -mp {media} -m {total}"));
    let callers = (0..).zip(&KINDS).map(|(n, kind)| {
        let Kind { scenario, user, calls, .. } = kind;
        let (own, media) = (block.sip(n + 1), block.media(n));
        let whom = format!("-s {user} 127.0.0.2:{port} -i 127.0.0.1 -mi 127.0.0.1 -p {own} -mp {media}");
        Sipp::start(folder, scenario, &format!("{whom} -m {calls} -r 10 -d 5000"))
    });
    Calls { callers: callers.collect(), callee }
}

impl Calls {
    /// Waits for the end: what each caller counted, in the order of `KINDS`, and what the callee did.
    pub fn finish(self) -> (Vec<Counts>, Counts) {
        (self.callers.into_iter().map(Sipp::finish).collect(), self.callee.finish())
    }
}
