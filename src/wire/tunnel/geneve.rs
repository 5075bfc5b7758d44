//! Geneve (RFC 8926 section 3.4).

use crate::wire::Undecoded;
use crate::wire::link::{self, Inside};
use crate::wire::point::Way;

const HEADER: usize = 8;
const TRANSPARENT_ETHERNET: u16 = 0x6558;

///  0                   1                   2                   3
/// |Ver|  Opt Len  |O|C|    Rsvd.  |          Protocol Type        |
/// |        Virtual Network Identifier (VNI)       |    Reserved   |
/// |                    Variable-Length Options                    |
pub fn inside(bytes: &[u8], way: Way) -> Result<Inside<'_>, Undecoded> {
    let header = bytes.first_chunk::<HEADER>().ok_or(Undecoded::Truncated)?;
    // The O flag marks control packets, which carry no user's data.
    if header[0] >> 6 != 0 || header[1] & 0x80 != 0 {
        return Err(Undecoded::Tunnel);
    }
    let options = usize::from(header[0] & 0x3f) * 4;
    let payload = bytes.get(HEADER + options..).ok_or(Undecoded::Truncated)?;
    let way = way.behind(u32::from_be_bytes([0, header[4], header[5], header[6]]));
    match u16::from_be_bytes([header[2], header[3]]) {
        TRANSPARENT_ETHERNET => link::ethernet(payload, way),
        ethertype => link::by_ethertype(ethertype, payload, way),
    }
}
