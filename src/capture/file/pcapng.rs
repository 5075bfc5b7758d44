//! pcapng: sections of blocks, each section in its own byte order (draft-ietf-opsawg-pcapng).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                          Block Type                           |
//! |                      Block Total Length                       |
//! |              Block Body, padded to 32 bits ...                |
//! |                      Block Total Length                       |
//! ```

use super::{Corruption, Found, MAX_FRAME, Step};
use crate::time::Timestamp;
use crate::wire::LinkType;

/// Section 4.1: the Section Header Block's type reads the same in both byte orders.
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
/// Section 4.1: the byte-order magic.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Sections 4.2 to 4.4 and appendix A.
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// Section 4.2: options of the Interface Description Block.
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

/// Type, length, length again, bytes.
const SMALLEST_BLOCK: u32 = 12;
/// Longer blocks are refused, bytes (libpcap sf-pcapng.c, INITIAL_MAX_BLOCKSIZE).
const LONGEST_BLOCK: u32 = 16 << 20;
/// As many as the old Packet Block's 16 bits can name.
const MOST_INTERFACES: usize = 65_536;
/// How many different link types are remembered for the report.
const MOST_LINKS: usize = 16;

/// Whether the file starts with a Section Header Block.
pub(super) fn is_magic(head: &[u8]) -> bool {
    match head.as_chunks::<4>().0 {
        [kind, _length, order, ..] => u32::from_le_bytes(*kind) == SECTION_HEADER && ByteOrder::of(*order).is_some(),
        // Too short to hold the byte-order magic: a section that is cut off.
        [kind, ..] => u32::from_le_bytes(*kind) == SECTION_HEADER,
        [] => false,
    }
}

#[derive(Clone, Copy, Default)]
struct ByteOrder {
    big_endian: bool,
}

impl ByteOrder {
    fn of(magic: [u8; 4]) -> Option<ByteOrder> {
        [false, true]
            .map(|big_endian| ByteOrder { big_endian })
            .into_iter()
            .find(|order| order.word(magic) == BYTE_ORDER)
    }

    #[inline]
    fn word(self, field: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(field) } else { u32::from_le_bytes(field) }
    }

    /// The two 16-bit fields of a word.
    #[inline]
    fn halves(self, [a, b, c, d]: [u8; 4]) -> (u16, u16) {
        if self.big_endian {
            (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
        } else {
            (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
        }
    }
}

/// How a 64-bit count becomes nanoseconds.
#[derive(Clone, Copy)]
enum Unit {
    Times(u64),
    Over(u128),
    Shift(u32),
}

impl Unit {
    /// From if_tsresol: a power of ten, or of two when the highest bit is set.
    fn of(resolution: u8) -> Unit {
        let exponent = u32::from(resolution & 0x7f);
        match exponent {
            _ if resolution & 0x80 != 0 => Unit::Shift(exponent),
            0..=9 => Unit::Times(10u64.pow(9 - exponent)),
            _ => Unit::Over(10u128.checked_pow(exponent - 9).unwrap_or(u128::MAX)),
        }
    }
}

struct Interface {
    link: LinkType,
    /// 0: no limit, bytes.
    snaplen: u32,
    unit: Unit,
    /// if_tsoffset, nanoseconds.
    offset: i128,
}

impl Interface {
    /// No sum of 2^64 * 10^9 and 2^63 * 10^9 leaves an i128; what leaves an i64 saturates.
    #[inline]
    fn time(&self, count: u64) -> Timestamp {
        let nanos = match self.unit {
            Unit::Times(factor) => u128::from(count) * u128::from(factor),
            Unit::Over(divisor) => u128::from(count) / divisor,
            Unit::Shift(bits) => (u128::from(count) * 1_000_000_000) >> bits,
        };
        let nanos = nanos.cast_signed() + self.offset;
        Timestamp::from_nanos(nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }
}

/// The section being read, and what the report needs of all of them.
#[derive(Default)]
pub(super) struct Sections {
    order: ByteOrder,
    interfaces: Vec<Interface>,
    links: Vec<LinkType>,
    last_time: Timestamp,
}

impl Sections {
    /// The different link types so far.
    pub(super) fn links(&self) -> &[LinkType] {
        &self.links
    }

    /// Reads the block at the front of the unread bytes.
    #[inline]
    pub(super) fn step(&mut self, unread: &[u8]) -> Result<Step, Corruption> {
        let (words, _) = unread.as_chunks::<4>();
        let &[kind, length, third, ..] = words else {
            return Ok(Step::Need(SMALLEST_BLOCK as usize));
        };
        if u32::from_le_bytes(kind) == SECTION_HEADER {
            self.order = ByteOrder::of(third).ok_or(Corruption::ByteOrder)?;
        }
        let length = self.order.word(length);
        if !(SMALLEST_BLOCK..=LONGEST_BLOCK).contains(&length) || !length.is_multiple_of(4) {
            return Err(Corruption::BlockLength(length));
        }
        let Some(block) = words.get(..length as usize / 4) else {
            return Ok(Step::Need(length as usize));
        };
        let Some((&trailer, block)) = block.split_last() else {
            return Err(Corruption::BlockLength(length));
        };
        if self.order.word(trailer) != length {
            return Err(Corruption::BlockTrailer { length, trailer: self.order.word(trailer) });
        }
        self.block(self.order.word(kind), block, length as usize)
    }

    /// A whole block without its trailer, as words of 32 bits; `length` is that of all of it, bytes.
    #[inline]
    fn block(&mut self, kind: u32, block: &[[u8; 4]], length: usize) -> Result<Step, Corruption> {
        let order = self.order;
        match (kind, block) {
            (ENHANCED_PACKET, &[_, _, interface, high, low, captured, original, ref data @ ..]) => {
                self.packet(order.word(interface), [high, low], [captured, original], data, (28, length))
            }
            (PACKET, &[_, _, interface, high, low, captured, original, ref data @ ..]) => {
                let (interface, _drops) = order.halves(interface);
                self.packet(interface.into(), [high, low], [captured, original], data, (28, length))
            }
            (SIMPLE_PACKET, &[_, _, original, ref data @ ..]) => self.simple_packet(order.word(original), data, length),
            (INTERFACE, &[_, _, link, snaplen, ref options @ ..]) => {
                let (link, _reserved) = order.halves(link);
                self.interface(LinkType(link), order.word(snaplen), options)?;
                Ok(Step::Skip(length))
            }
            (SECTION_HEADER, &[_, _, _, version, _, _, ..]) => {
                let (major, minor) = order.halves(version);
                if major != 1 {
                    return Err(Corruption::Version { major, minor });
                }
                self.interfaces.clear();
                Ok(Step::Skip(length))
            }
            (ENHANCED_PACKET | PACKET | SIMPLE_PACKET | INTERFACE | SECTION_HEADER, _) => {
                Err(Corruption::BlockLength(length as u32))
            }
            // Name resolution, statistics, secrets, private blocks: nothing in them is a frame.
            _ => Ok(Step::Skip(length)),
        }
    }

    #[inline]
    fn packet(
        &mut self,
        interface: u32,
        time: [[u8; 4]; 2],
        lengths: [[u8; 4]; 2],
        data: &[[u8; 4]],
        (start, consumed): (usize, usize),
    ) -> Result<Step, Corruption> {
        let order = self.order;
        let [high, low] = time.map(|field| u64::from(order.word(field)));
        let [captured, original_length] = lengths.map(|field| order.word(field));
        let described = self.interfaces.get(interface as usize).ok_or(Corruption::UnknownInterface(interface))?;
        if captured > MAX_FRAME || captured as usize > data.as_flattened().len() {
            return Err(Corruption::FrameLength(captured));
        }
        self.last_time = described.time(high << 32 | low);
        let (time, link) = (self.last_time, described.link);
        Ok(Step::Frame(Found { time, link, original_length, start, length: captured as usize, consumed }))
    }

    /// Section 4.4: interface 0, no time, and the captured length follows from the block and the snaplen.
    fn simple_packet(&self, original: u32, data: &[[u8; 4]], consumed: usize) -> Result<Step, Corruption> {
        let interface = self.interfaces.first().ok_or(Corruption::UnknownInterface(0))?;
        let limit = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
        let length = (original.min(limit) as usize).min(data.as_flattened().len());
        if length > MAX_FRAME as usize {
            return Err(Corruption::FrameLength(length as u32));
        }
        let (time, link) = (self.last_time, interface.link);
        Ok(Step::Frame(Found { time, link, original_length: original, start: 12, length, consumed }))
    }

    fn interface(&mut self, link: LinkType, snaplen: u32, options: &[[u8; 4]]) -> Result<(), Corruption> {
        if self.interfaces.len() >= MOST_INTERFACES {
            return Err(Corruption::TooManyInterfaces);
        }
        // Section 4.2: microseconds unless if_tsresol says otherwise.
        let mut interface = Interface { link, snaplen, unit: Unit::of(6), offset: 0 };
        let mut rest = options;
        while let [head, body @ ..] = rest {
            let (code, length) = self.order.halves(*head);
            if code == 0 {
                break;
            }
            let words = usize::from(length).div_ceil(4);
            let (value, behind) = body.split_at_checked(words).ok_or(Corruption::Option(code))?;
            match (code, length, value) {
                (IF_TSRESOL, 1, &[[resolution, ..]]) => interface.unit = Unit::of(resolution),
                (IF_TSOFFSET, 8, &[first, second]) => interface.offset = self.seconds(first, second) * 1_000_000_000,
                (IF_TSRESOL | IF_TSOFFSET, ..) => return Err(Corruption::Option(code)),
                _ => {}
            }
            rest = behind;
        }
        self.interfaces.push(interface);
        if !self.links.contains(&link) && self.links.len() < MOST_LINKS {
            self.links.push(link);
        }
        Ok(())
    }

    /// A signed 64-bit option in the section's byte order.
    fn seconds(&self, first: [u8; 4], second: [u8; 4]) -> i128 {
        let (high, low) = if self.order.big_endian { (first, second) } else { (second, first) };
        let bits = u64::from(self.order.word(high)) << 32 | u64::from(self.order.word(low));
        i128::from(bits.cast_signed())
    }
}
