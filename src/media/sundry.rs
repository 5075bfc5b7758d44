//! Numbers of media that do not belong to one codec: events, problems of calls, delays, what else uses RTP's ports.

use std::collections::HashMap;

use crate::labels::{Labels, Series};
use crate::numbers::{Collection, Family, Histogram, Value, fixed, observe};
use crate::site::{Direction, PeerId, Site};
use crate::wire::multiplex::Protocol;

use super::delay::Source;
use super::numbers::ROUND_TRIP_BOUNDS;
use super::problems::Problem;

const DELAY_BOUNDS: &[f64] = &[0.02, 0.04, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0];
const RELAY_BOUNDS: &[f64] =
    &[0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0];

static DTMF: Family = Family::counter(
    "rtp_dtmf_events_total",
    "",
    &["direction"],
    "DTMF digits as RFC 4733 telephone events, each once however often its packets were repeated.",
);
static PROBLEMS: Family = Family::counter(
    "call_media_problems_total",
    "",
    &["problem", "direction"],
    "Answered calls with a problem of their media, once a call and problem: no_media, one_way, late_media, media_timeout, srtp_without_keys.",
);
static DELAY: Family = Family::histogram(
    "rtp_delay_seconds",
    "seconds",
    &["source", "direction", "peer"],
    "One-way delay that the E-model was given, playout buffer included, one observation a stream an interval; source is rtcp where round trips measured it, else assumed.",
);
static END_TO_END: Family = Family::histogram(
    "rtcp_end_to_end_round_trip_seconds",
    "seconds",
    &["direction", "peer"],
    "Round trip between both ends of a stream, the sum of those from here to each; one observation a stream an interval, once both are known.",
);
static RELAY_DELAY: Family = Family::histogram(
    "rtp_relay_delay_seconds",
    "seconds",
    &["direction"],
    "Time that each packet spent inside this host, where the stream that came in and the one that went out were both seen; direction is that of the outgoing one.",
);
static MULTIPLEXED: Family = Family::counter(
    "rtp_multiplexed_datagrams_total",
    "",
    &["protocol", "direction"],
    "Datagrams of other protocols that use the ports of RTP (RFC 7983): stun, turn, dtls, zrtp, and t38 where SDP announced it.",
);

/// The families of this file, in the order of the catalogue.
pub static FAMILIES: &[&Family] = &[&DTMF, &PROBLEMS, &DELAY, &END_TO_END, &RELAY_DELAY, &MULTIPLEXED];

/// All of them.
#[derive(Clone, Debug)]
pub struct Sundry {
    dtmf: HashMap<Direction, u64>,
    problems: [[u64; Direction::ALL.len()]; Problem::ALL.len()],
    delays: Series<(Source, Direction, PeerId), Histogram>,
    multiplexed: HashMap<(Protocol, Direction), u64>,
    relays: HashMap<Direction, Histogram>,
    end_to_end: Series<(Direction, PeerId), Histogram>,
}

impl Labels for (Source, Direction, PeerId) {
    fn other(self) -> (Source, Direction, PeerId) {
        (self.0, self.1, PeerId::OTHER)
    }
}

impl Sundry {
    /// `max_series`: label sets of one family.
    pub fn new(max_series: usize) -> Sundry {
        Sundry {
            dtmf: HashMap::new(),
            problems: Default::default(),
            delays: Series::new(max_series),
            multiplexed: HashMap::new(),
            relays: HashMap::new(),
            end_to_end: Series::new(max_series),
        }
    }

    pub fn count_dtmf(&mut self, direction: Direction) {
        *self.dtmf.entry(direction).or_default() += 1;
    }

    pub fn count_problem(&mut self, problem: Problem, direction: Direction) {
        self.problems[problem as usize][direction as usize] += 1;
    }

    pub fn count_multiplexed(&mut self, protocol: Protocol, direction: Direction) {
        *self.multiplexed.entry((protocol, direction)).or_default() += 1;
    }

    pub fn observe_delay(&mut self, source: Source, direction: Direction, peer: PeerId, seconds: f64) {
        self.delays.row((source, direction, peer), || Histogram::new(DELAY_BOUNDS)).observe(seconds);
    }

    pub fn observe_end_to_end(&mut self, direction: Direction, peer: PeerId, seconds: f64) {
        self.end_to_end.row((direction, peer), || Histogram::new(ROUND_TRIP_BOUNDS)).observe(seconds);
    }

    pub fn observe_relay(&mut self, direction: Direction, seconds: f64) {
        observe(&mut self.relays, direction, RELAY_BOUNDS, seconds);
    }

    pub fn collect(&self, site: &Site, out: &mut Collection) {
        self.delays.collect_overflow(&DELAY, out);
        self.end_to_end.collect_overflow(&END_TO_END, out);
        for (direction, count) in &self.dtmf {
            out.add(&DTMF, vec![fixed(direction.name())], Value::Counter(*count));
        }
        // All of them from the start: a counter that is born at 1 hides the first call from rate().
        for problem in Problem::ALL {
            for direction in Direction::ALL {
                let count = self.problems[problem as usize][direction as usize];
                out.add(&PROBLEMS, vec![fixed(problem.name()), fixed(direction.name())], Value::Counter(count));
            }
        }
        for ((source, direction, peer), histogram) in self.delays.iter() {
            let labels = vec![fixed(source.name()), fixed(direction.name()), site.name(*peer)];
            out.add(&DELAY, labels, Value::Histogram(histogram.clone()));
        }
        for ((direction, peer), histogram) in self.end_to_end.iter() {
            let labels = vec![fixed(direction.name()), site.name(*peer)];
            out.add(&END_TO_END, labels, Value::Histogram(histogram.clone()));
        }
        for (direction, histogram) in &self.relays {
            out.add(&RELAY_DELAY, vec![fixed(direction.name())], Value::Histogram(histogram.clone()));
        }
        for ((protocol, direction), count) in &self.multiplexed {
            out.add(&MULTIPLEXED, vec![fixed(protocol.name()), fixed(direction.name())], Value::Counter(*count));
        }
    }
}
