//! SIP over WebSocket.

use proptest::prelude::*;
use sidetone::wire::Transport;

use crate::build::*;
use crate::properties::{Way, messages, way};

pub const REQUEST: &[u8] = b"GET /ws HTTP/1.1\r\nHost: b.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n";
pub const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: sip\r\n\r\n";

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const COMPRESSED: u8 = 0x40;

/// A frame (RFC 6455 section 5.2), masked as clients must.
fn frame(opcode: u8, is_final: bool, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![opcode | if is_final { 0x80 } else { 0 }];
    let masked = if mask.is_some() { 0x80 } else { 0 };
    match payload.len() {
        length @ ..126 => bytes.push(masked | length as u8),
        length @ ..65_536 => {
            bytes.push(masked | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(masked | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    let key = mask.unwrap_or_default();
    bytes.extend(mask.iter().flatten());
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

fn mask(side: usize) -> Option<[u8; 4]> {
    (side == 0).then_some([0x81, 0x02, 0xa5, 0x01])
}

fn upgraded(line: &Line) -> Capture {
    let mut capture = Capture::new();
    capture.segments(&line.handshake());
    capture.segment(&line.data(0, 0, REQUEST));
    capture.segment(&line.data(1, 0, RESPONSE));
    capture
}

#[test]
fn frames_of_all_lengths_both_ways() {
    for size in [0, 100, 126, 1000, 65_536, 70_000] {
        let (one, two) = (request("INVITE", 1, &vec![b'x'; size]), response(200, 1, &vec![b'y'; size]));
        for port in ["192.0.2.20:5060", "192.0.2.20:8080"] {
            let line = Line { server: address(port), ..line() };
            let mut capture = upgraded(&line);
            let bytes = frame(TEXT, true, mask(0), &one);
            for (n, chunk) in bytes.chunks(1460).enumerate() {
                capture.segment(&line.data(0, REQUEST.len() + n * 1460, chunk));
            }
            for (n, chunk) in frame(BINARY, true, None, &two).chunks(50_000).enumerate() {
                capture.segment(&line.data(1, RESPONSE.len() + n * 50_000, chunk));
            }
            capture.whole(&[&one, &two]);
            assert!(capture.got.iter().all(|got| got.transport == Transport::Ws));
        }
    }
}

#[test]
fn continuations_with_control_frames_between_them() {
    let one = request("MESSAGE", 1, b"");
    let frames = [
        frame(TEXT, false, mask(0), &one[..10]),
        frame(PING, true, mask(0), b"still there?"),
        frame(0, false, mask(0), &one[10..11]),
        frame(0, false, mask(0), b""),
        frame(0, true, mask(0), &one[11..]),
        frame(TEXT, true, mask(0), b"\r\n\r\n"),
        frame(CLOSE, true, mask(0), &[3, 232]),
    ];
    let mut capture = upgraded(&line());
    capture.segment(&line().data(0, REQUEST.len(), &frames.concat()));
    capture.whole(&[&one]);
}

#[test]
fn without_content_length_the_frame_tells() {
    let one = with_head("INVITE sip:b@b SIP/2.0", "INVITE", 1, "", b"v=0\r\n");
    let mut capture = upgraded(&line());
    capture.segment(&line().data(0, REQUEST.len(), &frame(TEXT, true, mask(0), &one)));
    capture.whole(&[&one]);
    assert!(capture.malformed.is_empty(), "RFC 7118 does not ask for it");
}

#[test]
fn a_capture_that_begins_in_the_middle() {
    let (one, two) = (request("INVITE", 1, b"v=0\r\n"), request("BYE", 2, b""));
    for server in ["192.0.2.20:5060", "192.0.2.20:8080"] {
        for side in 0..2 {
            let line = Line { server: address(server), ..line() };
            let bytes = [frame(TEXT, true, mask(side), &one), frame(TEXT, true, mask(side), &two)];
            let mut capture = Capture::new();
            capture.segment(&line.data(side, 30, &bytes[0][30..]));
            capture.segment(&line.data(side, bytes[0].len(), &bytes[1]));
            let other = frame(TEXT, true, mask(1 - side), &one);
            capture.segment(&line.data(1 - side, 0, &other));
            capture.whole(&[&two, &one]);
            assert!(capture.got.iter().all(|got| got.transport == Transport::Ws));
        }
    }
}

#[test]
fn without_the_sub_protocol_it_is_sip_if_it_looks_like_sip() {
    let plain = |head: &[u8]| String::from_utf8_lossy(head).replace("Sec-WebSocket-Protocol: sip\r\n", "").into_bytes();
    for (payload, count) in [(request("INVITE", 1, b""), 1), (b"{\"hello\": 1}".to_vec(), 0)] {
        for (server, other) in [("192.0.2.20:5060", 1), ("192.0.2.20:80", 0)] {
            let line = Line { server: address(server), ..line() };
            let mut capture = Capture::new();
            capture.segment(&line.data(0, 0, &plain(REQUEST)));
            capture.segment(&line.data(1, 0, &plain(RESPONSE)));
            capture.segment(&line.data(0, plain(REQUEST).len(), &frame(TEXT, true, mask(0), &payload)));
            assert_eq!(capture.got.len(), count);
            let unreadable = capture.number("sip_unreadable_flows_total other");
            assert_eq!(unreadable, if count == 0 { other } else { 0 }, "{server}");
        }
    }
}

#[test]
fn what_is_compressed_is_counted_once() {
    for server in ["192.0.2.20:5060", "192.0.2.20:8080"] {
        let line = Line { server: address(server), ..line() };
        let mut capture = upgraded(&line);
        let compressed = frame(TEXT | COMPRESSED, true, mask(0), &[0xaa; 300]);
        capture.segment(&line.data(0, REQUEST.len(), &compressed));
        capture.segment(&line.data(0, REQUEST.len() + compressed.len(), &compressed));
        assert_eq!(capture.number("sip_unreadable_flows_total compressed_websocket"), 1, "{server}");
        assert_eq!((capture.got.len(), capture.connections.numbers().buffered), (0, 0));
    }
}

#[test]
fn between_compressed_messages_others_are_read() {
    let (one, two) = (request("OPTIONS", 1, b""), request("BYE", 2, b""));
    let stream = [
        frame(TEXT, true, mask(0), &one),
        frame(TEXT | COMPRESSED, false, mask(0), &[0xaa; 300]),
        frame(0, true, mask(0), &[0xaa; 30]),
        frame(TEXT, true, mask(0), &two),
        frame(TEXT | COMPRESSED, true, mask(0), &[0xaa; 300]),
    ];
    let mut capture = upgraded(&line());
    capture.segment(&line().data(0, REQUEST.len(), &stream.concat()));
    capture.whole(&[&one, &two]);
    assert_eq!(capture.number("sip_unreadable_flows_total compressed_websocket"), 1);
}

#[test]
fn a_gap_within_a_frame_costs_its_message_only() {
    for side in 0..2 {
        let (one, two) = (request("INVITE", 1, &[b'a'; 3000]), request("BYE", 2, b""));
        let bytes = [frame(TEXT, true, mask(side), &one), frame(TEXT, true, mask(side), &two)].concat();
        let begin = [REQUEST, RESPONSE][side].len();
        let mut capture = upgraded(&line());
        capture.segment(&line().data(side, begin, &bytes[..1000]));
        capture.segment(&line().data(side, begin + 2000, &bytes[2000..]));
        capture.wait(5 * SECOND);
        let texts = capture.texts();
        assert!(texts[0].1 && String::from_utf8_lossy(&one).starts_with(&texts[0].0), "{texts:?}");
        assert_eq!((texts[1].0.as_bytes(), texts[1].1, texts.len()), (&two[..], false, 2));
    }
}

/// Messages as frames: how many each is cut into, and what control frames stand between them.
fn frames(side: usize, messages: &[Vec<u8>], parts: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (n, message) in messages.iter().enumerate() {
        let count = parts[n % parts.len()];
        let size = message.len() / count + 1;
        let chunks: Vec<&[u8]> = message.chunks(size).collect();
        for (at, chunk) in chunks.iter().enumerate() {
            let opcode = if at == 0 { [TEXT, BINARY][n % 2] } else { 0 };
            bytes.extend(frame(opcode, at + 1 == chunks.len(), mask(side), chunk));
            if (n + at) % 3 == 0 {
                bytes.extend(frame(PING + (n % 2) as u8, true, mask(side), &[b'p'; 7][..at.min(7)]));
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_comes_out_once_and_in_order(
        messages in messages(1..10),
        parts in prop::collection::vec(1..5usize, 1..6),
        way in way(),
        side in 0..2usize,
    ) {
        let way = Way { handshake: true, ..way };
        let stream = [[REQUEST, RESPONSE][side], &frames(side, &messages, &parts)].concat();
        let mut capture = way.begin();
        capture.segment(&way.line().data(1 - side, 0, [REQUEST, RESPONSE][1 - side]));
        for segment in way.segments(&stream, side) {
            capture.segment(&segment);
        }
        let wanted: Vec<&[u8]> = messages.iter().map(|message| &message[..]).collect();
        capture.whole(&wanted);
        prop_assert!(capture.malformed.is_empty());
        prop_assert_eq!(capture.connections.numbers().buffered, 0);
    }

    #[test]
    fn loss_costs_what_it_hits(
        messages in messages(1..10),
        way in way(),
        lost in prop::collection::vec(prop::bool::weighted(0.15), 1..40),
        side in 0..2usize,
    ) {
        let way = Way { overlaps: vec![0], ..way };
        let line = way.line();
        let stream = frames(side, &messages, &[1]);
        let mut capture = way.begin();
        let cuts = way.cuts(stream.len());
        let begin = [REQUEST, RESPONSE][side].len();
        capture.segment(&line.data(0, 0, REQUEST));
        capture.segment(&line.data(1, 0, RESPONSE));
        let mut there = vec![false; stream.len()];
        for (n, (from, to)) in cuts.iter().enumerate() {
            if !lost[n % lost.len()] {
                capture.segment(&line.data(side, begin + from, &stream[*from..*to]));
                there[*from..*to].fill(true);
            }
        }
        capture.wait(10 * SECOND);
        capture.finish();
        let mut next = 0;
        for got in &capture.got {
            let is = |message: &Vec<u8>| if got.cut { message.starts_with(&got.text) } else { *message == got.text };
            let found = messages[next..].iter().position(is);
            prop_assert!(found.is_some(), "never sent: {:?} cut {}", String::from_utf8_lossy(&got.text), got.cut);
            next += found.unwrap_or_default() + 1;
        }
        let mut at = 0;
        for (n, message) in messages.iter().enumerate() {
            let length = frames(side, &vec![message.clone(); n + 1], &[1]).len() - frames(side, &vec![message.clone(); n], &[1]).len();
            let frame = frame(TEXT, true, mask(side), message).len();
            if there[at..at + frame].iter().all(|there| *there) {
                let is_there = capture.got.iter().any(|got| got.text == *message && !got.cut);
                prop_assert!(is_there, "missed: {:?} in {:?}", String::from_utf8_lossy(message), capture.texts());
            }
            at += length;
        }
    }
}
