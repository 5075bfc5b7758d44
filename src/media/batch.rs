//! RTP packets on their way to their streams. With thousands of streams the next one is not in the processor's cache: packets
//! are taken in batches, in which each one's stream is asked for a few packets before its turn. The last few of a batch wait for the
//! next one, so that theirs is on its way meanwhile.

use crate::time::Timestamp;
use crate::wire::Datagram;
use crate::wire::rtp::Packet;

use super::Media;
use super::candidates::Arrived;
use super::key::Key;
use super::table::NOWHERE;

/// Packets of a batch.
const SIZE: usize = 32;
/// Packets under way at once: a batch, and those of the next whose streams are asked for.
pub const UNDER_WAY: usize = SIZE + LOOK_UP;
/// How many packets before its turn a packet's stream is looked up, and asked for: at some 20 ns a packet that covers the time
/// that memory takes.
const LOOK_UP: usize = 8;
/// And what the relay keeps of one that may be relayed.
const RELAYING: usize = 3;

/// A packet and where its stream probably is.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pub key: Key,
    pub arrived: Arrived,
    /// What the stream is looked up by.
    pub fingerprint: u32,
    /// The slot whose fingerprint fits, once it has been looked up; the key itself is compared when the packet's turn comes.
    pub likely: u32,
}

impl Media {
    /// Takes an RTP packet. It counts once a few more have come, or [`Self::settle`] is called.
    #[inline(always)]
    pub fn rtp(&mut self, now: Timestamp, datagram: &Datagram<'_>, packet: &Packet) {
        self.take(Key::of(datagram, packet.ssrc), Arrived { now, packet: *packet, point: datagram.point });
    }

    /// The same, of a packet that was read elsewhere.
    #[inline(always)]
    pub fn take(&mut self, key: Key, arrived: Arrived) {
        let fingerprint = self.streams.announce(&key);
        self.batch.push(Waiting { key, arrived, fingerprint, likely: NOWHERE });
        if self.batch.len() >= UNDER_WAY {
            self.settle_batch(SIZE);
        }
    }

    /// Counts the packets that are still under way: before anything else happens to streams, and before numbers are read.
    #[inline]
    pub fn settle(&mut self) {
        if !self.batch.is_empty() {
            self.settle_batch(self.batch.len());
        }
    }

    /// Counts the first packets of those under way.
    #[inline(never)]
    fn settle_batch(&mut self, count: usize) {
        // Taken out and put back, so that its memory serves each time.
        let mut batch = std::mem::take(&mut self.batch);
        for waiting in batch.iter_mut().take(LOOK_UP).filter(|waiting| waiting.likely == NOWHERE) {
            waiting.likely = self.streams.likely(waiting.fingerprint);
        }
        for at in 0..count {
            if let Some(later) = batch.get_mut(at + LOOK_UP) {
                later.likely = self.streams.likely(later.fingerprint);
            }
            if let Some(later) = batch.get(at + RELAYING) {
                self.fetch_relaying(later.likely, &later.arrived.packet);
            }
            let waiting = &batch[at];
            match self.streams.get(waiting.likely) {
                Some(stream) if stream.key == waiting.key => self.packet(waiting.likely, &waiting.arrived),
                _ => self.arrived(waiting),
            }
        }
        batch.drain(..count);
        self.batch = batch;
    }

    /// A packet whose stream is not where it was looked for.
    #[cold]
    fn arrived(&mut self, waiting: &Waiting) {
        match self.streams.find(&waiting.key) {
            Some(at) => self.packet(at, &waiting.arrived),
            None => self.unknown(waiting.key, waiting.arrived),
        }
    }
}
