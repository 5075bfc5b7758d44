//! SIP over SCTP.

use std::net::SocketAddr;

use proptest::prelude::*;
use sidetone::wire::Transport;

use crate::build::*;
use crate::properties::messages;

/// A piece of a message.
#[derive(Clone, Debug)]
struct Chunk {
    tsn: u32,
    stream: u16,
    /// Stream sequence number, or message identifier.
    number: u32,
    /// U, B, E.
    flags: u8,
    /// Fragment sequence number, where messages are interleaved (RFC 8260).
    piece: Option<u32>,
    payload: Vec<u8>,
}

const FIRST: u8 = 2;
const LAST: u8 = 1;
const UNORDERED: u8 = 4;

impl Chunk {
    fn bytes(&self) -> Vec<u8> {
        let mut rest = self.tsn.to_be_bytes().to_vec();
        rest.extend(self.stream.to_be_bytes());
        match self.piece {
            None => {
                rest.extend((self.number as u16).to_be_bytes());
                // A payload protocol identifier that is somebody else's: Diameter (RFC 6733 section 2.1).
                rest.extend(46u32.to_be_bytes());
            }
            Some(piece) => {
                rest.extend([0, 0]);
                rest.extend(self.number.to_be_bytes());
                rest.extend(if self.flags & FIRST != 0 { 46u32 } else { piece }.to_be_bytes());
            }
        }
        rest.extend(&self.payload);
        let mut chunk = vec![if self.piece.is_some() { 64 } else { 0 }, self.flags];
        chunk.extend((4 + rest.len() as u16).to_be_bytes());
        chunk.extend(rest);
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        chunk
    }
}

fn packet(from: SocketAddr, to: SocketAddr, chunks: &[Chunk]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(from.port().to_be_bytes());
    bytes.extend(to.port().to_be_bytes());
    bytes.extend([0xca, 0xfe, 0, 1, 0, 0, 0, 0]);
    // SACK before the data: chunks of other kinds are bundled too.
    bytes.extend([3, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(chunks.iter().flat_map(Chunk::bytes));
    ip(132, from.ip(), to.ip(), &bytes)
}

fn ends() -> (SocketAddr, SocketAddr) {
    (address("192.0.2.10:40000"), address("192.0.2.20:5060"))
}

fn whole(tsn: u32, payload: &[u8]) -> Chunk {
    Chunk { tsn, stream: 0, number: tsn, flags: FIRST | LAST, piece: None, payload: payload.to_vec() }
}

/// Messages in pieces of so many bytes each; every other one unordered.
fn chunks(messages: &[Vec<u8>], sizes: &[usize], first: u32, interleaved: bool) -> Vec<Chunk> {
    let mut all: Vec<Chunk> = Vec::new();
    for (n, message) in messages.iter().enumerate() {
        let size = sizes[n % sizes.len()];
        let count = message.len().div_ceil(size);
        for (at, payload) in message.chunks(size).enumerate() {
            let flags = if n % 2 == 1 { UNORDERED } else { 0 }
                | if at == 0 { FIRST } else { 0 }
                | if at + 1 == count { LAST } else { 0 };
            let tsn = first.wrapping_add(all.len() as u32);
            let piece = interleaved.then_some(at as u32);
            let number = if interleaved { n as u32 } else { n as u32 / 2 };
            all.push(Chunk { tsn, stream: (n % 3) as u16, number, flags, piece, payload: payload.to_vec() });
        }
    }
    all
}

#[test]
fn chunks_alone_and_bundled_each_once() {
    let (one, two, three) = (request("INVITE", 1, b"v=0\r\n"), response(200, 1, b""), request("ACK", 2, b""));
    let (from, to) = ends();
    let mut capture = Capture::new();
    capture.packet(&packet(from, to, &[whole(7, &one), whole(8, &three)]));
    capture.packet(&packet(to, from, &[whole(7, &two)]));
    capture.packet(&packet(from, to, &[whole(8, &three)]));
    capture.packet(&packet(from, to, &[whole(7, &one), whole(8, &three)]));
    capture.whole(&[&one, &three, &two]);
    assert!(capture.got.iter().all(|got| got.transport == Transport::Sctp));
}

#[test]
fn a_message_in_pieces_has_the_time_of_the_last() {
    let one = request("INVITE", 1, &[b'x'; 64 << 10]);
    let (from, to) = ends();
    let mut capture = Capture::new();
    let mut all = chunks(std::slice::from_ref(&one), &[1200], u32::MAX - 3, false);
    let first = all.remove(0);
    for chunk in &all {
        capture.packet(&packet(from, to, std::slice::from_ref(chunk)));
    }
    capture.packet(&packet(from, to, &[first]));
    capture.whole(&[&one]);
    assert_eq!((capture.got[0].time, capture.connections.numbers().buffered), (capture.now, 0));
}

#[test]
fn packets_that_the_capture_cut() {
    let one = request("INVITE", 1, &[b'x'; 1000]);
    let (from, to) = ends();
    let mut capture = Capture::new();
    let bytes = packet(from, to, &[whole(1, &one), whole(2, &one)]);
    capture.packet_cut(&bytes, 20 + 12 + 16 + 16 + 300);
    assert_eq!(capture.texts(), [(String::from_utf8_lossy(&one[..300]).into_owned(), true)]);
}

#[test]
fn other_protocols_cost_nothing_and_on_a_sip_port_are_counted_once() {
    let diameter = [1, 0, 0, 20, 0x80, 0, 1, 24, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
    let (from, to) = ends();
    let elsewhere = address("192.0.2.20:3868");
    let mut capture = Capture::new();
    for tsn in 0..10 {
        capture.packet(&packet(from, elsewhere, &[whole(tsn, &diameter)]));
    }
    assert_eq!(capture.tracked(), 0);
    for tsn in 0..10 {
        capture.packet(&packet(from, to, &[whole(tsn, &diameter)]));
    }
    assert_eq!((capture.tracked(), capture.got.len()), (1, 0));
    assert_eq!(capture.number("sip_unreadable_flows_total other"), 1);
    // SIP on ports of its own.
    let one = request("INVITE", 1, b"");
    capture.packet(&packet(from, elsewhere, &chunks(std::slice::from_ref(&one), &[100], 10, false)));
    capture.whole(&[&one]);
}

#[test]
fn what_never_gets_whole_is_given_up() {
    let one = request("INVITE", 1, &[b'x'; 4000]);
    let (from, to) = ends();
    let mut capture = Capture::new();
    let all = chunks(std::slice::from_ref(&one), &[1000], 1, false);
    capture.packet(&packet(from, to, &all[1..]));
    assert!(capture.connections.numbers().buffered > 3000);
    capture.wait(40 * SECOND);
    assert_eq!(capture.connections.numbers().buffered, 0);
    assert_eq!(capture.number("sip_stream_lost_bytes_total"), one.len() as u64 - 1000);
    capture.packet(&packet(from, to, &all[..1]));
    capture.whole(&[]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_comes_out_once(
        messages in messages(1..10),
        sizes in prop::collection::vec(prop_oneof![20..100usize, 100..2000usize, Just(60_000)], 1..6),
        first in prop_oneof![any::<u32>(), u32::MAX - 20..=u32::MAX],
        shifts in prop::collection::vec(0..12usize, 1..30),
        bundles in prop::collection::vec(1..4usize, 1..10),
        interleaved in any::<bool>(),
    ) {
        let (from, to) = ends();
        let all = chunks(&messages, &sizes, first, interleaved);
        let mut places: Vec<(usize, Chunk)> =
            all.into_iter().enumerate().map(|(n, chunk)| (n + shifts[n % shifts.len()], chunk)).collect();
        let copies: Vec<(usize, Chunk)> = places.iter().step_by(3).map(|(n, chunk)| (n + 2, chunk.clone())).collect();
        places.extend(copies);
        places.sort_by_key(|(place, _)| *place);
        let mut capture = Capture::new();
        let mut rest = places.as_slice();
        for bundle in bundles.iter().cycle() {
            let (now, later) = rest.split_at(rest.len().min(*bundle));
            if now.is_empty() {
                break;
            }
            // As many as fit into a packet.
            let chunks: Vec<Chunk> = now.iter().map(|(_, chunk)| chunk.clone()).collect();
            let fits = chunks.iter().map(|chunk| chunk.bytes().len()).sum::<usize>() < 60_000;
            for packet_chunks in chunks.chunks(if fits { chunks.len() } else { 1 }) {
                capture.packet(&packet(from, to, packet_chunks));
            }
            rest = later;
        }
        let mut got: Vec<&[u8]> = capture.got.iter().map(|got| &got.text[..]).collect();
        let mut wanted: Vec<&[u8]> = messages.iter().map(|message| &message[..]).collect();
        got.sort_unstable();
        wanted.sort_unstable();
        prop_assert!(got == wanted, "{} of {}: {:?}", got.len(), wanted.len(), capture.texts());
        prop_assert_eq!(capture.connections.numbers().buffered, 0);
    }

    #[test]
    fn nothing_breaks_it(
        packets in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..80), any::<u8>(), 0..120usize), 1..60),
    ) {
        let (from, to) = ends();
        let mut capture = Capture::new();
        for (tsn, (bytes, flags, captured)) in packets.into_iter().enumerate() {
            let kind = Chunk {
                tsn: u32::from(flags) << 24 | tsn as u32,
                stream: u16::from(flags & 3),
                number: 0,
                flags: flags & 7,
                piece: (flags > 127).then_some(u32::from(flags)),
                payload: bytes.clone(),
            };
            let mut whole = packet(from, to, &[kind]);
            whole.extend(bytes);
            capture.packet_cut(&whole, captured + 32);
        }
        capture.wait(40 * SECOND);
        prop_assert_eq!(capture.connections.numbers().buffered, 0);
    }
}
