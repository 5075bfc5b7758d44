//! What `analyze` found, for programs (JSON), for people (text).

mod indent;
pub mod json;
mod rtcp;
mod streams;
pub mod text;
mod voice;

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::call::Call;
use crate::engine::Analysis;
use crate::media::{Key, Problem};
use crate::time::Timestamp;

/// What one capture file was.
#[derive(Clone, Debug, serde::Serialize)]
pub struct CaptureSummary {
    pub file: String,
    pub link_type: String,
    pub packets: u64,
    pub bytes: u64,
    /// Unix seconds; `None` for a file without packets.
    pub first_packet_time: Option<f64>,
    pub last_packet_time: Option<f64>,
    pub truncated: bool,
}

/// The files and what they held.
#[derive(Debug)]
pub struct Findings {
    captures: Vec<CaptureSummary>,
    analysis: Analysis,
    /// Indices of the streams of each call, by its serial.
    streams_of: HashMap<u64, Vec<usize>, RandomState>,
    /// Indices of the calls that are other legs of a call, by its serial.
    legs_of: HashMap<u64, Vec<usize>, RandomState>,
    /// Indices of the streams that others come from, by their keys.
    relayed: HashMap<Key, Vec<usize>, RandomState>,
}

/// What a call's media adds to what its signalling says.
struct CallMedia {
    /// Indices into the analysis' streams, those of all legs.
    streams: Vec<usize>,
    /// MOS of the worst stream.
    mos: Option<f64>,
    /// 2xx to BYE, or to the last packet of a call whose BYE was not seen, seconds.
    duration: Option<f64>,
}

impl Findings {
    pub fn new(captures: Vec<CaptureSummary>, mut analysis: Analysis) -> Findings {
        // Reports are large, and mostly in order.
        analysis.streams.sort_by_cached_key(|stream| (stream.first_arrival, stream.key.ssrc));
        let sources: HashSet<Key, RandomState> =
            analysis.streams.iter().filter_map(|stream| Some(stream.relay?.from)).collect();
        let mut streams_of: HashMap<u64, Vec<usize>, RandomState> = HashMap::default();
        let mut relayed: HashMap<Key, Vec<usize>, RandomState> = HashMap::default();
        for (at, stream) in analysis.streams.iter().enumerate() {
            streams_of.entry(stream.call).or_default().push(at);
            if sources.contains(&stream.key) {
                relayed.entry(stream.key).or_default().push(at);
            }
        }
        let mut legs_of: HashMap<u64, Vec<usize>, RandomState> = HashMap::default();
        for (at, call) in analysis.calls.iter().enumerate().filter(|(_, call)| call.leg_of != 0) {
            legs_of.entry(call.leg_of).or_default().push(at);
        }
        Findings { captures, analysis, streams_of, legs_of, relayed }
    }

    /// The calls, but for those that are other legs of one.
    fn calls(&self) -> impl Iterator<Item = (usize, &Call)> + Clone {
        self.analysis.calls.iter().enumerate().filter(|(_, call)| call.leg_of == 0)
    }

    /// The call of this serial: they stand in the order of their serials.
    fn call(&self, serial: u64) -> Option<&Call> {
        let calls = &self.analysis.calls;
        calls.binary_search_by_key(&serial, |call| call.serial).ok().map(|at| &calls[at])
    }

    /// The other legs of a call.
    fn legs(&self, call: &Call) -> &[usize] {
        self.legs_of.get(&call.serial).map_or(&[], Vec::as_slice)
    }

    /// What was wrong with a call's media.
    fn problems_of(&self, call: &Call) -> impl Iterator<Item = Problem> + use<> {
        self.analysis.problems.get(&call.serial).copied().unwrap_or_default().iter()
    }

    /// The stream of this key that another comes from, of several the one nearest to a time.
    fn index_of(&self, key: &Key, near: Timestamp) -> Option<usize> {
        let apart = |at: &usize| near.nanos_since(self.analysis.streams[*at].first_arrival).abs();
        self.relayed.get(key)?.iter().copied().min_by_key(apart)
    }

    fn media_of(&self, at: usize) -> CallMedia {
        let Analysis { calls, streams, last_media, .. } = &self.analysis;
        let call = &calls[at];
        let parts = || self.legs(call).iter().chain([&at]);
        let mut of_call: Vec<usize> =
            parts().filter_map(|leg| self.streams_of.get(&calls[*leg].serial)).flatten().copied().collect();
        of_call.sort_unstable();
        let last_packet = parts().filter_map(|leg| last_media[*leg]).max().unwrap_or_default().max(call.last_message);
        let ratings = of_call.iter().filter_map(|at| Some(streams[*at].rating?.mos));
        CallMedia {
            mos: ratings.min_by(f64::total_cmp),
            duration: call.answered.map(|answered| call.ended.unwrap_or(last_packet).seconds_since(answered)),
            streams: of_call,
        }
    }
}
