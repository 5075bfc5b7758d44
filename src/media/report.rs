//! A stream as the reports show it: its numbers over its whole life.

use crate::quality::codec::CodecId;
use crate::quality::{Conditions, Rating, rate};
use crate::time::Timestamp;

use super::Settings;
use super::delay::Delay;
use super::key::Key;
use super::pattern::BurstGap;
use super::playout::Buffer;
use super::relay::RelayReport;
use super::round_trips::RoundTrips;
use super::sequence::Runs;
use super::stream::{Jitter, Stream};

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
    /// Too late for the playout buffer; `None` where none is emulated: no sound, or no known clock.
    pub playout: Option<PlayoutReport>,
    /// `None` while the clock is unknown.
    pub jitter: Option<Jitter>,
    /// Jitter of the media packets alone at the end, seconds.
    pub media_jitter: Option<f64>,
    /// Mean and maximum time between arrivals, seconds.
    pub gaps: Option<(f64, f64)>,
    pub loss_ratio: f64,
    pub runs: Runs,
    pub burst_ratio: f64,
    /// Bursts and gaps of lost and late packets; `None` where nothing was missed.
    pub burst_gap: Option<BurstGap>,
    /// Time that one packet holds, seconds.
    pub packet_seconds: Option<f64>,
    pub dtmf_events: u32,
    pub encrypted: bool,
    /// Its way through this host, where the stream that came in was seen too.
    pub relay: Option<RelayReport>,
    /// What the rating was given: lost and late packets, their burst ratio, the delay.
    pub missed_ratio: f64,
    pub missed_burst_ratio: f64,
    pub delay: Delay,
    /// `None` for a codec without a model.
    pub rating: Option<Rating>,
    pub round_trips: RoundTrips,
}

/// What both emulated playout buffers made of a stream.
#[derive(Clone, Copy, Debug)]
pub struct PlayoutReport {
    /// The one that is believed, and what it discarded.
    pub buffer: Buffer,
    pub discarded: u64,
    pub discarded_fixed: u64,
    pub discarded_adaptive: u64,
    /// Delay of the fixed one, and the mean delay of the adaptive one, seconds.
    pub fixed_seconds: f64,
    pub adaptive_seconds: f64,
}

impl PlayoutReport {
    fn new(stream: &Stream, settings: &Settings) -> PlayoutReport {
        PlayoutReport {
            buffer: settings.playout.buffer,
            discarded: stream.sequence.late(),
            discarded_fixed: u64::from(stream.played.late_fixed),
            discarded_adaptive: u64::from(stream.played.late_adaptive),
            fixed_seconds: settings.playout.fixed / 1e9,
            adaptive_seconds: stream.played.adaptive_delay(&stream.playout, &settings.playout),
        }
    }
}

impl StreamReport {
    pub(super) fn new(stream: &Stream, settings: &Settings) -> StreamReport {
        let delay = Delay::of(stream, settings);
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
            playout: stream.is_played.then(|| PlayoutReport::new(stream, settings)),
            jitter: stream.jitter(),
            media_jitter: stream.media_jitter(),
            gaps: stream.gaps(),
            loss_ratio: stream.loss_ratio(),
            runs: stream.sequence.runs(),
            burst_ratio: stream.loss_burst_ratio(),
            burst_gap: stream.sequence.pattern().burst_gap(),
            packet_seconds: stream.packet_seconds(),
            dtmf_events: stream.dtmf_events,
            encrypted: stream.is_encrypted,
            relay: None,
            missed_ratio: stream.missed_ratio(),
            missed_burst_ratio: stream.missed_burst_ratio(),
            delay,
            rating: rating(stream, settings, stream.missed_ratio(), stream.missed_burst_ratio(), delay.seconds),
            round_trips: stream.round_trips,
        }
    }
}

/// The E-model's verdict; `None` for a codec without a model. `loss_ratio` is what the listener misses.
pub(super) fn rating(
    stream: &Stream,
    settings: &Settings,
    loss_ratio: f64,
    burst_ratio: f64,
    delay_seconds: f64,
) -> Option<Rating> {
    let profile = stream.codec.profile(stream.mode, settings.packet_loss_concealment)?;
    Some(rate(&profile, &Conditions { loss_ratio, burst_ratio, delay_seconds, echo: true }))
}
