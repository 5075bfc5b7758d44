//! What is counted of the calls between two peers.

use std::borrow::Cow;

use crate::labels::{Labels, Series};
use crate::media::MOS_BOUNDS;
use crate::numbers::{Collection, Family, Histogram, Value, fixed};
use crate::site::{Direction, PeerId, Site};

use super::dialog::State;
use super::numbers::DELAY_BOUNDS;
use super::outcome::Outcome;

const DURATION_BOUNDS: &[f64] =
    &[1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0];

const CALL_LABELS: &[&str] = &["direction", "origin", "destination"];

static ATTEMPTS: Family = Family::counter(
    "call_attempts_total",
    "",
    CALL_LABELS,
    "Call attempts: INVITE dialogs by Call-ID; re-INVITEs, forks and repeats after a challenge are none.",
);
static ANSWERS: Family = Family::counter("call_answers_total", "", CALL_LABELS, "Call attempts answered with 2xx.");
static OUTCOMES: Family = Family::counter(
    "call_outcomes_total",
    "",
    &["outcome", "direction", "origin", "destination"],
    "Ended call attempts by outcome, each in exactly one.",
);
static ACTIVE: Family = Family::gauge(
    "call_active",
    "",
    &["state", "direction", "origin", "destination"],
    "Calls in progress now, by state.",
);
static ACTIVE_PEAK: Family = Family::gauge(
    "call_active_peak",
    "",
    CALL_LABELS,
    "Highest number of calls in progress since the scrape before (by whomever).",
);
static CAPACITY: Family = Family::gauge(
    "call_capacity",
    "",
    &["peer"],
    "Calls that a peer takes at once, as the configuration says (peers.capacity); peers without it are left out.",
);
static SETUP_DELAY: Family = Family::histogram(
    "call_setup_delay_seconds",
    "seconds",
    CALL_LABELS,
    "First INVITE to first 18x or 2xx (RFC 6076 section 4.3.1, the successful session request delay).",
);
static ANSWER_DELAY: Family =
    Family::histogram("call_answer_delay_seconds", "seconds", CALL_LABELS, "First INVITE to 2xx.");
static FAILURE_DELAY: Family = Family::histogram(
    "call_failure_delay_seconds",
    "seconds",
    CALL_LABELS,
    "First INVITE to the final status of 4xx (but 402), 5xx or 6xx that ended the attempt (RFC 6076 section 4.3.2).",
);
static DURATION: Family = Family::histogram(
    "call_duration_seconds",
    "seconds",
    CALL_LABELS,
    "2xx to BYE of calls that ended with one (RFC 6076 section 4.5, session duration).",
);
static DISCONNECT_DELAY: Family = Family::histogram(
    "call_disconnect_delay_seconds",
    "seconds",
    CALL_LABELS,
    "BYE to its first response (RFC 6076 section 4.4).",
);
static HOLD: Family = Family::histogram(
    "call_hold_seconds",
    "seconds",
    CALL_LABELS,
    "Time on hold, one observation a hold: a party offered sendonly, inactive or 0.0.0.0 within the call (RFC 3264 section 8.4).",
);
static LOST_DURATION: Family = Family::histogram(
    "call_lost_duration_seconds",
    "seconds",
    CALL_LABELS,
    "2xx to the last sign of life of calls whose BYE was never seen (RFC 6076 section 4.5.2, failed session completion).",
);
static DISCONNECT_TIMEOUTS: Family = Family::counter(
    "call_disconnect_timeouts_total",
    "",
    CALL_LABELS,
    "BYE without any response within 32 s (RFC 6076 section 4.4, failed session disconnect).",
);
static HALF_SEEN: Family = Family::counter(
    "call_half_seen_total",
    "",
    CALL_LABELS,
    "Calls that were under way when they were first seen: in call_active, and in no attempt, answer or outcome.",
);
static FINAL_STATUS: Family = Family::counter(
    "call_final_status_total",
    "",
    &["code", "direction", "origin", "destination"],
    "Ended call attempts by the final status that the caller got; timeout where nothing came at all (RFC 3261 section 8.1.3.1: as a 408), none where it ended otherwise without one.",
);
static CALL_MOS: Family = Family::histogram(
    "call_mos",
    "",
    CALL_LABELS,
    "MOS over the whole life of a finished call's worst stream; calls without a stream of known model are left out.",
);

/// The families of this file, in the order of the catalogue.
pub static FAMILIES: &[&Family] = &[
    &ATTEMPTS,
    &ANSWERS,
    &OUTCOMES,
    &ACTIVE,
    &ACTIVE_PEAK,
    &CAPACITY,
    &SETUP_DELAY,
    &ANSWER_DELAY,
    &FAILURE_DELAY,
    &DURATION,
    &DISCONNECT_DELAY,
    &DISCONNECT_TIMEOUTS,
    &LOST_DURATION,
    &HOLD,
    &HALF_SEEN,
    &FINAL_STATUS,
    &CALL_MOS,
];

/// Labels that a call is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CellKey {
    pub direction: Direction,
    pub origin: PeerId,
    pub destination: PeerId,
}

impl Labels for CellKey {
    fn other(self) -> CellKey {
        CellKey { origin: PeerId::OTHER, destination: PeerId::OTHER, ..self }
    }
}

/// A value of the `code` label: of the wire there may be 600 for each peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// There was none, whatever else came.
    None,
    /// Nothing came at all.
    Timeout,
    Code(u16),
    Other,
}

/// What RFC 6076 sections 4.6 to 4.8 ask for is a closed list, like the outcomes, and shown from a trunk's first attempt on: `rate()`
/// does not see a counter that is born with its first burst.
const EXPECTED: [Status; 14] = [
    Status::Code(200),
    Status::Code(302),
    Status::Code(401),
    Status::Code(402),
    Status::Code(407),
    Status::Code(408),
    Status::Code(480),
    Status::Code(486),
    Status::Code(500),
    Status::Code(503),
    Status::Code(504),
    Status::Code(600),
    Status::Code(603),
    Status::Timeout,
];

impl Status {
    /// Of an ended attempt. Of the ends without a status only silence is a failure of the network (the table of outcomes).
    pub fn of(outcome: Outcome, code: Option<u16>) -> Status {
        match code {
            Some(code) => Status::Code(code),
            None if outcome == Outcome::NetworkFailure => Status::Timeout,
            None => Status::None,
        }
    }

    pub fn name(self) -> Cow<'static, str> {
        match self {
            Status::None => fixed("none"),
            Status::Timeout => fixed("timeout"),
            Status::Code(code) => code.to_string().into(),
            Status::Other => fixed("other"),
        }
    }
}

impl Labels for (CellKey, Status) {
    fn other(self) -> (CellKey, Status) {
        (self.0.other(), Status::Other)
    }
}

/// Numbers of all calls with the same labels.
#[derive(Clone, Debug)]
pub struct Cell {
    pub attempts: u64,
    pub answers: u64,
    outcomes: [u64; Outcome::ALL.len()],
    /// Ends by the final status.
    expected: [u64; EXPECTED.len()],
    pub half_seen: u64,
    pub disconnect_timeouts: u64,
    /// Calls in each of the live states.
    active: [u64; State::LIVE.len()],
    peak: u64,
    pub setup: Histogram,
    pub answer: Histogram,
    pub failure: Histogram,
    pub duration: Histogram,
    pub disconnect: Histogram,
    pub lost: Histogram,
    pub hold: Histogram,
    pub mos: Histogram,
}

impl Cell {
    pub fn new() -> Cell {
        Cell {
            attempts: 0,
            answers: 0,
            outcomes: [0; Outcome::ALL.len()],
            expected: [0; EXPECTED.len()],
            half_seen: 0,
            disconnect_timeouts: 0,
            active: [0; State::LIVE.len()],
            peak: 0,
            setup: Histogram::new(DELAY_BOUNDS),
            answer: Histogram::new(DELAY_BOUNDS),
            failure: Histogram::new(DELAY_BOUNDS),
            duration: Histogram::new(DURATION_BOUNDS),
            disconnect: Histogram::new(DELAY_BOUNDS),
            lost: Histogram::new(DURATION_BOUNDS),
            hold: Histogram::new(DURATION_BOUNDS),
            mos: Histogram::new(MOS_BOUNDS),
        }
    }

    /// The peak starts anew from the calls that are in progress now.
    pub fn reset_peak(&mut self) {
        self.peak = self.active.iter().sum();
    }

    /// An attempt has ended. Whether its status is one of the expected, and counted with that.
    pub fn count_end(&mut self, outcome: Outcome, status: Status) -> bool {
        self.outcomes[outcome as usize] += 1;
        let row = EXPECTED.iter().position(|expected| *expected == status);
        if let Some(row) = row {
            self.expected[row] += 1;
        }
        row.is_some()
    }

    /// Moves a call from one state to another; `None` is before the first.
    pub fn moved(&mut self, from: Option<State>, to: State) {
        if let Some(row) = from.and_then(State::index) {
            self.active[row] = self.active[row].saturating_sub(1);
        }
        if let Some(row) = to.index() {
            self.active[row] += 1;
        }
        self.peak = self.peak.max(self.active.iter().sum());
    }

    fn collect(&self, key: CellKey, site: &Site, out: &mut Collection) {
        let labels = labels(key, site);
        let with = |first: Cow<'static, str>| [&[first][..], &labels].concat();
        out.add(&ATTEMPTS, labels.clone(), Value::Counter(self.attempts));
        out.add(&ANSWERS, labels.clone(), Value::Counter(self.answers));
        for (outcome, count) in Outcome::ALL.into_iter().zip(self.outcomes) {
            out.add(&OUTCOMES, with(fixed(outcome.name())), Value::Counter(count));
        }
        for (status, count) in EXPECTED.into_iter().zip(self.expected) {
            out.add(&FINAL_STATUS, with(status.name()), Value::Counter(count));
        }
        for (state, count) in State::LIVE.into_iter().zip(self.active) {
            out.add(&ACTIVE, with(fixed(state)), Value::Gauge(count as f64));
        }
        out.add(&HALF_SEEN, labels.clone(), Value::Counter(self.half_seen));
        out.add(&DISCONNECT_TIMEOUTS, labels.clone(), Value::Counter(self.disconnect_timeouts));
        out.add(&ACTIVE_PEAK, labels.clone(), Value::Gauge(self.peak as f64));
        for (family, histogram) in [
            (&SETUP_DELAY, &self.setup),
            (&ANSWER_DELAY, &self.answer),
            (&FAILURE_DELAY, &self.failure),
            (&DURATION, &self.duration),
            (&DISCONNECT_DELAY, &self.disconnect),
            (&LOST_DURATION, &self.lost),
            (&HOLD, &self.hold),
            (&CALL_MOS, &self.mos),
        ] {
            out.add(family, labels.clone(), Value::Histogram(histogram.clone()));
        }
    }
}

fn labels(key: CellKey, site: &Site) -> Vec<Cow<'static, str>> {
    vec![fixed(key.direction.name()), site.name(key.origin), site.name(key.destination)]
}

/// Adds what is counted of calls, and what the peers take at once.
pub fn collect(
    calls: &Series<CellKey, Cell>,
    finals: &Series<(CellKey, Status), u64>,
    site: &Site,
    out: &mut Collection,
) {
    calls.collect_overflow(&ATTEMPTS, out);
    for (key, cell) in calls.iter() {
        cell.collect(*key, site, out);
    }
    finals.collect_overflow(&FINAL_STATUS, out);
    for ((key, status), count) in finals.iter() {
        let labels = [&[status.name()][..], &labels(*key, site)].concat();
        out.add(&FINAL_STATUS, labels, Value::Counter(*count));
    }
    for (peer, capacity) in site.capacities() {
        out.put(&CAPACITY, vec![site.name(peer)], Value::Gauge(f64::from(capacity)));
    }
}
