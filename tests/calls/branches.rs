//! Early dialogs and branches that end alone, and Call-IDs that come again while their call seems to go on.

use crate::ladder::{play, play_and_wait};
use crate::scene::{float, near};

/// Two phones ring behind a proxy whose both sides are seen.
const BOTH_RING: &str = "
    0 A>P INVITE 1
    1 P>B INVITE 1
    2 P>C INVITE 1 br=third
    40 B>P 180 INVITE 1 tt=b
    41 P>A 180 INVITE 1 tt=b
    50 C>P 180 INVITE 1 tt=c br=third
    51 P>A 180 INVITE 1 tt=c
";

/// The caller wants only one of them (RFC 3261 section 15).
const ONE_IS_LEFT: &str = "
    1000 A>P BYE 2 tt=b
    1001 P>B BYE 2 tt=b
    1010 B>P 200 BYE 2 tt=b
    1011 P>A 200 BYE 2 tt=b
    1012 B>P 487 INVITE 1 tt=b
    1013 P>B ACK 1 tt=b
";

const OTHER_ANSWERS: &str = "
    3000 C>P 200 INVITE 1 tt=c br=third
    3001 P>A 200 INVITE 1 tt=c
    3010 A>P ACK 1 tt=c
";

#[test]
fn a_bye_ends_one_of_two_early_dialogs() {
    let seen = play(&format!("{BOTH_RING}{ONE_IS_LEFT}"));
    seen.counts(&[("call_active", "state=\"ringing\"", 1.0), ("call_outcomes_total", "", 0.0)]);
    let seen = play(&format!("{BOTH_RING}{ONE_IS_LEFT}{OTHER_ANSWERS} 9001 A>P BYE 3 tt=c"));
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_answers_total", "", 1.0), ("call_duration_seconds_sum", "", 6.001)]);
}

#[test]
fn a_bye_of_each_early_dialog_ends_the_attempt() {
    let seen = play(&format!(
        "{BOTH_RING}{ONE_IS_LEFT}
        2000 A>P BYE 3 tt=c
        2001 P>C BYE 3 tt=c
        2002 C>P 487 INVITE 1 tt=c br=third
        2003 P>A 487 INVITE 1 tt=c"
    ));
    seen.ended(1.0, &[("cancelled", 1.0)]);
    seen.counts(&[("call_releases_total", "side=\"caller\"", 1.0)]);
    play("0 A>B INVITE 1 \n 40 B>A 180 INVITE 1 \n 900 A>B BYE 2").ended(1.0, &[("cancelled", 1.0)]);
}

#[test]
fn a_bye_of_an_early_dialog_behind_the_answer_ends_no_call() {
    let seen = play(&format!("{BOTH_RING}{OTHER_ANSWERS} 3020 A>P BYE 2 tt=b \n 3021 P>B BYE 2 tt=b"));
    seen.counts(&[("call_active", "state=\"answered\"", 1.0), ("call_outcomes_total", "", 0.0)]);
    // Both answer: the early dialogs are the answered ones.
    let seen = play(&format!(
        "{BOTH_RING}{OTHER_ANSWERS}
        3020 P>A 200 INVITE 1 tt=b
        3030 A>P BYE 2 tt=b
        9000 P>A BYE 1 ft=c tt=a"
    ));
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_releases_total", "side=\"callee\"", 1.0)]);
    near(float(seen.call("call-1"), "/duration_seconds"), 6.0, 1e-6);
}

#[test]
fn an_early_dialog_is_left_where_only_the_proxys_branches_are_seen() {
    let seen = play(
        "0 P>B INVITE 1
        1 P>C INVITE 1 br=third
        40 B>P 180 INVITE 1 tt=b
        50 C>P 180 INVITE 1 tt=c br=third
        1000 P>B BYE 2 tt=b
        1010 B>P 200 BYE 2 tt=b
        1012 B>P 487 INVITE 1 tt=b
        3000 C>P 200 INVITE 1 tt=c br=third
        9000 C>P BYE 1 ft=c tt=a",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
}

#[test]
fn a_proxys_cancel_of_one_of_its_branches_gives_nothing_up() {
    // Kamailio goes on to the next branch before the first one's 487 is there.
    let serial = "
        0 P>B INVITE 1
        40 B>P 180 INVITE 1 tt=b
        10000 P>B CANCEL 1
        10001 P>C INVITE 1 br=third
        10010 B>P 200 CANCEL 1
        10011 B>P 487 INVITE 1 tt=b
        10012 P>B ACK 1 tt=b
        10050 C>P 180 INVITE 1 tt=c br=third";
    for (code, outcome) in [("486", "busy"), ("404", "not_found")] {
        let seen = play(&format!("{serial} \n 12000 C>P {code} INVITE 1 tt=c br=third"));
        seen.ended(1.0, &[(outcome, 1.0)]);
        seen.counts(&[("call_releases_total", "side=\"callee\"", 1.0)]);
    }
    let seen = play_and_wait(serial, 300);
    seen.ended(1.0, &[("no_answer", 1.0)]);
    let seen = play(&format!("{serial} \n 12000 C>P 200 INVITE 1 tt=c br=third \n 15000 C>P BYE 1 ft=c tt=a"));
    seen.ended(1.0, &[("completed", 1.0)]);
}

#[test]
fn a_proxy_that_cancels_all_its_branches_gives_up() {
    let seen = play(
        "0 P>B INVITE 1
        1 P>C INVITE 1 br=third
        40 B>P 180 INVITE 1 tt=b
        50 C>P 180 INVITE 1 tt=c br=third
        3000 P>B CANCEL 1
        3001 P>C CANCEL 1 br=third
        3010 B>P 487 INVITE 1 tt=b
        3020 C>P 486 INVITE 1 tt=c br=third",
    );
    seen.ended(1.0, &[("cancelled", 1.0)]);
    seen.counts(&[("call_releases_total", "side=\"caller\"", 1.0)]);
    // Silence after it.
    let seen = play_and_wait(
        "0 P>B INVITE 1
        1 P>C INVITE 1 br=third
        40 B>P 180 INVITE 1 tt=b
        3000 P>B CANCEL 1
        3001 P>C CANCEL 1 br=third",
        60,
    );
    seen.ended(1.0, &[("cancelled", 1.0)]);
}

#[test]
fn the_last_of_all_branches_ends_the_attempt_whichever_it_is() {
    for (first, second) in [
        ("B>P 486 INVITE 1 tt=b", "C>P 404 INVITE 1 tt=c br=third"),
        ("C>P 486 INVITE 1 tt=c br=third", "B>P 404 INVITE 1 tt=b"),
    ] {
        let seen = play(&format!("0 P>B INVITE 1 \n 1 P>C INVITE 1 br=third \n 40 {first} \n 50 {second}"));
        seen.ended(1.0, &[("not_found", 1.0)]);
    }
}

#[test]
fn a_refusal_everywhere_is_what_the_caller_gets() {
    // RFC 3261 section 16.7, step 5: a 6xx, and all other branches are cancelled.
    let seen = play(
        "0 P>B INVITE 1
        1 P>C INVITE 1 br=third
        40 B>P 180 INVITE 1 tt=b
        900 C>P 603 INVITE 1 tt=c br=third
        905 P>B CANCEL 1
        906 B>P 200 CANCEL 1
        910 B>P 487 INVITE 1 tt=b",
    );
    seen.ended(1.0, &[("rejected", 1.0)]);
    seen.counts(&[("call_final_status_total", "code=\"603\"", 1.0)]);
}

#[test]
fn a_branch_is_one_from_whatever_port_it_leaves() {
    // Over TCP each next hop has a connection of its own.
    let seen = play(
        "0 P>B INVITE 1 client=40001
        1 P>C INVITE 1 br=third client=40002
        40 B>P 486 INVITE 1 tt=b client=40001
        60 C>P 180 INVITE 1 tt=c br=third client=40002
        3000 C>P 200 INVITE 1 tt=c br=third client=40002
        9000 P>C BYE 2 tt=c client=40002",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    let seen = play(
        "0 A>B INVITE 1 client=40001
        40 B>A 503 INVITE 1 tt=b client=40001
        50 A>C INVITE 1 br=third client=40002
        60 C>A 180 INVITE 1 tt=c br=third client=40002
        3000 C>A 486 INVITE 1 tt=c br=third client=40002",
    );
    seen.ended(2.0, &[("network_failure", 1.0), ("busy", 1.0)]);
}

#[test]
fn a_proxy_beside_the_caller_is_the_next_hop() {
    // Both on the same host: the proxy has another port, and a connection of its own to the callee.
    let seen = play(
        "0 P>P INVITE 1 client=5070
        1 P>B INVITE 1 client=40001
        40 B>P 486 INVITE 1 tt=b client=40001
        45 P>C INVITE 1 br=third client=40002
        60 C>P 180 INVITE 1 tt=c br=third client=40002
        61 P>P 180 INVITE 1 tt=c client=5070
        3000 C>P 200 INVITE 1 tt=c br=third client=40002
        3001 P>P 200 INVITE 1 tt=c client=5070
        9000 P>P BYE 2 tt=c client=5070",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
}

#[test]
fn credentials_under_another_tag_come_from_the_same_port() {
    let seen = play(
        "0 P>P INVITE 1 client=5070
        10 P>P 401 INVITE 1 client=5070
        12 P>P ACK 1 client=5070
        15 P>P INVITE 2 new ft=a2 client=5070
        150 P>P 180 INVITE 2 ft=a2 client=5070
        2000 P>P 486 INVITE 2 ft=a2 client=5070",
    );
    seen.ended(1.0, &[("busy", 1.0)]);
}

#[test]
fn an_early_dialog_that_its_proxy_ended_is_none() {
    // RFC 6228: 199 Early Dialog Terminated.
    let seen = play(&format!(
        "{BOTH_RING}
        900 P>A 199 INVITE 1 tt=b
        1000 A>P BYE 2 tt=c
        1010 P>A 200 BYE 2 tt=c"
    ));
    seen.ended(1.0, &[("cancelled", 1.0)]);
}

/// Answered, and its BYE was lost.
const NO_BYE: &str = "
    0 A>B INVITE 1 sdp=sendrecv
    100 B>A 200 INVITE 1 sdp=sendrecv
    110 A>B ACK 1
";

#[test]
fn another_from_tag_under_the_call_id_of_a_call_without_bye_is_another_call() {
    let seen = play(&format!(
        "{NO_BYE}
        60000 A>B INVITE 1 ft=z br=z sdp=sendrecv
        60050 B>A 180 INVITE 1 ft=z tt=y br=z
        62000 B>A 200 INVITE 1 ft=z tt=y br=z sdp=sendrecv
        62010 A>B ACK 1 ft=z tt=y
        63000 A>B BYE 2 tt=b
        69000 B>A BYE 1 ft=y tt=z"
    ));
    seen.ended(2.0, &[("dropped", 1.0), ("completed", 1.0)]);
    seen.counts(&[
        ("call_answers_total", "", 2.0),
        ("call_active", "", 0.0),
        ("call_duration_seconds_sum", "", 7.0),
        ("call_releases_total", "side=\"timeout\"", 1.0),
        ("call_releases_total", "side=\"callee\"", 1.0),
    ]);
    // 2xx to the last sign of life, the ACK.
    near(seen.sum("call_lost_duration_seconds_sum", ""), 0.010, 1e-6);
}

#[test]
fn an_invite_without_to_tag_is_another_call_once_somebody_else_answers() {
    let seen = play(&format!(
        "{NO_BYE}
        60000 A>B INVITE 7 new br=z sdp=sendrecv
        60010 B>A 100 INVITE 7 new br=z
        60050 B>A 180 INVITE 7 tt=y br=z
        62000 B>A 200 INVITE 7 tt=y br=z sdp=sendrecv
        62010 A>B ACK 7 tt=y
        69000 A>B BYE 8 tt=y"
    ));
    seen.ended(2.0, &[("dropped", 1.0), ("completed", 1.0)]);
    seen.counts(&[("call_answers_total", "", 2.0), ("call_duration_seconds_sum", "", 7.0)]);
    near(seen.sum("call_setup_delay_seconds_sum", ""), 0.150, 1e-6);
    near(seen.sum("call_lost_duration_seconds_sum", ""), 0.010, 1e-6);
}

#[test]
fn an_invite_without_to_tag_that_the_call_answers_is_the_calls() {
    // A user agent that forgets the To tag.
    let seen = play(&format!(
        "{NO_BYE}
        3000 A>B INVITE 2 new br=z sdp=sendonly
        3010 B>A 200 INVITE 2 br=z sdp=recvonly
        3020 A>B ACK 2
        9100 A>B BYE 3"
    ));
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_duration_seconds_sum", "", 9.0), ("call_hold_seconds_count", "", 1.0)]);
    // One of RFC 2543, without any tags.
    let seen = play(
        "0 A>B INVITE 1 new
        100 B>A 200 INVITE 1 new
        110 A>B ACK 1 new
        3000 A>B INVITE 2 new br=z
        3010 B>A 200 INVITE 2 new br=z
        9100 A>B BYE 3 new",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
}

#[test]
fn what_passes_an_answered_call_through_is_the_same_call() {
    // A B2BUA that answers, and goes on under the same Call-ID; a spiral; a branch that starts late.
    let seen = play(
        "0 A>P INVITE 1
        10 P>A 200 INVITE 1 tt=p
        20 A>P ACK 1 tt=p
        1000 P>B INVITE 1 ft=pa
        1100 B>P 200 INVITE 1 ft=pa tt=b
        1110 P>B ACK 1 ft=pa tt=b
        1200 B>P INVITE 1 br=spiral
        1201 P>C INVITE 1 br=late
        9000 B>P BYE 1 ft=b tt=pa
        9001 P>A BYE 1 ft=p tt=a",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_answers_total", "", 1.0)]);
}
