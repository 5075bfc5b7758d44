//! From one event to what it changes, by the rules of its pack.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use jiff::Zoned;
use ring::hmac;

use super::entry::Entry;
use super::event::{Event, Refusal};
use super::state::{PERIODS, State, TENANT_PLACE, period};
use crate::config::{Condition, LabelRule, OWN_LABELS, PERIOD, Pack, Rule, TIMESTAMP, Track, Update, Values, Wants};
use crate::numbers::Kind;
use crate::sources::business::{Labeller, looks_personal};

/// A pack, its rules found by the names of events.
pub struct Ruled {
    pub pack: Pack,
    rules: HashMap<String, Vec<usize>, RandomState>,
    every: Vec<usize>,
    tracks: HashMap<String, Vec<usize>, RandomState>,
    /// What its tracks are called in the state.
    pub track_ids: Vec<u64>,
}

const OTHER: &str = "other";
const UNKNOWN: &str = "unknown";

impl Ruled {
    pub fn new(pack: &Pack) -> Ruled {
        let mut ruled = Ruled {
            pack: pack.clone(),
            rules: HashMap::default(),
            every: Vec::new(),
            tracks: HashMap::default(),
            track_ids: Vec::new(),
        };
        for (at, rule) in pack.rules.iter().enumerate() {
            for event in &rule.events {
                match event.as_str() {
                    "*" => ruled.every.push(at),
                    event => ruled.rules.entry(event.to_owned()).or_default().push(at),
                }
            }
        }
        for (at, track) in pack.tracks.iter().enumerate() {
            // The same in every run.
            let name = format!("{}/{}", pack.name, track.name);
            ruled.track_ids.push(foldhash::quality::FixedState::with_seed(1).hash_one(name));
            for event in [&track.starts, &track.also, &track.ends].into_iter().flatten() {
                let places = ruled.tracks.entry(event.clone()).or_default();
                if !places.contains(&at) {
                    places.push(at);
                }
            }
        }
        ruled
    }

    /// Whether a rule or a track is about events of this name.
    pub fn knows(&self, event: &str) -> bool {
        self.rules.contains_key(event) || self.tracks.contains_key(event)
    }

    pub fn rules(&self, event: &str) -> impl Iterator<Item = &Rule> {
        let named = self.rules.get(event).map_or(&[][..], Vec::as_slice);
        named.iter().chain(&self.every).map(|at| &self.pack.rules[*at])
    }

    pub fn tracks(&self, event: &str) -> impl Iterator<Item = (&Track, u64)> {
        let named = self.tracks.get(event).map_or(&[][..], Vec::as_slice);
        named.iter().map(|at| (&self.pack.tracks[*at], self.track_ids[*at]))
    }
}

/// What one event is counted with.
pub struct Counting<'a> {
    pub ruled: &'a Ruled,
    pub event: &'a Event<'a>,
    pub at: Zoned,
    pub key: &'a hmac::Key,
    pub tenant: String,
    pub state: &'a mut State,
    pub out: &'a mut Vec<Entry>,
    /// Values that looked like a person.
    pub refused: u64,
}

impl Counting<'_> {
    /// Does what the rules say. Where one of them cannot be followed, none is.
    pub fn rules(&mut self) -> Result<(), Refusal> {
        let (ruled, event) = (self.ruled, self.event);
        let holds = |rule: &&Rule| rule.when.iter().all(|condition| is_so(condition, event));
        let rules: Vec<&Rule> = ruled.rules(&event.name).filter(holds).collect();
        let values: Option<Vec<f64>> = rules.iter().map(|rule| value(rule, event)).collect();
        let values = values.ok_or(Refusal::BadValue)?;
        for (rule, value) in rules.iter().zip(values) {
            match &rule.distinct {
                Some(property) => self.distinct(&rule.update, property),
                None => self.update(&rule.update, value),
            }
        }
        Ok(())
    }

    /// Changes the series of this event's labels.
    pub fn update(&mut self, update: &Update, value: f64) {
        if let Some(labels) = self.labels(update, "") {
            self.change(update, &labels, value);
        }
    }

    /// Changes one series.
    pub fn change(&mut self, update: &Update, labels: &[String], value: f64) {
        let series = self.series(update, labels);
        let entry = match update.metric.family.kind {
            Kind::Counter => Entry::Add { series, value },
            Kind::Histogram => Entry::Observe { series, value },
            _ => Entry::Set { series, value },
        };
        self.state.does(entry, self.out);
    }

    fn distinct(&mut self, update: &Update, property: &str) {
        let Some(who) = self.event.text(property).filter(|who| !who.is_empty()) else { return };
        let hash = self.hash("distinct", &who) as u64;
        for name in PERIODS {
            let Some(labels) = self.labels(update, name) else { return };
            let series = self.series(update, &labels);
            let period = period(name, &self.at);
            self.state.does(Entry::Distinct { series, period, hash }, self.out);
        }
    }

    /// An id that nobody can be found by: keyed with what stays on this host.
    pub fn hash(&self, kind: &str, id: &str) -> u128 {
        hash(self.key, &[kind, &self.ruled.pack.name, id])
    }

    /// The values of a family's own labels; `of_period` is that of the label period. None: the event is not counted.
    pub fn labels(&mut self, update: &Update, of_period: &str) -> Option<Vec<String>> {
        let event = self.event;
        let raw = |name: &str| event.text(name);
        let mut labeller = Labeller { raw, at: Some(&self.at), refused: 0 };
        let (state, family, tenant) = (&mut *self.state, update.metric.family.name, &self.tenant);
        let mut labels = Vec::with_capacity(update.labels.len());
        for (place, (name, label)) in update.metric.labels().iter().zip(&update.labels).enumerate() {
            let value = match label {
                None if *name == PERIOD => Some(Cow::Borrowed(of_period)),
                None => Some(Cow::Borrowed("")),
                Some(label) => labeller
                    .value(&label.rule, |value, most| state.top(family, tenant, place + OWN_LABELS, value, most)),
            };
            labels.push(value.map(Cow::into_owned));
        }
        self.refused += labeller.refused;
        labels.into_iter().collect()
    }

    /// The number of the series with these labels.
    fn series(&mut self, update: &Update, labels: &[String]) -> u32 {
        let ruled = self.ruled;
        let own = [ruled.pack.name.as_str(), self.tenant.as_str()];
        let all: Vec<&str> = own.into_iter().chain(labels.iter().map(String::as_str)).collect();
        let open: Vec<bool> = [false, false].into_iter().chain(update.labels.iter().map(is_open)).collect();
        self.state.series(update.metric, &all, &open, self.out)
    }
}

fn is_open(label: &Option<crate::config::Label>) -> bool {
    let rule = label.as_ref().map(|label| &label.rule);
    matches!(rule, Some(LabelRule::From(from)) if matches!(from.values, Values::Top(_)))
}

/// 128 bits of HMAC-SHA256 over parts that cannot run into one another.
pub fn hash(key: &hmac::Key, parts: &[&str]) -> u128 {
    let tag = hmac::sign(key, parts.join("\u{1f}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&tag.as_ref()[..16]);
    u128::from_le_bytes(bytes)
}

/// The label of whose event it is.
pub fn tenant(pack: &Pack, fixed: Option<&str>, event: &Event<'_>, state: &mut State) -> String {
    let Some(tenants) = &pack.tenants else { return String::new() };
    let named = fixed.map(Cow::Borrowed).or_else(|| event.tenant.clone()).filter(|named| !named.is_empty());
    let Some(named) = named else { return UNKNOWN.to_owned() };
    if !tenants.aliases.is_empty() {
        return tenants.aliases.get(named.as_ref()).map_or(OTHER, String::as_str).to_owned();
    }
    // A business may be called by an id, but not by somebody's address.
    let is_person = matches!(looks_personal(&named), Some(kind) if kind != "id");
    match !is_person && state.top(&pack.name, "", TENANT_PLACE, &named, tenants.max) {
        true => named.into_owned(),
        false => OTHER.to_owned(),
    }
}

pub fn is_so(condition: &Condition, event: &Event<'_>) -> bool {
    let found = event.text(&condition.property).filter(|text| !text.is_empty());
    match &condition.wants {
        Wants::Present(wanted) => found.is_some() == *wanted,
        Wants::OneOf(texts) => found.is_some_and(|found| texts.iter().any(|text| *text == found)),
    }
}

/// What counts; None where it must be there and is not.
fn value(rule: &Rule, event: &Event<'_>) -> Option<f64> {
    let value = match rule.value.as_deref() {
        None => 1.0,
        Some(TIMESTAMP) if event.number(TIMESTAMP).is_none() => event.time.as_millisecond() as f64 / 1e3,
        Some(property) => event.number(property)?,
    };
    let value = value * rule.scale;
    // Counters and histograms only grow.
    let grows = rule.update.metric.family.kind != Kind::Gauge;
    (!grows || value >= 0.0).then_some(value)
}
