//! Captures that others recorded, against values derived with tshark and RFC 3550 arithmetic of its own
//! (`captures/README.md` and `captures/derive-expected.py` in the shared fixtures).
//!
//! Not compared, because the reference means something else: retransmissions (it flags by time, and counts identical
//! messages by 5-tuple), and the duration of calls without BYE (it has none, the contract ends them at the last packet).

mod support;

#[path = "support/generator/mod.rs"]
mod generator;

#[path = "support/real_cases.rs"]
mod real_cases;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::BufWriter;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use generator::link::Link;
use generator::pcap::{PcapWriter, Resolution};
use real_cases::{Calls, Counts, ENCRYPTED_RTCP, EXCEPTIONS, MALFORMED, PARTLY, Partly, SEEN_TWICE, Streams};
use serde_json::{Map, Value, json};
use support::{Differences, analyze_json, items, shared_dir};

/// Half of the last digit of the reference's milliseconds (4 decimals), and the resolution of its float of Unix seconds.
const JITTER_TOLERANCE: f64 = 0.5e-7 + 2.4e-7;
/// Half of the last digit of the reference's milliseconds (3 decimals), and ours of a float of Unix seconds.
const DELAY_TOLERANCE: f64 = 0.5e-6 + 0.5e-6;

/// Every capture of the shared fixtures.
#[test]
fn real_captures_as_expected() {
    let Some(shared) = shared_dir() else { return };
    let mut names: Vec<PathBuf> = fs::read_dir(shared.join("captures/expected"))
        .expect("captures/expected in the shared fixtures")
        .map(|entry| entry.expect("an entry of captures/expected").path())
        .collect();
    names.sort();
    assert!(names.len() >= 50, "only {} expected files", names.len());
    let mut differences = Differences::default();
    for path in names {
        let text = fs::read_to_string(&path).expect("an expected file");
        let expected: Value = serde_json::from_str(&text).expect("JSON in an expected file");
        let file = expected["capture"].as_str().expect("the name of the capture").to_string();
        let report = analyze_json(&shared.join("captures").join(&file));
        differences.append(compare(&file, &report, &expected));
    }
    for Partly { file, why, .. } in PARTLY {
        println!("partly: {file}: {why}");
    }
    differences.finish();
}

fn compare(file: &str, report: &Value, expected: &Value) -> Differences {
    let mut differences = Differences::new(file);
    let partly = PARTLY.iter().find(|partly| partly.file == file);
    sane(&mut differences, report, expected);

    let sip = partly.and_then(|partly| partly.sip);
    for (index, what) in ["requests", "responses"].into_iter().enumerate() {
        let want = match sip {
            Some((requests, responses)) => listed(if index == 0 { requests } else { responses }),
            None => object(&expected["sip"][what]),
        };
        differences.counts(&format!("sip.{what}"), &report["sip"][what], &want);
    }
    if !ENCRYPTED_RTCP.iter().any(|(name, _)| *name == file) {
        let want = match partly.and_then(|partly| partly.rtcp) {
            Some(counts) => listed(counts),
            None => object(&expected["rtcp"]["packets_by_type"]),
        };
        differences.counts("rtcp.packets", &report["rtcp"]["packets"], &want);
    }
    let rule = partly.map_or(&Calls::Compared, |partly| &partly.calls);
    calls(&mut differences, file, items(&report["calls"]), items(&expected["sip"]["calls"]), rule);
    let rule = partly.map_or(&Streams::Compared, |partly| &partly.streams);
    streams(&mut differences, file, report, items(&expected["rtp_streams"]), rule);
    seen_twice(&mut differences, file, report, expected);
    if partly.is_none() {
        bound_streams(&mut differences, report, expected);
    }
    differences
}

/// What is true of every report.
fn sane(differences: &mut Differences, report: &Value, expected: &Value) {
    differences.equal("schema", &report["schema"], "sidetone.analysis/1");
    differences.equal("captures[0].packets", &report["captures"][0]["packets"], expected["general"]["packets"].clone());
    let frames = &report["frames"];
    differences.equal("frames.total", &frames["total"], expected["general"]["packets"].clone());
    let undecoded: u64 = frames["undecoded"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
    let decoded = frames["decoded"].as_u64().unwrap_or(0);
    differences.equal("frames.decoded + undecoded", &json!(decoded + undecoded), frames["total"].clone());
    for stream in items(&report["streams"]) {
        let name = |field: &str| format!("stream {} {field}", stream["ssrc"]);
        if !stream["loss_ratio"].as_f64().is_some_and(|ratio| (0.0..=1.0).contains(&ratio)) {
            differences.add(&name("loss_ratio"), &stream["loss_ratio"], "0 to 1");
        }
        let mos = &stream["mos"];
        let sane = mos.is_null() || mos.as_f64().is_some_and(|mos| (1.0..=5.0).contains(&mos));
        if !sane || (stream["codec"].is_null() && !mos.is_null()) {
            differences.add(&name("mos"), mos, "null without a codec, else null or 1 to 5");
        }
    }
}

/// What we count once and what is seen twice is together what the reference counts.
fn seen_twice(differences: &mut Differences, file: &str, report: &Value, expected: &Value) {
    let case = SEEN_TWICE.iter().find(|(name, ..)| *name == file);
    let seen_twice = report["frames"]["seen_twice"].as_u64().unwrap_or(u64::MAX);
    let Some((_, fragments)) = case else {
        return differences.equal("frames.seen_twice", &report["frames"]["seen_twice"], 0);
    };
    let all = |counts: &Value| object(counts).values().sum::<u64>();
    let messages = |sip: &Value| all(&sip["requests"]) + all(&sip["responses"]);
    let packets = |streams: &Value, at: &str| -> u64 {
        items(streams).iter().filter_map(|stream| stream.pointer(at)?.as_u64()).sum()
    };
    let ours = messages(&report["sip"])
        + packets(&report["streams"], "/packets")
        + report["rtcp"]["packets"]["SR"].as_u64().unwrap_or(0);
    let theirs = messages(&expected["sip"])
        + packets(&expected["rtp_streams"], "/rfc3550/packets")
        + expected["rtcp"]["packets_by_type"]["SR"].as_u64().unwrap_or(0);
    differences.equal("counted and frames.seen_twice", &json!(ours + seen_twice), theirs + fragments);
}

fn listed(counts: Counts) -> BTreeMap<String, u64> {
    counts.iter().map(|(name, count)| (name.to_string(), *count)).collect()
}

fn object(counts: &Value) -> BTreeMap<String, u64> {
    let empty = Map::new();
    let counts = counts.as_object().unwrap_or(&empty);
    counts.iter().map(|(name, count)| (name.clone(), count.as_u64().unwrap_or(u64::MAX))).collect()
}

/// The value that is right for a field: the exception's, or else the reference's.
fn right(file: &str, id: &str, field: &str, reference: Value) -> Value {
    let exception = EXCEPTIONS.iter().find(|(in_file, of, what, _, _)| (*in_file, *of, *what) == (file, id, field));
    exception.map_or(reference, |(_, _, _, json, _)| serde_json::from_str(json).expect("JSON in an exception"))
}

fn calls(differences: &mut Differences, file: &str, got: &[Value], want: &[Value], rule: &Calls) {
    // A call is an INVITE attempt: responses to an INVITE that nobody saw make none, but a call that was under way.
    let attempts: HashMap<&str, &Value> = want
        .iter()
        .filter(|call| call["initial_invite_seen"] == true)
        .filter_map(|call| Some((call["call_id"].as_str()?, call)))
        .collect();
    let mut seen = HashMap::new();
    for call in got {
        let id = call["call_id"].as_str().unwrap_or("");
        if seen.insert(id, call).is_some() {
            differences.add(&format!("call {id}"), "two entries", "one");
        }
        let half_seen = json!(!attempts.contains_key(id));
        if matches!(rule, Calls::Compared) && call["half_seen"] != half_seen {
            differences.add(
                &format!("call {id}"),
                &call["half_seen"],
                "an attempt whose INVITE was seen, or half seen",
            );
        }
    }
    for (id, expected) in attempts.into_iter().filter(|_| matches!(rule, Calls::Compared)) {
        match seen.get(id) {
            Some(call) => one_call(differences, file, call, expected),
            None => differences.add(&format!("call {id}"), "no entry", &expected["status"]),
        }
    }
}

fn one_call(differences: &mut Differences, file: &str, got: &Value, want: &Value) {
    let id = want["call_id"].as_str().unwrap_or("");
    let name = |field: &str| format!("call {id} {field}");
    let seconds = |field: &str| want[field].as_f64().map(|ms| ms / 1000.0);
    let answer = seconds("first_invite_to_2xx_ms");
    for (field, reference) in [
        ("setup_delay_seconds", seconds("first_invite_to_first_18x_ms").or(answer)),
        ("answer_delay_seconds", answer),
        ("duration_seconds", seconds("duration_2xx_to_bye_ms")),
    ] {
        if field == "duration_seconds" && answer.is_some() && want["bye_seen"] == false {
            continue;
        }
        let value = right(file, id, field, json!(reference));
        differences.near(&name(field), &got[field], value.as_f64(), DELAY_TOLERANCE);
    }
    for (field, reference) in [
        ("final_status", want["final_code"].clone()),
        ("source", json!(endpoint(&want["from"]))),
        ("destination", json!(endpoint(&want["to"]))),
    ] {
        differences.equal(&name(field), &got[field], right(file, id, field, reference));
    }
}

/// "address:port", IPv6 in brackets; the reference writes none.
fn endpoint(text: &Value) -> String {
    let text = text.as_str().unwrap_or("");
    match text.rsplit_once(':') {
        Some((host, port)) if host.contains(':') => format!("[{host}]:{port}"),
        _ => text.to_string(),
    }
}

fn streams(differences: &mut Differences, file: &str, report: &Value, want: &[Value], rule: &Streams) {
    let mut got = HashMap::new();
    for stream in items(&report["streams"]) {
        let text = |field: &str| stream[field].as_str().unwrap_or("").to_string();
        let key = (text("source"), text("destination"), text("ssrc"));
        if got.insert(key.clone(), stream).is_some() {
            differences.add(&format!("stream {key:?}"), "two entries", "one");
        }
    }
    let want = if matches!(rule, Streams::None) { &[] } else { want };
    for expected in want {
        let side = |host: &str, port: &str| {
            endpoint(&json!(format!("{}:{}", expected[host].as_str().unwrap_or(""), expected[port])))
        };
        let ssrc = expected["ssrc"].as_str().unwrap_or("").to_string();
        let key = (side("src", "sport"), side("dst", "dport"), ssrc);
        match got.remove(&key) {
            Some(stream) => one_stream(differences, file, stream, expected, rule),
            None => differences.add(&format!("stream {key:?}"), "no entry", &expected["rfc3550"]["packets"]),
        }
    }
    for (key, stream) in got {
        differences.add(&format!("stream {key:?}"), stream, "no such stream");
    }
}

fn one_stream(differences: &mut Differences, file: &str, got: &Value, want: &Value, rule: &Streams) {
    let id = want["ssrc"].as_str().unwrap_or("");
    let name = |field: &str| format!("stream {id} {} > {} {field}", got["source"], got["destination"]);
    let whole = &want["rfc3550"];
    let once = matches!(rule, Streams::OneOfEach);
    let (packets, duplicates) = match once {
        true => (whole["unique_sequence_numbers"].clone(), json!(0)),
        false => (whole["packets"].clone(), whole["duplicates"].clone()),
    };
    for (field, reference) in [
        ("packets", packets),
        ("duplicates", duplicates),
        ("expected", whole["expected"].clone()),
        ("lost", whole["lost_unique"].clone()),
        ("reordered", whole["out_of_order"].clone()),
    ] {
        differences.equal(&name(field), &got[field], right(file, id, field, reference));
    }
    if once {
        return;
    }
    differences.equal(&name("codec"), &got["codec"], right(file, id, "codec", codec(want)));
    differences.equal(
        &name("clock_rate_hz"),
        &got["clock_rate_hz"],
        right(file, id, "clock_rate_hz", want["clock_rate_used"].clone()),
    );
    for (part, reference) in [("last", "jitter_final_ms"), ("mean", "jitter_mean_ms"), ("max", "jitter_max_ms")] {
        // Of one packet the running estimate is where A.8 starts it, at 0; a mean there is none.
        let reference = whole[reference].as_f64().map(|ms| ms / 1000.0);
        let field = format!("jitter_seconds.{part}");
        let value = right(file, id, &field, json!(reference)).as_f64();
        differences.near(&name(&field), &got["jitter_seconds"][part], value, JITTER_TOLERANCE);
    }
}

/// The name of the payload type that most packets have, in lower case.
fn codec(want: &Value) -> Value {
    let types = want["payload_types"].as_object();
    let most = types.into_iter().flatten().max_by_key(|(_, packets)| packets.as_u64().unwrap_or(0));
    let name = most.and_then(|(number, _)| want["codecs"][number]["name"].as_str());
    json!(name.map(str::to_ascii_lowercase))
}

/// A stream to a port that SDP names belongs to one of the capture's calls; without SDP to none.
fn bound_streams(differences: &mut Differences, report: &Value, expected: &Value) {
    let ids: Vec<&Value> = items(&expected["sip"]["calls"]).iter().map(|call| &call["call_id"]).collect();
    for want in items(&expected["rtp_streams"]) {
        let named = |codec: &Value| codec["from"] == "SDP of this port";
        let by_sdp = want["codecs"].as_object().into_iter().flatten().any(|(_, codec)| named(codec));
        for stream in items(&report["streams"]).iter().filter(|stream| stream["ssrc"] == want["ssrc"]) {
            let call_id = &stream["call_id"];
            if by_sdp != ids.contains(&call_id) || by_sdp == call_id.is_null() {
                let want = if by_sdp { "one of the calls" } else { "null" };
                differences.add(&format!("stream {} call_id", stream["ssrc"]), call_id, want);
            }
        }
    }
}

/// Each message of RFC 4475 and RFC 5118 alone in a capture.
#[test]
fn torture_messages_one_by_one() {
    let Some(shared) = shared_dir() else { return };
    let folder = shared.join("captures/torture");
    let table = fs::read_to_string(folder.join("EXPECTED.tsv")).expect("captures/torture/EXPECTED.tsv");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut differences = Differences::default();
    let mut messages = 0;
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, _, _, _, kind, what, ..] = columns[..] else { panic!("too few columns in {line}") };
        let bytes = fs::read(folder.join(file)).expect("a torture message");
        let capture = dir.path().join(file).with_extension("pcap");
        datagram(&capture, &bytes, file.starts_with("rfc5118"));
        let report = analyze_json(&capture);
        let mut found = Differences::new(file);
        torture_message(&mut found, &report, file, kind, what);
        differences.append(found);
        messages += 1;
    }
    assert!(messages >= 32, "only {messages} messages in EXPECTED.tsv");
    differences.finish();
}

fn torture_message(differences: &mut Differences, report: &Value, file: &str, kind: &str, what: &str) {
    let sip = &report["sip"];
    let malformed = MALFORMED.iter().any(|(name, _)| *name == file);
    let mut want = BTreeMap::from([(what.to_string(), 1)]);
    if malformed {
        want.clear();
        differences.equal("sip.malformed", &sip["malformed"], 1);
    }
    let none = BTreeMap::new();
    let (requests, responses) = if kind == "request" { (&want, &none) } else { (&none, &want) };
    differences.counts("sip.requests", &sip["requests"], requests);
    differences.counts("sip.responses", &sip["responses"], responses);
    differences.equal("streams", &json!(items(&report["streams"]).len()), 0);
}

fn datagram(path: &Path, payload: &[u8], v6: bool) {
    let out = BufWriter::new(File::create(path).expect("a file in the temporary directory"));
    let (from, to): (SocketAddr, SocketAddr) = match v6 {
        true => (
            SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 9, 1], 20_000)),
            SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10], 5060)),
        ),
        false => (SocketAddr::from(([192, 0, 2, 1], 20_000)), SocketAddr::from(([192, 0, 2, 2], 5060))),
    };
    let mut writer = PcapWriter::new(out, Link::Ethernet, Resolution::Microseconds).expect("a capture");
    writer.datagram(1_577_836_800_000_000_000, &from, &to, payload).expect("a datagram");
    writer.finish().expect("a capture");
}
