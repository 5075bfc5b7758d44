//! Packets built byte by byte, and the module under test as the engine drives it.

use std::net::{IpAddr, SocketAddr};

use sidetone::connections::{Connections, Content, Settings};
use sidetone::time::Timestamp;
use sidetone::wire::{Decoded, LinkType, Transport, decode};

pub const MILLISECOND: i64 = 1_000_000;
pub const SECOND: i64 = 1_000 * MILLISECOND;

pub const SYN: u8 = 0x02;
pub const FIN: u8 = 0x01;
pub const RST: u8 = 0x04;
pub const ACK: u8 = 0x10;

pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// An IPv4 or IPv6 packet.
pub fn ip(protocol: u8, from: IpAddr, to: IpAddr, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            packet.extend([0x45, 0]);
            packet.extend((20 + payload.len() as u16).to_be_bytes());
            packet.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
            packet.extend(from.octets());
            packet.extend(to.octets());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            packet.extend([0x60, 0, 0, 0]);
            packet.extend((payload.len() as u16).to_be_bytes());
            packet.extend([protocol, 64]);
            packet.extend(from.octets());
            packet.extend(to.octets());
        }
        _ => panic!("one IP version a packet"),
    }
    packet.extend(payload);
    packet
}

/// One TCP segment (RFC 9293 section 3.1), with an option of four bytes.
#[derive(Clone, Debug)]
pub struct Tcp {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub sequence: u32,
    pub acknowledgment: u32,
    pub flags: u8,
    pub payload: Vec<u8>,
}

impl Tcp {
    pub fn packet(&self) -> Vec<u8> {
        let mut segment = Vec::new();
        segment.extend(self.from.port().to_be_bytes());
        segment.extend(self.to.port().to_be_bytes());
        segment.extend(self.sequence.to_be_bytes());
        segment.extend(self.acknowledgment.to_be_bytes());
        segment.extend([0x60, self.flags, 0xff, 0xff, 0, 0, 0, 0, 1, 1, 1, 1]);
        segment.extend(&self.payload);
        ip(6, self.from.ip(), self.to.ip(), &segment)
    }
}

/// Both ends of a connection, and the sequence number of each one's first byte.
#[derive(Clone, Debug)]
pub struct Line {
    pub client: SocketAddr,
    pub server: SocketAddr,
    pub first: [u32; 2],
}

pub fn line() -> Line {
    Line { client: address("192.0.2.10:40000"), server: address("192.0.2.20:5060"), first: [1_000, 5_000] }
}

impl Line {
    /// A segment of the client's (0) or the server's (1) bytes `at` and on.
    pub fn data(&self, side: usize, at: usize, payload: &[u8]) -> Tcp {
        let (from, to) = if side == 0 { (self.client, self.server) } else { (self.server, self.client) };
        let sequence = self.first[side].wrapping_add(at as u32);
        Tcp { from, to, sequence, acknowledgment: self.first[1 - side], flags: ACK, payload: payload.to_vec() }
    }

    /// A segment without payload that acknowledges the other side's bytes up to `upto`.
    pub fn ack(&self, side: usize, at: usize, upto: usize) -> Tcp {
        let acknowledgment = self.first[1 - side].wrapping_add(upto as u32);
        Tcp { acknowledgment, ..self.data(side, at, b"") }
    }

    /// SYN, SYN and ACK, ACK.
    pub fn handshake(&self) -> [Tcp; 3] {
        let syn =
            |side: usize, flags| Tcp { sequence: self.first[side].wrapping_sub(1), flags, ..self.data(side, 0, b"") };
        [syn(0, SYN), syn(1, SYN | ACK), self.ack(0, 0, 0)]
    }
}

/// A message as it came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    pub from: SocketAddr,
    pub transport: Transport,
    pub text: Vec<u8>,
    pub cut: bool,
    pub time: i64,
}

/// The module, a clock, and what came out of it.
pub struct Capture {
    pub connections: Connections,
    pub now: i64,
    pub got: Vec<Got>,
    pub malformed: Vec<&'static str>,
}

impl Capture {
    pub fn new() -> Capture {
        Capture::with(Settings { max_flows: 1000, max_buffered_bytes: 8 << 20, idle_nanos: 600 * SECOND })
    }

    pub fn with(settings: Settings) -> Capture {
        let connections = Connections::new(settings);
        Capture { connections, now: 1_700_000_000 * SECOND, got: Vec::new(), malformed: Vec::new() }
    }

    /// A packet, of which `captured` bytes are there, a millisecond after the one before.
    pub fn packet_cut(&mut self, packet: &[u8], captured: usize) {
        self.now += MILLISECOND;
        let now = Timestamp::from_nanos(self.now);
        let expected = |port: u16| (5060..=5061).contains(&port);
        let carried = match decode(LinkType::RAW, &packet[..captured.min(packet.len())]) {
            Ok(Decoded::Segment(segment)) => {
                let on_sip_port = expected(segment.source.port) || expected(segment.destination.port);
                self.connections.segment(now, &segment, on_sip_port)
            }
            Ok(Decoded::Sctp(packet)) => {
                let on_sip_port = expected(packet.source.port) || expected(packet.destination.port);
                self.connections.packet(now, &packet, on_sip_port)
            }
            _ => Vec::new(),
        };
        note(carried, &mut self.got, &mut self.malformed);
    }

    pub fn packet(&mut self, packet: &[u8]) {
        self.packet_cut(packet, packet.len());
    }

    pub fn segment(&mut self, segment: &Tcp) {
        self.packet(&segment.packet());
    }

    pub fn segments(&mut self, segments: &[Tcp]) {
        segments.iter().for_each(|segment| self.segment(segment));
    }

    /// Time passes without packets.
    pub fn wait(&mut self, nanos: i64) {
        self.now += nanos;
        let carried = self.connections.tick(Timestamp::from_nanos(self.now));
        note(carried, &mut self.got, &mut self.malformed);
    }

    pub fn finish(&mut self) {
        let carried = self.connections.finish(Timestamp::from_nanos(self.now));
        note(carried, &mut self.got, &mut self.malformed);
    }

    /// The texts that came out, each with whether it was cut.
    pub fn texts(&self) -> Vec<(String, bool)> {
        self.got.iter().map(|got| (String::from_utf8_lossy(&got.text).into_owned(), got.cut)).collect()
    }

    /// What came out, by the last characters of each first line.
    pub fn whole(&self, wanted: &[&[u8]]) {
        let texts: Vec<(String, bool)> =
            wanted.iter().map(|text| (String::from_utf8_lossy(text).into_owned(), false)).collect();
        assert_eq!(self.texts(), texts);
    }

    pub fn tracked(&self) -> usize {
        self.connections.tracked().iter().map(|(_, count)| count).sum()
    }

    /// One of the module's own numbers, as /metrics shows it.
    pub fn number(&self, series: &str) -> u64 {
        let mut collection = sidetone::numbers::Collection::default();
        self.connections.numbers().collect(&mut collection);
        for (family, all) in collection.into_sorted() {
            for (labels, value) in all {
                let name = if labels.is_empty() {
                    family.name.to_owned()
                } else {
                    format!("{} {}", family.name, labels.join(" "))
                };
                if name == series {
                    return match value {
                        sidetone::numbers::Value::Counter(count) => count,
                        sidetone::numbers::Value::Gauge(value) => value as u64,
                        other => panic!("{other:?}"),
                    };
                }
            }
        }
        panic!("no series {series}");
    }
}

fn note(carried: Vec<sidetone::connections::Carried<'_>>, got: &mut Vec<Got>, malformed: &mut Vec<&'static str>) {
    for one in carried {
        match one.content {
            Content::Message { transport, bytes, cut } => got.push(Got {
                from: SocketAddr::new(one.from.ip.into(), one.from.port),
                transport,
                text: bytes.into_owned(),
                cut,
                time: one.time.nanos(),
            }),
            Content::Malformed(reason) => malformed.push(reason.reason()),
        }
    }
}

/// A request with all that a request must have; `n` tells it from others.
pub fn request(method: &str, n: usize, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    with_head(&format!("{method} sip:bob@b.example SIP/2.0"), method, n, &format!("Content-Length: {length}"), body)
}

pub fn response(code: u16, n: usize, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    with_head(&format!("SIP/2.0 {code} Reason"), "INVITE", n, &format!("l: {length}"), body)
}

/// A message with this field in place of a Content-Length.
pub fn with_head(start: &str, method: &str, n: usize, field: &str, body: &[u8]) -> Vec<u8> {
    let field = if field.is_empty() { String::new() } else { format!("{field}\r\n") };
    let head = format!(
        "{start}\r\nVia: SIP/2.0/TCP 192.0.2.10;branch=z9hG4bK{n}\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\n\
         Call-ID: {n}@c\r\nCSeq: {n} {method}\r\n{field}Subject: l\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}
