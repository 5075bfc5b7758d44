//! IP fragments: put together whatever the order, refused where they overlap, bounded in number and bytes.

use proptest::prelude::*;

use crate::cases::cases;
use crate::harness::{Core, MILLISECOND, Random, SECOND, START, small};
use crate::memory::live;
use crate::packets::{Call, From, links};

/// The table's own bounds: `wire::fragments`.
const MAX_DATAGRAMS: usize = 1024;
const MAX_BYTES: isize = 4 << 20;

/// One fragment of an IPv4 or IPv6 packet without options or extension headers.
fn fragment(packet: &[u8], id: u32, offset: usize, payload: &[u8], more: bool) -> Vec<u8> {
    let offset = offset as u16;
    if packet[0] >> 4 == 4 {
        let mut head = packet[..20].to_vec();
        head[2..4].copy_from_slice(&(20 + payload.len() as u16).to_be_bytes());
        head[4..6].copy_from_slice(&(id as u16).to_be_bytes());
        head[6..8].copy_from_slice(&((offset / 8) | (u16::from(more) << 13)).to_be_bytes());
        return [&head, payload].concat();
    }
    let mut head = packet[..40].to_vec();
    head[4..6].copy_from_slice(&(8 + payload.len() as u16).to_be_bytes());
    let next = std::mem::replace(&mut head[6], 44);
    let flags = (offset | u16::from(more)).to_be_bytes();
    [&head, &[next, 0][..], &flags, &id.to_be_bytes(), payload].concat()
}

fn payload_of(packet: &[u8]) -> &[u8] {
    &packet[if packet[0] >> 4 == 4 { 20 } else { 40 }..]
}

/// The packet in fragments of `size` bytes each, a multiple of eight.
pub fn fragments(packet: &[u8], id: u32, size: usize) -> Vec<Vec<u8>> {
    let payload = payload_of(packet);
    let count = payload.len().div_ceil(size);
    let piece = |(at, piece)| fragment(packet, id, at * size, piece, at + 1 < count);
    payload.chunks(size).enumerate().map(piece).collect()
}

/// A call in which every packet of more than `size` bytes is fragmented, the fragments last one first.
#[test]
fn a_call_in_fragments_is_a_call() {
    for call in [Call::v4("pieces"), Call::v6("pieces")] {
        for size in [16, 64, 256] {
            let mut core = Core::new(&small(), true);
            for (at, packet) in call.packets().iter().enumerate() {
                let time = START + at as i64 * 20 * MILLISECOND;
                for piece in fragments(packet, at as u32 + 1, size).iter().rev() {
                    core.packet(time, piece);
                }
            }
            assert_eq!(core.scrape().tracked("fragments"), 0);
            let json = core.finish();
            assert_eq!(json["calls"][0]["outcome"], "completed", "pieces of {size} bytes");
            assert_eq!(json["streams"].as_array().map(Vec::len), Some(2), "pieces of {size} bytes");
            assert_eq!(json["frames"]["undecoded"], serde_json::json!({}), "pieces of {size} bytes");
        }
    }
}

#[test]
fn fragments_cut_and_with_bits_flipped_break_nothing() {
    for call in [Call::v4("mutant"), Call::v6("mutant")] {
        let pieces = fragments(&call.signal(From::Caller, &call.invite()), 7, 200);
        for victim in 0..pieces.len() {
            for (_, link, frame) in links(&pieces[victim]).into_iter().take(4) {
                let mut core = Core::new(&small(), true);
                for bit in 0..frame.len() * 8 {
                    let mut broken = frame.clone();
                    broken[bit / 8] ^= 1 << (bit % 8);
                    let time = START + bit as i64 * MILLISECOND;
                    core.frame(time, link, &frame[..bit / 8]);
                    core.frame(time, link, &broken);
                    core.packet(time, &pieces[bit % pieces.len()]);
                }
                core.tick(START + 100 * SECOND);
                assert_eq!(core.scrape().tracked("fragments"), 0, "what waits for 30 s is given up");
                core.finish();
            }
        }
    }
}

/// First pieces whose rest never comes.
#[test]
fn datagrams_that_are_never_whole_give_way() {
    let packet = Call::v4("flood").signal(From::Caller, &[b'x'; 64]);
    let mut core = Core::new(&small(), false);
    for id in 0..20_000u32 {
        core.packet(START + i64::from(id) * 1000, &fragment(&packet, id, 0, &[0; 1400], true));
    }
    let samples = core.scrape();
    let (waiting, evicted) = (samples.tracked("fragments"), samples.evicted("fragments"));
    assert!(waiting > 0 && waiting <= MAX_DATAGRAMS, "{waiting} wait");
    assert_eq!(waiting + evicted, 20_000);
    let undecoded = samples.sum("capture_undecoded_frames_total", "reason=\"fragment\"");
    assert_eq!(undecoded as usize, evicted);
}

/// Eight bytes at the far end of a datagram make room for all that is before them.
#[test]
fn small_fragments_far_behind_do_not_take_more_than_the_table_may() {
    let packet = Call::v4("far").signal(From::Caller, &[b'x'; 64]);
    let mut core = Core::new(&small(), false);
    let before = live();
    for id in 0..MAX_DATAGRAMS as u32 {
        core.packet(START, &fragment(&packet, id, 0, &[0; 8], true));
    }
    for id in 0..MAX_DATAGRAMS as u32 {
        core.packet(START, &fragment(&packet, id, 64_000, &[0; 8], true));
    }
    let taken = live() - before;
    assert!(taken <= 2 * MAX_BYTES, "{taken} bytes, the table may take {MAX_BYTES}");
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn fragments_in_any_order_and_more_than_once_are_one_message(
        sizes in prop::collection::vec(1..40usize, 1..60),
        seed in any::<u64>(),
        v6 in any::<bool>(),
    ) {
        let call = if v6 { Call::v6("order") } else { Call::v4("order") };
        let packet = call.signal(From::Caller, &call.invite());
        let payload = payload_of(&packet);
        let (mut pieces, mut offset) = (Vec::new(), 0);
        for size in sizes.iter().map(|size| size * 8).chain([payload.len()]) {
            let end = payload.len().min(offset + size);
            if offset < end {
                pieces.push(fragment(&packet, 9, offset, &payload[offset..end], end < payload.len()));
            }
            offset = end;
        }
        // Never so late that the datagram was whole already: that would begin it anew.
        let last = pieces.pop();
        let mut random = Random::new(seed);
        let again = pieces.first().cloned();
        pieces.extend(again);
        let mut core = Core::new(&small(), true);
        while !pieces.is_empty() {
            core.packet(START, &pieces.swap_remove(random.below(pieces.len())));
        }
        core.packet(START, &last.expect("a piece"));
        let json = core.finish();
        prop_assert_eq!(&json["sip"]["requests"]["INVITE"], 1);
        prop_assert_eq!(&json["sip"]["malformed"], 0);
    }

    #[test]
    fn fragments_that_fit_nowhere_break_nothing(
        pieces in prop::collection::vec((0..4u32, 0..8192usize, 0..200usize, any::<bool>(), any::<bool>()), 1..60),
    ) {
        let packets = [Call::v4("odd").signal(From::Caller, b"x"), Call::v6("odd").signal(From::Caller, b"x")];
        let mut core = Core::new(&small(), true);
        for (id, offset, length, more, v6) in pieces {
            let piece = fragment(&packets[usize::from(v6)], id, offset * 8 % 65_536, &vec![b'I'; length], more);
            core.packet(START, &piece);
        }
        core.tick(START + 60 * SECOND);
        prop_assert_eq!(core.scrape().tracked("fragments"), 0);
        core.finish();
    }
}
