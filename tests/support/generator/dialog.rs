//! The two parties of one INVITE dialog and the messages that they exchange.

use std::net::SocketAddr;

use super::rng::Rng;
use super::sip::{Kind, Message};

const AGENTS: [&str; 4] = ["Asterisk PBX 20.5.0", "kamailio (5.7.2 (x86_64/linux))", "Twinkle/1.10", "SBC 9.2"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Caller,
    Callee,
}

#[derive(Clone, Debug)]
pub struct Party {
    pub user: String,
    pub signalling: SocketAddr,
    pub media: SocketAddr,
    pub tag: u64,
    pub agent: &'static str,
}

/// What a request and its responses share (RFC 3261 section 17).
#[derive(Clone, Copy, Debug)]
pub struct Transaction {
    pub method: &'static str,
    pub from: Side,
    pub cseq: u32,
    pub branch: u64,
}

pub struct Dialog {
    pub call_id: String,
    pub caller: Party,
    pub callee: Party,
    /// A second Via value: the request came through a proxy.
    proxied: Option<u64>,
    cseq: u32,
    callee_cseq: u32,
}

impl Dialog {
    pub fn new(
        caller: (String, SocketAddr, SocketAddr),
        callee: (String, SocketAddr, SocketAddr),
        rng: &mut Rng,
    ) -> Self {
        let mut party = |(user, signalling, media)| Party {
            user,
            signalling,
            media,
            tag: rng.next(),
            agent: AGENTS[rng.below(4) as usize],
        };
        let (caller, callee) = (party(caller), party(callee));
        let call_id = match rng.below(3) {
            0 => format!("{:016x}{:016x}@{}", rng.next(), rng.next(), caller.signalling.ip()),
            1 => format!("{:08X}-{:04x}-{:04x}", rng.next() as u32, rng.next() as u16, rng.next() as u16),
            _ => format!("{}~o.{:x}*(1)%z`'+<[]?>@host.example", rng.next(), rng.next()),
        };
        let proxied = rng.chance(200).then(|| rng.next());
        let (cseq, callee_cseq) = (rng.between(1, 40_000) as u32, rng.between(1, 40_000) as u32);
        Dialog { call_id, caller, callee, proxied, cseq, callee_cseq }
    }

    pub fn party(&self, side: Side) -> &Party {
        match side {
            Side::Caller => &self.caller,
            Side::Callee => &self.callee,
        }
    }

    fn peer(&self, side: Side) -> &Party {
        match side {
            Side::Caller => &self.callee,
            Side::Callee => &self.caller,
        }
    }

    /// A new transaction in the numbering of `from`.
    pub fn begin(&mut self, method: &'static str, from: Side, rng: &mut Rng) -> Transaction {
        let counter = if from == Side::Caller { &mut self.cseq } else { &mut self.callee_cseq };
        *counter += 1;
        Transaction { method, from, cseq: *counter, branch: rng.next() }
    }

    /// A request of `transaction`; `tagged` once the other side has named itself.
    pub fn request(&self, transaction: Transaction, tagged: bool, body: Option<String>) -> Message {
        let (own, peer) = (self.party(transaction.from), self.peer(transaction.from));
        let mut headers = vec![("Via", self.via(transaction, false)), ("Max-Forwards", "70".to_string())];
        self.identify(&mut headers, transaction, tagged);
        headers.push(("Contact", format!("<sip:{}@{};transport=udp>", own.user, own.signalling)));
        headers.push(("User-Agent", own.agent.to_string()));
        if transaction.method == "INVITE" {
            headers.push(("Allow", "INVITE, ACK, CANCEL, OPTIONS, BYE, UPDATE, INFO".to_string()));
            headers.push(("Supported", "replaces, timer".to_string()));
        }
        Message {
            kind: Kind::Request(transaction.method),
            start_line: format!("{} sip:{}@{} SIP/2.0", transaction.method, peer.user, peer.signalling),
            headers,
            body,
        }
    }

    pub fn response(&self, transaction: Transaction, code: u16, reason: &str, body: Option<String>) -> Message {
        let own = self.peer(transaction.from);
        let mut headers = vec![("Via", self.via(transaction, true))];
        self.identify(&mut headers, transaction, code > 100);
        if code == 302 {
            headers.push(("Contact", "<sip:forwarded@203.0.113.9:5060>;q=0.7".to_string()));
        } else if (101..300).contains(&code) {
            headers.push(("Contact", format!("<sip:{}@{}>", own.user, own.signalling)));
        }
        headers.push(("Server", own.agent.to_string()));
        Message { kind: Kind::Response(code), start_line: format!("SIP/2.0 {code} {reason}"), headers, body }
    }

    fn via(&self, transaction: Transaction, received: bool) -> String {
        let sent_by = self.party(transaction.from).signalling;
        let mut via = format!("SIP/2.0/UDP {sent_by};branch=z9hG4bK{:016x}", transaction.branch);
        if received {
            via.push_str(&format!(";received={};rport={}", sent_by.ip(), sent_by.port()));
        } else {
            via.push_str(";rport");
        }
        if let Some(behind) = self.proxied {
            via.push_str(&format!(", SIP/2.0/UDP 198.51.100.77:5060;branch=z9hG4bKp{behind:x}"));
        }
        via
    }

    /// From, To, Call-ID and CSeq.
    fn identify(&self, headers: &mut Vec<(&'static str, String)>, transaction: Transaction, tagged: bool) {
        let (own, peer) = (self.party(transaction.from), self.peer(transaction.from));
        let uri = |party: &Party| format!("<sip:{}@{}>", party.user, party.signalling);
        let to = if tagged { format!("{};tag={:x}", uri(peer), peer.tag) } else { uri(peer) };
        headers.push(("From", format!("\"Line; {}\" {};tag={:x}", own.user, uri(own), own.tag)));
        headers.push(("To", to));
        headers.push(("Call-ID", self.call_id.clone()));
        headers.push(("CSeq", format!("{} {}", transaction.cseq, transaction.method)));
    }
}
