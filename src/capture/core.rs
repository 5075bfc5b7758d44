//! The thread that owns the interfaces and the core, and answers requests between two batches. With several workers the others read
//! the media for it.

#![allow(clippy::disallowed_methods)] // The capture side of the program is where clocks belong.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::{info, warn};

use crate::config::{Capture as Config, Limits};
use crate::engine::{Batch, Engine, Share};

use super::clock::Clock;
use super::fanout::Group;
use super::filter::Part;
use super::hep::{self, Inbox};
use super::live::{self, BATCH, IDLE, Interface, LiveError};
use super::memory::Memory;
use super::order::Order;
use super::overload::Overload;
use super::reader::{self, Lost, Reader, Shared};
use super::slot::{Slot, Wanted};
use super::worker::{PAUSE, Request, StartError, wake};

/// Batches of mirrored packets taken in a turn.
const MIRRORED_BATCHES: usize = 16;
/// Batches of readers taken in a turn.
const READ_BATCHES: usize = 64;
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// Rings of an interface: two parts, or signalling and a share of media for each of 31 readers.
const MAX_RINGS: usize = 64;
/// How long a frame waits for those of other rings: the kernel keeps them for 100 ms, and this thread has other things to do.
const HOLD: Duration = Duration::from_millis(150);

pub struct Capture {
    config: Config,
    engine: Engine,
    slots: Vec<Slot>,
    pub capturing: Arc<AtomicBool>,
    /// Mirrored packets, and their interface's number in the core.
    mirrored: Option<(Inbox, usize)>,
    /// The frames of all rings in the order of their times.
    order: Order,
    /// What other threads have read, and lost: with the interface's number in the core.
    read: Receiver<(usize, Batch)>,
    lost: Vec<(usize, Arc<Lost>)>,
    pub shared: Arc<Shared>,
    overload: Overload,
    memory: Memory,
    /// Frames read and lost up to the last look at them.
    counted: (u64, u64),
    clock: Clock,
}

impl Capture {
    /// Opens the interfaces, for this thread and the others.
    pub fn open(
        (mut config, limits): (Config, Limits),
        mut engine: Engine,
        mirrored: Option<Inbox>,
        wake: &Arc<OwnedFd>,
    ) -> Result<(Capture, Vec<Reader>), StartError> {
        let names = live::interfaces(&config)?;
        if config.interfaces.is_empty() {
            config.ring_size = live::shared_ring_size(config.ring_size, names.len());
        }
        let mirrored = mirrored.map(|inbox| (inbox, engine.add_interface(hep::INTERFACE)));
        if let Some(numbers) = mirrored.as_ref().and_then(|(_, index)| engine.interface(*index)) {
            numbers.up = true;
        }
        let readers = config.workers - 1;
        let (queue, read) = sync_channel(reader::QUEUE * readers.max(1));
        let mut capture = Capture {
            capturing: Arc::new(AtomicBool::new(mirrored.is_some())),
            config,
            engine,
            slots: Vec::new(),
            mirrored,
            order: Order::default(),
            read,
            lost: Vec::new(),
            shared: Arc::default(),
            overload: Overload::default(),
            memory: Memory::new(u64::from(limits.memory)),
            counted: (0, 0),
            clock: Clock::new(),
        };
        let mut readers: Vec<Reader> = (0..readers).map(|_| capture.reader(queue.clone(), wake)).collect();
        let mut failure = None;
        for name in names {
            match capture.add(&name, &mut readers) {
                Ok(()) => {}
                Err(error) if error.may_pass() => {
                    warn!(interface = %name, "{error}");
                    failure = Some(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        let is_fed = capture.config.is_off() && capture.mirrored.is_some();
        if !is_fed && !capture.slots.iter().any(Slot::is_open) {
            return Err(failure.map_or(StartError::NoInterface, StartError::Live));
        }
        Ok((capture, readers))
    }

    fn reader(&self, queue: reader::Queue, wake: &Arc<OwnedFd>) -> Reader {
        Reader {
            config: self.config.clone(),
            slots: Vec::new(),
            queue,
            pool: self.order.pool.clone(),
            shared: Arc::clone(&self.shared),
            core: Arc::clone(wake),
        }
    }

    /// Adds an interface, open or to be tried again; where there are readers, they share its media.
    fn add(&mut self, name: &str, readers: &mut [Reader]) -> Result<(), LiveError> {
        let index = self.engine.add_interface(name);
        let wanted = |part, group| Wanted { part, group };
        let (mut own, group) = (vec![wanted(Part::Signalling, None)], Group::default());
        if readers.is_empty() {
            own.push(wanted(Part::Media, None));
        }
        let mut slot = Slot::new(name, index, own);
        let mut result = slot.open(&self.config);
        self.slots.push(slot);
        for (number, reader) in readers.iter_mut().enumerate() {
            let mut slot = Slot::new(name, index, vec![wanted(Part::Media, Some(group.clone()))]);
            result = result.and_then(|()| slot.open(&reader.config));
            let lost = Arc::new(Lost::default());
            self.lost.push((index, Arc::clone(&lost)));
            reader.slots.push((slot, source(index, Part::BOTH.len() + number), lost));
        }
        self.mark(self.slots.len() - 1);
        result
    }

    /// Says of a slot that was just opened or closed what has become of it, and whether anything is captured at all.
    fn mark(&mut self, at: usize) {
        let slot = &self.slots[at];
        if let Some(numbers) = self.engine.interface(slot.index) {
            numbers.up = slot.is_open();
        }
        let some = self.mirrored.is_some() || self.slots.iter().any(Slot::is_open);
        self.capturing.store(some, Ordering::Relaxed);
    }

    pub fn run(mut self, inbox: &Receiver<Request>, signal: &OwnedFd) {
        let mut housekeeping = Instant::now();
        loop {
            self.wait(signal);
            self.look_at_clock();
            for slot in 0..self.slots.len() {
                self.read(slot);
            }
            self.take_read();
            self.order.release(&mut self.engine, self.clock.now() - HOLD);
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
        let fds = self.slots.iter().flat_map(Slot::rings).map(Interface::fd);
        let mut polled: Vec<PollFd<'_>> =
            std::iter::once(signal.as_fd()).chain(fds).map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let patience = if self.order.is_empty() { IDLE } else { HOLD / 4 };
        let timeout = Timespec { tv_sec: 0, tv_nsec: patience.as_nanos() as i64 };
        // An interrupted wait is as good as one that is over.
        let _ = poll(&mut polled, Some(&timeout));
        if !polled[0].revents().is_empty() {
            // Nothing to read means that the wake-up was taken before.
            let _ = rustix::io::read(signal, &mut [0u8; 8]);
        }
    }

    /// Takes what waits in the rings of an interface, signalling first.
    fn read(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        let (index, share, clock) = (slot.index, self.overload.share(), &self.clock);
        for part in Part::BOTH {
            let Some(ring) = slot.ring(part as usize) else { continue };
            let (link, mut batch) = (ring.link(), self.order.pool.blank(index));
            let take = |stamp, length, data: &[u8]| batch.put(share, clock.time_of(stamp), link, length, data);
            let read = ring.read(BATCH, take);
            self.order.put(&mut self.engine, source(index, part as usize), batch);
            if let Err(error) = read {
                slot.close(&self.config, &error);
                return self.mark(at);
            }
        }
    }

    /// What the other threads have read.
    fn take_read(&mut self) {
        for (source, mut batch) in self.read.try_iter().take(READ_BATCHES) {
            batch.retime(|stamp| self.clock.time_of(stamp));
            self.order.put(&mut self.engine, source, batch);
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

    /// Once a second: timers by the wall clock, drop counters, interfaces that came back, how much can be followed.
    fn housekeeping(&mut self) {
        self.engine.tick(self.clock.now());
        for at in 0..self.slots.len() {
            let slot = &mut self.slots[at];
            if slot.reopen(&self.config) {
                let index = slot.index;
                if let Some(numbers) = self.engine.interface(index) {
                    numbers.reopens += 1;
                }
                self.mark(at);
            }
        }
        let (read, lost) = self.count_drops();
        let (read_before, lost_before) = std::mem::replace(&mut self.counted, (read, lost));
        if let Some(short) = self.memory.second() {
            self.engine.hold(short);
        }
        if self.config.shed_media
            // libpcap's own counters have 32 bits, and may begin anew.
            && let Some(share) = self.overload.second(read.saturating_sub(read_before), lost.saturating_sub(lost_before))
        {
            self.follow(share);
        }
    }

    fn follow(&mut self, share: Share) {
        match share {
            Share::ALL => info!("all media is followed again"),
            share => warn!(
                "more traffic than can be read: of the media streams one in {} is followed",
                1u32 << share.halvings()
            ),
        }
        self.shared.follow(share);
        self.slots.iter_mut().for_each(|slot| slot.follow(&self.config, share));
        self.engine.follow(share);
    }

    /// Frames that were read and lost so far.
    fn count_drops(&mut self) -> (u64, u64) {
        let (mut read, mut lost) = (0, 0);
        for slot in &mut self.slots {
            let drops = slot.drops();
            let others = || self.lost.iter().filter(|(index, _)| *index == slot.index);
            let sum = |count: fn(&Lost) -> &AtomicU64| -> u64 {
                others().map(|(_, lost)| count(lost).load(Ordering::Relaxed)).sum()
            };
            let Some(numbers) = self.engine.interface(slot.index) else { continue };
            numbers.dropped_kernel = drops.kernel + sum(|lost| &lost.kernel);
            numbers.dropped_interface = drops.interface;
            numbers.dropped_queue = sum(|lost| &lost.queue);
            read += numbers.packets;
            lost += numbers.dropped_kernel + numbers.dropped_queue;
        }
        (read, lost)
    }
}

/// The number of a ring as a source of frames.
fn source(interface: usize, ring: usize) -> usize {
    interface * MAX_RINGS + ring
}
