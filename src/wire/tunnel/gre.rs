//! Generic Routing Encapsulation (RFC 2784, keys and sequence numbers of RFC 2890), NVGRE (RFC 7637), PPTP's variant with PPP
//! (RFC 2637 section 4.1), and ERSPAN, a mirror port's frames in GRE (draft-foschiano-erspan-03).

use crate::wire::link::{self, Inside};
use crate::wire::point::Way;
use crate::wire::{Undecoded, be16, be32};

use super::ppp;

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const ACKNOWLEDGMENT: u16 = 0x0080;
const VERSION: u16 = 0x0007;

// Protocol types: IEEE 802 numbers registry.
const TRANSPARENT_ETHERNET: u16 = 0x6558;
const PPP: u16 = 0x880b;
const ERSPAN: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;

/// draft-foschiano-erspan-03 sections 4.2 and 4.3.
const ERSPAN_II_HEADER: usize = 8;
const ERSPAN_III_HEADER: usize = 12;
const ERSPAN_III_SUBHEADER: usize = 8;
/// Frame type 2 (section 4.3): an IP packet in place of an Ethernet frame.
const ERSPAN_III_IP: u8 = 2;

///  0                   1                   2                   3
/// |C|R|K|S|s|Recur|A| Flags | Ver |         Protocol Type         |
/// |      Checksum (optional)      |       Reserved (optional)     |
/// |                         Key (optional)                        |
/// |                   Sequence Number (optional)                  |
/// |             Acknowledgment Number (version 1 only)            |
pub fn inside(bytes: &[u8], way: Way) -> Result<Inside<'_>, Undecoded> {
    let header = bytes.first_chunk::<4>().ok_or(Undecoded::Truncated)?;
    let flags = u16::from_be_bytes([header[0], header[1]]);
    let protocol = u16::from_be_bytes([header[2], header[3]]);
    // RFC 2784 section 2.3: packets with routing information are discarded.
    if flags & VERSION > 1 || flags & ROUTING != 0 {
        return Err(Undecoded::Tunnel);
    }
    let mut at = 4 + if flags & CHECKSUM != 0 { 4 } else { 0 };
    let key = if flags & KEY != 0 { Some(be32(bytes, at).ok_or(Undecoded::Truncated)?) } else { None };
    at += if key.is_some() { 4 } else { 0 };
    at += if flags & SEQUENCE != 0 { 4 } else { 0 };
    if flags & VERSION == 1 {
        at += if flags & ACKNOWLEDGMENT != 0 { 4 } else { 0 };
        // Its key is the length of the payload and the number of the call.
        let call = key.filter(|_| protocol == PPP).ok_or(Undecoded::Tunnel)? & 0xffff;
        // Without a sequence number it is an acknowledgment alone.
        let payload = bytes.get(at..).filter(|_| flags & SEQUENCE != 0).ok_or(Undecoded::NotIp)?;
        return ppp::inside(payload, way.behind(call));
    }
    let way = key.map_or(way, |key| way.behind(key));
    let payload = bytes.get(at..).ok_or(Undecoded::Truncated)?;
    match protocol {
        TRANSPARENT_ETHERNET => link::ethernet(payload, way),
        // Type I has nothing between GRE and the frame, and no sequence number.
        ERSPAN if flags & SEQUENCE == 0 => link::ethernet(payload, way),
        ERSPAN => erspan(payload, ERSPAN_II_HEADER, false, way),
        ERSPAN_III => {
            let header = payload.first_chunk::<ERSPAN_III_HEADER>().ok_or(Undecoded::Truncated)?;
            let is_longer = header[11] & 1 != 0;
            let length = ERSPAN_III_HEADER + if is_longer { ERSPAN_III_SUBHEADER } else { 0 };
            let is_ip = header[10] >> 2 & 0x1f == ERSPAN_III_IP;
            erspan(payload, length, is_ip, way)
        }
        PPP => ppp::inside(payload, way),
        _ => link::by_ethertype(protocol, payload, way),
    }
}

/// | Ver 1 |          VLAN         | COS | En|T|     Session ID    |
/// |      Reserved         |                  Index                |
///
/// | Ver 2 |          VLAN         | COS |BSO|T|     Session ID    |
/// |                          Timestamp                            |
/// |             SGT               |P|    FT   |   Hw ID   |D|Gra|O|
/// |     Platform specific subheader, eight bytes (where O is set)  |
fn erspan(bytes: &[u8], header: usize, is_ip: bool, way: Way) -> Result<Inside<'_>, Undecoded> {
    let session = be16(bytes, 2).ok_or(Undecoded::Truncated)? & 0x03ff;
    let (payload, way) = (bytes.get(header..).ok_or(Undecoded::Truncated)?, way.behind(session.into()));
    if is_ip { link::by_version(payload, way) } else { link::ethernet(payload, way) }
}
