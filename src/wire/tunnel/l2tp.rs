//! L2TP: version 2 with PPP (RFC 2661 section 3.1), version 3 over UDP or IP with Ethernet (RFC 3931 section 4.1, RFC 4719).

use crate::wire::link::{self, Inside};
use crate::wire::point::Way;
use crate::wire::{Undecoded, be16, be32};

use super::{is_sure, ppp};

const CONTROL: u16 = 0x8000;
const LENGTH: u16 = 0x4000;
const SEQUENCE: u16 = 0x0800;
const OFFSET: u16 = 0x0200;
const PRIORITY: u16 = 0x0100;
const VERSION: u16 = 0x000f;

/// What may stand before a frame of version 3: a cookie of 0, 4 or 8 bytes, and a sublayer of 0 or 4 (RFC 3931 sections 4.1
/// and 4.6). Both ends agreed on it in control messages that nobody saw.
const BEFORE_FRAME: [usize; 4] = [0, 4, 8, 12];

///  0                   1                   2                   3
/// |T|L|x|x|S|x|O|P|x|x|x|x|  Ver  |          Length (opt)         |
/// |           Tunnel ID           |           Session ID          |
/// |             Ns (opt)          |             Nr (opt)          |
/// |      Offset Size (opt)        |    Offset pad... (opt)        |
pub fn inside_udp(bytes: &[u8], on_wire: usize, way: Way) -> Result<Inside<'_>, Undecoded> {
    let flags = be16(bytes, 0).ok_or(Undecoded::Truncated)?;
    if flags == 3 {
        // Version 3 over UDP: flags and version, 16 reserved bits, then as over IP.
        return inside_ip(bytes.get(4..).ok_or(Undecoded::Truncated)?, on_wire.saturating_sub(4), way);
    }
    let known = LENGTH | SEQUENCE | OFFSET | PRIORITY | VERSION;
    if flags & CONTROL != 0 || flags & !known != 0 || flags & VERSION != 2 {
        return Err(Undecoded::Tunnel);
    }
    let mut at = 2;
    let mut field = |is_there: bool| {
        let value = if is_there { be16(bytes, at)? } else { 0 };
        at += if is_there { 2 } else { 0 };
        Some(value)
    };
    let mut fields = || {
        let length = field(flags & LENGTH != 0)?;
        let (tunnel, session) = (field(true)?, field(true)?);
        field(flags & SEQUENCE != 0)?;
        field(flags & SEQUENCE != 0)?;
        Some((length, tunnel, session, field(flags & OFFSET != 0)?))
    };
    let (length, tunnel, session, offset) = fields().ok_or(Undecoded::Truncated)?;
    if flags & LENGTH != 0 && usize::from(length) != on_wire {
        return Err(Undecoded::Tunnel);
    }
    let payload = bytes.get(at + usize::from(offset)..).ok_or(Undecoded::Truncated)?;
    ppp::inside(payload, way.behind(u32::from(tunnel) << 16 | u32::from(session)))
}

/// |                           Session ID                          |
/// |               Cookie (optional, maximum 64 bits)...           |
/// |            L2-specific sublayer (optional), frame...          |
pub fn inside_ip(bytes: &[u8], on_wire: usize, way: Way) -> Result<Inside<'_>, Undecoded> {
    let session = be32(bytes, 0).ok_or(Undecoded::Truncated)?;
    if session == 0 {
        // A control message.
        return Err(Undecoded::NotIp);
    }
    let way = way.behind(session);
    let mut frames = BEFORE_FRAME.into_iter().filter_map(|skip| link::ethernet(bytes.get(4 + skip..)?, way).ok());
    let sure = frames.find(|inside| is_sure(inside, bytes, Some(on_wire)));
    sure.ok_or(Undecoded::NotIp)
}
