//! A capture worker: one thread that owns its interfaces and its core, and answers requests between two batches.

#![allow(clippy::disallowed_methods)] // The capture side of the program is where clocks belong.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use tokio::sync::oneshot;
use tracing::warn;

use crate::config::Capture as Config;
use crate::engine::{Engine, Snapshot};
use crate::numbers::Family;

use super::clock::Clock;
use super::hep::{self, Inbox};
use super::live::{self, Drops, IDLE, Interface, LiveError};
use super::order::{Frame, Order};

/// Frames taken from one interface before the others and the requests have their turn.
const BATCH: usize = 4096;
/// Batches of mirrored packets taken in a turn.
const MIRRORED_BATCHES: usize = 16;
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// How long a frame waits for those of other interfaces: the kernel keeps them for 50 ms, and this thread has other things to do.
const HOLD: Duration = Duration::from_millis(80);

/// How long a scrape keeps a worker from its frames.
pub const PAUSE: &str = "sidetone_scrape_pause_seconds";
/// The smallest ring (1 MiB) holds a few milliseconds of a million packets a second; an empty agent takes some microseconds.
pub const PAUSE_BOUNDS: &[f64] = &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1];

/// The families of this file.
pub const FAMILIES: &[Family] = &[Family::histogram(
    PAUSE,
    "seconds",
    &[],
    "Time for which a capture worker read no frames because it copied its numbers for a scrape; they wait in the ring meanwhile.",
)];

/// What others ask of a worker.
enum Request {
    Snapshot(oneshot::Sender<Snapshot>),
    Stop,
}

/// The handle of a running worker.
pub struct Worker {
    requests: Sender<Request>,
    wake: Arc<OwnedFd>,
    capturing: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Asks a worker for its numbers; as many as wanted may be made.
#[derive(Clone)]
pub struct Asker {
    requests: Sender<Request>,
    wake: Arc<OwnedFd>,
}

/// The worker has ended and answers no more.
#[derive(Debug, thiserror::Error)]
#[error("the capture worker has ended")]
pub struct Ended;

impl Asker {
    /// The worker's numbers at its next pause, a batch of frames from now at most.
    pub async fn snapshot(&self) -> Result<Snapshot, Ended> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Snapshot(answer)).map_err(|_| Ended)?;
        wake(&self.wake);
        answered.await.map_err(|_| Ended)
    }
}

impl Worker {
    /// Opens the interfaces and starts the thread, which takes mirrored packets too where there is an inbox for them. Fails where
    /// nothing at all can be captured.
    pub fn start(config: Config, engine: Engine, mirrored: Option<Inbox>) -> Result<Worker, StartError> {
        let capture = Capture::open(config, engine, mirrored)?;
        let wake = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).map_err(io::Error::from)?);
        let (requests, inbox) = channel();
        let signal = Arc::clone(&wake);
        let capturing = Arc::clone(&capture.capturing);
        let thread = std::thread::Builder::new()
            .name("capture".into())
            .spawn(move || capture.run(&inbox, &signal))
            .map_err(StartError::Thread)?;
        Ok(Worker { requests, wake, capturing, thread })
    }

    pub fn asker(&self) -> Asker {
        Asker { requests: self.requests.clone(), wake: Arc::clone(&self.wake) }
    }

    /// What wakes the thread.
    pub fn alarm(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.wake)
    }

    /// True while at least one interface is open, or mirrored packets are taken.
    pub fn capturing(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.capturing)
    }

    /// Whether the thread still runs.
    pub fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Ends the thread and waits for it.
    pub fn stop(self) {
        // A worker that has ended already has dropped its inbox: nothing is left to stop.
        let _ = self.requests.send(Request::Stop);
        wake(&self.wake);
        if self.thread.join().is_err() {
            warn!("the capture worker had panicked");
        }
    }
}

/// Why a worker could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error("there is no interface to capture\n  hint: bring one up, or name one in capture.interfaces")]
    NoInterface,
    #[error("cannot make a wake-up descriptor: {0}")]
    Wake(#[from] io::Error),
    #[error("cannot start the capture thread: {0}")]
    Thread(io::Error),
}

/// An interface by name, open or waiting to be tried again.
struct Slot {
    name: String,
    /// Number in the core.
    index: usize,
    open: Option<Interface>,
    retry: Instant,
    /// Drops of the times that it was open before.
    drops_before: Drops,
}

struct Capture {
    config: Config,
    engine: Engine,
    slots: Vec<Slot>,
    capturing: Arc<AtomicBool>,
    /// Mirrored packets, and their interface's number in the core.
    mirrored: Option<(Inbox, usize)>,
    /// Where there are several interfaces, their frames in the order of their times.
    order: Option<Order>,
    clock: Clock,
}

impl Capture {
    fn open(mut config: Config, mut engine: Engine, mirrored: Option<Inbox>) -> Result<Capture, StartError> {
        let names = live::interfaces(&config)?;
        if config.interfaces.is_empty() {
            config.ring_size = live::shared_ring_size(config.ring_size, names.len());
        }
        let mirrored = mirrored.map(|inbox| (inbox, engine.add_interface(hep::INTERFACE)));
        if let Some(numbers) = mirrored.as_ref().and_then(|(_, index)| engine.interface(*index)) {
            numbers.up = true;
        }
        let capturing = Arc::new(AtomicBool::new(mirrored.is_some()));
        let is_off = config.is_off();
        let order = (names.len() > 1).then(Order::default);
        let mut capture =
            Capture { config, engine, slots: Vec::new(), capturing, mirrored, order, clock: Clock::new() };
        let mut failure = None;
        for name in names {
            match capture.add(&name) {
                Ok(()) => {}
                Err(error) if error.may_pass() => {
                    warn!(interface = %name, "{error}");
                    failure = Some(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if capture.slots.iter().all(|slot| slot.open.is_none()) && !(is_off && capture.mirrored.is_some()) {
            return Err(failure.map_or(StartError::NoInterface, StartError::Live));
        }
        Ok(capture)
    }

    /// Adds an interface, open or to be tried again.
    fn add(&mut self, name: &str) -> Result<(), LiveError> {
        let index = self.engine.add_interface(name);
        let opened = Interface::open(name, &self.config);
        let (open, result) = match opened {
            Ok(interface) => (Some(interface), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.slots.push(Slot {
            name: name.to_owned(),
            index,
            open,
            retry: Instant::now() + self.config.reopen_interval,
            drops_before: Drops::default(),
        });
        self.mark(self.slots.len() - 1);
        result
    }

    /// Says of a slot that was just opened or closed what has become of it, and whether anything is captured at all.
    fn mark(&mut self, at: usize) {
        let slot = &self.slots[at];
        if let Some(numbers) = self.engine.interface(slot.index) {
            numbers.up = slot.open.is_some();
        }
        let some = self.mirrored.is_some() || self.slots.iter().any(|slot| slot.open.is_some());
        self.capturing.store(some, Ordering::Relaxed);
    }

    fn run(mut self, inbox: &Receiver<Request>, signal: &OwnedFd) {
        let mut housekeeping = Instant::now();
        loop {
            self.wait(signal);
            self.look_at_clock();
            for slot in 0..self.slots.len() {
                self.read(slot);
            }
            self.take_ordered();
            self.take_mirrored(signal);
            if housekeeping.elapsed() >= HOUSEKEEPING {
                housekeeping = Instant::now();
                self.housekeeping();
            }
            while let Ok(request) = inbox.try_recv() {
                match request {
                    Request::Snapshot(answer) => {
                        let began = Instant::now();
                        self.count_drops();
                        let snapshot = self.engine.snapshot();
                        metrics::histogram!(PAUSE).record(began.elapsed().as_secs_f64());
                        // Whoever asked may have given up waiting.
                        let _ = answer.send(snapshot);
                    }
                    Request::Stop => return,
                }
            }
        }
    }

    /// Sleeps until frames or a request come, or it is time for housekeeping.
    fn wait(&mut self, signal: &OwnedFd) {
        let fds = self.slots.iter().filter_map(|slot| Some(slot.open.as_ref()?.fd()));
        let mut polled: Vec<PollFd<'_>> =
            std::iter::once(signal.as_fd()).chain(fds).map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let frames_wait = self.order.as_ref().is_some_and(|order| !order.is_empty());
        let patience = if frames_wait { HOLD / 4 } else { IDLE };
        let timeout = Timespec { tv_sec: 0, tv_nsec: patience.as_nanos() as i64 };
        // An interrupted wait is as good as one that is over.
        let _ = poll(&mut polled, Some(&timeout));
        if !polled[0].revents().is_empty() {
            // Nothing to read means that the wake-up was taken before.
            let _ = rustix::io::read(signal, &mut [0u8; 8]);
        }
    }

    fn read(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        let Some(interface) = &mut slot.open else { return };
        let (link, index, engine, order) = (interface.link(), slot.index, &mut self.engine, &mut self.order);
        let clock = &self.clock;
        let read = interface.read(BATCH, |stamp, length, data| match (clock.time_of(stamp), order.as_mut()) {
            (time, Some(order)) => order.put(&Frame { interface: index, time, link, length, data }),
            (time, None) => engine.frame(index, time, link, length, data),
        });
        if let Err(error) = read {
            let lost = interface.drops();
            warn!(interface = %slot.name, "capture ended: {error}; trying again every {:?}", self.config.reopen_interval);
            slot.drops_before.kernel += lost.kernel;
            slot.drops_before.interface += lost.interface;
            slot.open = None;
            slot.retry = Instant::now() + self.config.reopen_interval;
            self.mark(at);
        }
    }

    /// Whoever sets the wall clock is followed where people read it, and nowhere else.
    fn look_at_clock(&mut self) {
        if self.clock.look() {
            let ahead = self.clock.set_nanos();
            warn!("the wall clock was set: it is {:.3} s ahead of when this program started", ahead as f64 / 1e9);
            self.engine.clock_was_set(ahead);
        }
    }

    /// Frames for which nothing older can come any more.
    fn take_ordered(&mut self) {
        let Some(order) = self.order.as_mut().filter(|order| !order.is_empty()) else { return };
        let engine = &mut self.engine;
        let take = |frame: &Frame<'_>| engine.frame(frame.interface, frame.time, frame.link, frame.length, frame.data);
        order.release(self.clock.now() - HOLD, take);
    }

    /// A bounded share of what mirrors sent; the rest wakes the thread at once.
    fn take_mirrored(&mut self, signal: &OwnedFd) {
        let Some((inbox, index)) = &self.mirrored else { return };
        for _ in 0..MIRRORED_BATCHES {
            let Ok(batch) = inbox.try_recv() else { return };
            for (arrival, packet) in batch.packets() {
                self.engine.mirrored(*index, self.clock.time_of(*arrival), packet);
            }
        }
        wake(signal);
    }

    /// Once a second: timers by the wall clock, drop counters, interfaces that came back.
    fn housekeeping(&mut self) {
        self.engine.tick(self.clock.now());
        self.count_drops();
        for at in 0..self.slots.len() {
            if self.slots[at].open.is_none() && Instant::now() >= self.slots[at].retry {
                self.reopen(at);
            }
        }
    }

    fn count_drops(&mut self) {
        for slot in &mut self.slots {
            let now = slot.open.as_mut().map_or(Drops::default(), Interface::drops);
            if let Some(numbers) = self.engine.interface(slot.index) {
                numbers.dropped_kernel = slot.drops_before.kernel + now.kernel;
                numbers.dropped_interface = slot.drops_before.interface + now.interface;
            }
        }
    }

    fn reopen(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        slot.retry = Instant::now() + self.config.reopen_interval;
        match Interface::open(&slot.name, &self.config) {
            Ok(interface) => {
                slot.open = Some(interface);
                if let Some(numbers) = self.engine.interface(slot.index) {
                    numbers.reopens += 1;
                }
                self.mark(at);
            }
            Err(error) => tracing::debug!(interface = %slot.name, "still not there: {error}"),
        }
    }
}

pub(super) fn wake(signal: &OwnedFd) {
    // Were it full, the worker would be awake already.
    let _ = rustix::io::write(signal, &1u64.to_ne_bytes());
}
