//! HEP of versions 1 and 2: a C structure as its sender had it in memory.
//!
//! ```text
//! |  version  |  length   |  family   | protocol  |      source port      |   destination port    |   ports in network order
//! |   source address, destination address: four bytes each in IPv4, sixteen in IPv6                |
//! |                    seconds                    |                 microseconds                  |   version 2 only,
//! |      capture id       |  filling of 2 bytes   |                                                   in the sender's order
//! ```
//!
//! The length is not used: Kamailio and captagent leave the time out of it, Sofia-SIP does not, and sngrep adds to what happened
//! to be there.

use crate::wire::sip::Method;
use crate::wire::{Ip, be16};

use super::{Packet, Payload, Refused, Version, time};

const HEADER: usize = 8;
const TIME: usize = 12;
/// The same structure packed: without its filling.
const PACKED_TIME: usize = 10;
/// AF_INET, the same everywhere.
const IPV4: u8 = 2;
/// AF_INET6 on Linux, FreeBSD, macOS.
const IPV6: [u8; 3] = [10, 28, 30];
/// 2001-09-09, before HEP: what reads as earlier was read in the wrong order of bytes.
const EARLIEST: u32 = 1_000_000_000;

pub(super) fn parse(version: Version, bytes: &[u8]) -> Result<Packet<'_>, Refused> {
    let mut packet = Packet::empty(version, bytes.len());
    let (header, rest) = bytes.split_at_checked(HEADER).ok_or(Refused::Truncated)?;
    packet.ip_protocol = Some(header[3]);
    packet.source_port = be16(header, 4);
    packet.destination_port = be16(header, 6);
    let rest = match header[2] {
        IPV4 => addresses(&mut packet, rest, Ip::v4)?,
        family if IPV6.contains(&family) => addresses(&mut packet, rest, Ip::v6)?,
        _ => return Err(Refused::Family),
    };
    let payload = match version {
        Version::V2 => timed(&mut packet, rest)?,
        _ => rest,
    };
    packet.payload = Payload { bytes: Some(payload), compressed: false, length: payload.len() };
    Ok(packet)
}

fn addresses<'a, const N: usize>(
    packet: &mut Packet<'a>,
    bytes: &'a [u8],
    ip: fn([u8; N]) -> Ip,
) -> Result<&'a [u8], Refused> {
    let (source, rest) = bytes.split_first_chunk::<N>().ok_or(Refused::Truncated)?;
    let (destination, rest) = rest.split_first_chunk::<N>().ok_or(Refused::Truncated)?;
    packet.source_ip = Some(ip(*source));
    packet.destination_ip = Some(ip(*destination));
    Ok(rest)
}

/// Reads time and capture id, and gives the payload.
fn timed<'a>(packet: &mut Packet<'a>, bytes: &'a [u8]) -> Result<&'a [u8], Refused> {
    let (seconds, rest) = bytes.split_first_chunk::<4>().ok_or(Refused::Truncated)?;
    let (micros, rest) = rest.split_first_chunk::<4>().ok_or(Refused::Truncated)?;
    let (id, _) = rest.split_first_chunk::<2>().ok_or(Refused::Truncated)?;
    let little = (u32::from_le_bytes(*seconds), u32::from_le_bytes(*micros));
    let big = (u32::from_be_bytes(*seconds), u32::from_be_bytes(*micros));
    let is_time = |(seconds, micros): (u32, u32)| seconds >= EARLIEST && micros < 1_000_000;
    // Kamailio makes it little-endian on every machine; the others send what their processor has.
    let is_big = !is_time(little) && is_time(big);
    let (seconds, micros) = if is_big { big } else { little };
    packet.time = time(seconds, micros);
    packet.capture_id = Some(u32::from(if is_big { u16::from_be_bytes(*id) } else { u16::from_le_bytes(*id) }));
    let packed = begins_message(&bytes[PACKED_TIME..]) && !bytes.get(TIME..).is_some_and(begins_message);
    bytes.get(if packed { PACKED_TIME } else { TIME }..).ok_or(Refused::Truncated)
}

/// Whether a SIP message of a method that is known, or a response, begins here and not before.
fn begins_message(bytes: &[u8]) -> bool {
    let word = bytes.split(|b| *b == b' ').next().unwrap_or(&[]);
    word == b"SIP/2.0" || Method::from_bytes(word) != Method::Other
}
