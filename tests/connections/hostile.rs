//! Floods: the caps hold, memory too, and a connection that carries SIP outlives them.

use sidetone::connections::Settings;

use crate::build::*;

const MEMORY: usize = 1 << 20;

fn small() -> Capture {
    Capture::with(Settings { max_flows: 100, max_buffered_bytes: MEMORY, idle_nanos: 600 * SECOND })
}

fn numbered(n: usize) -> Line {
    Line { client: address(&format!("198.51.{}.{}:{}", n >> 8 & 255, n & 255, 1024 + n % 60_000)), ..line() }
}

/// Sends the beginning of a message on a connection that is genuine, and after the flood the rest.
fn through(capture: &mut Capture, flood: impl FnOnce(&mut Capture)) {
    let genuine = Line { client: address("203.0.113.5:5060"), ..line() };
    let (one, two) = (request("INVITE", 1, b""), request("BYE", 2, b"body"));
    capture.segments(&genuine.handshake());
    capture.segment(&genuine.data(0, 0, &one));
    flood(capture);
    capture.segment(&genuine.data(0, one.len(), &two));
    let texts = capture.texts();
    let seen = |text: &[u8]| texts.iter().filter(|(other, _)| other.as_bytes() == text).count();
    assert_eq!((seen(&one), seen(&two)), (1, 1));
}

#[test]
fn syns_leave_no_state() {
    let mut capture = small();
    through(&mut capture, |capture| {
        for n in 0..50_000 {
            capture.segments(&numbered(n).handshake());
        }
    });
    assert_eq!(capture.tracked(), 1);
    assert!(capture.connections.evicted().iter().all(|(_, count)| *count == 0));
}

#[test]
fn connections_that_begin_messages_and_never_end_them() {
    let mut capture = small();
    through(&mut capture, |capture| {
        for n in 0..5_000 {
            let start = with_head("INVITE sip:b@b SIP/2.0", "INVITE", n, "Content-Length: 200000", &[b'x'; 30_000]);
            capture.segment(&numbered(n).data(0, 0, &start));
            let tracked = capture.connections.tracked()[0].1;
            assert!(tracked <= 100 && capture.connections.numbers().buffered <= MEMORY, "{tracked} connections");
            // The genuine one keeps itself alive.
            if n % 10 == 0 {
                let genuine = Line { client: address("203.0.113.5:5060"), ..line() };
                capture.segment(&genuine.ack(1, 0, 0));
            }
        }
    });
    assert!(capture.connections.evicted()[0].1 > 4_000);
}

#[test]
fn strangers_go_before_connections_that_carry_sip() {
    let mut capture = small();
    let carriers: Vec<Line> = (0..50).map(numbered).collect();
    for line in &carriers {
        capture.segment(&line.data(0, 0, &request("OPTIONS", 1, b"")));
    }
    for n in 1000..3_000 {
        capture.segment(&numbered(n).data(0, 0, b"ABCDEF"));
    }
    // Among a sample of 16 there is always one of them.
    let two = request("BYE", 2, b"");
    let before = capture.got.len();
    for line in &carriers {
        let at = request("OPTIONS", 1, b"").len();
        // A connection that is followed knows what is old.
        capture.segment(&line.data(0, 0, &request("OPTIONS", 1, b"")));
        capture.segment(&line.data(0, at, &two));
    }
    assert_eq!(capture.got.len() - before, carriers.len());
}

#[test]
fn tiny_segments_out_of_order() {
    let mut capture = small();
    through(&mut capture, |capture| {
        for n in 0..200_000usize {
            // Every other byte, so that nothing ever fits together.
            capture.segment(&line().data(0, 10 + (n * 2 * 7919) % 1_000_000, b"x"));
            assert!(capture.connections.numbers().buffered <= MEMORY);
        }
    });
    assert!(capture.number("sip_stream_buffered_bytes") < 64 << 10, "one connection takes that much at most");
}

#[test]
fn bytes_one_by_one_cost_no_more_at_the_end_than_at_the_beginning() {
    #![allow(clippy::disallowed_methods)] // what a segment costs is a matter of the clock on the wall
    let head = b"OPTIONS sip:b@b SIP/2.0\r\nSubject: ".to_vec();
    for filler in [b'x', b'\n', 0x81] {
        let mut capture = small();
        capture.segments(&line().handshake());
        capture.segment(&line().data(0, 0, &head));
        let mut times = Vec::new();
        for tenth in 0..10 {
            let began = std::time::Instant::now();
            for n in 0..6_000 {
                capture.segment(&line().data(0, head.len() + tenth * 6_000 + n, &[filler]));
            }
            times.push(began.elapsed().as_secs_f64());
        }
        println!("{filler:#x}: {:.2} us a byte, then {:.2} us", times[0] / 6e-3, times[9] / 6e-3);
        assert!(times[9] < 5.0 * times[0] + 0.05, "{times:?}");
    }
}

#[test]
fn pieces_of_sctp_messages() {
    let mut capture = small();
    for n in 0..20_000u32 {
        let mut bytes = Vec::new();
        bytes.extend([0x9c, 0x40, 0x13, 0xc4]);
        bytes.extend((n % 300).to_be_bytes());
        bytes.extend([0; 4]);
        // A middle piece: neither the first nor the last.
        bytes.extend([0, 0, 3, 0xf8]);
        bytes.extend((n * 3).to_be_bytes());
        bytes.extend([0; 8]);
        bytes.extend([b'x'; 1000]);
        let client = numbered(n as usize % 300).client;
        capture.packet(&ip(132, client.ip(), line().server.ip(), &bytes));
        let tracked = capture.connections.tracked()[1].1;
        assert!(tracked <= 100 && capture.connections.numbers().buffered <= MEMORY, "{tracked} associations");
    }
    assert!(capture.connections.evicted()[1].1 > 0 && capture.got.is_empty());
}
