//! A call through a back-to-back user agent, which makes new streams of what it hears: what it adds is measured all the same.

#[path = "live/common.rs"]
mod common;
#[path = "live/frames.rs"]
mod frames;
#[allow(dead_code)] // uses a part of it
#[path = "support/generator/rng.rs"]
mod rng;
#[path = "live/servers.rs"]
mod servers;
#[path = "support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use common::{Agent, PortBlock};
use frames::Frame;
use serde_json::{Value, json};
use servers::{Recording, Softphone, signal_process, start_b2bua};
use support::Differences;

/// Packets until payloads have shown which streams belong together, at the start and wherever the B2BUA leaves out or
/// puts in some sound.
const UNRECOGNISED: usize = 40;
/// Of the mean delay: some packets pass until a change of the timestamps is noticed.
const TOLERANCE: f64 = 0.002;

/// Payload of an RTP packet without CSRCs, extension and padding.
fn payload(frame: &Frame) -> Option<&[u8]> {
    frame.rtp().and(frame.payload.get(12..))
}

/// How long each packet that went out had been inside, by its payload, seconds.
fn stays(frames: &[Frame], into: SocketAddr, out: SocketAddr) -> Vec<f64> {
    let came: HashMap<&[u8], u64> = frames
        .iter()
        .filter(|frame| frame.destination == into)
        .filter_map(|frame| Some((payload(frame)?, frame.ns)))
        .collect();
    let left = frames.iter().filter(|frame| frame.source == out);
    left.filter_map(|frame| Some((frame.ns - came.get(payload(frame)?)?) as f64 / 1e9)).collect()
}

#[test]
fn what_a_b2bua_adds() {
    if !common::can_run(&["baresip", "tcpdump"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let block = PortBlock::claim();
    let (sip_ports, media_ports) = block.ranges();
    let address = common::free_tcp_port();
    let configuration = format!(
        "[web]\nlisten_address = \"{address}\"\n[media]\ninterval = \"1s\"\nidle_timeout = \"3s\"\n\
         [capture]\ninterfaces = [\"lo\"]\nsip_ports = [\"{sip_ports}\"]\nmedia_ports = [\"{media_ports}\"]\n\
         [site]\nlocal_networks = [\"127.0.0.1/32\"]\n"
    );
    let agent = Agent::start(folder, address, &configuration);
    let recording = Recording::start(folder, &format!("udp and portrange {}-{}", block.sip(0), block.media(5) + 79));

    let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let phone =
        |name, sip, media| Softphone { name, sip: local(block.sip(sip)), media: block.media(media), account: "" };
    let bob = phone("bob", 2, 1);
    let b2bua_sip = local(block.sip(4));
    let b2bua = start_b2bua(folder, b2bua_sip, (block.media(2), block.media(2) + 7), bob.sip);
    let bob = bob.start(folder, None);
    let mut alice = phone("alice", 0, 0).start(folder, Some(&format!("sip:bob@{b2bua_sip}")));
    alice.wait_for_log("Call established");
    std::thread::sleep(Duration::from_secs(3));
    // Its buffers run dry: it puts in silence and leaves out sound, so that timestamps no longer differ by what they did.
    signal_process("STOP", b2bua.id());
    std::thread::sleep(Duration::from_millis(200));
    signal_process("CONT", b2bua.id());
    std::thread::sleep(Duration::from_secs(7));
    for log in [alice.end("TERM").1, bob.end("TERM").1] {
        assert!(log.contains("terminated (duration"), "{log}");
    }
    let end = agent.wait_for_metrics("the streams to be over", |now| {
        now.sum("rtp_streams_started_total", &[]) >= 4.0 && now.sum("rtp_streams_active", &[]) == 0.0
    });

    let file = recording.finish();
    let (report, frames) = (support::analyze_json(&file), frames::read(&file));
    let streams = support::items(&report["streams"]);
    assert_eq!(streams.len(), 4);
    let mut differences = Differences::new("a B2BUA");
    let parties = [local(block.media(0)), local(block.media(1))];
    let end_of =
        |stream: &Value, key: &str| stream[key].as_str().expect("an address").parse::<SocketAddr>().expect("one");
    let is_out = |stream: &&Value| parties.contains(&end_of(stream, "destination"));
    let mut means = Vec::new();
    for out in streams.iter().filter(is_out) {
        let other = |into: &&Value| !is_out(into) && end_of(into, "source") != end_of(out, "destination");
        let into = streams.iter().find(other).expect("where it comes from");
        means.push(compare(into, out, &frames, streams, &mut differences));
    }
    let count = end.sum("rtp_relay_delay_seconds_count", &[]);
    let mean = end.sum("rtp_relay_delay_seconds_sum", &[]) / count;
    let want = means.iter().sum::<f64>() / means.len() as f64;
    differences.near("mean of rtp_relay_delay_seconds", &json!(mean), Some(want), TOLERANCE);
    differences.finish();
}

/// One way through the B2BUA; gives its mean delay.
fn compare(into: &Value, out: &Value, frames: &[Frame], streams: &[Value], differences: &mut Differences) -> f64 {
    let address = |stream: &Value, key: &str| stream[key].as_str().expect("an address").parse().expect("one");
    let stays = stays(frames, address(into, "destination"), address(out, "source"));
    let mean = stays.iter().sum::<f64>() / stays.len() as f64;
    let max = stays.iter().copied().fold(0.0, f64::max);
    let relay = &out["relay"];
    println!("{} packets, {:.3} ms in the mean, {:.3} at most; we say {relay}", stays.len(), mean * 1e3, max * 1e3);
    let packets = out["packets"].as_u64().expect("packets") as usize;
    assert!(
        stays.len() + UNRECOGNISED > packets && into["ssrc"] != out["ssrc"],
        "it forwards what it hears, in a new stream"
    );
    let from = relay["from"].as_u64().and_then(|at| streams.get(at as usize));
    differences.equal(
        "where it comes from",
        &from.map_or(Value::Null, |from| from["ssrc"].clone()),
        into["ssrc"].clone(),
    );
    let recognised = relay["packets"].as_u64().unwrap_or(0) as usize;
    if !(stays.len() - UNRECOGNISED..=stays.len()).contains(&recognised) {
        differences.add("packets relayed", recognised, stays.len());
    }
    differences.near("mean relay delay", &relay["delay_seconds"]["mean"], Some(mean), TOLERANCE);
    mean
}
