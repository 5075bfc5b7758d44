//! Calls by Call-ID.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::cap::Cap;
use crate::fetch::fetch;

use super::dialog::{Call, State};
use super::transactions::Recent;

/// How many calls are looked at to find one to evict.
const EVICTION_SAMPLE: usize = 16;

/// Bits of a serial that are the call's slot: 16 million calls at once, and as many a second for 18 hours.
const SLOT_BITS: u32 = 24;

/// What a call is found by; of a free slot, what nothing has.
#[derive(Clone, Copy, Debug, Default)]
struct SlotKey {
    call_id: u64,
    serial: u64,
}

/// At most `capacity` calls.
#[derive(Debug)]
pub struct Table {
    hasher: RandomState,
    /// By the fingerprint of the Call-ID: of ten thousand calls two have the same once in 10^11 times.
    index: HashTable<u32>,
    /// What each slot is found by: apart from the calls, these are small enough to be near at hand.
    keys: Vec<SlotKey>,
    slots: Vec<Option<Call>>,
    /// The messages of each slot's call.
    recent: Vec<Recent>,
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
            index: HashTable::new(),
            keys: Vec::new(),
            slots: Vec::new(),
            recent: Vec::new(),
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
        self.index.find(call_id, |at| self.key(*at).call_id == call_id).copied()
    }

    /// The same, for a Call-ID that some header names.
    pub fn find_named(&self, call_id: &[u8]) -> Option<u32> {
        self.find(self.hasher.hash_one(call_id))
    }

    /// Where the call of this number is.
    #[inline]
    pub fn by_serial(&self, serial: u64) -> Option<u32> {
        let at = serial as u32 & ((1 << SLOT_BITS) - 1);
        (self.key(at).serial == serial && serial != 0).then_some(at)
    }

    #[inline]
    fn key(&self, at: u32) -> SlotKey {
        self.keys.get(at as usize).copied().unwrap_or_default()
    }

    /// Asks for the memory of a call that is needed soon.
    #[inline]
    pub fn fetch(&self, at: u32) {
        if let (Some(call), Some(recent)) = (self.slots.get(at as usize), self.recent.get(at as usize)) {
            fetch(call, usize::MAX);
            fetch(recent, usize::MAX);
        }
    }

    /// The messages of a call.
    #[inline]
    pub fn recent_mut(&mut self, at: u32) -> Option<&mut Recent> {
        self.recent.get_mut(at as usize)
    }

    #[inline]
    pub fn get_mut(&mut self, at: u32) -> Option<&mut Call> {
        self.slots.get_mut(at as usize)?.as_mut()
    }

    #[inline]
    pub fn get(&self, at: u32) -> Option<&Call> {
        slot(&self.slots, at)
    }

    /// Puts a call in under the fingerprint of its Call-ID; it gets its serial here. The caller has made room and knows that its Call-ID is not there.
    pub fn insert(&mut self, call_id: u64, mut call: Call) -> u32 {
        let at = self.free.pop().unwrap_or_else(|| {
            if self.slots.len() == self.slots.capacity() {
                // Doubling would leave up to half of the slots unused.
                let more = (self.slots.len() / 4).max(64);
                self.slots.reserve_exact(more);
                self.recent.reserve_exact(more);
            }
            self.slots.push(None);
            self.recent.push(Recent::default());
            self.keys.push(SlotKey::default());
            self.slots.len() as u32 - 1
        });
        self.count += 1;
        call.serial = self.count << SLOT_BITS | u64::from(at);
        self.keys[at as usize] = SlotKey { call_id, serial: call.serial };
        self.slots[at as usize] = Some(call);
        let keys = &self.keys;
        self.index.insert_unique(call_id, at, |at| keys.get(*at as usize).map_or(0, |key| key.call_id));
        at
    }

    /// Takes a call out, and hands it over.
    pub fn take(&mut self, at: u32) -> Option<Call> {
        let call = self.slots.get_mut(at as usize)?.take()?;
        self.vacate(at);
        Some(call)
    }

    /// Takes a call out, in place.
    pub fn forget(&mut self, at: u32) {
        if let Some(slot) = self.slots.get_mut(at as usize).filter(|slot| slot.is_some()) {
            *slot = None;
            self.vacate(at);
        }
    }

    fn vacate(&mut self, at: u32) {
        let key = std::mem::take(&mut self.keys[at as usize]);
        if let Ok(entry) = self.index.find_entry(key.call_id, |other| *other == at) {
            entry.remove();
        }
        self.recent[at as usize].clear();
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

fn slot(slots: &[Option<Call>], at: u32) -> Option<&Call> {
    slots.get(at as usize)?.as_ref()
}
