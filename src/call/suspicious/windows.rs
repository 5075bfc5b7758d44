//! What one source did within a window of time, for many sources: those that did much stay, whatever number of others comes by.

use crate::time::Timestamp;

/// Places of which one has to do for a source. One cache line holds their keys.
const WAYS: usize = 8;
/// In so many turns all groups are looked at for windows that are over: a million sources are too many for one.
const TURNS: usize = 16;

/// What is counted of a source in a window.
#[derive(Clone, Debug)]
pub struct Window<T> {
    started: Timestamp,
    pub count: u32,
    /// It has passed its threshold, and was counted for it.
    pub is_counted: bool,
    pub more: T,
}

/// Sources by their fingerprint, in groups of eight. A new one takes a free place in its group, or one whose window is over, or that
/// of the source which did least there, the oldest first: constant cost, and an offender is not pushed out by strangers.
#[derive(Debug)]
pub struct Windows<T> {
    /// Zero where a place is free.
    keys: Box<[[u64; WAYS]]>,
    windows: Box<[Window<T>]>,
    length_nanos: i64,
    /// The group that is looked at next for windows that are over.
    next: usize,
    /// When that was done last.
    expired: Timestamp,
    /// Sources that gave way within their window.
    pub evicted: u64,
}

impl<T: Clone + Default> Windows<T> {
    pub fn new(capacity: usize, length_nanos: i64) -> Windows<T> {
        let groups = capacity.div_ceil(WAYS).max(1);
        let free = Window { started: Timestamp::default(), count: 0, is_counted: false, more: T::default() };
        Windows {
            keys: vec![[0; WAYS]; groups].into(),
            windows: vec![free; groups * WAYS].into(),
            length_nanos,
            next: 0,
            expired: Timestamp::default(),
            evicted: 0,
        }
    }

    /// Frees what windows that are over take, in its share of the groups; called about once a second.
    pub fn expire(&mut self, now: Timestamp) {
        self.expired = now;
        for _ in 0..self.keys.len().div_ceil(TURNS) {
            // Most are free.
            let ways = if self.keys[self.next].iter().all(|key| *key == 0) { 0 } else { WAYS };
            for way in 0..ways {
                let at = self.next * WAYS + way;
                if self.keys[self.next][way] != 0 && self.is_over(now, at) {
                    self.keys[self.next][way] = 0;
                    self.windows[at].more = T::default();
                }
            }
            self.next = (self.next + 1) % self.keys.len();
        }
    }

    /// Windows that were open, as far as is known, when what is over was last freed: not those that still wait for their turn.
    pub fn len(&self) -> usize {
        let keys = self.keys.iter().flatten().enumerate().filter(|(_, key)| **key != 0);
        keys.filter(|(at, _)| self.windows[*at].started > self.expired || !self.is_over(self.expired, *at)).count()
    }

    /// The window of a source, if it is open.
    pub fn open(&mut self, now: Timestamp, key: u64) -> Option<&mut Window<T>> {
        let (group, key) = self.group(key);
        let way = self.keys[group].iter().position(|other| *other == key)?;
        let at = group * WAYS + way;
        if self.is_over(now, at) { None } else { Some(&mut self.windows[at]) }
    }

    /// The window of a source; where it has none, one that begins now.
    pub fn enter(&mut self, now: Timestamp, key: u64) -> &mut Window<T> {
        let (group, key) = self.group(key);
        let known = self.keys[group].iter().position(|other| *other == key);
        let at = group * WAYS + known.unwrap_or_else(|| self.make_room(now, group));
        if known.is_none() || self.is_over(now, at) {
            self.keys[group][at % WAYS] = key;
            self.windows[at] = Window { started: now, count: 0, is_counted: false, more: T::default() };
        }
        &mut self.windows[at]
    }

    fn group(&self, key: u64) -> (usize, u64) {
        // The upper half of the product is below the number of groups, and as evenly spread as the key.
        let group = (u128::from(key) * self.keys.len() as u128) >> 64;
        (group as usize, key.max(1))
    }

    /// A clock that was set back by more than a window ends it too.
    fn is_over(&self, now: Timestamp, at: usize) -> bool {
        now.nanos_since(self.windows[at].started).saturating_abs() >= self.length_nanos
    }

    fn make_room(&mut self, now: Timestamp, group: usize) -> usize {
        let is_free = |way: usize| self.keys[group][way] == 0 || self.is_over(now, group * WAYS + way);
        if let Some(way) = (0..WAYS).find(|way| is_free(*way)) {
            return way;
        }
        self.evicted += 1;
        let least = |way: &usize| {
            let window = &self.windows[group * WAYS + way];
            (window.is_counted, window.count, window.started)
        };
        (0..WAYS).min_by_key(least).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn add(windows: &mut Windows<()>, nanos: i64, key: u64) -> u32 {
        let window = windows.enter(Timestamp::from_nanos(nanos), key);
        window.count += 1;
        window.count
    }

    /// Spread over all of the 64 bits (splitmix64).
    fn spread(n: u64) -> u64 {
        let mut x = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    #[test]
    fn a_window_ends_and_begins_anew() {
        let mut windows = Windows::new(64, 10 * SECOND);
        assert_eq!((add(&mut windows, 0, 7), add(&mut windows, 9 * SECOND, 7)), (1, 2));
        assert_eq!(add(&mut windows, 10 * SECOND, 7), 1);
        assert_eq!(add(&mut windows, 5 * SECOND, 7), 2);
        // The clock was set back by a day.
        assert_eq!(add(&mut windows, -86_400 * SECOND, 7), 1);
        assert!(windows.open(Timestamp::from_nanos(0), 7).is_none());
        assert!(windows.open(Timestamp::from_nanos(0), 8).is_none());
        windows.expire(Timestamp::from_nanos(-86_400 * SECOND));
        assert_eq!((windows.len(), windows.evicted), (1, 0));
    }

    #[test]
    fn strangers_do_not_push_out_who_did_much() {
        let mut windows = Windows::new(800, 60 * SECOND);
        let offenders: Vec<u64> = (0..20).map(|n| spread(1 << 40 | n)).collect();
        let mut stranger = 0;
        let mut at = 0;
        for round in 1..=50 {
            for offender in &offenders {
                assert_eq!(add(&mut windows, at, *offender), round);
            }
            for _ in 0..100 {
                add(&mut windows, at, spread(stranger));
                stranger += 1;
                at += SECOND / 1000;
            }
        }
        for n in 0..100_000 {
            add(&mut windows, at + n * SECOND / 10_000, spread(stranger + n as u64));
        }
        for offender in &offenders {
            assert_eq!(windows.open(Timestamp::from_nanos(at), *offender).map(|window| window.count), Some(50));
        }
        assert!(windows.len() <= 800 && windows.evicted > 100_000);
    }
}
