//! Frames of several rings in the order of their times: the kernel hands over one ring's frames after the other's, each up to a
//! batch old, and what comes in by one interface and goes out by another must not be read backwards.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::{Batch, Engine};
use crate::time::Timestamp;

/// Memory that what waits may take, bytes; then the oldest frames go on, in order as far as that goes.
const MAX_BYTES: usize = 16 << 20;
/// Spent batches that are kept for later, and the frames that the largest of them has room for.
const SPARE: usize = 32;
const SPARE_FRAMES: usize = 8192;

/// Spent batches, for whoever needs an empty one: their memory serves again.
#[derive(Clone, Debug, Default)]
pub struct Pool(Arc<Mutex<Vec<Batch>>>);

impl Pool {
    /// An empty batch for frames of an interface.
    pub fn blank(&self, interface: usize) -> Batch {
        self.spare().pop().map_or_else(|| Batch::on(interface), |spare| spare.now_on(interface))
    }

    pub fn keep(&self, spent: Batch) {
        let mut spare = self.spare();
        if spare.len() < SPARE && spent.room() <= SPARE_FRAMES {
            spare.push(spent);
        }
    }

    /// Nobody can leave it in a state that matters.
    fn spare(&self) -> MutexGuard<'_, Vec<Batch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Frames that wait for those of other rings.
#[derive(Debug, Default)]
pub struct Order {
    /// The batches of each source, in the order in which they came; none is empty.
    sources: Vec<VecDeque<Batch>>,
    /// Memory of all that wait.
    bytes: usize,
    pub pool: Pool,
}

impl Order {
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Takes the next frames of a source.
    pub fn put(&mut self, engine: &mut Engine, source: usize, mut batch: Batch) {
        batch.settle(engine);
        if self.sources.len() <= source {
            self.sources.resize_with(source + 1, VecDeque::new);
        }
        self.bytes += batch.size();
        match batch.is_empty() {
            true => self.pool.keep(batch),
            false => self.sources[source].push_back(batch),
        }
    }

    /// Hands on what is not younger than `until`, or all that waits where there is too much, the oldest first.
    pub fn release(&mut self, engine: &mut Engine, until: Timestamp) {
        while let Some((source, next)) = self.oldest() {
            let until = if self.bytes > MAX_BYTES { Timestamp::MAX } else { until };
            let Some(batch) = self.sources[source].front_mut() else { return };
            let before = batch.size();
            // Up to where another source has an older one.
            let last = next.map_or(until, |next| next.min(until));
            while batch.time().is_some_and(|time| time <= last) {
                batch.hand_on(engine);
            }
            self.bytes -= before - batch.size();
            match batch.time() {
                Some(time) if time > until => return,
                Some(_) => {}
                None => {
                    let spent = self.sources[source].pop_front();
                    spent.into_iter().for_each(|spent| self.pool.keep(spent));
                }
            }
        }
    }

    /// The source that has the oldest frame, and the time of the oldest of all others.
    fn oldest(&self) -> Option<(usize, Option<Timestamp>)> {
        let (mut oldest, mut next): (Option<(Timestamp, usize)>, Option<Timestamp>) = (None, None);
        for (source, batches) in self.sources.iter().enumerate() {
            let Some(time) = batches.front().and_then(Batch::time) else { continue };
            match oldest {
                Some((first, _)) if time >= first => next = Some(next.map_or(time, |next| next.min(time))),
                _ => {
                    next = oldest.map(|(first, _)| first);
                    oldest = Some((time, source));
                }
            }
        }
        oldest.map(|(_, source)| (source, next))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::engine::{Settings, Share, site};
    use crate::wire::LinkType;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    fn engine() -> Engine {
        let config = Config::default();
        let mut engine = Engine::new(Settings::new(&config, false), Arc::new(site(&config, Vec::new())));
        (0..2).for_each(|n| assert_eq!(engine.add_interface(&n.to_string()), n));
        engine
    }

    fn batch(interface: usize, frames: impl IntoIterator<Item = (i64, usize)>) -> Batch {
        let mut batch = Batch::on(interface);
        for (millis, length) in frames {
            batch.put(Share::ALL, at(millis), LinkType::ETHERNET, 9, &vec![0; length]);
        }
        batch
    }

    /// Frames that each interface has handed on, and the time of the last.
    fn seen(engine: &mut Engine) -> [(u64, Timestamp); 2] {
        [0, 1].map(|n| {
            engine.interface(n).map_or_else(Default::default, |numbers| (numbers.packets, numbers.last_packet))
        })
    }

    #[test]
    fn two_interfaces_become_one_row() {
        let (mut engine, mut order) = (engine(), Order::default());
        order.put(&mut engine, 0, batch(0, [(10, 60), (30, 60)]));
        order.put(&mut engine, 7, batch(1, [(12, 60), (28, 60), (50, 60)]));
        order.put(&mut engine, 0, batch(0, [(49, 60)]));
        for (until, expected) in [
            (9, [(0, 0), (0, 0)]),
            (10, [(1, 10), (0, 0)]),
            (28, [(1, 10), (2, 28)]),
            (48, [(2, 30), (2, 28)]),
            (49, [(3, 49), (2, 28)]),
            (50, [(3, 49), (3, 50)]),
        ] {
            order.release(&mut engine, at(until));
            assert_eq!(seen(&mut engine), expected.map(|(count, last)| (count, at(last))), "{until}");
        }
        assert!(order.is_empty() && order.sources.iter().all(VecDeque::is_empty));
        assert_eq!(order.pool.spare().len(), 3);
    }

    #[test]
    fn a_flood_goes_on_before_its_time() {
        let (mut engine, mut order) = (engine(), Order::default());
        for n in 0..400 {
            let source = (n % 2) as usize;
            order.put(&mut engine, source, batch(source, (0..100).map(|frame| (n * 100 + frame, 1000))));
            order.release(&mut engine, at(-1));
            assert!(order.bytes <= MAX_BYTES);
        }
        let [(one, _), (other, _)] = seen(&mut engine);
        assert!(one + other > 20_000 && one + other < 40_000 && one.abs_diff(other) <= 200, "{one} and {other}");
        order.release(&mut engine, at(40_000));
        assert!(order.is_empty());
        assert_eq!(seen(&mut engine).map(|(count, _)| count), [20_000; 2]);
    }

    #[test]
    fn what_was_left_out_is_counted_at_once() {
        let (mut engine, mut order) = (engine(), Order::default());
        let mut rtp = vec![0; 14 + 20 + 8 + 12 + 160];
        rtp[12..15].copy_from_slice(&[8, 0, 0x45]);
        rtp[16..18].copy_from_slice(&200u16.to_be_bytes());
        rtp[38..40].copy_from_slice(&180u16.to_be_bytes());
        (rtp[22], rtp[23], rtp[42]) = (64, 17, 0x80);
        let mut batch = Batch::on(1);
        let followed = (1..=64u8).filter(|port| {
            (rtp[35], rtp[37]) = (*port, *port);
            let before = batch.len();
            batch.put(Share::of_halvings(1), at(1), LinkType::ETHERNET, 100, &rtp);
            batch.len() > before
        });
        let followed = followed.count() as u64;
        assert!((16..=48).contains(&followed), "{followed} of 64");
        order.put(&mut engine, 0, batch);
        let numbers = engine.interface(1).map(|numbers| (numbers.packets, numbers.bytes));
        let left_out = 64 - followed;
        assert_eq!(numbers, Some((left_out, 100 * left_out)));
        order.release(&mut engine, at(1));
        assert_eq!(seen(&mut engine)[1].0, 64);
    }
}
