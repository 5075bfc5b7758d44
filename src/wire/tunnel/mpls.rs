//! MPLS label stacks (RFC 3032 section 2.1) with IP or, as a pseudowire (RFC 4448), Ethernet behind them. Nothing in the
//! packet says which: only what is there tells.

use crate::wire::link::{self, Inside};
use crate::wire::point::Way;
use crate::wire::{Undecoded, be32};

use super::packet_or_frame;

/// Labels in a row; segment routing stacks a dozen.
const MAX_LABELS: usize = 16;
/// RFC 4385 section 3: a control word begins with a nibble of zero.
const CONTROL_WORD: usize = 4;

///  0                   1                   2                   3
/// |                Label                  | Exp |S|      TTL      |
pub fn inside(bytes: &[u8], way: Way) -> Result<Inside<'_>, Undecoded> {
    let mut way = way;
    for label in 0..MAX_LABELS {
        let entry = be32(bytes, label * 4).ok_or(Undecoded::Truncated)?;
        way = way.behind(entry >> 12);
        if entry & 0x100 != 0 {
            return content(&bytes[label * 4 + 4..], way.inside(0).ok_or(Undecoded::Tunnel)?);
        }
    }
    Err(Undecoded::Tunnel)
}

fn content(bytes: &[u8], way: Way) -> Result<Inside<'_>, Undecoded> {
    let first = *bytes.first().ok_or(Undecoded::Truncated)?;
    let frame = |bytes| packet_or_frame(bytes, None, way);
    match first >> 4 {
        0 => match bytes.get(CONTROL_WORD..).map(frame) {
            Some(Ok(inside)) => Ok(inside),
            _ => frame(bytes),
        },
        // What is no sure packet may be one that was cut or broken, and can say so.
        4 | 6 => frame(bytes).or_else(|_| link::by_version(bytes, way)),
        _ => frame(bytes),
    }
}
