//! Missed calls that are returned: of who called whom only seeded fingerprints are kept.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;

use crate::time::Timestamp;

/// What is waited for.
#[derive(Debug)]
struct Missed {
    at: Timestamp,
    pair: u64,
}

/// The missed calls between two parties that are still waited for.
#[derive(Debug)]
struct Pair {
    /// Number of the first of them; what came before has been returned.
    since: u64,
    last: Timestamp,
    count: u64,
}

/// Missed calls of the last window, at most `capacity`.
#[derive(Debug)]
pub struct Callbacks {
    /// In the order in which they came; those that were returned stay until their time is up.
    missed: VecDeque<Missed>,
    /// Number of the front of the queue.
    front: u64,
    pairs: HashMap<u64, Pair, RandomState>,
    window_nanos: i64,
    capacity: usize,
    pub evicted: u64,
}

impl Callbacks {
    pub fn new(window_nanos: i64, capacity: usize) -> Callbacks {
        Callbacks {
            missed: VecDeque::new(),
            front: 0,
            pairs: HashMap::default(),
            window_nanos,
            capacity: capacity.max(1),
            evicted: 0,
        }
    }

    /// Entries, returned ones included.
    pub fn len(&self) -> usize {
        self.missed.len()
    }

    /// A call between two parties ended, and nobody had answered it.
    pub fn missed(&mut self, now: Timestamp, pair: u64) {
        self.expire(now);
        if self.missed.len() >= self.capacity && self.pop() {
            self.evicted += 1;
        }
        let number = self.front + self.missed.len() as u64;
        self.missed.push_back(Missed { at: now, pair });
        let waiting = self.pairs.entry(pair).or_insert(Pair { since: number, last: now, count: 0 });
        waiting.count += 1;
        waiting.last = waiting.last.max(now);
    }

    /// One of the two answered the other: how many missed calls that returns. A call that began before the last of them ended was
    /// under way at the same time, and returns none.
    pub fn answered(&mut self, now: Timestamp, started: Timestamp, pair: u64) -> u64 {
        self.expire(now);
        if self.pairs.get(&pair).is_none_or(|waiting| started < waiting.last) {
            return 0;
        }
        self.pairs.remove(&pair).map_or(0, |waiting| waiting.count)
    }

    /// Forgets what was missed too long ago.
    pub fn expire(&mut self, now: Timestamp) {
        while self.missed.front().is_some_and(|oldest| now.nanos_since(oldest.at) > self.window_nanos) {
            self.pop();
        }
    }

    /// Takes the oldest entry out; whether it was still waited for.
    fn pop(&mut self) -> bool {
        let Some(oldest) = self.missed.pop_front() else { return false };
        let number = self.front;
        self.front += 1;
        let Some(waiting) = self.pairs.get_mut(&oldest.pair).filter(|waiting| waiting.since <= number) else {
            return false;
        };
        waiting.count -= 1;
        if waiting.count == 0 {
            self.pairs.remove(&oldest.pair);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn each_missed_call_is_returned_once() {
        let mut calls = Callbacks::new(HOUR, 100);
        calls.missed(at(0), 1);
        calls.missed(at(10), 1);
        calls.missed(at(10), 2);
        assert_eq!(calls.answered(at(25), at(20), 3), 0, "nobody missed them");
        assert_eq!(calls.answered(at(25), at(20), 1), 2);
        assert_eq!(calls.answered(at(35), at(30), 1), 0, "returned already");
        calls.missed(at(40), 1);
        assert_eq!(calls.answered(at(45), at(41), 1), 1);
        assert_eq!(calls.len(), 4);
    }

    #[test]
    fn after_the_window_nothing_is_returned() {
        let mut calls = Callbacks::new(HOUR, 100);
        calls.missed(at(0), 1);
        calls.missed(at(600), 1);
        assert_eq!(calls.answered(at(3601), at(3590), 1), 1, "the first is too old");
        calls.missed(at(0), 1);
        assert_eq!(calls.answered(at(3600), at(3590), 1), 1, "the last moment");
        calls.missed(at(4000), 2);
        calls.expire(at(7601));
        assert_eq!((calls.len(), calls.pairs.len(), calls.evicted), (0, 0, 0));
    }

    #[test]
    fn what_was_returned_and_expires_takes_nothing_from_what_came_later() {
        let mut calls = Callbacks::new(HOUR, 100);
        calls.missed(at(0), 1);
        assert_eq!(calls.answered(at(10), at(5), 1), 1);
        calls.missed(at(3000), 1);
        calls.expire(at(3700));
        assert_eq!(calls.len(), 1);
        assert_eq!(calls.answered(at(3710), at(3705), 1), 1);
    }

    #[test]
    fn a_call_at_the_same_time_returns_none() {
        let mut calls = Callbacks::new(HOUR, 100);
        calls.missed(at(10), 1);
        assert_eq!(calls.answered(at(12), at(9), 1), 0, "both called each other");
        assert_eq!(calls.answered(at(30), at(10), 1), 1, "it is still waited for");
    }

    #[test]
    fn a_flood_of_missed_calls_stays_within_the_cap() {
        let mut calls = Callbacks::new(HOUR, 1000);
        for call in 0..100_000 {
            calls.missed(at(call / 1000), call as u64 % 50_000);
        }
        assert_eq!((calls.len(), calls.pairs.len(), calls.evicted), (1000, 1000, 99_000));
        assert!(calls.missed.capacity() <= 2048 && calls.pairs.capacity() <= 4096);
        assert_eq!(calls.answered(at(101), at(101), 49_999), 1);
        assert_eq!(calls.answered(at(101), at(101), 1), 0, "it gave way");
    }

    proptest::proptest! {
        /// Against a list of all missed calls, looked through from its start.
        #[test]
        fn as_many_as_a_list_would_count(steps in proptest::collection::vec((0..40_i64, 0..4_u64, 0..3_u8), 0..200)) {
            let mut calls = Callbacks::new(100_000_000_000, 1_000);
            let mut list: Vec<(i64, u64)> = Vec::new();
            let mut now = 0;
            for (later, pair, kind) in steps {
                now += later;
                if kind > 0 {
                    calls.missed(at(now), pair);
                    list.push((now, pair));
                } else {
                    let returned = list.iter().filter(|(time, with)| *with == pair && now - time <= 100).count();
                    list.retain(|(_, with)| *with != pair);
                    proptest::prop_assert_eq!(calls.answered(at(now), at(now), pair), returned as u64);
                }
            }
        }
    }
}
