//! One RTP stream: what the sender sends, what the network makes of it, and what is true of it.

use std::net::SocketAddr;
use std::ops::Range;

use super::codec::Codec;
use super::impair::{Channel, Class, Passage};
use super::pcap::Resolution;
use super::rng::Rng;
use super::tally::Tally;
use super::truth::{StreamTruth, ssrc_text};

/// Packets at each end of a run of sequence numbers that always arrive in order, so that the truth is unambiguous.
const PROTECTED: u32 = 3;
/// RFC 3550 A.1, MAX_DROPOUT: a larger jump is a restart of the sender.
const MAX_DROPOUT: u64 = 3000;
/// A stream shorter than this is neither restarted nor given an event.
const LONG_ENOUGH: u32 = 80;
/// RFC 4733 with the payload type that most endpoints use.
pub const EVENT_PAYLOAD_TYPE: u8 = 101;
const EVENT_PAYLOAD_LENGTH: usize = 4;
const EVENT_END_PACKETS: u32 = 3;

/// What a call needs to say about a stream of its media.
#[derive(Clone, Debug)]
pub struct StreamPlan {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub call_id: Option<String>,
    pub codec: &'static Codec,
    pub ptime_ms: u32,
    pub start_ns: u64,
    pub packets: u32,
    pub class: Class,
    /// Probabilities per mille.
    pub restart: u32,
    pub wrap: u32,
    pub event: u32,
}

struct Run {
    indices: Range<u32>,
    sequence: u16,
}

pub struct Stream {
    pub plan: StreamPlan,
    pub ssrc: u32,
    pub tally: Tally,
    pub sent: u32,
    runs: Vec<Run>,
    /// Indices that carry telephone events instead of audio.
    event: Range<u32>,
    timestamp: u32,
    period_ns: u64,
    channel: Channel,
    resolution: Resolution,
}

impl Stream {
    pub fn new(plan: StreamPlan, resolution: Resolution, mut rng: Rng) -> Self {
        let ssrc = rng.next() as u32;
        let period_ns = u64::from(plan.ptime_ms) * 1_000_000 + rng.below(1500); // the sender's clock is never exact
        let ticks = u64::from(plan.codec.ticks(plan.ptime_ms)) * u64::from(plan.packets);
        let wraps = rng.chance(plan.wrap);
        let timestamp = if wraps { (rng.below(ticks.min(1 << 31)) as u32).wrapping_neg() } else { rng.next() as u32 };
        let runs = runs(&plan, &mut rng);
        let event = event(&plan, &runs[0].indices, &mut rng);
        let channel = Channel::new(plan.class.draw(&mut rng), rng);
        let tally = Tally::new(plan.packets, plan.codec.clock_rate_hz);
        Stream { plan, ssrc, tally, sent: 0, runs, event, timestamp, period_ns, channel, resolution }
    }

    /// When packet `index` leaves its sender.
    pub fn send_ns(&self, index: u32) -> u64 {
        self.plan.start_ns + u64::from(index) * self.period_ns
    }

    /// When the last packet leaves.
    pub fn end_ns(&self) -> u64 {
        self.send_ns(self.plan.packets - 1)
    }

    /// Sends the next packet: its index and its arrivals.
    pub fn send(&mut self) -> (u32, Vec<u64>) {
        let index = self.sent;
        self.sent += 1;
        let run = &self.run(index).indices;
        let protected = index < run.start + PROTECTED || index + PROTECTED >= run.end;
        // Everything else of a run is there before its last packets are.
        let deadline_ns = self.send_ns(run.end - PROTECTED) - 1000;
        let sent_ns = self.send_ns(index);
        let packet = Passage { sent_ns, period_ns: self.period_ns, deadline_ns, protected };
        let mut arrivals = self.channel.carry(packet);
        for arrival in &mut arrivals {
            *arrival = self.resolution.floor(*arrival);
        }
        (index, arrivals)
    }

    /// Packet `index` arrives: counts it and writes it into `out` (RFC 3550 section 5.1).
    pub fn arrive(&mut self, index: u32, ns: u64, noise: &[u8], out: &mut Vec<u8>) {
        let is_event = self.event.contains(&index);
        let marker = index == 0 || (is_event && index == self.event.start);
        let payload_type = if is_event { EVENT_PAYLOAD_TYPE } else { self.plan.codec.payload_type };
        // An event's packets all carry the time stamp of its start (RFC 4733 section 2.2.1).
        let media_index = if is_event { self.event.start } else { index };
        let ticks = i64::from(media_index) * i64::from(self.plan.codec.ticks(self.plan.ptime_ms));
        let extension = !self.plan.codec.is_static();

        out.clear();
        out.push(if extension { 0x90 } else { 0x80 });
        out.push(payload_type | if marker { 0x80 } else { 0 });
        out.extend_from_slice(&self.sequence_at(index).to_be_bytes());
        out.extend_from_slice(&self.timestamp.wrapping_add(ticks as u32).to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        if extension {
            out.extend_from_slice(&[0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]); // RFC 8285, RFC 6464: silence
        }
        let head = out.len();
        if is_event {
            out.extend_from_slice(&self.event_payload(index));
        } else {
            let length = self.plan.codec.payload_length(self.plan.ptime_ms, index);
            let at = index as usize * 37 % (noise.len() - length);
            out.extend_from_slice(&noise[at..at + length]);
            if extension {
                out[head] = 0x78; // RFC 6716 section 3.1: CELT, 20 ms, mono, one frame
            }
        }
        self.tally.arrive(index, ns, ticks, out.len() - head);
    }

    /// The sequence number of packet `index`.
    pub fn sequence_at(&self, index: u32) -> u16 {
        let run = self.run(index);
        run.sequence.wrapping_add((index - run.indices.start) as u16)
    }

    /// The RTP clock at `ns`, as a sender report gives it.
    pub fn timestamp_at(&self, ns: u64) -> u32 {
        let rate = u64::from(self.plan.codec.clock_rate_hz);
        self.timestamp.wrapping_add(((ns - self.plan.start_ns) * rate / 1_000_000_000) as u32)
    }

    fn run(&self, index: u32) -> &Run {
        self.runs.iter().find(|run| run.indices.contains(&index)).expect("the runs cover the stream")
    }

    /// Digit 5 at -10 dBm0 (RFC 4733 section 2.3), the end bit in the last packets.
    fn event_payload(&self, index: u32) -> [u8; EVENT_PAYLOAD_LENGTH] {
        let ends = index + EVENT_END_PACKETS >= self.event.end;
        let duration = (index - self.event.start + 1) * self.plan.codec.ticks(self.plan.ptime_ms);
        let [high, low] = (duration as u16).to_be_bytes();
        [5, if ends { 0x8a } else { 0x0a }, high, low]
    }

    pub fn truth(&self) -> StreamTruth {
        let runs: Vec<Range<u32>> = self.runs.iter().map(|run| run.indices.clone()).collect();
        let (lost, loss_bursts) = self.tally.losses(&runs);
        StreamTruth {
            ssrc: ssrc_text(self.ssrc),
            source: self.plan.source.to_string(),
            destination: self.plan.destination.to_string(),
            call_id: self.plan.call_id.clone(),
            class: self.plan.class.name().to_string(),
            codec: self.plan.codec.name.to_string(),
            payload_type: self.plan.codec.payload_type,
            clock_rate_hz: self.plan.codec.clock_rate_hz,
            first_packet_ns: self.tally.first_ns,
            last_packet_ns: self.tally.last_ns,
            packets: self.tally.packets,
            payload_bytes: self.tally.payload_bytes,
            expected: u64::from(self.plan.packets),
            lost,
            duplicates: self.tally.duplicates,
            reordered: self.tally.reordered,
            restarts: runs.len() as u64 - 1,
            jitter_seconds: self.tally.jitter(),
            gap_seconds: self.tally.gap(),
            loss_bursts,
        }
    }
}

/// The runs of consecutive sequence numbers: one, or two when the sender restarts.
fn runs(plan: &StreamPlan, rng: &mut Rng) -> Vec<Run> {
    let wraps = rng.chance(plan.wrap);
    let within = u64::from(plan.packets.clamp(1, 65_535));
    let sequence = if wraps { (rng.below(within) as u16).wrapping_neg() } else { rng.next() as u16 };
    if plan.packets < LONG_ENOUGH || !rng.chance(plan.restart) {
        return vec![Run { indices: 0..plan.packets, sequence }];
    }
    let quarter = u64::from(plan.packets / 4);
    let at = rng.between(quarter, 3 * quarter) as u32;
    let next = sequence.wrapping_add(at as u16);
    let jump = rng.between(MAX_DROPOUT + 1, 65_536 - MAX_DROPOUT - 1) as u16;
    vec![Run { indices: 0..at, sequence }, Run { indices: at..plan.packets, sequence: next.wrapping_add(jump) }]
}

/// The packets of one telephone event within the first run, or none.
fn event(plan: &StreamPlan, run: &Range<u32>, rng: &mut Rng) -> Range<u32> {
    if plan.packets < LONG_ENOUGH || run.len() < 40 || !rng.chance(plan.event) {
        return 0..0;
    }
    let start = rng.between(8, u64::from(run.end) - 30) as u32;
    start..start + rng.between(5, 12) as u32
}
