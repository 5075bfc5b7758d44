//! One RTP stream: what each packet changes (RFC 3550 A.1, A.8), and the interval that is being observed.

use crate::quality::codec::CodecId;
use crate::time::Timestamp;
use crate::wire::rtp::Packet;
use crate::wire::{Endpoint, Ip};

use super::sequence::{Arrival, Sequence, Settled};

/// What makes a stream: source, destination and SSRC (the contract's counting rules).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Key {
    pub source_ip: Ip,
    pub destination_ip: Ip,
    pub source_port: u16,
    pub destination_port: u16,
    pub ssrc: u32,
}

impl Key {
    pub fn source(&self) -> Endpoint {
        Endpoint { ip: self.source_ip, port: self.source_port }
    }

    pub fn destination(&self) -> Endpoint {
        Endpoint { ip: self.destination_ip, port: self.destination_port }
    }
}

/// A change of the transit time beyond this, where the numbering breaks, is a new timestamp origin.
const RESTART_SECONDS: f64 = 5.0;
/// A payload type that no packet has: 7 bits are all there is.
const NO_PAYLOAD_TYPE: u8 = 0xff;

/// State of a stream; the fields that every packet touches stand together at the front.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Stream {
    pub key: Key,
    pub last_arrival: Timestamp,
    /// When the running interval ends.
    pub interval_end: Timestamp,
    /// RTP clock ticks a nanosecond; zero while the clock is unknown.
    ticks_per_nano: f64,
    /// Interarrival jitter in ticks (RFC 3550 A.8), its maximum, and the sum over packets 2 to n.
    jitter: f64,
    jitter_max: f64,
    jitter_sum: f64,
    jitter_count: u64,
    pub packets: u64,
    last_timestamp: u32,
    /// Row of the numbers that this stream is counted in.
    pub cell: u32,
    /// The media payload type.
    pub payload_type: u8,
    /// The payload type of events or comfort noise between the media packets.
    pub side_payload_type: u8,
    pub codec: CodecId,
    /// Whether the slot holds a stream that is running.
    pub in_use: bool,
    /// Longest time between two arrivals of the running interval, nanoseconds.
    interval_gap: i64,
    pub sequence: Sequence,
    // From here on: touched once an interval or less.
    pub first_arrival: Timestamp,
    pub interval_start: Timestamp,
    gap_max: i64,
    pub duplicates: u64,
    pub reordered: u64,
    pub clock_rate: u32,
    /// Whether a row counts this stream as active.
    pub is_counted: bool,
    pub interval: Baseline,
    /// The call that this stream belongs to; zero for none.
    pub call: u64,
}

/// Where the counters stood when the running interval began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Baseline {
    pub packets: u64,
    pub expected: u64,
    pub unique: u64,
    pub bursts: u64,
    pub burst_losses: u64,
}

/// What one interval of a stream showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub seconds: f64,
    pub loss_ratio: f64,
    pub burst_ratio: f64,
    /// `None` while the clock is unknown.
    pub jitter_seconds: Option<f64>,
    pub gap_seconds: f64,
}

/// Interarrival jitter over a stream's life (RFC 3550 A.8), seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter {
    pub last: f64,
    pub mean: Option<f64>,
    pub max: f64,
}

impl Stream {
    /// A stream that begins with this packet.
    pub fn new(key: Key, now: Timestamp, packet: &Packet, interval_end: Timestamp) -> Stream {
        Stream {
            key,
            last_arrival: now,
            interval_end,
            ticks_per_nano: 0.0,
            jitter: 0.0,
            jitter_max: 0.0,
            jitter_sum: 0.0,
            jitter_count: 0,
            packets: 1,
            last_timestamp: packet.timestamp,
            cell: 0,
            payload_type: packet.payload_type,
            side_payload_type: NO_PAYLOAD_TYPE,
            codec: CodecId::UNKNOWN,
            in_use: true,
            interval_gap: 0,
            sequence: Sequence::new(packet.sequence),
            first_arrival: now,
            interval_start: now,
            gap_max: 0,
            duplicates: 0,
            reordered: 0,
            clock_rate: 0,
            is_counted: false,
            interval: Baseline::default(),
            call: 0,
        }
    }

    /// Sets the RTP clock; ticks measured on another clock keep their time.
    pub fn set_clock(&mut self, clock_rate: u32) {
        if clock_rate == self.clock_rate || clock_rate == 0 {
            return;
        }
        if self.clock_rate != 0 {
            let scale = f64::from(clock_rate) / f64::from(self.clock_rate);
            self.jitter *= scale;
            self.jitter_max *= scale;
            self.jitter_sum *= scale;
        }
        self.clock_rate = clock_rate;
        self.ticks_per_nano = f64::from(clock_rate) / 1e9;
    }

    /// Takes a further packet of the stream.
    #[inline(always)]
    pub fn update(
        &mut self,
        now: Timestamp,
        packet: &Packet,
        settled: &mut Settled,
        burst: &mut impl FnMut(u64),
    ) -> Arrival {
        self.packets += 1;
        let gap = now.nanos_since(self.last_arrival);
        self.interval_gap = self.interval_gap.max(gap);
        let ticks = packet.timestamp.wrapping_sub(self.last_timestamp) as i32;
        let arrival = self.sequence.arrive(packet.sequence, ticks > 0, settled, burst);
        self.last_arrival = now;
        self.last_timestamp = packet.timestamp;
        match arrival {
            Arrival::InOrder => {}
            Arrival::Reordered => self.reordered += 1,
            Arrival::Duplicate => self.duplicates += 1,
            Arrival::Stray | Arrival::Restart => {
                // A timestamp that starts anew says nothing about transit times.
                let d = gap as f64 * self.ticks_per_nano - f64::from(ticks);
                if d.abs() > f64::from(self.clock_rate) * RESTART_SECONDS {
                    return arrival;
                }
            }
        }
        if self.ticks_per_nano > 0.0 {
            // RFC 3550 A.8, with the arrival not rounded to ticks: D is the change of the transit time.
            let d = (gap as f64 * self.ticks_per_nano - f64::from(ticks)).abs();
            self.jitter += (d - self.jitter) / 16.0;
            self.jitter_sum += self.jitter;
            self.jitter_max = self.jitter_max.max(self.jitter);
            self.jitter_count += 1;
        }
        arrival
    }

    fn ticks_to_seconds(&self, ticks: f64) -> Option<f64> {
        (self.clock_rate != 0).then(|| ticks / f64::from(self.clock_rate))
    }

    /// The running estimate, its mean over packets 2 to n (of a single packet there is none), its maximum; in seconds.
    pub fn jitter(&self) -> Option<Jitter> {
        let mean = (self.jitter_count > 0).then(|| self.jitter_sum / self.jitter_count as f64);
        Some(Jitter {
            last: self.ticks_to_seconds(self.jitter)?,
            mean: mean.and_then(|mean| self.ticks_to_seconds(mean)),
            max: self.ticks_to_seconds(self.jitter_max)?,
        })
    }

    /// Mean and longest time between arrivals, seconds; `None` for a single packet.
    pub fn gaps(&self) -> Option<(f64, f64)> {
        let between = self.packets.checked_sub(1).filter(|n| *n > 0)?;
        let mean = self.last_arrival.seconds_since(self.first_arrival) / between as f64;
        Some((mean, self.gap_max.max(self.interval_gap) as f64 / 1e9))
    }

    /// The share of the expected packets that never came, over the whole stream.
    pub fn loss_ratio(&self) -> f64 {
        self.sequence.lost() as f64 / self.sequence.expected() as f64
    }

    /// Burst ratio of G.107 clause 7.5: mean length of the loss runs against that of random loss.
    pub fn burst_ratio(&self) -> f64 {
        let runs = self.sequence.runs();
        burst_ratio(runs.lost, runs.count, self.loss_ratio())
    }

    /// Ends the running interval and starts the next, which holds `now`; `None` where no packet came in it.
    pub fn close_interval(&mut self, now: Timestamp, length: i64) -> Option<Interval> {
        let runs = self.sequence.runs();
        let current = Baseline {
            packets: self.packets,
            expected: self.sequence.expected(),
            unique: self.sequence.unique(),
            bursts: runs.count,
            burst_losses: runs.lost,
        };
        let before = std::mem::replace(&mut self.interval, current);
        let end = self.interval_end.min(now.max(self.last_arrival));
        let seconds = end.seconds_since(self.interval_start).max(0.0);
        let passed = now.nanos_since(self.interval_start).max(0) / length.max(1) * length;
        self.interval_start = Timestamp::from_nanos(self.interval_start.nanos().saturating_add(passed));
        self.interval_end = Timestamp::from_nanos(self.interval_start.nanos().saturating_add(length));
        self.gap_max = self.gap_max.max(self.interval_gap);
        let gap = std::mem::take(&mut self.interval_gap);
        if current.packets == before.packets {
            return None;
        }
        let expected = current.expected.saturating_sub(before.expected);
        let lost = expected.saturating_sub(current.unique.saturating_sub(before.unique));
        let loss_ratio = if expected == 0 { 0.0 } else { lost as f64 / expected as f64 };
        Some(Interval {
            seconds,
            loss_ratio,
            burst_ratio: burst_ratio(
                current.burst_losses - before.burst_losses,
                current.bursts - before.bursts,
                loss_ratio,
            ),
            jitter_seconds: self.ticks_to_seconds(self.jitter),
            gap_seconds: gap as f64 / 1e9,
        })
    }
}

/// G.107 clause 7.5; 1 where nothing was lost, and never below it: sparser than random is not better than random.
fn burst_ratio(lost: u64, bursts: u64, loss_ratio: f64) -> f64 {
    if bursts == 0 { 1.0 } else { (lost as f64 / bursts as f64 * (1.0 - loss_ratio)).max(1.0) }
}
