//! Streams as phones, gateways and browsers send them: silence, digits, restarts, changes in mid-call, encryption, bundles.

use std::net::SocketAddr;

use serde_json::Value;

use crate::harness::SECOND;
use crate::packets::{Call, address};
use crate::scene::{Flow, Scene, Seen, body, count, float, ms, near, rtp, sound};

const PACKET: i64 = 20_000_000;

/// A call that is answered at the start, and its caller's sound.
fn called(id: &str) -> (Scene, Call, Flow) {
    let call = Call::v4(id);
    let mut scene = Scene::new();
    scene.answer(-SECOND, &call);
    let flow = Flow::of_caller(&call);
    (scene, call, flow)
}

/// A call whose sections are these, of both parties.
fn agreed(id: &str, section: impl Fn(SocketAddr) -> String) -> (Scene, Call) {
    let call = Call::v4(id);
    let mut scene = Scene::new();
    agree(&mut scene, -SECOND, &call, 1, section);
    (scene, call)
}

fn agree(scene: &mut Scene, at: i64, call: &Call, cseq: u32, section: impl Fn(SocketAddr) -> String) {
    let of = |at: SocketAddr| body(&at.ip().to_string(), &section(at));
    scene.agree(at, call, cseq, &of(call.caller_media), &of(call.callee_media));
}

/// Nothing lost, nothing doubled, nothing late.
#[track_caller]
fn clean(stream: &Value, packets: u64) {
    let got = ["packets", "expected", "lost", "duplicates", "reordered", "discarded"].map(|field| count(stream, field));
    assert_eq!(got, [packets, packets, 0, 0, 0, 0], "in {stream:#}");
}

/// RFC 4733 section 2.3: event, end bit and volume, duration.
fn event(code: u8, end: bool, duration: u16) -> [u8; 4] {
    let [high, low] = duration.to_be_bytes();
    [code, u8::from(end) << 7 | 10, high, low]
}

/// The packets of one digit as RFC 4733 section 2.5 has them: every 20 ms with the timestamp of its start, the last one three
/// times, at once. Gives the next sequence number.
fn digit(scene: &mut Scene, at: i64, flow: &Flow, first: u64, timestamp: u64, code: u8, packets: u64) -> u64 {
    for n in 0..packets + 2 {
        let (step, end) = (n.min(packets - 1), n >= packets - 1);
        let payload = event(code, end, 160 * (step as u16 + 1));
        scene.put(at + step as i64 * PACKET, flow.from, flow.to, &rtp(flow, first + n, timestamp, n == 0, &payload));
    }
    first + packets + 2
}

#[test]
fn silence_is_neither_loss_nor_jitter() {
    // 1 s of speech, a comfort noise packet (RFC 3389) every 200 ms for 2 s, ten times; each spurt is marked.
    let (mut scene, _, flow) = called("cn");
    let (mut sequence, mut at) = (0, 0);
    for _ in 0..10 {
        for n in 0..50 {
            scene.marked(at, &flow, sequence, at as u64 / 125_000, n == 0);
            (sequence, at) = (sequence + 1, at + PACKET);
        }
        for _ in 0..10 {
            let noise = flow.typed(13);
            // Comfort noise may carry a timestamp of its own time: 60 ms off here.
            let timestamp = at as u64 / 125_000 + 480;
            scene.put(at, noise.from, noise.to, &rtp(&noise, sequence, timestamp, false, &[60]));
            (sequence, at) = (sequence + 1, at + 200 * 1_000_000);
        }
    }
    let seen = scene.run();
    let stream = seen.stream(&flow);
    clean(stream, 600);
    assert_eq!((&stream["codec"], &stream["payload_type"]), (&"pcmu".into(), &0.into()));
    near(float(stream, "/jitter_seconds/media_last"), 0.0, 1e-9);
    assert!(float(stream, "/jitter_seconds/max") > 0.003, "RFC 3550 to the letter sees it");
    near(seen.sum("rtp_jitter_seconds_sum", ""), 0.0, 1e-6);
    assert!(float(stream, "/mos") > 4.0);
}

#[test]
fn silence_in_which_nothing_is_sent_is_neither_loss_nor_jitter() {
    for timestamps_stop in [false, true] {
        let (mut scene, _, flow) = called("dtx");
        for n in 0..1000u64 {
            let (spurt, at) = (n / 100, n as i64 * PACKET + (n / 100) as i64 * 2 * SECOND);
            let silence = if timestamps_stop { 0 } else { spurt * 16_000 };
            scene.marked(at, &flow, n, n * 160 + silence, n % 100 == 0);
        }
        let seen = scene.run();
        clean(seen.stream(&flow), 1000);
        near(seen.sum("rtp_jitter_seconds_sum", ""), 0.0, 1e-6);
        assert_eq!(seen.problems("dtx"), ["one_way"], "the other side never spoke");
    }
}

#[test]
fn a_new_timestamp_origin_is_no_jitter() {
    let (mut scene, _, flow) = called("origin");
    (0..1000u64).for_each(|n| scene.rtp(n as i64 * PACKET, &flow, n, n * 160 + if n < 500 { 0 } else { 777_777_777 }));
    let seen = scene.run();
    clean(seen.stream(&flow), 1000);
    near(seen.sum("rtp_jitter_seconds_sum", ""), 0.0, 1e-6);
}

#[test]
fn digits_are_counted_once_however_often_they_are_sent() {
    let (mut scene, _, flow) = called("digits");
    scene.talk(0, &flow, 0, 100);
    let tones = flow.typed(101);
    let (mut sequence, mut at) = (100, 100 * PACKET);
    // "1", "1", "#", a flash hook (16: no digit), "0".
    for code in [1, 1, 11, 16, 0] {
        sequence = digit(&mut scene, at, &tones, sequence, at as u64 / 125_000, code, 5);
        at += 100 * 1_000_000;
        for _ in 0..5 {
            scene.rtp(at, &flow, sequence, at as u64 / 125_000);
            (sequence, at) = (sequence + 1, at + PACKET);
        }
    }
    let seen = scene.run();
    let stream = seen.stream(&flow);
    clean(stream, 100 + 5 * (7 + 5));
    assert_eq!(count(stream, "dtmf_events"), 4);
    assert_eq!(seen.sum("rtp_dtmf_events_total", ""), 4.0);
    assert_eq!((&stream["codec"], &stream["payload_type"]), (&"pcmu".into(), &0.into()));
    near(float(stream, "/jitter_seconds/media_last"), 0.0, 1e-9);
    near(seen.sum("rtp_jitter_seconds_sum", ""), 0.0, 1e-6);
}

#[test]
fn a_digit_that_lost_its_first_packets_or_all_but_its_last_is_one() {
    for kept in [6, 1] {
        let (mut scene, _, flow) = called("cut digit");
        scene.talk(0, &flow, 0, 100);
        let tones = flow.typed(101);
        let mut whole = Scene::new();
        digit(&mut whole, 100 * PACKET, &tones, 100, 16_000, 7, 5);
        for n in 7 - kept..7u64 {
            let (step, end) = (n.min(4), n >= 4);
            let payload = event(7, end, 160 * (step as u16 + 1));
            let at = 100 * PACKET + step as i64 * PACKET;
            scene.put(at, tones.from, tones.to, &rtp(&tones, 100 + n, 16_000, false, &payload));
        }
        (107..200u64).for_each(|n| scene.rtp((n as i64 - 2) * PACKET, &flow, n, (n - 2) * 160));
        let seen = scene.run();
        assert_eq!(count(seen.stream(&flow), "dtmf_events"), 1, "{kept} packets");
        assert_eq!(count(seen.stream(&flow), "lost"), 7 - kept);
        assert_eq!(count(seen.stream(&flow), "discarded"), 0);
    }
}

#[test]
fn a_long_digit_in_two_segments_is_one() {
    // RFC 4733 section 2.5.1.3: at 0xffff ticks the event goes on with a new timestamp, that much later.
    let (mut scene, _, flow) = called("long digit");
    scene.talk(0, &flow, 0, 50);
    let tones = flow.typed(101);
    let start = 50 * 160u64;
    let steps = 500u64;
    for n in 0..steps {
        let (at, ticks) = ((50 + n as i64) * PACKET, (n + 1) * 160);
        let (timestamp, duration) = if ticks <= 0xffff { (start, ticks) } else { (start + 0xffff, ticks - 0xffff) };
        let payload = event(5, n + 1 == steps, duration as u16);
        scene.put(at, tones.from, tones.to, &rtp(&tones, 50 + n, timestamp, n == 0, &payload));
    }
    let seen = scene.run();
    assert_eq!(count(seen.stream(&flow), "dtmf_events"), 1);
    clean(seen.stream(&flow), 550);
}

#[test]
fn digits_that_no_sdp_announced_are_counted() {
    let flow = Flow::new("192.0.2.10:20000", "192.0.2.20:30000", 0xcafe_0009, 0);
    let tones = flow.typed(101);
    // Between speech, and in a stream of their own.
    let mut scene = Scene::new();
    scene.talk(0, &flow, 0, 50);
    let next = digit(&mut scene, 50 * PACKET, &tones, 50, 8_000, 3, 6);
    (next..next + 50).for_each(|n| scene.rtp((n as i64 - 2) * PACKET, &flow, n, (n - 2) * 160));
    let alone = Flow { ssrc: 0xcafe_000a, ..tones.clone() };
    let next = digit(&mut scene, 0, &alone, 1, 500, 8, 6);
    digit(&mut scene, SECOND, &alone, next, 8_500, 9, 6);
    let seen = scene.run();
    assert_eq!(count(seen.stream(&flow), "dtmf_events"), 1);
    assert_eq!(seen.stream(&flow)["codec"], "pcmu");
    assert_eq!(count(seen.stream(&alone), "dtmf_events"), 2);
    assert_eq!(seen.stream(&alone)["mos"], Value::Null);
}

#[test]
fn a_stream_of_nothing_but_events_has_no_discards_and_no_mos() {
    let (mut scene, _, flow) = called("events");
    let tones = flow.typed(101);
    let next = digit(&mut scene, 0, &tones, 1, 0, 1, 10);
    digit(&mut scene, 3 * SECOND, &tones, next, 24_000, 2, 10);
    let seen = scene.run();
    let stream = seen.stream(&tones);
    assert_eq!((count(stream, "dtmf_events"), count(stream, "lost")), (2, 0));
    assert_eq!((&stream["mos"], &stream["discarded"]), (&Value::Null, &Value::Null));
}

#[test]
fn speech_that_begins_with_comfort_noise_or_a_digit_is_speech() {
    for (payload_type, payload) in [(13, vec![60]), (101, event(1, true, 800).to_vec())] {
        let (mut scene, _, flow) = called("begins aside");
        let aside = flow.typed(payload_type);
        scene.put(0, aside.from, aside.to, &rtp(&aside, 0, 0, true, &payload));
        (1..500u64).for_each(|n| scene.rtp(n as i64 * PACKET, &flow, n, n * 160));
        let seen = scene.run();
        clean(seen.stream(&flow), 500);
        assert_eq!((&seen.stream(&flow)["codec"], &seen.stream(&flow)["payload_type"]), (&"pcmu".into(), &0.into()));
        assert!(float(seen.stream(&flow), "/mos") > 4.0);
        assert_eq!(seen.sum("rtp_streams_started_total", ""), 1.0);
        assert_eq!(seen.sum("rtp_streams_active", ""), 0.0);
    }
}

#[test]
fn a_sender_that_restarts_loses_nothing() {
    // Sequence alone, timestamp alone, both; twice.
    for (sequence, timestamp) in [(30_000u64, 0u64), (0, 2_000_000_000), (30_000, 2_000_000_000)] {
        let (mut scene, _, flow) = called("restart");
        for n in 0..900u64 {
            let run = n / 300;
            scene.rtp(n as i64 * PACKET, &flow, n + run * sequence, n * 160 + run * timestamp);
        }
        let seen = scene.run();
        let stream = seen.stream(&flow);
        assert_eq!((count(stream, "packets"), count(stream, "lost"), count(stream, "discarded")), (900, 0, 0));
        assert!(float(stream, "/mos") > 4.37);
    }
}

#[test]
fn another_ssrc_in_mid_call_is_another_stream_of_the_call() {
    let (mut scene, call, first) = called("ssrc");
    let second = Flow { ssrc: 0x5555_5555, ..first.clone() };
    scene.talk(0, &first, 0, 250);
    scene.talk(250 * PACKET, &second, 7_000, 7_250);
    scene.talk(0, &Flow::of_callee(&call), 0, 500);
    scene.bye(11 * SECOND, &call);
    let seen = scene.run();
    clean(seen.stream(&first), 250);
    clean(seen.stream(&second), 250);
    assert_eq!(seen.call("ssrc")["streams"].as_array().map(Vec::len), Some(3));
    assert_eq!(seen.problems("ssrc"), Vec::<&str>::new());
}

#[test]
fn two_senders_with_one_ssrc_are_two_streams() {
    let (mut scene, call, first) = called("collision");
    let other = Flow { from: address("203.0.113.7:16384"), ..first.clone() };
    scene.talk(0, &first, 0, 250);
    scene.talk(ms(7.0), &other, 40_000, 40_250);
    let seen = scene.run();
    clean(seen.stream(&first), 250);
    clean(seen.stream(&other), 250);
    assert_eq!(seen.stream(&other)["call_id"], *call.id);
}

#[test]
fn packets_may_change_their_length() {
    let (mut scene, _, flow) = called("ptime");
    let (mut at, mut timestamp) = (0, 0);
    for n in 0..600u64 {
        let ticks = if (200..400).contains(&n) { 320 } else { 160 };
        scene.rtp(at, &flow, n, timestamp);
        (at, timestamp) = (at + ticks as i64 * 125_000, timestamp + ticks);
    }
    let seen = scene.run();
    clean(seen.stream(&flow), 600);
    near(float(seen.stream(&flow), "/jitter_seconds/max"), 0.0, 1e-9);
}

#[test]
fn a_codec_that_changes_by_re_invite_changes_its_clock_and_model() {
    let (mut scene, call, flow) = called("codec change");
    scene.talk(0, &flow, 0, 250);
    agree(&mut scene, 250 * PACKET - ms(5.0), &call, 2, |at| {
        format!("m=audio {} RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n", at.port())
    });
    let opus = flow.typed(96);
    (250..500u64).for_each(|n| scene.rtp(n as i64 * PACKET, &opus, n, 250 * 160 + (n - 250) * 960));
    let seen = scene.run();
    let stream = seen.stream(&flow);
    clean(stream, 500);
    assert_eq!((&stream["codec"], &stream["clock_rate_hz"]), (&"opus".into(), &48_000.into()));
    assert_eq!(
        (&stream["mos"], &stream["payload_type"]),
        (&Value::Null, &96.into()),
        "Opus has no published Ie and Bpl"
    );
    near(float(stream, "/jitter_seconds/media_last"), 0.0, 0.002);
    assert_eq!(seen.sum("rtp_streams_started_total", ""), 1.0);
    assert_eq!(seen.sum("rtp_packets_total", "codec=\"opus\""), 250.0);
    assert_eq!(seen.sum("rtp_packets_total", "codec=\"pcmu\""), 250.0);
}

#[test]
fn a_codec_that_changes_without_word_among_those_agreed_on() {
    // RFC 3264 section 5.1: any format of the answer may be used at any time.
    let (mut scene, _, flow) = called("switch");
    scene.talk(0, &flow, 0, 250);
    scene.talk(250 * PACKET, &flow.typed(8), 250, 500);
    let seen = scene.run();
    clean(seen.stream(&flow), 500);
    assert_eq!(seen.stream(&flow)["codec"], "pcma");
}

#[test]
fn a_codec_that_changes_to_what_nobody_announced_is_unknown() {
    // No SDP was seen: PCMU says itself what it is, 111 does not.
    let flow = Flow::new("192.0.2.10:20000", "192.0.2.20:30000", 0xcafe_000b, 0);
    let mut scene = Scene::new();
    scene.talk(0, &flow, 0, 250);
    scene.talk(250 * PACKET, &flow.typed(111), 250, 1000);
    let seen = scene.run();
    let stream = seen.stream(&flow);
    assert_eq!((count(stream, "packets"), count(stream, "lost")), (1000, 0));
    assert_eq!([&stream["codec"], &stream["mos"], &stream["r_factor"]], [&Value::Null; 3]);
    assert_eq!(stream["payload_type"], 111);
    // A second of it, and back: something beside the sound.
    let mut scene = Scene::new();
    for n in 0..1000u64 {
        let aside = n % 100 >= 80;
        scene.rtp(n as i64 * PACKET, &flow.typed(if aside { 111 } else { 0 }), n, n * 160);
    }
    let seen = scene.run();
    assert_eq!((&seen.stream(&flow)["codec"], &seen.stream(&flow)["payload_type"]), (&"pcmu".into(), &0.into()));
    assert!(float(seen.stream(&flow), "/mos") > 4.0);
}

#[test]
fn a_finished_call_has_the_mos_of_its_worst_stream() {
    let (mut scene, call, there) = called("worst");
    let back = Flow::of_callee(&call);
    scene.talk(0, &there, 0, 500);
    (0..500u64).filter(|n| n % 10 != 5).for_each(|n| scene.rtp(n as i64 * PACKET, &back, n, n * 160));
    scene.bye(11 * SECOND, &call);
    let seen = scene.run();
    let worst = float(seen.stream(&back), "/mos");
    assert!(worst < float(seen.stream(&there), "/mos") - 0.5);
    near(float(seen.call("worst"), "/mos"), worst, 1e-9);
    assert_eq!(seen.sum("call_mos_count", ""), 1.0);
    near(seen.sum("call_mos_sum", ""), worst, 1e-6);
}

#[test]
fn the_number_of_a_payload_type_may_be_given_another_meaning() {
    // RFC 3264 section 8.3.2 forbids it within a session; phones do it.
    let (mut scene, call) =
        agreed("renamed", |at| format!("m=audio {} RTP/AVP 97\r\na=rtpmap:97 iLBC/8000\r\n", at.port()));
    agree(&mut scene, 0, &call, 2, |at| format!("m=audio {} RTP/AVP 97\r\na=rtpmap:97 AMR-WB/16000\r\n", at.port()));
    let flow = Flow::of_caller(&call).typed(97);
    (0..100u64).for_each(|n| scene.rtp(ms(100.0) + n as i64 * PACKET, &flow, n, n * 320));
    let seen = scene.run();
    assert_eq!(
        (&seen.stream(&flow)["codec"], &seen.stream(&flow)["clock_rate_hz"]),
        (&"amr-wb".into(), &16_000.into())
    );
}

const VIDEO: &str = "m=audio A RTP/AVP 0\r\nm=video B RTP/AVP 96 97 98 99\r\na=rtpmap:96 H264/90000\r\n\
                     a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:98 red/90000\r\na=rtpmap:99 ulpfec/90000\r\n\
                     m=video C RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";

fn with_video(at: SocketAddr) -> String {
    let port = at.port();
    VIDEO.replace('A', &port.to_string()).replace("B", &(port + 2).to_string()).replace("C", &(port + 4).to_string())
}

fn shifted(flow: &Flow, ports: u16, ssrc: u32, payload_type: u8) -> Flow {
    let shift = |at: SocketAddr| SocketAddr::new(at.ip(), at.port() + ports);
    Flow { from: shift(flow.from), to: shift(flow.to), ssrc, payload_type }
}

#[test]
fn video_and_its_repair_are_counted_and_not_judged() {
    let call = Call::v4("video");
    let mut scene = Scene::new();
    let of = |at: SocketAddr| body(&at.ip().to_string(), &with_video(at).replace("RTP/rtx", "rtx"));
    scene.agree(-SECOND, &call, 1, &of(call.caller_media), &of(call.callee_media));
    let (there, back) = (Flow::of_caller(&call), Flow::of_callee(&call));
    scene.talk(0, &there, 0, 500);
    scene.talk(0, &back, 0, 500);
    let video = [
        shifted(&there, 2, 0x1111_0001, 96),
        shifted(&there, 4, 0x1111_0002, 96),
        shifted(&there, 2, 0x1111_0003, 97),
        shifted(&there, 2, 0x1111_0004, 99),
    ];
    for flow in &video {
        // Three packets a frame with one timestamp, late ones and lost ones among them.
        for n in (0..900u64).filter(|n| n % 50 != 25) {
            scene.rtp((n / 3) as i64 * ms(33.3) + if n % 40 == 3 { ms(150.0) } else { 0 }, flow, n, n / 3 * 3000);
        }
    }
    scene.bye(11 * SECOND, &call);
    let seen = scene.run();
    for (flow, codec) in video.iter().zip(["h264", "vp8", "rtx", "ulpfec"]) {
        let stream = seen.stream(flow);
        assert_eq!((&stream["codec"], count(stream, "packets"), count(stream, "lost")), (&codec.into(), 882, 18));
        assert_eq!(
            (&stream["mos"], &stream["discarded"], &stream["call_id"]),
            (&Value::Null, &Value::Null, &"video".into())
        );
    }
    // The call is judged by its sound.
    near(float(seen.call("video"), "/mos"), float(seen.stream(&there), "/mos"), 1e-9);
    assert_eq!(seen.problems("video"), Vec::<&str>::new());
}

#[test]
fn repair_in_the_media_s_own_stream_changes_nothing() {
    // RED (RFC 2198) around the same speech, and FEC, under the numbers of one stream.
    let (mut scene, call) = agreed("red", |at| {
        let red = "a=rtpmap:121 red/8000\r\na=fmtp:121 0/0\r\na=rtpmap:122 ulpfec/8000\r\n";
        format!("m=audio {} RTP/AVP 0 121 122\r\n{red}", at.port())
    });
    let flow = Flow::of_caller(&call);
    for n in 0..500u64 {
        // Every tenth is FEC: it has the timestamp of the packet before.
        let (of, media) = (if n % 10 == 9 { flow.typed(122) } else { flow.clone() }, n - n / 10);
        let media = if n % 10 == 9 { media - 1 } else { media };
        scene.rtp(media as i64 * PACKET, &of, n, media * 160);
    }
    let seen = scene.run();
    let stream = seen.stream(&flow);
    clean(stream, 500);
    assert_eq!((&stream["codec"], &stream["payload_type"]), (&"pcmu".into(), &0.into()));
    assert!(float(stream, "/mos") > 4.0);
}

#[test]
fn redundant_speech_is_speech() {
    // RED (RFC 2198) and the plain codec in turns.
    let (mut scene, call) = agreed("red", |at| {
        let red = "a=rtpmap:121 red/8000\r\na=fmtp:121 0/0\r\n";
        format!("m=audio {} RTP/AVP 0 121\r\n{red}", at.port())
    });
    let flow = Flow::of_caller(&call);
    for n in 0..500u64 {
        let of = if n % 100 < 50 { flow.clone() } else { flow.typed(121) };
        // Two of them late: one plain, one RED.
        let delay = if n == 120 || n == 180 { ms(90.0) } else { 0 };
        scene.rtp(n as i64 * PACKET + delay, &of, n, n * 160);
    }
    let seen = scene.run();
    let stream = seen.stream(&flow);
    assert_eq!((count(stream, "lost"), count(stream, "discarded"), &stream["codec"]), (0, 2, &"pcmu".into()));
    assert!(float(stream, "/mos") > 4.0);
    assert_eq!(seen.sum("rtp_packets_total", "codec=\"pcmu\""), 500.0);
}

#[test]
fn repair_of_video_is_no_sound() {
    let call = Call::v4("silent video");
    let mut scene = Scene::new();
    let of = |at: SocketAddr| body(&at.ip().to_string(), &with_video(at));
    scene.agree(0, &call, 1, &of(call.caller_media), &of(call.callee_media));
    for flow in [Flow::of_caller(&call), Flow::of_callee(&call)] {
        let (picture, rtx) = (shifted(&flow, 2, 1111, 96), shifted(&flow, 2, 2222, 97));
        for n in 0..1000u64 {
            scene.rtp(ms(33.0) * n as i64, &picture, n, n * 3000);
            scene.rtp(ms(33.0) * n as i64, &rtx, n, n * 3000);
        }
    }
    scene.bye(34 * SECOND, &call);
    assert_eq!(scene.run().problems("silent video"), ["no_media"]);
}

#[test]
fn srtp_is_measured_by_its_clear_header_and_its_payload_not_read() {
    let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";
    let (mut scene, call) = agreed("srtp", |at| {
        let maps = "a=rtpmap:97 AMR/8000\r\na=fmtp:97 octet-align=1\r\na=rtpmap:101 telephone-event/8000\r\n";
        format!("m=audio {} RTP/SAVP 0 97 101\r\n{maps}{key}", at.port())
    });
    let (plain, amr) = (Flow::of_caller(&call), Flow::of_callee(&call).typed(97));
    for n in (0..500u64).filter(|n| n % 50 != 25) {
        scene.rtp(n as i64 * PACKET, &plain, n, n * 160);
        // What would be the codec mode is cipher text.
        let payload = [&[0xf0, 0x3c][..], &[n as u8; 40]].concat();
        scene.put(n as i64 * PACKET, amr.from, amr.to, &rtp(&amr, n, n * 160, false, &payload));
    }
    let seen = scene.run();
    let (plain, amr) = (seen.stream(&plain), seen.stream(&amr));
    for stream in [plain, amr] {
        assert_eq!((&stream["encrypted"], count(stream, "lost"), count(stream, "discarded")), (&true.into(), 10, 0));
    }
    assert_eq!((&plain["codec"], &amr["codec"]), (&"pcmu".into(), &"amr".into()));
    assert!(float(plain, "/mos") > 4.0, "the codec is known, so is its model");
    assert_eq!(amr["mos"], Value::Null, "the mode is not");
    assert_eq!(seen.sum("rtp_encrypted_streams_started_total", ""), 2.0);
    assert_eq!(seen.problems("srtp"), Vec::<&str>::new());
}

#[test]
fn other_protocols_on_the_port_are_told_apart() {
    let (mut scene, call, flow) = called("multiplexed");
    scene.talk(0, &flow, 0, 500);
    scene.talk(0, &Flow::of_callee(&call), 0, 500);
    let stun = [&[0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42][..], &[7; 20]].concat();
    let dtls = [&[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40][..], &[1; 40]].concat();
    let zrtp = [&[0x10, 0, 0, 1][..], b"ZRTP", &[0x12, 0x34, 0x56, 0x78, 0x50, 0x5a, 0, 3], &[9; 24]].concat();
    let turn = [&[0x40, 0, 0, 8][..], &[5; 8]].concat();
    // RFC 7983: a first byte of 4 to 15, 80 to 127, 192 to 255 is nobody's.
    let others = [vec![5; 40], vec![100; 40], vec![200; 40]];
    for n in 0..50i64 {
        for datagram in [&stun, &dtls, &zrtp, &turn].into_iter().chain(&others) {
            scene.put(n * ms(150.0) + ms(3.0), flow.from, flow.to, datagram);
        }
    }
    let seen = scene.run();
    clean(seen.stream(&flow), 500);
    assert_eq!(seen.streams().len(), 2);
    for protocol in ["stun", "dtls", "zrtp", "turn"] {
        assert_eq!(seen.sum("rtp_multiplexed_datagrams_total", &format!("\"{protocol}\"")), 50.0, "{protocol}");
    }
    assert_eq!(seen.sum("rtp_multiplexed_datagrams_total", ""), 200.0);
    near(float(seen.stream(&flow), "/jitter_seconds/max"), 0.0, 1e-9);
}

#[test]
fn a_fax_after_re_invite_is_recognised_and_no_missing_media() {
    let (mut scene, call, flow) = called("fax");
    scene.talk(0, &flow, 0, 250);
    scene.talk(0, &Flow::of_callee(&call), 0, 250);
    agree(&mut scene, 5 * SECOND, &call, 2, |at| {
        format!("m=image {} udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n", at.port())
    });
    for n in 0..1500u64 {
        // UDPTL: sequence number, then the primary IFP packet.
        let udptl = [&(n as u16).to_be_bytes()[..], &[6, 1, 2, 3, 4, 5, 6, 0, 0]].concat();
        scene.put(5 * SECOND + ms(100.0) + n as i64 * PACKET, call.caller_media, call.callee_media, &udptl);
    }
    scene.bye(36 * SECOND, &call);
    let seen = scene.run();
    clean(seen.stream(&flow), 250);
    assert_eq!(seen.problems("fax"), Vec::<&str>::new());
    assert_eq!(seen.sum("rtp_multiplexed_datagrams_total", "t38"), 1500.0);
}

#[test]
fn a_fax_that_is_refused_leaves_the_sound_to_be_missed() {
    for section in ["m=image 20000 udptl t38\r\n", "m=audio 0 RTP/AVP 0\r\nm=image 20000 udptl t38\r\n"] {
        let (mut scene, call, flow) = called("no fax");
        scene.talk(0, &flow, 0, 250);
        scene.talk(0, &Flow::of_callee(&call), 0, 250);
        scene.invite(4 * SECOND, &call, 2, &body("192.0.2.10", section));
        scene.respond(4 * SECOND, &call, 2, "488 Not Acceptable Here", "");
        (0..40).for_each(|second| scene.pause(second * SECOND));
        let seen = scene.run();
        // RFC 3261 section 14.1: the session goes on as if no re-INVITE had been issued.
        assert_eq!(seen.problems("no fax"), ["media_timeout"], "{section}");
    }
}

/// What a browser offers: all media on one port, DTLS-SRTP, RTCP beside RTP, candidates.
fn bundle(at: SocketAddr) -> String {
    let (ip, port) = (at.ip(), at.port());
    let common = format!(
        "a=candidate:1 1 udp 2122260223 {ip} {port} typ host\r\na=ice-ufrag:x\r\na=ice-pwd:yyyyyyyyyyyyyyyyyyyyyy\r\n\
         a=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\na=rtcp-mux\r\na=sendrecv\r\n"
    );
    format!(
        "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n\
         a=rtpmap:111 opus/48000/2\r\n{common}m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\n\
         a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n{common}"
    )
}

#[test]
fn a_browser_s_bundle_is_its_streams() {
    let (mut scene, call) = agreed("bundle", bundle);
    let (audio, back) = (Flow::of_caller(&call).typed(111), Flow::of_callee(&call).typed(0));
    let video = shifted(&audio, 0, 0x2222_0001, 96);
    let rtx = shifted(&audio, 0, 0x2222_0002, 97);
    for n in 0..500u64 {
        scene.rtp(n as i64 * PACKET, &audio, n, n * 960);
        scene.rtp(n as i64 * PACKET, &back, n, n * 160);
        scene.rtp(n as i64 * PACKET, &video, 2 * n, n * 1800);
        scene.rtp(n as i64 * PACKET + ms(1.0), &video, 2 * n + 1, n * 1800);
        if n % 25 == 0 {
            scene.rtp(n as i64 * PACKET, &rtx, n / 25, n * 1800);
            // SRTCP (RFC 3711 section 3.4) on the same port: a sender report's header, then cipher text.
            let srtcp = [&[0x80, 200, 0, 6][..], &audio.ssrc.to_be_bytes(), &[0x5a; 34]].concat();
            scene.put(n as i64 * PACKET, audio.from, audio.to, &srtcp);
        }
    }
    scene.bye(11 * SECOND, &call);
    let seen = scene.run();
    clean(seen.stream(&audio), 500);
    clean(seen.stream(&back), 500);
    for (flow, codec, packets) in [(&video, "vp8", 1000), (&rtx, "rtx", 20)] {
        assert_eq!((&seen.stream(flow)["codec"], count(seen.stream(flow), "packets")), (&codec.into(), packets));
        assert_eq!(count(seen.stream(flow), "lost"), 0);
    }
    assert_eq!(seen.stream(&audio)["codec"], "opus");
    assert!(seen.streams().iter().all(|stream| stream["encrypted"] == true && stream["call_id"] == "bundle"));
    assert_eq!(seen.problems("bundle"), Vec::<&str>::new());
    assert_eq!(seen.streams().len(), 4);
}

fn doubled(from_sdp: bool) -> (Seen, Flow) {
    let (mut scene, _, flow) = called("twice");
    if !from_sdp {
        scene = Scene::new();
    }
    for n in (0..1000u64).filter(|n| n % 100 != 50) {
        scene.rtp(n as i64 * PACKET, &flow, n, n * 160);
        scene.rtp(n as i64 * PACKET + 30_000, &flow, n, n * 160);
    }
    (scene.run(), flow)
}

#[test]
fn what_both_sides_of_a_capture_show_is_one_stream() {
    for from_sdp in [true, false] {
        let (seen, flow) = doubled(from_sdp);
        let stream = seen.stream(&flow);
        let got =
            ["packets", "expected", "lost", "duplicates", "reordered", "discarded"].map(|field| count(stream, field));
        assert_eq!(got, [1980, 1000, 10, 990, 0, 0], "SDP: {from_sdp}");
        near(float(stream, "/loss_ratio"), 0.01, 1e-12);
        assert_eq!(seen.streams().len(), 1);
    }
}

#[test]
fn sound_at_an_announced_port_counts_from_its_first_packet() {
    let (mut scene, _, flow) = called("first");
    scene.talk(0, &flow, 65_530, 65_533);
    let seen = scene.run();
    clean(seen.stream(&flow), 3);
    assert!(sound(flow.from, "").contains("m=audio 20000"));
}

#[test]
fn a_stream_that_turns_to_a_type_that_nobody_explained_is_unknown_from_there_on() {
    let flow = Flow::new("192.0.2.1:4000", "192.0.2.2:4002", 9999, 0);
    let mut scene = Scene::new();
    scene.talk(0, &flow, 0, 200);
    let dynamic = flow.typed(111);
    (200..400u64).for_each(|n| scene.rtp(n as i64 * PACKET, &dynamic, n, n * 160));
    let seen = scene.run();
    let stream = seen.stream(&flow);
    assert_eq!([&stream["codec"], &stream["clock_rate_hz"], &stream["mos"]], [&Value::Null; 3]);
    assert!(seen.sum("rtp_stream_seconds_total", "quality=\"unknown\"") > 2.0);
}
