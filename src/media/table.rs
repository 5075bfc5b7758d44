//! The stream table: a slab of streams, and an index over it.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::cap::Cap;
use crate::fetch::fetch;
use crate::index::Index;

use super::key::Key;
use super::stream::Stream;

/// How many entries are looked at to find one to evict: sampling keeps an eviction at constant cost under a flood.
const EVICTION_SAMPLE: usize = 16;

/// Cache lines at the front of a stream that every packet touches.
const HOT_LINES: usize = 4;

/// Streams by key, at most `capacity` of them.
#[derive(Debug)]
pub struct Table {
    hasher: RandomState,
    index: Index,
    /// Streams; what the index does not point at is free.
    slots: Vec<Stream>,
    free: Vec<u32>,
    cap: Cap,
    /// Where the next search for an entry to evict begins.
    hand: usize,
}

impl Table {
    pub fn new(capacity: usize) -> Table {
        Table {
            hasher: RandomState::default(),
            index: Index::default(),
            slots: Vec::new(),
            free: Vec::new(),
            cap: Cap::new(capacity, 1),
            hand: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.index.len()
    }

    #[inline(always)]
    fn fingerprint(&self, key: &Key) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    /// What a stream is looked up by, and its place in the index on the way to the cache.
    #[inline(always)]
    pub fn announce(&self, key: &Key) -> u32 {
        let fingerprint = self.fingerprint(key);
        self.index.fetch(fingerprint);
        fingerprint
    }

    /// The slot whose fingerprint fits, its memory on the way to the cache. It may be another stream's.
    #[inline(always)]
    pub fn likely(&self, fingerprint: u32) -> Option<u32> {
        let at = self.index.find(fingerprint, |_| true)?;
        if let Some(stream) = self.slots.get(at as usize) {
            fetch(stream, HOT_LINES);
        }
        Some(at)
    }

    /// Asks for what a stream that may be relayed needs besides; its front has been fetched before.
    #[inline(always)]
    pub fn fetch_relaying(&self, at: u32) {
        if let Some(stream) = self.slots.get(at as usize).filter(|stream| stream.may_be_relayed) {
            fetch(&stream.duplicates, 1);
            fetch(&stream.relay, 1);
        }
    }

    #[inline(always)]
    pub fn find(&self, key: &Key) -> Option<u32> {
        let is = |at: u32| self.slots.get(at as usize).is_some_and(|stream| stream.key == *key);
        self.index.find(self.fingerprint(key), is)
    }

    pub fn get(&self, at: u32) -> Option<&Stream> {
        self.slots.get(at as usize).filter(|stream| stream.in_use)
    }

    #[inline(always)]
    pub fn get_mut(&mut self, at: u32) -> Option<&mut Stream> {
        self.slots.get_mut(at as usize).filter(|stream| stream.in_use)
    }

    /// Lets it grow no further, while memory is short.
    pub fn hold(&mut self, on: bool) {
        self.cap.hold(self.len(), on);
    }

    pub fn is_full(&self) -> bool {
        self.index.len() >= self.cap.most()
    }

    /// Puts a stream in; the caller has made room and knows that its key is not there.
    pub fn insert(&mut self, stream: Stream) -> u32 {
        let key = stream.key;
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = stream;
                at
            }
            None => {
                if self.slots.len() == self.slots.capacity() {
                    // Doubling would leave up to half of the slots unused.
                    self.slots.reserve_exact((self.slots.len() / 8).max(64));
                }
                self.slots.push(stream);
                self.slots.len() as u32 - 1
            }
        };
        self.index.insert(self.fingerprint(&key), at);
        at
    }

    pub fn remove(&mut self, at: u32) -> Option<Stream> {
        let slot = self.get_mut(at)?;
        let stream = slot.clone();
        slot.in_use = false;
        self.index.remove(self.fingerprint(&stream.key), at);
        self.free.push(at);
        Some(stream)
    }

    /// The longest idle of the next few entries.
    pub fn pick_for_eviction(&mut self) -> Option<u32> {
        let mut oldest: Option<(u32, &Stream)> = None;
        let mut seen = 0;
        for _ in 0..self.slots.len() {
            self.hand = (self.hand + 1) % self.slots.len();
            let Some(stream) = self.slots.get(self.hand).filter(|stream| stream.in_use) else { continue };
            if oldest.is_none_or(|(_, other)| stream.last_arrival < other.last_arrival) {
                oldest = Some((self.hand as u32, stream));
            }
            seen += 1;
            if seen == EVICTION_SAMPLE {
                break;
            }
        }
        oldest.map(|(at, _)| at)
    }

    /// Slots, free ones included, for a sweep by number.
    pub fn slots(&self) -> u32 {
        self.slots.len() as u32
    }
}
