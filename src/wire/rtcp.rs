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

/// The packets of a compound datagram, in order; ends at the first header that does not hold together.
///
/// ```text
/// |V=2|P|  count  |      type     |             length            |   length in 32-bit words, minus one
/// ```
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
}

impl Iterator for Packets<'_> {
    type Item = PacketType;

    fn next(&mut self) -> Option<PacketType> {
        let header = self.rest.first_chunk::<4>()?;
        let length = (usize::from(u16::from_be_bytes([header[2], header[3]])) + 1) * 4;
        if header[0] >> 6 != 2 || !(192..=223).contains(&header[1]) || length > self.rest.len() {
            self.rest = &[];
            return None;
        }
        self.rest = &self.rest[length..];
        Some(PacketType::from_number(header[1]))
    }
}
