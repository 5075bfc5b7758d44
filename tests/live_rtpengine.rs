//! Real calls through rtpengine: its own statistics beside ours, stream by stream, and what it adds to what it forwards.

#![allow(clippy::disallowed_methods, reason = "who sends media needs a clock; the ban is for the core")]

#[path = "live/common.rs"]
mod common;
#[path = "live/frames.rs"]
mod frames;
#[path = "live/ng.rs"]
mod ng;
#[allow(dead_code)] // uses a part of it
#[path = "support/generator/rng.rs"]
mod rng;
#[path = "live/servers.rs"]
mod servers;
#[path = "live/sipp.rs"]
mod sipp;
#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Agent, PortBlock, Samples};
use frames::Frame;
use ng::Control;
use serde_json::{Value, json};
use servers::{Recording, Softphone, signal_process, start_kamailio, start_rtpengine};
use sipp::Sipp;
use support::Differences;

/// RTP packets in each direction of a SIPp call: 10 s.
const PACKETS: u16 = 500;
/// The host that relays: the one that the agent calls its own.
const RELAY: Ipv4Addr = Ipv4Addr::new(127, 3, 0, 9);
/// RTP header without CSRCs and extension (RFC 3550 section 5.1): rtpengine counts it too.
const RTP_HEADER: u64 = 12;
/// 20 ms of G.711.
const PAYLOAD: u64 = 160;
/// Packets before a relay is recognised by its numbers (at once, or at the eighth), and after the end of the call.
const UNRECOGNISED: usize = 8;
/// Times in a recording are microseconds.
const DELAY_TOLERANCE: f64 = 2e-6;

fn configuration(address: SocketAddr, block: &PortBlock, peers: &BTreeMap<String, Ipv4Addr>) -> String {
    let (sip_ports, media_ports) = block.ranges();
    let peers = peers.iter().map(|(name, ip)| format!("[[peers]]\nname = \"{name}\"\nnetworks = [\"{ip}/32\"]\n"));
    format!(
        "[web]\nlisten_address = \"{address}\"\n[media]\ninterval = \"1s\"\nidle_timeout = \"3s\"\n\
         [capture]\ninterfaces = [\"lo\"]\nsip_ports = [\"{sip_ports}\"]\nmedia_ports = [\"{media_ports}\"]\n\
         [site]\nlocal_networks = [\"{RELAY}/32\"]\n{}",
        peers.collect::<String>()
    )
}

fn capture_filter(block: &PortBlock) -> String {
    format!("udp and portrange {}-{}", block.sip(0), block.media(5) + 79)
}

/// A party of a SIPp call, alone on its address; both parties of a call use the same ports.
struct Party<'a> {
    scenario: &'a str,
    host: Ipv4Addr,
    media: u16,
    payload_type: u8,
    ssrc: u32,
}

impl Party<'_> {
    fn start(&self, folder: &Path, sip: u16, rest: &str) -> Sipp {
        let Party { scenario, host, media, payload_type, ssrc } = self;
        let folder = folder.join(format!("{scenario}-{host}"));
        std::fs::create_dir(&folder).expect("a folder");
        sipp::write_stream(&folder, PACKETS, *ssrc, *payload_type);
        let codec = if *payload_type == 0 { "PCMU" } else { "PCMA" };
        let keys = format!("-key media_host {host} -key media_port_offered {media} -key codec {payload_type}");
        let own = format!("-i {host} -mi {host} -p {sip} -mp {media} {keys} -key codec_name {codec}");
        Sipp::start(&folder, scenario, &format!("{own} -m 1 {rest}"))
    }
}

/// Two SIPp calls, one of them transcoded, and two between softphones, one of them encrypted behind the relay.
#[test]
fn calls_through_kamailio_and_rtpengine() {
    if !common::can_run(&["sipp", "baresip", "kamailio", "rtpengine", "tcpdump"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let block = PortBlock::claim();
    let host = |call: u8, party: u8| Ipv4Addr::new(127, 3, call, party);
    let peers =
        ["plain-a", "plain-b", "transcoded-a", "transcoded-b"].into_iter().zip([(1, 1), (1, 2), (2, 1), (2, 2)]);
    let mut peers: BTreeMap<String, Ipv4Addr> =
        peers.map(|(name, (call, party))| (name.to_owned(), host(call, party))).collect();
    peers.insert("softphones".to_owned(), Ipv4Addr::LOCALHOST);
    let address = common::free_tcp_port();
    let agent = Agent::start(folder, address, &configuration(address, &block, &peers));
    let recording = Recording::start(folder, &capture_filter(&block));

    let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (proxy, control) = (SocketAddr::from((RELAY, block.sip(1))), local(block.sip(12)));
    let _rtpengine = start_rtpengine(folder, control, RELAY, (block.media(4), block.media(5) + 79));
    let sip = block.sip(0);
    let at = |host: Ipv4Addr| format!("{host}:{sip}");
    let phone = |name, n: u16, account| Softphone {
        name,
        sip: local(block.sip(2 + 2 * n)),
        media: block.media(3) + 2 * n,
        account,
    };
    let (bob, secret) = (phone("softphone", 0, ""), phone("encrypted", 1, ";mediaenc=srtp-mand"));
    let _kamailio = start_kamailio(
        folder,
        "kamailio.cfg",
        &[
            ("PROXY", &proxy.to_string()),
            ("NG", &control.to_string()),
            ("PLAIN", &at(host(1, 2))),
            ("TRANSCODED", &at(host(2, 2))),
            ("SOFTPHONE", &bob.sip.to_string()),
            ("ENCRYPTED", &secret.sip.to_string()),
        ],
    );

    let mut sipps = Vec::new();
    for (n, user, payload_type) in [(1, "plain", 8), (2, "transcoded", 0)] {
        let (a, b) = (0xaa00_0000 + u32::from(n), 0xbb00_0000 + u32::from(n));
        let callee = Party { scenario: "uas_media", host: host(n, 2), media: block.media(1), payload_type, ssrc: b };
        sipps.push(callee.start(folder, sip, ""));
        let caller = Party { scenario: "uac_media", host: host(n, 1), media: block.media(0), payload_type: 8, ssrc: a };
        sipps.push(caller.start(folder, sip, &format!("-s {user} -d 11000 {proxy}")));
    }
    let (bob, secret) = (bob.start(folder, None), secret.start(folder, None));
    let dial = |name, n, user| phone(name, n, "").start(folder, Some(&format!("sip:{user}@{proxy}")));
    let mut callers = [dial("alice", 2, "softphone"), dial("carol", 3, "encrypted")];
    callers.iter_mut().for_each(|caller| caller.wait_for_log("Call established"));
    for counts in sipps.into_iter().map(Sipp::finish) {
        assert_eq!((counts.successful, counts.failed), (1, 0));
    }
    let callers = callers.map(|caller| caller.end("TERM").1);
    let end = agent.wait_for_the_end(16.0);
    // Four calls: each BYE and its 200 go through Kamailio, and so do INVITE, 180 and 200.
    let passed = |method| end.sum("sip_relay_delay_seconds_count", &[("method", method)]);
    assert_eq!((passed("BYE"), passed("INVITE")), (8.0, 12.0));
    let longest = end.sum("sip_relay_delay_seconds_sum", &[]) / end.sum("sip_relay_delay_seconds_count", &[]);
    assert!(longest < 0.1, "Kamailio takes {longest} s a message in the mean");
    let callees = [bob, secret].map(|callee| callee.end("TERM").1);
    for log in callers.iter().chain(&callees) {
        assert!(log.contains("terminated (duration"), "{log}");
    }

    let file = recording.finish();
    let (report, frames) = (support::analyze_json(&file), frames::read(&file));
    let control = Control::new(control);
    let mut differences = Differences::new("through rtpengine");
    let mut refused = 0;
    for call in support::items(&report["calls"]) {
        let theirs = control.ask("query", json!({ "call-id": call["call_id"] }));
        refused += compare_call(call, &report, &frames, &theirs, &mut differences);
    }
    assert_eq!(support::items(&report["calls"]).len(), 4);
    compare_metrics(&end, refused, &mut differences);
    differences.finish();
}

/// A stream in a recording: SSRC, source, destination.
type Way = (u32, SocketAddr, SocketAddr);

fn ways(stream: &Value) -> Way {
    let text = |key: &str| stream[key].as_str().expect("a text");
    let ssrc = u32::from_str_radix(&text("ssrc")[2..], 16).expect("an SSRC");
    (ssrc, text("source").parse().expect("an address"), text("destination").parse().expect("an address"))
}

/// What a relay really did, from the recording alone, packet by packet by sequence number.
#[derive(Debug)]
struct Relayed {
    /// Time inside of each packet that came out, seconds.
    delays: Vec<f64>,
    lost: u64,
}

fn relayed(frames: &[Frame], into: &Way, out: &Way) -> Relayed {
    let passings = |way: &Way| {
        let on_way = frames.iter().filter(|frame| (frame.source, frame.destination) == (way.1, way.2));
        let rtp = on_way.filter_map(|frame| frame.rtp().map(|(ssrc, sequence)| (ssrc, sequence, frame.ns)));
        rtp.filter(|(ssrc, ..)| *ssrc == way.0).map(|(_, sequence, ns)| (sequence, ns)).collect::<Vec<_>>()
    };
    let left: BTreeMap<u16, u64> = passings(out).into_iter().collect();
    // What came before the first that came out found no relay yet.
    let came: Vec<_> = passings(into).into_iter().skip_while(|(sequence, _)| !left.contains_key(sequence)).collect();
    let stays = came.iter().filter_map(|(sequence, ns)| Some((*left.get(sequence)? - ns) as f64 / 1e9));
    let delays: Vec<f64> = stays.collect();
    Relayed { lost: (came.len() - delays.len()) as u64, delays }
}

/// The report's `relay` of an outgoing stream against the recording.
fn check_relay(what: &str, relay: &Value, truth: &Relayed, differences: &mut Differences) {
    let Relayed { delays, lost } = truth;
    let recognised = relay["packets"].as_u64().unwrap_or(0) as usize;
    let Some(unrecognised) = delays.len().checked_sub(recognised).filter(|n| *n <= UNRECOGNISED) else {
        return differences.add(&format!("{what}: packets relayed"), relay, delays.len());
    };
    // Those are the first ones, before the link was known, and the last, when the call was over.
    let windows = (0..=unrecognised).map(|first| mean_and_max(&delays[first..first + recognised]));
    let said = ["mean", "max"].map(|key| relay["delay_seconds"][key].as_f64().unwrap_or(f64::NAN));
    let is_said =
        |(mean, max): &(f64, f64)| (mean - said[0]).abs() < DELAY_TOLERANCE && (max - said[1]).abs() < DELAY_TOLERANCE;
    println!(
        "{what}: {recognised} of {} packets recognised, {lost} lost in the relay, {:.3} ms in it in the mean, {:.3} at most",
        delays.len(),
        said[0] * 1e3,
        said[1] * 1e3
    );
    differences.equal(&format!("{what}: lost in the relay"), &relay["lost"], *lost);
    let windows: Vec<(f64, f64)> = windows.collect();
    if !windows.iter().any(is_said) {
        differences.add(&format!("{what}: mean and longest relay delay"), format!("{said:?}"), format!("{windows:?}"));
    }
}

fn mean_and_max(delays: &[f64]) -> (f64, f64) {
    (delays.iter().sum::<f64>() / delays.len() as f64, delays.iter().copied().fold(0.0, f64::max))
}

/// The four streams of a call: what comes in equals what rtpengine counted, and what goes out equals what came in.
/// Gives how many packets rtpengine refused.
fn compare_call(call: &Value, report: &Value, frames: &[Frame], theirs: &Value, differences: &mut Differences) -> u64 {
    let user = call["callee"].as_str().unwrap_or_default();
    let streams: Vec<&Value> =
        support::items(&report["streams"]).iter().filter(|stream| stream["call_id"] == call["call_id"]).collect();
    differences.equal(&format!("{user}: streams"), &json!(streams.len()), 4);
    let is_from_relay = |stream: &Value| stream["source"].as_str().is_some_and(|s| s.starts_with(&RELAY.to_string()));
    let (out, into): (Vec<&Value>, Vec<&Value>) = streams.into_iter().partition(|stream| is_from_relay(stream));
    let mut all_refused = 0;
    for stream in into {
        let party: SocketAddr = stream["source"].as_str().expect("a source").parse().expect("an address");
        let theirs = ng::received_from(theirs, party).unwrap_or_else(|| panic!("no {party} in {theirs}"));
        let ng::Received { packets, bytes, errors } = theirs;
        println!("{user}: from {party} we count {} packets, rtpengine {packets} with {bytes} bytes", stream["packets"]);
        // Who answers encrypted may be quicker than the key that its answer carries: those packets end here, counted as errors
        // only.
        let refused = if user == "encrypted" { errors } else { 0 };
        all_refused += refused;
        differences.equal(&format!("{user}: errors from {party}"), &json!(errors), refused);
        differences.equal(&format!("{user}: packets from {party}"), &stream["packets"], packets + refused);
        differences.equal(&format!("{user}: lost from {party}"), &stream["lost"], 0);
        // Its way on: to the other party.
        let on = out.iter().find(|other| other["destination"] != stream["source"]).expect("it goes on");
        for count in ["packets", "expected"] {
            let on = json!(on[count].as_u64().unwrap_or(0) + refused);
            differences.equal(&format!("{user}: {count} behind the relay"), &on, stream[count].clone());
        }
        for count in ["lost", "duplicates", "reordered"] {
            // What is transcoded passes through several threads of rtpengine's: on a busy machine one overtakes another.
            if (user, count) == ("transcoded", "reordered") {
                continue;
            }
            differences.equal(&format!("{user}: {count} behind the relay"), &on[count], 0);
        }
        differences.equal(&format!("{user}: bytes from {party}"), &json!(bytes), packets * (RTP_HEADER + PAYLOAD));
        check_relay(user, &on["relay"], &relayed(frames, &ways(stream), &ways(on)), differences);
        let kept = on["ssrc"] == stream["ssrc"];
        differences.equal(&format!("{user}: SSRC kept"), &json!(kept), user != "transcoded");
    }
    compare_reports(user, theirs, report, differences);
    all_refused
}

/// What rtpengine computes of the receivers' reports that it forwards: per cent lost, MOS times 10, round trip in microseconds.
/// Its MOS is that of no codec, from loss and round trip: near ours where nothing is lost.
fn compare_reports(user: &str, theirs: &Value, report: &Value, differences: &mut Differences) {
    for (ssrc, said) in theirs["SSRC"].as_object().into_iter().flatten() {
        let average = &said["average MOS"];
        if average["samples"].as_u64().is_none_or(|samples| samples == 0) {
            continue;
        }
        let ssrc = format!("0x{:08x}", ssrc.parse::<u32>().expect("an SSRC"));
        let stream =
            support::items(&report["streams"]).iter().find(|stream| stream["ssrc"] == ssrc).expect("the stream");
        let theirs = [&average["packet loss"], &average["MOS"], &average["round-trip time"]].map(Value::as_f64);
        let [Some(loss), Some(mos), Some(round_trip)] = theirs else {
            differences.add(&format!("{user}: what rtpengine says of {ssrc}"), average, "loss, MOS, round trip");
            continue;
        };
        let ours = support::items(&report["rtcp"]["round_trips"]).iter().filter(|trip| trip["ssrc"] == ssrc);
        let ours: Vec<f64> = ours.filter_map(|trip| trip["seconds"].as_f64()).collect();
        println!(
            "{user}: {ssrc}: rtpengine says {loss} % lost, MOS {}, round trip {round_trip} us; we say {} lost, MOS {}, round \
             trips {ours:?} s",
            mos / 10.0,
            stream["lost"],
            stream["mos"]
        );
        differences.near(&format!("{user}: loss of {ssrc}"), &stream["loss_ratio"], Some(loss / 100.0), 0.005);
        differences.near(&format!("{user}: MOS of {ssrc}"), &stream["mos"], Some(mos / 10.0), 0.15);
        let longest = ours.iter().copied().fold(0.0, f64::max);
        differences.near(&format!("{user}: round trip of {ssrc}"), &json!(longest), Some(round_trip / 1e6), 0.02);
    }
}

/// The same on the live wire.
fn compare_metrics(end: &Samples, refused: u64, differences: &mut Differences) {
    let payload = u64::from(PACKETS) * PAYLOAD;
    for peer in ["plain-a", "plain-b", "transcoded-a", "transcoded-b"] {
        for direction in ["inbound", "outbound"] {
            let codec = if peer == "transcoded-b" { "pcmu" } else { "pcma" };
            let labels = [("peer", peer), ("direction", direction), ("codec", codec)];
            for (family, want) in [
                ("rtp_streams_started_total", 1),
                ("rtp_packets_total", PACKETS.into()),
                ("rtp_packets_expected_total", PACKETS.into()),
                ("rtp_payload_bytes_total", payload),
            ] {
                differences.equal(&format!("{family} of {labels:?}"), &json!(end.sum(family, &labels)), want as f64);
            }
        }
    }
    let softphones = |family, direction| end.sum(family, &[("peer", "softphones"), ("direction", direction)]);
    for family in ["rtp_streams_started_total", "rtp_packets_total", "rtp_packets_expected_total"] {
        let (inbound, outbound) = (softphones(family, "inbound"), softphones(family, "outbound"));
        let refused = if family == "rtp_streams_started_total" { 0.0 } else { refused as f64 };
        differences.equal(&format!("{family} of softphones"), &json!(outbound), inbound - refused);
    }
    differences.equal("rtp_packets_lost_total", &json!(end.sum("rtp_packets_lost_total", &[])), 0.0);
    for kind in ["SR", "BYE"] {
        let counted = end.sum("rtcp_packets_total", &[("type", kind)]);
        if counted == 0.0 {
            differences.add(&format!("RTCP {kind}"), counted, "some of the softphones'");
        }
    }
}

/// A call without signalling whose parties are the sockets of this test; rtpengine learns of it by the ng protocol.
struct Spoken<'a> {
    name: &'a str,
    /// Of the first party's voice; the second's is one higher.
    ssrc: u32,
    /// Each party's socket, and rtpengine's address for it.
    parties: [(UdpSocket, SocketAddr); 2],
}

impl<'a> Spoken<'a> {
    fn begin(name: &'a str, control: &Control, hosts: [Ipv4Addr; 2], media: u16, ssrc: u32) -> Spoken<'a> {
        let sockets = hosts.map(|host| UdpSocket::bind((host, media)).expect("a media port"));
        let sdp = |host: Ipv4Addr| {
            format!(
                "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {media} RTP/AVP 8\r\n\
                 a=rtpmap:8 PCMA/8000\r\n"
            )
        };
        let mut arguments = json!({ "call-id": name, "from-tag": "a", "sdp": sdp(hosts[0]) });
        let for_b = media_address(&control.ask("offer", arguments.clone()));
        arguments["to-tag"] = json!("b");
        arguments["sdp"] = json!(sdp(hosts[1]));
        let for_a = media_address(&control.ask("answer", arguments));
        let [a, b] = sockets;
        Spoken { name, ssrc, parties: [(a, for_a), (b, for_b)] }
    }

    /// Both parties send `PACKETS_SPOKEN` packets, without those that `skipped` says; `aside` runs meanwhile.
    fn speak(&self, skipped: impl Fn(u16) -> bool + Copy + Send, aside: impl FnOnce() + Send) {
        std::thread::scope(|scope| {
            scope.spawn(aside);
            for (ssrc, (socket, relay)) in (self.ssrc..).zip(&self.parties) {
                scope.spawn(move || {
                    let start = Instant::now();
                    for n in (0..PACKETS_SPOKEN).filter(|n| !skipped(*n)) {
                        let due = start + Duration::from_millis(20) * u32::from(n);
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                        socket.send_to(&sipp::telling_packet(n, ssrc, 8), relay).expect("sent");
                    }
                });
            }
        });
    }

    /// How many packets each party has heard.
    fn heard(&self) -> [u64; 2] {
        self.parties.each_ref().map(|(socket, _)| {
            socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a time-out");
            let mut heard = 0;
            while socket.recv_from(&mut [0; 2048]).is_ok() {
                heard += 1;
            }
            heard
        })
    }
}

/// How long rtpengine does not run in one of the calls.
const STOPPED: Duration = Duration::from_millis(100);
/// RTP packets of a spoken call: 4 s.
const PACKETS_SPOKEN: u16 = 200;

fn media_address(answer: &Value) -> SocketAddr {
    let sdp = answer["sdp"].as_str().expect("an SDP");
    let after =
        |text: &str| sdp.split_once(text).and_then(|(_, rest)| rest.split(['\r', ' ']).next()).expect("a field");
    format!("{}:{}", after("c=IN IP4 "), after("m=audio ")).parse().expect("an address")
}

/// What this host adds: nothing but a moment; the loss of media that rtpengine was told to block; the delay of a relay that
/// does not run for 100 ms.
#[test]
fn what_rtpengine_adds() {
    if !common::can_run(&["rtpengine", "tcpdump"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let block = PortBlock::claim();
    let names = ["lossy", "blocked", "stopped"];
    let hosts = [1, 2, 3].map(|call| [1, 2].map(|party| Ipv4Addr::new(127, 4, call, party)));
    let peers = names.iter().zip(hosts).flat_map(|(name, [a, b])| [(format!("{name}-a"), a), (format!("{name}-b"), b)]);
    let address = common::free_tcp_port();
    let agent = Agent::start(folder, address, &configuration(address, &block, &peers.collect()));
    let recording = Recording::start(folder, &capture_filter(&block));
    // The one that is stopped stands for itself.
    let start = |n: u16| {
        let control = SocketAddr::from((Ipv4Addr::LOCALHOST, block.sip(n)));
        let server = start_rtpengine(folder, control, RELAY, (block.media(n + 1), block.media(n + 1) + 79));
        (server, Control::new(control))
    };
    let ((_running, control), (stopped, stopped_control)) = (start(0), start(1));
    let controls = [&control, &control, &stopped_control];
    let ssrc = |n: usize| 0xcc00_0000 + 2 * n as u32;
    let calls: Vec<Spoken> =
        (0..3).map(|n| Spoken::begin(names[n], controls[n], hosts[n], block.media(0), ssrc(n))).collect();

    let of_blocked = json!({ "call-id": "blocked", "from-tag": "a" });
    std::thread::scope(|scope| {
        scope.spawn(|| calls[0].speak(|n| n % 37 == 5, || {}));
        scope.spawn(|| {
            calls[1].speak(
                |_| false,
                || {
                    std::thread::sleep(Duration::from_millis(1010));
                    control.ask("block media", of_blocked.clone());
                    std::thread::sleep(Duration::from_secs(1));
                    control.ask("unblock media", of_blocked.clone());
                },
            );
        });
        calls[2].speak(
            |_| false,
            || {
                std::thread::sleep(Duration::from_millis(1010));
                signal_process("STOP", stopped.id());
                std::thread::sleep(STOPPED);
                signal_process("CONT", stopped.id());
            },
        );
    });
    let heard: Vec<[u64; 2]> = calls.iter().map(Spoken::heard).collect();
    let end = agent.wait_for_the_end(12.0);
    let file = recording.finish();
    let mut differences = Differences::new("what rtpengine adds");
    let blocked = u64::from(PACKETS_SPOKEN) - heard[1][1];
    assert!((40..100).contains(&blocked), "blocked for 1 s: {blocked} packets");
    for ((call, heard), control) in calls.iter().zip(heard).zip(controls) {
        let theirs = control.ask("query", json!({ "call-id": call.name }));
        compare_spoken(call, heard, &theirs, &end, &mut differences);
    }
    let (report, frames) = (support::analyze_json(&file), frames::read(&file));
    for call in &calls {
        compare_added(call, &report, &frames, &end, &mut differences);
    }
    let outbound = [("direction", "outbound")];
    let observed = end.sum("rtp_relay_delay_seconds_count", &outbound);
    differences.equal(
        "rtp_relay_delay_seconds_count",
        &json!(observed),
        end.sum("rtp_relayed_packets_total", &outbound),
    );
    differences.equal("rtp_relay_delay_seconds_count", &json!(end.sum("rtp_relay_delay_seconds_count", &[])), observed);
    // Four packets in 100 ms, both ways, waited for 20 ms and longer.
    let soon = end.sum("rtp_relay_delay_seconds_bucket", &[("direction", "outbound"), ("le", "0.01")]);
    if !(6.0..60.0).contains(&(observed - soon)) {
        differences.add("packets in the relay for 10 ms and longer", observed - soon, "8 or so");
    }
    differences.finish();
}

/// Counts on the live wire: those of rtpengine for what comes in, those of the parties for what goes out.
fn compare_spoken(call: &Spoken, heard: [u64; 2], theirs: &Value, end: &Samples, differences: &mut Differences) {
    let skipped = (0..PACKETS_SPOKEN).filter(|n| call.name == "lossy" && n % 37 == 5).count() as u64;
    let sent = u64::from(PACKETS_SPOKEN) - skipped;
    for (party, heard) in ["a", "b"].into_iter().zip(heard) {
        let peer = format!("{}-{party}", call.name);
        let socket = &call.parties[usize::from(party == "b")].0;
        let from = socket.local_addr().expect("an address");
        let ng::Received { packets, bytes, errors } =
            ng::received_from(theirs, from).unwrap_or_else(|| panic!("no {from} in {theirs}"));
        let counts = |direction| {
            let labels = [("peer", peer.as_str()), ("direction", direction)];
            let families = ["packets", "packets_expected", "packets_lost", "packets_duplicated", "packets_reordered"];
            families.map(|family| end.sum(&format!("rtp_{family}_total"), &labels))
        };
        let wanted = |packets: u64| {
            let all = u64::from(PACKETS_SPOKEN);
            json!([packets as f64, all as f64, (all - packets) as f64, 0.0, 0.0])
        };
        differences.equal(
            &format!("{peer}: rtpengine's packets, bytes and errors"),
            &json!([packets, bytes, errors]),
            json!([sent, sent * (RTP_HEADER + PAYLOAD), 0]),
        );
        differences.equal(&format!("{peer}: counts of what comes in"), &json!(counts("inbound")), wanted(packets));
        differences.equal(&format!("{peer}: counts of what goes out"), &json!(counts("outbound")), wanted(heard));
    }
}

/// The relay's own share, in the report and on the live wire, against the recording.
fn compare_added(call: &Spoken, report: &Value, frames: &[Frame], end: &Samples, differences: &mut Differences) {
    let [a, b] = &call.parties;
    for (from, to, ssrc, party) in [(a, b, call.ssrc, "b"), (b, a, call.ssrc + 1, "a")] {
        let address = |socket: &UdpSocket| socket.local_addr().expect("an address");
        let way = [(ssrc, address(&from.0), from.1), (ssrc, to.1, address(&to.0))];
        let truth = relayed(frames, &way[0], &way[1]);
        let what = format!("{} to {party}", call.name);
        let streams = support::items(&report["streams"]);
        let Some(stream) = streams.iter().find(|stream| ways(stream) == way[1]) else {
            differences.add(&what, "no stream", format!("{:?}", way[1]));
            continue;
        };
        check_relay(&what, &stream["relay"], &truth, differences);
        let peer = format!("{}-{party}", call.name);
        let labels = [("peer", peer.as_str()), ("direction", "outbound")];
        let live = |family| end.sum(family, &labels);
        differences.equal(
            &format!("{what}: rtp_relay_lost_packets_total"),
            &json!(live("rtp_relay_lost_packets_total")),
            truth.lost as f64,
        );
        differences.equal(
            &format!("{what}: rtp_relayed_packets_total"),
            &json!(live("rtp_relayed_packets_total")),
            stream["relay"]["packets"].as_f64().unwrap_or(-1.0),
        );
        let longest = mean_and_max(&truth.delays).1;
        let stopped = STOPPED.as_secs_f64();
        let as_done = match (call.name, party) {
            ("stopped", _) => truth.lost == 0 && (stopped - 0.025..stopped + 0.35).contains(&longest),
            ("blocked", "b") => truth.lost > 0,
            _ => truth.lost == 0,
        };
        assert!(as_done, "{what} is not what was asked for: {longest} s, {} lost", truth.lost);
    }
}
