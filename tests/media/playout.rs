//! The emulated playout buffer: what is later than 60 ms behind the fastest of the last seconds is discarded, and nothing else.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use sidetone::config::PlayoutBuffer;

use crate::cases::cases;
use crate::harness::{Random, SECOND};
use crate::packets::Call;
use crate::scene::{Flow, Scene, Seen, body, count, float, ms, near, rtp, sound};

const FIXED: i64 = 60_000_000;
/// Packets of 20 ms that can be late in the second that a buffer takes to follow a longer way, its last one included.
const SECOND_OF_PACKETS: u64 = 51;

fn flow() -> Flow {
    Flow::new("192.0.2.10:20000", "192.0.2.20:30000", 0xcafe_0001, 0)
}

/// Packets 0 to `end`, each later by what `delay` says (nanoseconds); `None` for lost ones.
fn scene(end: u64, delay: impl Fn(u64) -> Option<i64>) -> Scene {
    let mut scene = Scene::new();
    for n in 0..end {
        if let Some(delay) = delay(n) {
            scene.rtp(ms(20.0) * n as i64 + delay, &flow(), n, n * 160);
        }
    }
    scene
}

fn discarded(scene: Scene) -> u64 {
    let seen = scene.run();
    let of_stream = count(seen.stream(&flow()), "discarded");
    assert_eq!(seen.sum("rtp_packets_discarded_total", "") as u64, of_stream, "the counter, and the stream's own");
    assert_eq!(count(seen.stream(&flow()), "lost"), 0, "late is not lost");
    of_stream
}

#[test]
fn a_packet_may_be_late_by_the_delay_of_the_buffer_and_no_nanosecond_more() {
    assert_eq!(discarded(scene(100, |n| Some(if n == 50 { FIXED } else { 0 }))), 0);
    assert_eq!(discarded(scene(100, |n| Some(if n == 50 { FIXED + 1000 } else { 0 }))), 1);
    assert_eq!(discarded(scene(100, |n| Some(if n % 10 == 5 { FIXED + 1000 } else { 0 }))), 10);
}

#[test]
fn the_delay_of_the_fixed_buffer_is_configured() {
    for (delay, want) in [(39, 100), (40, 0)] {
        let scene = scene(1000, |n| Some(if n % 10 == 5 { ms(40.0) } else { 0 }));
        let scene = scene.configured(|config| config.quality.playout_delay = Duration::from_millis(delay));
        assert_eq!(discarded(scene), want, "{delay} ms");
    }
}

#[test]
fn lateness_is_measured_from_the_fastest_of_the_last_seconds() {
    // A constant delay is the way's own; the buffer never learns of it.
    assert_eq!(discarded(scene(500, |_| Some(ms(500.0)))), 0);
    // One packet was 30 ms faster than all others: for 5 s and no longer than 10 s, 85 ms behind it is late.
    let delays = |fast: u64, slow: u64| {
        move |n: u64| {
            Some(ms(if n == fast {
                0.0
            } else if n == slow {
                85.0
            } else {
                30.0
            }))
        }
    };
    assert_eq!(discarded(scene(2000, delays(500, 500 + 245))), 1, "within 5 s");
    assert_eq!(discarded(scene(2000, delays(500, 500 + 501))), 0, "10 s later");
}

#[test]
fn spikes_are_late_and_what_follows_them_is_not() {
    assert_eq!(discarded(scene(1000, |n| Some(if n % 100 == 50 { ms(200.0) } else { 0 }))), 10);
}

#[test]
fn copies_events_and_comfort_noise_are_never_discarded() {
    let mut scene = scene(300, |n| (n != 100 && n != 120).then_some(0));
    // Copies 500 ms late; an event and comfort noise 300 ms late.
    for n in [10, 20, 30] {
        scene.rtp(ms(20.0) * n + ms(500.0), &flow(), n as u64, n as u64 * 160);
    }
    let cn = flow().typed(13);
    scene.put(ms(20.0 * 100.0 + 300.0), cn.from, cn.to, &rtp(&cn, 100, 16_000, false, &[50]));
    let call = Call { caller_media: flow().from, callee_media: flow().to, ..Call::v4("events") };
    scene.answer(-ms(100.0), &call);
    let event = flow().typed(101);
    scene.put(ms(20.0 * 120.0 + 300.0), event.from, event.to, &rtp(&event, 120, 19_200, true, &[5, 0x8a, 3, 0x20]));
    let seen = scene.run();
    let stream = seen.stream(&flow());
    assert_eq!((count(stream, "discarded"), count(stream, "duplicates"), count(stream, "lost")), (0, 3, 0));
    assert_eq!(count(stream, "dtmf_events"), 1);
    assert_eq!(seen.sum("rtp_packets_discarded_total", ""), 0.0);
}

#[test]
fn clock_drift_discards_nothing_in_an_hour() {
    for parts_per_million in [-300, -100, 100, 300] {
        let drift = |n: u64| Some(n as i64 * 20 * parts_per_million);
        assert_eq!(discarded(scene(180_000, drift)), 0, "{parts_per_million} ppm");
    }
}

#[test]
fn a_longer_way_is_followed_after_about_a_second_and_a_shorter_one_at_once() {
    let longer = discarded(scene(3000, |n| Some(if n < 1000 { 0 } else { ms(100.0) })));
    assert!((25..=SECOND_OF_PACKETS).contains(&longer), "{longer}");
    assert_eq!(discarded(scene(3000, |n| Some(if n < 1000 { 0 } else { ms(55.0) }))), 0);
    // Four are still on the longer way when the first comes on the shorter one.
    assert_eq!(discarded(scene(3000, |n| Some(if n < 1000 { ms(100.0) } else { 0 }))), 4);
}

#[test]
fn of_a_stall_and_the_burst_after_it_all_that_missed_their_turn_are_late() {
    // Packets 100 to 160 come at the time of packet 160: 1200, 1180, ... 0 ms late, 80 and above of them too late.
    let stall = |n: u64| Some(if (100..160).contains(&n) { ms(20.0 * (160 - n) as f64) } else { 0 });
    assert_eq!(discarded(scene(500, stall)), 57);
}

#[test]
fn a_talk_spurt_starts_the_buffer_anew_where_timestamps_stop_in_silence() {
    // Ten spurts of 2 s, 3 s of silence between them that neither numbers nor timestamps know.
    let spurts = |marks: bool, silence_in_timestamps: u64| {
        let mut scene = Scene::new();
        for n in 0..1000u64 {
            let (spurt, first) = (n / 100, n % 100 == 0);
            let time = ms(20.0) * n as i64 + spurt as i64 * 3 * SECOND;
            scene.marked(time, &flow(), n, n * 160 + spurt * silence_in_timestamps, marks && first);
        }
        discarded(scene)
    };
    assert_eq!(spurts(true, 0), 0, "marked, timestamps stop");
    assert_eq!(spurts(true, 24_000), 0, "marked, timestamps go on");
    assert_eq!(spurts(false, 24_000), 0, "not marked, timestamps go on");
    let unmarked = spurts(false, 0);
    assert!(unmarked <= 9 * SECOND_OF_PACKETS, "{unmarked}: followed within a second each");
}

#[test]
fn timestamps_that_wrap_or_begin_anew_discard_nothing() {
    let with = |timestamp: &dyn Fn(u64) -> u64| {
        let mut scene = Scene::new();
        (0..500).for_each(|n| scene.rtp(ms(20.0) * n as i64, &flow(), n, timestamp(n)));
        scene.run()
    };
    let wrapped = with(&|n| (u64::from(u32::MAX) - 40_000 + n * 160) & 0xffff_ffff);
    assert_eq!(count(wrapped.stream(&flow()), "discarded"), 0);
    near(float(wrapped.stream(&flow()), "/jitter_seconds/max"), 0.0, 1e-9);
    for origin in [1_000_000_000u64, 3_000_000_000, 50_000, 16_000] {
        let seen = with(&|n| n * 160 + if n < 250 { 0 } else { origin });
        assert_eq!(count(seen.stream(&flow()), "discarded"), 0, "{origin} ticks on");
    }
    // Two seconds back look like a way that is longer by two seconds.
    let back = with(&|n| 100_000 + n * 160 - if n < 250 { 0 } else { 16_000 });
    assert!(count(back.stream(&flow()), "discarded") <= SECOND_OF_PACKETS);
}

#[test]
fn the_adaptive_buffer_stays_within_its_bounds() {
    for (jitter, least, most) in [(0.0, 0.020, 0.022), (15.0, 0.02, 0.1), (150.0, 0.1, 0.200), (2000.0, 0.15, 0.200)] {
        let seen = noisy(3000, jitter).run();
        let delay = float(seen.stream(&flow()), "/playout/adaptive/delay_seconds");
        assert!((least..=most).contains(&delay), "{delay} s at {jitter} ms of jitter");
        near(float(seen.stream(&flow()), "/playout/fixed/delay_seconds"), 0.06, 1e-12);
    }
}

/// Uniform jitter; reordered where it is longer than a packet.
fn noisy(end: u64, jitter_ms: f64) -> Scene {
    let mut random = Random::new(7);
    let delays: Vec<i64> =
        (0..end).map(|_| (ms(jitter_ms) as f64 * random.below(10_000) as f64 / 1e4) as i64).collect();
    scene(end, |n| Some(delays[n as usize]))
}

#[test]
fn the_buffer_that_is_believed_decides_discards_and_mos() {
    let run = |buffer| noisy(3000, 120.0).configured(|config| config.quality.playout_buffer = buffer).run();
    let (fixed, adaptive) = (run(PlayoutBuffer::Fixed), run(PlayoutBuffer::Adaptive));
    let get = |seen: &Seen, path: &str| float(seen.stream(&flow()), path);
    for (seen, name) in [(&fixed, "fixed"), (&adaptive, "adaptive")] {
        assert_eq!(seen.stream(&flow())["playout"]["buffer"], name);
        assert_eq!(get(seen, "/discarded"), get(seen, &format!("/playout/{name}/discarded")));
        near(get(seen, "/delay_seconds"), get(seen, &format!("/playout/{name}/delay_seconds")), 1e-9);
        assert_eq!(seen.sum("rtp_packets_discarded_total", ""), get(seen, "/discarded"));
    }
    // Both are emulated in both runs, alike.
    assert_eq!(get(&fixed, "/playout/fixed/discarded"), get(&adaptive, "/playout/fixed/discarded"));
    assert_eq!(get(&fixed, "/playout/adaptive/discarded"), get(&adaptive, "/playout/adaptive/discarded"));
    assert!(get(&adaptive, "/discarded") < get(&fixed, "/discarded") / 4.0);
    assert!(get(&adaptive, "/mos") > get(&fixed, "/mos") + 0.5, "{} {}", get(&adaptive, "/mos"), get(&fixed, "/mos"));
    assert!(get(&adaptive, "/delay_seconds") > get(&fixed, "/delay_seconds"));
}

#[test]
fn what_comes_too_late_costs_the_mos_of_what_never_came() {
    // One in 25, at fixed distance: 4 % with a burst ratio of 1.
    let late = scene(5000, |n| Some(if n % 25 == 12 { ms(80.0) } else { 0 })).run();
    let lost = scene(5000, |n| (n % 25 != 12).then_some(0)).run();
    let (late, lost) = (late.stream(&flow()), lost.stream(&flow()));
    assert_eq!((count(late, "discarded"), count(late, "lost")), (200, 0));
    assert_eq!((count(lost, "discarded"), count(lost, "lost")), (0, 200));
    for path in ["/r_factor", "/mos", "/burst_gap/missed_ratio", "/burst_gap/burst_ratio", "/burst_gap/gap_density"] {
        near(float(late, path), float(lost, path), 1e-9);
    }
    near(float(late, "/loss_ratio"), 0.0, 0.0);
}

#[test]
fn no_playout_without_a_clock_nor_of_video() {
    let unknown = flow().typed(96);
    let mut scene = Scene::new();
    for n in 0..200u64 {
        scene.rtp(ms(20.0) * n as i64 + if n % 10 == 5 { ms(150.0) } else { 0 }, &unknown, n, n * 160);
    }
    let seen = scene.run();
    let stream = seen.stream(&unknown);
    for field in ["discarded", "playout", "mos", "r_factor", "clock_rate_hz", "codec"] {
        assert_eq!(stream[field], Value::Null, "{field}");
    }
    let call = Call::v4("video");
    let sections = |port: u16| format!("m=video {port} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n");
    let mut scene = Scene::new();
    let (offer, answer) = (body("192.0.2.10", &sections(20000)), body("192.0.2.20", &sections(30000)));
    scene.agree(0, &call, 1, &offer, &answer);
    let video = Flow::of_caller(&call).typed(96);
    for n in 0..200u64 {
        scene.rtp(ms(33.0) * n as i64 + if n % 10 == 5 { ms(150.0) } else { 0 }, &video, n, n * 2970);
    }
    let seen = scene.run();
    let stream = seen.stream(&video);
    assert_eq!((&stream["codec"], count(stream, "packets")), (&"vp8".into(), 200));
    for field in ["discarded", "playout", "mos", "r_factor"] {
        assert_eq!(stream[field], Value::Null, "{field}");
    }
    assert_eq!(seen.sum("rtp_packets_discarded_total", ""), 0.0);
}

#[test]
fn a_late_packet_of_an_unknown_codec_on_a_known_clock_is_discarded_and_has_no_mos() {
    let call = Call::v4("unknown codec");
    let section = |port: u16| format!("m=audio {port} RTP/AVP 97\r\na=rtpmap:97 X-SECRET/8000\r\n");
    let mut scene = Scene::new();
    scene.agree(0, &call, 1, &body("192.0.2.10", &section(20000)), &body("192.0.2.20", &section(30000)));
    let flow = Flow::of_caller(&call).typed(97);
    (0..100).for_each(|n| scene.rtp(ms(20.0) * n as i64 + if n == 50 { ms(90.0) } else { 0 }, &flow, n, n * 160));
    let seen = scene.run();
    assert_eq!(count(seen.stream(&flow), "discarded"), 1);
    assert_eq!(seen.stream(&flow)["mos"], Value::Null);
    assert!(sound(call.caller_media, "").contains("RTP/AVP 0 8"));
}

/// What the wire does to one packet.
#[derive(Clone, Debug)]
struct Fate {
    lost: bool,
    delay_ms: u16,
    copy_after_ms: Option<u16>,
}

fn fates(longest: usize) -> impl Strategy<Value = Vec<Fate>> {
    let delay = prop_oneof![4 => 0..30u16, 2 => 30..90u16, 1 => 90..400u16];
    let fate = (prop::bool::weighted(0.05), delay, prop::option::weighted(0.05, 1..200u16));
    let fate = fate.prop_map(|(lost, delay_ms, copy_after_ms)| Fate { lost, delay_ms, copy_after_ms });
    prop::collection::vec(fate, 20..longest)
}

/// Arrivals in their order: time, and number.
fn arrivals(fates: &[Fate]) -> Vec<(i64, u64)> {
    let mut all = Vec::new();
    for (n, fate) in fates.iter().enumerate().filter(|(_, fate)| !fate.lost) {
        let at = ms(20.0) * n as i64 + ms(f64::from(fate.delay_ms));
        all.push((at, n as u64));
        all.extend(fate.copy_after_ms.map(|after| (at + ms(f64::from(after)), n as u64)));
    }
    all.sort();
    all
}

/// The buffer as it is defined: a packet is late that comes more than 60 ms after its turn, which is that of the fastest packet
/// so far; after a second without a packet in time the next one sets the turn. Gives the late numbers: never, once, or surely
/// not, as far as the window of 5 to 10 s leaves it open.
fn surely_late(arrivals: &[(i64, u64)], window: i64) -> Vec<u64> {
    let mut known: Vec<(i64, i64)> = Vec::new();
    let (mut seen, mut late, mut since) = (Vec::new(), Vec::new(), None);
    for (at, number) in arrivals {
        let transit = at - ms(20.0) * *number as i64;
        known.push((*at, transit));
        let recent = known.iter().filter(|(then, _)| at - then <= window).map(|(_, transit)| *transit);
        if transit - recent.min().unwrap_or(transit) > FIXED {
            if !seen.contains(number) {
                late.push(*number);
            }
            if at - *since.get_or_insert(*at) >= SECOND {
                known = vec![(*at, transit)];
                since = None;
            }
        } else {
            since = None;
        }
        seen.push(*number);
    }
    late
}

fn played(arrivals: &[(i64, u64)]) -> Seen {
    let mut scene = Scene::new();
    arrivals.iter().for_each(|(at, number)| scene.rtp(*at, &flow(), *number, *number * 160));
    scene.run()
}

proptest! {
    #![proptest_config(cases(200))]

    /// Less than the shortest window: no freedom.
    #[test]
    fn discards_are_those_of_the_definition(fates in fates(220)) {
        let arrivals = arrivals(&fates);
        prop_assume!(arrivals.len() > 8 && arrivals.last().unwrap().0 - arrivals[0].0 < 5 * SECOND - 1);
        let seen = played(&arrivals);
        let stream = seen.stream(&flow());
        let numbers: Vec<u64> = arrivals.iter().map(|(_, number)| *number).collect();
        let (first, last) = (numbers.iter().min().unwrap(), numbers.iter().max().unwrap());
        let lost = (*first..=*last).filter(|n| !numbers.contains(n)).count() as u64;
        let late = surely_late(&arrivals, i64::MAX).len() as u64;
        prop_assert_eq!(count(stream, "discarded"), late);
        prop_assert_eq!(count(stream, "lost"), lost);
        prop_assert_eq!(count(stream, "expected"), last - first + 1);
        // Lost and late together, each once.
        let missed = (lost + late) as f64 / (last - first + 1) as f64;
        let told = stream.pointer("/burst_gap/missed_ratio").and_then(Value::as_f64).unwrap_or(0.0);
        prop_assert!((told - missed).abs() < 1e-12, "missed {} instead of {}", told, missed);
    }
}

proptest! {
    #![proptest_config(cases(40))]

    /// A minute: between those late against the last 5 s and those late against the last 10 s.
    #[test]
    fn discards_of_long_streams_lie_where_the_window_says(fates in fates(3000)) {
        let arrivals = arrivals(&fates);
        prop_assume!(arrivals.len() > 8);
        let seen = played(&arrivals);
        let (least, most) = (surely_late(&arrivals, 5 * SECOND).len(), surely_late(&arrivals, 10 * SECOND).len());
        let discarded = count(seen.stream(&flow()), "discarded") as usize;
        prop_assert!((least..=most).contains(&discarded), "{} is not within {} to {}", discarded, least, most);
    }
}
