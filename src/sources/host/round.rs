//! Reads the host's files, one source after the other, on a thread of their own: a sample of all of them then wakes one thread, not one each.
//!
//! A file that hangs cannot be given up. Its thread stays with it, and another one goes on with the rest.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Host, Reader};
use crate::sources::slot::Slot;
use crate::sources::{Failure, Readings, Reason, Row};

/// How often it is looked whether a file hangs.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

type Make = Box<dyn Fn() -> Reader + Send + Sync>;

/// All sources of the host.
pub struct Round {
    members: Vec<Member>,
    state: Mutex<State>,
    stopped: Condvar,
}

/// One of them.
struct Member {
    slot: Arc<Slot>,
    interval: Duration,
    deadline: Duration,
    make: Make,
    /// None while it is read.
    reader: Mutex<Option<Reader>>,
    next: Mutex<Instant>,
}

#[derive(Default)]
struct State {
    /// Counts the threads; only the last one works.
    thread: u64,
    /// Which member is read, and since when.
    reads: Option<(usize, Instant)>,
    is_over: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Round {
    pub(in crate::sources) fn new() -> Round {
        Round { members: Vec::new(), state: Mutex::default(), stopped: Condvar::new() }
    }

    /// Adds a source that leaves what it reads in `slot`.
    pub(in crate::sources) fn add(&mut self, row: &Row, reader: fn(&Host) -> Reader, host: &Host, slot: Arc<Slot>) {
        let own = host.clone();
        self.push(host.settings.interval.unwrap_or(row.interval), row.deadline, slot, Box::new(move || reader(&own)));
    }

    fn push(&mut self, interval: Duration, deadline: Duration, slot: Arc<Slot>, make: Make) {
        let (reader, next) = (Mutex::new(Some(make())), Mutex::new(Instant::now()));
        self.members.push(Member { slot, interval, deadline, make, reader, next });
    }

    /// Starts a thread that takes over from the one before.
    pub fn start(self: &Arc<Round>) -> std::io::Result<()> {
        if self.members.is_empty() {
            return Ok(());
        }
        let thread = {
            let mut state = lock(&self.state);
            state.thread += 1;
            state.reads = None;
            state.thread
        };
        let round = Arc::clone(self);
        std::thread::Builder::new().name("host".into()).spawn(move || round.work(thread))?;
        Ok(())
    }

    /// Ends the thread at its next pause; one that hangs ends with the process.
    pub fn stop(&self) {
        lock(&self.state).is_over = true;
        self.stopped.notify_all();
    }

    /// Looks after the thread until it is over.
    pub async fn watch(self: Arc<Round>) {
        while !lock(&self.state).is_over {
            tokio::time::sleep(WATCH_INTERVAL).await;
            let Some(member) = self.late(Instant::now()) else { continue };
            member.slot.settle(Err(Failure::late(member.deadline)), Instant::now());
            if let Err(error) = self.start() {
                tracing::error!("the host is not read any more: a thread cannot be started: {error}");
                return;
            }
        }
    }

    fn late(&self, now: Instant) -> Option<&Member> {
        let (at, since) = lock(&self.state).reads?;
        self.members.get(at).filter(|member| now.saturating_duration_since(since) > member.deadline)
    }

    fn work(&self, thread: u64) {
        while self.pause(thread) {
            for (at, member) in self.members.iter().enumerate() {
                if !member.is_due(Instant::now()) {
                    continue;
                }
                // It hangs with another thread: no second one.
                let Some(mut reader) = lock(&member.reader).take() else { continue };
                let begun = Instant::now();
                lock(&self.state).reads = Some((at, begun));
                member.slot.begin(begun);
                let sample = catch_unwind(AssertUnwindSafe(|| read(&mut reader)));
                let in_time = self.is_current(thread);
                *lock(&member.reader) = Some(if sample.is_ok() { reader } else { (member.make)() });
                member.settle(sample, in_time);
                if !in_time {
                    return;
                }
            }
        }
    }

    /// Whether this thread is still the one that works; it reads nothing any more then.
    fn is_current(&self, thread: u64) -> bool {
        let mut state = lock(&self.state);
        let current = state.thread == thread;
        if current {
            state.reads = None;
        }
        current
    }

    /// Waits until something is due; false when there is nothing more to do for this thread.
    fn pause(&self, thread: u64) -> bool {
        let next = self.members.iter().map(|member| *lock(&member.next)).min();
        let until = next.unwrap_or_else(Instant::now);
        let mut state = lock(&self.state);
        loop {
            if state.is_over || state.thread != thread {
                return false;
            }
            let wait = until.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return true;
            }
            state = self.stopped.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn read(reader: &mut Reader) -> Result<Readings, Failure> {
    let mut readings = Readings::default();
    reader(&mut readings)?;
    Ok(readings)
}

impl Member {
    /// Whether its time has come; sets the next one, on the same beat as the others, without catching up.
    fn is_due(&self, now: Instant) -> bool {
        let mut next = lock(&self.next);
        let is_due = *next <= now;
        while *next <= now {
            *next += self.interval;
        }
        is_due
    }

    fn settle(&self, sample: std::thread::Result<Result<Readings, Failure>>, in_time: bool) {
        let now = Instant::now();
        if !in_time {
            self.slot.end(sample.ok().and_then(Result::ok), now);
            return;
        }
        let fault = |_| Err(Failure::new(Reason::Panic, "a fault of this program"));
        self.slot.settle(sample.unwrap_or_else(fault), now);
        self.slot.end(None, now);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::config::HostPrefix;
    use crate::numbers::{Collection, Family, Value};
    use crate::sources::host::Prefix;

    static LEVEL: Family = Family::gauge("level", "", &[], "A level.");

    fn value(slot: &Slot, family: &str) -> Option<f64> {
        let mut collection = Collection::default();
        slot.collect(Instant::now(), &Prefix::new(HostPrefix::Host), &mut collection);
        let series = collection.into_sorted().find(|(found, _)| found.name == family)?.1;
        series.into_iter().find_map(|(_, value)| match value {
            Value::Gauge(value) => Some(value),
            _ => None,
        })
    }

    async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        for _ in 0..1000 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what} never came");
    }

    fn slot(name: &str) -> Arc<Slot> {
        let (interval, deadline) = (Duration::from_millis(20), Duration::from_millis(50));
        Arc::new(Slot::new(name.to_owned(), interval + deadline, Readings::default()))
    }

    /// A reader that shows how often it was asked, after `each` had its way.
    fn counting(counter: &Arc<AtomicUsize>, each: impl Fn(usize) + Clone + Send + Sync + 'static) -> Make {
        let counter = Arc::clone(counter);
        Box::new(move || {
            let (counter, each) = (Arc::clone(&counter), each.clone());
            Box::new(move |out| {
                let turn = counter.fetch_add(1, Ordering::Relaxed);
                each(turn);
                out.add(&LEVEL, Vec::new(), turn as f64);
                Ok(())
            })
        })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn one_that_hangs_holds_up_nobody_and_stays_the_only_one() {
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let (hangs, counts) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut round = Round::new();
        let (first, second) = (slot("first"), slot("second"));
        let (interval, deadline) = (Duration::from_millis(20), Duration::from_millis(50));
        let hang = counting(&hangs, move |turn| {
            if turn == 0 {
                let _ = lock(&released).recv();
            }
        });
        round.push(interval, deadline, Arc::clone(&first), hang);
        round.push(interval, deadline, Arc::clone(&second), counting(&counts, |_| ()));
        let round = Arc::new(round);
        round.start().expect("a thread");
        tokio::spawn(Arc::clone(&round).watch());
        until("the deadline of the first", || value(&first, "sidetone_source_up") == Some(0.0)).await;
        until("ten samples of the second", || value(&second, "level").is_some_and(|level| level > 10.0)).await;
        assert_eq!(hangs.load(Ordering::Relaxed), 1);
        assert_eq!(value(&second, "sidetone_source_up"), Some(1.0));
        // A sample that still runs takes longer and longer.
        assert!(value(&first, "sidetone_source_duration_seconds").is_some_and(|seconds| seconds > 0.2));
        release.send(()).expect("it waits");
        until("the sample after the late one", || value(&first, "sidetone_source_up") == Some(1.0)).await;
        round.stop();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn one_that_panics_is_made_anew() {
        let counts = Arc::new(AtomicUsize::new(0));
        let only = slot("only");
        let mut round = Round::new();
        let panics = counting(&counts, |turn| assert!(turn != 1, "as the test wants it"));
        round.push(Duration::from_millis(20), Duration::from_millis(500), Arc::clone(&only), panics);
        let round = Arc::new(round);
        round.start().expect("a thread");
        until("the sample behind the panic", || value(&only, "level").is_some_and(|level| level >= 2.0)).await;
        assert_eq!(value(&only, "sidetone_source_up"), Some(1.0));
        round.stop();
    }
}
