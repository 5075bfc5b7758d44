//! Classic pcap: a 24-byte file header, then records (draft-ietf-opsawg-pcap sections 4 and 5).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      Timestamp (seconds)                      |
//! |            Timestamp (microseconds or nanoseconds)            |
//! |                    Captured packet length                     |
//! |                    Original packet length                     |
//! |                          Packet data ...                      |
//! ```

use super::{Corruption, Found, MAX_FRAME, Step};
use crate::time::Timestamp;
use crate::wire::LinkType;

/// Length of the file header, bytes.
pub(super) const FILE_HEADER: usize = 24;

/// What the magic number says.
#[derive(Clone, Copy)]
pub(super) struct Variant {
    big_endian: bool,
    /// The unit of the fraction of a second, nanoseconds.
    fraction: i64,
    /// Length of a record header, bytes.
    header: usize,
}

impl Variant {
    pub(super) fn of(head: &[u8]) -> Option<Variant> {
        let magic = head.first_chunk::<4>()?;
        let of = |big_endian, number| {
            let (fraction, header) = match number {
                0xa1b2_c3d4 => (1_000, 16),
                0xa1b2_3c4d => (1, 16),
                // Alexey Kuznetsov's patched libpcap: interface, protocol and packet type behind the usual four fields.
                0xa1b2_cd34 => (1_000, 24),
                _ => return None,
            };
            Some(Variant { big_endian, fraction, header })
        };
        of(false, u32::from_le_bytes(*magic)).or_else(|| of(true, u32::from_be_bytes(*magic)))
    }

    #[inline]
    fn number(self, field: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(field) } else { u32::from_le_bytes(field) }
    }
}

/// A classic file behind its header.
pub(super) struct Classic {
    variant: Variant,
    link: LinkType,
}

impl Classic {
    pub(super) fn new(variant: Variant, head: &[u8]) -> Result<Classic, Corruption> {
        let (words, _) = head.as_chunks::<4>();
        let &[_magic, version, _zone, _accuracy, _snaplen, network, ..] = words else {
            return Err(Corruption::Header);
        };
        let [a, b, c, d] = version;
        let major = if variant.big_endian { u16::from_be_bytes([a, b]) } else { u16::from_le_bytes([a, b]) };
        if major != 2 {
            let minor = if variant.big_endian { u16::from_be_bytes([c, d]) } else { u16::from_le_bytes([c, d]) };
            return Err(Corruption::Version { major, minor });
        }
        // The upper 16 bits tell of a frame check sequence.
        let link = LinkType(variant.number(network) as u16);
        Ok(Classic { variant, link })
    }

    pub(super) fn link(&self) -> LinkType {
        self.link
    }

    /// Reads the record at the front of the unread bytes.
    #[inline(always)]
    pub(super) fn step(&self, unread: &[u8]) -> Result<Step, Corruption> {
        // Once for all numbers of a record.
        if self.variant.big_endian {
            self.record(unread, u32::from_be_bytes)
        } else {
            self.record(unread, u32::from_le_bytes)
        }
    }

    #[inline(always)]
    fn record(&self, unread: &[u8], number: impl Fn([u8; 4]) -> u32) -> Result<Step, Corruption> {
        let Variant { header, fraction, .. } = self.variant;
        let (words, _) = unread.as_chunks::<4>();
        let &[seconds, part, captured, original, ..] = words else {
            return Ok(Step::Need(header));
        };
        let captured = number(captured);
        if captured > MAX_FRAME {
            return Err(Corruption::FrameLength(captured));
        }
        let length = captured as usize;
        let consumed = header + length;
        if unread.len() < consumed {
            return Ok(Step::Need(consumed));
        }
        // At most 2^32 * 10^9 + 2^32 * 10^3 < 2^63.
        let nanos = i64::from(number(seconds)) * 1_000_000_000 + i64::from(number(part)) * fraction;
        Ok(Step::Frame(Found {
            time: Timestamp::from_nanos(nanos),
            link: self.link,
            original_length: number(original),
            start: header,
            length,
            consumed,
        }))
    }
}
