//! Calls by Call-ID.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::cap::Cap;
use crate::fetch::fetch;
use crate::index::Index;

use super::dialog::{Call, State};
use super::transactions::Recent;

/// How many calls are looked at to find one to evict.
const EVICTION_SAMPLE: usize = 16;

/// Bits of a serial that are the call's slot: 16 million calls at once, and as many a second for 18 hours.
const SLOT_BITS: u32 = 24;

/// A place for a call, and its messages beside it: nearly each message needs both.
#[derive(Debug, Default)]
struct Slot {
    call: Option<Call>,
    recent: Recent,
}

/// At most `capacity` calls.
#[derive(Debug)]
pub struct Table {
    hasher: RandomState,
    /// By the lower half of the Call-ID's fingerprint; the call has all of it: of ten thousand calls two have the same once in 10^11 times.
    index: Index,
    slots: Vec<Slot>,
    free: Vec<u32>,
    cap: Cap,
    hand: usize,
    /// Calls that there were.
    count: u64,
    pub evicted: u64,
}

impl Table {
    /// `hasher` is the one that the fingerprints of Call-IDs, given to [`Self::find`], come from.
    pub fn new(capacity: usize, hasher: RandomState) -> Table {
        Table {
            hasher,
            index: Index::default(),
            slots: Vec::new(),
            free: Vec::new(),
            cap: Cap::new(capacity.min(1 << SLOT_BITS), 1),
            hand: 0,
            count: 0,
            evicted: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Lets it grow no further, while memory is short.
    pub fn hold(&mut self, on: bool) {
        self.cap.hold(self.len(), on);
    }

    pub fn is_full(&self) -> bool {
        self.index.len() >= self.cap.most()
    }

    /// Where the call of this Call-ID is.
    #[inline]
    pub fn find(&self, call_id: u64) -> Option<u32> {
        self.index.find(call_id as u32, |at| self.get(at).is_some_and(|call| call.call_id == call_id))
    }

    /// The fingerprint of a Call-ID that some header names.
    pub fn fingerprint(&self, call_id: &[u8]) -> u64 {
        self.hasher.hash_one(call_id)
    }

    /// Where the call of this number is.
    #[inline]
    pub fn by_serial(&self, serial: u64) -> Option<u32> {
        let at = slot_of(serial);
        self.get(at).filter(|call| call.serial == serial).map(|_| at)
    }

    /// Says that a Call-ID is looked for soon, to have its place in the index by then.
    #[inline]
    pub fn announce(&self, call_id: u64) {
        self.index.fetch(call_id as u32);
    }

    /// Asks for the memory of the call of a Call-ID, or of another that has half its fingerprint.
    #[inline]
    pub fn fetch(&self, call_id: u64) {
        if let Some(at) = self.index.find(call_id as u32, |_| true) {
            self.fetch_slot(at);
        }
    }

    /// Asks for the memory of the call of this number.
    #[inline]
    pub fn fetch_by_serial(&self, serial: u64) {
        self.fetch_slot(slot_of(serial));
    }

    #[inline]
    fn fetch_slot(&self, at: u32) {
        if let Some(slot) = self.slots.get(at as usize) {
            fetch(slot, usize::MAX);
        }
    }

    /// The messages of a call.
    #[inline]
    pub fn recent_mut(&mut self, at: u32) -> Option<&mut Recent> {
        self.slots.get_mut(at as usize).map(|slot| &mut slot.recent)
    }

    #[inline]
    pub fn get_mut(&mut self, at: u32) -> Option<&mut Call> {
        self.slots.get_mut(at as usize)?.call.as_mut()
    }

    #[inline]
    pub fn get(&self, at: u32) -> Option<&Call> {
        slot(&self.slots, at)
    }

    /// Puts a call in; it gets its serial here. The caller has made room and knows that its Call-ID is not there.
    pub fn insert(&mut self, mut call: Call) -> u32 {
        let at = self.free.pop().unwrap_or_else(|| {
            if self.slots.len() == self.slots.capacity() {
                // Doubling would leave up to half of the slots unused.
                let more = (self.slots.len() / 8).max(64);
                self.slots.reserve_exact(more);
            }
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        self.count += 1;
        call.serial = self.count << SLOT_BITS | u64::from(at);
        self.index.insert(call.call_id as u32, at);
        self.slots[at as usize].call = Some(call);
        at
    }

    /// Takes a call out, and hands it over.
    pub fn take(&mut self, at: u32) -> Option<Call> {
        self.vacate(at);
        self.slots.get_mut(at as usize)?.call.take()
    }

    /// Takes a call out, in place.
    pub fn forget(&mut self, at: u32) {
        self.vacate(at);
        if let Some(slot) = self.slots.get_mut(at as usize) {
            slot.call = None;
        }
    }

    fn vacate(&mut self, at: u32) {
        let Some(call_id) = self.get(at).map(|call| call.call_id) else { return };
        self.index.remove(call_id as u32, at);
        self.slots[at as usize].recent.clear();
        self.free.push(at);
    }

    /// Of the next few calls one that has ended, or else the one that was silent for longest.
    pub fn pick_for_eviction(&mut self) -> Option<u32> {
        let mut worst: Option<(u32, &Call)> = None;
        let mut seen = 0;
        let rank = |call: &Call| (call.state != State::Ended, call.answered.is_some(), call.last_message);
        for _ in 0..self.slots.len() {
            self.hand = (self.hand + 1) % self.slots.len();
            let Some(call) = slot(&self.slots, self.hand as u32) else { continue };
            if worst.is_none_or(|(_, other)| rank(call) < rank(other)) {
                worst = Some((self.hand as u32, call));
            }
            seen += 1;
            if seen == EVICTION_SAMPLE {
                break;
            }
        }
        worst.map(|(at, _)| at)
    }

    /// Slots, free ones included, for a sweep by number.
    pub fn slots(&self) -> u32 {
        self.slots.len() as u32
    }
}

fn slot(slots: &[Slot], at: u32) -> Option<&Call> {
    slots.get(at as usize)?.call.as_ref()
}

/// The slot that a call of this number has, or had.
fn slot_of(serial: u64) -> u32 {
    serial as u32 & ((1 << SLOT_BITS) - 1)
}
