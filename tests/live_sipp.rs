//! Real calls by SIPp over the loopback: what /metrics says equals what SIPp counted itself.

#[path = "live/calls.rs"]
mod calls;
#[path = "live/common.rs"]
mod common;
#[path = "live/sipp.rs"]
mod sipp;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use calls::{ANSWERED, KINDS, MEDIA_PACKETS, configuration, start_calls};
use common::{Agent, PortBlock, Samples};
use sipp::Counts;

#[test]
fn what_sipp_counted_stands_in_the_metrics() {
    if !common::can_run(&["sipp", "promtool"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let block = PortBlock::claim();
    let address = common::free_tcp_port();
    let agent = Agent::start(folder.path(), address, &configuration(address, r#"["lo"]"#, &block));

    let calls = start_calls(folder.path(), &block);
    agent.wait_for_metrics("five answered calls with their ten streams", |now| {
        now.sum("call_active", &[("state", "answered")]) >= 5.0 && now.sum("rtp_streams_active", &[]) >= 10.0
    });
    let (callers, callee) = calls.finish();
    let end = agent.wait_for_metrics("all calls and streams to be over", |now| {
        let outcomes = now.sum("call_outcomes_total", &[]);
        outcomes > 0.0 && outcomes == now.sum("call_attempts_total", &[]) && now.sum("rtp_streams_active", &[]) == 0.0
    });

    assert_eq!(end.sum("capture_dropped_packets_total", &[]), 0.0);
    assert_calls(&end, &callers, &callee);
    assert_messages(&end, &callers, &callee);
    assert_media(&end);
    assert_formats(&agent);
    let (status, took) = agent.terminate();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "SIGTERM took {took:?}");
    eprintln!("SIGTERM to exit: {took:?}");
}

fn assert_calls(end: &Samples, callers: &[Counts], callee: &Counts) {
    let mut outcomes = BTreeMap::new();
    for (kind, counts) in KINDS.iter().zip(callers) {
        assert_eq!((counts.successful, counts.failed), (u64::from(kind.calls), 0), "{}", kind.scenario);
        *outcomes.entry(kind.outcome.to_owned()).or_insert(0.0) += counts.successful as f64;
    }
    let attempts = callers.iter().map(|counts| counts.successful).sum::<u64>();
    assert_eq!((callee.successful, callee.failed), (attempts, 0), "caller and callee agree");

    let outward = [("direction", "outbound"), ("destination", "carrier")];
    assert_eq!(end.sum("call_attempts_total", &outward), attempts as f64);
    assert_eq!(end.sum("call_attempts_total", &[]), attempts as f64);
    assert_eq!(end.sum("call_answers_total", &outward), f64::from(ANSWERED));
    assert_eq!(end.by("call_outcomes_total", "outcome"), outcomes);
    assert_eq!(end.sum("call_active", &[]), 0.0);

    // 180 or 200: all but those that were refused; the two late ones after 800 ms from the first INVITE.
    assert_eq!(end.sum("call_setup_delay_seconds_count", &[]), f64::from(ANSWERED + 3));
    let setup = end.sum("call_setup_delay_seconds_sum", &[]);
    assert!((1.6..20.0).contains(&setup), "setup delays sum up to {setup} s");
    assert_eq!(end.sum("call_answer_delay_seconds_count", &[]), f64::from(ANSWERED));
    assert_eq!(end.sum("call_duration_seconds_count", &[]), f64::from(ANSWERED));
    let mean = end.sum("call_duration_seconds_sum", &[]) / f64::from(ANSWERED);
    assert!((5.0..10.0).contains(&mean), "5 s calls took {mean} s in the mean");
}

fn assert_messages(end: &Samples, callers: &[Counts], callee: &Counts) {
    let mut requests = BTreeMap::new();
    let mut repeated = BTreeMap::new();
    for method in ["INVITE", "ACK", "BYE", "CANCEL"] {
        let again: u64 = callers.iter().map(|counts| counts.sent_again(method)).sum();
        let sent: u64 = callers.iter().map(|counts| counts.sent(method)).sum();
        requests.insert(method.to_owned(), (sent + again) as f64);
        if again > 0 {
            repeated.insert(method.to_owned(), again as f64);
        }
    }
    assert_eq!(end.by("sip_requests_total", "method"), requests);
    assert_eq!(end.by("sip_requests_total", "direction").into_keys().collect::<Vec<_>>(), ["outbound"]);
    assert_eq!(end.by("sip_requests_total", "transport").into_keys().collect::<Vec<_>>(), ["udp"]);
    assert!(repeated.get("INVITE").is_some_and(|times| *times >= 2.0), "SIPp repeated {repeated:?}");
    for (method, times) in repeated {
        let labels = [("kind", "request"), ("method", method.as_str())];
        assert_eq!(end.sum("sip_retransmissions_total", &labels), times, "repeated {method}");
    }

    let codes = ["180", "200", "404", "486", "487"];
    let sent = |code: &&str| (code.to_string(), (callee.sent(code) + callee.sent_again(code)) as f64);
    assert_eq!(end.by("sip_responses_total", "code"), codes.iter().map(sent).collect());
    assert_eq!(end.by("sip_responses_total", "direction").into_keys().collect::<Vec<_>>(), ["inbound"]);
    let repeated: u64 = codes.iter().map(|code| callee.sent_again(code)).sum();
    assert!(repeated >= 2, "SIPp repeated {repeated} responses");
    assert_eq!(end.sum("sip_retransmissions_total", &[("kind", "response")]), repeated as f64);
    assert_eq!(end.sum("sip_malformed_messages_total", &[]), 0.0);
}

fn assert_media(end: &Samples) {
    let each_way = f64::from(ANSWERED) * f64::from(MEDIA_PACKETS);
    for direction in ["outbound", "inbound"] {
        let labels = [("direction", direction), ("codec", "pcma"), ("peer", "carrier")];
        assert_eq!(end.sum("rtp_streams_started_total", &labels), f64::from(ANSWERED), "{direction}");
        assert_eq!(end.sum("rtp_packets_total", &labels), each_way, "{direction}");
        assert_eq!(end.sum("rtp_packets_expected_total", &labels), each_way, "{direction}");
        assert_eq!(end.sum("rtp_payload_bytes_total", &labels), each_way * 160.0, "{direction}");
    }
    assert_eq!(end.sum("rtp_packets_total", &[]), 2.0 * each_way);
    for family in ["rtp_packets_lost_total", "rtp_packets_duplicated_total", "rtp_packets_reordered_total"] {
        assert_eq!(end.sum(family, &[]), 0.0, "{family}");
    }
    // G.711 without loss: R 93.2, MOS 4.41.
    let mos = end.sum("rtp_mos_sum", &[]) / end.sum("rtp_mos_count", &[]);
    assert!((4.3..4.5).contains(&mos), "mean MOS {mos}");
    assert_eq!(end.sum("call_mos_count", &[]), f64::from(ANSWERED));
}

fn assert_formats(agent: &Agent) {
    let get =
        |headers: &[(&str, &str)]| common::http_get(agent.address, "/metrics", headers).expect("/metrics answers");
    let open = get(&[("Accept", "application/openmetrics-text; version=1.0.0")]);
    assert!(
        open.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"),
        "{:?}",
        open.headers
    );
    assert!(open.text().ends_with("\n# EOF\n"));

    let plain = get(&[]);
    assert!(plain.header("content-type").starts_with("text/plain; version=0.0.4"), "{:?}", plain.headers);
    assert!(!plain.text().contains("# EOF"));
    check_with_promtool(&plain.body);

    let packed = get(&[("Accept-Encoding", "gzip")]);
    assert_eq!(packed.header("content-encoding"), "gzip");
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.body.as_slice()).read_to_string(&mut text).expect("gzip");
    assert_eq!(Samples::parse(&text).sum("call_answers_total", &[]), f64::from(ANSWERED));

    let landing = common::http_get(agent.address, "/", &[]).expect("/ answers");
    assert!(landing.status == 200 && landing.text().contains("/metrics"));
    assert_eq!(common::http_get(agent.address, "/nothing-here", &[]).expect("an answer").status, 404);
}

fn check_with_promtool(text: &[u8]) {
    let mut promtool = Command::new(common::find_program("promtool").expect("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    promtool.stdin.take().expect("a pipe").write_all(text).expect("promtool reads");
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    // node_exporter's names, which the host's families keep, have the kernel's own spelling.
    let of_the_kernel = |line: &str| line.starts_with("host_") && line.contains("'snake_case' not 'camelCase'");
    let lint: Vec<&str> = said.lines().filter(|line| !line.is_empty() && !of_the_kernel(line)).collect();
    // 3: it understood everything, and found something to say (promtool, exit code of the linter).
    let is_read = output.status.success() || output.status.code() == Some(3);
    assert!(is_read && lint.is_empty(), "promtool check metrics: {} {lint:#?}", output.status);
}

#[test]
fn a_port_in_use_is_said_and_ends_with_1() {
    if !common::can_run(&[]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let block = PortBlock::claim();
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = taken.local_addr().expect("an address");
    let second = Agent::spawn(folder.path(), address, &configuration(address, r#"["lo"]"#, &block));
    let (status, log) = second.wait();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains(&address.to_string()) && log.contains("in use"), "{log}");
}

#[test]
fn an_interface_that_does_not_exist_is_said_and_counted() {
    if !common::can_run(&[]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let block = PortBlock::claim();
    let address = common::free_tcp_port();
    let agent = Agent::start(folder.path(), address, &configuration(address, r#"["lo", "nope0"]"#, &block));
    let now = agent.wait_for_metrics("the loopback to be captured", |now| {
        now.sum("capture_interface_up", &[("interface", "lo")]) == 1.0
    });
    assert_eq!(now.sum("capture_interface_up", &[("interface", "nope0")]), 0.0);
    assert!(now.by("capture_interface_up", "interface").len() == 1);
    assert!(agent.log().contains("nope0"), "{}", agent.log());
    assert_eq!(agent.terminate().0.code(), Some(0));
}

/// A pair of virtual interfaces, the near end with an address; deleted when dropped.
struct Link {
    name: String,
    network: String,
}

impl Link {
    fn new() -> Self {
        let pid = std::process::id();
        // RFC 2544 appendix C.2.2: 198.18.0.0/15 is for tests.
        Link { name: format!("st{pid}"), network: format!("198.18.{}.{}", pid >> 6 & 0xff, (pid & 0x3f) << 2) }
    }

    fn host(&self, n: u8) -> Ipv4Addr {
        let network: Ipv4Addr = self.network.parse().expect("an address");
        Ipv4Addr::from_bits(network.to_bits() + u32::from(n))
    }

    fn create(&self) -> bool {
        let Link { name, .. } = self;
        let (near, far) = (self.host(1), self.host(2));
        // The far end has no address: the neighbour entry stands for the answer to ARP.
        [
            format!("link add {name}a type veth peer name {name}b"),
            format!("address add {near}/30 dev {name}a"),
            format!("link set {name}b up"),
            format!("link set {name}a up"),
            format!("neigh replace {far} lladdr 02:00:00:00:00:02 dev {name}a"),
        ]
        .iter()
        .all(|command| ip(command))
    }

    fn delete(&self) {
        ip(&format!("link delete {}a", self.name));
    }

    /// Sends one SIP request out of the near end.
    fn send(&self, port: u16, n: u32) {
        let socket = UdpSocket::bind((self.host(1), port)).expect("a socket");
        let (near, far) = (self.host(1), self.host(2));
        let request = format!(
            "OPTIONS sip:probe@{far} SIP/2.0\r\nVia: SIP/2.0/UDP {near}:{port};branch=z9hG4bK-{n}\r\nMax-Forwards: 70\r\n\
             From: <sip:test@{near}>;tag=1\r\nTo: <sip:probe@{far}>\r\nCall-ID: {n}@{near}\r\nCSeq: 1 OPTIONS\r\n\
             Content-Length: 0\r\n\r\n"
        );
        socket.send_to(request.as_bytes(), (far, port)).expect("a datagram is sent");
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.delete();
    }
}

fn ip(arguments: &str) -> bool {
    let program = common::find_program("ip").expect("ip");
    let discard = || File::options().write(true).open("/dev/null").expect("/dev/null");
    let status = Command::new(program).args(arguments.split(' ')).stderr(discard()).status();
    status.expect("ip runs").success()
}

#[test]
fn an_interface_that_vanishes_is_captured_again() {
    if !common::can_run(&["ip"]) {
        return;
    }
    let link = Link::new();
    if !link.create() {
        return common::skip("no veth interfaces here");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let block = PortBlock::claim();
    let address = common::free_tcp_port();
    let interface = format!("{}a", link.name);
    let agent = Agent::start(folder.path(), address, &configuration(address, &format!("[\"{interface}\"]"), &block));
    let up = |now: &Samples| now.sum("capture_interface_up", &[("interface", &interface)]);
    let requests = |now: &Samples| now.sum("sip_requests_total", &[("method", "OPTIONS")]);

    let mut sent = 0;
    let mut send_until_counted = |above: f64| {
        common::wait_for("a request on the interface to be counted", || {
            link.send(block.sip(0), sent);
            sent += 1;
            Some(requests(&agent.metrics())).filter(|count| *count > above)
        })
    };
    send_until_counted(0.0);
    link.delete();
    let down = agent.wait_for_metrics("the interface to be down", |now| up(now) == 0.0);
    assert!(agent.log().contains(&interface), "{}", agent.log());
    let ready = || common::http_get(address, "/-/ready", &[]).expect("an answer").status;
    assert_eq!(ready(), 503, "nothing is captured");
    assert!(link.create(), "the interface comes back");
    agent.wait_for_metrics("the interface to be up", |now| up(now) == 1.0);
    assert_eq!(ready(), 200);
    send_until_counted(requests(&down));
    assert_eq!(agent.terminate().0.code(), Some(0));
}
