//! Where streams and calls are, by the fingerprint of their key: eight bytes an entry, eight entries a cache line, and a look-up that can be
//! asked for ahead. What hashbrown gives takes two lines, of which the second is known only when the first is there.

use crate::fetch::fetch;

/// A fingerprint and a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    fingerprint: u32,
    slot: u32,
}

/// A slot that nothing has.
const FREE: Entry = Entry { fingerprint: 0, slot: u32::MAX };
/// Places to begin with.
const LEAST: usize = 64;

/// Linear probing at half load at most; the fingerprint says where to begin.
#[derive(Debug)]
pub struct Index {
    /// A power of two of them.
    entries: Vec<Entry>,
    len: usize,
}

impl Default for Index {
    fn default() -> Self {
        Index { entries: vec![FREE; LEAST], len: 0 }
    }
}

impl Index {
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    fn place(&self, at: usize) -> usize {
        at & (self.entries.len() - 1)
    }

    /// Asks for the memory that a look-up will need.
    #[inline(always)]
    pub fn fetch(&self, fingerprint: u32) {
        if let Some(entry) = self.entries.get(self.place(fingerprint as usize)) {
            fetch(entry, 1);
        }
    }

    /// The first slot under the fingerprint that `is` the one.
    #[inline(always)]
    pub fn find(&self, fingerprint: u32, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.place(fingerprint as usize);
        loop {
            let entry = self.entries[at];
            if entry.slot == FREE.slot {
                return None;
            }
            if entry.fingerprint == fingerprint && is(entry.slot) {
                return Some(entry.slot);
            }
            at = self.place(at + 1);
        }
    }

    pub fn insert(&mut self, fingerprint: u32, slot: u32) {
        if self.len * 2 >= self.entries.len() {
            let larger = vec![FREE; self.entries.len() * 2];
            let old = std::mem::replace(&mut self.entries, larger);
            old.into_iter().filter(|entry| *entry != FREE).for_each(|entry| self.put(entry));
        }
        self.put(Entry { fingerprint, slot });
        self.len += 1;
    }

    fn put(&mut self, entry: Entry) {
        let mut at = self.place(entry.fingerprint as usize);
        while self.entries[at] != FREE {
            at = self.place(at + 1);
        }
        self.entries[at] = entry;
    }

    pub fn remove(&mut self, fingerprint: u32, slot: u32) {
        let mut at = self.place(fingerprint as usize);
        while self.entries[at] != (Entry { fingerprint, slot }) {
            if self.entries[at] == FREE {
                return;
            }
            at = self.place(at + 1);
        }
        self.len -= 1;
        // What stands behind moves up, unless it stands where it belongs: no place in between may be free.
        let mut next = self.place(at + 1);
        while self.entries[next] != FREE {
            let home = self.place(self.entries[next].fingerprint as usize);
            let (from_home, from_hole) = (self.place(next.wrapping_sub(home)), self.place(next.wrapping_sub(at)));
            if from_home >= from_hole {
                self.entries[at] = self.entries[next];
                at = next;
            }
            next = self.place(next + 1);
        }
        self.entries[at] = FREE;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_in_it_is_found_and_nothing_else(steps: Vec<(bool, u8, u8)>) {
            let (mut index, mut model) = (Index::default(), HashSet::new());
            for (inserts, name, slot) in steps {
                // Few fingerprints, at the end of the table too, so that many stand in each other's way.
                let (fingerprint, slot) = (u32::from(name % 7).wrapping_sub(3), u32::from(slot % 32));
                if inserts && model.insert((fingerprint, slot)) {
                    index.insert(fingerprint, slot);
                } else if !inserts {
                    model.remove(&(fingerprint, slot));
                    index.remove(fingerprint, slot);
                }
                proptest::prop_assert_eq!(index.len(), model.len());
                for name in 0..7u32 {
                    let fingerprint = name.wrapping_sub(3);
                    for slot in 0..32 {
                        let found = index.find(fingerprint, |at| at == slot);
                        proptest::prop_assert_eq!(found.is_some(), model.contains(&(fingerprint, slot)));
                    }
                }
            }
        }
    }
}
