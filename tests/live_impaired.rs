//! Real calls through a network that is known packet by packet: what was injected is what is measured behind it.

#[path = "live/common.rs"]
mod common;
#[path = "live/frames.rs"]
mod frames;
#[path = "live/relay.rs"]
mod relay;
#[allow(dead_code)] // uses a part of it
#[path = "support/generator/rng.rs"]
mod rng;
#[path = "live/servers.rs"]
mod servers;
#[path = "live/sipp.rs"]
mod sipp;
#[path = "support/mod.rs"]
mod support;
#[path = "live/truth.rs"]
mod truth;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use common::{Agent, PortBlock, Samples};
use frames::Frame;
use relay::{End, Gilbert, Impairment, Jitter, Log, MS, Path as Network, Relay};
use serde_json::Value;
use servers::{Recording, Server, Softphone, start_kamailio};
use sipp::Sipp;
use support::Differences;
use truth::Truth;

/// RTP packets in each direction of a SIPp call: 13 s.
const PACKETS: u16 = 650;
const CLOCK_RATE: f64 = 8000.0;
const INTERVAL_NS: u64 = 1010 * MS;
/// How far the jitter of the wire may be from that of the relay's log: the clock is the same, but the relay may be interrupted
/// between reading it and the wire.
const LOG_TOLERANCE: f64 = 0.001;
/// The same from that of the recording, whose times are the wire's: a rounded division.
const RECORDING_TOLERANCE: f64 = 1e-9;
const SEED: u64 = 3;

/// What the network does, and the name of the peers behind it.
const PROFILES: [(&str, Impairment); 6] = [
    ("clean", Impairment { delay_ns: 20 * MS, ..NOTHING }),
    ("random", Impairment { delay_ns: 40 * MS, loss: 20, ..NOTHING }),
    ("bursts", Impairment { delay_ns: 30 * MS, bursts: Some(BURSTS), ..NOTHING }),
    ("jitter", Impairment { delay_ns: 30 * MS, jitter: Jitter::Normal(8 * MS), in_order: true, ..SPIKES }),
    ("reorder", Impairment { delay_ns: 20 * MS, jitter: Jitter::Uniform(3 * MS), ..REORDER }),
    (
        "all",
        Impairment {
            delay_ns: 25 * MS,
            jitter: Jitter::Uniform(30 * MS),
            loss: 10,
            spike: 5,
            spike_ns: 150 * MS,
            ..ALL
        },
    ),
];
const NOTHING: Impairment = Impairment {
    loss: 0,
    bursts: None,
    delay_ns: 0,
    jitter: Jitter::None,
    spike: 0,
    spike_ns: 0,
    in_order: false,
    held_back: 0,
    held_back_ns: 0,
    duplicate: 0,
};
const BURSTS: Gilbert = Gilbert { p: 12, r: 250, loss_good: 1, loss_bad: 800 };
const SPIKES: Impairment = Impairment { spike: 8, spike_ns: 110 * MS, ..NOTHING };
const REORDER: Impairment = Impairment { held_back: 40, held_back_ns: 70 * MS, duplicate: 30, ..NOTHING };
const ALL: Impairment = Impairment { bursts: Some(BURSTS), ..REORDER };

/// One stream behind the network: where it is on the wire, the peer that stands for it in the metrics, what is true of it.
struct Behind {
    peer: String,
    source: SocketAddr,
    destination: SocketAddr,
    /// Whether SDP names one of its addresses.
    announced: bool,
    truth: Truth,
}

/// The addresses of the `n`th profile: caller, callee, and the relay as each of them sees it.
fn host(n: usize, which: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 1, n as u8 + 1, which)
}

fn configuration(address: SocketAddr, block: &PortBlock, rest: &str) -> String {
    let (sip_ports, media_ports) = block.ranges();
    format!(
        "[web]\nlisten_address = \"{address}\"\n[media]\ninterval = \"1010ms\"\nidle_timeout = \"3s\"\n\
         [capture]\ninterfaces = [\"lo\"]\nsip_ports = [\"{sip_ports}\"]\nmedia_ports = [\"{media_ports}\"]\n{rest}"
    )
}

fn peer(name: &str, address: Ipv4Addr) -> String {
    format!("[[peers]]\nname = \"{name}\"\nnetworks = [\"{address}/32\"]\n")
}

fn capture_filter(block: &PortBlock) -> String {
    format!("udp and portrange {}-{}", block.sip(0), block.media(5) + 79)
}

/// A call between two SIPps, and the relay between them.
struct Call {
    n: usize,
    caller: Sipp,
    callee: Sipp,
    relay: Relay,
    ends: [End; 2],
}

impl Call {
    fn start(folder: &Path, block: &PortBlock, n: usize, impairment: Impairment) -> Call {
        let [caller, callee, near, far] = [1, 2, 3, 4].map(|which| host(n, which));
        let at = |host: Ipv4Addr, port: u16| SocketAddr::from((host, port));
        let (out, back) = (block.media(0), block.media(1));
        let ends = [
            End { own: at(near, block.media(2)), party: at(caller, out) },
            End { own: at(far, block.media(3)), party: at(callee, back) },
        ];
        let relay = Relay::start(ends, [impairment; 2], SEED + n as u64);
        // Each party's SDP names the relay as the other one shall see it.
        let sipp = |scenario: &str, own: Ipv4Addr, sip: u16, media: u16, named: SocketAddr, ssrc: u32, rest: &str| {
            let folder = folder.join(format!("{scenario}-{n}"));
            std::fs::create_dir(&folder).expect("a folder");
            sipp::write_stream(&folder, PACKETS, ssrc, 8);
            let keys = format!("-key media_host {} -key media_port_offered {}", named.ip(), named.port());
            let own = format!("-i {own} -mi {own} -p {sip} -mp {media} -key codec 8 -key codec_name PCMA {keys}");
            Sipp::start(&folder, scenario, &format!("{own} -m 1 {rest}"))
        };
        let (a, b) = (0xaa00_0000 + n as u32, 0xbb00_0000 + n as u32);
        let whom = format!("-s answer -d 14000 {callee}:{}", block.sip(1));
        Call {
            n,
            callee: sipp("uas_media", callee, block.sip(1), back, ends[0].own, b, ""),
            caller: sipp("uac_media", caller, block.sip(0), out, ends[1].own, a, &whom),
            relay,
            ends,
        }
    }

    fn finish(self) -> [Behind; 2] {
        let Call { n, caller, callee, relay, ends } = self;
        for counts in [caller.finish(), callee.finish()] {
            assert_eq!((counts.successful, counts.failed), (1, 0));
        }
        let log = relay.finish();
        [0, 1].map(|from| {
            let peer = format!("{}-{}", PROFILES[n].0, if from == 0 { "b" } else { "a" });
            let truth = Truth::behind(&log.from(from), CLOCK_RATE);
            assert_eq!(log.from(from).len(), usize::from(PACKETS), "{peer}");
            Behind { peer, source: ends[1 - from].own, destination: ends[1 - from].party, announced: true, truth }
        })
    }
}

#[test]
fn sipp_calls_through_every_impairment() {
    if !common::can_run(&["sipp", "tcpdump"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let block = PortBlock::claim();
    let address = common::free_tcp_port();
    let mut site = String::from("[site]\nlocal_networks = [");
    let mut peers = String::new();
    for (n, (name, _)) in PROFILES.iter().enumerate() {
        site += &format!("\"{}/32\", \"{}/32\", ", host(n, 1), host(n, 2));
        peers += &(peer(&format!("{name}-a"), host(n, 3)) + &peer(&format!("{name}-b"), host(n, 4)));
    }
    let agent = Agent::start(folder.path(), address, &configuration(address, &block, &format!("{site}]\n{peers}")));
    let recording = Recording::start(folder.path(), &capture_filter(&block));

    let calls: Vec<Call> =
        (0..).zip(PROFILES).map(|(n, (_, impairment))| Call::start(folder.path(), &block, n, impairment)).collect();
    let behind: Vec<Behind> = calls.into_iter().flat_map(Call::finish).collect();
    let all = 4.0 * PROFILES.len() as f64;
    let end = agent.wait_for_the_end(all);
    let file = recording.finish();

    check_truth(&behind);
    let mut differences = Differences::new("behind the network");
    compare_metrics(&behind, &end, &mut differences);
    compare_recording(&behind, &file, &end, &mut differences);
    differences.finish();
    for (name, _) in PROFILES {
        for side in ["a", "b"] {
            let (labels, each) =
                ([("direction", "outbound"), ("peer", &*format!("{name}-{side}"))], f64::from(PACKETS));
            assert_eq!(end.sum("rtp_packets_total", &labels), each, "before the network, {labels:?}");
            assert_eq!(end.sum("rtp_packets_expected_total", &labels), each, "before the network, {labels:?}");
            assert_eq!(end.sum("rtp_packets_lost_total", &labels), 0.0, "before the network, {labels:?}");
        }
    }
}

/// The network did what it should: else a comparison would prove nothing.
fn check_truth(behind: &[Behind]) {
    for Behind { peer, truth, .. } in behind {
        let Truth { lost, duplicates, reordered, bursts, jitter, sent, .. } = truth;
        let late = truth.discards(CLOCK_RATE);
        let longest = bursts.iter().max().copied().unwrap_or(0);
        println!(
            "{peer}: {} packets, {lost} lost in {} runs, the longest {longest}, {duplicates} duplicates, {reordered} reordered, \
             jitter {:.2} ms in the mean and {:.2} at most, {late:?} later than 60 ms",
            sent.len(),
            bursts.len(),
            jitter.mean * 1e3,
            jitter.max * 1e3
        );
        let name = peer.split('-').next().expect("a profile");
        let as_told = match name {
            "clean" => (*lost, *duplicates, *reordered) == (0, 0, 0),
            "random" => (5..30).contains(lost) && (*duplicates, *reordered) == (0, 0),
            "bursts" => longest >= 4 && (*duplicates, *reordered) == (0, 0),
            "jitter" => (*lost, *duplicates, *reordered) == (0, 0, 0) && jitter.mean > 0.004 && *late.start() > 0,
            "reorder" => *lost == 0 && *duplicates > 5 && *reordered > 5,
            _ => *lost > 10 && *duplicates > 5 && *reordered > 5 && *late.start() > 0,
        };
        assert!(as_told, "{peer} is not what was asked for");
    }
}

/// Exact counts, burst by burst, and jitter within `LOG_TOLERANCE`, as /metrics has them.
fn compare_metrics(behind: &[Behind], end: &Samples, differences: &mut Differences) {
    for Behind { peer, truth, .. } in behind {
        let labels = [("peer", peer.as_str()), ("direction", "inbound"), ("codec", "pcma")];
        let mut equal = |name: &str, labels: &[(&str, &str)], want: u64| {
            let got = end.sum(name, labels);
            if got != want as f64 {
                differences.add(&format!("{name} of {labels:?}"), got, want);
            }
        };
        equal("rtp_streams_started_total", &labels, 1);
        equal("rtp_packets_total", &labels, truth.sent.len() as u64);
        equal("rtp_packets_expected_total", &labels, truth.expected);
        equal("rtp_packets_lost_total", &labels, truth.lost);
        equal("rtp_packets_duplicated_total", &labels, truth.duplicates);
        equal("rtp_packets_reordered_total", &labels, truth.reordered);
        equal("rtp_loss_burst_packets_count", &labels, truth.bursts.len() as u64);
        equal("rtp_loss_burst_packets_sum", &labels, truth.lost);
        for bound in [1, 2, 3, 4, 5, 7, 10, 15, 25, 50, 100, 250] {
            let [peer, direction, codec] = labels;
            let bucket = [peer, direction, codec, ("le", &*format!("{bound}.0"))];
            let in_bucket = truth.bursts.iter().filter(|run| **run <= bound).count();
            equal("rtp_loss_burst_packets_bucket", &bucket, in_bucket as u64);
        }
        let jitters = truth.jitter_of_intervals(INTERVAL_NS);
        equal("rtp_jitter_seconds_count", &labels, jitters.len() as u64);
        let got = end.sum("rtp_jitter_seconds_sum", &labels) / jitters.len() as f64;
        let want = jitters.iter().sum::<f64>() / jitters.len() as f64;
        differences.near(&format!("mean of rtp_jitter_seconds, {peer}"), &got.into(), Some(want), LOG_TOLERANCE);
    }
}

/// The recording has the packets of the log, one by one; the report about it has the numbers of both.
fn compare_recording(behind: &[Behind], file: &Path, end: &Samples, differences: &mut Differences) {
    let frames = frames::read(file);
    let report = support::analyze_json(file);
    let mut worst = 0;
    for one in behind {
        let Behind { peer, source, destination, announced, truth } = one;
        let on_the_wire: Vec<(&Frame, u16)> = frames
            .iter()
            .filter(|frame| (frame.source, frame.destination) == (*source, *destination))
            .filter_map(|frame| {
                frame.rtp().filter(|(ssrc, _)| *ssrc == truth.ssrc).map(|(_, sequence)| (frame, sequence))
            })
            .collect();
        let numbers = |list: Vec<u16>| format!("{list:?}");
        let wire = numbers(on_the_wire.iter().map(|(_, sequence)| *sequence).collect());
        let log = numbers(truth.sent.iter().map(|packet| packet.sequence).collect());
        if wire != log {
            differences.add(&format!("{peer}: sequence numbers on the wire"), wire, log);
        }
        let off = on_the_wire.iter().zip(&truth.sent).map(|((frame, _), packet)| frame.ns.abs_diff(packet.ns));
        worst = worst.max(off.max().unwrap_or(0));

        let wanted = [format!("0x{:08x}", truth.ssrc), source.to_string(), destination.to_string()];
        let is_it = |stream: &&Value| ["ssrc", "source", "destination"].map(|key| &stream[key]) == wanted.each_ref();
        let Some(stream) = support::items(&report["streams"]).iter().find(is_it) else {
            differences.add(peer, "no stream", format!("{wanted:?}"));
            continue;
        };
        let times: Vec<u64> = on_the_wire.iter().map(|(frame, _)| frame.ns).collect();
        if stream["call_id"].is_string() != *announced {
            differences.add(&format!("{peer}: call_id"), &stream["call_id"], announced);
        }
        compare_report(peer, stream, truth, differences);
        compare_discards(one, stream, end, differences);
        if ["a", "b"].contains(&peer.as_str()) {
            compare_delay(peer, stream, differences);
        }
        compare_jitter(peer, stream, [&truth.jitter, &truth.jitter_at(&times, CLOCK_RATE)], differences);
    }
    println!("the log's times and those of the recording differ by {} us at most", worst / 1000);
}

fn compare_report(peer: &str, stream: &Value, truth: &Truth, differences: &mut Differences) {
    let longest = truth.bursts.iter().max().copied().unwrap_or(0);
    for (got, name, want) in [
        (&stream["packets"], "packets", truth.sent.len() as u64),
        (&stream["expected"], "expected", truth.expected),
        (&stream["lost"], "lost", truth.lost),
        (&stream["duplicates"], "duplicates", truth.duplicates),
        (&stream["reordered"], "reordered", truth.reordered),
        (&stream["loss_bursts"]["count"], "loss bursts", truth.bursts.len() as u64),
        (&stream["loss_bursts"]["longest"], "longest loss burst", longest),
    ] {
        differences.equal(&format!("{peer}: {name}"), got, want);
    }
}

/// RFC 3550 A.8 with the times of the relay's log, and with those of the recording.
fn compare_jitter(peer: &str, stream: &Value, [log, wire]: [&truth::Jitter; 2], differences: &mut Differences) {
    let jitter = &stream["jitter_seconds"];
    for (name, log, wire) in [("last", log.last, wire.last), ("mean", log.mean, wire.mean), ("max", log.max, wire.max)]
    {
        differences.near(&format!("{peer}: jitter {name}, log"), &jitter[name], Some(log), LOG_TOLERANCE);
        differences.near(&format!("{peer}: jitter {name}"), &jitter[name], Some(wire), RECORDING_TOLERANCE);
    }
}

/// What a fixed playout buffer of 60 ms discards, in /metrics and in the report.
fn compare_discards(behind: &Behind, stream: &Value, end: &Samples, differences: &mut Differences) {
    let Behind { peer, truth, .. } = behind;
    let range = truth.discards(CLOCK_RATE);
    let labels = [("peer", peer.as_str()), ("direction", "inbound")];
    let counted = end.sum("rtp_packets_discarded_total", &labels);
    if !range.clone().any(|n| n as f64 == counted) {
        differences.add(&format!("{peer}: rtp_packets_discarded_total"), counted, format!("{range:?}"));
    }
    if !stream["discarded"].as_u64().is_some_and(|n| range.contains(&n)) {
        differences.add(&format!("{peer}: discarded"), &stream["discarded"], format!("{range:?}"));
    }
}

#[test]
fn the_same_seed_decides_the_same() {
    let decide = |seed, direction, impairment| {
        let mut network = Network::new(impairment, seed, direction);
        (0..2000).map(|n| network.departures(n * 20 * MS)).collect::<Vec<_>>()
    };
    for (name, impairment) in PROFILES {
        let once = decide(1, 0, impairment);
        assert_eq!(once, decide(1, 0, impairment), "{name}");
        if name != "clean" {
            assert_ne!(once, decide(2, 0, impairment), "{name}: another seed");
            assert_ne!(once, decide(1, 1, impairment), "{name}: the other direction");
        }
        let delay = impairment.delay_ns;
        let early = (0..).zip(&once).any(|(n, copies)| copies.iter().any(|ns| *ns < n * 20 * MS + delay));
        assert!(!early, "{name}: nothing is faster than the constant delay");
    }
    let lost = |impairment| decide(1, 0, impairment).iter().filter(|copies| copies.is_empty()).count();
    assert!((20..60).contains(&lost(PROFILES[1].1)), "2 % of 2000");
    // Gilbert-Elliott: the share of the bad state is p / (p + r) = 4.6 %, of which 80 % are lost.
    assert!((40..120).contains(&lost(PROFILES[2].1)), "3.8 % of 2000");
}

#[test]
fn the_log_is_what_went_out() {
    let block = PortBlock::claim();
    let host = Ipv4Addr::LOCALHOST;
    let at = |n: u16| SocketAddr::from((host, block.media(n)));
    let [alice, bob] = [0, 1].map(|n| UdpSocket::bind(at(n)).expect("a port"));
    let ends = [End { own: at(2), party: at(0) }, End { own: at(3), party: at(1) }];
    let relay = Relay::start(ends, [PROFILES[5].1; 2], 9);
    let packets: Vec<Vec<u8>> = (0_u16..200)
        .map(|n| {
            let mut packet = vec![0x80, 8];
            packet.extend((n.wrapping_add(65_500)).to_be_bytes());
            packet.extend((u32::from(n) * 160).to_be_bytes());
            packet.extend([0, 0, 0, 7, 42]);
            packet
        })
        .collect();
    for packet in &packets {
        alice.send_to(packet, at(2)).expect("sent");
        std::thread::sleep(Duration::from_millis(2));
    }
    let log: Log = relay.finish();
    bob.set_nonblocking(true).expect("a socket that does not block");
    let mut got = Vec::new();
    let mut buffer = [0; 100];
    while let Ok((length, from)) = bob.recv_from(&mut buffer) {
        assert_eq!(from, at(3));
        got.push(buffer[..length].to_vec());
    }
    let mut sent: Vec<(u64, u16)> =
        log.from(0).iter().flat_map(|passage| passage.sent_ns.iter().map(|ns| (*ns, passage.sequence))).collect();
    sent.sort_unstable();
    let wanted: Vec<_> =
        sent.iter().map(|(_, sequence)| packets[usize::from(sequence.wrapping_sub(65_500))].clone()).collect();
    assert_eq!(got, wanted, "byte by byte, in order");
    assert_eq!(log.rtp.len(), packets.len());
    assert!(log.rtp.iter().any(|passage| passage.sent_ns.is_empty()) && got.len() > 100);
}

/// Constant delays of the two relays between the softphones, each way.
const NEAR_NS: u64 = 30 * MS;
const FAR_NS: u64 = 55 * MS;
/// What scheduling may add to a round trip: two parties and four passages of a relay.
const ROUND_TRIP_TOLERANCE: f64 = 0.006;

/// Two softphones, A and B, with two relays between them; the signalling goes through Kamailio, which names the relays.
/// A second agent sees nothing but what passes between the relays: it stands in the middle of the way.
#[test]
fn softphones_through_two_networks_and_their_round_trips() {
    if !common::can_run(&["baresip", "kamailio", "tcpdump"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let block = PortBlock::claim();
    let at = |which: u8, port: u16| SocketAddr::from((Ipv4Addr::new(127, 2, 1, which), port));
    let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (a, b) = (local(block.media(0)), local(block.media(1)));
    // A - near - far - B: each end's own address, and who is behind it.
    let [near_a, near_far, far_near, far_b] = [1, 2, 3, 4].map(|which| at(which, block.media(1 + u16::from(which))));
    let near_ends = [End { own: near_a, party: a }, End { own: near_far, party: far_near }];
    let far_ends = [End { own: far_near, party: near_far }, End { own: far_b, party: b }];
    let constant = Impairment { delay_ns: NEAR_NS, ..NOTHING };
    let impaired = Impairment { delay_ns: FAR_NS, ..PROFILES[5].1 };
    let near = Relay::start(near_ends, [constant; 2], SEED);
    let far = Relay::start(far_ends, [impaired; 2], SEED);

    let peers = peer("a", Ipv4Addr::new(127, 2, 1, 3)) + &peer("b", Ipv4Addr::new(127, 2, 1, 4));
    let site = "[site]\nlocal_networks = [\"127.0.0.1/32\", \"127.2.1.2/32\"]\n";
    let address = common::free_tcp_port();
    let agent = Agent::start(folder.path(), address, &configuration(address, &block, &format!("{site}{peers}")));
    let address = common::free_tcp_port();
    let middle = format!("filter = \"udp and host {} and host {}\"\n{site}{peers}", near_far.ip(), far_near.ip());
    let between = Agent::start(folder.path(), address, &configuration(address, &block, &middle));
    let recording = Recording::start(folder.path(), &capture_filter(&block));

    let log = talk(folder.path(), &block, near_a, far_b, near, far);
    let end = agent.wait_for_the_end(6.0);
    let behind = [(0, "b", far_b, b), (1, "a", far_near, near_far)].map(|(from, name, source, destination)| Behind {
        peer: name.to_owned(),
        source,
        destination,
        announced: name == "b",
        truth: Truth::behind(&log.from(from), CLOCK_RATE),
    });
    check_truth(&behind);
    let mut differences = Differences::new("between softphones");
    let file = recording.finish();
    compare_metrics(&behind, &end, &mut differences);
    compare_recording(&behind, &file, &end, &mut differences);
    compare_round_trips(&behind, &support::analyze_json(&file), &mut differences);
    differences.finish();
    check_round_trips(
        &between.wait_for_metrics("the streams to be over", |now| now.sum("rtp_streams_active", &[]) == 0.0),
    );
}

/// A call of 12 s: what the far relay logged.
fn talk(folder: &Path, block: &PortBlock, near: SocketAddr, far: SocketAddr, relay: Relay, impairing: Relay) -> Log {
    let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let proxy = local(block.sip(6));
    let callee = local(block.sip(4));
    let _kamailio: Server = start_kamailio(
        folder,
        "kamailio_relay.cfg",
        &[
            ("PROXY", &proxy.to_string()),
            ("CALLEE", &callee.to_string()),
            ("OFFERED_ADDRESS", &far.ip().to_string()),
            ("OFFERED_PORT", &far.port().to_string()),
            ("ANSWERED_ADDRESS", &near.ip().to_string()),
            ("ANSWERED_PORT", &near.port().to_string()),
        ],
    );
    let phone = |name, sip, media| Softphone { name, sip, media, account: "" };
    let mut bob = phone("bob", callee, block.media(1)).start(folder, None);
    let mut alice =
        phone("alice", local(block.sip(2)), block.media(0)).start(folder, Some(&format!("sip:bob@{proxy}")));
    alice.wait_for_log("Call established");
    bob.wait_for_log("Call established");
    // baresip reports every 5 s.
    std::thread::sleep(Duration::from_secs(12));
    let (_, heard) = alice.end("TERM");
    assert!(heard.contains("terminated (duration"), "{heard}");
    bob.wait_for_log("terminated (duration");
    let log = impairing.finish();
    relay.finish();
    assert!(log.rtcp.iter().all(|reports| *reports >= 2), "{:?} RTCP datagrams", log.rtcp);
    log
}

/// The recording has every leg: seen from the sender's own the round trip is that of the whole way, from the receiver's it is none.
fn compare_round_trips([to_b, to_a]: &[Behind; 2], report: &Value, differences: &mut Differences) {
    let seconds = |ns: u64| 2.0 * ns as f64 / 1e9;
    for (behind, from_the_middle) in [(to_b, FAR_NS), (to_a, NEAR_NS)] {
        let ssrc = format!("0x{:08x}", behind.truth.ssrc);
        let trips = support::items(&report["rtcp"]["round_trips"]).iter().filter(|trip| trip["ssrc"] == ssrc);
        let mut trips: Vec<f64> = trips.filter_map(|trip| trip["seconds"].as_f64()).collect();
        trips.sort_by(f64::total_cmp);
        // As many reports were answered as there are round trips to a leg.
        let answered = trips.len() / 3;
        for (leg, want) in trips.chunks(answered.max(1)).zip([0, from_the_middle, NEAR_NS + FAR_NS].map(seconds)) {
            let is_it = |got: &f64| (want - 0.001..want + ROUND_TRIP_TOLERANCE).contains(got);
            if !leg.iter().all(is_it) {
                differences.add(&format!("round trips to {}", behind.peer), format!("{leg:?}"), want);
            }
        }
        if answered == 0 || !trips.len().is_multiple_of(3) {
            differences.add(&format!("round trips to {}", behind.peer), format!("{trips:?}"), "three a report");
        }
    }
}

/// What the measured round trip gives the E-model: half of it, and the playout buffer's 60 ms.
fn compare_delay(peer: &str, stream: &Value, differences: &mut Differences) {
    differences.equal(&format!("{peer}: delay_source"), &stream["delay_source"], "rtcp");
    let want = (NEAR_NS + FAR_NS) as f64 / 1e9 + 0.06;
    differences.near(&format!("{peer}: delay_seconds"), &stream["delay_seconds"], Some(want), ROUND_TRIP_TOLERANCE);
}

/// RFC 3550 section 6.4.1: to each side, and end to end as their sum.
fn check_round_trips(between: &Samples) {
    let mean = |direction: &str| {
        let labels = [("direction", direction)];
        let count = between.sum("rtcp_round_trip_seconds_count", &labels);
        assert!(count >= 1.0, "no round trip {direction}");
        (between.sum("rtcp_round_trip_seconds_sum", &labels) / count, count)
    };
    let seconds = |ns: u64| ns as f64 / 1e9;
    // What goes out of the near relay goes on to B, what comes in to A.
    let ((to_b, n), (to_a, m)) = (mean("outbound"), mean("inbound"));
    println!(
        "round trips: {:.2} ms to B ({n}), {:.2} ms to A ({m}), {:.2} ms together",
        to_b * 1e3,
        to_a * 1e3,
        (to_a + to_b) * 1e3
    );
    for (got, want) in [(to_b, 2 * FAR_NS), (to_a, 2 * NEAR_NS), (to_a + to_b, 2 * (NEAR_NS + FAR_NS))] {
        let want = seconds(want);
        assert!((want - 0.001..want + ROUND_TRIP_TOLERANCE).contains(&got), "{got} s, not {want} s");
    }
}
