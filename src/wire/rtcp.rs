//! RTCP datagrams: compound (RFC 3550 section 6.1), reduced-size (RFC 5506), encrypted (RFC 3711), and the packets they hold.

mod compound;
mod feedback;
mod xr;

pub use compound::{Compound, Form};
pub use feedback::{Feedback, FeedbackKind};
pub use xr::{Block, BlockKind, Delay, Summary, VoipMetrics};

/// What of an RTCP datagram contradicts itself; the `reason` label of `rtcp_malformed_packets_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u8)]
pub enum Malformed {
    #[error("a packet is longer than the rest of the datagram")]
    Length = 0,
    #[error("the capture cut the datagram before the last packet's header")]
    Truncated,
    #[error("bytes behind the last packet, too few for SRTCP's index and tag")]
    Trailing,
    #[error("padding of no length, of no whole words, or longer than its packet")]
    Padding,
    #[error("a packet holds less than its header counts")]
    Contents,
    #[error("an extended report block is longer than its packet, or shorter than its type is")]
    XrBlock,
    #[error("feedback without what its format must carry")]
    Feedback,
}

impl Malformed {
    pub const ALL: [Malformed; 7] = [
        Malformed::Length,
        Malformed::Truncated,
        Malformed::Trailing,
        Malformed::Padding,
        Malformed::Contents,
        Malformed::XrBlock,
        Malformed::Feedback,
    ];

    /// The value of the `reason` label.
    pub const fn reason(self) -> &'static str {
        match self {
            Malformed::Length => "length",
            Malformed::Truncated => "truncated",
            Malformed::Trailing => "trailing",
            Malformed::Padding => "padding",
            Malformed::Contents => "contents",
            Malformed::XrBlock => "xr_block",
            Malformed::Feedback => "feedback",
        }
    }
}

/// Packet types that are counted by name; the values of the `type` label and the keys of the JSON report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PacketType {
    SenderReport = 0,
    ReceiverReport,
    SourceDescription,
    Bye,
    Application,
    TransportFeedback,
    PayloadFeedback,
    ExtendedReport,
    Other,
}

impl PacketType {
    pub const ALL: [PacketType; 9] = [
        PacketType::SenderReport,
        PacketType::ReceiverReport,
        PacketType::SourceDescription,
        PacketType::Bye,
        PacketType::Application,
        PacketType::TransportFeedback,
        PacketType::PayloadFeedback,
        PacketType::ExtendedReport,
        PacketType::Other,
    ];

    /// IANA "RTCP Control Packet Types".
    fn from_number(number: u8) -> PacketType {
        match number {
            200 => PacketType::SenderReport,
            201 => PacketType::ReceiverReport,
            202 => PacketType::SourceDescription,
            203 => PacketType::Bye,
            204 => PacketType::Application,
            205 => PacketType::TransportFeedback,
            206 => PacketType::PayloadFeedback,
            207 => PacketType::ExtendedReport,
            _ => PacketType::Other,
        }
    }

    /// The abbreviation that RFC 3550, 4585 and 3611 use.
    pub const fn name(self) -> &'static str {
        match self {
            PacketType::SenderReport => "SR",
            PacketType::ReceiverReport => "RR",
            PacketType::SourceDescription => "SDES",
            PacketType::Bye => "BYE",
            PacketType::Application => "APP",
            PacketType::TransportFeedback => "RTPFB",
            PacketType::PayloadFeedback => "PSFB",
            PacketType::ExtendedReport => "XR",
            PacketType::Other => "other",
        }
    }
}

/// One packet of a compound datagram.
///
/// ```text
/// |V=2|P|  count  |      type     |             length            |   length in 32-bit words, minus one
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub kind: PacketType,
    /// Report count, source count, or feedback message type.
    count: u8,
    /// What was captured of it, header included and padding taken off; never shorter than four bytes.
    bytes: &'a [u8],
    /// Its length without padding; more than `bytes` where the capture cut it.
    length: usize,
    bad_padding: bool,
}

/// What a sender report says of its sender (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// The middle 32 bits of the NTP time stamp: what receivers give back as LSR.
    pub ntp_middle: u32,
    pub rtp_timestamp: u32,
    pub packets: u32,
    pub octets: u32,
}

/// What a receiver reports of one source (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    pub ssrc: u32,
    /// Loss since the report before, in 1/256.
    pub fraction_lost: u8,
    /// May be negative: duplicates count as received.
    pub cumulative_lost: i32,
    pub extended_highest: u32,
    /// In ticks of the media's clock.
    pub jitter: u32,
    /// Middle 32 bits of the last SR's NTP time; zero before the first.
    pub last_sr: u32,
    /// Since that SR arrived, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

const HEADER: usize = 8;
const SENDER_INFO: usize = 20;
const REPORT_BLOCK: usize = 24;

impl<'a> Packet<'a> {
    fn new(header: [u8; 4], bytes: &'a [u8], length: usize) -> Packet<'a> {
        let mut packet = Packet {
            kind: PacketType::from_number(header[1]),
            count: header[0] & 0x1f,
            bytes,
            length,
            bad_padding: false,
        };
        let padded = header[0] & 0x20 != 0 && bytes.len() == length;
        if let Some(padding) = bytes.last().filter(|_| padded).map(|last| usize::from(*last)) {
            packet.bad_padding = padding == 0 || padding % 4 != 0 || padding > length - 4;
            if !packet.bad_padding {
                packet.length -= padding;
                packet.bytes = &bytes[..packet.length];
            }
        }
        packet
    }

    /// The SSRC of whoever sent it, in all types but SDES and BYE, which list theirs.
    pub fn sender(&self) -> Option<u32> {
        self.word(4)
    }

    /// The sender's own numbers; `None` in anything but a whole SR.
    pub fn sender_info(&self) -> Option<SenderInfo> {
        if self.kind != PacketType::SenderReport || self.bytes.len() < HEADER + SENDER_INFO {
            return None;
        }
        Some(SenderInfo {
            ntp_middle: self.word(8)? << 16 | self.word(12)? >> 16,
            rtp_timestamp: self.word(16)?,
            packets: self.word(20)?,
            octets: self.word(24)?,
        })
    }

    /// The report blocks of an SR or RR, as many as its header counts and its length holds; profiles may add to them
    /// what they like (RFC 3550 section 6.4.3).
    pub fn report_blocks(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        let start = match self.kind {
            PacketType::SenderReport => HEADER + SENDER_INFO,
            PacketType::ReceiverReport => HEADER,
            _ => self.bytes.len(),
        };
        let blocks = self.bytes.get(start..).unwrap_or(&[]);
        blocks.chunks_exact(REPORT_BLOCK).take(usize::from(self.count)).filter_map(block)
    }

    /// The blocks of an extended report; none in other types.
    pub fn xr_blocks(&self) -> impl Iterator<Item = Block<'a>> + use<'a> {
        let extended = self.kind == PacketType::ExtendedReport;
        xr::blocks(self.bytes.get(HEADER..).filter(|_| extended).unwrap_or(&[]))
    }

    /// What an RTPFB or PSFB packet asks for; `None` in other types.
    pub fn feedback(&self) -> Option<Feedback<'a>> {
        Feedback::read(self.kind, self.count, self.bytes)
    }

    /// What contradicts itself inside the packet.
    pub fn problem(&self) -> Option<Malformed> {
        if self.bad_padding {
            return Some(Malformed::Padding);
        }
        let count = usize::from(self.count);
        let least = match self.kind {
            PacketType::SenderReport => HEADER + SENDER_INFO + count * REPORT_BLOCK,
            PacketType::ReceiverReport => HEADER + count * REPORT_BLOCK,
            PacketType::SourceDescription | PacketType::Bye => 4 + 4 * count,
            // SSRC and name (RFC 3550 section 6.7).
            PacketType::Application => HEADER + 4,
            PacketType::ExtendedReport => HEADER,
            PacketType::TransportFeedback | PacketType::PayloadFeedback | PacketType::Other => 4,
        };
        let cut = self.bytes.len() < self.length;
        match self.kind {
            _ if self.length < least => Some(Malformed::Contents),
            _ if cut => None,
            PacketType::SourceDescription if !has_chunks(&self.bytes[4..], count) => Some(Malformed::Contents),
            PacketType::ExtendedReport => xr::problem(&self.bytes[HEADER..]),
            PacketType::TransportFeedback | PacketType::PayloadFeedback => {
                self.feedback().is_none_or(|feedback| !feedback.is_whole()).then_some(Malformed::Feedback)
            }
            _ => None,
        }
    }

    fn word(&self, at: usize) -> Option<u32> {
        word(self.bytes, at)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    super::be16(bytes, at)
}

fn block(bytes: &[u8]) -> Option<ReportBlock> {
    let lost = word(bytes, 4)?;
    Some(ReportBlock {
        ssrc: word(bytes, 0)?,
        fraction_lost: (lost >> 24) as u8,
        // 24 bits with sign.
        cumulative_lost: (lost << 8) as i32 >> 8,
        extended_highest: word(bytes, 8)?,
        jitter: word(bytes, 12)?,
        last_sr: word(bytes, 16)?,
        delay_since_last_sr: word(bytes, 20)?,
    })
}

/// Whether source description chunks are there as counted (RFC 3550 section 6.5): an SSRC, items, a zero, and filling up to
/// the next word. The end of the packet ends the last list too.
fn has_chunks(bytes: &[u8], count: usize) -> bool {
    let mut at = 0;
    for _ in 0..count {
        at += 4;
        if at > bytes.len() {
            return false;
        }
        while bytes.get(at).is_some_and(|kind| *kind != 0) {
            let Some(length) = bytes.get(at + 1) else { return false };
            at += 2 + usize::from(*length);
        }
        if at > bytes.len() {
            return false;
        }
        at = at / 4 * 4 + 4;
    }
    true
}

#[cfg(test)]
mod tests;
