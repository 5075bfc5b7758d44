//! Tunnels: what is inside is found through any nesting, cut and broken frames break nothing, and no port makes a tunnel.

use proptest::prelude::*;
use sidetone::wire::{Decoded, LinkType, Undecoded, decode};

use crate::cases::cases;
use crate::fragments::fragments;
use crate::harness::{Core, MILLISECOND, Random, START, small};
use crate::mutations::naming;
use crate::packets::{Call, From, rtp, with_extensions};
use crate::parsers;
use crate::wraps::{KINDS, in_udp, ipv4, ipv6, wrap};

/// A call whose every packet is in a tunnel, and in two.
#[test]
fn a_call_in_tunnels_is_a_call() {
    for call in [Call::v4("tunnel"), Call::v6("tunnel")] {
        for kind in 0..KINDS * 2 {
            naming(
                || format!("tunnel {kind}"),
                || {
                    let mut core = Core::new(&small(), true);
                    let mut random = Random::new(kind as u64);
                    for (at, packet) in call.packets().iter().enumerate() {
                        let mut packet = wrap(kind % KINDS, random.below(5), packet);
                        if kind >= KINDS {
                            packet = wrap((kind * 7) % KINDS, random.below(5), &packet);
                        }
                        core.packet(START + at as i64 * 20 * MILLISECOND, &packet);
                    }
                    let json = core.finish();
                    assert_eq!(json["calls"][0]["outcome"], "completed");
                    assert_eq!(json["streams"].as_array().map(Vec::len), Some(2));
                    assert_eq!(json["frames"]["undecoded"], serde_json::json!({}));
                },
            );
        }
    }
}

/// Fragments of the tunnel's packets, and a tunnel around fragments.
#[test]
fn fragments_around_and_inside_of_tunnels_are_put_together() {
    for call in [Call::v4("pieces"), Call::v6("pieces")] {
        for kind in 0..KINDS {
            for inside in [false, true] {
                let mut core = Core::new(&small(), true);
                let mut random = Random::new(kind as u64);
                for (at, packet) in call.packets().iter().enumerate() {
                    let id = at as u32 + 1;
                    let pieces = match inside {
                        true => {
                            fragments(packet, id, 200).iter().map(|piece| wrap(kind, random.below(5), piece)).collect()
                        }
                        false => fragments(&wrap(kind, random.below(5), packet), id, 200),
                    };
                    for piece in pieces.iter().rev() {
                        core.packet(START + at as i64 * 20 * MILLISECOND, piece);
                    }
                }
                assert_eq!(core.scrape().tracked("fragments"), 0);
                let json = core.finish();
                assert_eq!(json["calls"][0]["outcome"], "completed", "tunnel {kind}, fragments inside: {inside}");
                assert_eq!(
                    json["streams"].as_array().map(Vec::len),
                    Some(2),
                    "tunnel {kind}, fragments inside: {inside}"
                );
            }
        }
    }
}

/// Extension headers that stand behind the fragment header are in the fragments.
#[test]
fn fragments_with_extension_headers_are_put_together() {
    let call = Call::v6("extended");
    let whole = with_extensions(&call.signal(From::Caller, &call.invite()));
    // Hop-by-hop options stay in front; routing and the others are fragmented.
    let mut rest = ipv6(43, 64, &whole[48..]);
    rest[8..40].copy_from_slice(&whole[8..40]);
    let mut core = Core::new(&small(), true);
    for piece in fragments(&rest, 7, 64) {
        core.packet(START, &piece);
    }
    let json = core.finish();
    assert_eq!(json["sip"]["requests"]["INVITE"], 1);
    assert_eq!(json["frames"]["undecoded"], serde_json::json!({}));
}

/// The other transports have a place in tunnels too.
#[test]
fn tcp_and_sctp_in_tunnels() {
    let mut tcp = vec![0x13, 0xc4, 0x13, 0xc5, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 0, 0, 0, 0, 0, 0];
    tcp.extend(b"hello");
    let sctp = [0x13, 0xc4, 0x13, 0xc5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 3, 0, 4];
    for kind in 0..KINDS {
        let mut random = Random::new(kind as u64);
        let tcp = wrap(kind, random.below(5), &ipv4(6, 64, &tcp));
        assert!(
            matches!(decode(LinkType::RAW, &tcp), Ok(Decoded::Segment(s)) if s.payload == b"hello"),
            "tunnel {kind}"
        );
        let sctp = wrap(kind, random.below(5), &ipv4(132, 64, &sctp));
        assert!(matches!(decode(LinkType::RAW, &sctp), Ok(Decoded::Sctp(s)) if s.chunks.len() == 4), "tunnel {kind}");
    }
}

/// Tunnels in tunnels without end take neither the stack nor time.
#[test]
fn endless_nesting_ends() {
    for kind in 0..KINDS {
        let mut random = Random::new(kind as u64);
        let mut packet = Call::v4("deep").signal(From::Caller, b"x");
        while packet.len() < 50_000 {
            packet = wrap(kind, random.below(5), &packet);
        }
        // What a port suggests is a datagram in the end, what a protocol number says is an error.
        let reason = decode(LinkType::RAW, &packet).err();
        assert!(matches!(reason, None | Some(Undecoded::Tunnel)), "tunnel {kind}: {reason:?}");
    }
}

/// Streams on the ports of tunnels are streams.
#[test]
fn rtp_on_a_tunnels_port_is_measured() {
    for port in [1701u16, 2152, 4789, 4790, 6081, 6635, 8472] {
        let mut core = Core::new(&small(), true);
        for n in 0..50u16 {
            let packet = in_udp(20_000, port, &rtp(8, n, u32::from(n) * 160, 0x4500_0000 + u32::from(port), 160));
            core.packet(START + i64::from(n) * 20 * MILLISECOND, &packet);
        }
        let json = core.finish();
        assert_eq!(json["streams"][0]["packets"], 50, "port {port}");
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn any_nesting_gives_back_what_is_inside(
        kinds in prop::collection::vec(0..KINDS, 1..4),
        payload in prop::collection::vec(any::<u8>(), 0..300),
        v6 in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let call = if v6 { Call::v6("nest") } else { Call::v4("nest") };
        let packet = call.media(From::Caller, &payload);
        let mut random = Random::new(seed);
        let wrapped = kinds.iter().fold(packet, |packet, kind| wrap(*kind, random.below(5), &packet));
        let datagram = decode(LinkType::RAW, &wrapped).expect("readable").datagram().expect("a datagram");
        prop_assert_eq!(datagram.payload, &payload[..]);
        prop_assert_eq!(datagram.length, payload.len());
        prop_assert_eq!(datagram.source.to_string(), call.caller_media.to_string());
        prop_assert_eq!(datagram.destination.to_string(), call.callee_media.to_string());
        for length in 0..wrapped.len() {
            parsers::frame(LinkType::RAW, &wrapped[..length]);
        }
    }

    #[test]
    fn broken_tunnels_break_nothing(
        kinds in prop::collection::vec(0..KINDS, 1..5),
        flips in prop::collection::vec(any::<usize>(), 1..20),
        seed in any::<u64>(),
    ) {
        let call = Call::v4("broken");
        let mut random = Random::new(seed);
        let packet = call.signal(From::Caller, &call.request("OPTIONS", 3));
        let wrapped = kinds.iter().fold(packet, |packet, kind| wrap(*kind, random.below(5), &packet));
        let mut core = Core::new(&small(), true);
        for flip in flips {
            let mut broken = wrapped.clone();
            let bit = flip % (broken.len() * 8);
            broken[bit / 8] ^= 1 << (bit % 8);
            parsers::frame(LinkType::RAW, &broken);
            core.packet(START, &broken);
            core.frame(START, LinkType::RAW, &broken[..bit / 8]);
        }
        core.finish();
    }

    #[test]
    fn random_bytes_in_a_tunnels_place_break_nothing(
        place in 0..12usize,
        head in prop::collection::vec(any::<u8>(), 0..40),
        small in prop::collection::vec(0..4u8, 0..300),
    ) {
        let bytes = [&head[..], &small].concat();
        let ports = [1701, 2152, 4789, 4790, 6081, 6635, 8472];
        let packet = match place {
            0..7 => in_udp(40_000, ports[place], &bytes),
            _ => ipv4([4, 41, 47, 115, 137][place - 7], 64, &bytes),
        };
        parsers::frame(LinkType::RAW, &packet);
        let ethertype = [[0x88, 0x47], [0x88, 0x64], [0x81, 0]][place % 3];
        let frame = [&[2; 12][..], &ethertype, &bytes].concat();
        parsers::frame(LinkType::ETHERNET, &frame);
    }
}
