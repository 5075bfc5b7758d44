//! The last that a source said, as a scrape finds it.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::host::Prefix;
use super::readings::{Failure, Readings, Reason};
use crate::numbers::{Collection, Family, Value, fixed};

static UP: Family = Family::gauge(
    "sidetone_source_up",
    "",
    &["source"],
    "1 while the last sample of this source was whole and in time, 0 while it was not; the log says why.",
);
static DURATION: Family = Family::gauge(
    "sidetone_source_duration_seconds",
    "seconds",
    &["source"],
    "How long the last sample of this source took; of one that still runs, so far.",
);
static FAILURES: Family = Family::counter(
    "sidetone_source_failures_total",
    "",
    &["source", "reason"],
    "Samples of this source that failed, or a part of them, by reason.",
);

/// The families of the sources themselves.
pub static FAMILIES: &[&Family] = &[&UP, &DURATION, &FAILURES];

/// Where a source leaves what it read.
pub(super) struct Slot {
    name: String,
    max_age: Duration,
    down: Readings,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    /// None before the first sample has ended.
    up: Option<bool>,
    duration: Duration,
    /// Since when a sample runs.
    running: Option<Instant>,
    readings: Readings,
    read_at: Option<Instant>,
    failures: [u64; Reason::ALL.len()],
    /// What the log was told last.
    told: Option<String>,
}

impl Slot {
    /// `down` is shown in place of the values where a sample failed as a whole.
    pub fn new(name: String, max_age: Duration, down: Readings) -> Slot {
        Slot { name, max_age, down, last: Mutex::default() }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A sample begins.
    pub fn begin(&self, now: Instant) {
        self.last().running = Some(now);
    }

    /// A sample has ended, or its deadline has.
    pub fn settle(&self, sample: Result<Readings, Failure>, now: Instant) {
        let mut last = self.last();
        let began = last.running.unwrap_or(now);
        last.duration = now.saturating_duration_since(began);
        let faults = match &sample {
            Ok(readings) => readings.faults(),
            Err(failure) => std::slice::from_ref(failure),
        };
        for fault in faults {
            last.failures[fault.reason as usize] += 1;
        }
        last.up = Some(faults.is_empty());
        self.tell(&mut last, faults);
        match sample {
            Ok(readings) => {
                last.readings = readings;
                last.read_at = Some(now);
            }
            // What was true before the failure stays until it is too old, but for what says that it failed.
            Err(_) if !self.down.values().is_empty() => {
                last.readings = self.down.clone();
                last.read_at = Some(now);
            }
            Err(_) => {}
        }
    }

    /// What ran has ended; a sample that came too late is better than none, but was not in time.
    pub fn end(&self, late: Option<Readings>, now: Instant) {
        let mut last = self.last();
        last.running = None;
        if let Some(readings) = late {
            last.readings = readings;
            last.read_at = Some(now);
        }
    }

    /// Says what has changed, and nothing twice.
    fn tell(&self, last: &mut Last, faults: &[Failure]) {
        let text: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let text = (!text.is_empty()).then(|| text.join("; "));
        match &text {
            Some(text) if last.told.as_ref() != Some(text) => warn!("source {}: {text}", self.name),
            None if last.told.is_some() => info!("source {}: as it should be again", self.name),
            _ => {}
        }
        last.told = text;
    }

    /// Adds what is not too old.
    pub fn collect(&self, now: Instant, names: &Prefix, out: &mut Collection) {
        let last = self.last();
        let name = || Cow::Owned(self.name.clone());
        let duration =
            last.running.map_or(last.duration, |began| now.saturating_duration_since(began).max(last.duration));
        if let Some(up) = last.up {
            out.add(&UP, vec![name()], Value::Gauge(f64::from(u8::from(up))));
            out.add(&DURATION, vec![name()], Value::Gauge(duration.as_secs_f64()));
        }
        for (reason, count) in Reason::ALL.iter().zip(last.failures).filter(|(_, count)| *count > 0) {
            out.add(&FAILURES, vec![name(), fixed(reason.name())], Value::Counter(count));
        }
        let is_young = last.read_at.is_some_and(|at| now.saturating_duration_since(at) <= self.max_age);
        for reading in last.readings.values().iter().filter(|_| is_young) {
            out.add(names.of(reading.family), reading.labels.clone(), reading.value.clone());
        }
    }
}
