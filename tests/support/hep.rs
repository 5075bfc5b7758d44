//! HEP packets as a mirror sends them.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::net::{IpAddr, SocketAddr};

/// What a mirror says around a payload.
#[derive(Clone)]
pub struct Mirror<'a> {
    pub from: SocketAddr,
    pub to: SocketAddr,
    /// 17 UDP, 6 TCP, 22 what Kamailio says for TLS.
    pub ip_protocol: u8,
    /// 1 SIP, 5 RTCP, 100 log.
    pub kind: u8,
    pub nanos: i64,
    pub key: Option<&'a [u8]>,
}

impl Mirror<'_> {
    pub fn sip(from: SocketAddr, to: SocketAddr, nanos: i64) -> Mirror<'static> {
        Mirror { from, to, ip_protocol: 17, kind: 1, nanos, key: None }
    }

    /// A packet of version 3 with the payload in this chunk: 15, or 16 where it is compressed.
    pub fn version_3(&self, payload_chunk: u16, payload: &[u8]) -> Vec<u8> {
        let octets = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let (family, source) = if self.from.is_ipv4() { (2, 3) } else { (10, 5) };
        let mut chunks = [
            chunk(1, &[family]),
            chunk(2, &[self.ip_protocol]),
            chunk(source, &octets(self.from.ip())),
            chunk(source + 1, &octets(self.to.ip())),
            chunk(7, &self.from.port().to_be_bytes()),
            chunk(8, &self.to.port().to_be_bytes()),
            chunk(9, &(self.seconds()).to_be_bytes()),
            chunk(10, &(self.micros()).to_be_bytes()),
            chunk(11, &[self.kind]),
            chunk(12, &2001u32.to_be_bytes()),
        ]
        .concat();
        if let Some(key) = self.key {
            chunks.extend(chunk(14, key));
        }
        chunks.extend(chunk(payload_chunk, payload));
        [b"HEP3", &((chunks.len() + 6) as u16).to_be_bytes()[..], &chunks].concat()
    }

    /// A packet of version 1 or 2, as Kamailio sends it.
    pub fn classic(&self, version: u8, payload: &[u8]) -> Vec<u8> {
        let (IpAddr::V4(from), IpAddr::V4(to)) = (self.from.ip(), self.to.ip()) else { panic!("IPv4 here") };
        let mut out = vec![version, 16, 2, self.ip_protocol];
        out.extend(self.from.port().to_be_bytes());
        out.extend(self.to.port().to_be_bytes());
        out.extend(from.octets());
        out.extend(to.octets());
        if version == 2 {
            out.extend(self.seconds().to_le_bytes());
            out.extend(self.micros().to_le_bytes());
            out.extend([0xd1, 7, 0, 0]);
        }
        out.extend(payload);
        out
    }

    fn seconds(&self) -> u32 {
        (self.nanos / 1_000_000_000) as u32
    }

    fn micros(&self) -> u32 {
        (self.nanos / 1000 % 1_000_000) as u32
    }
}

pub fn chunk(kind: u16, value: &[u8]) -> Vec<u8> {
    [&[0, 0][..], &kind.to_be_bytes(), &(value.len() as u16 + 6).to_be_bytes(), value].concat()
}
