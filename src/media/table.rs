//! The stream table: a slab of streams, and an index over it.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::cap::Cap;
use crate::fetch::fetch;
use crate::index::Index;
use crate::time::Timestamp;

use super::key::Key;
use super::stream::{HOT_LINES, Stream};

/// How many entries are looked at to find one to evict: sampling keeps an eviction at constant cost under a flood.
const EVICTION_SAMPLE: usize = 16;

/// A slot that no stream has.
pub const NOWHERE: u32 = u32::MAX;
/// Streams of a block.
const BLOCK: usize = 256;

/// Streams by key, at most `capacity` of them.
#[derive(Debug)]
pub struct Table {
    hasher: RandomState,
    index: Index,
    /// Streams, in blocks that never move: as they grow no stream is copied. What the index does not point at is free.
    blocks: Vec<Box<[Stream; BLOCK]>>,
    /// Slots that were in use at some time.
    used: u32,
    free: Vec<u32>,
    cap: Cap,
    /// Where the next search for an entry to evict begins.
    hand: u32,
}

impl Table {
    pub fn new(capacity: usize) -> Table {
        Table {
            hasher: RandomState::default(),
            index: Index::default(),
            blocks: Vec::new(),
            used: 0,
            free: Vec::new(),
            cap: Cap::new(capacity, 1),
            hand: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.index.len()
    }

    #[inline(always)]
    fn slot(&self, at: u32) -> Option<&Stream> {
        self.blocks.get(at as usize / BLOCK).map(|block| &block[at as usize % BLOCK])
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
    pub fn likely(&self, fingerprint: u32) -> u32 {
        let Some(at) = self.index.find(fingerprint, |_| true) else { return NOWHERE };
        if let Some(stream) = self.slot(at) {
            fetch(stream, HOT_LINES);
        }
        at
    }

    #[inline(always)]
    pub fn find(&self, key: &Key) -> Option<u32> {
        let is = |at: u32| self.slot(at).is_some_and(|stream| stream.key == *key);
        self.index.find(self.fingerprint(key), is)
    }

    #[inline(always)]
    pub fn get(&self, at: u32) -> Option<&Stream> {
        self.slot(at).filter(|stream| stream.in_use)
    }

    #[inline(always)]
    pub fn get_mut(&mut self, at: u32) -> Option<&mut Stream> {
        let slot = self.blocks.get_mut(at as usize / BLOCK).map(|block| &mut block[at as usize % BLOCK]);
        slot.filter(|stream| stream.in_use)
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
        let at = self.free.pop().unwrap_or(self.used);
        self.used = self.used.max(at + 1);
        let (block, place) = (at as usize / BLOCK, at as usize % BLOCK);
        if block == self.blocks.len() {
            let mut unused = stream.clone();
            unused.in_use = false;
            self.blocks.extend(Box::try_from(vec![unused; BLOCK]));
        }
        self.blocks[block][place] = stream;
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
        let slots = self.slots();
        let mut oldest: Option<(u32, Timestamp)> = None;
        let mut seen = 0;
        for _ in 0..slots {
            self.hand = (self.hand + 1) % slots;
            let Some(stream) = self.get(self.hand) else { continue };
            if oldest.is_none_or(|(_, other)| stream.last_arrival < other) {
                oldest = Some((self.hand, stream.last_arrival));
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
        self.used
    }
}
