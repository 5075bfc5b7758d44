//! The pattern of loss as a listener meets it: bursts and gaps of RFC 3611, and the burst ratio of G.107.

/// RFC 3611 section 4.7.2: so many packets in a row have to arrive before a loss counts as isolated (its recommended Gmin).
pub const GMIN: u64 = 16;

/// Counts the transitions of RFC 3611 appendix A.2, in the order of the sequence numbers.
///
/// States: 1 received in a gap, 2 received in a burst, 3 lost in a burst, 4 lost alone in a gap. `c31` and `c32` always
/// equal `c13` and `c23`. A loss that nothing precedes counts as a burst, as it does in the RFC's own code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    pub c11: u64,
    /// Packets received since the last loss.
    pub received: u64,
    // Losses, and what lies between those of a burst: 32 bits of them are enough for a stream's life.
    pub c13: u32,
    pub c14: u32,
    pub c22: u32,
    pub c23: u32,
    pub c33: u32,
    /// Losses in the burst or gap that is running.
    lost: u32,
    /// Runs of losses without a packet between them, and the losses in them.
    pub runs: u32,
    pub losses: u32,
}

/// Means over bursts and gaps (RFC 3611 section 4.7.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurstGap {
    pub bursts: u32,
    /// Share of lost packets inside bursts, 0 to 1.
    pub burst_density: f64,
    /// Share of lost packets inside gaps, 0 to 1.
    pub gap_density: f64,
    /// Mean lengths, packets.
    pub burst_packets: f64,
    pub gap_packets: f64,
}

impl Pattern {
    /// So many packets arrived in a row.
    #[inline]
    pub fn receive(&mut self, packets: u64) {
        self.received += packets;
    }

    /// So many packets in a row did not.
    pub fn lose(&mut self, packets: u32) {
        if packets == 0 {
            return;
        }
        if self.received > 0 || self.losses == 0 {
            self.runs = self.runs.saturating_add(1);
        }
        self.losses = self.losses.saturating_add(packets);
        if self.received >= GMIN {
            // The loss before stood alone in its gap, or ended a burst.
            let ended = if self.lost == 1 { &mut self.c14 } else { &mut self.c13 };
            *ended = ended.saturating_add(1);
            self.lost = 1;
            self.c11 += self.received;
        } else {
            self.lost = self.lost.saturating_add(1);
            if self.received == 0 {
                self.c33 = self.c33.saturating_add(1);
            } else {
                self.c23 = self.c23.saturating_add(1);
                // Less than Gmin.
                self.c22 = self.c22.saturating_add(self.received as u32 - 1);
            }
        }
        self.c33 = self.c33.saturating_add(packets - 1);
        self.lost = self.lost.saturating_add(packets - 1);
        self.received = 0;
    }

    /// Takes up to 64 packets at once; bit `n` of `missing` is packet `n`, of those from `from` until before `to`.
    pub fn block(&mut self, missing: u64, from: u64, to: u64) {
        let mut at = from;
        while at < to {
            let rest = missing >> at;
            let present = u64::from(rest.trailing_zeros()).min(to - at);
            self.receive(present);
            at += present;
            if at < to {
                let lost = u64::from((missing >> at).trailing_ones()).min(to - at);
                self.lose(lost as u32);
                at += lost;
            }
        }
    }

    /// `None` before the first loss.
    pub fn burst_gap(&self) -> Option<BurstGap> {
        if self.losses == 0 {
            return None;
        }
        let ratio = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let (c13, c14, c22, c23) = (u64::from(self.c13), u64::from(self.c14), u64::from(self.c22), u64::from(self.c23));
        let in_bursts = self.lost_in_bursts();
        let p32 = ratio(c23, in_bursts);
        let p23 = if c22 + c23 == 0 { 1.0 } else { 1.0 - ratio(c22, c22 + c23) };
        let bursts = c13.max(1) as f64;
        Some(BurstGap {
            bursts: self.c13,
            burst_density: p23 / (p23 + p32),
            gap_density: ratio(c14, self.c11 + c14),
            burst_packets: self.burst_packets() as f64 / bursts,
            gap_packets: (self.c11 + c14 + c13) as f64 / bursts,
        })
    }

    /// Losses inside bursts: c31 + c32 + c33.
    pub fn lost_in_bursts(&self) -> u64 {
        u64::from(self.c13) + u64::from(self.c23) + u64::from(self.c33)
    }

    /// Packets inside bursts, lost or received: c22 + c23 and the losses, as ctotal less those of the gaps.
    pub fn burst_packets(&self) -> u64 {
        u64::from(self.c22) + u64::from(self.c23) + self.lost_in_bursts()
    }
}

/// G.107 clause 7.5: the mean length of the loss runs against that of random loss, which is 1 / (1 - loss ratio). 1 where
/// nothing was lost, and never below it: sparser than random is not better than random.
pub fn burst_ratio(losses: u64, runs: u64, loss_ratio: f64) -> f64 {
    if runs == 0 { 1.0 } else { (losses as f64 / runs as f64 * (1.0 - loss_ratio)).max(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pattern: &str) -> Pattern {
        let mut all = Pattern::default();
        for packet in pattern.bytes() {
            if packet == b'1' { all.receive(1) } else { all.lose(1) }
        }
        all
    }

    #[test]
    fn a_block_is_its_packets_one_by_one() {
        let bits = 0xf0f0_0000_8000_0001_u64;
        for (from, to) in [(0, 64), (5, 64), (0, 33), (63, 64), (7, 7)] {
            let mut whole = Pattern::default();
            whole.block(bits, from, to);
            let text: String = (from..to).map(|n| if bits >> n & 1 == 0 { '1' } else { '0' }).collect();
            assert_eq!(whole, of(&text), "{from}..{to}");
        }
    }

    #[test]
    fn a_run_across_two_blocks_is_one() {
        let mut pattern = Pattern::default();
        pattern.block(0b11 << 62, 0, 64);
        pattern.block(0b1, 0, 64);
        assert_eq!((pattern.runs, pattern.losses), (1, 3));
        assert_eq!((pattern.c13, pattern.c33), (1, 2));
    }

    #[test]
    fn nothing_lost_has_no_bursts() {
        assert_eq!(of("11111111").burst_gap(), None);
        assert!((burst_ratio(0, 0, 0.0) - 1.0).abs() < f64::EPSILON);
    }
}
