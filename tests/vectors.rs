//! The shared vectors: RTP jitter to the last digit, sequence numbers with wraps, gaps, restarts; RTCP and its round trips;
//! voice quality reports; HEP.

mod support;

#[path = "vectors/hep.rs"]
mod hep;
#[path = "vectors/rtcp.rs"]
mod rtcp;
#[path = "vectors/voice_report.rs"]
mod voice_report;

#[path = "support/generator/mod.rs"]
mod generator;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::BufWriter;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use generator::link::Link;
use generator::pcap::{PcapWriter, Resolution};
use serde_json::{Value, json};
use support::{Differences, analyze, analyze_json, items, shared_dir, stdout_of};

const BASE_NS: u64 = 1_600_000_000_000_000_000;
/// Where `expected_plain` does not mean what the contract means: vector, packets, expected, lost.
const OWN_VIEW: [(&str, u64, u64, u64); 2] = [
    // RFC 3550 A.1: a new numbering, no loss; both runs count.
    ("sender-restarts-low", 105, 105, 0),
    // Without SDP the stray is no part of what made the flow believable.
    ("lone-stray-then-stream", 30, 30, 0),
];

struct Frame {
    ns: u64,
    from: SocketAddr,
    to: SocketAddr,
    payload: Vec<u8>,
}

fn address(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], port))
}

fn rtp(payload_type: u8, sequence: u64, timestamp: u64, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend((sequence as u16).to_be_bytes());
    packet.extend((timestamp as u32).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0xff; 160]);
    packet
}

/// INVITE and 200 that say what payload type 96 is.
fn dialog(index: usize, clock_rate: u64, port: u16) -> [Frame; 2] {
    let sdp = |host: u8, port: u16| {
        let to = format!("c=IN IP4 192.0.2.{host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 96\r\n");
        format!("v=0\r\no=- 1 1 IN IP4 192.0.2.{host}\r\ns=-\r\n{to}a=rtpmap:96 X-VECTOR/{clock_rate}\r\n")
    };
    let message = |line: &str, tag: &str, body: String| {
        format!(
            "{line}\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKv{index}\r\nFrom: <sip:a@192.0.2.10>;tag=a\r\n\
             To: <sip:b@192.0.2.20>{tag}\r\nCall-ID: vector-{index}\r\nCSeq: 1 INVITE\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    let (a, b) = (address(10, 5060), address(20, 5060));
    let invite = message("INVITE sip:b@192.0.2.20 SIP/2.0", "", sdp(10, port + 1000));
    let ok = message("SIP/2.0 200 OK", ";tag=b", sdp(20, port));
    [Frame { ns: BASE_NS, from: a, to: b, payload: invite }, Frame { ns: BASE_NS, from: b, to: a, payload: ok }]
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number in vectors.json")
}

/// A capture file of these frames.
fn capture(dir: &Path, frames: &[Frame]) -> PathBuf {
    let path = dir.join("vectors.pcap");
    let out = BufWriter::new(File::create(&path).expect("a file"));
    let mut writer = PcapWriter::new(out, Link::Ethernet, Resolution::Microseconds).expect("a capture");
    for frame in frames {
        writer.datagram(frame.ns, &frame.from, &frame.to, &frame.payload).expect("a datagram");
    }
    writer.finish().expect("a capture");
    path
}

/// What `analyze` says of these frames, in JSON.
fn report(frames: &[Frame]) -> Value {
    let dir = tempfile::tempdir().expect("a temporary directory");
    analyze_json(&capture(dir.path(), frames))
}

/// The value of a series after these frames, in the exposition.
fn sample(frames: &[Frame], series: &str) -> Option<f64> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = capture(dir.path(), frames);
    let text = stdout_of(&analyze("prometheus", &path, b""), &path);
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

/// One capture for each vector, so that times may step as they like in it.
fn streams(frames: &[Frame]) -> HashMap<String, Value> {
    let report = report(frames);
    let entry = |stream: &Value| (stream["ssrc"].as_str().unwrap_or_default().to_owned(), stream.clone());
    items(&report["streams"]).iter().map(entry).collect()
}

fn vectors() -> Option<Value> {
    let path = shared_dir()?.join("captures/vectors.json");
    Some(serde_json::from_str(&fs::read_to_string(path).expect("captures/vectors.json")).expect("JSON"))
}

#[test]
fn jitter_is_exact() {
    let Some(vectors) = vectors() else { return };
    let mut differences = Differences::default();
    for (index, vector) in items(&vectors["rtp_jitter"]).iter().enumerate() {
        let (clock_rate, port) = (number(&vector["clock_rate"]), 30_000 + 2 * index as u16);
        let payload_type = if clock_rate == 8000 { 0 } else { 96 };
        let mut frames = Vec::new();
        if payload_type != 0 {
            frames.extend(dialog(index, clock_rate, port));
        }
        frames.extend(items(&vector["packets_us_seq_ts"]).iter().map(|packet| Frame {
            ns: BASE_NS + number(&packet[0]) * 1000,
            from: address(10, port + 1000),
            to: address(20, port),
            payload: rtp(payload_type, number(&packet[1]), number(&packet[2]), 0x0a00_0000 + index as u32),
        }));
        let found = streams(&frames);
        let jitter = &found.get(&format!("0x0a{index:06x}")).unwrap_or(&Value::Null)["jitter_seconds"];
        for (field, name) in [("last", "jitter_ms"), ("mean", "mean_jitter_ms"), ("max", "max_jitter_ms")] {
            let want = vector["expected"][name].as_f64().map(|ms| ms / 1000.0);
            differences.near(&format!("{} {field}", vector["id"]), &jitter[field], want, 1e-11);
        }
    }
    differences.finish();
}

#[test]
fn sequence_numbers_are_counted_exactly() {
    let Some(vectors) = vectors() else { return };
    let mut differences = Differences::default();
    for (index, vector) in items(&vectors["rtp_sequence"]).iter().enumerate() {
        let (id, port) = (vector["id"].as_str().unwrap_or_default(), 32_000 + 2 * index as u16);
        let frames: Vec<Frame> = items(&vector["sequence_numbers"])
            .iter()
            .enumerate()
            .map(|(k, sequence)| Frame {
                ns: BASE_NS + k as u64 * 20_000_000,
                from: address(10, port + 1000),
                to: address(20, port),
                payload: rtp(0, number(sequence), k as u64 * 160, 0x0b00_0000 + index as u32),
            })
            .collect();
        let found = streams(&frames);
        let stream = found.get(&format!("0x0b{index:06x}")).cloned().unwrap_or_default();
        let plain = &vector["expected_plain"];
        let own = OWN_VIEW.iter().find(|(name, ..)| *name == id);
        let (packets, expected, lost, behind) = match own {
            Some((_, packets, expected, lost)) => (*packets, *expected, *lost, 0),
            None => (
                number(&plain["received"]),
                number(&plain["expected"]),
                number(&plain["lost_unique"]),
                number(&plain["behind_the_highest"]),
            ),
        };
        for (field, want) in [
            ("packets", packets),
            ("expected", expected),
            ("lost", lost),
            ("duplicates", number(&plain["duplicates"])),
            ("reordered", behind),
        ] {
            differences.equal(&format!("{id} {field}"), &stream[field], json!(want));
        }
    }
    differences.finish();
}
