//! Datagrams that are no call: some of them look like RTP at first sight.

use std::net::SocketAddr;

use super::rng::Rng;

/// One datagram of something else.
pub struct Noise {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub payload: Vec<u8>,
}

/// A short burst of one kind; `media` is the pair of addresses over which a nearby call speaks.
pub fn burst(rng: &mut Rng, media: (SocketAddr, SocketAddr)) -> Vec<Noise> {
    let host = |rng: &mut Rng, port: u16| SocketAddr::from(([172, 16, 0, rng.between(1, 250) as u8], port));
    let (here, there) = (host(rng, 0), host(rng, 0));
    let at = |address: SocketAddr, port: u16| SocketAddr::new(address.ip(), port);
    match rng.below(5) {
        0 => {
            let source = at(here, rng.between(32_768, 60_999) as u16);
            vec![Noise { source, destination: at(there, 53), payload: dns(rng) }]
        }
        1 => vec![
            Noise { source: media.0, destination: media.1, payload: stun(rng, 0x0001) },
            Noise { source: media.1, destination: media.0, payload: stun(rng, 0x0101) },
        ],
        2 => {
            // RFC 5626 section 3.5.1: double CRLF keeps a flow alive.
            let source = at(here, 5060);
            vec![Noise { source, destination: at(there, 5060), payload: b"\r\n\r\n".to_vec() }]
        }
        3 => {
            let (source, destination) = (at(here, 4000), at(there, 4002));
            let first = rng.next() as u16 | 0x8000;
            (0..12).map(|at| Noise { source, destination, payload: udptl(rng, first.wrapping_add(at)) }).collect()
        }
        _ => {
            let (source, destination) = (at(here, 40_000), at(there, 40_002));
            (0..8).map(|_| Noise { source, destination, payload: garbage(rng) }).collect()
        }
    }
}

/// A query for an A record (RFC 1035 section 4).
fn dns(rng: &mut Rng) -> Vec<u8> {
    let [high, low] = (rng.next() as u16 | 0x8000).to_be_bytes();
    let mut query = vec![high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    query.extend_from_slice(b"\x03sip\x07example\x03com\x00\x00\x01\x00\x01");
    query
}

/// A binding request or response (RFC 8489 section 5) with nothing in it.
fn stun(rng: &mut Rng, kind: u16) -> Vec<u8> {
    let mut message = kind.to_be_bytes().to_vec();
    message.extend_from_slice(&[0, 0, 0x21, 0x12, 0xa4, 0x42]);
    message.extend_from_slice(&rng.next().to_be_bytes());
    message.extend_from_slice(&(rng.next() as u32).to_be_bytes());
    message
}

/// T.38 over UDPTL: sequence number, one packet, no redundancy. Its first bits are those of RTP version 2.
fn udptl(rng: &mut Rng, sequence: u16) -> Vec<u8> {
    let mut packet = (sequence & 0x3fff | 0x8000).to_be_bytes().to_vec();
    let length = rng.between(12, 60);
    packet.push(length as u8);
    packet.extend((0..length).map(|_| rng.next() as u8));
    packet.extend_from_slice(&[0, 0]);
    packet
}

/// RTP's version bits and a static payload type, the rest at random.
fn garbage(rng: &mut Rng) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..rng.between(12, 200)).map(|_| rng.next() as u8).collect();
    bytes[0] = 0x80;
    bytes[1] = 0;
    bytes
}
