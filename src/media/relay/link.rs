//! Two streams that are one: which packets are inside the relay, for how long, and which never come out.

use crate::time::Timestamp;

use super::Key;

/// Packets that may be inside the relay at a time: 640 ms of 20 ms packets. What is not out by then is lost in it.
pub const INSIDE: usize = 32;
/// Packets that may be seen going out before they are seen coming in: two interfaces are read one after the other.
pub const AHEAD: usize = 8;
/// Unit of the times that a link keeps, nanoseconds: 32 bits of them are 18 minutes.
const TIME_UNIT: i64 = 256;

/// A packet by its sequence number or timestamp, and when it passed.
#[derive(Clone, Copy, Debug, Default)]
struct Passing {
    number: u32,
    at: u32,
}

/// The last few packets of one side, those without counterpart marked.
#[derive(Clone, Debug)]
struct Ring<const N: usize> {
    packets: [Passing; N],
    alone: u32,
    /// Where the next goes.
    next: u8,
}

impl<const N: usize> Ring<N> {
    const EMPTY: Ring<N> = Ring { packets: [Passing { number: 0, at: 0 }; N], alone: 0, next: 0 };

    /// Puts a packet in; true if it pushes out one that is still alone.
    fn push(&mut self, passing: Passing) -> bool {
        let at = usize::from(self.next);
        self.next = ((at + 1) % N) as u8;
        let pushed = self.alone >> at & 1 == 1;
        self.packets[at] = passing;
        self.alone |= 1 << at;
        pushed
    }

    /// Takes the counterpart of a packet; the newest first, since most relays pass a packet on at once.
    fn take(&mut self, number: u32) -> Option<u32> {
        if self.alone == 0 {
            return None;
        }
        let at = (1..=N)
            .map(|back| (usize::from(self.next) + N - back) % N)
            .find(|at| self.alone >> at & 1 == 1 && self.packets[*at].number == number)?;
        self.alone &= !(1 << at);
        Some(self.packets[at].at)
    }

    /// Packets that are alone although a later one is not: their counterpart will not come any more.
    fn overtaken(&self) -> u64 {
        let (mut alone, mut overtaken) = (0, 0);
        for at in (0..N).map(|n| (usize::from(self.next) + n) % N) {
            if self.alone >> at & 1 == 1 {
                alone += 1;
            } else {
                overtaken = alone;
            }
        }
        overtaken
    }
}

/// What a relay did to a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Packets that came out again.
    pub packets: u64,
    pub lost: u64,
    /// Seconds.
    pub delay_sum: f64,
    pub delay_max: f64,
}

/// The link of an incoming and an outgoing stream.
#[derive(Debug)]
pub struct Link {
    /// Slots of the two; the incoming one may have ended.
    pub from: u32,
    pub from_key: Key,
    pub to: u32,
    /// Whether packets are told by their timestamps; else by their sequence numbers.
    pub by_timestamp: bool,
    /// What the outgoing number is ahead by.
    offset: u32,
    inside: Ring<INSIDE>,
    ahead: Ring<AHEAD>,
    /// Outgoing packets without counterpart, in a row.
    pub misses: u32,
    /// The call is over: what comes in now is not expected to leave.
    pub closed: bool,
    pub totals: Totals,
}

/// What became of a packet that came in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Entered {
    Inside,
    /// It pushed out one that never left.
    Lost,
    /// It had been seen leaving; seconds.
    Left(f64),
}

impl Link {
    pub fn new(from: u32, from_key: Key, to: u32, by_timestamp: bool, offset: u32) -> Link {
        Link {
            from,
            from_key,
            to,
            by_timestamp,
            offset,
            inside: Ring::EMPTY,
            ahead: Ring::EMPTY,
            misses: 0,
            closed: false,
            totals: Totals::default(),
        }
    }

    fn number(&self, sequence: u16, timestamp: u32) -> u32 {
        if self.by_timestamp { timestamp } else { u32::from(sequence) }
    }

    /// A packet comes in.
    pub fn enter(&mut self, now: Timestamp, sequence: u16, timestamp: u32) -> Entered {
        let number = self.number(sequence, timestamp);
        if let Some(left) = self.ahead.take(number) {
            return Entered::Left(self.passed(time(now), left));
        }
        if self.inside.push(Passing { number, at: time(now) }) {
            self.totals.lost += 1;
            return Entered::Lost;
        }
        Entered::Inside
    }

    /// A packet goes out; gives the time that it spent inside, seconds, where its coming is known.
    pub fn leave(&mut self, now: Timestamp, sequence: u16, timestamp: u32) -> Option<f64> {
        let mask = if self.by_timestamp { u32::MAX } else { 0xffff };
        let number = self.number(sequence, timestamp).wrapping_sub(self.offset) & mask;
        match self.inside.take(number) {
            Some(entered) => Some(self.passed(entered, time(now))),
            None => {
                self.misses += u32::from(self.ahead.push(Passing { number, at: time(now) }));
                None
            }
        }
    }

    fn passed(&mut self, entered: u32, left: u32) -> f64 {
        self.misses = 0;
        // Two interfaces' clocks are one, but their interrupts are not.
        let ticks = left.wrapping_sub(entered).cast_signed().max(0);
        let seconds = f64::from(ticks) * TIME_UNIT as f64 / 1e9;
        self.totals.packets += 1;
        self.totals.delay_sum += seconds;
        self.totals.delay_max = self.totals.delay_max.max(seconds);
        seconds
    }

    /// Counts what will not come out any more; gives how many.
    pub fn close(&mut self) -> u64 {
        let overtaken = self.inside.overtaken();
        self.totals.lost += overtaken;
        overtaken
    }
}

fn time(at: Timestamp) -> u32 {
    (at.nanos() / TIME_UNIT) as u32
}

#[cfg(test)]
mod tests {
    use super::super::tests::key;
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_nanos(1_700_000_000_000_000_000 + millis * 1_000_000)
    }

    fn link(by_timestamp: bool, offset: u32) -> Link {
        Link::new(0, key(1), 1, by_timestamp, offset)
    }

    #[test]
    fn a_packet_that_goes_through_tells_its_stay() {
        let mut link = link(false, 10);
        assert_eq!(link.enter(at(0), 65_530, 0), Entered::Inside);
        let seconds = link.leave(at(3), 4, 0).unwrap();
        assert!((seconds - 0.003).abs() < 1e-6, "{seconds}");
    }

    #[test]
    fn what_is_overtaken_or_pushed_out_is_lost() {
        let mut link = link(true, 0);
        for n in 0..100_u16 {
            link.enter(at(20 * i64::from(n)), n, u32::from(n) * 160);
            if n % 10 != 0 && n < 90 {
                assert!(link.leave(at(20 * i64::from(n) + 1), n, u32::from(n) * 160).is_some());
            }
        }
        // 0, 10, ... 80; of 90 to 99 nothing has left, and nothing later: they may still.
        link.close();
        assert_eq!((link.totals.packets, link.totals.lost), (81, 9));
    }

    #[test]
    fn an_outgoing_packet_may_be_seen_first() {
        let mut link = link(false, 0);
        assert_eq!(link.leave(at(5), 7, 0), None);
        let Entered::Left(seconds) = link.enter(at(4), 7, 0) else { panic!("not matched") };
        assert!((seconds - 0.001).abs() < 1e-6, "{seconds}");
        assert_eq!(link.totals.packets, 1);
    }
}
