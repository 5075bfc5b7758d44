//! What people who pay for calls ask: when they are attempted, what they cost, whether missed ones are returned.

use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use jiff::tz::TimeZone;

use crate::numbers::{Collection, Family, Value, fixed};
use crate::site::Site;
use crate::time::Timestamp;

use super::callbacks::Callbacks;
use super::cost::{self, Called, Rate, Rates, Talk};
use super::dialog::Call;
use super::hours::Clock;
use super::number::{Number, Plan};
use super::outcome::{EndedBy, Outcome};

static BY_HOUR: Family = Family::counter(
    "call_attempts_by_hour_total",
    "",
    &["weekday", "hour"],
    "Call attempts by the weekday and hour in which they began, on the site's clock.",
);
static CALLBACKS: Family = Family::counter(
    "call_callbacks_total",
    "",
    &[],
    "Missed calls (no_answer, busy, cancelled) after which the two parties talked within calls.callback_window, whoever called.",
);

/// The families of this file, in the order of the catalogue.
pub static FAMILIES: &[&Family] = &[&BY_HOUR, &CALLBACKS];

/// ISO 8601: the week begins with Monday.
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Names that stand for whoever does not say who he is (RFC 3261 section 8.1.1.3, RFC 3323, and what gateways and PBXs write).
const NOBODY: [&str; 7] =
    ["anonymous", "asterisk", "private", "restricted", "unavailable", "unknown", "anonymous.invalid"];

/// What the configuration says of money, time and numbers.
#[derive(Clone, Debug)]
pub struct Settings {
    pub time_zone: TimeZone,
    pub plan: Plan,
    pub rates: Vec<Rate>,
    pub callback_window_nanos: i64,
    pub max_missed_calls: usize,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    by_hour: [[u64; 24]; 7],
    callbacks: u64,
    cost: cost::Numbers,
}

impl Numbers {
    pub fn new(settings: &Settings) -> Numbers {
        Numbers { cost: cost::Numbers::new(&settings.rates), ..Numbers::default() }
    }

    pub fn collect(&self, out: &mut Collection) {
        for (weekday, hours) in WEEKDAYS.into_iter().zip(self.by_hour) {
            for (hour, count) in hours.into_iter().enumerate() {
                out.add(&BY_HOUR, vec![fixed(weekday), hour.to_string().into()], Value::Counter(count));
            }
        }
        out.add(&CALLBACKS, Vec::new(), Value::Counter(self.callbacks));
        self.cost.collect(out);
    }
}

/// The state behind the numbers.
#[derive(Debug)]
pub struct Business {
    clock: Clock,
    plan: Plan,
    rates: Rates,
    callbacks: Callbacks,
    hasher: RandomState,
    /// How far the wall clock is ahead of the time that is given here, nanoseconds.
    set_nanos: i64,
}

impl Business {
    pub fn new(settings: &Settings, site: &Site) -> Business {
        Business {
            clock: Clock::new(settings.time_zone.clone()),
            plan: settings.plan.clone(),
            rates: Rates::new(&settings.rates, site),
            callbacks: Callbacks::new(settings.callback_window_nanos, settings.max_missed_calls),
            hasher: RandomState::default(),
            set_nanos: 0,
        }
    }

    /// Somebody set the wall clock.
    pub fn clock_was_set(&mut self, nanos: i64) {
        self.set_nanos = nanos;
    }

    /// An attempt began.
    pub fn begun(&mut self, started: Timestamp, numbers: &mut Numbers) {
        let (weekday, hour) = self.clock.hour(started.moved(self.set_nanos));
        numbers.by_hour[weekday][hour] += 1;
    }

    /// A call was answered.
    pub fn answered(&mut self, now: Timestamp, call: &Call, numbers: &mut Numbers) {
        if self.callbacks.len() > 0
            && let Some(pair) = self.pair(call.names.caller(), call.names.callee())
        {
            numbers.callbacks += self.callbacks.answered(now, call.started, pair);
        }
    }

    /// A call ended; its outcome is known.
    pub fn ended(&mut self, now: Timestamp, call: &Call, numbers: &mut Numbers) {
        if matches!(call.outcome, Some(Outcome::NoAnswer | Outcome::Busy | Outcome::Cancelled))
            && let Some(pair) = self.pair(call.names.caller(), call.names.callee())
        {
            self.callbacks.missed(now, pair);
        }
        if !self.rates.is_empty() {
            let called = Number::parse(call.names.callee().as_bytes(), &self.plan).map_or(Called::Name, Called::Number);
            self.rates.count(call.key, called, talk(now, call), &mut numbers.cost);
        }
    }

    /// Forgets what is too old.
    pub fn tick(&mut self, now: Timestamp) {
        self.callbacks.expire(now);
    }

    /// Missed calls that are waited for, and how many gave way at the cap.
    pub fn missed_calls(&self) -> (usize, u64) {
        (self.callbacks.len(), self.callbacks.evicted)
    }

    /// A fingerprint of two parties, whoever calls; `None` where one of them cannot be told from others.
    fn pair(&self, caller: &str, callee: &str) -> Option<u64> {
        let (one, other) = (self.party(caller)?, self.party(callee)?);
        (one != other).then(|| self.hasher.hash_one((one.min(other), one.max(other))))
    }

    fn party(&self, name: &str) -> Option<u64> {
        if let Some(number) = Number::parse(name.as_bytes(), &self.plan) {
            return Some(self.hasher.hash_one(number));
        }
        let name = name.to_lowercase();
        // Who has no user part is named by the host, which many others may call from.
        let is_nobody = name.is_empty()
            || NOBODY.contains(&name.as_str())
            || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        (!is_nobody).then(|| self.hasher.hash_one(name))
    }
}

/// The time that is paid for. Of a call whose BYE was not seen nobody knows it.
fn talk(now: Timestamp, call: &Call) -> Talk {
    match (call.answered, call.ended_by) {
        (None, _) => Talk::None,
        // A clock that was set back took no time.
        (Some(answered), Some(EndedBy::Caller | EndedBy::Callee)) => {
            Talk::Nanos(u64::try_from(now.nanos_since(answered)).unwrap_or(0))
        }
        (Some(_), _) => Talk::Unknown,
    }
}
