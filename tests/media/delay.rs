//! The one-way delay that goes into the E-model: half of both round trips where RTCP measures them, the assumption where not.

use std::net::SocketAddr;
use std::time::Duration;

use sidetone::quality::codec::lookup;
use sidetone::quality::{Conditions, rate};

use crate::harness::SECOND;
use crate::packets::Call;
use crate::scene::{Flow, Scene, Seen, float, ms, near};

const BUFFER: f64 = 0.06;

/// RFC 3550 section 6.4.1: a sender report, with one report block if it answers one.
fn sender_report(ssrc: u32, ntp: u64, answers: Option<(u32, u32, u32)>) -> Vec<u8> {
    let mut packet = vec![0x80 | u8::from(answers.is_some()), 200, 0, if answers.is_some() { 12 } else { 6 }];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(ntp.to_be_bytes());
    packet.extend([0; 12]);
    if let Some((about, last, kept)) = answers {
        packet.extend(about.to_be_bytes());
        packet.extend([0; 12]);
        packet.extend(last.to_be_bytes());
        packet.extend(kept.to_be_bytes());
    }
    packet
}

/// RFC 3611: a receiver's reference time (section 4.4), or the DLRR that answers one (section 4.5), behind an empty RR.
fn extended(ssrc: u32, block: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0x80, 207, 0, (1 + block.len() / 4) as u8]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(block);
    packet
}

fn reference_time(ntp: u64) -> Vec<u8> {
    [&[4, 0, 0, 2][..], &ntp.to_be_bytes()].concat()
}

fn dlrr(about: u32, last: u32, kept: u32) -> Vec<u8> {
    [&[5, 0, 0, 3][..], &about.to_be_bytes(), &last.to_be_bytes(), &kept.to_be_bytes()].concat()
}

fn control(at: SocketAddr) -> SocketAddr {
    SocketAddr::new(at.ip(), at.port() + 1)
}

/// 65536ths of a second.
fn units(milliseconds: f64) -> u32 {
    (milliseconds * 65.536).round() as u32
}

/// NTP time `at` nanoseconds after some second, and its middle 32 bits.
fn ntp(at: i64) -> (u64, u32) {
    let seconds = 3_900_000_000 + (at / SECOND) as u64;
    let time = (seconds << 32) | (((at % SECOND) as u64 * (1 << 32)) / SECOND as u64);
    (time, (time >> 16) as u32)
}

/// A call of 20 s with sound both ways.
fn conversation(change: impl FnOnce(&mut sidetone::config::Config)) -> (Scene, Call, Flow, Flow) {
    let call = Call::v4("delay");
    let mut scene = Scene::new().configured(change);
    scene.answer(-SECOND, &call);
    let (there, back) = (Flow::of_caller(&call), Flow::of_callee(&call));
    scene.talk(0, &there, 0, 1000);
    scene.talk(0, &back, 0, 1000);
    (scene, call, there, back)
}

/// The caller's clock passes, the callee answers: `round_trip` later but for the 500 ms that it kept it.
fn round_trip(scene: &mut Scene, at: i64, asks: &Flow, answers: &Flow, milliseconds: f64) {
    let (time, middle) = ntp(at);
    scene.put(at, control(asks.from), control(asks.to), &sender_report(asks.ssrc, time, None));
    let answer = sender_report(answers.ssrc, ntp(at + SECOND).0, Some((asks.ssrc, middle, units(500.0))));
    scene.put(at + ms(500.0 + milliseconds), control(answers.from), control(answers.to), &answer);
}

fn source<'a>(seen: &'a Seen, flow: &Flow) -> &'a str {
    seen.stream(flow)["delay_source"].as_str().unwrap_or_default()
}

#[test]
fn both_round_trips_make_the_delay() {
    let (mut scene, _, there, back) = conversation(|_| {});
    for second in 0..3 {
        round_trip(&mut scene, ms(100.0) + second * 5 * SECOND, &there, &back, 80.0);
        round_trip(&mut scene, ms(900.0) + second * 5 * SECOND, &back, &there, 40.0);
    }
    let seen = scene.run();
    let rating = rate(
        &lookup("pcmu").expect("PCMU").default_mode().expect("a mode").profile(true).expect("a profile"),
        &Conditions { loss_ratio: 0.0, burst_ratio: 1.0, delay_seconds: 0.06 + BUFFER, echo: true },
    );
    for flow in [&there, &back] {
        assert_eq!(source(&seen, flow), "rtcp");
        near(float(seen.stream(flow), "/delay_seconds"), 0.12 / 2.0 + BUFFER, 5e-5);
        near(float(seen.stream(flow), "/r_factor"), rating.r_factor, 0.01);
        near(float(seen.stream(flow), "/round_trip_seconds/end_to_end"), 0.12, 1e-4);
    }
    let (far, near_side) = ("/round_trip_seconds/to_destination", "/round_trip_seconds/to_source");
    near(float(seen.stream(&there), far), 0.08, 5e-5);
    near(float(seen.stream(&there), near_side), 0.04, 5e-5);
    near(float(seen.stream(&back), far), 0.04, 5e-5);
    near(float(seen.stream(&back), near_side), 0.08, 5e-5);
    // Both streams' four intervals, all measured: the first round trips come within the first interval.
    assert_eq!(seen.sum("rtp_delay_seconds_count", "source=\"rtcp\""), 8.0);
    near(seen.sum("rtp_delay_seconds_sum", "source=\"rtcp\""), 8.0 * 0.12, 1e-3);
    assert_eq!(seen.sum("rtp_delay_seconds_count", "source=\"assumed\""), 0.0);
}

#[test]
fn one_side_alone_measures_no_delay() {
    let (mut scene, _, there, back) = conversation(|config| config.quality.assumed_delay = Duration::from_millis(100));
    round_trip(&mut scene, ms(100.0), &there, &back, 80.0);
    let seen = scene.run();
    for flow in [&there, &back] {
        assert_eq!(source(&seen, flow), "assumed");
        near(float(seen.stream(flow), "/delay_seconds"), 0.1 + BUFFER, 1e-9);
        assert!(seen.stream(flow)["round_trip_seconds"]["end_to_end"].is_null());
    }
    near(float(seen.stream(&there), "/round_trip_seconds/to_destination"), 0.08, 5e-5);
    assert_eq!(seen.sum("rtp_delay_seconds_count", "source=\"assumed\""), 8.0);
    near(seen.sum("rtp_delay_seconds_sum", "source=\"assumed\""), 8.0 * 0.16, 1e-9);
}

#[test]
fn an_interval_knows_what_was_measured_until_its_end() {
    let (mut scene, _, there, back) = conversation(|_| {});
    // In the third interval of four.
    round_trip(&mut scene, 11 * SECOND, &there, &back, 80.0);
    round_trip(&mut scene, 11 * SECOND, &back, &there, 40.0);
    let seen = scene.run();
    assert_eq!(seen.sum("rtp_delay_seconds_count", "source=\"assumed\""), 4.0);
    assert_eq!(seen.sum("rtp_delay_seconds_count", "source=\"rtcp\""), 4.0);
}

#[test]
fn a_receiver_s_clock_and_its_dlrr_measure_as_well() {
    let (mut scene, _, there, back) = conversation(|_| {});
    round_trip(&mut scene, ms(100.0), &there, &back, 80.0);
    // The other side by RFC 3611 alone: the callee's reference time, the caller's DLRR.
    let (time, middle) = ntp(2 * SECOND);
    let asks = extended(back.ssrc, &reference_time(time));
    scene.put(2 * SECOND, control(back.from), control(back.to), &asks);
    let answer = extended(there.ssrc, &dlrr(back.ssrc, middle, units(500.0)));
    scene.put(2 * SECOND + ms(530.0), control(there.from), control(there.to), &answer);
    let seen = scene.run();
    for flow in [&there, &back] {
        assert_eq!(source(&seen, flow), "rtcp");
        near(float(seen.stream(flow), "/delay_seconds"), (0.08 + 0.03) / 2.0 + BUFFER, 5e-5);
    }
}

#[test]
fn delay_costs_mos_and_says_so() {
    let rated = |milliseconds: f64| {
        let (mut scene, _, there, back) = conversation(|_| {});
        round_trip(&mut scene, ms(100.0), &there, &back, milliseconds);
        round_trip(&mut scene, ms(200.0), &back, &there, milliseconds);
        let seen = scene.run();
        (float(seen.stream(&there), "/mos"), float(seen.call("delay"), "/mos"))
    };
    let (short, long) = (rated(20.0), rated(400.0));
    assert!(short.0 > long.0 + 0.5, "{short:?} {long:?}");
    near(short.0, short.1, 1e-9);
}

#[test]
fn the_adaptive_buffer_s_delay_is_the_one_that_is_added() {
    let (scene, _, there, _) = conversation(|config| {
        config.quality.playout_buffer = sidetone::config::PlayoutBuffer::Adaptive;
        config.quality.assumed_delay = Duration::from_millis(50);
    });
    let seen = scene.run();
    let stream = seen.stream(&there);
    near(float(stream, "/delay_seconds"), 0.05 + float(stream, "/playout/adaptive/delay_seconds"), 1e-9);
    assert!(float(stream, "/playout/adaptive/delay_seconds") < 0.04, "no jitter, little delay");
}
