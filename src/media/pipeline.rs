//! RTP packets on their way to their streams. With thousands of streams the next one is not in the processor's cache:
//! each packet's stream is fetched ahead, and the packet waits a few others long until it is there.

use crate::time::Timestamp;
use crate::wire::Point;
use crate::wire::rtp::Packet;

use super::stream::Key;

/// Packets under way. At some 20 ns a packet this covers the time that memory takes.
const DEPTH: usize = 8;

/// A packet and where its stream probably is.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pub now: Timestamp,
    pub key: Key,
    pub packet: Packet,
    pub point: Point,
    /// The slot whose fingerprint fits; the key itself is compared when the packet's turn comes.
    pub likely: Option<u32>,
}

/// Packets in the order in which they came.
#[derive(Debug, Default)]
pub struct Pipeline {
    ring: [Option<Waiting>; DEPTH],
    /// Where the oldest stands, and where the next goes when the ring is full.
    next: usize,
    count: usize,
}

impl Pipeline {
    /// Takes a packet in; gives the oldest where there is no room for both.
    #[inline(always)]
    pub fn push(&mut self, waiting: Waiting) -> Option<Waiting> {
        let oldest = self.ring[self.next].replace(waiting);
        self.count += usize::from(oldest.is_none());
        self.next = (self.next + 1) % DEPTH;
        oldest
    }

    /// The oldest packet, until none is left.
    pub fn pop(&mut self) -> Option<Waiting> {
        if self.count == 0 {
            return None;
        }
        for _ in 0..DEPTH {
            let oldest = self.ring[self.next].take();
            self.next = (self.next + 1) % DEPTH;
            if oldest.is_some() {
                self.count -= 1;
                return oldest;
            }
        }
        None
    }
}
