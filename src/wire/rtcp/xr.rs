//! RTCP extended reports (RFC 3611): the blocks of a packet, and what four of their types say.
//!
//! ```text
//! |       BT      | type-specific |          block length         |   length in 32-bit words, minus one
//! ```

use super::{Malformed, half, word};

/// Block types that are counted by name; the values of the `type` label. IANA "RTCP XR Block Type".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BlockKind {
    LossRuns = 0,
    DuplicateRuns,
    ReceiptTimes,
    ReferenceTime,
    Delays,
    Summary,
    VoipMetrics,
    Other,
}

impl BlockKind {
    pub const ALL: [BlockKind; 8] = [
        BlockKind::LossRuns,
        BlockKind::DuplicateRuns,
        BlockKind::ReceiptTimes,
        BlockKind::ReferenceTime,
        BlockKind::Delays,
        BlockKind::Summary,
        BlockKind::VoipMetrics,
        BlockKind::Other,
    ];

    fn from_number(number: u8) -> BlockKind {
        match number {
            1 => BlockKind::LossRuns,
            2 => BlockKind::DuplicateRuns,
            3 => BlockKind::ReceiptTimes,
            4 => BlockKind::ReferenceTime,
            5 => BlockKind::Delays,
            6 => BlockKind::Summary,
            7 => BlockKind::VoipMetrics,
            _ => BlockKind::Other,
        }
    }

    /// The name that RFC 3611 section 4 gives it.
    pub const fn name(self) -> &'static str {
        match self {
            BlockKind::LossRuns => "loss_rle",
            BlockKind::DuplicateRuns => "duplicate_rle",
            BlockKind::ReceiptTimes => "packet_receipt_times",
            BlockKind::ReferenceTime => "receiver_reference_time",
            BlockKind::Delays => "dlrr",
            BlockKind::Summary => "statistics_summary",
            BlockKind::VoipMetrics => "voip_metrics",
            BlockKind::Other => "other",
        }
    }

    /// Bytes that a block of the type has at least, header included (RFC 3611 sections 4.1 to 4.7).
    fn least(self) -> usize {
        match self {
            BlockKind::LossRuns | BlockKind::DuplicateRuns | BlockKind::ReceiptTimes => 12,
            BlockKind::ReferenceTime => 12,
            BlockKind::Summary => 40,
            BlockKind::VoipMetrics => 36,
            BlockKind::Delays | BlockKind::Other => 4,
        }
    }
}

/// One block of an extended report.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    pub kind: BlockKind,
    specific: u8,
    /// All of it, header included.
    bytes: &'a [u8],
}

/// A sub-block of a DLRR block (RFC 3611 section 4.5): the answer to a receiver's reference time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// Who sent the reference time.
    pub ssrc: u32,
    /// Middle 32 bits of that time; zero where none was received.
    pub last_rr: u32,
    /// Since it arrived, in 1/65536 s.
    pub delay_since_last_rr: u32,
}

/// Statistics summary (RFC 3611 section 4.6); `None` where a flag says that a part is not reported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    pub ssrc: u32,
    /// Sequence numbers from the first to the last one reported on.
    pub expected: u16,
    pub lost: Option<u32>,
    pub duplicates: Option<u32>,
    /// Ticks of the media's clock.
    pub jitter: Option<Spread<u32>>,
    /// TTL or hop limit.
    pub hops: Option<Spread<u8>>,
}

/// How values are distributed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread<T> {
    pub min: T,
    pub max: T,
    pub mean: T,
    pub deviation: T,
}

/// VoIP metrics (RFC 3611 section 4.7) in base units; `None` where the sender has no value, or one that is not allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoipMetrics {
    pub ssrc: u32,
    /// Lost and discarded packets among all, and among those of bursts and of gaps.
    pub loss_ratio: f64,
    pub discard_ratio: f64,
    pub burst_density: f64,
    pub gap_density: f64,
    /// Mean lengths, seconds.
    pub burst_seconds: f64,
    pub gap_seconds: f64,
    pub round_trip_seconds: Option<f64>,
    pub end_system_delay_seconds: f64,
    /// dBm0.
    pub signal_level: Option<i8>,
    pub noise_level: Option<i8>,
    /// Residual echo return loss, dB.
    pub echo_return_loss: Option<u8>,
    /// Packets without loss that end a burst.
    pub gmin: u8,
    pub r_factor: Option<u8>,
    pub external_r_factor: Option<u8>,
    pub mos_lq: Option<f64>,
    pub mos_cq: Option<f64>,
    pub concealment: Option<&'static str>,
    /// Whether the jitter buffer adapts.
    pub adaptive: Option<bool>,
    /// How fast it does, 0 to 15.
    pub adjustment_rate: u8,
    /// Delays of the jitter buffer, seconds.
    pub buffer_nominal_seconds: f64,
    pub buffer_maximum_seconds: f64,
    pub buffer_limit_seconds: f64,
}

const BLOCK_HEADER: usize = 4;
const DELAY: usize = 12;
/// RFC 3611 section 4.7: the parameter is unavailable.
const UNAVAILABLE: u8 = 127;

/// The blocks of a packet's body, up to the first that is longer than what is left.
pub(super) fn blocks(mut rest: &[u8]) -> impl Iterator<Item = Block<'_>> {
    std::iter::from_fn(move || {
        let header = rest.first_chunk::<BLOCK_HEADER>()?;
        let length = (usize::from(u16::from_be_bytes([header[2], header[3]])) + 1) * 4;
        let (kind, specific) = (BlockKind::from_number(header[0]), header[1]);
        let bytes = rest.get(..length)?;
        rest = &rest[length..];
        Some(Block { kind, specific, bytes })
    })
}

/// Whether a body is no sequence of blocks, each as long as its type needs.
pub(super) fn problem(body: &[u8]) -> Option<Malformed> {
    let mut filled = 0;
    for block in blocks(body) {
        filled += block.bytes.len();
        let odd = block.kind == BlockKind::Delays && !(block.bytes.len() - BLOCK_HEADER).is_multiple_of(DELAY);
        if odd || block.bytes.len() < block.kind.least() {
            return Some(Malformed::XrBlock);
        }
    }
    (filled != body.len()).then_some(Malformed::XrBlock)
}

impl<'a> Block<'a> {
    fn is(&self, kind: BlockKind) -> bool {
        self.kind == kind && self.bytes.len() >= kind.least()
    }

    /// The middle 32 bits of a receiver reference time.
    pub fn reference_time(&self) -> Option<u32> {
        self.is(BlockKind::ReferenceTime).then_some(())?;
        Some(word(self.bytes, 4)? << 16 | word(self.bytes, 8)? >> 16)
    }

    /// The sub-blocks of a DLRR block.
    pub fn delays(&self) -> impl Iterator<Item = Delay> + use<'a> {
        let body = self.bytes.get(BLOCK_HEADER..).filter(|_| self.kind == BlockKind::Delays).unwrap_or(&[]);
        body.chunks_exact(DELAY).filter_map(|one| {
            Some(Delay { ssrc: word(one, 0)?, last_rr: word(one, 4)?, delay_since_last_rr: word(one, 8)? })
        })
    }

    /// A statistics summary. Flags: `L D J ToH(2) 0 0 0`.
    pub fn summary(&self) -> Option<Summary> {
        self.is(BlockKind::Summary).then_some(())?;
        let (bytes, flag) = (self.bytes, |bit: u8| self.specific & bit != 0);
        let jitter = Spread {
            min: word(bytes, 20)?,
            max: word(bytes, 24)?,
            mean: word(bytes, 28)?,
            deviation: word(bytes, 32)?,
        };
        let &[min, max, mean, deviation] = bytes.get(36..40)? else { return None };
        // ToH: 1 is IPv4, 2 is IPv6, 3 must not be used.
        let has_hops = matches!(self.specific >> 3 & 3, 1 | 2);
        Some(Summary {
            ssrc: word(bytes, 4)?,
            // The end is one more than the last number reported on (RFC 3611 section 4.1).
            expected: half(bytes, 10)?.wrapping_sub(half(bytes, 8)?),
            lost: word(bytes, 12).filter(|_| flag(0x80)),
            duplicates: word(bytes, 16).filter(|_| flag(0x40)),
            jitter: flag(0x20).then_some(jitter),
            hops: has_hops.then_some(Spread { min, max, mean, deviation }),
        })
    }

    /// VoIP metrics.
    pub fn voip_metrics(&self) -> Option<VoipMetrics> {
        self.is(BlockKind::VoipMetrics).then_some(())?;
        let bytes = self.bytes;
        let &[signal, noise, rerl, gmin, r, external_r, lq, cq, config, _] = bytes.get(20..30)? else { return None };
        let ratio = |at: usize| Some(f64::from(*bytes.get(at)?) / 256.0);
        let seconds = |at: usize| Some(f64::from(half(bytes, at)?) / 1000.0);
        let known = |value: u8| (value != UNAVAILABLE).then_some(value);
        // Values outside of the range are to be ignored (sections 4.7.5).
        let factor = |value: u8| (value <= 100).then_some(value);
        let mos = |value: u8| (10..=50).contains(&value).then(|| f64::from(value) / 10.0);
        Some(VoipMetrics {
            ssrc: word(bytes, 4)?,
            loss_ratio: ratio(8)?,
            discard_ratio: ratio(9)?,
            burst_density: ratio(10)?,
            gap_density: ratio(11)?,
            burst_seconds: seconds(12)?,
            gap_seconds: seconds(14)?,
            // Zero stands there until the first round trip is known.
            round_trip_seconds: seconds(16).filter(|seconds| *seconds > 0.0),
            end_system_delay_seconds: seconds(18)?,
            signal_level: known(signal).map(|level| level as i8),
            noise_level: known(noise).map(|level| level as i8),
            echo_return_loss: known(rerl),
            gmin,
            r_factor: factor(r),
            external_r_factor: factor(external_r),
            mos_lq: mos(lq),
            mos_cq: mos(cq),
            concealment: [None, Some("disabled"), Some("enhanced"), Some("standard")][usize::from(config >> 6)],
            adaptive: [None, None, Some(false), Some(true)][usize::from(config >> 4 & 3)],
            adjustment_rate: config & 0x0f,
            buffer_nominal_seconds: seconds(30)?,
            buffer_maximum_seconds: seconds(32)?,
            buffer_limit_seconds: seconds(34)?,
        })
    }
}
