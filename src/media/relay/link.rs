//! Two streams that are one: which packets are inside the relay, for how long, and which never come out.

use crate::time::Timestamp;
use crate::wire::rtp::Packet;

use super::Key;

/// Packets that may be inside the relay at a time: 640 ms of 20 ms packets. What is not out by then is lost in it.
pub const INSIDE: usize = 32;
/// Packets that may be seen going out before they are seen coming in: two interfaces are read one after the other.
pub const AHEAD: usize = 8;
/// Outgoing packets without counterpart in a row after which a link is given up: of those told by their payloads few are enough.
const MAX_MISSES: u32 = 64;
const MAX_TELLING_MISSES: u32 = 8;
/// By so much a packet may seem to leave before it came in: stamps are taken a little before or after the wire, in units of time.
const MAX_BACKWARDS: i32 = 100_000 / TIME_UNIT as i32;
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

    /// Takes the newest packet that fits: most relays pass a packet on at once.
    fn take(&mut self, fits: impl Fn(u32) -> bool) -> Option<Passing> {
        if self.alone == 0 {
            return None;
        }
        let at = (1..=N)
            .map(|back| (usize::from(self.next) + N - back) % N)
            .find(|at| self.alone >> at & 1 == 1 && fits(self.packets[*at].number))?;
        self.alone &= !(1 << at);
        Some(self.packets[at])
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
    /// Whether packets are told by timestamp and payload; else by their sequence numbers.
    pub by_timestamp: bool,
    /// What the outgoing number is ahead by.
    offset: u32,
    inside: Ring<INSIDE>,
    ahead: Ring<AHEAD>,
    /// Outgoing packets without counterpart, in a row; silence tells nothing of it.
    misses: u32,
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
    /// It had left before it came in: what this host sent was sent back to it.
    Back,
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

    /// What a packet is told by, before the relay shifted its numbers by `offset`: 16 bits of its sequence number or timestamp
    /// and, where that may shift, 16 bits of its payload.
    fn number(&self, packet: &Packet, offset: u32) -> u32 {
        if self.by_timestamp {
            packet.timestamp.wrapping_sub(offset) << 16 | mix(packet.head) >> 16
        } else {
            u32::from(packet.sequence).wrapping_sub(offset) << 16
        }
    }

    /// Whether two packets are one that a B2BUA gave another timestamp, as it inserted or dropped one before.
    fn shifted(&self, number: u32, packet: &Packet) -> impl Fn(u32) -> bool + use<> {
        let may_be = self.by_timestamp && is_telling(packet);
        move |other: u32| may_be && other as u16 == number as u16
    }

    /// Takes note of a shift between what came in and what went out.
    fn follow(&mut self, entered: u32, left: u32) {
        let ahead = (left >> 16).wrapping_sub(entered >> 16) as u16 as i16;
        self.offset = self.offset.wrapping_add_signed(i32::from(ahead));
    }

    /// Whether the outgoing stream has left the incoming one.
    pub fn is_broken(&self) -> bool {
        self.misses >= if self.by_timestamp { MAX_TELLING_MISSES } else { MAX_MISSES }
    }

    /// A packet comes in.
    pub fn enter(&mut self, now: Timestamp, packet: &Packet) -> Entered {
        let number = self.number(packet, 0);
        let shifted = self.shifted(number, packet);
        if let Some(left) = self.ahead.take(|other| other == number).or_else(|| self.ahead.take(shifted)) {
            if time(now).wrapping_sub(left.at).cast_signed() > MAX_BACKWARDS {
                self.misses += 1;
                return Entered::Back;
            }
            self.follow(number, left.number);
            return Entered::Left(self.passed(time(now), left.at));
        }
        if self.inside.push(Passing { number, at: time(now) }) {
            self.totals.lost += 1;
            return Entered::Lost;
        }
        Entered::Inside
    }

    /// A packet goes out; gives the time that it spent inside, seconds, where its coming is known.
    pub fn leave(&mut self, now: Timestamp, packet: &Packet) -> Option<f64> {
        let number = self.number(packet, self.offset);
        let counts = !self.by_timestamp || is_telling(packet);
        let shifted = self.shifted(number, packet);
        match self.inside.take(|other| other == number).or_else(|| self.inside.take(shifted)) {
            Some(entered) => {
                self.misses *= u32::from(!counts);
                self.follow(entered.number, number);
                Some(self.passed(entered.at, time(now)))
            }
            None => {
                self.misses += u32::from(self.ahead.push(Passing { number, at: time(now) }) && counts);
                None
            }
        }
    }

    fn passed(&mut self, entered: u32, left: u32) -> f64 {
        // Two interfaces' clocks are one, but their interrupts are not.
        let ticks = left.wrapping_sub(entered).cast_signed().max(0);
        let seconds = f64::from(ticks) * TIME_UNIT as f64 / 1e9;
        self.totals.packets += 1;
        self.totals.delay_sum += seconds;
        self.totals.delay_max = self.totals.delay_max.max(seconds);
        seconds
    }

    /// Nothing is inside any more, as far as is known.
    pub fn forget(&mut self) {
        self.inside.alone = 0;
    }

    /// Counts what will not come out any more; gives how many.
    pub fn close(&mut self) -> u64 {
        let overtaken = self.inside.overtaken();
        self.totals.lost += overtaken;
        overtaken
    }
}

/// Silence looks the same in all streams.
pub fn is_telling(packet: &Packet) -> bool {
    packet.payload_length >= 8 && packet.head != packet.head.rotate_left(8)
}

/// 2^64 divided by the golden ratio: the high bits of the product depend on all of the head.
pub fn mix(head: u64) -> u32 {
    (head.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
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

    fn packet(sequence: u16, timestamp: u32) -> Packet {
        let head = u64::from(sequence).wrapping_mul(0x0102_0304_0506_0708) + 1;
        Packet { ssrc: 1, timestamp, sequence, payload_type: 8, marker: false, payload_length: 160, head }
    }

    #[test]
    fn a_packet_that_goes_through_tells_its_stay() {
        let mut link = link(false, 10);
        assert_eq!(link.enter(at(0), &packet(65_530, 0)), Entered::Inside);
        let seconds = link.leave(at(3), &packet(4, 0)).unwrap();
        assert!((seconds - 0.003).abs() < 1e-6, "{seconds}");
    }

    #[test]
    fn what_is_overtaken_or_pushed_out_is_lost() {
        let mut link = link(true, 0);
        for n in 0..100_u16 {
            let packet = packet(n, u32::from(n) * 160);
            link.enter(at(20 * i64::from(n)), &packet);
            if n % 10 != 0 && n < 90 {
                assert!(link.leave(at(20 * i64::from(n) + 1), &packet).is_some());
            }
        }
        // 0, 10, ... 80; of 90 to 99 nothing has left, and nothing later: they may still.
        link.close();
        assert_eq!((link.totals.packets, link.totals.lost), (81, 9));
    }

    #[test]
    fn an_outgoing_packet_may_be_seen_first() {
        let mut link = link(false, 0);
        assert_eq!(link.leave(at(5), &packet(7, 0)), None);
        let Entered::Left(seconds) = link.enter(at(4), &packet(7, 0)) else { panic!("not matched") };
        assert!((seconds - 0.001).abs() < 1e-6, "{seconds}");
        assert_eq!(link.totals.packets, 1);
    }

    #[test]
    fn timestamps_that_shift_are_followed_by_payload() {
        let mut link = link(true, 1_000_000);
        for n in 0..60_u16 {
            link.enter(at(20 * i64::from(n)), &packet(n, u32::from(n) * 160));
            // From 30 on each packet leaves with the timestamp of the one before.
            let shift = if n < 30 { 0 } else { 160 };
            let left = link.leave(at(20 * i64::from(n) + 3), &packet(n, 1_000_000 + u32::from(n) * 160 - shift));
            assert!(left.is_some_and(|seconds| (seconds - 0.003).abs() < 1e-6), "{n}: {left:?}");
        }
        assert!(!link.is_broken());
        assert_eq!(link.offset, 1_000_000 - 160);
    }

    #[test]
    fn other_payloads_break_the_link() {
        let mut link = link(true, 0);
        for n in 0..60_u16 {
            link.enter(at(20 * i64::from(n)), &packet(n, u32::from(n) * 160));
            let other = if n < 30 { n } else { n + 10_000 };
            link.leave(at(20 * i64::from(n) + 1), &packet(other, u32::from(n) * 160));
            assert_eq!(link.is_broken(), n >= 30 + AHEAD as u16 + 7, "{n}");
        }
        assert_eq!(link.totals.packets, 30);
    }

    #[test]
    fn silence_tells_nothing() {
        let silence = Packet { head: 0xd5d5_d5d5_d5d5_d5d5, ..packet(1, 1) };
        assert!(!is_telling(&silence));
        assert!(is_telling(&Packet { head: 0xd5d5_d5d5_d5d5_d555, ..silence }));
    }
}
