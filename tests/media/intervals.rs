//! Intervals: one observation a stream in each, counted from the stream's own start; and the time that streams lasted.

use proptest::prelude::*;

use crate::cases::cases;
use crate::harness::SECOND;
use crate::packets::Call;
use crate::scene::{Flow, Scene, Seen, float, ms, near};

const OBSERVED: [&str; 4] = ["rtp_jitter_seconds", "rtp_loss_ratio", "rtp_gap_seconds", "rtp_mos"];

fn flow(n: u32) -> Flow {
    Flow::new(&format!("192.0.2.10:{}", 20_000 + 2 * n), "192.0.2.20:30000", 0xcafe_0000 + n, 0)
}

/// Observations of each histogram; they have to agree.
fn observations(seen: &Seen) -> u64 {
    let counts = OBSERVED.map(|family| seen.sum(&format!("{family}_count"), "") as u64);
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    let delays = seen.sum("rtp_delay_seconds_count", "") as u64;
    assert_eq!(delays, counts[0], "one delay with each MOS");
    counts[0]
}

/// First to last packet of all streams, seconds.
fn lifetimes(seen: &Seen) -> f64 {
    seen.streams().iter().map(|one| float(one, "/last_packet_time") - float(one, "/first_packet_time")).sum()
}

#[test]
fn one_observation_an_interval_however_long_the_stream() {
    // 20 ms packets from 0 on: the last one is at (packets - 1) * 20 ms.
    for (packets, want) in [(10, 1), (250, 1), (251, 2), (500, 2), (501, 3), (1_010, 5), (15_000, 60)] {
        let mut scene = Scene::new();
        scene.talk(ms(1_234.567), &flow(1), 0, packets);
        let seen = scene.run();
        assert_eq!(observations(&seen), want, "{packets} packets");
        near(seen.sum("rtp_stream_seconds_total", ""), lifetimes(&seen), 1e-3);
        near(seen.sum("rtp_stream_seconds_total", "quality=\"good\""), lifetimes(&seen), 1e-3);
    }
}

#[test]
fn the_length_of_an_interval_is_configured() {
    let mut scene = Scene::new().configured(|config| config.media.interval = std::time::Duration::from_secs(1));
    scene.talk(0, &flow(1), 0, 500);
    assert_eq!(observations(&scene.run()), 10);
}

#[test]
fn intervals_are_those_of_the_stream() {
    // Lost: every second packet from 251 to 497, all of them in the second interval, wherever the stream begins.
    for start in [0.0, 333.3, 4_999.0, 7_777.0] {
        let mut scene = Scene::new();
        for n in (0..750u64).filter(|n| !(250..499).contains(n) || n % 2 == 0) {
            scene.rtp(ms(start) + n as i64 * ms(20.0), &flow(1), n, n * 160);
        }
        // Another stream's beat changes nothing.
        scene.talk(ms(100.0), &flow(2), 0, 1500);
        let seen = scene.run();
        let clean = seen.sum("rtp_loss_ratio_bucket", "le=\"0.0\"") + seen.sum("rtp_loss_ratio_bucket", "le=\"0\"");
        assert_eq!(seen.sum("rtp_loss_ratio_count", "") - clean, 1.0, "from {start} ms");
        near(seen.sum("rtp_loss_ratio_sum", ""), 124.0 / 250.0, 1e-9);
        near(seen.sum("rtp_stream_seconds_total", "quality=\"poor\""), 5.0, 0.021);
    }
}

#[test]
fn silence_is_observed_nowhere() {
    // 2 s, nothing for 60 s, 2 s: two intervals with packets, and the time of the silence is nobody's.
    let call = Call::v4("silence");
    let flow = Flow::of_caller(&call);
    let mut scene = Scene::new();
    scene.answer(0, &call);
    scene.talk(0, &flow, 0, 100);
    for n in 100..200u64 {
        scene.rtp(n as i64 * ms(20.0) + 60 * SECOND, &flow, n, n * 160 + 60 * 8000);
    }
    (0..80).for_each(|second| scene.pause(second * SECOND + ms(500.0)));
    let seen = scene.run();
    assert_eq!(observations(&seen), 2);
    let seconds = seen.sum("rtp_stream_seconds_total", "");
    assert!((4.0 - 0.05..=10.0).contains(&seconds), "{seconds}");
}

#[test]
fn time_ends_with_the_last_packet_however_late_the_end_is_noticed() {
    // 6 s of stream; the second interval would last until 10 s, and the frames of others go on for 90 s.
    let mut scene = Scene::new();
    scene.talk(0, &flow(1), 0, 301);
    (0..90).for_each(|second| scene.pause(second * SECOND + ms(500.0)));
    let seen = scene.run();
    assert_eq!(observations(&seen), 2);
    near(lifetimes(&seen), 6.0, 1e-6);
    near(seen.sum("rtp_stream_seconds_total", ""), 6.0, 1e-6);
}

#[test]
fn a_burst_counts_in_the_interval_that_it_is_in() {
    // 20 of 250 packets in a row, at the beginning, in the middle, and at the end of the second of four intervals.
    let rated = |from: u64| {
        let mut scene = Scene::new();
        for n in (0..1000u64).filter(|n| !(from..from + 20).contains(n)) {
            scene.rtp(n as i64 * ms(20.0), &flow(1), n, n * 160);
        }
        let seen = scene.run();
        assert_eq!(observations(&seen), 4);
        seen.sum("rtp_mos_sum", "")
    };
    let middle = rated(350);
    near(rated(260), middle, 1e-9);
    near(rated(470), middle, 1e-9);
}

#[test]
fn a_stream_without_a_model_has_seconds_of_unknown_quality() {
    let unknown = flow(3).typed(96);
    let mut scene = Scene::new();
    scene.talk(0, &unknown, 0, 300);
    let seen = scene.run();
    near(seen.sum("rtp_stream_seconds_total", "quality=\"unknown\""), 5.98, 1e-6);
    near(seen.sum("rtp_stream_seconds_total", ""), 5.98, 1e-6);
    assert_eq!(seen.sum("rtp_mos_count", ""), 0.0);
    assert_eq!(seen.sum("rtp_jitter_seconds_count", ""), 0.0, "no clock");
    assert_eq!((seen.sum("rtp_loss_ratio_count", ""), seen.sum("rtp_gap_seconds_count", "")), (2.0, 2.0));
}

proptest! {
    #![proptest_config(cases(60))]

    /// Streams of any length and start, with jitter and loss: the seconds are their lifetimes, the observations their intervals.
    #[test]
    fn seconds_add_up_to_lifetimes(streams in prop::collection::vec((0..20_000u32, 10..2_000u64, 0..15u64), 1..5), tail in 0..70i64) {
        let mut scene = Scene::new();
        for (n, (start, packets, jitter)) in (0u32..).zip(&streams) {
            for k in (0..*packets).filter(|k| k % 37 != 36 || k + 1 == *packets) {
                let delay = ms((k * 7 % (jitter + 1)) as f64);
                scene.rtp(ms(f64::from(*start)) + k as i64 * ms(20.0) + delay, &flow(n), k, k * 160);
            }
        }
        (0..60 + tail).for_each(|second| scene.pause(second * SECOND));
        let seen = scene.run();
        let seconds = seen.sum("rtp_stream_seconds_total", "");
        prop_assert!((seconds - lifetimes(&seen)).abs() < 1e-3, "{} s of streams that lasted {} s", seconds, lifetimes(&seen));
        let intervals: u64 = seen.streams().iter().map(|one| {
            ((float(one, "/last_packet_time") - float(one, "/first_packet_time")) / 5.0 + 1e-7).floor() as u64 + 1
        }).sum();
        prop_assert_eq!(observations(&seen), intervals);
    }
}
