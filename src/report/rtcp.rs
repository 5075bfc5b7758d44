//! The `rtcp` part of the JSON: what was counted, what was measured, and what the endpoints themselves reported.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::Analysis;
use crate::media::{ExtendedReport, RoundTrip, RoundTrips};
use crate::wire::rtcp::{Summary, VoipMetrics};

#[derive(Serialize)]
pub struct Rtcp {
    packets: BTreeMap<&'static str, u64>,
    /// Datagrams of SRTCP, which nothing is read of.
    encrypted: u64,
    malformed: BTreeMap<&'static str, u64>,
    round_trips: Vec<RoundTripEntry>,
    feedback: BTreeMap<&'static str, u64>,
    nacked_packets: u64,
    xr_blocks: BTreeMap<&'static str, u64>,
    /// VoIP metrics blocks (RFC 3611 section 4.7).
    xr: Vec<VoipEntry>,
    /// Statistics summary blocks (RFC 3611 section 4.6).
    xr_summaries: Vec<SummaryEntry>,
    /// Entries that the lists above had no room for.
    left_out: u64,
}

#[derive(Serialize)]
struct RoundTripEntry {
    ssrc: String,
    reporter_ssrc: String,
    time: f64,
    seconds: f64,
}

/// Means from where we stand to either end of a stream, and both together; and both together as last measured.
#[derive(Serialize)]
pub struct StreamRoundTrip {
    to_source: Option<f64>,
    to_destination: Option<f64>,
    end_to_end: Option<f64>,
    end_to_end_last: Option<f64>,
}

#[derive(Serialize)]
struct VoipEntry {
    ssrc: String,
    reporter_ssrc: String,
    time: f64,
    loss_ratio: f64,
    discard_ratio: f64,
    burst_density: f64,
    gap_density: f64,
    burst_duration_seconds: f64,
    gap_duration_seconds: f64,
    round_trip_seconds: Option<f64>,
    end_system_delay_seconds: f64,
    signal_level_dbm0: Option<i8>,
    noise_level_dbm0: Option<i8>,
    residual_echo_return_loss_db: Option<u8>,
    gmin: u8,
    r_factor: Option<u8>,
    external_r_factor: Option<u8>,
    mos_lq: Option<f64>,
    mos_cq: Option<f64>,
    packet_loss_concealment: Option<&'static str>,
    jitter_buffer: JitterBuffer,
}

#[derive(Serialize)]
struct JitterBuffer {
    adaptive: Option<bool>,
    adjustment_rate: u8,
    nominal_seconds: f64,
    maximum_seconds: f64,
    absolute_maximum_seconds: f64,
}

#[derive(Serialize)]
struct SummaryEntry {
    ssrc: String,
    reporter_ssrc: String,
    time: f64,
    expected: u16,
    lost: Option<u32>,
    duplicates: Option<u32>,
    /// Ticks of the media's clock.
    jitter_ticks: Option<SpreadEntry<u32>>,
    hops: Option<SpreadEntry<u8>>,
}

#[derive(Serialize)]
struct SpreadEntry<T> {
    min: T,
    max: T,
    mean: T,
    deviation: T,
}

pub fn rtcp(analysis: &Analysis) -> Rtcp {
    let (numbers, reports) = (&analysis.media, &analysis.endpoint_reports);
    let reported = &numbers.reported;
    Rtcp {
        packets: numbers.rtcp_by_type().filter(|(_, n)| *n > 0).map(|(kind, n)| (kind.name(), n)).collect(),
        encrypted: reported.encrypted(),
        malformed: reported.malformed().filter(|(_, n)| *n > 0).map(|(why, n)| (why.reason(), n)).collect(),
        round_trips: reports.round_trips.iter().map(round_trip).collect(),
        feedback: reported.feedback().filter(|(_, n)| *n > 0).map(|(kind, n)| (kind.name(), n)).collect(),
        nacked_packets: reported.nacked(),
        xr_blocks: reported.blocks().filter(|(_, n)| *n > 0).map(|(kind, n)| (kind.name(), n)).collect(),
        xr: reports.voip_metrics.iter().map(voip).collect(),
        xr_summaries: reports.summaries.iter().map(summary).collect(),
        left_out: reports.left_out,
    }
}

pub fn stream_round_trip(of: &RoundTrips) -> StreamRoundTrip {
    StreamRoundTrip {
        to_source: of.to_source.mean(),
        to_destination: of.to_destination.mean(),
        end_to_end: of.end_to_end(),
        end_to_end_last: of.latest(),
    }
}

pub(super) fn ssrc(number: u32) -> String {
    format!("0x{number:08x}")
}

fn round_trip(one: &RoundTrip) -> RoundTripEntry {
    RoundTripEntry {
        ssrc: ssrc(one.ssrc),
        reporter_ssrc: ssrc(one.reporter),
        time: one.time.seconds(),
        seconds: one.seconds,
    }
}

fn voip(report: &ExtendedReport<VoipMetrics>) -> VoipEntry {
    let said = &report.said;
    VoipEntry {
        ssrc: ssrc(said.ssrc),
        reporter_ssrc: ssrc(report.reporter),
        time: report.time.seconds(),
        loss_ratio: said.loss_ratio,
        discard_ratio: said.discard_ratio,
        burst_density: said.burst_density,
        gap_density: said.gap_density,
        burst_duration_seconds: said.burst_seconds,
        gap_duration_seconds: said.gap_seconds,
        round_trip_seconds: said.round_trip_seconds,
        end_system_delay_seconds: said.end_system_delay_seconds,
        signal_level_dbm0: said.signal_level,
        noise_level_dbm0: said.noise_level,
        residual_echo_return_loss_db: said.echo_return_loss,
        gmin: said.gmin,
        r_factor: said.r_factor,
        external_r_factor: said.external_r_factor,
        mos_lq: said.mos_lq,
        mos_cq: said.mos_cq,
        packet_loss_concealment: said.concealment,
        jitter_buffer: JitterBuffer {
            adaptive: said.adaptive,
            adjustment_rate: said.adjustment_rate,
            nominal_seconds: said.buffer_nominal_seconds,
            maximum_seconds: said.buffer_maximum_seconds,
            absolute_maximum_seconds: said.buffer_limit_seconds,
        },
    }
}

fn summary(report: &ExtendedReport<Summary>) -> SummaryEntry {
    let said = &report.said;
    SummaryEntry {
        ssrc: ssrc(said.ssrc),
        reporter_ssrc: ssrc(report.reporter),
        time: report.time.seconds(),
        expected: said.expected,
        lost: said.lost,
        duplicates: said.duplicates,
        jitter_ticks: said.jitter.map(|of| SpreadEntry {
            min: of.min,
            max: of.max,
            mean: of.mean,
            deviation: of.deviation,
        }),
        hops: said.hops.map(|of| SpreadEntry { min: of.min, max: of.max, mean: of.mean, deviation: of.deviation }),
    }
}
