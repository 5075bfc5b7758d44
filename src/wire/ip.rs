//! IPv4 (RFC 791), IPv6 with its extension headers (RFC 8200 section 4), UDP (RFC 768).

use super::fragments::{Fragment, Key};
use super::link::{Inside, Network};
use super::point::{Point, Way};
use super::{Datagram, Decoded, Endpoint, Ip, Undecoded, sctp, tcp, tunnel};

// IANA's protocol numbers.
const PROTOCOL_TCP: u8 = 6;
pub(super) const PROTOCOL_UDP: u8 = 17;
const PROTOCOL_AH: u8 = 51;
const PROTOCOL_SCTP: u8 = 132;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;
const UDP_HEADER: usize = 8;
/// More fragments to come, or an offset.
pub(super) const FRAGMENTED: u16 = 0x3fff;
/// Extension headers in a row; RFC 8200 section 4.1 names seven kinds, each at most once but one.
const MAX_EXTENSIONS: usize = 8;

/// Source and destination address.
pub(super) type Ends = (Ip, Ip);

#[inline(always)]
pub(super) fn decode(inside: Inside<'_>) -> Result<Decoded<'_>, Undecoded> {
    match inside.version {
        Network::V4 => ipv4(inside.packet, inside.way),
        Network::V6 => ipv6(inside.packet, inside.way),
    }
}

///  0                   1                   2                   3
/// |Version|  IHL  |Type of Service|          Total Length         |
/// |         Identification        |Flags|      Fragment Offset    |
/// |  Time to Live |    Protocol   |         Header Checksum       |
/// |                       Source Address                          |
/// |                    Destination Address                        |
#[inline(always)]
fn ipv4(packet: &[u8], way: Way) -> Result<Decoded<'_>, Undecoded> {
    let Some(header) = packet.first_chunk::<20>() else { return Err(Undecoded::Truncated) };
    let header_length = usize::from(header[0] & 0x0f) * 4;
    if header[0] >> 4 != 4 || header_length < 20 {
        return Err(Undecoded::IpHeader);
    }
    let protocol = header[9];
    if !is_carried(protocol) {
        return Err(Undecoded::OtherProtocol);
    }
    // Zero is what segmentation offload leaves; then the frame's end is the packet's end.
    let total = match usize::from(u16::from_be_bytes([header[2], header[3]])) {
        0 => packet.len(),
        total => total,
    };
    if total < header_length {
        return Err(Undecoded::IpHeader);
    }
    let source = Ip::v4([header[12], header[13], header[14], header[15]]);
    let destination = Ip::v4([header[16], header[17], header[18], header[19]]);
    let segment = packet.get(header_length..packet.len().min(total)).ok_or(Undecoded::Truncated)?;
    let way = way.with_hops(header[8]);
    let flags = u16::from_be_bytes([header[6], header[7]]);
    if flags & FRAGMENTED != 0 {
        let id = u32::from(u16::from_be_bytes([header[4], header[5]]));
        let key = Key { source, destination, protocol, id };
        let place = (usize::from(flags & 0x1fff) * 8, flags & 0x2000 != 0);
        return piece(key, place, segment, total - header_length, way);
    }
    transport(protocol, segment, total - header_length, (source, destination), way)
}

/// Whether there is something to be read behind an IP header with this protocol number.
#[inline(always)]
fn is_carried(protocol: u8) -> bool {
    // Nearly always the first.
    protocol == PROTOCOL_UDP
        || matches!(protocol, PROTOCOL_TCP | PROTOCOL_SCTP | PROTOCOL_AH)
        || tunnel::is_tunnel(protocol)
}

/// What an IP packet carries; `on_wire` is its length there, more than `payload` where the capture cut the frame.
#[inline(always)]
fn transport(protocol: u8, payload: &[u8], on_wire: usize, ends: Ends, way: Way) -> Result<Decoded<'_>, Undecoded> {
    if protocol != PROTOCOL_UDP {
        return other_transport(protocol, payload, on_wire, ends, way);
    }
    // A way of its own for the ports of tunnels, so that on the one of all others the datagram stays in registers.
    if has_tunnel_port(payload) {
        return tunnelled(payload, on_wire, ends, way);
    }
    udp(payload, on_wire, ends, way.point()).map(Decoded::Datagram)
}

#[inline(never)]
fn other_transport(
    protocol: u8,
    payload: &[u8],
    on_wire: usize,
    ends: Ends,
    way: Way,
) -> Result<Decoded<'_>, Undecoded> {
    match protocol {
        PROTOCOL_TCP => tcp::Segment::parse(payload, on_wire, ends, way.point()).map(Decoded::Segment),
        PROTOCOL_SCTP => sctp::Packet::parse(payload, ends, way.point()).map(Decoded::Sctp),
        PROTOCOL_AH => behind_extensions(protocol, payload, on_wire, ends, way),
        _ => tunnel::by_protocol(protocol, payload, on_wire, ends, way),
    }
}

#[inline(always)]
fn has_tunnel_port(segment: &[u8]) -> bool {
    segment.first_chunk::<4>().is_some_and(|ports| {
        let [source, destination] = [[ports[0], ports[1]], [ports[2], ports[3]]].map(u16::from_be_bytes);
        tunnel::is_tunnel_port(source, destination)
    })
}

#[cold]
fn tunnelled(segment: &[u8], on_wire: usize, ends: Ends, way: Way) -> Result<Decoded<'_>, Undecoded> {
    let datagram = udp(segment, on_wire, ends, way.point())?;
    tunnel::by_port(&datagram, way).unwrap_or(Ok(Decoded::Datagram(datagram)))
}

/// A fragment (its offset, and whether others follow), if the capture has all of it.
fn piece(
    key: Key,
    (offset, more): (usize, bool),
    payload: &[u8],
    on_wire: usize,
    way: Way,
) -> Result<Decoded<'_>, Undecoded> {
    if payload.len() < on_wire {
        return Err(Undecoded::Truncated);
    }
    Ok(Decoded::Fragment(Fragment { key, offset, more, payload, way }))
}

/// |Version| Traffic Class |           Flow Label                  |
/// |         Payload Length        |  Next Header  |   Hop Limit   |
/// |                 Source Address, Destination Address           |
fn ipv6(packet: &[u8], way: Way) -> Result<Decoded<'_>, Undecoded> {
    let Some(header) = packet.first_chunk::<40>() else { return Err(Undecoded::Truncated) };
    if header[0] >> 4 != 6 {
        return Err(Undecoded::IpHeader);
    }
    let (mut source, mut destination) = ([0; 16], [0; 16]);
    source.copy_from_slice(&header[8..24]);
    destination.copy_from_slice(&header[24..40]);
    // Zero is a jumbogram (RFC 2675) or offload; then the frame's end is the packet's end.
    let length = match usize::from(u16::from_be_bytes([header[4], header[5]])) {
        0 => packet.len() - 40,
        length => length,
    };
    let rest = &packet[40..packet.len().min(40 + length)];
    behind_extensions(header[6], rest, length, (Ip::v6(source), Ip::v6(destination)), way.with_hops(header[7]))
}

/// What stands behind the extension headers (RFC 8200 section 4), of which there may be none; `length` is that on the wire.
pub(super) fn behind_extensions(
    mut next: u8,
    mut rest: &[u8],
    mut length: usize,
    ends: Ends,
    way: Way,
) -> Result<Decoded<'_>, Undecoded> {
    for _ in 0..MAX_EXTENSIONS {
        let skip = match next {
            // Length in eight-byte units, the first not counted.
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => {
                (usize::from(*rest.get(1).ok_or(Undecoded::Truncated)?) + 1) * 8
            }
            // Authentication header: four-byte units, two not counted (RFC 4302 section 2.2).
            PROTOCOL_AH => (usize::from(*rest.get(1).ok_or(Undecoded::Truncated)?) + 2) * 4,
            FRAGMENT => {
                let header = rest.first_chunk::<8>().ok_or(Undecoded::Truncated)?;
                let flags = u16::from_be_bytes([header[2], header[3]]);
                // Neither offset nor more-fragments flag: an atomic fragment is a whole datagram (RFC 6946).
                if flags & 0xfff9 != 0 {
                    let protocol = header[0];
                    if !is_carried(protocol) && !matches!(protocol, ROUTING | DESTINATION_OPTIONS) {
                        return Err(Undecoded::OtherProtocol);
                    }
                    let id = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
                    let key = Key { source: ends.0, destination: ends.1, protocol, id };
                    let on_wire = length.checked_sub(8).ok_or(Undecoded::IpHeader)?;
                    return piece(key, (usize::from(flags & 0xfff8), flags & 1 != 0), &rest[8..], on_wire, way);
                }
                8
            }
            protocol if is_carried(protocol) => return transport(protocol, rest, length, ends, way),
            _ => return Err(Undecoded::OtherProtocol),
        };
        next = rest[0];
        rest = rest.get(skip..).ok_or(Undecoded::Truncated)?;
        length = length.checked_sub(skip).ok_or(Undecoded::IpHeader)?;
    }
    Err(Undecoded::IpHeader)
}

/// Whether what may be an IP packet is sure to be one. `on_wire` is how many bytes there were for it, some of them perhaps
/// padding; `None` where only what was captured is known.
pub(super) fn is_plausible(packet: &[u8], version: Network, on_wire: Option<usize>) -> bool {
    /// A short packet is padded to Ethernet's 60 bytes, and 4 of a checksum may follow.
    const PADDING: usize = 64;
    let length = |at: usize| usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
    let total = match version {
        Network::V4 if packet.len() >= 20 && packet[0] >> 4 == 4 => {
            let header_length = usize::from(packet[0] & 0x0f) * 4;
            let right = packet.get(..header_length).is_some_and(|header| checksum_holds(header) || length(10) == 0);
            if header_length < 20 || length(2) < header_length || !right {
                return false;
            }
            length(2)
        }
        Network::V6 if packet.len() >= 40 && packet[0] >> 4 == 6 => {
            let known = is_carried(packet[6])
                // Extension headers, ESP, ICMPv6, nothing.
                || matches!(packet[6], HOP_BY_HOP | ROUTING | FRAGMENT | 50 | 58 | 59 | DESTINATION_OPTIONS);
            // A hop limit of zero is not forwarded, a multicast address is no source (RFC 8200 section 3, RFC 4291 section 2.7).
            if !known || packet[7] == 0 || packet[8] == 0xff {
                return false;
            }
            length(4) + 40
        }
        _ => return false,
    };
    on_wire.is_none_or(|on_wire| total <= on_wire) && on_wire.unwrap_or(packet.len()).saturating_sub(total) < PADDING
}

/// RFC 791 section 3.1: the sum of all words, the checksum's own among them, is all ones.
fn checksum_holds(header: &[u8]) -> bool {
    let words = header.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum: u32 = words.sum();
    (sum & 0xffff) + (sum >> 16) == 0xffff
}

/// |     Source      |   Destination   |     Length      |    Checksum     |
#[inline(always)]
fn udp(segment: &[u8], on_wire: usize, (source, destination): Ends, point: Point) -> Result<Datagram<'_>, Undecoded> {
    let Some(header) = segment.first_chunk::<UDP_HEADER>() else { return Err(Undecoded::Truncated) };
    let length = match usize::from(u16::from_be_bytes([header[4], header[5]])) {
        0 => on_wire, // RFC 2675 section 4
        length => length,
    };
    if length < UDP_HEADER || length > on_wire {
        return Err(Undecoded::UdpHeader);
    }
    Ok(Datagram {
        source: Endpoint { ip: source, port: u16::from_be_bytes([header[0], header[1]]) },
        destination: Endpoint { ip: destination, port: u16::from_be_bytes([header[2], header[3]]) },
        payload: &segment[UDP_HEADER..segment.len().min(length)],
        length: length - UDP_HEADER,
        point,
    })
}
