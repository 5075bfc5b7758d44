//! Reads one source again and again, within its deadline, whatever becomes of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::readings::{Failure, Readings, Reason};
use super::slot::Slot;

/// One thing that is read from time to time.
pub struct Instance {
    /// The `source` label.
    pub name: String,
    pub interval: Duration,
    pub deadline: Duration,
    /// What is shown in place of the values where a sample failed as a whole.
    pub down: Readings,
    /// Makes it, and makes it anew where the one before was lost.
    pub make: Box<dyn Fn() -> Box<dyn Source> + Send>,
}

/// The sample of a source that waits.
pub type Sampling<'a> = Pin<Box<dyn Future<Output = Result<Readings, Failure>> + Send + 'a>>;

/// A source that waits for others without blocking a thread.
pub trait Source: Send {
    fn sample(&mut self) -> Sampling<'_>;
}

/// Samples until the runtime ends.
pub(super) async fn keep(instance: Instance, slot: Arc<Slot>) {
    let mut kept: Option<Box<dyn Source>> = None;
    // A moment of its own within the interval, so that not all of them, and not all hosts, ask at once; but soon for the first time.
    let mut next = tokio::time::Instant::now() + instance.interval.mul_f64(share());
    let mut soon = next.min(tokio::time::Instant::now() + MAX_FIRST_WAIT.mul_f64(share()));
    loop {
        tokio::time::sleep_until(soon).await;
        let source = kept.take().unwrap_or_else(|| (instance.make)());
        kept = sample(source, instance.deadline, &slot).await;
        // A sample that took longer than its interval is followed by a pause, not by the ones that it held up.
        while next < tokio::time::Instant::now() + instance.interval / 4 {
            next += instance.interval;
        }
        soon = next;
    }
}

/// Longest that the first sample waits: an agent that has just started should soon know.
const MAX_FIRST_WAIT: Duration = Duration::from_secs(5);

/// A number from 0 to 1 that differs from host to host and from source to source.
fn share() -> f64 {
    use std::hash::BuildHasher;
    let random = foldhash::fast::RandomState::default().hash_one(Instant::now());
    random as f64 / u64::MAX as f64
}

/// One sample, as a task that ends with its deadline; gives the source back unless it was lost.
async fn sample(mut source: Box<dyn Source>, deadline: Duration, slot: &Slot) -> Option<Box<dyn Source>> {
    slot.begin(Instant::now());
    let mut run = tokio::spawn(async move {
        let sample = source.sample().await;
        (source, sample)
    });
    let (source, sample) = match tokio::time::timeout(deadline, &mut run).await {
        Ok(Ok((source, sample))) => (Some(source), sample),
        Ok(Err(error)) => (None, Err(Failure::new(Reason::Panic, format_args!("a fault of this program: {error}")))),
        Err(_) => {
            run.abort();
            (None, Err(Failure::late(deadline)))
        }
    };
    slot.settle(sample, Instant::now());
    slot.end(None, Instant::now());
    source
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::config;
    use crate::numbers::{Collection, Family, Value};
    use crate::sources::host::Prefix;

    static LEVEL: Family = Family::gauge("level", "", &[], "A level.");

    /// A source that hangs, panics, fails or answers, as its number of samples says.
    struct Moody(Arc<AtomicUsize>);

    fn one(value: f64) -> Readings {
        let mut readings = Readings::default();
        readings.add(&LEVEL, Vec::new(), value);
        readings
    }

    impl Source for Moody {
        fn sample(&mut self) -> Sampling<'_> {
            let turn = self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                match turn {
                    0 => Ok(one(0.0)),
                    1 => std::future::pending().await,
                    2 => panic!("as the test wants it"),
                    3 => Err(Failure::new(Reason::Refused, "not today")),
                    turn => Ok(one(turn as f64)),
                }
            })
        }
    }

    fn instance(make: Box<dyn Fn() -> Box<dyn Source> + Send>) -> Instance {
        Instance {
            name: "moody".to_owned(),
            interval: Duration::from_millis(20),
            deadline: Duration::from_millis(10),
            down: Readings::default(),
            make,
        }
    }

    fn value(slot: &Slot, family: &str, now: Instant) -> Option<f64> {
        let mut collection = Collection::default();
        slot.collect(now, &Prefix::new(config::HostPrefix::Host), &mut collection);
        let series = collection.into_sorted().find(|(found, _)| found.name == family)?.1;
        series.into_iter().find_map(|(_, value)| match value {
            Value::Gauge(value) => Some(value),
            _ => None,
        })
    }

    async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        for _ in 0..500 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what} never came");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_source_comes_back_from_everything() {
        let turns = Arc::new(AtomicUsize::new(0));
        let shared = Arc::clone(&turns);
        let instance = instance(Box::new(move || Box::new(Moody(Arc::clone(&shared)))));
        let slot = Arc::new(Slot::new("moody".to_owned(), Duration::from_secs(3600), Readings::default()));
        let kept = tokio::spawn(keep(instance, Arc::clone(&slot)));
        until("the sample after all faults", || {
            value(&slot, "level", Instant::now()).is_some_and(|level| level >= 4.0)
        })
        .await;
        kept.abort();
        let mut collection = Collection::default();
        slot.collect(Instant::now(), &Prefix::new(config::HostPrefix::Host), &mut collection);
        let failures = collection.into_sorted().find(|(family, _)| family.name == "sidetone_source_failures_total");
        let reasons: Vec<String> =
            failures.expect("failures").1.iter().map(|(labels, value)| format!("{} {value:?}", labels[1])).collect();
        assert_eq!(reasons, ["panic Counter(1)", "refused Counter(1)", "timeout Counter(1)"]);
        assert_eq!(value(&slot, "sidetone_source_up", Instant::now()), Some(1.0));
    }

    #[test]
    fn old_values_go() {
        let slot = Slot::new("old".to_owned(), Duration::from_secs(10), Readings::default());
        let start = Instant::now();
        slot.begin(start);
        slot.settle(Ok(one(1.0)), start);
        slot.end(None, start);
        assert_eq!(value(&slot, "level", start + Duration::from_secs(10)), Some(1.0));
        assert_eq!(value(&slot, "level", start + Duration::from_secs(11)), None);
        // A failure takes nothing away before its time.
        slot.settle(Err(Failure::new(Reason::Io, "gone")), start + Duration::from_secs(5));
        assert_eq!(value(&slot, "level", start + Duration::from_secs(6)), Some(1.0));
        assert_eq!(value(&slot, "sidetone_source_up", start + Duration::from_secs(60)), Some(0.0));
    }
}
