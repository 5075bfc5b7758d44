//! RTP packets on their way to their streams. With thousands of streams the next one is not in the processor's cache:
//! each packet's stream is fetched ahead, and the packet waits a few others long until it is there.

use crate::time::Timestamp;
use crate::wire::rtp::Packet;
use crate::wire::{Ip, Point};

use super::stream::Key;

/// Packets under way. At some 20 ns a packet this covers the time that memory takes: first for the index, then for the stream
/// that stands there, then for what the relay keeps of it.
const DEPTH: usize = 16;
/// How many packets before its turn a packet's stream is looked up, and asked for.
pub const LOOK_UP: usize = 9;
/// And the rest of one that may be relayed.
pub const RELAYING: usize = 3;

/// A packet and where its stream probably is.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pub now: Timestamp,
    pub key: Key,
    pub packet: Packet,
    pub point: Point,
    /// What the stream is looked up by.
    pub fingerprint: u32,
    /// The slot whose fingerprint fits, once it has been looked up; the key itself is compared when the packet's turn comes.
    pub likely: Option<u32>,
}

impl Waiting {
    const NONE: Waiting = Waiting {
        now: Timestamp::from_nanos(0),
        key: Key {
            source_ip: Ip::v4([0; 4]),
            destination_ip: Ip::v4([0; 4]),
            source_port: 0,
            destination_port: 0,
            ssrc: 0,
        },
        packet: Packet {
            ssrc: 0,
            timestamp: 0,
            sequence: 0,
            payload_type: 0,
            marker: false,
            payload_length: 0,
            head: 0,
        },
        point: Point::NOWHERE,
        fingerprint: 0,
        likely: None,
    };
}

/// Packets in the order in which they came.
#[derive(Debug)]
pub struct Pipeline {
    ring: [Waiting; DEPTH],
    /// Where the next goes, and with a full ring the oldest stands.
    next: usize,
    count: usize,
}

impl Default for Pipeline {
    fn default() -> Self {
        Pipeline { ring: [Waiting::NONE; DEPTH], next: 0, count: 0 }
    }
}

impl Pipeline {
    /// Takes a packet in; gives the oldest where there is no room for both.
    #[inline(always)]
    pub fn push(&mut self, waiting: Waiting) -> Option<Waiting> {
        let place = &mut self.ring[self.next % DEPTH];
        self.next = (self.next + 1) % DEPTH;
        let oldest = *place;
        *place = waiting;
        if self.count < DEPTH {
            self.count += 1;
            return None;
        }
        Some(oldest)
    }

    /// The packet that has its turn so many packets from now, of a full ring.
    #[inline(always)]
    pub fn ahead(&mut self, packets: usize) -> &mut Waiting {
        &mut self.ring[(self.next + packets) % DEPTH]
    }

    /// The oldest packet, until none is left.
    pub fn pop(&mut self) -> Option<Waiting> {
        self.count = self.count.checked_sub(1)?;
        Some(self.ring[(self.next + DEPTH - 1 - self.count) % DEPTH])
    }
}
