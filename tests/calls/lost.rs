//! Answered calls whose BYE was lost: ended by the session timer, by the silence of their media, or by the cap.

use std::time::Duration;

use crate::ladder::{play, play_and_wait, sound_at, wait, with};
use crate::scene::{Flow, Scene, float, ms, near};

const ANSWERED: &str = "
    0 A>B INVITE 1 sdp=sendrecv
    100 B>A 200 INVITE 1 sdp=sendrecv
    110 A>B ACK 1
";

#[test]
fn a_session_that_is_not_refreshed_has_ended() {
    let timed =
        ANSWERED.replace("200 INVITE 1 sdp=sendrecv", "200 INVITE 1 sdp=sendrecv | Session-Expires: 90;refresher=uac");
    let seen = play_and_wait(&timed, 200);
    seen.ended(1.0, &[("dropped", 1.0)]);
    seen.counts(&[("call_releases_total", "side=\"timeout\"", 1.0), ("call_lost_duration_seconds_sum", "", 90.0)]);
    assert_eq!(seen.call("call-1")["ended_by"], "timeout");
    near(float(seen.call("call-1"), "/duration_seconds"), 90.0, 1e-6);
    // A BYE up to 32 s late is a BYE.
    play_and_wait(&format!("{timed} 115000 A>B BYE 2"), 200).ended(1.0, &[("completed", 1.0)]);
}

#[test]
fn a_refresh_keeps_the_session() {
    for method in ["UPDATE", "INVITE"] {
        let refreshed = format!(
            "{}
            60000 A>B {method} 12
            60010 B>A 200 {method} 12 | x: 90;refresher=uac
            120000 B>A {method} 11 ft=b tt=a
            120010 A>B 200 {method} 11 ft=b tt=a | Session-Expires: 90;refresher=uac",
            ANSWERED.replace("200 INVITE 1 sdp=sendrecv", "200 INVITE 1 sdp=sendrecv | Session-Expires: 90")
        );
        let seen = play_and_wait(&refreshed, 200);
        seen.counts(&[("call_active", "state=\"answered\"", 1.0), ("call_outcomes_total", "", 0.0)]);
        play_and_wait(&refreshed, 300).ended(1.0, &[("dropped", 1.0)]);
    }
    // A refresh without Session-Expires ends the timer (RFC 4028 section 7.2).
    let without = format!(
        "{} 60000 A>B UPDATE 12 \n 60010 B>A 200 UPDATE 12",
        ANSWERED.replace("200 INVITE 1 sdp=sendrecv", "200 INVITE 1 sdp=sendrecv | Session-Expires: 90")
    );
    play_and_wait(&without, 300).counts(&[("call_active", "state=\"answered\"", 1.0)]);
}

fn flow() -> Flow {
    Flow { from: sound_at("A", 0), to: sound_at("B", 0), ssrc: 0xaaaa_0001, payload_type: 0 }
}

#[test]
fn a_call_whose_media_falls_silent_has_ended() {
    let mut scene = with(Scene::new(), ANSWERED);
    scene.talk(ms(200.0), &flow(), 0, 500);
    let seen = wait(scene, 330).run();
    seen.ended(1.0, &[("dropped", 1.0)]);
    // It ended with its last packet, 499 * 20 ms after the first.
    near(float(seen.call("call-1"), "/duration_seconds"), 0.1 + 499.0 * 0.02, 1e-6);
    seen.counts(&[("call_lost_duration_seconds_count", "", 1.0), ("call_duration_seconds_count", "", 0.0)]);
}

#[test]
fn on_hold_or_without_any_media_silence_says_nothing() {
    // No media was ever seen here: it may go another way.
    play_and_wait(ANSWERED, 330).counts(&[("call_active", "state=\"answered\"", 1.0)]);
    let held = format!("{ANSWERED} 11000 A>B INVITE 12 sdp=inactive \n 11010 B>A 200 INVITE 12 sdp=inactive");
    let mut scene = with(Scene::new(), &held);
    scene.talk(ms(200.0), &flow(), 0, 500);
    wait(scene, 400).run().counts(&[("call_active", "state=\"held\"", 1.0)]);
}

#[test]
fn who_does_not_know_the_call_has_lost_it() {
    let seen =
        play(&format!("{ANSWERED} 9000 A>B INVITE 12 sdp=sendrecv \n 9010 B>A 481 INVITE 12 \n 9020 A>B BYE 13"));
    // Whoever was told so says BYE (RFC 3261 section 12.2.1.2).
    seen.ended(1.0, &[("completed", 1.0)]);
    play("0 A>B INVITE 15 \n 10 B>A 481 INVITE 15")
        .counts(&[("call_active", "", 0.0), ("call_half_seen_total", "", 1.0)]);
}

#[test]
fn the_cap_ends_what_nothing_else_does() {
    let scene = with(Scene::new(), ANSWERED).configured(|config| config.calls.max_duration = Duration::from_secs(60));
    let seen = wait(scene, 100).run();
    seen.ended(1.0, &[("dropped", 1.0)]);
    seen.counts(&[("call_releases_total", "side=\"timeout\"", 1.0)]);
}
