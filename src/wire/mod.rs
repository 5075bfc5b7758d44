//! Bytes to typed views: link layers, tunnels, IP, UDP, TCP, SCTP, SIP, SDP, RTP, RTCP. No clock, no allocation a packet.

mod address;
pub mod fragments;
pub mod hep;
mod ip;
mod link;
mod multipart;
pub mod multiplex;
pub mod plain;
pub mod point;
pub mod rtcp;
pub mod rtp;
mod scan;
pub mod sctp;
pub mod sdp;
pub mod sip;
pub mod tcp;
mod transport;
mod tunnel;
pub mod voice_report;
pub mod websocket;

pub use address::{Endpoint, Ip};
pub use link::LinkType;
pub use point::Point;
pub use transport::Transport;

/// One UDP datagram, borrowed from its frame.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    pub source: Endpoint,
    pub destination: Endpoint,
    /// What was captured of the payload.
    pub payload: &'a [u8],
    /// Payload length on the wire; more than `payload.len()` where the capture cut the frame.
    pub length: usize,
    /// Where it was seen.
    pub point: Point,
}

/// Why a frame did not yield a datagram; the `reason` label of `capture_undecoded_frames_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Undecoded {
    #[error("link type not supported")]
    LinkType,
    #[error("frame ends inside a header")]
    Truncated,
    #[error("not IP (ARP, LLDP, ...), in a tunnel or outside")]
    NotIp,
    #[error("broken IP header")]
    IpHeader,
    #[error("IP fragment whose datagram never was whole")]
    Fragment,
    #[error("neither UDP, TCP nor SCTP (ICMP, ...)")]
    OtherProtocol,
    #[error("broken UDP header")]
    UdpHeader,
    #[error("broken TCP header")]
    TcpHeader,
    #[error("broken SCTP header")]
    SctpHeader,
    #[error("broken tunnel header, or more tunnels inside each other than are followed")]
    Tunnel,
}

impl Undecoded {
    pub const ALL: [Undecoded; 10] = [
        Undecoded::LinkType,
        Undecoded::Truncated,
        Undecoded::NotIp,
        Undecoded::IpHeader,
        Undecoded::Fragment,
        Undecoded::OtherProtocol,
        Undecoded::UdpHeader,
        Undecoded::TcpHeader,
        Undecoded::SctpHeader,
        Undecoded::Tunnel,
    ];

    /// The value of the `reason` label.
    pub const fn reason(self) -> &'static str {
        match self {
            Undecoded::LinkType => "link_type",
            Undecoded::Truncated => "truncated",
            Undecoded::NotIp => "not_ip",
            Undecoded::IpHeader => "ip_header",
            Undecoded::Fragment => "fragment",
            Undecoded::OtherProtocol => "other_protocol",
            Undecoded::UdpHeader => "udp_header",
            Undecoded::TcpHeader => "tcp_header",
            Undecoded::SctpHeader => "sctp_header",
            Undecoded::Tunnel => "tunnel",
        }
    }
}

/// What a frame holds.
#[derive(Clone, Copy, Debug)]
pub enum Decoded<'a> {
    Datagram(Datagram<'a>),
    Segment(tcp::Segment<'a>),
    Sctp(sctp::Packet<'a>),
    /// A piece of a datagram, for [`fragments::Fragments`].
    Fragment(fragments::Fragment<'a>),
}

impl<'a> Decoded<'a> {
    /// Notes the capture interface in the point where it was seen.
    pub fn captured_on(&mut self, interface: usize) {
        match self {
            Decoded::Datagram(datagram) => datagram.point = datagram.point.on(interface),
            Decoded::Segment(segment) => segment.point = segment.point.on(interface),
            Decoded::Sctp(packet) => packet.point = packet.point.on(interface),
            Decoded::Fragment(fragment) => fragment.way = fragment.way.on(interface),
        }
    }

    /// The datagram, where the frame holds all of it.
    pub fn datagram(self) -> Option<Datagram<'a>> {
        match self {
            Decoded::Datagram(datagram) => Some(datagram),
            Decoded::Segment(_) | Decoded::Sctp(_) | Decoded::Fragment(_) => None,
        }
    }
}

/// Finds the datagram, segment or packet of a transport protocol, or a piece of one, in a frame of the given link type.
#[inline]
pub fn decode(link: LinkType, frame: &[u8]) -> Result<Decoded<'_>, Undecoded> {
    ip::decode(link::network_layer(link, frame)?)
}

/// Reads what was put together from fragments, of which this was one.
pub fn reassembled<'a>(fragment: &fragments::Fragment<'_>, payload: &'a [u8]) -> Result<Decoded<'a>, Undecoded> {
    let fragments::Key { source, destination, protocol, .. } = fragment.key;
    ip::behind_extensions(protocol, payload, payload.len(), (source, destination), fragment.way)
}

/// Big-endian 16 bits at `at`; the caller has checked that they are there or wants `None`.
#[inline(always)]
fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]))
}

/// Big-endian 32 bits at `at`.
#[inline(always)]
fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
}
