//! VXLAN (RFC 7348 section 5) and its Generic Protocol Extension (draft-ietf-nvo3-vxlan-gpe-13 section 3).

use crate::wire::link::{self, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_MPLS, Inside};
use crate::wire::point::Way;
use crate::wire::{Undecoded, be32};

const HEADER: usize = 8;
/// The I flag says that the network identifier is valid; all others are reserved.
const VALID: u8 = 0x08;
/// Group policy extension (draft-smith-vxlan-group-policy section 2.1), which Linux knows too.
const GROUP_POLICY: u8 = 0x80;
/// Generic Protocol Extension: a next protocol is there.
const NEXT_PROTOCOL: u8 = 0x04;

///  0                   1                   2                   3
/// |G|R|R|R|I|R|R|R|            Reserved, or group policy          |
/// |                VXLAN Network Identifier       |   Reserved    |
pub fn inside(bytes: &[u8], way: Way) -> Result<Inside<'_>, Undecoded> {
    let header = bytes.first_chunk::<HEADER>().ok_or(Undecoded::Truncated)?;
    let plain = header[0] == VALID && header[1..4] == [0; 3];
    if !plain && header[0] != VALID | GROUP_POLICY || header[7] != 0 {
        return Err(Undecoded::Tunnel);
    }
    link::ethernet(&bytes[HEADER..], way.behind(identifier(bytes)))
}

/// |R|R|Ver|I|P|B|O|            Reserved           | Next Protocol |
/// |                VXLAN Network Identifier       |   Reserved    |
pub fn inside_generic(bytes: &[u8], way: Way) -> Result<Inside<'_>, Undecoded> {
    let header = bytes.first_chunk::<HEADER>().ok_or(Undecoded::Truncated)?;
    if header[0] & NEXT_PROTOCOL == 0 {
        return inside(bytes, way);
    }
    if header[0] & 0xf0 != 0 {
        return Err(Undecoded::Tunnel);
    }
    let (payload, way) = (&bytes[HEADER..], way.behind(identifier(bytes)));
    match header[3] {
        1 => link::by_ethertype(ETHERTYPE_IPV4, payload, way),
        2 => link::by_ethertype(ETHERTYPE_IPV6, payload, way),
        3 => link::ethernet(payload, way),
        5 => link::by_ethertype(ETHERTYPE_MPLS, payload, way),
        _ => Err(Undecoded::NotIp),
    }
}

fn identifier(bytes: &[u8]) -> u32 {
    be32(bytes, 4).unwrap_or_default() >> 8
}
