//! Real mirrors: Kamailio's siptrace with calls over TLS and requests over secure WebSocket, rtpengine with RTCP. What they
//! mirror is counted to the message; the wire alone shows none of it.

#![allow(clippy::disallowed_methods, reason = "deadlines need a clock; the ban is for the core")]

#[path = "live/common.rs"]
mod common;
#[path = "live/ng.rs"]
mod ng;
#[allow(dead_code)] // uses a part of it
#[path = "support/generator/rng.rs"]
mod rng;
#[path = "live/servers.rs"]
mod servers;
#[path = "live/sipp.rs"]
mod sipp;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{Agent, PortBlock, Samples, wait_for};
use ng::Control;
use serde_json::json;
use servers::{Server, start_kamailio};
use sipp::{Counts, Sipp};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const KEY: &str = "a key of ours";
/// Scenario, the user that is called, calls, how they end.
const KINDS: [(&str, &str, u16, &str); 3] = [
    ("uac_answered", "answer", 5, "completed"),
    ("uac_busy", "busy", 3, "busy"),
    ("uac_not_found", "missing", 2, "not_found"),
];
const CALLS: u16 = 10;

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Writes server.crt and server.key for localhost; gives the certificate.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    fs::write(folder.join("server.crt"), own.cert.pem()).expect("a file");
    fs::write(folder.join("server.key"), own.signing_key.serialize_pem()).expect("a file");
    own.cert.der().clone()
}

/// An agent without interfaces that listens for HEP at the first three ports of the block's fifth range.
fn start_listener(folder: &Path, block: &PortBlock, key: bool) -> Agent {
    let address = common::free_tcp_port();
    let key = if key { format!("auth_key = \"{KEY}\"\n") } else { String::new() };
    let [udp, tcp, tls] = [0, 1, 2].map(|n| local(block.media(5) + n));
    let folder_name = folder.display();
    let configuration = format!(
        "[web]\nlisten_address = \"{address}\"\n[capture]\ninterfaces = [\"none\"]\n[hep]\nlisten_udp = \"{udp}\"\n\
         listen_tcp = \"{tcp}\"\nlisten_tls = \"{tls}\"\ncertificate_file = \"{folder_name}/server.crt\"\n\
         key_file = \"{folder_name}/server.key\"\n{key}"
    );
    Agent::start(folder, address, &configuration)
}

/// An agent that sees the same ports on the wire.
fn start_wire(folder: &Path, block: &PortBlock) -> Agent {
    let address = common::free_tcp_port();
    let (sip_ports, media_ports) = block.ranges();
    let configuration = format!(
        "[web]\nlisten_address = \"{address}\"\n[capture]\ninterfaces = [\"lo\"]\nsip_ports = [\"{sip_ports}\"]\n\
         media_ports = [\"{media_ports}\"]\n"
    );
    Agent::start(folder, address, &configuration)
}

/// How a Kamailio mirrors.
#[derive(Clone, Copy)]
struct Mirrors {
    version: u8,
    transport: &'static str,
}

/// A Kamailio that listens at two ports, in a folder of its own, and answers already.
fn start_proxy(folder: &Path, name: &str, ports: (u16, u16), next: &str, mirrors: Option<(Mirrors, u16)>) -> Server {
    let own = folder.join(name);
    fs::create_dir(&own).expect("a folder");
    let (hep, version) = match mirrors {
        None => (String::new(), String::new()),
        Some((Mirrors { version, transport }, port)) => {
            (format!("sip:127.0.0.1:{port};transport={transport}"), version.to_string())
        }
    };
    let values = [
        ("MIRRORS", if mirrors.is_some() { "MIRRORING" } else { "SILENT" }),
        ("UDP", &local(ports.0).to_string()),
        ("TLS", &local(ports.1).to_string()),
        ("NEXT", next),
        ("FOLDER", &folder.display().to_string()),
        ("HEP", &hep),
        ("HEP_VERSION", &version),
        ("KEY", KEY),
    ];
    let server = start_kamailio(&own, "kamailio_mirror.cfg", &values);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a time-out");
    wait_for("Kamailio to answer", || {
        socket.send_to(&options("UDP", socket.local_addr().expect("an address"), "0"), local(ports.0)).expect("sent");
        socket.recv(&mut [0; 2048]).ok()
    });
    server
}

fn options(transport: &str, via: SocketAddr, id: &str) -> Vec<u8> {
    format!(
        "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} {via};branch=z9hG4bK-{id};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:test@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: {id}-{via}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// The calls of all kinds, through the proxy at this port.
fn call(folder: &Path, block: &PortBlock, proxy: u16) -> (Vec<Counts>, Counts) {
    sipp::write_media(folder, 5);
    let callee = format!("-i 127.0.0.1 -mi 127.0.0.1 -p {} -mp {} -m {CALLS}", block.sip(0), block.media(4));
    let callee = Sipp::start(folder, "uas", &callee);
    let callers: Vec<Sipp> = (0..)
        .zip(KINDS)
        .map(|(n, (scenario, user, calls, _))| {
            let (own, media) = (block.sip(n + 1), block.media(n));
            let whom = format!("-s {user} 127.0.0.1:{proxy} -i 127.0.0.1 -mi 127.0.0.1 -p {own} -mp {media}");
            Sipp::start(folder, scenario, &format!("{whom} -m {calls} -r 20 -d 500"))
        })
        .collect();
    (callers.into_iter().map(Sipp::finish).collect(), callee.finish())
}

/// Requests and responses on one transport, without those that asked whether a proxy is there.
fn on(samples: &Samples, transport: &str) -> (BTreeMap<&'static str, f64>, BTreeMap<&'static str, f64>) {
    let requests = ["INVITE", "ACK", "BYE", "CANCEL"]
        .map(|method| (method, samples.sum("sip_requests_total", &[("transport", transport), ("method", method)])));
    let responses = ["100", "180", "200", "404", "486", "487"].map(|code| {
        let all = samples.sum("sip_responses_total", &[("transport", transport), ("code", code)]);
        let pings = [("transport", transport), ("code", code), ("method", "OPTIONS")];
        (code, all - samples.sum("sip_responses_total", &pings))
    });
    (requests.into(), responses.into())
}

/// SIPp calls by UDP to the first proxy, that by TLS to the second, that by UDP to another SIPp. The second one mirrors.
fn tls_calls(mirrors: Mirrors) {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let block = PortBlock::claim();
    certify(folder);
    let agent = start_listener(folder, &block, mirrors.version == 3);
    let wire = start_wire(folder, &block);
    let [first, second] = [(block.sip(10), block.sip(11)), (block.sip(12), block.sip(13))];
    let hep = block.media(5)
        + ["udp", "tcp", "tls"].iter().position(|name| *name == mirrors.transport).expect("a name") as u16;
    let to_callee = format!("sip:127.0.0.1:{}", block.sip(0));
    let _second = start_proxy(folder, "second", second, &to_callee, Some((mirrors, hep)));
    let to_second = format!("sip:127.0.0.1:{};transport=tls", second.1);
    let _first = start_proxy(folder, "first", first, &to_second, None);
    let before = agent.metrics();

    let (callers, callee) = call(folder, &block, first.0);
    let done = |now: &Samples| now.sum("call_outcomes_total", &[]) == f64::from(CALLS);
    let end = agent.wait_for_metrics("all calls to be over", done);
    let seen = wire.wait_for_metrics("all calls to be over on the wire", done);

    let version = mirrors.version.to_string();
    let taken = end.sum("hep_packets_total", &[("version", &version), ("content", "sip")]);
    let messages = end.sum("sip_requests_total", &[]) + end.sum("sip_responses_total", &[]);
    assert_eq!(taken, messages, "each packet is one message");
    assert_eq!(end.sum("hep_packets_total", &[]), taken);
    for family in ["hep_rejected_packets_total", "hep_skewed_packets_total", "sip_malformed_messages_total"] {
        assert_eq!(end.sum(family, &[]), 0.0, "{family}");
    }
    assert_eq!(end.sum("sip_retransmissions_total", &[]), before.sum("sip_retransmissions_total", &[]));
    let sent = |who: &[Counts], what: &str| who.iter().map(|one| one.sent(what)).sum::<u64>() as f64;
    let requests: BTreeMap<_, _> =
        ["INVITE", "ACK", "BYE", "CANCEL"].map(|method| (method, sent(&callers, method))).into();
    let mut responses: BTreeMap<_, _> =
        ["100", "180", "200", "404", "486", "487"].map(|code| (code, callee.sent(code) as f64)).into();
    assert_eq!(on(&end, "udp"), (requests.clone(), responses.clone()), "between the mirror and the callee");
    // What a proxy says itself to an INVITE (RFC 3261 section 17.2.1).
    responses.insert("100", f64::from(CALLS));
    assert_eq!(on(&end, "tls"), (requests.clone(), responses), "between the proxies");
    assert_eq!(end.by("sip_requests_total", "transport").into_keys().collect::<Vec<_>>(), ["tls", "udp"]);

    let outcomes: BTreeMap<_, _> = KINDS.map(|(.., calls, outcome)| (outcome.to_owned(), f64::from(calls))).into();
    assert_eq!(end.by("call_outcomes_total", "outcome"), outcomes);
    assert_eq!(end.sum("call_attempts_total", &[]), f64::from(CALLS));
    assert_eq!(seen.sum("sip_requests_total", &[("transport", "tls")]), 0.0, "the wire alone shows nothing of TLS");
    assert_eq!(seen.by("sip_requests_total", "transport").into_keys().collect::<Vec<_>>(), ["udp"]);
    assert_eq!(on(&seen, "udp").0["INVITE"], 2.0 * requests["INVITE"], "the wire shows both legs of UDP");
    println!("HEP {version} over {}: {taken} messages, {:?} by TLS", mirrors.transport, requests);
}

#[test]
fn tls_calls_that_kamailio_mirrors() {
    if !common::can_run(&["sipp", "kamailio"]) {
        return;
    }
    for (version, transport) in [(3, "udp"), (2, "udp"), (1, "udp"), (3, "tcp"), (3, "tls")] {
        tls_calls(Mirrors { version, transport });
    }
}

/// A client of RFC 7118: one text frame each way.
struct WebSocket(StreamOwned<ClientConnection, TcpStream>);

impl WebSocket {
    fn connect(to: SocketAddr, root: CertificateDer<'static>) -> WebSocket {
        let mut roots = RootCertStore::empty();
        roots.add(root).expect("a root");
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(Arc::new(client), name).expect("a client");
        let tcp = TcpStream::connect(to).expect("a connection");
        tcp.set_read_timeout(Some(common::PATIENCE)).expect("a time-out");
        let mut stream = StreamOwned::new(connection, tcp);
        // RFC 6455 section 1.3 has this key.
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {to}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\
             Content-Length: 0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("an answer");
            head.extend(byte);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        WebSocket(stream)
    }

    /// Masked with zeros, as every client's frame has to be masked (RFC 6455 section 5.3).
    fn send(&mut self, text: &[u8]) {
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend((text.len() as u16).to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text);
        self.0.write_all(&frame).expect("sent");
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut head = [0; 4];
        self.0.read_exact(&mut head).expect("a frame");
        assert_eq!((head[0], head[1]), (0x81, 126), "a text of 126 bytes and more");
        let mut text = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
        self.0.read_exact(&mut text).expect("a frame");
        text
    }
}

#[test]
fn requests_over_secure_websocket_that_kamailio_mirrors() {
    const REQUESTS: usize = 7;
    if !common::can_run(&["kamailio"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let block = PortBlock::claim();
    let certificate = certify(folder);
    let agent = start_listener(folder, &block, true);
    let ports = (block.sip(10), block.sip(11));
    let mirrors = Mirrors { version: 3, transport: "udp" };
    let _proxy = start_proxy(folder, "proxy", ports, "sip:127.0.0.1", Some((mirrors, block.media(5))));
    let mut client = WebSocket::connect(local(ports.1), certificate);
    for n in 0..REQUESTS {
        client.send(&options("WSS", local(9), &n.to_string()));
        let answer = client.receive();
        assert!(answer.starts_with(b"SIP/2.0 200 "), "{}", String::from_utf8_lossy(&answer));
    }
    let labels = [("transport", "wss")];
    let end = agent.wait_for_metrics("the answers", |now| now.sum("sip_responses_total", &labels) >= REQUESTS as f64);
    assert_eq!(end.sum("sip_requests_total", &[("transport", "wss"), ("method", "OPTIONS")]), REQUESTS as f64);
    assert_eq!(end.sum("sip_responses_total", &[("transport", "wss"), ("code", "200")]), REQUESTS as f64);
    assert_eq!(end.sum("sip_malformed_messages_total", &[]), 0.0);
}

/// rtpengine that sends what RTCP says of its calls to `hep`.
fn start_rtpengine(folder: &Path, control: SocketAddr, ports: (u16, u16), hep: SocketAddr) -> Server {
    let mut command = std::process::Command::new(common::find_program("rtpengine").expect("rtpengine"));
    command.args([
        "--table=-1",
        "--foreground",
        "--log-stderr",
        "--log-level=6",
        "--config-file=none",
        "--num-threads=1",
    ]);
    command.arg(format!("--listen-ng={control}")).arg(format!("--interface={RELAY}")).arg("--homer-id=2001");
    command.arg(format!("--port-min={}", ports.0)).arg(format!("--port-max={}", ports.1));
    command.arg(format!("--homer={hep}")).arg("--homer-protocol=udp");
    let mut rtpengine = Server::start(folder, "rtpengine", &mut command);
    rtpengine.wait_for_log("Startup complete");
    rtpengine
}

/// The host that relays.
const RELAY: Ipv4Addr = Ipv4Addr::new(127, 5, 0, 9);

fn sdp(socket: &UdpSocket) -> String {
    let address = socket.local_addr().expect("an address");
    let (ip, port) = (address.ip(), address.port());
    format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n")
}

/// Where the relay wants the media of whom it gave this answer.
fn media_address(answer: &serde_json::Value) -> SocketAddr {
    let sdp = answer["sdp"].as_str().expect("an SDP");
    let after =
        |text: &str| sdp.split_once(text).and_then(|(_, rest)| rest.split(['\r', ' ']).next()).expect("a field");
    format!("{}:{}", after("c=IN IP4 "), after("m=audio ")).parse().expect("an address")
}

/// Two neighbouring ports: RTP, RTCP.
fn party(host: Ipv4Addr, port: u16) -> [UdpSocket; 2] {
    [0, 1].map(|n| UdpSocket::bind((host, port + n)).expect("a socket"))
}

/// SR with a report block and SDES, as RFC 3550 section 6.4.1 has them: `n` tells one from another.
fn report(ssrc: u32, about: u32, n: u32) -> Vec<u8> {
    let mut words: Vec<u32> = vec![0x81c8_000c, ssrc, 0xe000_0000 + n, 0x4000_0000, 160 * n, 50 * n, 8000 * n];
    words.extend([about, 26 << 24 | n, 1000 + n, 80, 0xe000_0000 + n, 0x8000]);
    words.extend([0x81ca_0003, ssrc, 0x0105_7540, 0x6578_0000]);
    words.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// Media on the wire, its RTCP only from rtpengine: the same reports as an agent has that sees all of it on the wire.
#[test]
fn rtcp_that_rtpengine_mirrors() {
    const PACKETS: u16 = 150;
    const REPORTS: u32 = 5;
    if !common::can_run(&["rtpengine"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let block = PortBlock::claim();
    certify(folder);
    let (hep, control) = (local(block.media(5)), local(block.sip(0)));
    let media = (block.media(0), block.media(0) + 79);
    // Without the odd ports there is no RTCP on the wire.
    let even: Vec<String> = (block.media(0)..block.media(2)).step_by(2).map(|port| format!("port {port}")).collect();
    let mirrored = format!("filter = \"udp and ({})\"\n[hep]\nlisten_udp = \"{hep}\"\n", even.join(" or "));
    let agents = ["", &mirrored].map(|lines| {
        let address = common::free_tcp_port();
        let (first, last) = (block.media(0), block.media(2) - 1);
        let configuration = format!(
            "[web]\nlisten_address = \"{address}\"\n[media]\ninterval = \"1s\"\nidle_timeout = \"3s\"\n\
             [site]\nlocal_networks = [\"{RELAY}/32\"]\n\
             [capture]\ninterfaces = [\"lo\"]\nmedia_ports = [\"{first}-{last}\"]\n{lines}"
        );
        Agent::start(folder, address, &configuration)
    });
    let _rtpengine = start_rtpengine(folder, control, media, hep);
    let control = Control::new(control);
    let hosts = [1, 2].map(|n| Ipv4Addr::new(127, 5, 1, n));
    let [a, b] = [0, 1].map(|n: u16| party(hosts[usize::from(n)], block.media(1) + 10 * n));
    let mut arguments = json!({ "call-id": "mirrored", "from-tag": "a", "sdp": sdp(&a[0]) });
    let for_b = media_address(&control.ask("offer", arguments.clone()));
    arguments["to-tag"] = json!("b");
    arguments["sdp"] = json!(sdp(&b[0]));
    let for_a = media_address(&control.ask("answer", arguments));
    let ssrcs = [0x0e0e_0001, 0x0e0e_0002];
    for n in 0..PACKETS {
        for ((own, to), ssrc) in [(&a, for_a), (&b, for_b)].into_iter().zip(ssrcs) {
            own[0].send_to(&sipp::telling_packet(n, ssrc, 8), to).expect("sent");
        }
        if n % 30 == 29 {
            let n = u32::from(n) / 30 + 1;
            for ((own, to), (ssrc, about)) in
                [(&a, for_a), (&b, for_b)].into_iter().zip([(ssrcs[0], ssrcs[1]), (ssrcs[1], ssrcs[0])])
            {
                let to = SocketAddr::new(to.ip(), to.port() + 1);
                own[1].send_to(&report(ssrc, about, n), to).expect("sent");
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let both = f64::from(2 * REPORTS);
    let [wire, mirrored] = agents.each_ref().map(|agent| {
        agent.wait_for_metrics("the streams to be over", |now| {
            now.sum("rtp_streams_started_total", &[]) >= 4.0
                && now.sum("rtp_streams_active", &[]) == 0.0
                && now.sum("rtcp_packets_total", &[("type", "SR")]) >= both
        })
    });
    assert_eq!(mirrored.sum("hep_packets_total", &[("content", "rtcp_json")]), both);
    for kind in ["SR", "SDES"] {
        let labels = [("direction", "inbound"), ("type", kind)];
        assert_eq!(mirrored.sum("rtcp_packets_total", &labels), both, "{kind}");
        assert_eq!(wire.sum("rtcp_packets_total", &labels), both, "{kind} on the wire");
    }
    // rtpengine mirrors what comes to it, which tells of what it sent.
    let outbound = [("direction", "outbound")];
    for family in ["rtcp_reported_loss_ratio", "rtcp_reported_jitter_seconds"] {
        for part in ["_count", "_sum"] {
            let name = format!("{family}{part}");
            let [of_wire, of_mirror] = [&wire, &mirrored].map(|samples| samples.sum(&name, &outbound));
            assert!(of_wire > 0.0, "{name} on the wire");
            assert!((of_mirror - of_wire).abs() < 1e-9, "{name}: {of_mirror} mirrored, {of_wire} on the wire");
            assert_eq!(mirrored.sum(&name, &[]), of_mirror, "{name}");
        }
    }
    assert_eq!(mirrored.sum("capture_dropped_packets_total", &[]), 0.0);
}
