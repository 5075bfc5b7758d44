//! A table whose entries live for one to two lifetimes: two maps, of which the older is dropped whole, so that nothing is swept.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

use crate::cap::Cap;
use crate::time::Timestamp;

/// At most `capacity` entries; when half of them came within one lifetime, the older half gives way early.
#[derive(Debug)]
pub struct Generations<K, V> {
    young: HashMap<K, V, RandomState>,
    old: HashMap<K, V, RandomState>,
    turned: Timestamp,
    lifetime_nanos: i64,
    cap: Cap,
    pub evicted: u64,
}

impl<K: Eq + Hash, V> Generations<K, V> {
    pub fn new(capacity: usize, lifetime_nanos: i64) -> Generations<K, V> {
        Generations {
            young: HashMap::default(),
            old: HashMap::default(),
            turned: Timestamp::default(),
            lifetime_nanos,
            cap: Cap::new(capacity, 2),
            evicted: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Lets it grow no further, while memory is short.
    pub fn hold(&mut self, on: bool) {
        self.cap.hold(self.len(), on);
    }

    /// Drops the older generation when the younger is old or full; to be called before entries are put in.
    pub fn turn(&mut self, now: Timestamp) {
        let full = self.young.len() >= self.cap.most() / 2;
        let aged = now.nanos_since(self.turned) >= self.lifetime_nanos;
        if !full && !aged {
            return;
        }
        if !aged {
            self.evicted += self.old.len() as u64;
        }
        self.old = std::mem::take(&mut self.young);
        self.turned = now;
    }

    /// Lets go what is over although nothing is put in any more; called about once a second. A clock that was set back by more than a
    /// lifetime ends it too.
    pub fn expire(&mut self, now: Timestamp) {
        if self.len() > 0 && now.nanos_since(self.turned).saturating_abs() >= self.lifetime_nanos {
            self.old = std::mem::take(&mut self.young);
            self.turned = now;
        }
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// The older ones first.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.old.keys().chain(self.young.keys())
    }

    /// When the younger generation began.
    pub fn turned(&self) -> Timestamp {
        self.turned
    }

    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.young.get_mut(key).or_else(|| self.old.get_mut(key))
    }

    /// Puts an entry in the place of the one that is there, or with the young.
    pub fn put(&mut self, key: K, value: V) {
        match self.get_mut(&key) {
            Some(before) => *before = value,
            None => self.insert(key, value),
        }
    }

    /// Puts an entry in; one of the same generation stays as it is.
    pub fn insert(&mut self, key: K, value: V) {
        self.young.entry(key).or_insert(value);
    }
}
