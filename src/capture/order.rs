//! Frames of several interfaces in the order of their times: the kernel hands over one interface's frames after the other's, each
//! up to a batch old, and what comes in by one and goes out by another must not be read backwards.

use std::collections::VecDeque;

use crate::time::Timestamp;
use crate::wire::LinkType;

/// Bytes that wait at most; then the oldest frames go on, in order as far as that goes.
const MAX_BYTES: usize = 8 << 20;

/// A frame that waits; its bytes lie in its interface's queue.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    time: Timestamp,
    link: LinkType,
    length: u32,
    captured: usize,
}

/// The frames of one interface, in the order in which they came.
#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Waiting>,
    bytes: Vec<u8>,
    /// Where the first frame's bytes begin.
    start: usize,
}

/// A frame as it is handed on.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub interface: usize,
    pub time: Timestamp,
    pub link: LinkType,
    /// Length on the wire.
    pub length: u32,
    pub data: &'a [u8],
}

/// Frames that wait for those of other interfaces.
#[derive(Debug, Default)]
pub struct Order {
    queues: Vec<Queue>,
    bytes: usize,
}

impl Order {
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Whether more waits than may.
    pub fn is_full(&self) -> bool {
        self.bytes > MAX_BYTES
    }

    pub fn put(&mut self, frame: &Frame<'_>) {
        if self.queues.len() <= frame.interface {
            self.queues.resize_with(frame.interface + 1, Queue::default);
        }
        let queue = &mut self.queues[frame.interface];
        let (time, link, length, captured) = (frame.time, frame.link, frame.length, frame.data.len());
        queue.frames.push_back(Waiting { time, link, length, captured });
        queue.bytes.extend_from_slice(frame.data);
        self.bytes += captured + size_of::<Waiting>();
    }

    /// Hands on what is not younger than `until`, or all that waits where there is too much, the oldest first.
    pub fn release(&mut self, until: Timestamp, mut take: impl FnMut(&Frame<'_>)) {
        while let Some((interface, first)) = self.oldest() {
            if first.time > until && !self.is_full() {
                return;
            }
            let queue = &mut self.queues[interface];
            let Waiting { time, link, length, captured } = first;
            take(&Frame { interface, time, link, length, data: &queue.bytes[queue.start..queue.start + captured] });
            queue.advance();
            self.bytes -= captured + size_of::<Waiting>();
        }
    }

    fn oldest(&self) -> Option<(usize, Waiting)> {
        let firsts = self.queues.iter().enumerate().filter_map(|(at, queue)| Some((at, *queue.frames.front()?)));
        firsts.min_by_key(|(_, frame)| frame.time)
    }
}

impl Queue {
    fn advance(&mut self) {
        self.start += self.frames.pop_front().map_or(0, |first| first.captured);
        if self.frames.is_empty() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    fn put(order: &mut Order, interface: usize, millis: i64, data: &[u8]) {
        order.put(&Frame { interface, time: at(millis), link: LinkType::ETHERNET, length: 9, data });
    }

    fn released(order: &mut Order, until: i64) -> Vec<(usize, Vec<u8>)> {
        let mut all = Vec::new();
        order.release(at(until), |frame| all.push((frame.interface, frame.data.to_vec())));
        all
    }

    #[test]
    fn two_interfaces_become_one_row() {
        let mut order = Order::default();
        put(&mut order, 0, 10, b"invite in");
        put(&mut order, 0, 30, b"180 out");
        put(&mut order, 1, 12, b"invite out");
        put(&mut order, 1, 28, b"180 in");
        put(&mut order, 1, 50, b"later");
        let want = [(0, &b"invite in"[..]), (1, b"invite out"), (1, b"180 in"), (0, b"180 out")];
        assert_eq!(released(&mut order, 40), want.map(|(interface, data)| (interface, data.to_vec())));
        assert_eq!(released(&mut order, 49), []);
        assert_eq!(released(&mut order, 50), [(1, b"later".to_vec())]);
        assert!(order.is_empty() && order.queues.iter().all(|queue| queue.bytes.is_empty()));
    }

    #[test]
    fn a_flood_goes_on_before_its_time() {
        let mut order = Order::default();
        for n in 0..20_000 {
            put(&mut order, (n % 2) as usize, n, &[0; 1000]);
            let mut count = 0;
            order.release(at(-1), |_| count += 1);
            assert!(order.bytes <= MAX_BYTES);
            assert!(n < 1000 || !order.is_empty());
        }
        assert!(order.queues.iter().map(|queue| queue.bytes.len()).sum::<usize>() <= 3 * MAX_BYTES);
    }
}
