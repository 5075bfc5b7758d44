//! Capture files built byte by byte, and the frames that they hold.

use std::io::Write;

use flate2::Compression as Level;
use flate2::write::GzEncoder;
use sidetone::capture::file::MAX_FRAME;

/// A frame as it was read: nanoseconds, link type, original length, data.
pub type Seen = (i64, u16, u32, Vec<u8>);

/// The byte order that a fixture is written in.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    Little,
    Big,
}
use Order::{Big, Little};

impl Order {
    pub fn u16(self, n: u16) -> Vec<u8> {
        if matches!(self, Big) { n.to_be_bytes().to_vec() } else { n.to_le_bytes().to_vec() }
    }

    pub fn u32(self, n: u32) -> Vec<u8> {
        if matches!(self, Big) { n.to_be_bytes().to_vec() } else { n.to_le_bytes().to_vec() }
    }

    pub fn u64(self, n: u64) -> Vec<u8> {
        if matches!(self, Big) { n.to_be_bytes().to_vec() } else { n.to_le_bytes().to_vec() }
    }

    pub fn words(self, words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|&word| self.u32(word)).collect()
    }

    pub fn classic_header(self, magic: u32, network: u32) -> Vec<u8> {
        [self.u32(magic), self.u16(2), self.u16(4), self.words(&[0, 0, MAX_FRAME, network])].concat()
    }

    pub fn record(self, seconds: u32, fraction: u32, original: u32, data: &[u8]) -> Vec<u8> {
        [self.words(&[seconds, fraction, data.len() as u32, original]), data.to_vec()].concat()
    }

    pub fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
        let length = self.u32((12 + body.len() + padding.len()) as u32);
        [self.u32(kind), length.clone(), body.to_vec(), padding, length].concat()
    }

    pub fn section(self) -> Vec<u8> {
        self.block(0x0a0d_0d0a, &[self.u32(0x1a2b_3c4d), self.u16(1), self.u16(0), self.u64(u64::MAX)].concat())
    }

    pub fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
        [self.u16(code), self.u16(value.len() as u16), value.to_vec(), padding].concat()
    }

    pub fn interface(self, link: u16, snaplen: u32, options: &[u8]) -> Vec<u8> {
        self.block(1, &[self.u16(link), self.u16(0), self.u32(snaplen), options.to_vec()].concat())
    }

    /// Enhanced Packet Block with a comment behind the data.
    pub fn enhanced(self, interface: u32, time: u64, original: u32, data: &[u8]) -> Vec<u8> {
        let fixed = self.words(&[interface, (time >> 32) as u32, time as u32, data.len() as u32, original]);
        let padding = vec![0; data.len().next_multiple_of(4) - data.len()];
        self.block(6, &[fixed, data.to_vec(), padding, self.option(1, b"comment"), self.option(0, b"")].concat())
    }
}

pub const DATA: [u8; 7] = [1, 2, 3, 4, 5, 6, 7];
/// 2023-11-14T22:13:20Z
pub const SECOND: u32 = 1_700_000_000;
pub const NANOS: i64 = SECOND as i64 * 1_000_000_000;

/// A classic file of three records: cut by the capture, empty, whole.
pub fn classic(order: Order, magic: u32, network: u32) -> Vec<u8> {
    let extra = if magic == 0xa1b2_cd34 { order.words(&[3, 0x0800_0400]) } else { Vec::new() };
    let mut bytes = order.classic_header(magic, network);
    for (fraction, original, data) in [(123_456, 1500, &DATA[..]), (999_999, 0, &[]), (1, 4, &DATA[..4])] {
        let record = order.record(SECOND, fraction, original, data);
        bytes.extend([&record[..16], &extra, &record[16..]].concat());
    }
    bytes
}

pub fn classic_frames(fraction: i64, link: u16) -> Vec<Seen> {
    vec![
        (NANOS + 123_456 * fraction, link, 1500, DATA.to_vec()),
        (NANOS + 999_999 * fraction, link, 0, vec![]),
        (NANOS + fraction, link, 4, DATA[..4].to_vec()),
    ]
}

/// Two sections of opposite byte orders: several interfaces, link types and resolutions, each kind of block.
pub fn pcapng(order: Order) -> Vec<u8> {
    // What follows the end of the options is no option.
    let nanoseconds = [order.option(2, b"eth0"), order.option(9, &[9]), order.option(0, b""), vec![0xff; 4]].concat();
    let offset = [order.option(9, &[3]), order.option(14, &order.u64(100))].concat();
    let other = if matches!(order, Big) { Little } else { Big };
    let old_packet =
        [order.u16(1), order.u16(9), order.words(&[0, 2_000_000, 3, 3]), DATA[..3].to_vec(), vec![0]].concat();
    [
        order.section(),
        order.interface(1, 5, &nanoseconds),
        order.interface(113, 0, b""),
        order.block(4, b"name resolution"),
        order.enhanced(0, NANOS as u64 + 1, 1500, &DATA),
        order.enhanced(1, u64::from(SECOND) * 1_000_000 + 2, 7, &DATA),
        order.block(0x4000_0bad, &[0xff; 1000]),
        order.block(3, &[order.u32(7), DATA.to_vec()].concat()),
        order.block(2, &old_packet),
        other.section(),
        other.interface(276, 0, b""),
        other.enhanced(0, 1_000_001, 7, &DATA),
        order.section(),
        order.interface(1, 0, &offset),
        order.enhanced(0, 1_234, 4, &DATA[..4]),
    ]
    .concat()
}

pub fn pcapng_frames() -> Vec<Seen> {
    vec![
        (NANOS + 1, 1, 1500, DATA.to_vec()),
        (NANOS + 2_000, 113, 7, DATA.to_vec()),
        // A simple packet: interface 0 and its snaplen, the time of the frame before.
        (NANOS + 2_000, 1, 7, DATA[..5].to_vec()),
        (2_000_000_000, 113, 3, DATA[..3].to_vec()),
        (1_000_001_000, 276, 7, DATA.to_vec()),
        (101_234_000_000, 1, 4, DATA[..4].to_vec()),
    ]
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
    encoder.write_all(bytes).expect("into memory");
    encoder.finish().expect("into memory")
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    encoder.include_checksum(true).expect("a checksum");
    encoder.write_all(bytes).expect("into memory");
    encoder.finish().expect("into memory")
}
