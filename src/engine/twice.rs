//! Datagrams that were seen before at another point of their way: in and out of this host, inside and outside of a tunnel. Of SIP
//! messages `call::transactions` knows it, of RTP packets their stream.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::time::Timestamp;
use crate::wire::point::is_at_once;
use crate::wire::{Datagram, Point};

/// Where datagrams are remembered, by their hash; eight in each. 128 KiB, for 80,000 datagrams a second within the time in
/// which copies come, and hardly ever too many in one place below a quarter of that: at 3,000 once in days.
const BUCKETS: usize = 1024;
const WAYS: usize = 8;

/// What a datagram left behind.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Timestamp,
    /// The upper half of its hash; the lower one chose the bucket.
    tag: u32,
    /// [`Point::NOWHERE`] where none is.
    point: Point,
}

const EMPTY: Seen = Seen { at: Timestamp::from_nanos(0), tag: 0, point: Point::NOWHERE };

impl Seen {
    fn is_close_to(&self, now: Timestamp) -> bool {
        self.point != Point::NOWHERE && is_at_once(self.at, now)
    }
}

/// The last datagrams.
#[derive(Debug)]
pub struct Twice {
    hasher: RandomState,
    buckets: Box<[[Seen; WAYS]]>,
    latest: Timestamp,
    pub evicted: u64,
}

impl Default for Twice {
    fn default() -> Self {
        let buckets = vec![[EMPTY; WAYS]; BUCKETS].into();
        Twice { hasher: RandomState::default(), buckets, latest: Timestamp::default(), evicted: 0 }
    }
}

impl Twice {
    /// Datagrams whose copies are still told.
    pub fn len(&self) -> usize {
        self.buckets.iter().flatten().filter(|seen| seen.is_close_to(self.latest)).count()
    }

    /// Time passes, whether datagrams come or not.
    pub fn tick(&mut self, now: Timestamp) {
        self.latest = now;
    }

    /// Takes a datagram; tells whether the same one was there just before, at another point. At the same point it is a
    /// duplicate or sent again, and counts.
    pub fn is_copy(&mut self, now: Timestamp, datagram: &Datagram<'_>) -> bool {
        self.latest = now;
        let hash = self.hasher.hash_one((datagram.source, datagram.destination, datagram.payload));
        let (tag, bucket) = ((hash >> 32) as u32, &mut self.buckets[hash as usize % BUCKETS]);
        let same = |seen: &&mut Seen| seen.tag == tag && seen.is_close_to(now);
        if let Some(seen) = bucket.iter_mut().find(same) {
            if seen.point != datagram.point {
                return true;
            }
            seen.at = now;
            return false;
        }
        // The oldest gives way, and before it what is from a clock that was set back.
        if let Some(place) = bucket.iter_mut().max_by_key(|seen| now.nanos_since(seen.at).unsigned_abs()) {
            self.evicted += u64::from(place.is_close_to(now));
            *place = Seen { at: now, tag, point: datagram.point };
        }
        false
    }
}
