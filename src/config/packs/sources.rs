//! `[events]` and `[[event_sources]]`: who may send events, and how many.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;

use super::{Pack, Shape};
use crate::config::databases::{distinct, few, name, path};
use crate::config::net;
use crate::config::section::{Document, Section};
use crate::config::value;

/// How events are taken and kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Events {
    /// The folder in which counts outlive the program; none: they begin at 0.
    pub state: Option<PathBuf>,
    /// StatsD lines over UDP.
    pub statsd: Option<SocketAddr>,
    /// The event source whose rules StatsD lines follow.
    pub statsd_source: Option<String>,
    /// Largest body, bytes.
    pub max_body: u32,
    /// Series of all packs together that events make.
    pub max_series: usize,
    /// Tracks that are followed at the same time.
    pub max_tracks: usize,
    /// Deliveries that are remembered, so that a repeated one counts once.
    pub max_deliveries: usize,
    /// How long they are.
    pub delivery_memory: Duration,
    /// An event that is older, or lies ahead by more than five minutes, is refused.
    pub max_age: Duration,
}

impl Default for Events {
    fn default() -> Self {
        Events {
            state: None,
            statsd: None,
            statsd_source: None,
            max_body: 1 << 20,
            max_series: 20_000,
            max_tracks: 50_000,
            max_deliveries: 500_000,
            delivery_memory: Duration::from_secs(24 * 3600),
            max_age: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// Who sends events.
#[derive(Clone, Debug, PartialEq)]
pub struct EventSource {
    pub name: String,
    /// Which of the packs counts them.
    pub pack: String,
    /// The label `tenant` of all that it sends.
    pub tenant: Option<String>,
    pub key: Key,
    pub shape: Shape,
    /// Events a second, and ten times as many at once.
    pub rate: usize,
}

/// How it proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A token in the header Authorization.
    Bearer(PathBuf),
    /// A signature of the body.
    Hmac(PathBuf),
    /// Whoever can reach the port.
    Open,
}

/// A source whose pack is not known yet.
pub(super) struct Typed {
    name: String,
    pack: Spanned<String>,
    tenant: Option<String>,
    key: Key,
    shape: Option<Spanned<String>>,
    rate: usize,
}

pub(super) fn read(document: &mut Document<'_>) -> (Events, Vec<Typed>) {
    let default = Events::default();
    let events = document.section("events", |section| {
        let entries = 1..=10_000_000;
        Events {
            state: section.take("state", default.state, path),
            statsd: section
                .take("statsd", default.statsd, |typed| net::listen_addresses(typed).map(|all| all.into_iter().next())),
            statsd_source: section.take("statsd_source", default.statsd_source, |typed| name(typed).map(Some)),
            max_body: section.take("max_body", default.max_body, |typed| value::bytes(typed, 1024..=64 << 20)),
            max_series: section.take("max_series", default.max_series, |typed| value::count(typed, 100..=1_000_000)),
            max_tracks: section.take("max_tracks", default.max_tracks, |typed| value::count(typed, entries.clone())),
            max_deliveries: section
                .take("max_deliveries", default.max_deliveries, |typed| value::count(typed, entries.clone())),
            delivery_memory: section.take("delivery_memory", default.delivery_memory, |typed| {
                value::duration(typed, Duration::from_secs(60)..=Duration::from_secs(30 * 24 * 3600))
            }),
            max_age: section.take("max_age", default.max_age, |typed| {
                value::duration(typed, Duration::from_secs(60)..=Duration::from_secs(366 * 24 * 3600))
            }),
        }
    });
    let (mut names, mut count) = (BTreeSet::new(), 0);
    let sources = document.sections("event_sources", |section| {
        few(section, &mut count);
        source(section, &mut names)
    });
    (events, sources)
}

fn source(section: &mut Section<'_, '_>, names: &mut BTreeSet<String>) -> Typed {
    let own = section.take_required("name", "\"backend\"", name);
    distinct(section, &own, names);
    let spanned = |typed: value::Value<'_>| {
        let span = typed.span();
        name(typed).map(|name| Some(Spanned::new(span, name)))
    };
    let pack = section.take_required("pack", "\"careflow\"", spanned);
    let bearer = section.take("bearer_file", None, path);
    let hmac = section.take("hmac_file", None, path);
    let open = section.take("open", false, value::boolean);
    let key = match (bearer, hmac) {
        (Some(file), None) => Key::Bearer(file),
        (None, Some(file)) => Key::Hmac(file),
        (Some(_), Some(_)) => {
            section.complain(
                section.place("hmac_file"),
                "`event_sources` has two keys",
                "keep bearer_file or hmac_file",
            );
            Key::Open
        }
        (None, None) => {
            if !open {
                let message = "`event_sources.bearer_file` and `event_sources.hmac_file` are both missing";
                section.complain(section.place("name"), message, "add one of them; open = true lets everybody send");
            }
            Key::Open
        }
    };
    Typed {
        name: own,
        pack: pack.unwrap_or_else(|| Spanned::new(section.place("name"), String::new())),
        tenant: section.take("tenant", None, |typed| value::text(typed).map(Some)),
        key,
        shape: section.take("shape", None, spanned),
        rate: section.take("rate", 10_000, |typed| value::count(typed, 1..=1_000_000)),
    }
}

/// Finds the pack and the shape of each.
pub(super) fn finish(document: &mut Document<'_>, typed: Vec<Typed>, packs: &[Pack]) -> Vec<EventSource> {
    let mut all = Vec::new();
    for source in typed {
        let Some(pack) = packs.iter().find(|pack| pack.name == *source.pack.get_ref()) else {
            if !source.pack.get_ref().is_empty() {
                let message = format!(
                    "`event_sources.pack` is {:?}, and no pack of that name is included",
                    source.pack.get_ref()
                );
                document.complain(source.pack.span(), message, "add it to include, above the first section");
            }
            continue;
        };
        let shape = match &source.shape {
            None => Shape::own(),
            Some(named) => match pack.shapes.iter().find(|shape| shape.name == *named.get_ref()) {
                Some(shape) => shape.clone(),
                None => {
                    let known: Vec<&str> = pack.shapes.iter().map(|shape| shape.name.as_str()).collect();
                    let message =
                        format!("`event_sources.shape` is {:?}, which the pack does not have", named.get_ref());
                    document.complain(named.span(), message, format!("known: {}", known.join(", ")));
                    continue;
                }
            },
        };
        let Typed { name, tenant, key, rate, .. } = source;
        all.push(EventSource { name, pack: pack.name.clone(), tenant, key, shape, rate });
    }
    all
}
