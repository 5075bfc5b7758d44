//! SIP over TCP, case by case.

use sidetone::wire::Transport;

use crate::build::*;

/// The pieces of a stream, at most `size` bytes each, as the client sends them.
fn pieces(line: &Line, stream: &[u8], size: usize) -> Vec<Tcp> {
    stream.chunks(size).enumerate().map(|(at, chunk)| line.data(0, at * size, chunk)).collect()
}

#[test]
fn many_messages_in_a_segment_and_keep_alives_between() {
    let (one, two, three) = (request("INVITE", 1, b"v=0\r\n"), request("ACK", 2, b""), response(200, 3, b"body"));
    let stream = [b"\r\n\r\n", &one[..], &two, b"\r\n", &three, b"\r\n\r\n"].concat();
    let mut capture = Capture::new();
    capture.segment(&line().data(0, 0, &stream));
    capture.whole(&[&one, &two, &three]);
    assert!(capture.got.iter().all(|got| got.transport == Transport::Tcp && got.from == line().client));
}

#[test]
fn a_message_over_many_segments_has_the_time_of_the_one_that_completed_it() {
    let (one, two) = (request("INVITE", 1, &[b'x'; 64 << 10]), request("BYE", 2, b""));
    let stream = [&one[..], &two].concat();
    let mut capture = Capture::new();
    capture.segments(&line().handshake());
    for segment in pieces(&line(), &stream, 1460) {
        capture.segment(&segment);
    }
    capture.whole(&[&one, &two]);
    assert_eq!(capture.got[0].time, capture.now, "two messages end in the last segment");
    assert_eq!((capture.connections.numbers().buffered, capture.number("sip_stream_lost_bytes_total")), (0, 0));
}

#[test]
fn content_length_in_all_its_forms() {
    for field in
        ["Content-Length: 4", "l:4", "L :  4", "content-LENGTH:\r\n\t4 ", "Content-Length: 4\r\nContent-Length: 9"]
    {
        let (one, two) = (with_head("ACK sip:b@b SIP/2.0", "ACK", 1, field, b"body"), request("BYE", 2, b""));
        let mut capture = Capture::new();
        capture.segment(&line().data(0, 0, &[&one[..], &two].concat()));
        capture.whole(&[&one, &two]);
        assert!(capture.malformed.is_empty(), "{field}");
    }
}

#[test]
fn without_content_length_a_message_ends_where_the_next_one_begins() {
    let bare = with_head("ACK sip:b@b SIP/2.0", "ACK", 1, "", b"");
    let described = with_head("INVITE sip:b@b SIP/2.0", "INVITE", 2, "", b"v=0\r\nc=IN IP4 192.0.2.1\r\n");
    let last = request("BYE", 3, b"");
    let mut capture = Capture::new();
    capture.segment(&line().data(0, 0, &[&bare[..], &described, &last].concat()));
    capture.segment(&line().data(0, bare.len() + described.len() + last.len(), &bare));
    capture.whole(&[&bare, &described, &last, &bare]);
    assert_eq!(capture.malformed, ["content_length"; 3]);
    assert_eq!(capture.number("sip_stream_resynchronisations_total garbage"), 0);
}

#[test]
fn absurd_lengths_cost_their_message_only() {
    for length in ["99999999999999999999", "4294967295", "262145", "-5", "ten"] {
        let field = format!("Content-Length: {length}");
        let (one, two) = (with_head("ACK sip:b@b SIP/2.0", "ACK", 1, &field, b"body"), request("BYE", 2, b""));
        let mut capture = Capture::new();
        capture.segment(&line().data(0, 0, &[&one[..], &two].concat()));
        capture.whole(&[&one, &two]);
    }
}

#[test]
fn a_head_without_end_is_given_up() {
    let mut capture = Capture::new();
    capture.segments(&line().handshake());
    let endless = [b"OPTIONS sip:b@b SIP/2.0\r\n".to_vec(), b"Subject: x\r\n".repeat(20_000)].concat();
    for segment in pieces(&line(), &endless, 1400) {
        capture.segment(&segment);
        assert!(capture.connections.numbers().buffered < 300 << 10);
    }
    let last = request("BYE", 2, b"");
    capture.segment(&line().data(0, endless.len(), &last));
    capture.whole(&[&last]);
}

#[test]
fn garbage_between_messages_is_passed_over_and_counted() {
    let (one, two, three) = (request("INVITE", 1, b""), request("ACK", 2, b""), request("BYE", 3, b""));
    let mut capture = Capture::new();
    capture.segments(&line().handshake());
    let stream = [&one[..], b"nonsense \x00\x01\x02\r\n", &two, b"INVITE  sip:b  SIP/2.0\r\n", &three].concat();
    capture.segment(&line().data(0, 0, &stream));
    capture.whole(&[&one, &two, &three]);
    assert_eq!(capture.number("sip_stream_resynchronisations_total garbage"), 2);
    assert_eq!(capture.malformed, ["start_line"]);
}

#[test]
fn out_of_order_repeated_and_overlapping_the_first_bytes_win() {
    let (one, two) = (request("INVITE", 1, b"0123456789"), request("BYE", 2, b""));
    let stream = [&one[..], &two].concat();
    let line = Line { first: [u32::MAX - 50, 7], ..line() };
    let part = |from: usize, to: usize| line.data(0, from, &stream[from..to]);
    let mut capture = Capture::new();
    capture.segments(&line.handshake());
    capture.segment(&part(100, 150));
    capture.segment(&part(60, 120));
    let other = Tcp { payload: vec![b'!'; 200], ..part(60, 150) };
    capture.segment(&other);
    let rest = Tcp { payload: stream[260..].to_vec(), ..part(260, 261) };
    capture.segment(&rest);
    capture.segment(&part(0, 70));
    capture.segment(&part(0, 70));
    // Bytes 150 to 260 came from the segment with other bytes, and from no one else.
    let mut seen = stream.clone();
    seen[150..260].fill(b'!');
    capture.whole(&[&seen]);
}

#[test]
fn keep_alives_and_probes_of_tcp_are_no_data() {
    let (one, two) = (request("INVITE", 1, b""), request("ACK", 2, b"body"));
    let mut capture = Capture::new();
    capture.segments(&line().handshake());
    // RFC 9293 section 3.8.4: the byte before the next one, with or without something in it.
    capture.segment(&line().data(0, 0usize.wrapping_sub(1), b"\0"));
    capture.segment(&line().data(0, 0, &one));
    capture.segment(&line().data(0, one.len() - 1, b"x"));
    capture.segment(&line().data(0, one.len() - 1, b""));
    // A window of zero is probed with the next byte, which is sent again.
    capture.segment(&line().data(0, one.len(), &two[..1]));
    capture.segment(&line().data(0, one.len(), &two));
    capture.whole(&[&one, &two]);
}

#[test]
fn a_gap_that_the_other_end_has_not_is_given_up_when_it_answers() {
    let (one, two, three) = (request("INVITE", 1, &[b'a'; 500]), request("ACK", 2, b""), request("BYE", 3, b""));
    let stream = [&one[..], &two, &three].concat();
    let three_at = one.len() + two.len();
    let mut capture = Capture::new();
    capture.segments(&line().handshake());
    capture.segment(&line().data(0, 0, &one));
    capture.segment(&line().data(0, three_at, &three));
    capture.segment(&line().ack(1, 0, one.len()));
    capture.whole(&[&one]);
    let bye = response(200, 3, b"");
    capture.segment(&Tcp { payload: bye.clone(), ..line().ack(1, 0, stream.len()) });
    capture.whole(&[&one, &three, &bye]);
    assert_eq!(capture.number("sip_stream_lost_bytes_total"), two.len() as u64);
    assert_eq!(capture.number("sip_stream_resynchronisations_total gap"), 1);
}

#[test]
fn a_bare_acknowledgment_gives_what_was_overtaken_time_to_come() {
    let (one, two) = (request("INVITE", 1, b""), request("ACK", 2, b""));
    let mut late = Capture::new();
    late.segments(&line().handshake());
    late.segment(&line().data(0, one.len(), &two));
    late.segment(&line().ack(1, 0, one.len() + two.len()));
    late.segment(&line().data(0, 0, &one));
    late.whole(&[&one, &two]);
    let mut never = Capture::new();
    never.segments(&line().handshake());
    never.segment(&line().data(0, one.len(), &two));
    never.segment(&line().ack(1, 0, one.len() + two.len()));
    let came = never.now - MILLISECOND;
    never.wait(SECOND);
    never.whole(&[&two]);
    assert_eq!(never.got[0].time, came, "the time of the segment, not of the tick");
}

#[test]
fn without_acknowledgments_a_gap_is_given_up_after_some_seconds_or_many_bytes() {
    let (one, two) = (request("INVITE", 1, b""), request("ACK", 2, b""));
    let mut capture = Capture::new();
    capture.segments(&line().handshake()[..1]);
    capture.segment(&line().data(0, one.len(), &two));
    capture.wait(2 * SECOND);
    capture.whole(&[]);
    capture.wait(SECOND);
    capture.whole(&[&two]);
    let mut at = one.len() + two.len() + 1;
    for _ in 0..300 {
        let long = request("MESSAGE", 3, &[b'x'; 1200]);
        capture.segment(&line().data(0, at, &long));
        at += long.len();
    }
    assert!(capture.got.len() > 250, "{} messages", capture.got.len());
}

#[test]
fn a_gap_within_a_body_costs_nothing_else() {
    let (one, two) = (request("INVITE", 1, &[b'a'; 3000]), request("BYE", 2, b""));
    let stream = [&one[..], &two].concat();
    let mut capture = Capture::new();
    capture.segment(&line().data(0, 0, &stream[..1000]));
    capture.segment(&line().data(0, 2000, &stream[2000..]));
    capture.segment(&Tcp { payload: response(100, 1, b""), ..line().ack(1, 0, stream.len()) });
    let texts = capture.texts();
    assert_eq!(texts[0], (String::from_utf8_lossy(&one[..1000]).into_owned(), true));
    assert_eq!((texts[1].0.as_bytes(), texts[1].1), (&two[..], false));
    assert_eq!(capture.number("sip_stream_lost_bytes_total"), 1000);
    assert_eq!(capture.number("sip_stream_resynchronisations_total gap"), 0);
}

#[test]
fn a_capture_that_begins_in_the_middle_finds_the_next_message() {
    let quoted =
        ["SIP/2.0 200 OK\r\nSubject: quoted", "INVITE sip:b@b SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nSubject: quoted"];
    for quoted in quoted {
        let one = request("NOTIFY", 1, quoted.as_bytes());
        let (two, three) = (request("INVITE", 2, b"v=0\r\n"), request("ACK", 3, b""));
        let stream = [&one[..], &two, &three].concat();
        for start in 1..one.len() {
            for size in [1, 7, 100, 5000] {
                let mut capture = Capture::new();
                for (at, chunk) in stream[start..].chunks(size).enumerate() {
                    capture.segment(&line().data(0, start + at * size, chunk));
                }
                assert_eq!(capture.got.len(), 2, "from byte {start}, {size} a segment: {:?}", capture.texts());
                capture.whole(&[&two, &three]);
            }
        }
    }
}

#[test]
fn syn_with_data_and_ports_that_are_used_again() {
    let (one, two) = (request("INVITE", 1, b"longer than the other"), request("BYE", 2, b""));
    let mut capture = Capture::new();
    let [syn, ..] = line().handshake();
    capture.segment(&Tcp { payload: one[..50].to_vec(), ..syn.clone() });
    capture.segment(&Tcp { payload: one[..50].to_vec(), ..syn.clone() });
    capture.segment(&line().data(0, 50, &one[50..]));
    capture.whole(&[&one]);
    // The same ports again, a sequence number that seems old.
    let again = Line { first: [900, 77], ..line() };
    capture.segments(&again.handshake());
    capture.segment(&again.data(0, 0, &two));
    capture.whole(&[&one, &two]);
    // And without SYN, far away.
    let lost = Line { first: [3_000_000_000, 9], ..line() };
    capture.segment(&lost.data(0, 0, &two));
    capture.whole(&[&one, &two, &two]);
}

#[test]
fn fin_and_rst_end_a_connection_and_its_copies_are_no_new_one() {
    for flags in [FIN | ACK, RST] {
        let one = request("INVITE", 1, b"");
        let mut capture = Capture::new();
        capture.segments(&line().handshake());
        let (data, answer) = (line().data(0, 0, &one), line().ack(1, 0, one.len()));
        let last = Tcp { flags, ..line().data(0, one.len(), b"") };
        let last_back = Tcp { flags, ..line().ack(1, 0, one.len() + 1) };
        for _ in 0..2 {
            capture.segments(&[data.clone(), answer.clone(), last.clone(), last_back.clone()]);
        }
        capture.whole(&[&one]);
        assert_eq!(capture.tracked(), 1);
        capture.wait(3 * SECOND);
        assert_eq!(capture.tracked(), 0);
    }
}

#[test]
fn a_message_that_the_end_of_the_connection_cut_short_is_counted() {
    let short = with_head("INVITE sip:b@b SIP/2.0", "INVITE", 1, "Content-Length: 9999", b"v=0\r\n");
    let mut capture = Capture::new();
    capture.segments(&line().handshake());
    capture.segment(&Tcp { flags: FIN | ACK, ..line().data(0, 0, &short) });
    capture.whole(&[&short]);
    let mut running = Capture::new();
    running.segment(&line().data(0, 0, &short));
    running.finish();
    assert_eq!(running.texts(), [(String::from_utf8_lossy(&short).into_owned(), true)]);
}

#[test]
fn segments_that_the_capture_cut() {
    let (one, two) = (request("INVITE", 1, &[b'v'; 600]), request("BYE", 2, b""));
    let stream = [&one[..], &two].concat();
    let mut capture = Capture::new();
    let whole = line().data(0, 0, &stream).packet();
    capture.packet_cut(&whole, whole.len() - stream.len() + 400);
    assert_eq!(capture.texts(), [(String::from_utf8_lossy(&one[..400]).into_owned(), true)]);
    let next = request("OPTIONS", 3, b"");
    capture.segment(&line().data(0, stream.len(), &next));
    assert_eq!(capture.texts()[1].0.as_bytes(), next);
    // Cut within the head: what is there is worth having.
    let third = request("OPTIONS", 4, b"").to_vec();
    let packet = line().data(0, stream.len() + next.len(), &third).packet();
    capture.packet_cut(&packet, packet.len() - third.len() + 60);
    assert_eq!(capture.texts()[2], (String::from_utf8_lossy(&third[..60]).into_owned(), true));
    assert_eq!(capture.number("sip_stream_lost_bytes_total"), 0);
}

#[test]
fn other_protocols_on_a_sip_port_are_counted_once_and_give_no_message() {
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    for (bytes, protocol) in [
        (&hello[..], "tls"),
        (&[0x17, 3, 3, 0, 99, 1, 2], "tls"),
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "other"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "other"),
        (b"\x80\x01\x02", "other"),
    ] {
        let series = format!("sip_unreadable_flows_total {protocol}");
        let mut capture = Capture::new();
        capture.segments(&line().handshake());
        for segment in pieces(&line(), &bytes.repeat(3), 5) {
            capture.segment(&segment);
        }
        capture.segment(&line().data(1, 0, bytes));
        assert_eq!((capture.got.len(), capture.malformed.len(), capture.number(&series)), (0, 0, 1), "{protocol}");
        assert_eq!(capture.connections.numbers().buffered, 0);
        // The same ports carry SIP later.
        capture.segment(&line().data(0, 5_000, &request("BYE", 1, b"")));
        assert_eq!(capture.got.len(), 1, "{protocol}");
    }
}

#[test]
fn other_ports_are_followed_only_where_sip_begins() {
    let elsewhere = Line { server: address("192.0.2.20:8080"), ..line() };
    let mut capture = Capture::new();
    capture.segments(&elsewhere.handshake());
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01", b"v=0", b"", b"{\"a\": 1}\n", b"EHLO me\r\n"] {
        capture.segment(&elsewhere.data(0, 0, bytes));
        capture.segment(&elsewhere.data(1, 0, bytes));
    }
    assert_eq!(capture.tracked(), 0);
    let one = request("INVITE", 1, b"v=0\r\n");
    capture.segment(&elsewhere.data(0, 0, &one[..100]));
    capture.segment(&elsewhere.data(0, 100, &one[100..]));
    capture.whole(&[&one]);
}

#[test]
fn idle_connections_are_forgotten_and_found_again() {
    let mut capture = Capture::new();
    let (one, two) = (request("INVITE", 1, b""), request("BYE", 2, b""));
    capture.segment(&line().data(0, 0, &one));
    capture.wait(601 * SECOND);
    assert_eq!(capture.tracked(), 0);
    capture.segment(&line().data(0, one.len(), &two));
    capture.whole(&[&one, &two]);
}

#[test]
fn the_first_segments_of_both_ends_may_change_places() {
    let (one, two) = (request("INVITE", 1, &[b'x'; 2000]), response(200, 2, &[b'y'; 2000]));
    let mut capture = Capture::new();
    capture.segments(&line().handshake());
    capture.segment(&line().data(0, 1000, &one[1000..]));
    capture.segment(&line().data(0, 0, &one[..1000]));
    capture.segment(&line().ack(1, 0, one.len()));
    capture.segment(&line().data(1, 1000, &two[1000..]));
    capture.segment(&line().ack(0, one.len(), 0));
    capture.segment(&line().data(1, 0, &two[..1000]));
    capture.whole(&[&one, &two]);
}
