//! A table whose entries each live until a time of their own; nothing is swept, and at the cap the one that is nearest to its end goes.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use foldhash::fast::RandomState;

use crate::cap::Cap;
use crate::time::Timestamp;

/// At most `capacity` entries, in the order of their ends.
#[derive(Debug)]
pub struct Expiring<K, V> {
    entries: HashMap<K, (Timestamp, V), RandomState>,
    order: BTreeSet<(Timestamp, K)>,
    cap: Cap,
    /// Entries that gave way at the cap.
    pub evicted: u64,
}

impl<K: Copy + Ord + Hash, V> Expiring<K, V> {
    pub fn new(capacity: usize) -> Expiring<K, V> {
        Expiring { entries: HashMap::default(), order: BTreeSet::new(), cap: Cap::new(capacity, 1), evicted: 0 }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Lets it grow no further, while memory is short.
    pub fn hold(&mut self, on: bool) {
        self.cap.hold(self.len(), on);
    }

    pub fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    /// Puts an entry in that was not there; gives the one that had to go for it.
    pub fn insert(&mut self, key: K, until: Timestamp, value: V) -> Option<(K, V)> {
        self.remove(&key);
        let gone = match self.entries.len() >= self.cap.most() {
            true => self.pop(),
            false => None,
        };
        self.evicted += u64::from(gone.is_some());
        self.entries.insert(key, (until, value));
        self.order.insert((until, key));
        gone
    }

    /// Another end for an entry that is there.
    pub fn live_until(&mut self, key: &K, until: Timestamp) {
        if let Some((before, _)) = self.entries.get_mut(key) {
            self.order.remove(&(*before, *key));
            self.order.insert((until, *key));
            *before = until;
        }
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (until, value) = self.entries.remove(key)?;
        self.order.remove(&(until, *key));
        Some(value)
    }

    /// Takes out an entry whose time is over.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<(K, V)> {
        let (until, _) = self.order.first()?;
        if *until > now { None } else { self.pop() }
    }

    /// Takes out the entry that is nearest to its end.
    pub fn pop(&mut self) -> Option<(K, V)> {
        let (_, key) = self.order.pop_first()?;
        self.entries.remove(&key).map(|(_, value)| (key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn entries_leave_in_the_order_of_their_ends() {
        let mut table = Expiring::new(3);
        assert_eq!(table.insert(1, at(30), 'a'), None);
        assert_eq!(table.insert(2, at(10), 'b'), None);
        assert_eq!(table.insert(3, at(20), 'c'), None);
        table.live_until(&2, at(40));
        // Full: 3 is nearest to its end.
        assert_eq!(table.insert(4, at(50), 'd'), Some((3, 'c')));
        assert_eq!((table.len(), table.evicted), (3, 1));
        // The same key again takes nobody's place.
        assert_eq!(table.insert(4, at(25), 'e'), None);
        assert_eq!(table.remove(&3), None);
        assert_eq!(table.pop_due(at(24)), None);
        assert_eq!(table.pop_due(at(30)), Some((4, 'e')));
        assert_eq!(table.pop_due(at(30)), Some((1, 'a')));
        assert_eq!(table.pop_due(at(39)), None);
        assert_eq!(table.remove(&2), Some('b'));
        assert_eq!((table.len(), table.pop_due(at(1000))), (0, None));
    }

    proptest::proptest! {
        #[test]
        fn both_halves_always_agree(steps: Vec<(u8, u8, u8)>, capacity in 1..20_usize) {
            let mut table = Expiring::new(capacity);
            for (what, key, time) in steps {
                let until = at(i64::from(time));
                match what % 4 {
                    0 | 1 => drop(table.insert(key, until, ())),
                    2 => table.live_until(&key, until),
                    _ => drop(table.pop_due(until)),
                }
                proptest::prop_assert!(table.len() <= capacity && table.len() == table.order.len());
                for (until, key) in &table.order {
                    proptest::prop_assert_eq!(table.entries.get(key).map(|(at, ())| *at), Some(*until));
                }
            }
        }
    }
}
