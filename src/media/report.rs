//! A stream as the reports show it: its numbers over its whole life.

use crate::quality::codec::CodecId;
use crate::quality::{Conditions, Rating, rate};
use crate::time::Timestamp;

use super::Settings;
use super::sequence::Runs;
use super::stream::{Jitter, Key, Stream};

/// Numbers of a stream from its first to its last packet.
#[derive(Clone, Debug)]
pub struct StreamReport {
    pub key: Key,
    pub call: u64,
    pub payload_type: u8,
    pub codec: CodecId,
    /// Hz; zero where nothing told it.
    pub clock_rate: u32,
    pub first_arrival: Timestamp,
    pub last_arrival: Timestamp,
    pub packets: u64,
    pub expected: u64,
    pub lost: u64,
    pub duplicates: u64,
    pub reordered: u64,
    /// `None` while the clock is unknown.
    pub jitter: Option<Jitter>,
    /// Mean and maximum time between arrivals, seconds.
    pub gaps: Option<(f64, f64)>,
    pub loss_ratio: f64,
    pub runs: Runs,
    pub burst_ratio: f64,
    /// One-way delay that went into the rating, seconds.
    pub delay_seconds: f64,
    /// `None` for a codec without a model.
    pub rating: Option<Rating>,
}

impl StreamReport {
    pub(super) fn new(stream: &Stream, settings: &Settings) -> StreamReport {
        let (loss_ratio, burst_ratio) = (stream.loss_ratio(), stream.burst_ratio());
        StreamReport {
            key: stream.key,
            call: stream.call,
            payload_type: stream.payload_type,
            codec: stream.codec,
            clock_rate: stream.clock_rate,
            first_arrival: stream.first_arrival,
            last_arrival: stream.last_arrival,
            packets: stream.packets,
            expected: stream.sequence.expected(),
            lost: stream.sequence.lost(),
            duplicates: stream.duplicates,
            reordered: stream.reordered,
            jitter: stream.jitter(),
            gaps: stream.gaps(),
            loss_ratio,
            runs: stream.sequence.runs(),
            burst_ratio,
            delay_seconds: settings.assumed_delay_seconds,
            rating: rating(stream.codec, settings, loss_ratio, burst_ratio),
        }
    }
}

/// The E-model's verdict under the configured assumptions; `None` for a codec without a model.
pub(super) fn rating(codec: CodecId, settings: &Settings, loss_ratio: f64, burst_ratio: f64) -> Option<Rating> {
    let impairment = codec.impairment(settings.packet_loss_concealment)?;
    let conditions = Conditions { loss_ratio, burst_ratio, delay_seconds: settings.assumed_delay_seconds, echo: true };
    Some(rate(impairment, &conditions))
}
