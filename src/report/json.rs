//! The JSON of the contract, `sidetone.analysis/1`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::call::{EndedBy, Outcome};
use crate::engine::Analysis;
use crate::media::{GMIN, Problem, RoundTrip, StreamReport};
use crate::quality::codec::CodecId;
use crate::wire::Undecoded;

use super::{CaptureSummary, Findings};

const SCHEMA: &str = "sidetone.analysis/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    captures: &'a [CaptureSummary],
    frames: Frames,
    sip: Sip,
    registrations: Registrations,
    calls: Vec<CallEntry>,
    streams: Vec<StreamEntry>,
    rtcp: Rtcp,
}

#[derive(Serialize)]
struct Frames {
    total: u64,
    decoded: u64,
    undecoded: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct Sip {
    requests: BTreeMap<&'static str, u64>,
    responses: BTreeMap<String, u64>,
    retransmissions: u64,
    malformed: u64,
}

#[derive(Serialize)]
struct Registrations {
    attempts: u64,
    successes: u64,
    failures: u64,
    active_at_end: u64,
}

#[derive(Serialize)]
struct CallEntry {
    call_id: String,
    caller: String,
    callee: String,
    source: String,
    destination: String,
    started_at: f64,
    setup_delay_seconds: Option<f64>,
    answer_delay_seconds: Option<f64>,
    duration_seconds: Option<f64>,
    outcome: &'static str,
    final_status: Option<u16>,
    ended_by: &'static str,
    mos: Option<f64>,
    problems: Vec<&'static str>,
    streams: Vec<usize>,
}

#[derive(Serialize)]
struct StreamEntry {
    ssrc: String,
    source: String,
    destination: String,
    payload_type: u8,
    codec: Option<&'static str>,
    clock_rate_hz: Option<u32>,
    call_id: Option<String>,
    first_packet_time: f64,
    last_packet_time: f64,
    packets: u64,
    expected: u64,
    lost: u64,
    duplicates: u64,
    reordered: u64,
    discarded: Option<u64>,
    jitter_seconds: Jitter,
    gap_seconds: Gap,
    loss_ratio: f64,
    loss_bursts: Bursts,
    /// Bursts and gaps of lost and discarded packets (RFC 3611 section 4.7.2).
    burst_gap: Option<BurstGap>,
    playout: Option<Playout>,
    encrypted: bool,
    dtmf_events: u32,
    relay: Option<Relay>,
    delay_seconds: f64,
    delay_source: &'static str,
    r_factor: Option<f64>,
    mos: Option<f64>,
}

#[derive(Serialize)]
struct BurstGap {
    gmin: u64,
    bursts: u64,
    burst_density: f64,
    burst_seconds: Option<f64>,
    gap_density: f64,
    gap_seconds: Option<f64>,
    /// What the E-model was given.
    missed_ratio: f64,
    burst_ratio: f64,
}

/// Both emulated buffers; `buffer` names the one that is believed.
#[derive(Serialize)]
struct Playout {
    buffer: &'static str,
    fixed: PlayoutBuffer,
    adaptive: PlayoutBuffer,
}

#[derive(Serialize)]
struct PlayoutBuffer {
    delay_seconds: Option<f64>,
    discarded: u64,
}

/// What this host added to a stream that it passed on.
#[derive(Serialize)]
struct Relay {
    /// Index of the stream that came in.
    from: Option<usize>,
    packets: u64,
    lost: u64,
    delay_seconds: RelayDelay,
}

#[derive(Serialize)]
struct RelayDelay {
    mean: Option<f64>,
    max: f64,
}

#[derive(Serialize)]
struct Jitter {
    last: Option<f64>,
    mean: Option<f64>,
    max: Option<f64>,
    /// At the end, without telephone events and comfort noise.
    media_last: Option<f64>,
}

#[derive(Serialize)]
struct Gap {
    mean: Option<f64>,
    max: Option<f64>,
}

#[derive(Serialize)]
struct Bursts {
    count: u64,
    longest: u64,
    burst_ratio: Option<f64>,
}

#[derive(Serialize)]
struct Rtcp {
    packets: BTreeMap<&'static str, u64>,
    round_trips: Vec<RoundTripEntry>,
}

#[derive(Serialize)]
struct RoundTripEntry {
    ssrc: String,
    reporter_ssrc: String,
    time: f64,
    seconds: f64,
}

/// The whole document, indented.
pub fn render(findings: &Findings) -> Result<String, serde_json::Error> {
    let analysis = &findings.analysis;
    let ids: BTreeMap<u64, String> =
        analysis.calls.iter().map(|call| (call.serial, String::from_utf8_lossy(&call.call_id).into())).collect();
    serde_json::to_string_pretty(&Document {
        schema: SCHEMA,
        captures: &findings.captures,
        frames: frames(analysis),
        sip: sip(analysis),
        registrations: registrations(analysis),
        calls: (0..analysis.calls.len()).map(|at| call(findings, at)).collect(),
        streams: analysis.streams.iter().map(|report| stream(findings, report, &ids)).collect(),
        rtcp: Rtcp {
            packets: analysis.media.rtcp_by_type().filter(|(_, n)| *n > 0).map(|(t, n)| (t.name(), n)).collect(),
            round_trips: analysis.round_trips.iter().map(round_trip).collect(),
        },
    })
}

fn frames(analysis: &Analysis) -> Frames {
    let total = analysis.interfaces.iter().map(|interface| interface.packets).sum();
    let mut undecoded = BTreeMap::new();
    for interface in &analysis.interfaces {
        for (reason, count) in Undecoded::ALL.into_iter().zip(interface.undecoded).filter(|(_, count)| *count > 0) {
            *undecoded.entry(reason.reason()).or_default() += count;
        }
    }
    Frames { total, decoded: total - undecoded.values().sum::<u64>(), undecoded }
}

fn sip(analysis: &Analysis) -> Sip {
    let numbers = &analysis.signalling;
    Sip {
        requests: numbers.requests_by_method().filter(|(_, n)| *n > 0).map(|(m, n)| (m.name(), n)).collect(),
        responses: numbers.responses_by_code().into_iter().map(|(code, n)| (code.to_string(), n)).collect(),
        retransmissions: numbers.retransmissions(),
        malformed: numbers.malformed().map(|(_, n)| n).sum(),
    }
}

fn registrations(analysis: &Analysis) -> Registrations {
    let (results, active_at_end) = analysis.signalling.registrations();
    let attempts = results.iter().sum();
    Registrations { attempts, successes: results[0], failures: attempts - results[0], active_at_end }
}

fn call(findings: &Findings, at: usize) -> CallEntry {
    let call = &findings.analysis.calls[at];
    let media = findings.media_of(at);
    let since_start = |time: Option<crate::time::Timestamp>| time.map(|time| time.seconds_since(call.started));
    CallEntry {
        call_id: String::from_utf8_lossy(&call.call_id).into(),
        caller: call.caller.to_string(),
        callee: call.callee.to_string(),
        source: call.source.to_string(),
        destination: call.destination.to_string(),
        started_at: call.started.seconds(),
        setup_delay_seconds: since_start(call.set_up),
        answer_delay_seconds: since_start(call.answered),
        duration_seconds: media.duration,
        outcome: call.outcome.unwrap_or(Outcome::Unknown).name(),
        final_status: call.final_status,
        ended_by: call.ended_by.unwrap_or(EndedBy::CaptureEnd).name(),
        mos: media.mos,
        problems: findings.problems_of(call).map(Problem::name).collect(),
        streams: media.streams.to_vec(),
    }
}

fn round_trip(one: &RoundTrip) -> RoundTripEntry {
    RoundTripEntry {
        ssrc: ssrc(one.ssrc),
        reporter_ssrc: ssrc(one.reporter),
        time: one.time.seconds(),
        seconds: one.seconds,
    }
}

fn ssrc(number: u32) -> String {
    format!("0x{number:08x}")
}

fn stream(findings: &Findings, report: &StreamReport, ids: &BTreeMap<u64, String>) -> StreamEntry {
    StreamEntry {
        ssrc: ssrc(report.key.ssrc),
        source: report.key.source().to_string(),
        destination: report.key.destination().to_string(),
        payload_type: report.payload_type,
        codec: (report.codec != CodecId::UNKNOWN).then(|| report.codec.name()),
        clock_rate_hz: (report.clock_rate != 0).then_some(report.clock_rate),
        call_id: ids.get(&report.call).cloned(),
        first_packet_time: report.first_arrival.seconds(),
        last_packet_time: report.last_arrival.seconds(),
        packets: report.packets,
        expected: report.expected,
        lost: report.lost,
        duplicates: report.duplicates,
        reordered: report.reordered,
        discarded: report.playout.map(|playout| playout.discarded),
        jitter_seconds: Jitter {
            last: report.jitter.map(|jitter| jitter.last),
            mean: report.jitter.and_then(|jitter| jitter.mean),
            max: report.jitter.map(|jitter| jitter.max),
            media_last: report.media_jitter,
        },
        gap_seconds: Gap { mean: report.gaps.map(|gaps| gaps.0), max: report.gaps.map(|gaps| gaps.1) },
        loss_ratio: report.loss_ratio,
        loss_bursts: Bursts {
            count: report.runs.count,
            longest: report.runs.longest,
            burst_ratio: (report.runs.count > 0).then_some(report.burst_ratio),
        },
        burst_gap: burst_gap(report),
        playout: playout(report),
        encrypted: report.encrypted,
        dtmf_events: report.dtmf_events,
        relay: report.relay.map(|relay| Relay {
            from: findings.index_of(&relay.from, report.first_arrival),
            packets: relay.totals.packets,
            lost: relay.totals.lost,
            delay_seconds: RelayDelay {
                mean: (relay.totals.packets > 0).then(|| relay.totals.delay_sum / relay.totals.packets as f64),
                max: relay.totals.delay_max,
            },
        }),
        delay_seconds: report.delay.seconds,
        delay_source: report.delay.source.name(),
        r_factor: report.rating.map(|rating| rating.r_factor),
        mos: report.rating.map(|rating| rating.mos),
    }
}

fn burst_gap(report: &StreamReport) -> Option<BurstGap> {
    let found = report.burst_gap?;
    let seconds = |packets: f64| report.packet_seconds.map(|packet| packets * packet);
    Some(BurstGap {
        gmin: GMIN,
        bursts: found.bursts,
        burst_density: found.burst_density,
        burst_seconds: seconds(found.burst_packets),
        gap_density: found.gap_density,
        gap_seconds: seconds(found.gap_packets),
        missed_ratio: report.missed_ratio,
        burst_ratio: report.missed_burst_ratio,
    })
}

fn playout(report: &StreamReport) -> Option<Playout> {
    let both = report.playout?;
    Some(Playout {
        buffer: both.buffer.name(),
        fixed: PlayoutBuffer { delay_seconds: Some(both.fixed_seconds), discarded: both.discarded_fixed },
        adaptive: PlayoutBuffer { delay_seconds: both.adaptive_seconds, discarded: both.discarded_adaptive },
    })
}
