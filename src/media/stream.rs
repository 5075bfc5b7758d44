//! One RTP stream: what each packet changes (RFC 3550 A.1, A.8).

use std::mem::offset_of;

use crate::quality::codec::{CodecId, MediaKind};
use crate::time::Timestamp;
use crate::wire::Point;
use crate::wire::rtp::Packet;
use crate::wire::sip::Party;

use super::candidates::Arrived;
use super::home::Home;
use super::interval::Baseline;
use super::key::Key;
use super::pattern::burst_ratio;
use super::playout::{self, Late, Played, Playout, Role, SPURT_NANOS};
use super::relay;
use super::round_trips::RoundTrips;
use super::sequence::{self, Arrival, Sequence, Settled};

/// A change of the transit time beyond this, where the numbering breaks, is a new timestamp origin.
const RESTART_NANOS: f64 = 5e9;
/// RFC 3551 section 4.2: a packet holds up to 200 ms. A longer step is a silence.
const LONGEST_PACKET_NANOS: f64 = 200e6;
/// A payload type that no packet has: 7 bits are all there is.
pub const NO_PAYLOAD_TYPE: u8 = 0xff;

/// State of a stream; the fields that every packet touches stand together at the front, in three cache lines.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Stream {
    pub key: Key,
    pub last_arrival: Timestamp,
    /// When the running interval ends.
    pub interval_end: Timestamp,
    /// Length of an RTP clock tick; zero while the clock is unknown.
    nanos_per_tick: f64,
    /// Interarrival jitter in nanoseconds (RFC 3550 A.8), its maximum, and the sum over packets 2 to n.
    jitter: f64,
    jitter_max: f64,
    jitter_sum: f64,
    /// Packets that arrived, duplicates and strays included.
    pub packets: u64,
    last_timestamp: u32,
    /// Ticks between two packets in a row.
    packet_ticks: u32,
    /// Row of the numbers that this stream is counted in.
    pub cell: u32,
    /// The point that packets come from without further question.
    pub usual: Point,
    last_sequence: u16,
    /// The media payload type.
    pub payload_type: u8,
    /// Whether each packet's payload says something that is counted.
    pub tells: Tells,
    /// Whether the slot holds a stream that is running.
    pub in_use: bool,
    /// Whether the playout buffer is emulated: sound, on a known clock.
    pub is_played: bool,
    /// Whether events or comfort noise stand between the media packets.
    has_asides: bool,
    /// Whether packets are of interest to the relay's links, or may come to be.
    pub may_be_relayed: bool,
    /// Longest time between two arrivals of the running interval, nanoseconds.
    pub(super) interval_gap: i64,
    pub playout: Playout,
    /// Of which a packet in order touches the front.
    pub sequence: Sequence,
    // Touched by the packets that may be relayed, in one cache line.
    pub relay: relay::Role,
    /// The call that this stream belongs to; zero for none.
    pub call: u64,
    /// The party of the call that it goes to, where SDP told.
    pub toward: Option<Party>,
    /// Pictures, or what mends them.
    pub is_video: bool,
    /// Whether there is, or was, another one of its SSRC, or of its call towards the same party.
    pub has_fellow: bool,
    // From here on: touched once an interval or less.
    pub codec: CodecId,
    pub played: Played,
    /// Packets after the first that jitter was not measured by.
    unmeasured: u32,
    /// The payload type of events or comfort noise between the media packets.
    pub side_payload_type: u8,
    /// The mode of the last speech frame, for codecs that have several.
    pub mode: Option<u8>,
    pub side_is_event: bool,
    /// Packets in a row of a payload type that nobody explained, and the number of the last.
    pub unexplained: (u8, u16),
    /// Whether SDP says that the payload is encrypted.
    pub is_encrypted: bool,
    /// Whether a row counts this stream as active.
    pub is_counted: bool,
    home: Home,
    /// Jitter of the media packets alone, nanoseconds, where others stand between them: an event's packets all carry the
    /// time of its start. And the transit time of the last media packet.
    media_jitter: f64,
    media_transit: f64,
    pub first_arrival: Timestamp,
    /// Until when the stream's time has been observed.
    pub(super) observed: Timestamp,
    pub(super) gap_max: i64,
    pub duplicates: u64,
    pub reordered: u64,
    pub clock_rate: u32,
    pub interval: Baseline,
    /// DTMF digits and the timestamp of the last event.
    pub dtmf_events: u32,
    pub last_event: Option<Event>,
    pub round_trips: RoundTrips,
}

/// Cache lines at the front of a stream that every packet touches.
pub const HOT_LINES: usize = 3;
const _: () = assert!(offset_of!(Stream, sequence) + sequence::HOT_BYTES <= HOT_LINES * 64);
const _: () = assert!(offset_of!(Stream, relay) / 64 == offset_of!(Stream, has_fellow) / 64);

/// What the payload of a stream's own packets tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    Nothing,
    /// It is nothing but telephone events.
    Events,
    /// The mode that each frame was coded in.
    Modes {
        octet_aligned: bool,
    },
}

/// A telephone event (RFC 4733 section 2.3) as its packets show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub timestamp: u32,
    /// 0 to 15 are the digits, `*`, `#`, A to D (section 3.2).
    pub code: u8,
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
    pub fn new(
        key: Key,
        Arrived { now, packet, point }: Arrived,
        interval_end: Timestamp,
        playout: &playout::Settings,
    ) -> Stream {
        Stream {
            key,
            last_arrival: now,
            interval_end,
            nanos_per_tick: 0.0,
            jitter: 0.0,
            jitter_max: 0.0,
            jitter_sum: 0.0,
            packets: 1,
            last_timestamp: packet.timestamp,
            packet_ticks: 0,
            cell: 0,
            usual: point,
            last_sequence: packet.sequence,
            payload_type: packet.payload_type,
            tells: Tells::Nothing,
            in_use: true,
            is_played: false,
            has_asides: false,
            may_be_relayed: false,
            interval_gap: 0,
            playout: Playout::new(now, playout),
            sequence: Sequence::new(packet.sequence),
            codec: CodecId::UNKNOWN,
            played: Played::default(),
            unmeasured: 0,
            side_payload_type: NO_PAYLOAD_TYPE,
            mode: None,
            side_is_event: false,
            unexplained: (0, 0),
            is_encrypted: false,
            is_counted: false,
            relay: relay::Role::NEW,
            call: 0,
            toward: None,
            is_video: false,
            has_fellow: false,
            home: Home::new(point),
            media_jitter: 0.0,
            media_transit: 0.0,
            first_arrival: now,
            observed: now,
            gap_max: 0,
            duplicates: 0,
            reordered: 0,
            clock_rate: 0,
            interval: Baseline::default(),
            dtmf_events: 0,
            last_event: None,
            round_trips: RoundTrips::default(),
        }
    }

    /// Sets the codec and the RTP clock; zero where nobody knows it.
    pub fn set_format(&mut self, codec: CodecId, clock_rate: u32) {
        (self.codec, self.clock_rate) = (codec, clock_rate);
        self.nanos_per_tick = if clock_rate == 0 { 0.0 } else { 1e9 / f64::from(clock_rate) };
        self.is_video = match codec.media() {
            MediaKind::Video => true,
            // Of payloads that are no sound themselves, 90 kHz is the clock of video.
            MediaKind::Other => clock_rate == 90_000,
            MediaKind::Audio | MediaKind::Event | MediaKind::ComfortNoise => false,
        };
    }

    /// Whether a packet from another than the usual point is a copy of one that was seen.
    #[cold]
    pub fn is_copy(&mut self, point: Point, number: u16) -> bool {
        let is_copy = self.home.is_copy(point, self.sequence.has_seen(number));
        self.usual = self.home.usual();
        is_copy
    }

    /// Takes a further packet of the stream; tells what it was, and whether it was discarded as too late.
    #[inline(always)]
    pub fn update(
        &mut self,
        now: Timestamp,
        packet: &Packet,
        role: Role,
        playout: &playout::Settings,
        settled: &mut Settled,
        burst: &mut impl FnMut(u64),
    ) -> (Arrival, bool) {
        self.packets += 1;
        let gap = now.nanos_since(self.last_arrival);
        if gap > self.interval_gap {
            self.interval_gap = gap;
        }
        let ticks = packet.timestamp.wrapping_sub(self.last_timestamp) as i32;
        // By how much longer the packet was under way than the one before: D of RFC 3550 A.8, arrivals not rounded to ticks.
        let change = gap as f64 - f64::from(ticks) * self.nanos_per_tick;
        let is_step = ticks as u32 != self.packet_ticks && self.is_step(packet, ticks, role);
        let late = if self.is_played { self.play(now, gap, change, role, playout) } else { Late::default() };
        let is_discarded = late.any() && late.discarded(playout);
        let arrival = self.sequence.arrive(packet.sequence, ticks > 0, is_discarded, settled, burst);
        self.last_arrival = now;
        self.last_timestamp = packet.timestamp;
        self.last_sequence = packet.sequence;
        match arrival {
            Arrival::InOrder if is_step => self.packet_ticks = ticks as u32,
            Arrival::InOrder => {}
            Arrival::Reordered => self.reordered += 1,
            Arrival::Duplicate => self.duplicates += 1,
            // A timestamp that starts anew says nothing about transit times.
            Arrival::Stray | Arrival::Restart if change.abs() > RESTART_NANOS => {
                self.unmeasured += 1;
                return (arrival, false);
            }
            Arrival::Stray | Arrival::Restart => {}
        }
        if self.nanos_per_tick > 0.0 {
            self.jitter += (change.abs() - self.jitter) / 16.0;
            self.jitter_sum += self.jitter;
            if self.jitter > self.jitter_max {
                self.jitter_max = self.jitter;
            }
        } else {
            self.unmeasured += 1;
        }
        let is_late = late.any() && matches!(arrival, Arrival::InOrder | Arrival::Reordered);
        if is_late {
            self.played.count(late);
        }
        (arrival, is_late && is_discarded)
    }

    /// Whether the timestamp's step to this packet is the time that one packet holds.
    #[cold]
    fn is_step(&self, packet: &Packet, ticks: i32, role: Role) -> bool {
        let follows = packet.sequence.wrapping_sub(self.last_sequence) == 1;
        let is_short = f64::from(ticks) * self.nanos_per_tick <= LONGEST_PACKET_NANOS;
        follows && ticks > 0 && role == (Role::Media { marker: false }) && is_short
    }

    /// The packet's turn in the playout buffer, and the jitter of the media alone.
    #[inline(always)]
    fn play(&mut self, now: Timestamp, gap: i64, change: f64, role: Role, settings: &playout::Settings) -> Late {
        if self.has_asides || role == Role::Aside || change.abs() > SPURT_NANOS as f64 {
            self.play_between(gap, change, role);
        }
        self.playout.arrive(now, gap, change, role, settings)
    }

    /// Follows the media packets alone, from the first packet on that is none; until then both are the same. Nor is it jitter
    /// where timestamps begin anew, or have stopped in a silence.
    #[inline(never)]
    fn play_between(&mut self, gap: i64, change: f64, role: Role) {
        let before = self.playout.transit();
        if !self.has_asides {
            (self.has_asides, self.media_jitter, self.media_transit) = (true, self.jitter, before);
        }
        if let Role::Media { marker } = role {
            let transit = before + change;
            let d = (transit - std::mem::replace(&mut self.media_transit, transit)).abs();
            let is_spurt = marker && gap > SPURT_NANOS;
            if d < RESTART_NANOS && !is_spurt {
                self.media_jitter += (d - self.media_jitter) / 16.0;
            }
        }
    }

    fn ticks_to_seconds(&self, ticks: f64) -> Option<f64> {
        (self.clock_rate != 0).then(|| ticks / f64::from(self.clock_rate))
    }

    /// The running estimate, its mean over packets 2 to n (of a single packet there is none), its maximum; in seconds.
    pub fn jitter(&self) -> Option<Jitter> {
        let measured = self.packets - 1 - u64::from(self.unmeasured);
        let mean = (measured > 0).then(|| self.jitter_sum / measured as f64 / 1e9);
        (self.clock_rate != 0).then_some(Jitter { last: self.jitter / 1e9, mean, max: self.jitter_max / 1e9 })
    }

    /// Mean and longest time between arrivals, seconds; `None` for a single packet.
    pub fn gaps(&self) -> Option<(f64, f64)> {
        let between = self.packets.checked_sub(1).filter(|n| *n > 0)?;
        let mean = self.last_arrival.seconds_since(self.first_arrival) / between as f64;
        Some((mean, self.gap_max.max(self.interval_gap) as f64 / 1e9))
    }

    /// Jitter of the media packets alone, seconds; `None` where no playout is emulated.
    pub fn media_jitter(&self) -> Option<f64> {
        self.is_played.then_some(if self.has_asides { self.media_jitter } else { self.jitter } / 1e9)
    }

    /// Time that one packet holds, seconds: the step of the timestamp between the last two in a row.
    pub fn packet_seconds(&self) -> Option<f64> {
        self.ticks_to_seconds(f64::from(self.packet_ticks)).filter(|seconds| *seconds > 0.0)
    }

    /// The share of the expected packets that never came, over the whole stream.
    pub fn loss_ratio(&self) -> f64 {
        self.sequence.lost() as f64 / self.sequence.expected() as f64
    }

    /// The share that never came or came too late.
    pub fn missed_ratio(&self) -> f64 {
        let missed = self.sequence.lost() + self.sequence.late();
        (missed as f64 / self.sequence.expected() as f64).min(1.0)
    }

    /// Burst ratio of G.107 clause 7.5 of what was lost on the wire.
    pub fn loss_burst_ratio(&self) -> f64 {
        let runs = self.sequence.runs();
        burst_ratio(runs.lost, runs.count, self.loss_ratio())
    }

    /// The same of what the listener misses.
    pub fn missed_burst_ratio(&self) -> f64 {
        let pattern = self.sequence.pattern();
        burst_ratio(u64::from(pattern.losses), u64::from(pattern.runs), self.missed_ratio())
    }

    /// Sequence number and timestamp of the packet that came last.
    pub fn newest(&self) -> (u16, u32) {
        (self.last_sequence, self.last_timestamp)
    }

    /// Ticks between two packets in a row; zero before the second.
    pub fn packet_ticks(&self) -> u32 {
        self.packet_ticks
    }

    /// Mean delay of the believed playout buffer, seconds; zero where none is emulated.
    pub fn buffer_seconds(&self, settings: &playout::Settings) -> f64 {
        if self.is_played { self.played.delay(&self.playout, settings) } else { 0.0 }
    }

    /// Counts a telephone event by one of its packets; true for the first of a DTMF digit. `code` is `None` where the payload
    /// is encrypted: then every event is taken for a digit.
    pub fn event(&mut self, timestamp: u32, code: Option<u8>) -> bool {
        let event = Event { timestamp, code: code.unwrap_or(0) };
        if let Some(last) = self.last_event {
            let ahead = timestamp.wrapping_sub(last.timestamp) as i32;
            // A late packet of an event before, or the next segment of a long one (RFC 4733 section 2.5.1.3).
            if ahead <= 0 || ahead == 0xffff && event.code == last.code {
                if ahead > 0 {
                    self.last_event = Some(event);
                }
                return false;
            }
        }
        self.last_event = Some(event);
        let is_digit = event.code < 16;
        self.dtmf_events += u32::from(is_digit);
        is_digit
    }
}
