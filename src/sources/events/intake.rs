//! The door: what somebody sent, taken apart, counted, written down and answered event by event.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::Value;
use tracing::{error, info, warn};

use super::access::{Credentials, Gate};
use super::entry::Entry;
use super::event::{Event, Refusal};
use super::follow;
use super::journal::Journal;
use super::rules::{Counting, Ruled, hash, tenant};
use super::state::{Bounds, State, period};
use super::{JOURNAL, JOURNAL_UP, LAG, LOST, OVERFLOW, REJECTED, SERIES, TAKEN, TRACKS};
use crate::config::{Config, Events, Vocabulary};
use crate::sources::business::Block;

/// What the label `event` says of events that no rule is about: anybody can make up names.
const OTHER: &str = "other";
/// How often silence is looked for, and the journal is synced.
const TICK: Duration = Duration::from_secs(1);
/// Most events of one request.
const MAX_EVENTS: usize = 50_000;

/// What became of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Taken,
    Duplicate,
    Refused(Refusal),
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// One for each event.
    Events(Vec<Outcome>),
    /// Nobody knows who it is.
    Unauthorized,
    /// Too many; after so many seconds there is room.
    Busy(u64),
    /// The body is not what it should be.
    Malformed(String),
    /// The state cannot be written.
    Unavailable,
}

/// Everything that events have come to, and who may send more.
pub struct Intake {
    settings: Events,
    gates: Vec<Gate>,
    packs: Vec<Ruled>,
    key: hmac::Key,
    inner: Mutex<Inner>,
    is_closed: AtomicBool,
}

struct Inner {
    state: State,
    journal: Option<Journal>,
    /// What could not be written yet.
    pending: Vec<Entry>,
}

impl Intake {
    /// Opens the state; nothing where nobody may send.
    pub fn open(config: &Config) -> std::io::Result<Option<Intake>> {
        let business = &config.business;
        if business.sources.is_empty() {
            return Ok(None);
        }
        let packs: Vec<Ruled> = business.packs.iter().map(Ruled::new).collect();
        let settings = business.events.clone();
        let bounds = Bounds {
            max_series: settings.max_series,
            max_deliveries: settings.max_deliveries,
            delivery_memory_nanos: settings.delivery_memory.as_nanos() as i64,
        };
        let mut state = State::new(vocabulary(&packs), &bounds, idle(&packs));
        let journal = match &settings.state {
            None => None,
            Some(folder) => {
                let (journal, found) = Journal::open(folder, |entry| state.apply(entry)).map_err(|error| {
                    std::io::Error::new(error.kind(), format!("events.state {}: {error}", folder.display()))
                })?;
                tell(&found, &state);
                Some(journal)
            }
        };
        let mut pending = Vec::new();
        let secret = match state.secret {
            Some(secret) => secret,
            None => {
                let mut secret = [0; 32];
                SystemRandom::new().fill(&mut secret).map_err(|_| std::io::Error::other("no random numbers"))?;
                state.does(Entry::Secret(secret), &mut pending);
                secret
            }
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let gates = business.sources.iter().cloned().map(Gate::new).collect();
        let inner = Mutex::new(Inner { state, journal, pending });
        Ok(Some(Intake { settings, gates, packs, key, inner, is_closed: AtomicBool::new(false) }))
    }

    pub fn max_body(&self) -> usize {
        self.settings.max_body as usize
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose request it is.
    fn gate(&self, credentials: &Credentials<'_>, body: &[u8], now: Timestamp) -> Option<&Gate> {
        let is_named = |gate: &&Gate| credentials.source.is_none_or(|name| name == gate.source.name);
        self.gates.iter().filter(is_named).find(|gate| gate.admits(credentials, body, now.as_second()))
    }

    /// Counts what a body says.
    pub fn take(&self, credentials: &Credentials<'_>, body: &[u8], now: Timestamp) -> Answer {
        let Some(gate) = self.gate(credentials, body, now) else {
            metrics::counter!(REJECTED, "pack" => "", "reason" => "unauthorized").increment(1);
            return Answer::Unauthorized;
        };
        let values = match values(body, &gate.source.shape.events) {
            Ok(values) => values,
            Err(message) => {
                metrics::counter!(REJECTED, "pack" => gate.source.pack.clone(), "reason" => "malformed").increment(1);
                return Answer::Malformed(message);
            }
        };
        if let Err(seconds) = gate.allow(values.len()) {
            metrics::counter!(REJECTED, "pack" => gate.source.pack.clone(), "reason" => "rate_limited").increment(1);
            return Answer::Busy(seconds);
        }
        self.count(gate, &values, now)
    }

    /// Counts events of a source that is known.
    pub(super) fn count(&self, gate: &Gate, values: &[Result<Value, ()>], now: Timestamp) -> Answer {
        let Some(ruled) = self.packs.iter().find(|ruled| ruled.pack.name == gate.source.pack) else {
            return Answer::Unavailable;
        };
        let mut inner = self.inner();
        if !inner.is_ready() {
            metrics::counter!(REJECTED, "pack" => ruled.pack.name.clone(), "reason" => "unavailable").increment(1);
            return Answer::Unavailable;
        }
        let mut tally = Tally::default();
        let mut out = Vec::new();
        let mut outcomes = Vec::with_capacity(values.len());
        for value in values {
            let outcome = match value {
                Ok(value) => self.one(gate, ruled, value, now, &mut inner.state, &mut out, &mut tally),
                Err(()) => {
                    tally.refuse(OTHER, Refusal::Malformed);
                    Outcome::Refused(Refusal::Malformed)
                }
            };
            outcomes.push(outcome);
        }
        inner.write(out);
        drop(inner);
        tally.tell(&ruled.pack.name);
        Answer::Events(outcomes)
    }

    #[allow(clippy::too_many_arguments)] // They are what one event meets on its way.
    fn one(
        &self,
        gate: &Gate,
        ruled: &Ruled,
        value: &Value,
        now: Timestamp,
        state: &mut State,
        out: &mut Vec<Entry>,
        tally: &mut Tally,
    ) -> Outcome {
        let event = match Event::read(&gate.source.shape, value, now, self.settings.max_age) {
            Ok(event) => event,
            Err(refusal) => {
                tally.refuse(OTHER, refusal);
                return Outcome::Refused(refusal);
            }
        };
        if !ruled.knows(&event.name) {
            tally.refuse(OTHER, Refusal::UnknownEvent);
            return Outcome::Refused(Refusal::UnknownEvent);
        }
        let id = event.id.as_ref().map(|id| hash(&self.key, &["id", &gate.source.name, id]));
        if id.is_some_and(|id| state.is_delivered(id)) {
            tally.add(&event.name, "duplicate");
            return Outcome::Duplicate;
        }
        let tenant = tenant(&ruled.pack, gate.source.tenant.as_deref(), &event, state);
        let at = event.time.to_zoned(ruled.pack.time_zone.clone());
        let mut counting = Counting { ruled, event: &event, at, key: &self.key, tenant, state, out, refused: 0 };
        if let Err(refusal) = counting.rules() {
            tally.refuse(&event.name, refusal);
            return Outcome::Refused(refusal);
        }
        counting.follow(self.settings.max_tracks);
        tally.personal += counting.refused;
        if let Some(id) = id {
            state.does(Entry::Delivered { at: now.as_second(), id }, out);
        }
        tally.add(&event.name, "accepted");
        tally.lags.push(now.duration_since(event.time).as_secs_f64().max(0.0));
        Outcome::Taken
    }

    /// The source of this name, as StatsD lines need it.
    pub(super) fn named(&self, name: &str) -> Option<&Gate> {
        self.gates.iter().find(|gate| gate.source.name == name)
    }

    /// Ends silent tracks, syncs the journal and turns it: for as long as the agent runs.
    pub fn tend(&self) {
        while !self.is_closed.load(Ordering::Relaxed) {
            std::thread::sleep(TICK);
            self.tick(Timestamp::now());
        }
    }

    /// Nothing more will come.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        if let Some(Err(error)) = self.inner().journal.as_mut().and_then(Journal::dirty).map(|file| file.sync_data()) {
            error!("events: the journal cannot be synced: {error}");
        }
    }

    fn tick(&self, now: Timestamp) {
        let mut inner = self.inner();
        let mut out = Vec::new();
        if inner.is_ready() {
            follow::expire(&self.packs, &mut inner.state, now.as_millisecond(), &mut out);
            inner.write(out);
        }
        let snapshot = inner.turn();
        let dirty = inner.journal.as_mut().and_then(Journal::dirty);
        inner.tell();
        drop(inner);
        // Neither holds up those who send.
        if let Some(Err(error)) = dirty.map(|file| file.sync_data()) {
            error!("events: the journal cannot be synced: {error}");
        }
        if let Some(Err(error)) = snapshot.map(|snapshot| snapshot.write()) {
            error!("events: the snapshot cannot be written: {error}");
        }
    }

    /// The series, as they are now.
    pub fn blocks(&self) -> Vec<Block> {
        let now = Timestamp::now();
        let zones: HashMap<&str, jiff::Zoned> = self
            .packs
            .iter()
            .map(|ruled| (ruled.pack.name.as_str(), now.to_zoned(ruled.pack.time_zone.clone())))
            .collect();
        self.inner().state.blocks(|pack, name| zones.get(pack).map_or(i32::MIN, |at| period(name, at)))
    }
}

impl Inner {
    /// Whether what is counted can be written down, too.
    fn is_ready(&mut self) -> bool {
        if self.pending.is_empty() {
            return true;
        }
        let pending = std::mem::take(&mut self.pending);
        self.write(pending);
        self.pending.is_empty()
    }

    /// Writes changes down; what cannot be written waits, and so do those who send more.
    fn write(&mut self, entries: Vec<Entry>) {
        let Some(journal) = self.journal.as_mut().filter(|_| !entries.is_empty()) else { return };
        match journal.append(&entries) {
            Ok(()) => metrics::gauge!(JOURNAL_UP).set(1.0),
            Err(error) => {
                error!("events: the journal cannot be written: {error}; events are refused until it can");
                metrics::gauge!(JOURNAL_UP).set(0.0);
                self.pending = entries;
            }
        }
    }

    fn turn(&mut self) -> Option<super::journal::Snapshot> {
        let is_full = self.journal.as_ref().is_some_and(Journal::is_full);
        if !is_full || !self.pending.is_empty() {
            return None;
        }
        let entries = self.state.entries();
        match self.journal.as_mut()?.turn(&entries) {
            Ok(snapshot) => Some(snapshot),
            Err(error) => {
                error!("events: there can be no other journal: {error}");
                None
            }
        }
    }

    fn tell(&mut self) {
        metrics::gauge!(TRACKS).set(self.state.tracks.len() as f64);
        metrics::gauge!(SERIES).set(self.state.len() as f64);
        metrics::counter!(OVERFLOW).absolute(self.state.overflow);
        if let Some(journal) = &self.journal {
            metrics::gauge!(JOURNAL).set(journal.length() as f64);
        }
    }
}

/// All families that the packs' rules name.
fn vocabulary(packs: &[Ruled]) -> Vocabulary {
    Vocabulary::of(packs.iter().flat_map(|ruled| ruled.pack.metrics()))
}

/// After how many milliseconds each track ends by itself.
fn idle(packs: &[Ruled]) -> HashMap<u64, i64> {
    let tracks = packs.iter().flat_map(|ruled| ruled.track_ids.iter().zip(&ruled.pack.tracks));
    tracks.map(|(id, track)| (*id, track.idle.as_millis() as i64)).collect()
}

fn tell(found: &super::journal::Found, state: &State) {
    info!("events: {} series and {} tracks as they were", state.len(), state.tracks.len());
    metrics::gauge!(LOST).set(found.lost as f64);
    if found.lost > 0 {
        warn!(
            "events: the last {} bytes of the journal were not whole and are lost: up to a second of events",
            found.lost
        );
    }
    if let Some(aside) = &found.damaged {
        error!("events: the snapshot was damaged and is now {}; counts begin anew", aside.display());
    }
}

/// The events of a body: one object, a list, or one a line.
fn values(body: &[u8], place: &str) -> Result<Vec<Result<Value, ()>>, String> {
    let whole = match serde_json::from_slice::<Value>(body) {
        Ok(mut whole) => match whole.pointer_mut(place) {
            Some(found) => found.take(),
            None => return Err(format!("there is nothing at {place}")),
        },
        Err(error) => return lines(body).ok_or_else(|| format!("no JSON: {error}")),
    };
    let all = match whole {
        Value::Array(all) => all.into_iter().map(Ok).collect(),
        one => vec![Ok(one)],
    };
    few(all)
}

fn few(all: Vec<Result<Value, ()>>) -> Result<Vec<Result<Value, ()>>, String> {
    match all.len() <= MAX_EVENTS {
        true => Ok(all),
        false => Err(format!("more than {MAX_EVENTS} events in one request")),
    }
}

/// Newline-delimited JSON, of which at least one line is some.
fn lines(body: &[u8]) -> Option<Vec<Result<Value, ()>>> {
    let full = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let all: Vec<Result<Value, ()>> =
        full.take(MAX_EVENTS).map(|line| serde_json::from_slice(line).map_err(|_| ())).collect();
    (all.len() > 1 && all.iter().any(Result::is_ok)).then_some(all)
}

/// What one request has come to, counted once.
#[derive(Default)]
struct Tally {
    results: BTreeMap<(String, &'static str), u64>,
    refused: BTreeMap<Refusal, u64>,
    lags: Vec<f64>,
    personal: u64,
}

impl Tally {
    fn add(&mut self, event: &str, result: &'static str) {
        *self.results.entry((event.to_owned(), result)).or_default() += 1;
    }

    fn refuse(&mut self, event: &str, refusal: Refusal) {
        self.add(event, "rejected");
        *self.refused.entry(refusal).or_default() += 1;
    }

    fn tell(self, pack: &str) {
        let pack = || pack.to_owned();
        for ((event, result), count) in self.results {
            metrics::counter!(TAKEN, "pack" => pack(), "event" => event, "result" => result).increment(count);
        }
        for (refusal, count) in self.refused {
            metrics::counter!(REJECTED, "pack" => pack(), "reason" => refusal.name()).increment(count);
        }
        let lag = metrics::histogram!(LAG, "pack" => pack());
        self.lags.into_iter().for_each(|seconds| lag.record(seconds));
        if self.personal > 0 {
            metrics::counter!(crate::sources::sql::REFUSED, "pack" => pack()).increment(self.personal);
        }
    }
}
