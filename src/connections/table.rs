//! A table with a cap, in which the least valuable of a few makes room.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::cap::Cap;

/// How many entries are looked at to find one to evict.
const EVICTION_SAMPLE: usize = 16;
/// How far apart they are: what came together stands together, and is of one kind. A prime, so that all are met in turn.
const STRIDE: usize = 7919;

/// At most `capacity` entries, each under a number that holds until it is removed.
#[derive(Debug)]
pub struct Table<K, V> {
    hasher: RandomState,
    index: HashTable<u32>,
    slots: Vec<Option<(K, V)>>,
    free: Vec<u32>,
    cap: Cap,
    hand: usize,
}

impl<K: Eq + Hash, V> Table<K, V> {
    pub fn new(capacity: usize) -> Table<K, V> {
        Table {
            hasher: RandomState::default(),
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            cap: Cap::new(capacity, 1),
            hand: 0,
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

    #[inline]
    pub fn find(&self, key: &K) -> Option<u32> {
        if self.index.is_empty() {
            return None;
        }
        let there = |at: &u32| slot(&self.slots, *at).is_some_and(|(other, _)| other == key);
        self.index.find(self.hasher.hash_one(key), there).copied()
    }

    pub fn get_mut(&mut self, at: u32) -> Option<&mut V> {
        self.slots.get_mut(at as usize)?.as_mut().map(|(_, value)| value)
    }

    /// Puts an entry in; the caller has made room and knows that its key is not there.
    pub fn insert(&mut self, key: K, value: V) -> u32 {
        let hash = self.hasher.hash_one(&key);
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = Some((key, value));
                at
            }
            None => {
                if self.slots.len() == self.slots.capacity() {
                    // Doubling would leave up to half of the slots unused.
                    self.slots.reserve_exact((self.slots.len() / 4).max(64));
                }
                self.slots.push(Some((key, value)));
                self.slots.len() as u32 - 1
            }
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.index.insert_unique(hash, at, |at| slot(slots, *at).map_or(0, |(key, _)| hasher.hash_one(key)));
        at
    }

    pub fn remove(&mut self, at: u32) -> Option<V> {
        let (key, value) = self.slots.get_mut(at as usize)?.take()?;
        if let Ok(entry) = self.index.find_entry(self.hasher.hash_one(&key), |other| *other == at) {
            entry.remove();
        }
        self.free.push(at);
        Some(value)
    }

    /// Of the next few entries that `may` go the one that ranks lowest.
    pub fn pick<R: Ord>(&mut self, may: impl Fn(&V) -> bool, rank: impl Fn(&V) -> R) -> Option<u32> {
        let mut worst: Option<(u32, R)> = None;
        let mut seen = 0;
        let stride = if self.slots.len().is_multiple_of(STRIDE) { 1 } else { STRIDE };
        for _ in 0..self.slots.len() {
            self.hand = (self.hand + stride) % self.slots.len();
            let Some((_, value)) = slot(&self.slots, self.hand as u32).filter(|(_, value)| may(value)) else {
                continue;
            };
            let value = rank(value);
            if worst.as_ref().is_none_or(|(_, other)| value < *other) {
                worst = Some((self.hand as u32, value));
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

fn slot<T>(slots: &[Option<T>], at: u32) -> Option<&T> {
    slots.get(at as usize)?.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_of_those_that_may_go_is_picked() {
        let mut table = Table::new(5);
        for key in 0..5u32 {
            table.insert(key, 10 - key);
        }
        assert!(table.is_full());
        let at = table.pick(|value| *value > 7, |value| *value).expect("an entry");
        assert_eq!(table.remove(at), Some(8));
        assert_eq!((table.find(&2), table.len()), (None, 4));
        assert_eq!(table.insert(9, 1), at);
        assert_eq!(table.find(&9), Some(at));
        assert_eq!(table.pick(|_| false, |value| *value), None);
    }
}
