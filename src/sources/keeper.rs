//! Reads one source again and again, within its deadline, whatever becomes of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

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
    /// Whether the first sample waits for a moment of its own, so that not all of them, and not all hosts, ask at once.
    pub is_spread: bool,
    /// Makes it, and makes it anew where the one before was lost.
    pub make: Box<dyn Fn() -> Work + Send>,
}

/// How a source is read.
pub enum Work {
    /// On a thread that may block. It cannot be stopped: no second one starts before it has ended.
    Blocking(Box<dyn FnMut() -> Result<Readings, Failure> + Send>),
    /// As a task that ends with its deadline.
    Waiting(Box<dyn Source>),
}

/// The sample of a source that waits.
pub type Sampling<'a> = Pin<Box<dyn Future<Output = Result<Readings, Failure>> + Send + 'a>>;

/// A source that waits for others without blocking a thread.
pub trait Source: Send {
    fn sample(&mut self) -> Sampling<'_>;
}

type Run = JoinHandle<(Work, Result<Readings, Failure>)>;

impl Work {
    fn run(self) -> Run {
        match self {
            Work::Blocking(mut read) => tokio::task::spawn_blocking(move || {
                let sample = read();
                (Work::Blocking(read), sample)
            }),
            Work::Waiting(mut source) => tokio::spawn(async move {
                let sample = source.sample().await;
                (Work::Waiting(source), sample)
            }),
        }
    }
}

/// Samples until the runtime ends.
pub(super) async fn keep(instance: Instance, slot: Arc<Slot>) {
    let mut kept: Option<Work> = None;
    let mut next = tokio::time::Instant::now();
    if instance.is_spread {
        next += instance.interval.mul_f64(share()).min(MAX_FIRST_WAIT);
    }
    loop {
        tokio::time::sleep_until(next).await;
        let work = kept.take().unwrap_or_else(|| (instance.make)());
        kept = sample(work, instance.deadline, &slot).await;
        // A sample that took longer than its interval is followed by a pause, not by the ones that it held up.
        next = (next + instance.interval).max(tokio::time::Instant::now() + instance.interval / 4);
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

/// One sample; gives the source back unless it was lost.
async fn sample(work: Work, deadline: Duration, slot: &Slot) -> Option<Work> {
    slot.begin(Instant::now());
    let blocks = matches!(work, Work::Blocking(_));
    let mut run = work.run();
    if let Ok(ended) = tokio::time::timeout(deadline, &mut run).await {
        let (work, sample) = match ended {
            Ok((work, sample)) => (Some(work), sample),
            Err(error) => (None, Err(Failure::new(Reason::Panic, format_args!("a fault of this program: {error}")))),
        };
        slot.settle(sample, Instant::now());
        slot.end(None, Instant::now());
        return work;
    }
    let text = format!("no answer within {}", humantime::format_duration(deadline));
    slot.settle(Err(Failure::new(Reason::Timeout, text)), Instant::now());
    let ended = match blocks {
        true => run.await.ok(),
        false => {
            run.abort();
            None
        }
    };
    let (work, late) = ended.unzip();
    slot.end(late.and_then(Result::ok), Instant::now());
    work
}
