//! The same packet at another point of its way counts once; at the same point it is a duplicate or was sent again.

use proptest::prelude::*;
use serde_json::{Value, json};
use sidetone::wire::LinkType;

use crate::cases::cases;
use crate::fragments::fragments;
use crate::harness::{Core, MILLISECOND, Random, START, small};
use crate::packets::{Call, From, ethernet, rtcp_compound, rtp};
use crate::wraps::{KINDS, wrap};

const PACKETS: u16 = 300;

/// The packet behind a router.
fn one_hop_later(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let at = if packet[0] >> 4 == 4 { 8 } else { 7 };
    packet[at] -= 1;
    packet
}

/// A call with `PACKETS` media packets from the caller, RTCP, and a stream that no SDP announces.
fn call() -> Vec<Vec<u8>> {
    let mut call = Call::v4("twice");
    let mut packets = call.packets();
    packets.retain(|packet| packet[28] != 0x80);
    let end = packets.split_off(4);
    for n in 0..PACKETS {
        packets.push(call.media(From::Caller, &rtp(0, n, u32::from(n) * 160, 0xaaaa_0002, 160)));
        if n % 100 == 99 {
            packets.push(call.media(From::Caller, &rtcp_compound()));
        }
    }
    packets.extend(end);
    (call.caller_media, call.callee_media) = (call.callee_media, call.caller_media);
    call.caller_media.set_port(40_000);
    call.callee_media.set_port(41_000);
    packets.extend((0..PACKETS).map(|n| call.media(From::Caller, &rtp(8, n, u32::from(n) * 160, 0xbbbb_0002, 160))));
    packets
}

/// What a report says of the traffic, and how many packets were seen twice.
fn without_frames(mut report: Value) -> (Value, u64) {
    let frames = report["frames"].take();
    (report, frames["seen_twice"].as_u64().expect("a number"))
}

fn once(packets: &[Vec<u8>]) -> Value {
    let mut core = Core::new(&small(), true);
    for (at, packet) in packets.iter().enumerate() {
        core.packet(START + at as i64 * 20 * MILLISECOND, packet);
    }
    let (report, seen_twice) = without_frames(core.finish());
    assert_eq!(seen_twice, 0);
    report
}

/// Another point: what is around the packet there, or how far it is.
fn elsewhere(kind: usize, packet: &[u8]) -> (LinkType, Vec<u8>) {
    match kind {
        0 => (LinkType::ETHERNET, ethernet(&one_hop_later(packet))),
        1 => (LinkType::ETHERNET, [&[2; 12][..], &[0x81, 0, 0, 5, 8, 0], packet].concat()),
        2 => (LinkType::LINUX_SLL, [&[0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0][..], packet].concat()),
        _ => (LinkType::ETHERNET, ethernet(&wrap(kind - 3, 4, packet))),
    }
}

#[test]
fn a_call_seen_at_two_points_is_the_call_seen_at_one() {
    let packets = call();
    let alone = once(&packets);
    for kind in 0..KINDS + 3 {
        let mut core = Core::new(&small(), true);
        for (at, packet) in packets.iter().enumerate() {
            let time = START + at as i64 * 20 * MILLISECOND;
            core.packet(time, packet);
            let (link, frame) = elsewhere(kind, packet);
            core.frame(time + MILLISECOND / 10, link, &frame);
        }
        let (report, seen_twice) = without_frames(core.finish());
        assert_eq!(seen_twice, packets.len() as u64, "point {kind}");
        assert_eq!(report, alone, "point {kind}");
    }
}

#[test]
fn at_the_same_point_it_is_a_duplicate_or_sent_again() {
    let packets = call();
    let mut core = Core::new(&small(), true);
    for (at, packet) in packets.iter().enumerate() {
        let time = START + at as i64 * 20 * MILLISECOND;
        core.packet(time, packet);
        core.packet(time + MILLISECOND / 10, packet);
    }
    let (report, seen_twice) = without_frames(core.finish());
    assert_eq!(seen_twice, 0);
    assert_eq!(report["sip"]["retransmissions"], 6);
    for stream in 0..2 {
        assert_eq!(report["streams"][stream]["packets"], 2 * PACKETS);
        assert_eq!(report["streams"][stream]["duplicates"], PACKETS);
    }
}

#[test]
fn a_duplicate_that_is_seen_at_two_points_is_one_duplicate() {
    let call = Call::v4("both");
    let mut core = Core::new(&small(), true);
    for n in 0..PACKETS {
        let packet = call.media(From::Caller, &rtp(8, n, u32::from(n) * 160, 0xbbbb_0005, 160));
        for _ in 0..if n % 10 == 5 { 2 } else { 1 } {
            core.packet(START + i64::from(n) * 20 * MILLISECOND, &packet);
            core.packet(START + i64::from(n) * 20 * MILLISECOND, &one_hop_later(&packet));
        }
    }
    let (report, seen_twice) = without_frames(core.finish());
    assert_eq!(seen_twice, u64::from(PACKETS + PACKETS / 10));
    assert_eq!(report["streams"][0]["duplicates"], PACKETS / 10);
}

/// Beyond a moment it is no copy: an answer that went another way the second time is a retransmission.
#[test]
fn what_comes_later_counts() {
    let call = Call::v4("later");
    let invite = call.signal(From::Caller, &call.invite());
    let mut core = Core::new(&small(), true);
    core.packet(START, &invite);
    core.packet(START + 99 * MILLISECOND, &one_hop_later(&invite));
    core.packet(START + 500 * MILLISECOND, &one_hop_later(&invite));
    let json = core.finish();
    assert_eq!(json["frames"]["seen_twice"], 1);
    assert_eq!(json["sip"]["requests"], json!({"INVITE": 2}));
    assert_eq!(json["sip"]["retransmissions"], 1);
}

/// A router passes each fragment on at once: both ways round.
#[test]
fn fragments_at_two_points_are_one_message() {
    let call = Call::v6("pieces");
    let packet = call.signal(From::Caller, &call.invite());
    for together in [true, false] {
        let mut core = Core::new(&small(), true);
        let pieces = fragments(&packet, 7, 200);
        if together {
            for piece in &pieces {
                core.packet(START, piece);
                core.packet(START, &one_hop_later(piece));
            }
        } else {
            pieces.iter().for_each(|piece| core.packet(START, piece));
            pieces.iter().for_each(|piece| core.packet(START, &one_hop_later(piece)));
        }
        assert_eq!(core.scrape().tracked("fragments"), 0);
        let json = core.finish();
        assert_eq!(json["sip"]["requests"], json!({"INVITE": 1}));
        assert_eq!(json["frames"]["seen_twice"], pieces.len());
        assert_eq!(json["frames"]["undecoded"], json!({}));
    }
}

/// A stream that changes its way for good goes on without loss, and its duplicates are duplicates there too.
#[test]
fn a_stream_may_move() {
    let call = Call::v4("moves");
    let packet = |n: u16| call.media(From::Caller, &rtp(8, n, u32::from(n) * 160, 0xbbbb_0003, 160));
    let mut core = Core::new(&small(), true);
    for n in 0..600 {
        let packet = if n < 100 { packet(n) } else { one_hop_later(&packet(n)) };
        core.packet(START + i64::from(n) * 20 * MILLISECOND, &packet);
        if n >= 500 {
            core.packet(START + i64::from(n) * 20 * MILLISECOND, &packet);
        }
    }
    let (report, seen_twice) = without_frames(core.finish());
    assert_eq!((seen_twice, &report["streams"][0]["lost"]), (0, &json!(0)));
    assert_eq!(report["streams"][0]["duplicates"], 100);
}

/// What would copy more than the table holds is counted as given up, and the table stays what it is.
#[test]
fn a_flood_of_messages_is_bounded() {
    let mut core = Core::new(&small(), false);
    let call = Call::v4("flood");
    for n in 0..60_000 {
        // Without Call-ID: messages that have one are told by their transaction.
        let message = format!("OPTIONS sip:b@b SIP/2.0\r\nCSeq: {n} OPTIONS\r\n\r\n");
        core.packet(START + n, &call.signal(From::Caller, message.as_bytes()));
    }
    let samples = core.scrape();
    let (tracked, evicted) = (samples.tracked("seen_twice"), samples.evicted("seen_twice"));
    assert!(tracked <= 8192, "{tracked}");
    assert_eq!(tracked + evicted, 60_000);
}

proptest! {
    #![proptest_config(cases(100))]

    /// Either point may be the first, lose packets, or bring them late: what was seen anywhere was there, once.
    #[test]
    fn two_points_that_lose_and_overtake(
        kind in 0..KINDS + 3,
        lost in 0..4usize,
        overtake in 0..4usize,
        late in 0..6usize,
        seed in any::<u64>(),
    ) {
        let call = Call::v4("lossy");
        let mut random = Random::new(seed);
        let mut frames = Vec::new();
        let mut copies = 0;
        for n in 0..PACKETS {
            let packet = call.media(From::Caller, &rtp(8, n, u32::from(n) * 160, 0xbbbb_0004, 160));
            let time = START + i64::from(n) * 20 * MILLISECOND;
            let later = random.below(2 * late + 1) as i64 * 10 * MILLISECOND;
            let (at_home, away) = if random.below(10) < overtake { (time + 1000, time) } else { (time, time + 1000) };
            let home = (at_home, (LinkType::ETHERNET, ethernet(&packet)));
            let away = (away + later, elsewhere(kind, &packet));
            match random.below(10) {
                one if one < lost && n > 4 => frames.push(if one % 2 == 0 { home } else { away }),
                _ => {
                    frames.extend([home, away]);
                    copies += 1;
                }
            }
        }
        frames.sort_by_key(|(time, _)| *time);
        let mut core = Core::new(&small(), true);
        for (time, (link, frame)) in &frames {
            core.frame(*time, *link, frame);
        }
        let (report, seen_twice) = without_frames(core.finish());
        let stream = &report["streams"][0];
        prop_assert_eq!(&stream["lost"], 0);
        prop_assert_eq!(&stream["expected"], PACKETS);
        // A packet that only one point saw may lend its place to a real copy's; nothing else is ever counted twice.
        let duplicates = stream["duplicates"].as_u64().expect("a number");
        prop_assert_eq!(seen_twice + duplicates, copies);
        prop_assert_eq!(stream["packets"].as_u64(), Some(u64::from(PACKETS) + duplicates));
        prop_assert_eq!(duplicates, 0);
    }
}
