//! Counts one stream as it arrives. It is told the true index of every packet, so it never unwraps a sequence number:
//! an independent way to the numbers that the analyser has to find.

use std::ops::Range;

use super::truth::{Bursts, Gap, Jitter, seconds};

/// RFC 3550 A.8: the estimate moves by a sixteenth of each difference.
const JITTER_GAIN: f64 = 1.0 / 16.0;

#[derive(Debug)]
pub struct Tally {
    clock_rate_hz: f64,
    seen: Vec<u64>,
    pub packets: u64,
    pub payload_bytes: u64,
    pub duplicates: u64,
    pub reordered: u64,
    highest: Option<u32>,
    pub first_ns: u64,
    pub last_ns: u64,
    last_ticks: i64,
    jitter_ticks: f64,
    jitter_sum: f64,
    jitter_max: f64,
    gap_max_ns: u64,
}

impl Tally {
    pub fn new(packets: u32, clock_rate_hz: u32) -> Self {
        Tally {
            clock_rate_hz: f64::from(clock_rate_hz),
            seen: vec![0; (packets as usize).div_ceil(64)],
            packets: 0,
            payload_bytes: 0,
            duplicates: 0,
            reordered: 0,
            highest: None,
            first_ns: 0,
            last_ns: 0,
            last_ticks: 0,
            jitter_ticks: 0.0,
            jitter_sum: 0.0,
            jitter_max: 0.0,
            gap_max_ns: 0,
        }
    }

    /// Packet `index` of the stream arrives; `ticks` is its media time without any wrap.
    pub fn arrive(&mut self, index: u32, ns: u64, ticks: i64, payload_bytes: usize) {
        if self.packets == 0 {
            self.first_ns = ns;
        } else {
            self.time_passes(ns, ticks);
        }
        self.last_ns = ns;
        self.last_ticks = ticks;
        self.packets += 1;
        self.payload_bytes += payload_bytes as u64;
        if self.was_seen(index) {
            self.duplicates += 1;
        } else if self.highest.is_some_and(|highest| index < highest) {
            self.reordered += 1;
        }
        self.seen[index as usize / 64] |= 1 << (index % 64);
        self.highest = self.highest.max(Some(index));
    }

    fn time_passes(&mut self, ns: u64, ticks: i64) {
        let gap_ns = ns - self.last_ns;
        self.gap_max_ns = self.gap_max_ns.max(gap_ns);
        let difference = gap_ns as f64 / 1e9 * self.clock_rate_hz - (ticks - self.last_ticks) as f64;
        self.jitter_ticks += (difference.abs() - self.jitter_ticks) * JITTER_GAIN;
        self.jitter_sum += self.jitter_ticks;
        self.jitter_max = self.jitter_max.max(self.jitter_ticks);
    }

    fn was_seen(&self, index: u32) -> bool {
        self.seen[index as usize / 64] & (1 << (index % 64)) != 0
    }

    /// How many packets there should be up to the highest index that arrived.
    pub fn expected_so_far(&self) -> u64 {
        self.highest.map_or(0, |highest| u64::from(highest) + 1)
    }

    /// Current estimate in clock ticks, as RTCP carries it.
    pub fn jitter_ticks(&self) -> u32 {
        self.jitter_ticks as u32
    }

    /// Lost packets and their bursts, within each of the stream's runs of sequence numbers.
    pub fn losses(&self, runs: &[Range<u32>]) -> (u64, Bursts) {
        let mut lost = 0;
        let mut bursts = Bursts::default();
        for run in runs {
            let mut length = 0;
            for index in run.clone() {
                if self.was_seen(index) {
                    length = 0;
                    continue;
                }
                lost += 1;
                length += 1;
                bursts.count += u64::from(length == 1);
                bursts.longest = bursts.longest.max(length);
            }
        }
        (lost, bursts)
    }

    pub fn jitter(&self) -> Jitter {
        let mean = if self.packets > 1 { self.jitter_sum / (self.packets - 1) as f64 } else { 0.0 };
        Jitter {
            last: self.jitter_ticks / self.clock_rate_hz,
            mean: mean / self.clock_rate_hz,
            max: self.jitter_max / self.clock_rate_hz,
        }
    }

    pub fn gap(&self) -> Gap {
        let between = self.packets.saturating_sub(1).max(1) as f64;
        Gap { mean: seconds(self.last_ns - self.first_ns) / between, max: seconds(self.gap_max_ns) }
    }
}
