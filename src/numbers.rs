//! What the packet path counts, as plain numbers: no registry, no lock. A scrape copies and merges them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;

/// How a family behaves; the words are Prometheus'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
    /// What node_exporter exposes without saying whether it only grows.
    Untyped,
}

/// A metric family, declared in the folder that sets it.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// The whole name, `_total` and `_info` included.
    pub name: &'static str,
    pub kind: Kind,
    /// Base unit (`seconds`, `bytes`, `ratio`), empty where it is a count.
    pub unit: &'static str,
    pub labels: Names,
    pub help: &'static str,
}

impl Family {
    /// A counter; `unit` is empty where things are counted.
    pub const fn counter(name: &'static str, unit: &'static str, labels: Names, help: &'static str) -> Family {
        Family { name, kind: Kind::Counter, unit, labels, help }
    }

    pub const fn gauge(name: &'static str, unit: &'static str, labels: Names, help: &'static str) -> Family {
        Family { name, kind: Kind::Gauge, unit, labels, help }
    }

    /// A family of node_exporter's that has no type.
    pub const fn untyped(name: &'static str, labels: Names, help: &'static str) -> Family {
        Family { name, kind: Kind::Untyped, unit: "", labels, help }
    }

    pub const fn histogram(name: &'static str, unit: &'static str, labels: Names, help: &'static str) -> Family {
        Family { name, kind: Kind::Histogram, unit, labels, help }
    }
}

/// Label names of a family.
pub type Names = &'static [&'static str];

/// A histogram with fixed upper bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One a bound, and a last one for what lies above all bounds; not cumulative.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    pub fn new(bounds: &'static [f64]) -> Histogram {
        Histogram { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// One whose counts are known; None where they are not of these bounds.
    pub fn restored(bounds: &'static [f64], counts: &[u64], sum: f64) -> Option<Histogram> {
        (counts.len() == bounds.len() + 1).then(|| Histogram { bounds, counts: counts.to_vec(), sum })
    }

    /// Counts a value. What is no number would poison the sum; what is negative comes of a clock that was set back.
    pub fn observe(&mut self, value: f64) {
        if value.is_finite() && value >= 0.0 {
            // All of the few bounds at once: each step of a search would wait for the one before.
            let bucket = self.bounds.iter().filter(|bound| **bound < value).count();
            if let Some(count) = self.counts.get_mut(bucket) {
                *count += 1;
            }
            self.sum += value;
        }
    }

    fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.sum += other.sum;
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Upper bound and count of each bucket, not cumulative; the last bound is infinite.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        self.bounds.iter().copied().chain([f64::INFINITY]).zip(self.counts.iter().copied())
    }
}

/// Counts a value in the histogram of these labels, which begins with its first.
pub fn observe<K: Eq + Hash, S: BuildHasher>(
    histograms: &mut HashMap<K, Histogram, S>,
    labels: K,
    bounds: &'static [f64],
    value: f64,
) {
    histograms.entry(labels).or_insert_with(|| Histogram::new(bounds)).observe(value);
}

/// A value of one series.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Counter(u64),
    /// A counter of seconds or another unit that comes in fractions.
    CounterFloat(f64),
    Gauge(f64),
    Histogram(Histogram),
}

impl Value {
    fn merge(&mut self, other: &Value) {
        match (self, other) {
            (Value::Counter(a), Value::Counter(b)) => *a += b,
            (Value::CounterFloat(a), Value::CounterFloat(b)) => *a += b,
            (Value::Gauge(a), Value::Gauge(b)) => *a += b,
            (Value::Histogram(a), Value::Histogram(b)) => a.merge(b),
            (_, _) => debug_assert!(false, "one family, one kind of value"),
        }
    }
}

/// Label values of one series, in the order of the family's label names.
pub type Labels = Vec<Cow<'static, str>>;

/// Numbers of one or several workers, brought together by family and labels.
#[derive(Debug, Default)]
pub struct Collection {
    families: Vec<Collected>,
    places: HashMap<&'static str, usize, RandomState>,
}

/// A family's series as they came: the same labels from several workers become one in the end.
#[derive(Debug)]
struct Collected {
    family: &'static Family,
    series: Vec<(Labels, Value)>,
    /// All workers say the same, so that nothing is added up.
    agreed: bool,
}

impl Collection {
    fn at(&mut self, family: &'static Family) -> &mut Collected {
        let next = self.families.len();
        let place = *self.places.entry(family.name).or_insert(next);
        if place == next {
            self.families.push(Collected { family, series: Vec::new(), agreed: false });
        }
        &mut self.families[place]
    }

    /// Makes a family appear even while it has no series.
    pub fn declare(&mut self, family: &'static Family) {
        self.at(family);
    }

    /// Adds a series; the same labels from another worker are added up.
    pub fn add(&mut self, family: &'static Family, labels: Labels, value: Value) {
        debug_assert_eq!(family.labels.len(), labels.len(), "{}", family.name);
        self.at(family).series.push((labels, value));
    }

    /// Sets a series that all workers say the same of.
    pub fn put(&mut self, family: &'static Family, labels: Labels, value: Value) {
        let collected = self.at(family);
        collected.agreed = true;
        collected.series.push((labels, value));
    }

    /// All families in the order of their first mention, their series sorted by labels.
    pub fn into_sorted(self) -> impl Iterator<Item = (&'static Family, Vec<(Labels, Value)>)> {
        self.families.into_iter().map(|Collected { family, mut series, agreed }| {
            series.sort_by(|a, b| a.0.cmp(&b.0));
            series.dedup_by(|later, first| {
                let same = later.0 == first.0;
                if same && !agreed {
                    first.1.merge(&later.1);
                }
                same
            });
            (family, series)
        })
    }
}

/// A label value that is known when the program is written.
pub const fn fixed(value: &'static str) -> Cow<'static, str> {
    Cow::Borrowed(value)
}
