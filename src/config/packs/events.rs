//! `[[rules]]` and `[[tracks]]`: what events count as.

use std::time::Duration;

use toml::de::DeValue;

use super::families::Metric;
use super::labels::{self, Label};
use super::{Reading, metric};
use crate::config::databases::name;
use crate::config::section::{Document, Section};
use crate::config::value::{self, Checked, Value, fault};
use crate::numbers::Kind;

/// Most rules, and most tracks, of a pack.
const MAX_RULES: usize = 1000;
const MAX_TRACKS: usize = 50;
/// The property that is the event's own time.
pub const TIMESTAMP: &str = "timestamp";
/// The label of what is distinct in a day, a week and a month.
pub const PERIOD: &str = "period";

/// What an event of some name does to a family.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Names of events; `*` is all of them.
    pub events: Vec<String>,
    pub when: Vec<Condition>,
    pub update: Update,
    /// The property whose number counts.
    pub value: Option<String>,
    pub scale: f64,
    /// The property whose different values are counted.
    pub distinct: Option<String>,
}

/// A family and its labels, in the order of the family.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    pub metric: Metric,
    pub labels: Vec<Option<Label>>,
}

/// What must be so.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub property: String,
    pub wants: Wants,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wants {
    OneOf(Vec<String>),
    Present(bool),
}

/// What belongs together by a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    pub name: String,
    pub key: String,
    pub starts: Vec<String>,
    pub also: Vec<String>,
    pub ends: Vec<String>,
    pub idle: Duration,
    pub started: Option<Update>,
    pub ended: Option<Update>,
    pub idled: Option<Update>,
    pub duration: Option<Update>,
    pub events: Option<Update>,
    pub first: Option<Update>,
    pub last: Option<Update>,
    pub waits: Vec<Wait>,
}

/// From the first unanswered event of one kind to the next of another.
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    pub from: Vec<String>,
    pub to: Vec<String>,
    pub update: Update,
    /// Whether only the first of a track counts.
    pub first: bool,
    /// A counter of those that were answered.
    pub count: Option<Update>,
}

/// Reads the rules of a file.
pub(super) fn rules(document: &mut Document<'_>, reading: &Reading<'_>) -> Vec<Rule> {
    let mut count = 0;
    let found = document.sections("rules", |section| {
        count += 1;
        if count == MAX_RULES + 1 {
            section.complain(
                section.place("event"),
                format!("a pack of more than {MAX_RULES} rules"),
                "make two packs of it",
            );
        }
        rule(section, reading)
    });
    found.into_iter().flatten().collect()
}

fn rule(section: &mut Section<'_, '_>, reading: &Reading<'_>) -> Option<Rule> {
    let events = section.take_required("event", "\"order.created\"", event_names);
    let distinct: Option<String> = section.take("distinct", None, |typed| value::text(typed).map(Some));
    let found = section.take("metric", None, |typed| metric(typed, reading.vocabulary).map(Some));
    let labels = labels::read(section, reading.lists);
    let free = if distinct.is_some() { &[PERIOD][..] } else { &[] };
    let Some(found) = found else {
        section.complain(
            section.place("metric"),
            "`rules.metric` is missing",
            "add metric = \"business_orders_total\"",
        );
        return None;
    };
    let rule = Rule {
        events,
        when: conditions(section),
        update: update(section, "labels", found, &labels, free),
        value: section.take("value", None, |typed| value::text(typed).map(Some)),
        scale: section.take("scale", 1.0, value::number),
        distinct,
    };
    let kind = rule.update.metric.family.kind;
    section.require(
        rule.distinct.is_none() || (kind == Kind::Gauge && found.labels().contains(&PERIOD)),
        ["distinct", "metric"],
        "wants a gauge with the label period",
        "business_active_users is one",
    );
    if rule.distinct.is_none() && rule.value.is_none() && kind != Kind::Counter {
        section.complain(
            section.place("metric"),
            "`rules.value` is missing, and the family is no counter",
            "name the property that is its value",
        );
    }
    Some(rule)
}

/// Fits labels to a family, and says what is too many.
fn update(section: &mut Section<'_, '_>, key: &'static str, metric: Metric, labels: &[Label], free: &[&str]) -> Update {
    for label in labels.iter().filter(|label| !metric.labels().contains(&label.name.as_str())) {
        let message = format!("`{key}.{}` is no label of {}", label.name, metric.family.name);
        section.complain(section.place(key), message, format!("its labels: {}", metric.labels().join(", ")));
    }
    let of = |name: &&str| labels.iter().find(|label| label.name == *name).cloned();
    let missing: Vec<&str> =
        metric.labels().iter().copied().filter(|name| of(name).is_none() && !free.contains(name)).collect();
    if !missing.is_empty() {
        let message = format!("{} has labels that are not given: {}", metric.family.name, missing.join(", "));
        section.complain(section.place("metric"), message, format!("add {key} = {{ {} = \"...\" }}", missing[0]));
    }
    Update { metric, labels: metric.labels().iter().map(of).collect() }
}

fn event_names(value: Value<'_>) -> Checked<Vec<String>> {
    match value.get_ref() {
        DeValue::String(_) => value::text(value).map(|name| vec![name]),
        _ => {
            let items = value::list(value, "names of events", "\"order.created\"")?;
            Ok(value::plain(value::distinct(value::each(items, value::text)?)?))
        }
    }
}

fn conditions(section: &mut Section<'_, '_>) -> Vec<Condition> {
    let mut all = Vec::new();
    for (name, typed) in section.entries("when") {
        match wants(typed) {
            Ok(wants) => all.push(Condition { property: name.into_inner(), wants }),
            Err(faults) => faults.into_iter().for_each(|found| {
                section.complain(found.span, format!("`when.{}` {}", name.get_ref(), found.message), found.hint);
            }),
        }
    }
    all
}

fn wants(value: Value<'_>) -> Checked<Wants> {
    match value.get_ref() {
        DeValue::Boolean(is_there) => Ok(Wants::Present(*is_there)),
        DeValue::String(_) => value::text(value).map(|text| Wants::OneOf(vec![text])),
        DeValue::Array(_) => {
            let items = value::list(value, "values", "\"bot\"")?;
            value::each(items, value::text).map(|texts| Wants::OneOf(value::plain(texts)))
        }
        other => {
            let message =
                format!("must be a text, a list of them, true or false, not {}", crate::config::value::found(other));
            fault(value.span(), message, "true means that the property is there; write \"true\" for its text")
        }
    }
}

/// Reads the tracks of a file.
pub(super) fn tracks(document: &mut Document<'_>, reading: &Reading<'_>) -> Vec<Track> {
    let mut count = 0;
    document.sections("tracks", |section| {
        count += 1;
        if count == MAX_TRACKS + 1 {
            section.complain(
                section.place("name"),
                format!("a pack of more than {MAX_TRACKS} tracks"),
                "make two packs of it",
            );
        }
        track(section, reading)
    })
}

fn track(section: &mut Section<'_, '_>, reading: &Reading<'_>) -> Track {
    let labels = labels::read(section, reading.lists);
    let idle = Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);
    let mut track = Track {
        name: section.take_required("name", "\"chat\"", name),
        key: section.take("key", "sessionId".to_owned(), value::text),
        starts: section.take_required("starts", "[\"message.received\"]", event_names),
        also: section.take("also", Vec::new(), event_names),
        ends: section.take("ends", Vec::new(), event_names),
        idle: section.take("idle", Duration::from_secs(1800), |typed| value::duration(typed, idle)),
        started: common(section, "started", &labels, reading),
        ended: common(section, "ended", &labels, reading),
        idled: common(section, "idled", &labels, reading),
        duration: common(section, "duration", &labels, reading),
        events: common(section, "events", &labels, reading),
        first: own(section, "first", reading),
        last: own(section, "last", reading),
        waits: Vec::new(),
    };
    for (key, update, kind) in [
        ("started", &track.started, Kind::Counter),
        ("ended", &track.ended, Kind::Counter),
        ("idled", &track.idled, Kind::Counter),
        ("first", &track.first, Kind::Counter),
        ("last", &track.last, Kind::Counter),
        ("duration", &track.duration, Kind::Histogram),
        ("events", &track.events, Kind::Histogram),
    ] {
        if update.as_ref().is_some_and(|update| update.metric.family.kind != kind) {
            let word = if kind == Kind::Counter { "counter" } else { "histogram" };
            section.complain(section.place(key), format!("`tracks.{key}` is no {word}"), format!("name a {word}"));
        }
    }
    track.waits = section.tables("waits", "waits", |section| wait(section, reading)).into_iter().flatten().collect();
    track
}

/// A family that takes those of the track's labels that it has.
fn common(section: &mut Section<'_, '_>, key: &'static str, labels: &[Label], reading: &Reading<'_>) -> Option<Update> {
    let metric = section.take(key, None, |typed| metric(typed, reading.vocabulary).map(Some))?;
    let of: Vec<Label> =
        labels.iter().filter(|label| metric.labels().contains(&label.name.as_str())).cloned().collect();
    Some(update(section, "labels", metric, &of, &[]))
}

/// A family with labels of its own.
fn own(section: &mut Section<'_, '_>, key: &'static str, reading: &Reading<'_>) -> Option<Update> {
    let typed: Option<Value<'_>> = section.take(key, None, |typed| Ok(Some(typed)));
    section.table(key, "track", typed?, |section| own_update(section, reading)).flatten()
}

fn own_update(section: &mut Section<'_, '_>, reading: &Reading<'_>) -> Option<Update> {
    let found = section.take_required("metric", "\"business_session_entries_total\"", |typed| {
        metric(typed, reading.vocabulary).map(Some)
    });
    let labels = labels::read(section, reading.lists);
    found.map(|metric| update(section, "labels", metric, &labels, &[]))
}

fn wait(section: &mut Section<'_, '_>, reading: &Reading<'_>) -> Option<Wait> {
    let from = section.take_required("from", "\"message.received\"", event_names);
    let to = section.take_required("to", "\"message.sent\"", event_names);
    let first = section.take("first", false, value::boolean);
    let count = own(section, "count", reading);
    let update = own_update(section, reading)?;
    if update.metric.family.kind != Kind::Histogram {
        section.complain(section.place("metric"), "`waits.metric` is no histogram", "name a histogram");
    }
    Some(Wait { from, to, update, first, count })
}
