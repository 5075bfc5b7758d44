//! The RTP of a recording of the loopback, read without the code under test.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

/// A UDP datagram over IPv4.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Unix nanoseconds.
    pub ns: u64,
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub payload: Vec<u8>,
}

impl Frame {
    /// SSRC and sequence number (RFC 3550 section 5.1); `None` for what is no RTP.
    pub fn rtp(&self) -> Option<(u32, u16)> {
        let [first, payload_type, s1, s2, _, _, _, _, ssrc @ ..] = self.payload.as_slice() else { return None };
        let ssrc = u32::from_be_bytes(ssrc.get(..4)?.try_into().ok()?);
        (first >> 6 == 2 && !(64..96).contains(&(payload_type & 0x7f))).then(|| (ssrc, u16::from_be_bytes([*s1, *s2])))
    }
}

/// The datagrams of a pcap file in microseconds with Ethernet headers, as tcpdump writes it of the loopback.
pub fn read(file: &Path) -> Vec<Frame> {
    let bytes = std::fs::read(file).expect("the recording");
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    assert_eq!((word(0), word(20)), (0xa1b2_c3d4, 1), "microseconds, Ethernet");
    let mut frames = Vec::new();
    let mut at = 24;
    while at < bytes.len() {
        let ns = u64::from(word(at)) * 1_000_000_000 + u64::from(word(at + 4)) * 1000;
        let length = word(at + 8) as usize;
        assert_eq!(length, word(at + 12) as usize, "nothing is cut off");
        frames.extend(datagram(ns, &bytes[at + 16..at + 16 + length]));
        at += 16 + length;
    }
    frames
}

// Ethernet, IPv4 without options, UDP.
fn datagram(ns: u64, frame: &[u8]) -> Option<Frame> {
    let is_udp = frame.get(12..15)? == [0x08, 0x00, 0x45] && *frame.get(23)? == 17;
    let address = |ip: usize, port: usize| {
        let ip = Ipv4Addr::new(frame[ip], frame[ip + 1], frame[ip + 2], frame[ip + 3]);
        SocketAddr::from((ip, u16::from_be_bytes([frame[port], frame[port + 1]])))
    };
    let payload = frame.get(42..)?.to_vec();
    is_udp.then(|| Frame { ns, source: address(26, 34), destination: address(30, 36), payload })
}
