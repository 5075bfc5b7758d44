//! A report of `sidetone analyze`, JSON or exposition, against the truth of a generated capture.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};

use crate::generator::truth::{CallTruth, StreamTruth, Truth, seconds};
use crate::support::{Differences, items};

/// Delays come from two time stamps, each a float of Unix seconds in the JSON.
const DELAY_TOLERANCE: f64 = 1e-6;

/// Every difference between a report and the truth.
pub fn compare(place: String, report: &Value, truth: &Truth) -> Differences {
    let mut differences = Differences::new(place);
    differences.equal("schema", &report["schema"], "sidetone.analysis/1");
    let capture = &report["captures"][0];
    differences.equal("captures[0].packets", &capture["packets"], truth.packets);
    differences.equal("captures[0].bytes", &capture["bytes"], truth.bytes);
    differences.equal("captures[0].truncated", &capture["truncated"], false);
    time(&mut differences, "captures[0].first_packet_time", &capture["first_packet_time"], truth.first_packet_ns);
    time(&mut differences, "captures[0].last_packet_time", &capture["last_packet_time"], truth.last_packet_ns);
    differences.equal("frames.total", &report["frames"]["total"], truth.packets);
    differences.equal("frames.decoded", &report["frames"]["decoded"], truth.packets);

    let sip = &report["sip"];
    differences.counts("sip.requests", &sip["requests"], &truth.sip.requests);
    differences.counts("sip.responses", &sip["responses"], &truth.sip.responses);
    differences.equal("sip.retransmissions", &sip["retransmissions"], truth.sip.retransmissions);
    differences.equal("sip.malformed", &sip["malformed"], 0);
    differences.counts("rtcp.packets", &report["rtcp"]["packets"], &truth.rtcp_packets);

    calls(&mut differences, items(&report["calls"]), &truth.calls);
    streams(&mut differences, items(&report["streams"]), &truth.streams);
    round_trips(&mut differences, items(&report["rtcp"]["round_trips"]), truth);
    links(&mut differences, report);
    differences
}

/// DLSR comes in 1/65536 s, and so do LSR's last bits.
const ROUND_TRIP_TOLERANCE: f64 = 32e-6;

fn round_trips(differences: &mut Differences, got: &[Value], truth: &Truth) {
    differences.equal("rtcp.round_trips", &json!(got.len()), truth.round_trips.len());
    for (at, (got, want)) in got.iter().zip(&truth.round_trips).enumerate() {
        let name = |field: &str| format!("rtcp.round_trips[{at}].{field}");
        differences.equal(&name("ssrc"), &got["ssrc"], want.ssrc.as_str());
        differences.equal(&name("reporter_ssrc"), &got["reporter_ssrc"], want.reporter_ssrc.as_str());
        time(differences, &name("time"), &got["time"], want.time_ns);
        differences.near(&name("seconds"), &got["seconds"], Some(want.seconds), ROUND_TRIP_TOLERANCE);
    }
}

fn time(differences: &mut Differences, what: &str, got: &Value, want_ns: u64) {
    differences.near(what, got, Some(seconds(want_ns)), DELAY_TOLERANCE);
}

fn calls(differences: &mut Differences, got: &[Value], want: &[CallTruth]) {
    differences.equal("number of calls", &json!(got.len()), want.len());
    let mut by_id: HashMap<&str, &Value> = HashMap::new();
    for call in got {
        let id = call["call_id"].as_str().unwrap_or("");
        if by_id.insert(id, call).is_some() {
            differences.add(&format!("call {id}"), "two entries", "one attempt");
        }
    }
    for truth in want {
        match by_id.get(truth.call_id.as_str()) {
            Some(call) => one_call(differences, call, truth),
            None => differences.add(&format!("call {}", truth.call_id), "no entry", &truth.outcome),
        }
    }
}

fn one_call(differences: &mut Differences, got: &Value, want: &CallTruth) {
    let name = |field: &str| format!("call {} ({}) {field}", want.call_id, want.outcome);
    for (field, text) in [
        ("source", &want.source),
        ("destination", &want.destination),
        ("outcome", &want.outcome),
        ("ended_by", &want.ended_by),
    ] {
        differences.equal(&name(field), &got[field], text.as_str());
    }
    // The contract leaves open whether these are users or URIs.
    for (field, user) in [("caller", &want.caller), ("callee", &want.callee)] {
        if !got[field].as_str().is_some_and(|text| text.contains(user.as_str())) {
            differences.add(&name(field), &got[field], user);
        }
    }
    differences.equal(&name("final_status"), &got["final_status"], want.final_status);
    time(differences, &name("started_at"), &got["started_at"], want.started_at_ns);
    for (field, value) in [
        ("setup_delay_seconds", want.setup_delay_seconds),
        ("answer_delay_seconds", want.answer_delay_seconds),
        ("duration_seconds", want.duration_seconds),
    ] {
        differences.near(&name(field), &got[field], value, DELAY_TOLERANCE);
    }
}

fn streams(differences: &mut Differences, got: &[Value], want: &[StreamTruth]) {
    let key = |value: &Value, field: &str| value[field].as_str().unwrap_or("").to_string();
    let mut by_key = HashMap::new();
    for stream in got {
        let id = (key(stream, "source"), key(stream, "destination"), key(stream, "ssrc"));
        if by_key.insert(id.clone(), stream).is_some() {
            differences.add(&format!("stream {id:?}"), "two entries", "one");
        }
    }
    for truth in want {
        let id = (truth.source.clone(), truth.destination.clone(), truth.ssrc.clone());
        match by_key.remove(&id) {
            Some(stream) => one_stream(differences, stream, truth),
            None => differences.add(&format!("stream {id:?} {}", truth.class), "no entry", truth.packets),
        }
    }
    for (id, stream) in by_key {
        differences.add(&format!("stream {id:?}"), stream, "no such stream");
    }
}

fn one_stream(differences: &mut Differences, got: &Value, want: &StreamTruth) {
    let about = format!(
        "stream {} {} > {} ({}, {}, {} restarts)",
        want.ssrc, want.source, want.destination, want.codec, want.class, want.restarts
    );
    let name = |field: &str| format!("{about} {field}");
    for (field, count) in [
        ("packets", want.packets),
        ("expected", want.expected),
        ("lost", want.lost),
        ("duplicates", want.duplicates),
        ("reordered", want.reordered),
        ("payload_type", u64::from(want.payload_type)),
        ("clock_rate_hz", u64::from(want.clock_rate_hz)),
    ] {
        differences.equal(&name(field), &got[field], count);
    }
    differences.equal(&name("codec"), &got["codec"], want.codec.as_str());
    differences.equal(&name("call_id"), &got["call_id"], want.call_id.clone());
    time(differences, &name("first_packet_time"), &got["first_packet_time"], want.first_packet_ns);
    time(differences, &name("last_packet_time"), &got["last_packet_time"], want.last_packet_ns);
    for (field, part, value) in [
        ("jitter_seconds", "last", want.jitter_seconds.last),
        ("jitter_seconds", "mean", want.jitter_seconds.mean),
        ("jitter_seconds", "max", want.jitter_seconds.max),
        ("gap_seconds", "mean", want.gap_seconds.mean),
        ("gap_seconds", "max", want.gap_seconds.max),
    ] {
        let tolerance = 1e-9 + 1e-6 * value;
        differences.near(&name(&format!("{field}.{part}")), &got[field][part], Some(value), tolerance);
    }
    let ratio = want.lost as f64 / want.expected as f64;
    differences.near(&name("loss_ratio"), &got["loss_ratio"], Some(ratio), 1e-9);
    let bursts = &got["loss_bursts"];
    differences.equal(&name("loss_bursts.count"), &bursts["count"], want.loss_bursts.count);
    differences.equal(&name("loss_bursts.longest"), &bursts["longest"], want.loss_bursts.longest);
}

/// `calls[].streams` and `streams[].call_id` say the same.
fn links(differences: &mut Differences, report: &Value) {
    let streams = items(&report["streams"]);
    for call in items(&report["calls"]) {
        let id = &call["call_id"];
        let listed: HashSet<usize> =
            items(&call["streams"]).iter().filter_map(|index| index.as_u64().map(|index| index as usize)).collect();
        let bound = (0..streams.len()).filter(|index| streams[*index]["call_id"] == *id).collect::<HashSet<usize>>();
        if listed != bound {
            differences.add(&format!("call {id} streams"), format!("{listed:?}"), format!("{bound:?}"));
        }
    }
}

/// A metric family, the label value that is asked for (no name: all samples), and their sum.
pub type Exposed = (&'static str, (&'static str, String), u64);

/// What each family has to add up to, over all samples with this label.
pub fn expositions(truth: &Truth) -> Vec<Exposed> {
    let streams = |count: fn(&StreamTruth) -> u64| truth.streams.iter().map(count).sum::<u64>();
    let all = || ("", String::new());
    let mut exposed: Vec<Exposed> = vec![
        ("capture_packets_total", all(), truth.packets),
        ("rtp_streams_started_total", all(), truth.streams.len() as u64),
        ("rtp_packets_total", all(), streams(|stream| stream.packets)),
        ("rtp_payload_bytes_total", all(), streams(|stream| stream.payload_bytes)),
        ("rtp_packets_expected_total", all(), streams(|stream| stream.expected)),
        ("rtp_packets_lost_total", all(), streams(|stream| stream.lost)),
        ("rtp_packets_duplicated_total", all(), streams(|stream| stream.duplicates)),
        ("rtp_packets_reordered_total", all(), streams(|stream| stream.reordered)),
        ("call_attempts_total", all(), truth.calls.len() as u64),
        ("sip_retransmissions_total", all(), truth.sip.retransmissions),
    ];
    let answered = truth.calls.iter().filter(|call| call.answer_delay_seconds.is_some()).count();
    exposed.push(("call_answers_total", all(), answered as u64));
    let mut outcomes = BTreeMap::<&str, u64>::new();
    for call in &truth.calls {
        *outcomes.entry(&call.outcome).or_default() += 1;
    }
    for (outcome, count) in outcomes {
        exposed.push(("call_outcomes_total", ("outcome", outcome.to_string()), count));
    }
    exposed.push(("call_outcomes_total", all(), truth.calls.len() as u64));
    for (method, count) in &truth.sip.requests {
        exposed.push(("sip_requests_total", ("method", method.clone()), *count));
    }
    for (code, count) in &truth.sip.responses {
        exposed.push(("sip_responses_total", ("code", code.clone()), *count));
    }
    for (kind, count) in &truth.rtcp_packets {
        exposed.push(("rtcp_packets_total", ("type", kind.clone()), *count));
    }
    exposed
}

/// The sum of a family's samples that have this label value; an empty name takes all.
pub fn sum(text: &str, metric: &str, label: &str, value: &str) -> Option<f64> {
    let wanted = format!("{label}=\"{value}\"");
    let mut total = None;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some(rest) = line.strip_prefix(metric) else {
            continue;
        };
        let (labels, sample) = match rest.strip_prefix('{').and_then(|rest| rest.rsplit_once('}')) {
            Some(parts) => parts,
            None if rest.starts_with(' ') => ("", rest),
            None => continue,
        };
        let number = sample.split_whitespace().next().and_then(|number| number.parse::<f64>().ok());
        let number = number.unwrap_or_else(|| panic!("no number in the sample {line}"));
        // No label value of these families has a comma or a quote in it.
        if label.is_empty() || labels.split(',').any(|one| one == wanted) {
            *total.get_or_insert(0.0) += number;
        }
    }
    total
}
