//! RTCP compound packets (RFC 3550 section 6.1): which packets a datagram holds.

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
    count: u8,
    /// All of it, header included; never shorter than four bytes.
    bytes: &'a [u8],
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

    /// The report blocks of an SR or RR, as many as its header counts and its length holds.
    pub fn report_blocks(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        let start = match self.kind {
            PacketType::SenderReport => HEADER + SENDER_INFO,
            PacketType::ReceiverReport => HEADER,
            _ => self.bytes.len(),
        };
        let blocks = self.bytes.get(start..).unwrap_or(&[]);
        blocks.chunks_exact(REPORT_BLOCK).take(usize::from(self.count)).filter_map(block)
    }

    fn word(&self, at: usize) -> Option<u32> {
        word(self.bytes, at)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
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

/// The packets of a compound datagram, in order; ends at the first header that does not hold together.
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Packets<'a> {
    /// A datagram that starts with none of the types 200 to 207 is no RTCP (RFC 3550 section 6.1, RFC 5506 section 4.1):
    /// DNS answers to a client port come here.
    pub fn new(datagram: &'a [u8]) -> Packets<'a> {
        let first = datagram.get(1).is_some_and(|number| (200..=207).contains(number));
        Packets { rest: if first { datagram } else { &[] } }
    }

    /// Whether the packets fill the datagram. SRTCP has an index and a tag behind them (RFC 3711 section 3.4), and all but the
    /// first eight bytes are encrypted: nothing there is to be read as a number.
    pub fn are_whole(datagram: &[u8]) -> bool {
        let mut packets = Packets::new(datagram);
        let length: usize = packets.by_ref().map(|packet| packet.bytes.len()).sum();
        length > 0 && length == datagram.len()
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let header = self.rest.first_chunk::<4>()?;
        let length = (usize::from(u16::from_be_bytes([header[2], header[3]])) + 1) * 4;
        if header[0] >> 6 != 2 || !(192..=223).contains(&header[1]) || length > self.rest.len() {
            self.rest = &[];
            return None;
        }
        let (bytes, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(Packet { kind: PacketType::from_number(header[1]), count: header[0] & 0x1f, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // SR of 0x11111111 with one block on 0x22222222, then SDES.
    const COMPOUND: &[u8] = &[
        0x81, 0xc8, 0, 12, 0x11, 0x11, 0x11, 0x11, 0xb4, 0x4d, 0xb7, 0x05, 0x20, 0, 0, 0, 0, 0x02, 0x71, 0, 0, 0, 0x01,
        0xf4, 0, 0x01, 0x38, 0x80, 0x22, 0x22, 0x22, 0x22, 0x40, 0xff, 0xff, 0xfe, 0, 0x01, 0, 0x64, 0, 0, 0, 0x50,
        0xb7, 0x05, 0x20, 0, 0, 0x05, 0x40, 0, 0x81, 0xca, 0, 3, 0x11, 0x11, 0x11, 0x11, 1, 2, b'a', b'b', 0, 0, 0, 0,
    ];

    #[test]
    fn a_compound_packet_is_walked_and_read() {
        let packets: Vec<Packet<'_>> = Packets::new(COMPOUND).collect();
        let kinds: Vec<PacketType> = packets.iter().map(|packet| packet.kind).collect();
        assert_eq!(kinds, [PacketType::SenderReport, PacketType::SourceDescription]);
        assert_eq!(packets[0].sender(), Some(0x1111_1111));
        let info = packets[0].sender_info().unwrap();
        assert_eq!((info.ntp_middle, info.packets, info.octets), (0xb705_2000, 500, 80_000));
        let blocks: Vec<ReportBlock> = packets[0].report_blocks().collect();
        assert_eq!(blocks.len(), 1);
        assert_eq!((blocks[0].ssrc, blocks[0].fraction_lost, blocks[0].cumulative_lost), (0x2222_2222, 64, -2));
        assert_eq!((blocks[0].last_sr, blocks[0].delay_since_last_sr, blocks[0].jitter), (0xb705_2000, 0x54000, 80));
        assert!(Packets::are_whole(COMPOUND));
    }

    #[test]
    fn what_follows_the_packets_marks_srtcp() {
        let mut encrypted = COMPOUND.to_vec();
        encrypted.extend([0x80, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert!(!Packets::are_whole(&encrypted));
        assert_eq!(Packets::new(&encrypted).count(), 2);
    }
}
