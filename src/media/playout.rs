//! The receiver's playout buffer, emulated: which packets come too late to be heard, and what the waiting costs in delay.
//!
//! A packet's transit time is known but for a constant (RFC 3550 section 6.4.1: the sender's clock is not ours), so the buffer
//! is measured from the fastest packet of the last 5 to 10 s: that one waits for the buffer's whole delay, and whoever comes
//! later than that behind it has missed its turn. Clock drift and a changed path are followed as the window moves on.

use crate::time::Timestamp;

/// The fastest packet is looked for in the running window and the one before.
const WINDOW_NANOS: i64 = 5_000_000_000;
/// A step of the transit time by more than this is a new timestamp origin, not a late packet.
const ORIGIN_NANOS: f64 = 5e9;
/// A marked packet after so long a silence begins a talk spurt (RFC 3551 section 4.1), and with it the buffer starts anew:
/// some senders stop their timestamps in silence.
pub const SPURT_NANOS: i64 = 200_000_000;
/// When nothing has come in time for so long the buffer has run dry, and starts anew with what comes.
const DRY_NANOS: i64 = 1_000_000_000;

/// Ramjee, Kurose, Towsley, Schulzrinne, "Adaptive playout mechanisms for packetized audio applications in wide-area networks"
/// (INFOCOM 1994), algorithm 2: slow to fall, fast to rise, and four deviations above the mean.
const FALL: f32 = 1.0 - 0.998_002;
const RISE: f32 = 1.0 - 0.75;
const DEVIATIONS: f64 = 4.0;

/// Which of the two emulated buffers is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    Fixed,
    Adaptive,
}

impl Buffer {
    pub const fn name(self) -> &'static str {
        match self {
            Buffer::Fixed => "fixed",
            Buffer::Adaptive => "adaptive",
        }
    }
}

/// Delays of the buffers, nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub buffer: Buffer,
    pub fixed: f64,
    pub least: f64,
    pub most: f64,
}

/// Both buffers of one stream, as every packet changes them. Times are nanoseconds.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Playout {
    /// Transit time of the last packet, less that of the first.
    transit: f64,
    /// The smallest of the running window and the one before: what lateness is measured from.
    floor: f64,
    /// The smallest of the running window alone.
    lowest: f64,
    window_end: i64,
    /// Queueing time above the floor: its mean and mean deviation, of which the adaptive buffer makes its delay.
    mean: f32,
    deviation: f32,
    /// Since when nothing has come in time.
    late_since: i64,
}

/// What both buffers have made of a stream.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// The adaptive buffer's delay, summed up over intervals.
    depth_sum: f64,
    intervals: u32,
    pub late_fixed: u32,
    pub late_adaptive: u32,
}

/// Which buffers a packet comes too late for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Late {
    pub fixed: bool,
    pub adaptive: bool,
}

impl Late {
    pub fn any(self) -> bool {
        self.fixed | self.adaptive
    }

    /// Whether the believed buffer discards it.
    pub fn discarded(self, settings: &Settings) -> bool {
        match settings.buffer {
            Buffer::Fixed => self.fixed,
            Buffer::Adaptive => self.adaptive,
        }
    }
}

/// What a packet is to the buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Played in its turn.
    Media { marker: bool },
    /// Events and comfort noise have timestamps of their own kind; they are not judged.
    Aside,
}

impl Playout {
    /// Buffers that a stream's first packet fills.
    pub fn new(now: Timestamp, settings: &Settings) -> Playout {
        Playout {
            transit: 0.0,
            floor: 0.0,
            lowest: 0.0,
            window_end: now.nanos().saturating_add(WINDOW_NANOS),
            mean: 0.0,
            // Until it has seen enough, the adaptive buffer is as deep as the fixed one.
            deviation: (settings.fixed / DEVIATIONS) as f32,
            late_since: i64::MAX,
        }
    }

    /// Takes a packet that came `gap` after the one before; `change` is by how much longer it was under way.
    #[inline(always)]
    pub fn arrive(&mut self, now: Timestamp, gap: i64, change: f64, role: Role, settings: &Settings) -> Late {
        self.transit += change;
        let Role::Media { marker } = role else { return Late::default() };
        let now = now.nanos();
        let anew = marker && gap > SPURT_NANOS || change.abs() > ORIGIN_NANOS;
        if now >= self.window_end || anew {
            self.turn(now, anew);
        }
        if self.transit < self.lowest {
            self.lower();
        }
        let behind = self.transit - self.floor;
        let late = Late { fixed: behind > settings.fixed, adaptive: behind > self.depth(settings) };
        // Never less than 1 ns: means that fade to nothing become subnormal numbers, which cost a hundred cycles each.
        let behind = larger(behind as f32, 1.0);
        // No branch: which of the two it is, nobody can predict.
        let off = behind - self.mean;
        let gain = FALL + (RISE - FALL) * f32::from(u8::from(off > 0.0));
        self.mean += gain * off;
        self.deviation += FALL * (larger(off.abs(), 1.0) - self.deviation);
        if late.any() || self.late_since != i64::MAX {
            self.judge(now, late, settings);
        }
        late
    }

    /// Follows how long nothing has come in time.
    #[cold]
    fn judge(&mut self, now: i64, late: Late, settings: &Settings) {
        if !late.discarded(settings) {
            self.late_since = i64::MAX;
            return;
        }
        self.late_since = self.late_since.min(now);
        if now.saturating_sub(self.late_since) >= DRY_NANOS {
            self.begin(now);
        }
    }

    /// The fastest packet of this window.
    #[inline(never)]
    fn lower(&mut self) {
        self.lowest = self.transit;
        if self.transit < self.floor {
            self.mean += (self.floor - self.transit) as f32;
            self.floor = self.transit;
        }
    }

    /// How long the adaptive buffer now makes the fastest packet wait.
    #[inline(always)]
    fn depth(&self, settings: &Settings) -> f64 {
        let wanted = f64::from(self.mean) + DEVIATIONS * f64::from(self.deviation);
        let enough = if wanted > settings.least { wanted } else { settings.least };
        if enough < settings.most { enough } else { settings.most }
    }

    /// Moves the window on, or begins a new one.
    #[cold]
    fn turn(&mut self, now: i64, anew: bool) {
        if anew || now.saturating_sub(self.window_end) >= WINDOW_NANOS {
            return self.begin(now);
        }
        let floor = self.lowest.min(self.transit);
        self.mean = (self.mean - (floor - self.floor) as f32).max(0.0);
        (self.floor, self.lowest) = (floor, self.transit);
        self.window_end = now.saturating_add(WINDOW_NANOS);
    }

    /// The buffer starts with this packet; what was counted stays.
    pub fn begin(&mut self, now: i64) {
        (self.floor, self.lowest) = (self.transit, self.transit);
        self.mean = 0.0;
        self.window_end = now.saturating_add(WINDOW_NANOS);
        self.late_since = i64::MAX;
    }

    /// How much longer the last packet was under way than the first, nanoseconds.
    #[inline(always)]
    pub fn transit(&self) -> f64 {
        self.transit
    }
}

impl Played {
    /// Counts packets that came too late.
    pub fn count(&mut self, late: Late) {
        self.late_fixed += u32::from(late.fixed);
        self.late_adaptive += u32::from(late.adaptive);
    }

    /// An interval of the stream is over; gives the delay of the believed buffer in it, seconds.
    pub fn close_interval(&mut self, playout: &Playout, settings: &Settings) -> f64 {
        let depth = playout.depth(settings);
        self.depth_sum += depth;
        self.intervals = self.intervals.saturating_add(1);
        match settings.buffer {
            Buffer::Fixed => settings.fixed / 1e9,
            Buffer::Adaptive => depth / 1e9,
        }
    }

    /// The adaptive buffer's mean delay over the intervals so far, seconds.
    pub fn adaptive_delay(&self, playout: &Playout, settings: &Settings) -> f64 {
        match self.intervals {
            0 => playout.depth(settings) / 1e9,
            intervals => self.depth_sum / f64::from(intervals) / 1e9,
        }
    }

    /// The believed buffer's mean delay, seconds.
    pub fn delay(&self, playout: &Playout, settings: &Settings) -> f64 {
        match settings.buffer {
            Buffer::Fixed => settings.fixed / 1e9,
            Buffer::Adaptive => self.adaptive_delay(playout, settings),
        }
    }
}

/// The larger of two numbers. That neither is NaN saves what `f32::max` does for it, three instructions of four.
#[inline(always)]
fn larger(one: f32, other: f32) -> f32 {
    if one > other { one } else { other }
}
