//! Streams by something that several of them may share: an endpoint, an SSRC.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use smallvec::SmallVec;

/// Streams that are remembered of one key; more come from no real call.
const MAX_LISTED: usize = 256;

/// Slots of streams, eight bytes an entry: the key's fingerprint and the slot.
#[derive(Debug, Default)]
pub struct Slots {
    hasher: RandomState,
    table: HashTable<(u32, u32)>,
}

impl Slots {
    fn fingerprint(&self, key: impl Hash) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    pub fn insert(&mut self, key: impl Hash, slot: u32) {
        let fingerprint = self.fingerprint(key);
        let there = self.table.iter_hash(spread(fingerprint)).filter(|entry| entry.0 == fingerprint);
        if there.count() < MAX_LISTED {
            self.table.insert_unique(spread(fingerprint), (fingerprint, slot), |entry| spread(entry.0));
        }
    }

    pub fn remove(&mut self, key: impl Hash, slot: u32) {
        let fingerprint = self.fingerprint(key);
        if let Ok(entry) = self.table.find_entry(spread(fingerprint), |entry| *entry == (fingerprint, slot)) {
            entry.remove();
        }
    }

    /// The slots of a key; a few may be strangers with the same fingerprint.
    pub fn of(&self, key: impl Hash) -> SmallVec<[u32; 4]> {
        let fingerprint = self.fingerprint(key);
        let there = self.table.iter_hash(spread(fingerprint));
        there.filter(|entry| entry.0 == fingerprint).map(|entry| entry.1).collect()
    }
}

/// The table takes the group from the low bits and the tag from the high ones; a fingerprint has only 32.
fn spread(fingerprint: u32) -> u64 {
    // 2^64 divided by the golden ratio.
    u64::from(fingerprint).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}
