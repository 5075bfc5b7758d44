//! A further thread that reads media: the kernel deals flows out to such threads, and each hands on what it has read, decoded as far as
//! that takes no state.

#![allow(clippy::disallowed_methods)] // The capture side of the program is where clocks belong.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::config::Capture as Config;
use crate::engine::{Batch, Share};

use super::live::{BATCH, IDLE};
use super::order::Pool;
use super::slot::Slot;
use super::worker::wake;

/// How often drops are looked at, and interfaces that had gone.
const HOUSEKEEPING: Duration = Duration::from_millis(500);
/// Batches of a reader that wait for the core; then frames are dropped, and counted.
pub const QUEUE: usize = 16;

/// What the core and its readers tell each other.
#[derive(Debug, Default)]
pub struct Shared {
    stop: AtomicBool,
    /// How often the media that is followed was halved.
    halvings: AtomicU8,
}

impl Shared {
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub fn follow(&self, share: Share) {
        self.halvings.store(share.halvings(), Ordering::Relaxed);
    }
}

/// Frames of one interface that a reader lost.
#[derive(Debug, Default)]
pub struct Lost {
    pub kernel: AtomicU64,
    pub queue: AtomicU64,
}

/// Where a reader's batches go: the number of their source, and they.
pub type Queue = SyncSender<(usize, Batch)>;

pub struct Reader {
    pub config: Config,
    /// Media rings, with the number of each as a source, and what is lost there.
    pub slots: Vec<(Slot, usize, Arc<Lost>)>,
    pub queue: Queue,
    pub pool: Pool,
    pub shared: Arc<Shared>,
    /// What wakes the core.
    pub core: Arc<OwnedFd>,
}

impl Reader {
    pub fn start(self, number: usize) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name(format!("media-{number}")).spawn(move || self.run())
    }

    fn run(mut self) {
        let mut housekeeping = Instant::now();
        while !self.shared.stop.load(Ordering::Relaxed) {
            self.wait();
            for slot in 0..self.slots.len() {
                self.read(slot);
            }
            if housekeeping.elapsed() >= HOUSEKEEPING {
                housekeeping = Instant::now();
                for (slot, _, lost) in &mut self.slots {
                    slot.reopen(&self.config);
                    lost.kernel.store(slot.drops().kernel, Ordering::Relaxed);
                }
            }
        }
    }

    fn wait(&self) {
        let rings = self.slots.iter().flat_map(|(slot, ..)| slot.rings());
        let mut polled: Vec<PollFd<'_>> =
            rings.map(|ring| PollFd::from_borrowed_fd(ring.fd(), PollFlags::IN)).collect();
        let timeout = Timespec { tv_sec: 0, tv_nsec: IDLE.as_nanos() as i64 };
        // An interrupted wait is as good as one that is over.
        let _ = poll(&mut polled, Some(&timeout));
    }

    fn read(&mut self, at: usize) {
        let share = Share::of_halvings(self.shared.halvings.load(Ordering::Relaxed));
        let (slot, source, lost) = &mut self.slots[at];
        slot.follow(&self.config, share);
        let mut batch = self.pool.blank(slot.index);
        let Some(ring) = slot.ring(0) else { return self.pool.keep(batch) };
        let link = ring.link();
        // The stamps are the wall clock's: what time it was is the core's to say.
        let read = ring.read(BATCH, |stamp, length, data| batch.put(share, stamp, link, length, data));
        if let Err(error) = read {
            slot.close(&self.config, &error);
        }
        if batch.frames() == 0 {
            return self.pool.keep(batch);
        }
        match self.queue.try_send((*source, batch)) {
            Ok(()) => wake(&self.core),
            // Without the core it is over; `stop` comes next.
            Err(TrySendError::Full((_, batch)) | TrySendError::Disconnected((_, batch))) => {
                lost.queue.fetch_add(batch.frames(), Ordering::Relaxed);
            }
        }
    }
}
