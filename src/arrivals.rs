//! Keys in the order in which they came, for tables that let the oldest go at their cap.

use std::collections::VecDeque;

/// Says of a key that it is in its table since this arrival.
pub type Arrival = u64;

#[derive(Debug)]
pub struct Arrivals<K> {
    queue: VecDeque<(K, Arrival)>,
    next: Arrival,
}

impl<K> Default for Arrivals<K> {
    fn default() -> Self {
        Arrivals { queue: VecDeque::new(), next: 0 }
    }
}

impl<K: Copy> Arrivals<K> {
    /// Notes a key that enters a table of at most `capacity`; `arrived` looks up when a key in the table came.
    pub fn enter(&mut self, key: K, capacity: usize, arrived: impl Fn(&K) -> Option<Arrival>) -> Arrival {
        if self.queue.len() >= capacity.saturating_mul(2) {
            // Keys that left the table by themselves; half of the queue at least.
            self.queue.retain(|(key, arrival)| arrived(key) == Some(*arrival));
        }
        self.next += 1;
        self.queue.push_back((key, self.next));
        self.next
    }

    /// The key that is in the table for longest; it is forgotten here.
    pub fn oldest(&mut self, arrived: impl Fn(&K) -> Option<Arrival>) -> Option<K> {
        std::iter::from_fn(|| self.queue.pop_front()).find(|(key, at)| arrived(key) == Some(*at)).map(|(key, _)| key)
    }
}
