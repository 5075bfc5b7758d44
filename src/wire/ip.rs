//! IPv4 (RFC 791), IPv6 with its extension headers (RFC 8200 section 4), UDP (RFC 768).

use super::fragments::{Fragment, Key};
use super::link::Network;
use super::{Datagram, Decoded, Endpoint, Ip, Undecoded, sctp, tcp};

// IANA's protocol numbers.
const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_UDP: u8 = 17;
const PROTOCOL_SCTP: u8 = 132;
const UDP_HEADER: usize = 8;
/// Extension headers in a row; RFC 8200 section 4.1 names seven kinds, each at most once but one.
const MAX_EXTENSIONS: usize = 8;

#[inline(always)]
pub(super) fn decode(packet: &[u8], kind: Network) -> Result<Decoded<'_>, Undecoded> {
    match kind {
        Network::V4 => ipv4(packet),
        Network::V6 => ipv6(packet),
    }
}

///  0                   1                   2                   3
/// |Version|  IHL  |Type of Service|          Total Length         |
/// |         Identification        |Flags|      Fragment Offset    |
/// |  Time to Live |    Protocol   |         Header Checksum       |
/// |                       Source Address                          |
/// |                    Destination Address                        |
#[inline(always)]
fn ipv4(packet: &[u8]) -> Result<Decoded<'_>, Undecoded> {
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
    // More-fragments flag or an offset: a piece of a datagram.
    let flags = u16::from_be_bytes([header[6], header[7]]);
    if flags & 0x3fff != 0 {
        let id = u32::from(u16::from_be_bytes([header[4], header[5]]));
        let key = Key { source, destination, protocol, id };
        let (offset, more) = (usize::from(flags & 0x1fff) * 8, flags & 0x2000 != 0);
        return piece(key, offset, more, segment, total - header_length);
    }
    transport(protocol, segment, total - header_length, source, destination)
}

/// Whether there is something to be read behind an IP header with this protocol number.
#[inline(always)]
fn is_carried(protocol: u8) -> bool {
    matches!(protocol, PROTOCOL_UDP | PROTOCOL_TCP | PROTOCOL_SCTP)
}

/// What an IP packet carries; `on_wire` is its length there, more than `payload` where the capture cut the frame.
#[inline(always)]
pub(super) fn transport(
    protocol: u8,
    payload: &[u8],
    on_wire: usize,
    source: Ip,
    destination: Ip,
) -> Result<Decoded<'_>, Undecoded> {
    match protocol {
        PROTOCOL_UDP => udp(payload, on_wire, source, destination).map(Decoded::Datagram),
        PROTOCOL_TCP => tcp::Segment::parse(payload, on_wire, source, destination).map(Decoded::Segment),
        PROTOCOL_SCTP => sctp::Packet::parse(payload, source, destination).map(Decoded::Sctp),
        _ => Err(Undecoded::OtherProtocol),
    }
}

/// A fragment, if the capture has all of it.
fn piece(key: Key, offset: usize, more: bool, payload: &[u8], on_wire: usize) -> Result<Decoded<'_>, Undecoded> {
    if payload.len() < on_wire {
        return Err(Undecoded::Truncated);
    }
    Ok(Decoded::Fragment(Fragment { key, offset, more, payload }))
}

/// |Version| Traffic Class |           Flow Label                  |
/// |         Payload Length        |  Next Header  |   Hop Limit   |
/// |                 Source Address, Destination Address           |
fn ipv6(packet: &[u8]) -> Result<Decoded<'_>, Undecoded> {
    let Some(header) = packet.first_chunk::<40>() else { return Err(Undecoded::Truncated) };
    if header[0] >> 4 != 6 {
        return Err(Undecoded::IpHeader);
    }
    let (mut source, mut destination) = ([0; 16], [0; 16]);
    source.copy_from_slice(&header[8..24]);
    destination.copy_from_slice(&header[24..40]);
    // Zero is a jumbogram (RFC 2675) or offload; then the frame's end is the packet's end.
    let mut length = match usize::from(u16::from_be_bytes([header[4], header[5]])) {
        0 => packet.len() - 40,
        length => length,
    };
    let mut rest = &packet[40..packet.len().min(40 + length)];
    let mut next = header[6];
    for _ in 0..MAX_EXTENSIONS {
        let skip = match next {
            protocol if is_carried(protocol) => {
                return transport(protocol, rest, length, Ip::v6(source), Ip::v6(destination));
            }
            // Hop-by-hop, routing, destination options: length in eight-byte units, the first not counted.
            0 | 43 | 60 => (usize::from(*rest.get(1).ok_or(Undecoded::Truncated)?) + 1) * 8,
            // Authentication header: four-byte units, two not counted (RFC 4302 section 2.2).
            51 => (usize::from(*rest.get(1).ok_or(Undecoded::Truncated)?) + 2) * 4,
            44 => {
                let header = rest.first_chunk::<8>().ok_or(Undecoded::Truncated)?;
                let flags = u16::from_be_bytes([header[2], header[3]]);
                // Neither offset nor more-fragments flag: an atomic fragment is a whole datagram (RFC 6946).
                if flags & 0xfff9 != 0 {
                    let protocol = header[0];
                    if !is_carried(protocol) {
                        return Err(Undecoded::OtherProtocol);
                    }
                    let id = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
                    let key = Key { source: Ip::v6(source), destination: Ip::v6(destination), protocol, id };
                    let on_wire = length.checked_sub(8).ok_or(Undecoded::IpHeader)?;
                    return piece(key, usize::from(flags & 0xfff8), flags & 1 != 0, &rest[8..], on_wire);
                }
                8
            }
            _ => return Err(Undecoded::OtherProtocol),
        };
        next = rest[0];
        rest = rest.get(skip..).ok_or(Undecoded::Truncated)?;
        length = length.checked_sub(skip).ok_or(Undecoded::IpHeader)?;
    }
    Err(Undecoded::IpHeader)
}

/// |     Source      |   Destination   |     Length      |    Checksum     |
#[inline(always)]
pub(super) fn udp(segment: &[u8], on_wire: usize, source: Ip, destination: Ip) -> Result<Datagram<'_>, Undecoded> {
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
    })
}
