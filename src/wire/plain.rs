//! The frame in which nearly everything comes, read in one go: Ethernet, IPv4 without options, UDP; and an RTP header of twelve bytes.
//! What the general way ([`super::decode`], [`super::rtp`]) makes of it is the same, and whatever looks different is left to it.

use super::link::ETHERTYPE_IPV4;
use super::point::Way;
use super::rtp::{self, Packet};
use super::{Datagram, Endpoint, Ip, ip, tunnel};

// Where the headers begin.
const IPV4: usize = 14;
const UDP: usize = IPV4 + 20;
const RTP: usize = UDP + 8;
const PAYLOAD: usize = RTP + 12;
/// All headers, and as much of the payload as a [`Packet`] keeps.
const LEAST: usize = PAYLOAD + 8;

/// Version 4, a header of five words.
const NO_OPTIONS: u8 = 0x45;
/// Version 2, no padding, no extension, no CSRC.
const NO_EXTRAS: u8 = 0x80;

/// The datagram in an Ethernet frame, if it is a plain one.
#[inline(always)]
pub fn datagram(frame: &[u8]) -> Option<Datagram<'_>> {
    let head = frame.first_chunk::<LEAST>()?;
    let be16 = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let ip = |at: usize| Ip::v4([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let is_udp = be16(12) == ETHERTYPE_IPV4
        && head[IPV4] == NO_OPTIONS
        && head[IPV4 + 9] == ip::PROTOCOL_UDP
        && be16(IPV4 + 6) & ip::FRAGMENTED == 0;
    let (source, destination) = (be16(UDP), be16(UDP + 2));
    let total = usize::from(be16(IPV4 + 2));
    let is_sound = total >= LEAST - IPV4 && usize::from(be16(UDP + 4)) + 20 == total;
    if !is_udp || !is_sound || tunnel::is_tunnel_port(source, destination) {
        return None;
    }
    let end = IPV4 + total;
    Some(Datagram {
        source: Endpoint { ip: ip(IPV4 + 12), port: source },
        destination: Endpoint { ip: ip(IPV4 + 16), port: destination },
        // The capture may have cut it.
        payload: frame.get(RTP..end.min(frame.len()))?,
        length: end - RTP,
        point: Way::START.with_hops(head[IPV4 + 8]).point(),
    })
}

/// The RTP packet in an Ethernet frame, if it is a plain one.
#[inline(always)]
pub fn rtp(frame: &[u8]) -> Option<(Datagram<'_>, Packet)> {
    let head = frame.first_chunk::<LEAST>()?;
    let be16 = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let be32 = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if head[RTP] != NO_EXTRAS || rtp::is_rtcp_type(head[RTP + 1]) {
        return None;
    }
    let datagram = datagram(frame)?;
    let packet = Packet {
        ssrc: be32(RTP + 8),
        timestamp: be32(RTP + 4),
        sequence: be16(RTP + 2),
        payload_type: head[RTP + 1] & 0x7f,
        marker: head[RTP + 1] & 0x80 != 0,
        payload_length: (datagram.length + RTP - PAYLOAD) as u32,
        head: u64::from(be32(PAYLOAD)) << 32 | u64::from(be32(PAYLOAD + 4)),
    };
    Some((datagram, packet))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{self, LinkType};

    /// A frame of an RTP packet with 20 bytes of payload.
    fn frame() -> Vec<u8> {
        let mut frame = vec![2; IPV4];
        frame[12..].copy_from_slice(&[0x08, 0x00]);
        frame.extend([0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2]);
        frame.extend([0x40, 0, 0x75, 0x30, 0, 40, 0, 0]);
        frame.extend([0x80, 0x80 | 8, 0x12, 0x34, 1, 2, 3, 4, 0xca, 0xfe, 0xba, 0xbe]);
        frame.extend(1..=20);
        frame
    }

    /// What the general way makes of a frame.
    fn in_general(frame: &[u8]) -> Option<(Datagram<'_>, Packet)> {
        let datagram = wire::decode(LinkType::ETHERNET, frame).ok()?.datagram()?;
        let is_rtp = rtp::kind(datagram.payload) == rtp::Kind::Rtp;
        let packet = Packet::parse(datagram.payload, datagram.length).filter(|_| is_rtp)?;
        Some((datagram, packet))
    }

    fn shown(read: Option<(Datagram<'_>, Packet)>) -> String {
        format!("{read:?}")
    }

    #[test]
    fn a_plain_frame_is_read() {
        let frame = frame();
        assert!(rtp(&frame).is_some());
        assert_eq!(shown(rtp(&frame)), shown(in_general(&frame)));
        for cut in 0..frame.len() {
            assert_eq!(rtp(&frame[..cut]).is_some(), cut >= LEAST, "{cut}");
        }
    }

    proptest! {
        #[test]
        fn it_reads_what_the_general_way_reads(
            changes in prop::collection::vec((0..62usize, any::<u8>()), 0..4),
            shorter in 0..24usize,
            padding in 0..8usize,
            cut in LEAST..80,
        ) {
            let mut frame = frame();
            for (at, value) in changes {
                frame[at] = value;
            }
            // A shorter payload, with both lengths as they have to be: 60 and 40 less what is missing.
            frame.truncate(frame.len() - shorter);
            (frame[17], frame[39]) = (frame[17] - (frame[17].min(shorter as u8)), frame[39] - (frame[39].min(shorter as u8)));
            frame.resize(frame.len() + padding, 0);
            frame.truncate(cut);
            if let Some(read) = rtp(&frame) {
                prop_assert_eq!(shown(Some(read)), shown(in_general(&frame)));
            }
            if let Some(read) = datagram(&frame) {
                let general = wire::decode(LinkType::ETHERNET, &frame).ok().and_then(wire::Decoded::datagram);
                prop_assert_eq!(format!("{:?}", Some(read)), format!("{general:?}"));
            }
        }
    }
}
