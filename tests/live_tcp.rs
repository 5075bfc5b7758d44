//! Real SIP over TCP, by SIPp, and over WebSocket, through Kamailio: what /metrics says equals what the ends counted themselves.

#[path = "live/common.rs"]
mod common;
#[allow(dead_code)] // uses a part of it
#[path = "support/generator/rng.rs"]
mod rng;
#[path = "live/servers.rs"]
mod servers;
#[path = "live/sipp.rs"]
mod sipp;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use common::{Agent, PATIENCE, PortBlock, Samples};
use sipp::{Counts, Sipp};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

/// An agent that sees the SIP of `block` over TCP, and no media.
fn start_agent(folder: &Path, block: &PortBlock) -> Agent {
    let address = common::free_tcp_port();
    let (sip_ports, media_ports) = block.ranges();
    let configuration = format!(
        "[web]\nlisten_address = \"{address}\"\n[capture]\ninterfaces = [\"lo\"]\nfilter = \"tcp portrange {sip_ports}\"\n\
         sip_ports = [\"{sip_ports}\"]\nmedia_ports = [\"{media_ports}\"]\n[site]\nlocal_networks = [\"127.0.0.1/32\"]\n"
    );
    Agent::start(folder, address, &configuration)
}

/// Nothing was lost, and nothing was not understood.
fn assert_whole(end: &Samples) {
    for family in [
        "capture_dropped_packets_total",
        "sip_malformed_messages_total",
        "sip_retransmissions_total",
        "sip_stream_lost_bytes_total",
        "sip_stream_resynchronisations_total",
        "sip_unreadable_flows_total",
        "sip_stream_buffered_bytes",
    ] {
        assert_eq!(end.sum(family, &[]), 0.0, "{family}");
    }
}

/// Kinds of calls: scenario, user that is called, how many, how they end, and how SIPp uses its sockets: one for all calls, or
/// one for each.
const KINDS: [(&str, &str, u16, &str, &str); 4] = [
    ("uac_answered", "answer", 30, "completed", "t1"),
    ("uac_busy", "busy", 25, "busy", "tn"),
    ("uac_not_found", "missing", 20, "not_found", "t1"),
    ("uac_cancelled", "ringing", 10, "cancelled", "tn"),
];

#[test]
fn calls_over_one_connection_and_over_one_each() {
    if !common::can_run(&["sipp"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let block = PortBlock::claim();
    let agent = start_agent(folder, &block);
    sipp::write_media(folder, 1);
    let total: u16 = KINDS.iter().map(|kind| kind.2).sum();
    let (port, media) = (block.sip(0), block.media(5));
    // It is killed in the end: a call whose caller closes the connection right behind its last message counts as failed for it.
    let callee = Sipp::start(folder, "uas", &format!("-i 127.0.0.2 -mi 127.0.0.2 -p {port} -mp {media} -t t1"));
    common::wait_for("SIPp to listen", || TcpStream::connect(("127.0.0.2", port)).ok());
    let callers = (0..).zip(KINDS).map(|(n, (scenario, user, calls, _, sockets))| {
        let (own, media) = (block.sip(n + 1), block.media(n));
        let whom = format!("-s {user} 127.0.0.2:{port} -i 127.0.0.1 -mi 127.0.0.1 -p {own} -mp {media}");
        Sipp::start(folder, scenario, &format!("{whom} -m {calls} -r 40 -d 500 -t {sockets} -max_socket 100"))
    });
    let callers: Vec<Sipp> = callers.collect();
    let callers: Vec<Counts> = callers.into_iter().map(Sipp::finish).collect();
    let end = agent.wait_for_metrics("all calls to be over", |now| {
        now.sum("call_outcomes_total", &[]) == f64::from(total) && now.sum("call_active", &[]) == 0.0
    });

    let outcomes: BTreeMap<String, f64> =
        KINDS.iter().map(|(_, _, calls, outcome, _)| ((*outcome).to_owned(), f64::from(*calls))).collect();
    assert_eq!(end.by("call_outcomes_total", "outcome"), outcomes);
    assert_eq!(end.sum("call_attempts_total", &[]), f64::from(total));
    for method in ["INVITE", "ACK", "BYE", "CANCEL"] {
        let sent: u64 = callers.iter().map(|counts| counts.sent(method)).sum();
        assert_eq!(end.sum("sip_requests_total", &[("method", method), ("transport", "tcp")]), sent as f64, "{method}");
    }
    for code in ["180", "200", "404", "486", "487"] {
        let came: u64 = callers.iter().map(|counts| counts.received(code)).sum();
        assert_eq!(end.sum("sip_responses_total", &[("code", code), ("transport", "tcp")]), came as f64, "{code}");
    }
    assert_eq!(end.by("sip_requests_total", "transport").into_keys().collect::<Vec<_>>(), ["tcp"]);
    assert_whole(&end);
    // SIPp leaves its connections open until it ends: two, and one for each call.
    let each: u16 = KINDS.iter().filter(|kind| kind.4 == "tn").map(|kind| kind.2).sum();
    let peak = end.sum("sidetone_tracked_entries", &[("table", "tcp_flows")]);
    assert!(peak <= f64::from(each + 2), "{peak} connections");
    drop(callee);
    assert_eq!(agent.terminate().0.code(), Some(0));
}

/// A SIP client over WebSocket (RFC 7118).
struct Client {
    socket: WebSocket<TcpStream>,
    server: SocketAddr,
    requests: BTreeMap<&'static str, f64>,
    responses: BTreeMap<String, f64>,
}

impl Client {
    fn connect(server: SocketAddr) -> Client {
        let mut request = format!("ws://{server}/").into_client_request().expect("a request");
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("sip"));
        let stream = TcpStream::connect(server).expect("Kamailio accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_nodelay(true).expect("no delay");
        let (socket, answer) = tungstenite::client(request, stream).expect("Kamailio speaks WebSocket");
        assert_eq!(answer.headers().get("sec-websocket-protocol").map(HeaderValue::as_bytes), Some(&b"sip"[..]));
        Client { socket, server, requests: BTreeMap::new(), responses: BTreeMap::new() }
    }

    fn send(&mut self, method: &'static str, n: usize, body: usize) {
        let server = self.server;
        let text = format!(
            "{method} sip:bob@{server} SIP/2.0\r\nVia: SIP/2.0/WS abc.invalid;branch=z9hG4bK{n}\r\n\
             From: <sip:alice@{server}>;tag=a{n}\r\nTo: <sip:bob@{server}>\r\nCall-ID: {n}@abc.invalid\r\n\
             CSeq: {n} {method}\r\nContact: <sip:alice@abc.invalid;transport=ws>\r\nMax-Forwards: 70\r\n\
             Content-Type: text/plain\r\nContent-Length: {body}\r\n\r\n{}",
            "x".repeat(body)
        );
        let message = if n.is_multiple_of(2) { Message::text(text) } else { Message::binary(text) };
        self.socket.send(message).expect("Kamailio reads");
        *self.requests.entry(method).or_default() += 1.0;
    }

    /// Waits for a response; what else comes is WebSocket's own.
    fn receive(&mut self) -> String {
        loop {
            let text = match self.socket.read().expect("Kamailio answers") {
                Message::Text(text) => text.to_string(),
                Message::Binary(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                _ => continue,
            };
            let code = text.split(' ').nth(1).expect("a status code").to_owned();
            *self.responses.entry(code.clone()).or_default() += 1.0;
            return code;
        }
    }
}

#[test]
fn websocket_through_kamailio() {
    if !common::can_run(&["kamailio"]) {
        return;
    }
    if !servers::has_kamailio_module("websocket.so") {
        return common::skip("Kamailio without its WebSocket module");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let block = PortBlock::claim();
    let agent = start_agent(folder, &block);
    let server = SocketAddr::from(([127, 0, 0, 1], block.sip(0)));
    let kamailio = servers::start_kamailio(folder, "kamailio_ws.cfg", &[("SERVER", &server.to_string())]);
    let mut client = Client::connect(server);
    for n in 1..=40 {
        // From a segment to a dozen of them, and a ping in between.
        match n % 4 {
            0 => client.send("OPTIONS", n, 0),
            1 => client.send("REGISTER", n, 0),
            2 => client.send("MESSAGE", n, n * 500),
            _ => client.send("INVITE", n, 300),
        }
        if n % 5 == 0 {
            client.socket.send(Message::Ping(b"there?".as_slice().into())).expect("Kamailio reads");
        }
        let code = client.receive();
        let wanted = if n % 4 == 3 { "486" } else { "200" };
        assert_eq!(code, wanted);
        if n % 4 == 3 {
            client.send("ACK", n, 0);
        }
    }
    let sent: f64 = client.requests.values().sum();
    let end = agent.wait_for_metrics("all messages to be counted", |now| {
        now.sum("sip_requests_total", &[]) >= sent && now.sum("sip_responses_total", &[]) >= 40.0
    });
    let requests: BTreeMap<String, f64> =
        client.requests.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    assert_eq!(end.by("sip_requests_total", "method"), requests);
    assert_eq!(end.by("sip_responses_total", "code"), client.responses);
    for family in ["sip_requests_total", "sip_responses_total"] {
        assert_eq!(end.by(family, "transport").into_keys().collect::<Vec<_>>(), ["ws"]);
    }
    assert_eq!(end.by("call_outcomes_total", "outcome"), BTreeMap::from([("busy".to_owned(), 10.0)]));
    assert_whole(&end);
    client.socket.close(None).expect("a close frame");
    drop(kamailio);
    assert_eq!(agent.terminate().0.code(), Some(0));
}
