//! PPP (RFC 1661 section 2) and PPP over Ethernet (RFC 2516 section 4).

use crate::wire::link::{self, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_MPLS, Inside};
use crate::wire::point::Way;
use crate::wire::{Undecoded, be16};

const PPPOE_HEADER: usize = 6;
/// All stations, unnumbered information (RFC 1662 section 3.1); compressed away where both ends agreed to.
const ADDRESS_AND_CONTROL: [u8; 2] = [0xff, 0x03];

const IPV4: u16 = 0x0021; // RFC 1332 section 3.1
const IPV6: u16 = 0x0057; // RFC 5072 section 3
const MPLS: u16 = 0x0281; // RFC 3032 section 4.3

///  0                   1                   2                   3
/// |  VER  | TYPE  |      CODE     |          SESSION_ID           |
/// |            LENGTH             |           payload             |
pub fn pppoe(bytes: &[u8], way: Way) -> Result<Inside<'_>, Undecoded> {
    let session = be16(bytes, 2).ok_or(Undecoded::Truncated)?;
    inside(bytes.get(PPPOE_HEADER..).ok_or(Undecoded::Truncated)?, way.behind(session.into()))
}

/// | Address, Control (optional) | Protocol, one or two bytes | information |
pub fn inside(bytes: &[u8], way: Way) -> Result<Inside<'_>, Undecoded> {
    let bytes = bytes.strip_prefix(&ADDRESS_AND_CONTROL).unwrap_or(bytes);
    let first = *bytes.first().ok_or(Undecoded::Truncated)?;
    // The last byte of a protocol number is odd, the first of two even (RFC 1661 section 2); zero may be left out (section 6.5).
    let (protocol, payload) = if first & 1 == 1 {
        (u16::from(first), &bytes[1..])
    } else {
        (be16(bytes, 0).ok_or(Undecoded::Truncated)?, &bytes[2..])
    };
    match protocol {
        IPV4 => link::by_ethertype(ETHERTYPE_IPV4, payload, way),
        IPV6 => link::by_ethertype(ETHERTYPE_IPV6, payload, way),
        MPLS => link::by_ethertype(ETHERTYPE_MPLS, payload, way),
        _ => Err(Undecoded::NotIp),
    }
}
