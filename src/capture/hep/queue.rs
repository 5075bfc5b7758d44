//! From the listener's tasks to the capture worker: batches over a bounded queue, which drops and counts when it is full.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use crate::time::Timestamp;
use crate::wire::hep::{Mirrored, Refused};

use super::super::worker::wake;
use super::Counters;

/// Batches that wait for the worker: with the bounds below at most 20 MiB.
const BATCHES: usize = 64;
/// Packets of a batch, and bytes that it may have before the last one.
const PACKETS: usize = 256;
const BYTES: usize = 256 << 10;

/// Packets in the order in which one task received them, each with its time of arrival.
#[derive(Debug, Default)]
pub struct Batch {
    packets: Vec<(Timestamp, Mirrored<'static>)>,
    bytes: usize,
}

impl Batch {
    pub(super) fn push(&mut self, arrival: Timestamp, packet: Mirrored<'static>) {
        self.bytes += packet.payload.len();
        self.packets.push((arrival, packet));
    }

    pub(super) fn is_full(&self) -> bool {
        self.packets.len() >= PACKETS || self.bytes >= BYTES
    }

    pub fn packets(&self) -> &[(Timestamp, Mirrored<'static>)] {
        &self.packets
    }
}

/// The worker's end of the queue.
pub type Inbox = Receiver<Batch>;

/// A queue; its sending end becomes a [`Sink`] when there is a worker to wake.
pub fn queue() -> (SyncSender<Batch>, Inbox) {
    sync_channel(BATCHES)
}

/// Where tasks put what they received.
#[derive(Clone)]
pub struct Sink {
    queue: SyncSender<Batch>,
    wake: Arc<OwnedFd>,
    pub counters: Arc<Counters>,
}

impl Sink {
    pub(super) fn new(queue: SyncSender<Batch>, wake: Arc<OwnedFd>, counters: Arc<Counters>) -> Sink {
        Sink { queue, wake, counters }
    }

    /// Hands a batch over, and leaves an empty one.
    pub(super) fn send(&self, batch: &mut Batch) {
        if batch.packets.is_empty() {
            return;
        }
        match self.queue.try_send(std::mem::take(batch)) {
            Ok(()) => wake(&self.wake),
            // Without its worker the program is about to end.
            Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => {
                self.counters.no_room_for(batch.packets.len());
            }
        }
    }

    pub(super) fn take(&self, batch: &mut Batch, arrival: Timestamp, packet: Result<Mirrored<'static>, Refused>) {
        match packet {
            Ok(packet) => batch.push(arrival, packet),
            Err(reason) => self.counters.reject(reason),
        }
    }
}
