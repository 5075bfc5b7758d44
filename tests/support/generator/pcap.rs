//! Writer of classic pcap files that hold UDP datagrams.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use super::link::Link;

const MAGIC_MICROSECONDS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const SNAPLEN: u32 = 262_144;
/// IANA protocol number.
const UDP: u8 = 17;

/// The unit of the file's time stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    Microseconds,
    Nanoseconds,
}

impl Resolution {
    /// The time stamp that the file can hold for this moment.
    pub fn floor(self, ns: u64) -> u64 {
        match self {
            Resolution::Microseconds => ns - ns % 1000,
            Resolution::Nanoseconds => ns,
        }
    }
}

pub struct PcapWriter<W: Write> {
    out: W,
    link: Link,
    resolution: Resolution,
    record: Vec<u8>,
    identification: u16,
    pub packets: u64,
    pub bytes: u64,
}

impl<W: Write> PcapWriter<W> {
    pub fn new(mut out: W, link: Link, resolution: Resolution) -> io::Result<Self> {
        let magic = match resolution {
            Resolution::Microseconds => MAGIC_MICROSECONDS,
            Resolution::Nanoseconds => MAGIC_NANOSECONDS,
        };
        out.write_all(&magic.to_le_bytes())?;
        out.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?; // version 2.4, no time zone
        out.write_all(&SNAPLEN.to_le_bytes())?;
        out.write_all(&link.number().to_le_bytes())?;
        Ok(PcapWriter { out, link, resolution, record: Vec::new(), identification: 0, packets: 0, bytes: 0 })
    }

    /// Writes one UDP datagram as one frame.
    pub fn datagram(&mut self, ns: u64, from: &SocketAddr, to: &SocketAddr, payload: &[u8]) -> io::Result<()> {
        let record = &mut self.record;
        record.clear();
        record.extend_from_slice(&[0; 16]);
        let ip_length = 8 + payload.len() + if from.is_ipv6() { 40 } else { 20 };
        self.link.header(record, from, to, ip_length);
        self.identification = self.identification.wrapping_add(1);
        ip_header(record, from.ip(), to.ip(), 8 + payload.len(), self.identification);
        udp(record, from, to, payload);
        self.link.pad(record, 16);

        let fraction = match self.resolution {
            Resolution::Microseconds => ns % 1_000_000_000 / 1000,
            Resolution::Nanoseconds => ns % 1_000_000_000,
        };
        let length = (record.len() - 16) as u32;
        for (at, value) in [(ns / 1_000_000_000) as u32, fraction as u32, length, length].into_iter().enumerate() {
            record[at * 4..at * 4 + 4].copy_from_slice(&value.to_le_bytes());
        }
        self.packets += 1;
        self.bytes += u64::from(length);
        self.out.write_all(record)
    }

    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// IPv4 (RFC 791 section 3.1) or IPv6 (RFC 8200 section 3) header, DSCP EF.
fn ip_header(out: &mut Vec<u8>, from: IpAddr, to: IpAddr, udp_length: usize, identification: u16) {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let start = out.len();
            out.extend_from_slice(&[0x45, 0xb8]);
            out.extend_from_slice(&(20 + udp_length as u16).to_be_bytes());
            out.extend_from_slice(&identification.to_be_bytes());
            out.extend_from_slice(&[0x40, 0, 61, UDP, 0, 0]);
            out.extend_from_slice(&from.octets());
            out.extend_from_slice(&to.octets());
            let sum = fold(add(0, &out[start..]));
            out[start + 10..start + 12].copy_from_slice(&sum.to_be_bytes());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            out.extend_from_slice(&[0x6b, 0x80, 0, 0]);
            out.extend_from_slice(&(udp_length as u16).to_be_bytes());
            out.extend_from_slice(&[UDP, 61]);
            out.extend_from_slice(&from.octets());
            out.extend_from_slice(&to.octets());
        }
        _ => unreachable!("both ends of a datagram have one address family"),
    }
}

/// RFC 768, checksum over the pseudo header included.
fn udp(out: &mut Vec<u8>, from: &SocketAddr, to: &SocketAddr, payload: &[u8]) {
    let length = (8 + payload.len()) as u16;
    let start = out.len();
    out.extend_from_slice(&from.port().to_be_bytes());
    out.extend_from_slice(&to.port().to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(payload);
    let mut sum = u64::from(UDP) + u64::from(length);
    for ip in [from.ip(), to.ip()] {
        sum = match ip {
            IpAddr::V4(v4) => add(sum, &v4.octets()),
            IpAddr::V6(v6) => add(sum, &v6.octets()),
        };
    }
    // RFC 768: a computed zero is sent as all ones.
    let sum = match fold(add(sum, &out[start..])) {
        0 => 0xffff,
        sum => sum,
    };
    out[start + 6..start + 8].copy_from_slice(&sum.to_be_bytes());
}

fn add(sum: u64, bytes: &[u8]) -> u64 {
    let pairs = bytes.chunks_exact(2);
    let odd = pairs.remainder().first().map_or(0, |last| u64::from(*last) << 8);
    pairs.fold(sum + odd, |sum, pair| sum + u64::from(u16::from_be_bytes([pair[0], pair[1]])))
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
