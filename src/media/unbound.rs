//! Streams without a call, by the endpoints that a later SDP may announce.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::wire::Endpoint;

/// Streams that are remembered of one endpoint; more come from no real call.
const MAX_LISTED: usize = 256;

/// Eight bytes an end of a stream: the endpoint's fingerprint and the stream's slot.
#[derive(Debug, Default)]
pub struct Unbound {
    hasher: RandomState,
    table: HashTable<(u32, u32)>,
}

impl Unbound {
    fn fingerprint(&self, at: Endpoint) -> u32 {
        self.hasher.hash_one(at) as u32
    }

    pub fn insert(&mut self, at: Endpoint, stream: u32) {
        let fingerprint = self.fingerprint(at);
        let there = self.table.iter_hash(spread(fingerprint)).filter(|entry| entry.0 == fingerprint);
        if there.count() < MAX_LISTED {
            self.table.insert_unique(spread(fingerprint), (fingerprint, stream), |entry| spread(entry.0));
        }
    }

    pub fn remove(&mut self, at: Endpoint, stream: u32) {
        let fingerprint = self.fingerprint(at);
        if let Ok(entry) = self.table.find_entry(spread(fingerprint), |entry| *entry == (fingerprint, stream)) {
            entry.remove();
        }
    }

    /// Streams that begin or end at an endpoint; a few may be strangers with the same fingerprint.
    pub fn at(&self, at: Endpoint) -> Vec<u32> {
        let fingerprint = self.fingerprint(at);
        let there = self.table.iter_hash(spread(fingerprint));
        there.filter(|entry| entry.0 == fingerprint).map(|entry| entry.1).collect()
    }
}

/// The table takes the group from the low bits and the tag from the high ones; a fingerprint has only 32.
fn spread(fingerprint: u32) -> u64 {
    // 2^64 divided by the golden ratio.
    u64::from(fingerprint).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}
