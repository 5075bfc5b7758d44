//! The interval of a stream that is being observed: one observation each time one ends.

use crate::time::Timestamp;

use super::pattern::burst_ratio;
use super::playout;
use super::stream::Stream;

/// Where the counters stood when the running interval began: their low 32 bits, of which differences are taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Baseline {
    pub packets: u32,
    pub expected: u32,
    pub unique: u32,
    /// Too late to be played.
    pub late: u32,
    /// Runs of lost and late packets, and the packets in them.
    pub runs: u32,
    pub losses: u32,
    /// RFC 3611's bursts, the packets in them, and those of them that were lost or late.
    pub bursts: u32,
    pub burst_packets: u32,
    pub burst_losses: u32,
}

/// What one interval of a stream showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub seconds: f64,
    /// Lost on the wire.
    pub loss_ratio: f64,
    /// Lost or too late: what the listener misses, and in which pattern.
    pub missed_ratio: f64,
    pub burst_ratio: f64,
    /// Mean delay of the playout buffer; zero where none is emulated.
    pub buffer_seconds: f64,
    pub bursts: u64,
    pub burst_packets: u64,
    pub burst_losses: u64,
    /// `None` while the clock is unknown.
    pub jitter_seconds: Option<f64>,
    pub gap_seconds: f64,
}

impl Stream {
    fn baseline(&self) -> Baseline {
        // The counters of bursts wait for late packets; what the listener misses is rated now, with its pattern.
        let (pattern, missed) = (self.sequence.pattern(), self.sequence.pattern_so_far());
        Baseline {
            packets: self.packets as u32,
            expected: self.sequence.expected() as u32,
            unique: self.sequence.unique() as u32,
            late: self.sequence.late() as u32,
            runs: missed.runs,
            losses: missed.losses,
            bursts: pattern.c13,
            burst_packets: pattern.burst_packets() as u32,
            burst_losses: pattern.lost_in_bursts() as u32,
        }
    }

    /// Ends the running interval and starts the next, which holds `now`; `None` where no packet came in it.
    pub fn close_interval(&mut self, now: Timestamp, length: i64, playout: &playout::Settings) -> Option<Interval> {
        let current = self.baseline();
        let before = std::mem::replace(&mut self.interval, current);
        let start = self.interval_end.moved(-length);
        let passed = now.nanos_since(start).max(0) / length.max(1) * length;
        let next = start.moved(passed);
        // Up to the last packet: whether the stream goes on after it, the next interval tells.
        let end = self.last_arrival.min(self.interval_end).max(self.observed);
        let seconds = end.seconds_since(self.observed);
        let is_silent = current.packets == before.packets;
        self.observed = if is_silent || passed > length { next } else { end };
        self.interval_end = next.moved(length);
        self.gap_max = self.gap_max.max(self.interval_gap);
        let gap = std::mem::take(&mut self.interval_gap);
        self.relay.show_again();
        self.may_be_relayed = self.relay.is_active();
        if is_silent {
            return None;
        }
        // A packet that came after all takes a loss back.
        let grown = |of: fn(&Baseline) -> u32| of(&current).wrapping_sub(of(&before)).cast_signed().max(0) as u64;
        let expected = grown(|at| at.expected);
        let lost = expected.saturating_sub(grown(|at| at.unique));
        let ratio = |part: u64| if expected == 0 { 0.0 } else { (part as f64 / expected as f64).min(1.0) };
        let missed_ratio = ratio(lost + grown(|at| at.late));
        Some(Interval {
            seconds,
            loss_ratio: ratio(lost),
            missed_ratio,
            burst_ratio: burst_ratio(grown(|at| at.losses), grown(|at| at.runs), missed_ratio),
            buffer_seconds: if self.is_played { self.played.close_interval(&self.playout, playout) } else { 0.0 },
            bursts: grown(|at| at.bursts),
            burst_packets: grown(|at| at.burst_packets),
            burst_losses: grown(|at| at.burst_losses),
            jitter_seconds: self.media_jitter().or_else(|| self.jitter().map(|jitter| jitter.last)),
            gap_seconds: gap as f64 / 1e9,
        })
    }
}
