//! GTP-U, the user plane of mobile networks (3GPP TS 29.281 section 5).

use crate::wire::Undecoded;
use crate::wire::link::Inside;
use crate::wire::point::Way;

use super::packet_or_frame;

const HEADER: usize = 8;
const PROTOCOL_TYPE: u8 = 0x10;
const SPARE: u8 = 0x08;
/// Extension header, sequence number, N-PDU number: one of these flags, and four more bytes are there.
const OPTIONAL: u8 = 0x07;
/// TS 29.281 table 6.1-1: user data.
const G_PDU: u8 = 255;
/// Extension headers in a row; TS 29.281 section 5.2.1 knows eight types.
const MAX_EXTENSIONS: usize = 8;

/// | Ver |PT|*|E|S|PN| Message Type |            Length            |
/// |                  Tunnel Endpoint Identifier                   |
/// |     Sequence Number (optional)  | N-PDU Number  | Next Header |
///
/// An extension header: | length, in four bytes |  contents  | Next Header |
pub fn inside(bytes: &[u8], on_wire: usize, way: Way) -> Result<Inside<'_>, Undecoded> {
    let header = bytes.first_chunk::<HEADER>().ok_or(Undecoded::Truncated)?;
    let flags = header[0];
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let is_user_data = flags & !OPTIONAL == 0x20 | PROTOCOL_TYPE && flags & SPARE == 0 && header[1] == G_PDU;
    if !is_user_data || length + HEADER != on_wire {
        return Err(Undecoded::Tunnel);
    }
    let way = way.behind(u32::from_be_bytes([header[4], header[5], header[6], header[7]]));
    let mut at = HEADER;
    if flags & OPTIONAL != 0 {
        at += 4;
        let mut next = if flags & 0x04 == 0 { 0 } else { *bytes.get(at - 1).ok_or(Undecoded::Truncated)? };
        for _ in 0..MAX_EXTENSIONS {
            if next == 0 {
                break;
            }
            let units = usize::from(*bytes.get(at).ok_or(Undecoded::Truncated)?);
            if units == 0 {
                return Err(Undecoded::Tunnel);
            }
            at += units * 4;
            next = *bytes.get(at - 1).ok_or(Undecoded::Truncated)?;
        }
    }
    let payload = bytes.get(at..).ok_or(Undecoded::Truncated)?;
    // Sessions of 5G may carry Ethernet (TS 23.501 section 5.6.10.2).
    packet_or_frame(payload, Some(on_wire.saturating_sub(at)), way)
}
