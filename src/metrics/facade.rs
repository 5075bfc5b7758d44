//! What is named at run time: a recorder for the `metrics` facade, read by a prometheus-client collector.
//!
//! prometheus-client validates nothing and one bad name fails a whole scrape, so nothing gets in here that is not valid:
//! a refused metric is counted by reason, and records nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_util::registry::Registry;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use self::buckets::BucketStorage;
use super::{Family, Kind};

mod buckets;

/// Most series that one family may have: what is recorded through the facade has closed labels.
pub const MAX_SERIES_PER_FAMILY: usize = 2_000;
/// Most families.
pub const MAX_FAMILIES: usize = 2_000;
/// Help of a family that nobody described.
const NO_HELP: &str = "Recorded at run time, without a description.";

const REFUSED: &str = "sidetone_metrics_refused";

/// What the facade exposes of itself.
pub const FAMILIES: &[Family] = &[Family {
    name: "sidetone_metrics_refused_total",
    kind: Kind::Counter,
    unit: "",
    labels: &["reason"],
    help: "Attempts to record a run-time metric that were refused, by reason.",
}];

/// Why a metric is refused: the values of the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    InvalidName,
    InvalidLabel,
    KindConflict,
    SeriesLimit,
}

impl Refusal {
    const ALL: [Refusal; 4] = [Self::InvalidName, Self::InvalidLabel, Self::KindConflict, Self::SeriesLimit];

    fn as_str(self) -> &'static str {
        match self {
            Self::InvalidName => "invalid_name",
            Self::InvalidLabel => "invalid_label",
            Self::KindConflict => "kind_conflict",
            Self::SeriesLimit => "series_limit",
        }
    }
}

/// Everything recorded through the `metrics` facade. Install one `Arc` of it as the recorder and register another as a
/// collector.
#[derive(Debug)]
pub struct Facade {
    registry: Registry<Key, BucketStorage>,
    /// By exposed name, a counter's without `_total`.
    families: Mutex<BTreeMap<String, Described>>,
    refused: [AtomicU64; Refusal::ALL.len()],
}

#[derive(Debug, Default)]
struct Described {
    help: String,
    kind: Option<Kind>,
    series: usize,
}

impl Facade {
    /// A facade that knows the help of `families`, and the bucket bounds of the histograms named in `bounds`.
    pub fn new<'a>(
        families: impl IntoIterator<Item = &'a Family>,
        bounds: &[(&'static str, &'static [f64])],
    ) -> Facade {
        let storage = BucketStorage { bounds: bounds.iter().copied().collect() };
        let facade =
            Facade { registry: Registry::new(storage), families: Mutex::default(), refused: Default::default() };
        for family in families {
            facade.describe(family.name, family.kind, family.help);
        }
        facade.reserve(FAMILIES);
        facade
    }

    /// Keeps names for those who expose them elsewhere: recording one here would make two families of one name.
    pub fn reserve(&self, families: &[Family]) {
        let mut known = self.families();
        for family in families {
            // Nothing is recorded as an info, so whatever asks for the name is in conflict.
            let name = base_name(family.name, family.kind).to_owned();
            known.entry(name).or_default().kind = Some(Kind::Info);
        }
    }

    fn families(&self) -> MutexGuard<'_, BTreeMap<String, Described>> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, name: &str, kind: Kind, help: &str) {
        let base = base_name(name, kind);
        let mut families = self.families();
        if is_valid_name(base) && (families.len() < MAX_FAMILIES || families.contains_key(base)) {
            families.entry(base.to_owned()).or_default().help = escape_help(help);
        }
    }

    fn help(&self, name: &str) -> String {
        let help = self.families().get(name).map(|family| family.help.clone());
        help.filter(|help| !help.is_empty()).unwrap_or_else(|| NO_HELP.to_owned())
    }

    /// Lets a series in that has never been seen, or counts why not.
    fn admit(&self, key: &Key, kind: Kind) -> bool {
        let result = self.check(key, kind);
        if let Err(refusal) = result
            && let Some(counter) = self.refused.get(refusal as usize)
        {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        result.is_ok()
    }

    fn check(&self, key: &Key, kind: Kind) -> Result<(), Refusal> {
        let base = base_name(key.name(), kind);
        if !is_valid_name(base) {
            return Err(Refusal::InvalidName);
        }
        let mut names: Vec<&str> = key.labels().map(|label| label.key()).collect();
        names.sort_unstable();
        let repeated = names.windows(2).any(|pair| matches!(pair, [a, b] if a == b));
        if repeated || !names.iter().all(|name| is_valid_label(name, kind)) {
            return Err(Refusal::InvalidLabel);
        }
        let mut families = self.families();
        if families.len() >= MAX_FAMILIES && !families.contains_key(base) {
            return Err(Refusal::SeriesLimit);
        }
        let family = families.entry(base.to_owned()).or_default();
        if family.kind.is_some_and(|known| known != kind) {
            return Err(Refusal::KindConflict);
        }
        if family.series >= MAX_SERIES_PER_FAMILY {
            return Err(Refusal::SeriesLimit);
        }
        family.kind = Some(kind);
        family.series += 1;
        Ok(())
    }

    /// The values of every family by name and label set: several keys may differ in the order of their labels only.
    fn snapshot(&self) -> BTreeMap<String, Vec<Series>> {
        let mut families: BTreeMap<String, BTreeMap<Labels, Value>> = BTreeMap::new();
        let mut add = |key: &Key, kind, value: Value| {
            let family = families.entry(base_name(key.name(), kind).to_owned()).or_default();
            family.entry(sorted_labels(key)).and_modify(|seen| seen.merge(&value)).or_insert(value);
        };
        self.registry.visit_counters(|key, counter| {
            add(key, Kind::Counter, Value::Counter(counter.load(Ordering::Relaxed)));
        });
        self.registry.visit_gauges(|key, gauge| {
            add(key, Kind::Gauge, Value::Gauge(f64::from_bits(gauge.load(Ordering::Relaxed))));
        });
        self.registry.visit_histograms(|key, histogram| {
            let (sum, buckets) = histogram.snapshot();
            add(key, Kind::Histogram, Value::Histogram { sum, buckets });
        });
        families.into_iter().map(|(name, series)| (name, series.into_iter().collect())).collect()
    }
}

type Labels = Vec<(String, String)>;
type Series = (Labels, Value);

#[derive(Debug)]
enum Value {
    Counter(u64),
    Gauge(f64),
    Histogram { sum: f64, buckets: Vec<(f64, u64)> },
}

impl Value {
    fn merge(&mut self, other: &Value) {
        match (self, other) {
            (Value::Counter(a), Value::Counter(b)) => *a = a.wrapping_add(*b),
            (Value::Gauge(a), Value::Gauge(b)) => *a = *b,
            (Value::Histogram { sum: a, buckets }, Value::Histogram { sum: b, buckets: more }) => {
                *a += b;
                buckets.iter_mut().zip(more).for_each(|(mine, theirs)| mine.1 += theirs.1);
            }
            _ => {} // one name has one kind: `check` sees to it
        }
    }

    fn metric_type(&self) -> MetricType {
        match self {
            Value::Counter(_) => MetricType::Counter,
            Value::Gauge(_) => MetricType::Gauge,
            Value::Histogram { .. } => MetricType::Histogram,
        }
    }

    fn encode(&self, encoder: &mut MetricEncoder) -> fmt::Result {
        match self {
            Value::Counter(value) => encoder.encode_counter::<NoLabelSet, u64, f64>(value, None),
            Value::Gauge(value) => encoder.encode_gauge(value),
            Value::Histogram { sum, buckets } => {
                let count = buckets.iter().map(|bucket| bucket.1).sum();
                encoder.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
            }
        }
    }
}

impl Collector for Facade {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for (name, series) in self.snapshot() {
            let Some((_, first)) = series.first() else { continue };
            let help = self.help(&name);
            let mut family = encoder.encode_descriptor(&name, &help, None, first.metric_type())?;
            for (labels, value) in &series {
                if labels.is_empty() {
                    value.encode(&mut family)?; // without braces around nothing
                } else {
                    value.encode(&mut family.encode_family(labels)?)?;
                }
            }
        }
        let help = FAMILIES.first().map_or("", |family| family.help);
        let mut family = encoder.encode_descriptor(REFUSED, help, None, MetricType::Counter)?;
        for (refusal, count) in Refusal::ALL.iter().zip(&self.refused) {
            let labels = [("reason", refusal.as_str())];
            Value::Counter(count.load(Ordering::Relaxed)).encode(&mut family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Recorder for Facade {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(key.as_str(), Kind::Counter, &description);
    }

    fn describe_gauge(&self, key: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(key.as_str(), Kind::Gauge, &description);
    }

    fn describe_histogram(&self, key: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(key.as_str(), Kind::Histogram, &description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match self.registry.get_counter(key) {
            Some(known) => known.into(),
            None if self.admit(key, Kind::Counter) => self.registry.get_or_create_counter(key, |c| c.clone().into()),
            None => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match self.registry.get_gauge(key) {
            Some(known) => known.into(),
            None if self.admit(key, Kind::Gauge) => self.registry.get_or_create_gauge(key, |g| g.clone().into()),
            None => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match self.registry.get_histogram(key) {
            Some(known) => known.into(),
            None if self.admit(key, Kind::Histogram) => {
                self.registry.get_or_create_histogram(key, |h| h.clone().into())
            }
            None => Histogram::noop(),
        }
    }
}

/// The name that OpenMetrics gives the family: prometheus-client adds `_total` to a counter's samples.
fn base_name(name: &str, kind: Kind) -> &str {
    match kind {
        Kind::Counter => name.strip_suffix("_total").unwrap_or(name),
        _ => name,
    }
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*` (Prometheus data model).
fn is_valid_name(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`, not starting with `__` (Prometheus data model); `le` is the histogram's own.
fn is_valid_label(name: &str, kind: Kind) -> bool {
    let reserved = name.starts_with("__") || (kind == Kind::Histogram && name == "le");
    is_valid_name(name) && !name.contains(':') && !reserved
}

fn sorted_labels(key: &Key) -> Labels {
    let mut labels: Labels = key.labels().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
    labels.sort_unstable();
    labels
}

/// HELP as OpenMetrics wants it: prometheus-client writes it as it is.
fn escape_help(help: &str) -> String {
    help.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

#[cfg(test)]
mod tests;
