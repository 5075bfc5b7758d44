//! Streams in the JSON of the contract.

use std::borrow::Cow;

use serde::Serialize;

use crate::media::{GMIN, StreamReport};
use crate::quality::codec::CodecId;
use crate::wire::Endpoint;

use super::Findings;
use super::json::as_text;
use super::rtcp::{self, StreamRoundTrip, ssrc};

/// The top of G.107's scale (Annex B).
const R_MAX: f64 = 100.0;

#[derive(Serialize)]
pub(super) struct StreamEntry<'a> {
    ssrc: String,
    #[serde(serialize_with = "as_text")]
    source: Endpoint,
    #[serde(serialize_with = "as_text")]
    destination: Endpoint,
    payload_type: u8,
    codec: Option<&'static str>,
    clock_rate_hz: Option<u32>,
    call_id: Option<Cow<'a, str>>,
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
    /// The Recommendation that rates the codec.
    model: Option<&'static str>,
    /// On the scale of G.107, 0 to 100, whatever the model; beside it on the model's own.
    r_factor: Option<f64>,
    mos: Option<f64>,
    r_factor_model_scale: Option<f64>,
    mos_model_scale: Option<f64>,
    round_trip_seconds: StreamRoundTrip,
}

#[derive(Serialize)]
struct BurstGap {
    gmin: u64,
    bursts: u32,
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
    delay_seconds: f64,
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

pub(super) fn entry<'a>(findings: &'a Findings, report: &StreamReport) -> StreamEntry<'a> {
    StreamEntry {
        ssrc: ssrc(report.key.ssrc),
        source: report.key.source(),
        destination: report.key.destination(),
        payload_type: report.payload_type,
        codec: (report.codec != CodecId::UNKNOWN).then(|| report.codec.name()),
        clock_rate_hz: (report.clock_rate != 0).then_some(report.clock_rate),
        call_id: findings.call(report.call).map(|call| call.names.call_id()),
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
        model: report.rating.map(|rating| rating.model.as_str()),
        r_factor: report.rating.map(|rating| rating.r_factor.min(R_MAX)),
        r_factor_model_scale: report.rating.map(|rating| rating.r_factor),
        mos: report.rating.map(|rating| rating.mos),
        mos_model_scale: report.rating.map(|rating| rating.mos_model_scale),
        round_trip_seconds: rtcp::stream_round_trip(&report.round_trips),
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
        fixed: PlayoutBuffer { delay_seconds: both.fixed_seconds, discarded: both.discarded_fixed },
        adaptive: PlayoutBuffer { delay_seconds: both.adaptive_seconds, discarded: both.discarded_adaptive },
    })
}
