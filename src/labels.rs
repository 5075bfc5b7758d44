//! Series by their labels, at most as many as the budget of their family allows; what comes after that counts as `other`.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

use crate::numbers::{Collection, Family, Value, fixed};
use crate::site::{Direction, PeerId};

static OVERFLOW: Family = Family::counter(
    "sidetone_label_overflow_total",
    "",
    &["family"],
    "How often something was counted under the label value other because its family had as many series as labels.max_series allows; families that share their labels are named by the first.",
);

/// The families of this file.
pub static FAMILIES: &[&Family] = &[&OVERFLOW];

/// Rows that are found without a search.
const HINTS: usize = 16;

/// The labels of a series.
pub trait Labels: Copy + Eq + Hash {
    /// The same labels with `other` wherever the configuration or the wire chooses the value. What is left is a closed list.
    fn other(self) -> Self;

    /// A number that labels which come in turns mostly differ in.
    #[inline]
    fn hint(&self) -> usize {
        0
    }
}

impl Labels for PeerId {
    fn other(self) -> PeerId {
        PeerId::OTHER
    }
}

impl Labels for (Direction, PeerId) {
    fn other(self) -> (Direction, PeerId) {
        (self.0, PeerId::OTHER)
    }
}

/// The series of one family, or of several with the same labels.
#[derive(Clone, Debug)]
pub struct Series<K, V> {
    rows: Vec<(K, V)>,
    places: HashMap<K, u32, RandomState>,
    /// The rows that were asked for last, by their hints: mostly each is asked for again.
    last: [u32; HINTS],
    budget: usize,
    overflow: u64,
}

impl<K: Labels, V> Series<K, V> {
    pub fn new(budget: usize) -> Series<K, V> {
        Series { rows: Vec::new(), places: HashMap::default(), last: [0; HINTS], budget, overflow: 0 }
    }

    /// The labels under which something counts: its own, unless they are new and the budget is used up.
    pub fn admit(&mut self, labels: K) -> K {
        if self.rows.len() < self.budget || self.places.contains_key(&labels) {
            return labels;
        }
        let other = labels.other();
        self.overflow += u64::from(other != labels);
        other
    }

    /// The row of these labels, made where it is not there.
    #[inline]
    pub fn row(&mut self, labels: K, new: impl FnOnce() -> V) -> &mut V {
        let hint = labels.hint() % HINTS;
        let last = self.last[hint] as usize;
        let place = match self.rows.get(last) {
            Some((known, _)) if *known == labels => last,
            _ => {
                let place = self.place(labels, new);
                self.last[hint] = place as u32;
                place
            }
        };
        &mut self.rows[place].1
    }

    #[inline(never)]
    fn place(&mut self, labels: K, new: impl FnOnce() -> V) -> usize {
        let labels = self.admit(labels);
        if let Some(place) = self.places.get(&labels) {
            return *place as usize;
        }
        let place = self.rows.len();
        self.rows.push((labels, new()));
        self.places.insert(labels, place as u32);
        place
    }

    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter().map(|(labels, value)| (labels, value))
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.rows.iter_mut().map(|(_, value)| value)
    }

    /// Says how often the budget was too small.
    pub fn collect_overflow(&self, family: &Family, out: &mut Collection) {
        out.add(&OVERFLOW, vec![fixed(family.name)], Value::Counter(self.overflow));
    }
}

impl<K: Labels> Series<K, u64> {
    pub fn count(&mut self, labels: K) {
        *self.row(labels, || 0) += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A closed half and an open one.
    impl Labels for (bool, u32) {
        fn other(self) -> Self {
            (self.0, u32::MAX)
        }
    }

    #[test]
    fn past_the_budget_only_new_labels_become_other() {
        let mut series = Series::new(3);
        for n in [1, 2, 3, 4, 1, 5, 3] {
            series.count((true, n));
        }
        series.count((false, 1));
        let mut rows: Vec<_> = series.iter().map(|(labels, n)| (*labels, *n)).collect();
        rows.sort_unstable();
        let want = [((false, u32::MAX), 1), ((true, 1), 2), ((true, 2), 1), ((true, 3), 2), ((true, u32::MAX), 2)];
        assert_eq!((rows, series.overflow), (want.to_vec(), 3));
    }

    #[test]
    fn what_is_other_already_needs_no_room() {
        let mut series = Series::new(0);
        series.count((true, u32::MAX));
        assert_eq!((series.iter().count(), series.overflow), (1, 0));
    }
}
