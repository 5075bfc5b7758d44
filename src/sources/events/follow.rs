//! Tracks: what belongs together by a key, from its first event to its last or to its silence.

use std::borrow::Cow;

use super::entry::{Entry, Track as Kept};
use super::event::Event;
use super::rules::{Counting, Ruled};
use super::state::State;
use crate::config::{Label, LabelRule, OWN_LABELS, Track, Update, Values};
use crate::numbers::Kind;
use crate::sources::business::Labeller;

impl Counting<'_> {
    /// Takes the event into the tracks that it belongs to; `most` are followed at the same time.
    pub fn follow(&mut self, most: usize) {
        let ruled = self.ruled;
        for (track, id) in ruled.tracks(&self.event.name) {
            if let Some(key) = self.event.text(&track.key).filter(|key| !key.is_empty()) {
                let key = self.hash(&track.name, &key);
                self.one(track, id, key, most);
            }
        }
    }

    fn one(&mut self, track: &Track, id: u64, key: u128, most: usize) {
        let now = self.event.time.as_millisecond();
        let idle = track.idle.as_millis() as i64;
        let mut known = self.state.tracks.get(&key).cloned().filter(|kept| kept.rule == id);
        if let Some(silent) = known.as_ref().filter(|kept| now.saturating_sub(kept.last) > idle) {
            finish(track, silent, &self.ruled.pack.name, false, self.state, self.out);
            known = None;
        }
        let is = |names: &[String]| names.iter().any(|name| *name == self.event.name);
        let (starts, ends) = (is(&track.starts), is(&track.ends));
        let is_new = known.is_none();
        if is_new && !starts {
            return;
        }
        let mut kept = known.unwrap_or_else(|| Kept {
            rule: id,
            tenant: self.tenant.clone(),
            first: now,
            last: now,
            waiting: vec![None; track.waits.len()],
            answered: vec![false; track.waits.len()],
            ..Kept::default()
        });
        // What came late does not make it younger.
        kept.last = kept.last.max(now);
        kept.events = kept.events.saturating_add(1);
        self.remember(track, &mut kept);
        if is_new {
            if self.state.tracks.len() >= most {
                self.evict();
            }
            if let Some(update) = &track.started {
                count(update, &kept, &self.ruled.pack.name, 1.0, self.state, self.out);
            }
            if let Some(update) = &track.first {
                self.update(update, 1.0);
            }
        }
        self.wait(track, &mut kept, now);
        if ends {
            finish(track, &kept, &self.ruled.pack.name, true, self.state, self.out);
        }
        let track = (!ends).then(|| Box::new(kept));
        self.state.does(Entry::Track { key, track }, self.out);
    }

    /// Keeps the first value of each label that has one.
    fn remember(&mut self, track: &Track, kept: &mut Kept) {
        let updates = [&track.started, &track.ended, &track.idled, &track.duration, &track.events];
        for update in updates.into_iter().flatten() {
            for (place, label) in update.labels.iter().enumerate() {
                let Some(label) = label else { continue };
                let is_known = kept.labels.iter().any(|(name, _)| *name == label.name);
                if !is_known && has(&label.rule, self.event) {
                    let value = self.value(update, place, label);
                    kept.labels.push((label.name.clone(), value));
                }
            }
        }
        if let Some(last) = &track.last {
            let labels = last.labels.iter().enumerate();
            let value = |(place, label): (usize, &Option<Label>)| {
                label.as_ref().map_or_else(String::new, |label| self.value(last, place, label))
            };
            kept.last_labels = labels.map(value).collect();
        }
    }

    fn value(&mut self, update: &Update, place: usize, label: &Label) -> String {
        let event = self.event;
        let raw = |name: &str| event.text(name);
        let mut labeller = Labeller { raw, at: Some(&self.at), refused: 0 };
        let (state, family, tenant) = (&mut *self.state, update.metric.family.name, &self.tenant);
        let value =
            labeller.value(&label.rule, |value, most| state.top(family, tenant, place + OWN_LABELS, value, most));
        let value = value.map_or_else(String::new, Cow::into_owned);
        self.refused += labeller.refused;
        value
    }

    fn wait(&mut self, track: &Track, kept: &mut Kept, now: i64) {
        for (at, wait) in track.waits.iter().enumerate() {
            let is = |names: &[String]| names.iter().any(|name| *name == self.event.name);
            let (asks, answers) = (is(&wait.from), is(&wait.to));
            let (Some(since), Some(answered)) = (kept.waiting.get_mut(at), kept.answered.get_mut(at)) else { continue };
            if let (true, Some(asked)) = (answers, *since) {
                let is_wanted = !(wait.first && *answered);
                (*since, *answered) = (None, true);
                if is_wanted {
                    let seconds = now.saturating_sub(asked).max(0) as f64 / 1e3;
                    self.answered(&wait.update, &kept.labels, seconds);
                    if let Some(update) = &wait.count {
                        self.answered(update, &kept.labels, 1.0);
                    }
                }
            } else if asks && since.is_none() {
                *since = Some(now);
            }
        }
    }

    /// Changes the series of this event's labels; what it does not say, the track knows.
    fn answered(&mut self, update: &Update, known: &[(String, String)], value: f64) {
        let Some(mut labels) = self.labels(update, "") else { return };
        for (value, label) in labels.iter_mut().zip(&update.labels) {
            let Some(label) = label.as_ref().filter(|label| !has(&label.rule, self.event)) else { continue };
            // Whether a property is there is said of this event alone.
            let is_present =
                matches!(&label.rule, LabelRule::From(from) if matches!(from.values, Values::Present { .. }));
            if let Some((_, before)) = known.iter().find(|(name, _)| *name == label.name && !is_present) {
                value.clone_from(before);
            }
        }
        self.change(update, &labels, value);
    }

    /// Lets the one go that would be the first to end by silence; nothing is counted of it.
    fn evict(&mut self) {
        if let Some(key) = self.state.most_silent() {
            metrics::counter!(super::EVICTED).increment(1);
            self.state.does(Entry::Track { key, track: None }, self.out);
        }
    }
}

/// Whether an event says what a label needs.
fn has(rule: &LabelRule, event: &Event<'_>) -> bool {
    match rule {
        LabelRule::Fixed(_) | LabelRule::Time(_) => true,
        LabelRule::From(from) => event.text(&from.name).is_some_and(|text| !text.is_empty()),
    }
}

/// Counts the end of a track.
pub fn finish(track: &Track, kept: &Kept, pack: &str, by_event: bool, state: &mut State, out: &mut Vec<Entry>) {
    let ended = if by_event { &track.ended } else { &track.idled };
    let seconds = kept.last.saturating_sub(kept.first).max(0) as f64 / 1e3;
    for (update, value) in [(ended, 1.0), (&track.duration, seconds), (&track.events, f64::from(kept.events))] {
        if let Some(update) = update {
            count(update, kept, pack, value, state, out);
        }
    }
    if let Some(update) = &track.last {
        let labels: Vec<&str> =
            [pack, kept.tenant.as_str()].into_iter().chain(kept.last_labels.iter().map(String::as_str)).collect();
        change(update, &labels, 1.0, state, out);
    }
}

/// Changes the series of a track's labels.
fn count(update: &Update, kept: &Kept, pack: &str, value: f64, state: &mut State, out: &mut Vec<Entry>) {
    let of = |label: &Option<Label>| {
        let Some(label) = label else { return String::new() };
        let known = kept.labels.iter().find(|(name, _)| *name == label.name);
        known.map_or_else(|| absent(&label.rule), |(_, value)| value.clone())
    };
    let own: Vec<String> = update.labels.iter().map(of).collect();
    let labels: Vec<&str> = [pack, kept.tenant.as_str()].into_iter().chain(own.iter().map(String::as_str)).collect();
    change(update, &labels, value, state, out);
}

fn change(update: &Update, labels: &[&str], value: f64, state: &mut State, out: &mut Vec<Entry>) {
    if labels.len() != update.metric.family.labels.len() {
        return;
    }
    let series = state.series(update.metric, labels, &[], out);
    let entry = match update.metric.family.kind {
        Kind::Histogram => Entry::Observe { series, value },
        _ => Entry::Add { series, value },
    };
    state.does(entry, out);
}

/// What a label is where no event had a value for it.
fn absent(rule: &LabelRule) -> String {
    match rule {
        LabelRule::From(from) => match &from.values {
            Values::Present { absent, .. } => absent.clone(),
            _ => from.missing.clone(),
        },
        LabelRule::Fixed(value) => value.clone(),
        LabelRule::Time(_) => String::new(),
    }
}

/// Ends what has been silent for too long.
pub fn expire(ruled: &[Ruled], state: &mut State, now: i64, out: &mut Vec<Entry>) {
    while let Some(key) = state.silent(now) {
        if let Some(kept) = state.tracks.get(&key).cloned() {
            let found = ruled.iter().find_map(|ruled| {
                let at = ruled.track_ids.iter().position(|id| *id == kept.rule)?;
                Some((ruled, &ruled.pack.tracks[at]))
            });
            if let Some((ruled, track)) = found {
                finish(track, &kept, &ruled.pack.name, false, state, out);
            }
        }
        state.does(Entry::Track { key, track: None }, out);
    }
}
