//! Dialogs as they are on real wires: challenges, forks, proxies, what crosses on the way, what was begun before the capture.

use crate::ladder::{play, play_and_wait};
use crate::scene::{float, near};

#[test]
fn a_challenge_is_no_attempt_of_its_own() {
    let seen = play(
        "0 A>B INVITE 1 sdp=sendrecv
        10 B>A 401 INVITE 1
        12 A>B ACK 1
        15 A>B INVITE 2 new sdp=sendrecv
        25 B>A 407 INVITE 2
        27 A>B ACK 2
        30 A>B INVITE 3 new sdp=sendrecv
        40 B>A 422 INVITE 3 | Min-SE: 1800
        42 A>B ACK 3
        50 A>B INVITE 4 new sdp=sendrecv | Session-Expires: 1800
        60 B>A 100 INVITE 4
        150 B>A 180 INVITE 4
        2000 B>A 200 INVITE 4 sdp=sendrecv
        2010 A>B ACK 4
        8000 B>A BYE 1 ft=b tt=a
        8010 A>B 200 BYE 1 ft=b tt=a",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_answers_total", "", 1.0), ("call_setup_delay_seconds_count", "", 1.0)]);
    near(float(seen.call("call-1"), "/setup_delay_seconds"), 0.15, 1e-6);
    near(float(seen.call("call-1"), "/answer_delay_seconds"), 2.0, 1e-6);
    near(float(seen.call("call-1"), "/duration_seconds"), 6.0, 1e-6);
}

#[test]
fn a_redirection_that_is_followed_is_two_attempts() {
    let seen = play(
        "0 A>P INVITE 1
        10 P>A 302 INVITE 1 | Contact: <sip:bob@198.51.100.20>
        12 A>P ACK 1
        20 A>B INVITE 2 new
        30 B>A 486 INVITE 2
        32 A>B ACK 2",
    );
    seen.ended(2.0, &[("redirected", 1.0), ("busy", 1.0)]);
    seen.counts(&[("call_final_status_total", "code=\"302\"", 1.0), ("call_final_status_total", "code=\"486\"", 1.0)]);
}

#[test]
fn forks_ring_together_and_one_answers() {
    let seen = play(
        "0 A>P INVITE 1
        5 P>A 100 INVITE 1
        10 P>B INVITE 1
        11 P>C INVITE 1 br=third
        40 B>P 180 INVITE 1 tt=b
        41 P>A 180 INVITE 1 tt=b
        50 C>P 180 INVITE 1 tt=c br=third
        51 P>A 180 INVITE 1 tt=c
        900 C>P 603 INVITE 1 tt=c br=third
        901 P>C ACK 1 tt=c br=third
        3000 B>P 200 INVITE 1 tt=b
        3001 P>A 200 INVITE 1 tt=b
        3010 A>P ACK 1 tt=b
        3011 P>B ACK 1 tt=b
        9000 A>P BYE 2 tt=b
        9001 P>B BYE 2 tt=b
        9010 B>P 200 BYE 2 tt=b
        9011 P>A 200 BYE 2 tt=b",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_answers_total", "", 1.0), ("call_disconnect_delay_seconds_count", "", 1.0)]);
}

#[test]
fn of_two_answers_the_call_ends_with_the_last_bye() {
    let both = "
        0 A>P INVITE 1
        40 P>A 180 INVITE 1 tt=b
        41 P>A 180 INVITE 1 tt=c
        2000 P>A 200 INVITE 1 tt=b
        2005 A>P ACK 1 tt=b
        2010 P>A 200 INVITE 1 tt=c
        2015 A>P ACK 1 tt=c
        2020 A>P BYE 2 tt=c
        2030 P>A 200 BYE 2 tt=c";
    let seen = play(both);
    seen.counts(&[("call_attempts_total", "", 1.0), ("call_answers_total", "", 1.0), ("call_outcomes_total", "", 0.0)]);
    seen.counts(&[("call_active", "state=\"answered\"", 1.0)]);
    let seen = play(&format!("{both}\n 7000 A>P BYE 3 tt=b\n 7010 P>A 200 BYE 3 tt=b"));
    seen.ended(1.0, &[("completed", 1.0)]);
    near(float(seen.call("call-1"), "/duration_seconds"), 5.0, 1e-6);
    // The one that is kept may also be the second.
    let seen = play(&format!("{} 7000 P>A BYE 1 ft=c tt=a", both.replace("BYE 2 tt=c", "BYE 2 tt=b") + "\n"));
    seen.ended(1.0, &[("completed", 1.0)]);
    near(float(seen.call("call-1"), "/duration_seconds"), 5.0, 1e-6);
}

#[test]
fn a_proxys_cancel_ends_a_branch_only() {
    let seen = play(
        "0 A>P INVITE 1
        10 P>B INVITE 1
        11 P>C INVITE 1 br=third
        40 B>P 180 INVITE 1 tt=b
        41 P>A 180 INVITE 1 tt=b
        900 C>P 603 INVITE 1 tt=c br=third
        905 P>B CANCEL 1
        906 B>P 200 CANCEL 1
        910 B>P 487 INVITE 1 tt=b
        911 P>A 603 INVITE 1 tt=c
        912 A>P ACK 1 tt=c",
    );
    seen.ended(1.0, &[("rejected", 1.0)]);
}

#[test]
fn serial_forking_is_one_attempt_with_the_last_answer() {
    let seen = play(
        "0 A>P INVITE 1
        5 P>A 100 INVITE 1
        10 P>B INVITE 1
        20 B>P 503 INVITE 1
        21 P>B ACK 1
        30 P>C INVITE 1 br=third
        90 C>P 180 INVITE 1 tt=c br=third
        91 P>A 180 INVITE 1 tt=c
        2000 C>P 200 INVITE 1 tt=c br=third
        2001 P>A 200 INVITE 1 tt=c
        2010 A>P ACK 1 tt=c
        4000 A>P BYE 2 tt=c
        4005 P>A 200 BYE 2 tt=c",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_final_status_total", "code=\"200\"", 1.0)]);
}

#[test]
fn what_is_sent_again_counts_once() {
    let seen = play(
        "0 A>B INVITE 1 sdp=sendrecv
        500 A>B INVITE 1 sdp=sendrecv
        520 B>A 180 INVITE 1
        1020 B>A 180 INVITE 1
        1500 B>A 200 INVITE 1 sdp=sendrecv
        2000 B>A 200 INVITE 1 sdp=sendrecv
        2010 A>B ACK 1
        3000 A>B BYE 2
        3500 A>B BYE 2
        3510 B>A 200 BYE 2
        3511 B>A 200 BYE 2",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_answers_total", "", 1.0), ("call_disconnect_delay_seconds_sum", "", 0.51)]);
    seen.counts(&[("call_duration_seconds_count", "", 1.0)]);
}

#[test]
fn requests_within_a_call_are_no_attempts() {
    let seen = play(
        "0 A>B INVITE 1 sdp=sendrecv | Require: 100rel
        20 B>A 183 INVITE 1 sdp=sendrecv | RSeq: 1
        30 A>B PRACK 2 | RAck: 1 1 INVITE
        40 B>A 200 PRACK 2
        50 A>B UPDATE 3 sdp=sendrecv
        60 B>A 200 UPDATE 3 sdp=sendrecv
        2000 B>A 200 INVITE 1
        2010 A>B ACK 1
        3000 A>B INVITE 14 sdp=sendrecv
        3001 B>A INVITE 11 ft=b tt=a sdp=sendrecv
        3005 B>A 491 INVITE 14
        3006 A>B ACK 14
        3007 A>B 491 INVITE 11 ft=b tt=a
        3008 B>A ACK 11 ft=b tt=a
        5000 B>A INVITE 12 ft=b tt=a sdp=sendrecv
        5010 A>B 200 INVITE 12 ft=b tt=a sdp=sendrecv
        5020 B>A ACK 12 ft=b tt=a
        6000 A>B INFO 15
        6010 B>A 200 INFO 15
        7000 A>B BYE 16
        7010 B>A 481 BYE 16",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_answers_total", "", 1.0), ("call_setup_delay_seconds_sum", "", 0.02)]);
    seen.counts(&[("call_disconnect_delay_seconds_count", "", 1.0)]);
}

#[test]
fn a_call_that_was_under_way_is_followed_and_kept_apart() {
    let from_the_middle = "
        0 B>A INVITE 17 ft=b tt=a sdp=sendrecv
        10 A>B 200 INVITE 17 ft=b tt=a sdp=sendrecv
        20 B>A ACK 17 ft=b tt=a";
    let seen = play(from_the_middle);
    seen.counts(&[("call_half_seen_total", "", 1.0), ("call_active", "state=\"answered\"", 1.0)]);
    seen.counts(&[("call_attempts_total", "", 0.0), ("call_answers_total", "", 0.0)]);
    assert_eq!(seen.call("call-1")["half_seen"], true);
    let seen = play(&format!("{from_the_middle}\n 9000 A>B BYE 8\n 9010 B>A 200 BYE 8"));
    seen.counts(&[("call_outcomes_total", "", 0.0), ("call_active", "", 0.0)]);
    seen.counts(&[("call_releases_total", "cause=\"normal\"", 1.0), ("call_duration_seconds_count", "", 0.0)]);
    assert_eq!(seen.call("call-1")["outcome"], "completed");
    // The INVITE was before the capture, its answers are in it.
    let seen = play("0 B>A 180 INVITE 1 \n 2000 B>A 200 INVITE 1 \n 2010 A>B ACK 1");
    seen.counts(&[("call_half_seen_total", "", 1.0), ("call_active", "state=\"answered\"", 1.0)]);
    assert_eq!(seen.call("call-1")["source"], "192.0.2.10:5060");
    // Only its end is: that is no call.
    let seen = play("0 A>B BYE 9 \n 10 B>A 200 BYE 9 \n 20 B>A 486 INVITE 1 id=other");
    seen.counts(&[("call_half_seen_total", "", 0.0), ("call_releases_total", "", 0.0)]);
}

#[test]
fn a_bye_that_nobody_answers_is_counted() {
    let seen =
        play_and_wait("0 A>B INVITE 1 \n 10 B>A 200 INVITE 1 \n 20 A>B ACK 1 \n 1000 A>B BYE 2 \n 1500 A>B BYE 2", 40);
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_disconnect_timeouts_total", "", 1.0), ("call_disconnect_delay_seconds_count", "", 0.0)]);
}

#[test]
fn transfers_are_counted_as_what_they_are() {
    let seen = play(
        "0 A>B INVITE 1 sdp=sendrecv
        10 B>A 200 INVITE 1 sdp=sendrecv
        20 A>B ACK 1
        3000 B>A REFER 1 ft=b tt=a | Refer-To: <sip:carol@c.example>
        3010 A>B 202 REFER 1 ft=b tt=a
        3020 A>B NOTIFY 2 | Event: refer
        3030 B>A 200 NOTIFY 2
        3100 A>C INVITE 1 id=call-2 ft=x sdp=sendrecv | Referred-By: <sip:bob@b.example>
        3200 C>A 200 INVITE 1 id=call-2 ft=x tt=y sdp=sendrecv
        3210 A>C ACK 1 id=call-2 ft=x tt=y
        3300 B>A BYE 2 ft=b tt=a
        3310 A>B 200 BYE 2 ft=b tt=a
        4000 B>C INVITE 1 id=call-3 ft=m | Replaces: call-2;to-tag=x;from-tag=y
        4100 C>B 200 INVITE 1 id=call-3 ft=m tt=n
        4110 B>C ACK 1 id=call-3 ft=m tt=n
        4200 C>A BYE 1 id=call-2 ft=y tt=x
        9000 B>C BYE 2 id=call-3 ft=m tt=n",
    );
    seen.ended(3.0, &[("completed", 3.0)]);
    seen.counts(&[("call_transfers_total", "kind=\"refer\"", 1.0), ("call_transfers_total", "kind=\"replaces\"", 1.0)]);
}

#[test]
fn a_refer_that_is_refused_is_no_transfer() {
    let seen = play(
        "0 A>B INVITE 1 \n 10 B>A 200 INVITE 1 \n 20 A>B ACK 1
        3000 B>A REFER 1 ft=b tt=a
        3010 A>B 603 REFER 1 ft=b tt=a",
    );
    seen.counts(&[("call_transfers_total", "", 0.0), ("call_active", "state=\"answered\"", 1.0)]);
}
