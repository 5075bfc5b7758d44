//! Sequence numbers (RFC 3550 A.1): extended, with wrap and restart; what is lost, duplicated, reordered, and in which runs.
//! A packet that came too late to be played stays apart: it was not lost, but the listener misses it all the same.

use super::pattern::Pattern;

/// RFC 3550 A.1: a jump of this size or more is no loss but a restart.
const MAX_DROPOUT: u16 = 3000;
/// RFC 3550 A.1: a packet further behind than this may be the first of a sender that restarted.
const MAX_MISORDER: u64 = 100;
/// Blocks of 64 numbers that are remembered behind the current one.
const RING: usize = 8;
/// Blocks of which it is remembered who came too late: only those that are not settled need it.
const LATE_RING: usize = 4;
/// Numbers further behind than this are not remembered.
const WINDOW: u64 = (RING as u64 - 1) * 64;
/// Extended numbers start here, so that a late first packet can lower the base.
const ORIGIN: u64 = 1 << 32;

/// The fields of [`Sequence`] that every packet touches, bytes.
pub const HOT_BYTES: usize = 16;

/// What an arrival was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    InOrder,
    /// Below the highest number, and not seen before.
    Reordered,
    Duplicate,
    /// Far from everything: counted as a packet, not in the sequence, unless its successor follows.
    Stray,
    /// Second packet in a row of a new numbering (A.1): the stray before it now counts too.
    Restart,
}

/// Losses that have left the window in which a late packet is still awaited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    pub expected: u64,
    pub lost: u64,
}

/// Runs of consecutive losses, in the order of the sequence numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    pub count: u64,
    pub longest: u64,
    /// Losses in finished runs.
    pub lost: u64,
}

/// The sequence numbers of one stream. The two fields that every packet touches come first.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Sequence {
    /// Highest extended sequence number.
    highest: u64,
    /// Which of the 64 numbers of the highest one's block arrived.
    block: u64,
    /// And which of them too late.
    late_block: u64,
    /// By how much the highest is ahead of the count of distinct numbers that arrived: what the next number does not change.
    ahead: u64,
    /// The number that would confirm a restart, while this is the highest.
    awaited: (u16, u64),
    base: u64,
    /// Numbers of the runs before the last restart.
    expected_before: u64,
    /// First block that is not settled.
    unsettled: u64,
    /// Losses that were settled and then arrived after all; taken off the next ones.
    arrived_late: u64,
    run: u64,
    runs: Runs,
    /// Losses and late packets together, as the listener meets them.
    pattern: Pattern,
    late: u64,
    ring: [u64; RING],
    late_ring: [u64; LATE_RING],
}

impl Sequence {
    pub fn new(first: u16) -> Sequence {
        let extended = ORIGIN | u64::from(first);
        Sequence {
            highest: extended,
            block: 1 << (extended & 63),
            late_block: 0,
            ahead: extended - 1,
            awaited: (0, 0),
            base: extended,
            expected_before: 0,
            unsettled: extended >> 6,
            arrived_late: 0,
            run: 0,
            runs: Runs::default(),
            pattern: Pattern::default(),
            late: 0,
            ring: [0; RING],
            late_ring: [0; LATE_RING],
        }
    }

    /// Takes the next arrival; `forward` is whether its RTP timestamp lies after that of the arrival before, `late` whether
    /// it comes too late to be played. Losses that no packet can mend any more go to `settled`, runs of them to `burst`.
    #[inline(always)]
    pub fn arrive(
        &mut self,
        number: u16,
        forward: bool,
        late: bool,
        settled: &mut Settled,
        burst: &mut impl FnMut(u64),
    ) -> Arrival {
        // The next number, and in the same block.
        if number == (self.highest as u16).wrapping_add(1) && number & 63 != 0 {
            let bit = 1 << (number & 63);
            self.highest += 1;
            self.block |= bit;
            if late {
                self.late_block |= bit;
                self.late += 1;
            }
            return Arrival::InOrder;
        }
        self.jump(number, forward, late, settled, burst)
    }

    #[inline(never)]
    fn jump(
        &mut self,
        number: u16,
        forward: bool,
        late: bool,
        settled: &mut Settled,
        burst: &mut impl FnMut(u64),
    ) -> Arrival {
        let ahead = number.wrapping_sub(self.highest as u16);
        if ahead != 0 && ahead < MAX_DROPOUT {
            self.advance(self.highest + u64::from(ahead), settled, burst);
            self.late_block |= u64::from(late) << (self.highest & 63);
            self.late += u64::from(late);
            self.ahead = self.ahead.wrapping_sub(1);
            return Arrival::InOrder;
        }
        let behind = u64::from((self.highest as u16).wrapping_sub(number));
        if behind < WINDOW {
            let arrival = self.behind(self.highest - behind, late);
            // A real duplicate cannot carry a newer timestamp than the packets after it.
            let restarting = arrival == Some(Arrival::Duplicate) && behind > MAX_MISORDER && forward;
            if let (Some(arrival), false) = (arrival, restarting) {
                self.awaited = (0, 0);
                return arrival;
            }
        }
        if self.awaits(number) {
            self.restart(number, settled, burst);
            return Arrival::Restart;
        }
        self.awaited = (number.wrapping_add(1), self.highest);
        Arrival::Stray
    }

    /// Whether the number follows a stray that came just before.
    fn awaits(&self, number: u16) -> bool {
        self.awaited == (number, self.highest)
    }

    /// A number not above the highest: new, seen, or (`None`) from before everything that is remembered.
    fn behind(&mut self, extended: u64, late: bool) -> Option<Arrival> {
        let (block, bit) = (extended >> 6, 1 << (extended & 63));
        if extended < self.base {
            let nothing_settled = self.unsettled == self.base >> 6;
            if block < self.unsettled && !nothing_settled {
                return None;
            }
            self.base = extended;
            self.unsettled = self.unsettled.min(block);
        }
        let current = self.highest >> 6;
        let word = if block == current { &mut self.block } else { &mut self.ring[block as usize % RING] };
        if *word & bit != 0 {
            return Some(Arrival::Duplicate);
        }
        *word |= bit;
        self.late += u64::from(late);
        if late && block == current {
            self.late_block |= bit;
        } else if late && block + LATE_RING as u64 > current {
            self.late_ring[block as usize % LATE_RING] |= bit;
        }
        self.ahead = self.ahead.wrapping_sub(1);
        self.arrived_late += u64::from(block < self.unsettled);
        Some(Arrival::Reordered)
    }

    /// Whether this number arrived, as far as that is remembered.
    pub fn has_seen(&self, number: u16) -> bool {
        let behind = u64::from((self.highest as u16).wrapping_sub(number));
        // A stray is not in the sequence until its successor comes.
        if behind >= WINDOW || self.highest - behind < self.base {
            return self.awaits(number.wrapping_add(1));
        }
        let extended = self.highest - behind;
        let (block, bit) = (extended >> 6, 1 << (extended & 63));
        let word = if block == self.highest >> 6 { self.block } else { self.ring[block as usize % RING] };
        word & bit != 0
    }

    fn advance(&mut self, to: u64, settled: &mut Settled, burst: &mut impl FnMut(u64)) {
        self.ahead = self.ahead.wrapping_add(to - self.highest);
        while self.highest >> 6 < to >> 6 {
            let block = self.highest >> 6;
            self.ring[block as usize % RING] = self.block;
            self.late_ring[block as usize % LATE_RING] = self.late_block;
            (self.block, self.late_block) = (0, 0);
            self.highest = (block + 1) << 6;
            // The block just left still waits for its late packets; those before it have waited long enough.
            self.settle(block, u64::MAX, settled, burst);
        }
        self.highest = to;
        self.block |= 1 << (to & 63);
    }

    /// Settles all blocks before `end`, and of them the numbers up to `last`.
    fn settle(&mut self, end: u64, last: u64, settled: &mut Settled, burst: &mut impl FnMut(u64)) {
        while self.unsettled < end {
            let block = self.unsettled;
            let current = self.highest >> 6;
            let word = if block == current { self.block } else { self.ring[block as usize % RING] };
            let late = match current - block {
                0 => self.late_block,
                behind if behind < LATE_RING as u64 => self.late_ring[block as usize % LATE_RING],
                _ => 0,
            };
            let from = self.base.saturating_sub(block << 6).min(64);
            let to = last.saturating_add(1).saturating_sub(block << 6).min(64);
            let numbers = to.saturating_sub(from);
            let mask = if numbers == 64 { u64::MAX } else { ((1 << numbers) - 1) << (from & 63) };
            let lost = u64::from((!word & mask).count_ones());
            if lost > 0 || self.run > 0 {
                self.walk(word, from, to, burst);
            }
            if lost > 0 || late != 0 {
                self.pattern.block(!word | late, from, to);
            } else {
                self.pattern.receive(numbers);
            }
            let forgiven = lost.min(self.arrived_late);
            self.arrived_late -= forgiven;
            settled.expected += numbers;
            settled.lost += lost - forgiven;
            self.unsettled += 1;
        }
    }

    /// Follows the runs of losses through one block.
    fn walk(&mut self, word: u64, from: u64, to: u64, burst: &mut impl FnMut(u64)) {
        for bit in from..to {
            if word >> bit & 1 == 0 {
                self.run += 1;
            } else if self.run > 0 {
                burst(self.run);
                self.runs.count += 1;
                self.runs.longest = self.runs.longest.max(self.run);
                self.runs.lost += self.run;
                self.run = 0;
            }
        }
    }

    fn restart(&mut self, number: u16, settled: &mut Settled, burst: &mut impl FnMut(u64)) {
        self.close(settled, burst);
        let anew = Sequence::new(number.wrapping_sub(1));
        *self = Sequence {
            ahead: anew.highest.wrapping_sub(self.unique() + 2),
            expected_before: self.expected(),
            runs: self.runs,
            pattern: self.pattern,
            late: self.late,
            arrived_late: self.arrived_late,
            ..anew
        };
        self.advance(self.highest + 1, settled, burst);
    }

    /// Settles everything up to the highest number: the stream ends, or starts anew.
    pub fn close(&mut self, settled: &mut Settled, burst: &mut impl FnMut(u64)) {
        self.settle((self.highest >> 6) + 1, self.highest, settled, burst);
    }

    /// Numbers from first to last, of all runs.
    pub fn expected(&self) -> u64 {
        self.expected_before + self.highest - self.base + 1
    }

    /// Distinct numbers that arrived.
    pub fn unique(&self) -> u64 {
        self.highest.wrapping_sub(self.ahead)
    }

    /// Numbers in range that never arrived.
    pub fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.unique())
    }

    pub fn runs(&self) -> Runs {
        self.runs
    }

    /// First arrivals that came too late to be played.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// The pattern that the listener meets, up to the highest number.
    pub fn pattern_so_far(&self) -> Pattern {
        let mut whole = self.clone();
        whole.close(&mut Settled::default(), &mut |_| {});
        whole.pattern
    }

    /// What is settled of it.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }
}

#[cfg(test)]
mod tests;
