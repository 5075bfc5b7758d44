//! Where the facade keeps its numbers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{HistogramFn, Key};
use metrics_util::registry::Storage;

/// Upper bounds of a histogram that nobody named bounds for, seconds: the usual ones of Prometheus clients.
pub const DEFAULT_BOUNDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Atomics for counters and gauges as in `AtomicStorage`, but histograms that are buckets from the start: a histogram
/// there keeps every sample until a scrape drains it, and nobody may ever scrape.
#[derive(Debug)]
pub struct BucketStorage {
    /// Bucket bounds by metric name; ascending.
    pub bounds: HashMap<&'static str, &'static [f64]>,
}

impl Storage<Key> for BucketStorage {
    type Counter = Arc<AtomicU64>;
    type Gauge = Arc<AtomicU64>;
    type Histogram = Arc<Buckets>;

    fn counter(&self, _: &Key) -> Self::Counter {
        Arc::default()
    }

    fn gauge(&self, _: &Key) -> Self::Gauge {
        Arc::default()
    }

    fn histogram(&self, key: &Key) -> Self::Histogram {
        let bounds = self.bounds.get(key.name()).copied().unwrap_or(DEFAULT_BOUNDS);
        // One more than there are bounds: what is above the last.
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Buckets { bounds, counts, sum: AtomicU64::default() })
    }
}

/// A histogram with fixed bounds.
#[derive(Debug)]
pub struct Buckets {
    bounds: &'static [f64],
    counts: Vec<AtomicU64>,
    /// The bits of an f64.
    sum: AtomicU64,
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        // Not-a-number and infinity would spoil the sum for ever.
        if !value.is_finite() {
            return;
        }
        if let Some(count) = self.counts.get(self.bounds.partition_point(|bound| *bound < value)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let add = |bits| (f64::from_bits(bits) + value).to_bits();
        self.sum.update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

impl Buckets {
    /// Sum and buckets as they stand; the buckets are not cumulative.
    pub fn snapshot(&self) -> (f64, Vec<(f64, u64)>) {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        (f64::from_bits(self.sum.load(Ordering::Relaxed)), bounds.zip(counts).collect())
    }
}
