//! What is true of a stream behind the relay, computed from the relay's log with the counting rules of docs/measuring.md.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::ops::RangeInclusive;

use crate::relay::{MS, Passage};

/// The default of the fixed playout buffer.
const BUFFER_NS: i64 = 60 * MS as i64;
/// What the log's times may be off against the capture's where a packet is on the edge.
const EDGE_NS: i64 = MS as i64 / 2;
/// The buffer is measured from the fastest packet of at least this long (docs/measuring.md).
const SHORT_NS: u64 = 5_000 * MS;

/// One packet behind the relay, in the order in which they were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    pub ns: u64,
    /// Place in the stream before the relay.
    pub index: u64,
    pub sequence: u16,
    /// RTP time since the stream's first packet, in clock ticks.
    pub ticks: i64,
}

/// One stream behind the relay.
#[derive(Debug)]
pub struct Truth {
    pub ssrc: u32,
    pub sent: Vec<Sent>,
    pub expected: u64,
    pub lost: u64,
    pub duplicates: u64,
    pub reordered: u64,
    /// Lengths of the runs of lost packets, in order.
    pub bursts: Vec<u64>,
    pub jitter: Jitter,
}

/// RFC 3550 A.8, seconds.
#[derive(Clone, Debug, Default)]
pub struct Jitter {
    pub after: Vec<f64>,
    pub last: f64,
    pub mean: f64,
    pub max: f64,
}

impl Truth {
    /// Of one stream whose clock has `clock_rate` ticks a second, and that lost nothing before the relay.
    pub fn behind(passages: &[&Passage], clock_rate: f64) -> Truth {
        let first = passages.first().expect("a stream");
        let mut sent = Vec::new();
        for (index, passage) in (0_u64..).zip(passages) {
            let Passage { ssrc, sequence, timestamp, .. } = **passage;
            assert_eq!(ssrc, first.ssrc, "one stream in a direction");
            assert_eq!(sequence, first.sequence.wrapping_add(index as u16), "whole and in order before the relay");
            let ticks = i64::from(timestamp.wrapping_sub(first.timestamp).cast_signed());
            sent.extend(passage.sent_ns.iter().map(|&ns| Sent { ns, index, sequence, ticks }));
        }
        sent.sort_by_key(|packet| packet.ns);
        let numbers: Vec<u64> = sent.iter().map(|packet| packet.index).collect();
        let (duplicates, reordered) = order(&numbers);
        let bursts = bursts(&numbers);
        let range = numbers.iter().max().expect("a packet") - numbers.iter().min().expect("a packet") + 1;
        Truth {
            ssrc: first.ssrc,
            expected: range,
            lost: bursts.iter().sum(),
            duplicates,
            reordered,
            bursts,
            jitter: jitter(&sent, clock_rate),
            sent,
        }
    }

    /// The jitter, had the packets come at these times.
    pub fn jitter_at(&self, times: &[u64], clock_rate: f64) -> Jitter {
        let at = |(packet, &ns): (&Sent, &u64)| Sent { ns, ..*packet };
        jitter(&self.sent.iter().zip(times).map(at).collect::<Vec<_>>(), clock_rate)
    }

    /// The last jitter of each interval of `length_ns`, counted from the first packet; the rest is an interval too.
    pub fn jitter_of_intervals(&self, length_ns: u64) -> Vec<f64> {
        let start = self.sent[0].ns;
        let interval = |ns: u64| (ns - start) / length_ns;
        let packets: Vec<_> = self.sent.iter().zip(&self.jitter.after).collect();
        let lasts = packets.chunk_by(|(a, _), (b, _)| interval(a.ns) == interval(b.ns));
        lasts.map(|chunk| *chunk.last().expect("no empty chunk").1).collect()
    }

    /// How many packets a fixed buffer of 60 ms discards: first copies that come later than that behind the fastest packet. The
    /// range holds packets on the edge, and whether the fastest is that of the last 5 s or of all.
    pub fn discards(&self, clock_rate: f64) -> RangeInclusive<u64> {
        let (mut least, mut most) = (0, 0);
        let transit = |packet: &Sent| packet.ns as i64 - (packet.ticks as f64 / clock_rate * 1e9) as i64;
        let is_copy = |n: usize| self.sent[..n].iter().any(|other| other.index == self.sent[n].index);
        for (n, packet) in self.sent.iter().enumerate().filter(|(n, _)| !is_copy(*n)) {
            let so_far = || self.sent[..=n].iter();
            let of_all = so_far().map(transit).min().expect("itself");
            let recent = so_far().filter(|other| other.ns + SHORT_NS >= packet.ns).map(transit).min().expect("itself");
            least += u64::from(transit(packet) - recent > BUFFER_NS + EDGE_NS);
            most += u64::from(transit(packet) - of_all > BUFFER_NS - EDGE_NS);
        }
        least..=most
    }
}

/// Repeated numbers, and new ones below the highest.
fn order(numbers: &[u64]) -> (u64, u64) {
    let mut seen = std::collections::HashSet::new();
    let (mut duplicates, mut reordered, mut highest) = (0, 0, 0);
    for &number in numbers {
        if !seen.insert(number) {
            duplicates += 1;
        } else if number < highest {
            reordered += 1;
        }
        highest = highest.max(number);
    }
    (duplicates, reordered)
}

/// Runs of numbers that are missing between the first and the last.
fn bursts(numbers: &[u64]) -> Vec<u64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.windows(2).map(|pair| pair[1] - pair[0] - 1).filter(|missing| *missing > 0).collect()
}

/// RFC 3550 A.8 to the letter, over every packet in order of arrival; the mean is over packets 2..n.
fn jitter(sent: &[Sent], clock_rate: f64) -> Jitter {
    let mut estimate = 0.0;
    let mut jitter = Jitter { after: vec![0.0], ..Jitter::default() };
    for pair in sent.windows(2) {
        let arrivals = (pair[1].ns - pair[0].ns) as f64 / 1e9;
        let difference = arrivals - (pair[1].ticks - pair[0].ticks) as f64 / clock_rate;
        estimate += (difference.abs() - estimate) / 16.0;
        jitter.after.push(estimate);
        jitter.max = f64::max(jitter.max, estimate);
    }
    jitter.last = estimate;
    jitter.mean = jitter.after.iter().sum::<f64>() / (sent.len() - 1).max(1) as f64;
    jitter
}
