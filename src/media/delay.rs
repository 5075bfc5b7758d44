//! The one-way delay that a stream's rating is given: the network's, measured where RTCP tells it, and the playout buffer's.

use super::Settings;
use super::stream::Stream;

/// Where the network's part of a delay comes from; the values of `delay_source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Half the round trip between both ends, from LSR and DLSR (RFC 3550 section 6.4.1) or XR's DLRR (RFC 3611 section 4.5).
    Rtcp,
    /// `quality.assumed_delay`.
    Assumed,
}

impl Source {
    pub const fn name(self) -> &'static str {
        match self {
            Source::Rtcp => "rtcp",
            Source::Assumed => "assumed",
        }
    }
}

/// A one-way delay, mouth to ear but for coding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay {
    /// Network and playout buffer, seconds.
    pub seconds: f64,
    pub source: Source,
}

impl Delay {
    /// The delay of a network of this round trip, where one is known, and a buffer.
    pub fn new(round_trip: Option<f64>, buffer_seconds: f64, settings: &Settings) -> Delay {
        let (network, source) = match round_trip {
            Some(seconds) => (seconds / 2.0, Source::Rtcp),
            None => (settings.assumed_delay_seconds, Source::Assumed),
        };
        Delay { seconds: network + buffer_seconds, source }
    }

    /// The delay over a stream's life.
    pub fn of(stream: &Stream, settings: &Settings) -> Delay {
        Delay::new(stream.round_trips.end_to_end(), stream.buffer_seconds(&settings.playout), settings)
    }
}
