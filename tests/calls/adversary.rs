//! What an adversary of the counting would send: each ladder with the count that the RFCs ask for.

use crate::ladder::{play, play_and_wait};
use crate::scene::{float, near};

#[test]
fn credentials_with_another_from_tag_are_the_same_attempt() {
    let seen = play_and_wait(
        "0 A>B INVITE 1 sdp=sendrecv
        10 B>A 401 INVITE 1
        12 A>B ACK 1
        15 A>B INVITE 2 new ft=a2 sdp=sendrecv
        150 B>A 180 INVITE 2 ft=a2
        2000 B>A 200 INVITE 2 ft=a2 sdp=sendrecv
        2010 A>B ACK 2 ft=a2
        8000 A>B BYE 3 ft=a2
        8010 B>A 200 BYE 3 ft=a2",
        60,
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_releases_total", "side=\"caller\"", 1.0)]);
}

#[test]
fn of_a_fork_that_is_seen_behind_its_proxy_only_the_last_answer_counts() {
    let seen = play(
        "0 P>B INVITE 1
        1 P>C INVITE 1 br=third
        40 B>P 486 INVITE 1 tt=b
        41 P>B ACK 1
        60 C>P 180 INVITE 1 tt=c br=third
        3000 C>P 200 INVITE 1 tt=c br=third
        3010 P>C ACK 1 tt=c
        9000 P>C BYE 2 tt=c
        9010 C>P 200 BYE 2 tt=c",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
}

#[test]
fn the_next_server_is_tried_with_the_same_cseq() {
    let seen = play(
        "0 A>B INVITE 1
        40 B>A 503 INVITE 1 tt=b
        41 A>B ACK 1
        50 A>C INVITE 1 br=third
        60 C>A 180 INVITE 1 tt=c br=third
        3000 C>A 200 INVITE 1 tt=c br=third
        3010 A>C ACK 1 tt=c
        9000 A>C BYE 2 tt=c
        9010 C>A 200 BYE 2 tt=c",
    );
    seen.ended(2.0, &[("network_failure", 1.0), ("completed", 1.0)]);
}

#[test]
fn the_next_server_is_tried_after_silence() {
    let seen = play_and_wait(
        "0 A>B INVITE 1
        5000 A>C INVITE 1 br=third
        5060 C>A 180 INVITE 1 tt=c br=third
        8000 C>A 486 INVITE 1 tt=c br=third
        8010 A>C ACK 1 tt=c",
        60,
    );
    seen.ended(1.0, &[("busy", 1.0)]);
}

#[test]
fn what_is_tried_again_without_response_did_not_ring() {
    let seen = play_and_wait(
        "0 A>B INVITE 1
        10 B>A 100 INVITE 1
        20 B>A 407 INVITE 1
        22 A>B ACK 1
        30 A>B INVITE 2 new",
        60,
    );
    seen.ended(1.0, &[("network_failure", 1.0)]);
    let seen = play_and_wait(
        "0 A>B INVITE 1
        10 B>A 100 INVITE 1
        20 B>A 503 INVITE 1
        22 A>B ACK 1
        30 A>B INVITE 2 new",
        60,
    );
    seen.ended(2.0, &[("network_failure", 2.0)]);
}

#[test]
fn provisionals_keep_an_attempt_alive_timer_c() {
    let mut ladder = "0 A>B INVITE 1 sdp=sendrecv\n 100 B>A 183 INVITE 1 sdp=sendrecv\n".to_owned();
    for minute in 1..=5 {
        ladder += &format!("{} B>A 183 INVITE 1 sdp=sendrecv\n", minute * 60_000);
    }
    ladder += "330000 B>A 200 INVITE 1 sdp=sendrecv \n 330010 A>B ACK 1 \n 340000 A>B BYE 2 \n 340010 B>A 200 BYE 2";
    let seen = play_and_wait(&ladder, 345);
    seen.ended(1.0, &[("completed", 1.0)]);
}

#[test]
fn options_within_a_call_describe_nothing() {
    let seen = play(
        "0 A>B INVITE 1 sdp=sendrecv
        100 B>A 200 INVITE 1 sdp=sendrecv
        110 A>B ACK 1
        1000 B>A INVITE 5 ft=b tt=a
        1010 A>B 491 INVITE 5 ft=b tt=a
        2000 A>B OPTIONS 3
        2010 B>A 200 OPTIONS 3 sdp=hold
        3000 B>A OPTIONS 4 ft=b tt=a
        3010 A>B 200 OPTIONS 4 ft=b tt=a sdp=inactive
        4000 B>A OPTIONS 6 ft=b tt=a
        4010 A>B 200 OPTIONS 6 ft=b tt=a sdp=inactive",
    );
    seen.counts(&[("call_active", "state=\"answered\"", 1.0), ("call_hold_seconds_count", "", 0.0)]);
}

#[test]
fn the_same_call_id_after_the_end_is_another_call() {
    for again in ["ft=z", "ft=a"] {
        let cseq = if again == "ft=a" { 3 } else { 1 };
        let seen = play(&format!(
            "0 A>B INVITE 1 sdp=sendrecv
            100 B>A 200 INVITE 1 sdp=sendrecv
            110 A>B ACK 1
            2000 A>B BYE 2
            2010 B>A 200 BYE 2
            5000 A>B INVITE {cseq} new {again} br=z sdp=sendrecv
            5100 B>A 200 INVITE {cseq} {again} tt=y br=z sdp=sendrecv
            5110 A>B ACK {cseq} {again} tt=y br=z2
            9000 A>B BYE 7 {again} tt=y"
        ));
        seen.ended(2.0, &[("completed", 2.0)]);
        seen.counts(&[("call_answers_total", "", 2.0)]);
    }
}

#[test]
fn delayed_offer_holds_and_resumes() {
    let seen = play(
        "0 A>P INVITE 1
        1 P>B INVITE 1
        100 B>P 200 INVITE 1 sdp=sendrecv
        101 P>A 200 INVITE 1 sdp=sendrecv
        110 A>P ACK 1 sdp=sendrecv
        111 P>B ACK 1 sdp=sendrecv
        2000 B>P INVITE 5 ft=b tt=a
        2001 P>A INVITE 5 ft=b tt=a
        2010 A>P 200 INVITE 5 ft=b tt=a sdp=sendrecv
        2011 P>B 200 INVITE 5 ft=b tt=a sdp=sendrecv
        2020 B>P ACK 5 ft=b tt=a sdp=sendonly
        2021 P>A ACK 5 ft=b tt=a sdp=sendonly
        7020 B>P INVITE 6 ft=b tt=a
        7021 P>A INVITE 6 ft=b tt=a
        7030 A>P 200 INVITE 6 ft=b tt=a sdp=sendrecv
        7031 P>B 200 INVITE 6 ft=b tt=a sdp=sendrecv
        7040 B>P ACK 6 ft=b tt=a sdp=sendrecv
        7041 P>A ACK 6 ft=b tt=a sdp=sendrecv
        9000 A>P BYE 2
        9001 P>B BYE 2",
    );
    seen.counts(&[("call_hold_seconds_count", "", 1.0), ("call_hold_seconds_sum", "", 5.02)]);
}

#[test]
fn delayed_offer_begins_inactive_on_a_proxy() {
    let seen = play(
        "0 A>P INVITE 1
        1 P>B INVITE 1
        100 B>P 200 INVITE 1 sdp=inactive
        101 P>A 200 INVITE 1 sdp=inactive
        110 A>P ACK 1 sdp=inactive
        111 P>B ACK 1 sdp=inactive
        2000 A>P BYE 2
        2001 P>B BYE 2",
    );
    seen.counts(&[("call_hold_seconds_count", "", 0.0)]);
}

#[test]
fn a_proxy_that_changes_tags() {
    let seen = play(
        "0 A>P INVITE 1 sdp=sendrecv
        1 P>B INVITE 1 ft=pa sdp=sendrecv port=30000
        40 B>P 180 INVITE 1 ft=pa tt=b
        41 P>A 180 INVITE 1 tt=pb
        1000 B>P 200 INVITE 1 ft=pa tt=b sdp=sendrecv
        1001 P>A 200 INVITE 1 tt=pb sdp=sendrecv port=30002
        1010 A>P ACK 1 tt=pb
        1011 P>B ACK 1 ft=pa tt=b
        2000 A>P INVITE 2 tt=pb sdp=sendonly
        2001 P>B INVITE 2 ft=pa tt=b sdp=sendonly
        2010 B>P 200 INVITE 2 ft=pa tt=b sdp=recvonly
        2011 P>A 200 INVITE 2 tt=pb sdp=recvonly
        4010 A>P INVITE 3 tt=pb sdp=sendrecv
        4011 P>B INVITE 3 ft=pa tt=b sdp=sendrecv
        4020 B>P 200 INVITE 3 ft=pa tt=b sdp=sendrecv
        4021 P>A 200 INVITE 3 tt=pb sdp=sendrecv
        9000 B>P BYE 1 ft=b tt=pa
        9001 P>A BYE 1 ft=pb tt=a
        9010 A>P 200 BYE 1 ft=pb tt=a
        9011 P>B 200 BYE 1 ft=b tt=pa",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_releases_total", "side=\"callee\"", 1.0), ("call_hold_seconds_count", "", 1.0)]);
}

#[test]
fn cancel_crosses_the_answer() {
    let seen = play(
        "0 A>B INVITE 1
        100 B>A 180 INVITE 1
        1000 A>B CANCEL 1
        1001 B>A 200 INVITE 1
        1010 B>A 481 CANCEL 1
        1020 A>B ACK 1
        1030 A>B BYE 2
        1040 B>A 200 BYE 2",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_answers_total", "", 1.0), ("call_releases_total", "side=\"caller\"", 1.0)]);
}

#[test]
fn recursion_by_a_proxy() {
    let seen = play(
        "0 A>P INVITE 1
        1 P>B INVITE 1
        40 B>P 302 INVITE 1 tt=b
        41 P>B ACK 1
        45 P>C INVITE 1 br=third
        60 C>P 180 INVITE 1 tt=c br=third
        61 P>A 180 INVITE 1 tt=c
        3000 C>P 486 INVITE 1 tt=c br=third
        3001 P>A 486 INVITE 1 tt=c",
    );
    seen.ended(1.0, &[("busy", 1.0)]);
}

#[test]
fn both_refer() {
    let seen = play(
        "0 A>B INVITE 1 \n 10 B>A 200 INVITE 1 \n 20 A>B ACK 1
        1000 A>B REFER 2 | Refer-To: <sip:c@c>
        1010 B>A 202 REFER 2
        3000 B>A REFER 2 ft=b tt=a | Refer-To: <sip:c@c>
        3010 A>B 202 REFER 2 ft=b tt=a",
    );
    seen.counts(&[("call_transfers_total", "kind=\"refer\"", 2.0)]);
}

#[test]
fn legs_in_a_chain_and_in_any_order() {
    // leg 3 names leg 2 which names call-1.
    let seen = play(
        "0 A>P INVITE 1
        2 P>Q INVITE 1 id=leg-2 ft=p | X-CID: call-1
        4 Q>B INVITE 1 id=leg-3 ft=q | X-CID: leg-2
        50 B>Q 503 INVITE 1 id=leg-3 ft=q
        60 Q>C INVITE 1 id=leg-4 ft=r | X-CID: leg-2
        70 C>Q 180 INVITE 1 id=leg-4 ft=r
        71 Q>P 180 INVITE 1 id=leg-2 ft=p
        72 P>A 180 INVITE 1
        100 C>Q 200 INVITE 1 id=leg-4 ft=r
        101 Q>P 200 INVITE 1 id=leg-2 ft=p
        102 P>A 200 INVITE 1
        900 C>Q BYE 1 id=leg-4 ft=b tt=r
        901 Q>P BYE 1 id=leg-2 ft=b tt=p
        902 P>A BYE 1 ft=b tt=a",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    // The named leg is seen later.
    let seen = play(
        "0 P>B INVITE 1 id=leg-2 ft=p | X-CID: call-1
        1 A>P INVITE 1
        50 B>P 180 INVITE 1 id=leg-2 ft=p
        51 P>A 180 INVITE 1
        100 B>P 200 INVITE 1 id=leg-2 ft=p
        101 P>A 200 INVITE 1
        900 B>P BYE 1 id=leg-2 ft=b tt=p
        901 P>A BYE 1 ft=b tt=a",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
}

#[test]
fn another_caller_with_the_same_call_id_at_once() {
    let seen = play_and_wait(
        "0 A>P INVITE 1 sdp=sendrecv
        10 P>A 180 INVITE 1
        20 B>P INVITE 1 ft=other sdp=sendrecv
        30 P>B 404 INVITE 1 ft=other
        1000 P>A 200 INVITE 1 sdp=sendrecv
        1010 A>P ACK 1
        5000 A>P BYE 2
        5010 P>A 200 BYE 2",
        10,
    );
    seen.counts(&[("call_outcomes_total", "outcome=\"completed\"", 1.0)]);
}

#[test]
fn session_timer_of_a_lost_bye() {
    let seen = play_and_wait(
        "0 A>B INVITE 1 | Session-Expires: 90;refresher=uac
        10 B>A 200 INVITE 1 | Session-Expires: 90;refresher=uas
        20 A>B ACK 1
        45000 B>A UPDATE 1 ft=b tt=a | Session-Expires: 90
        45010 A>B 200 UPDATE 1 ft=b tt=a | Session-Expires: 90",
        200,
    );
    seen.ended(1.0, &[("dropped", 1.0)]);
    near(seen.sum("call_lost_duration_seconds_sum", ""), 135.0, 0.01);
    // No Session-Expires in the 2xx: the timer is off.
    let seen = play_and_wait(
        "0 A>B INVITE 1 | Session-Expires: 90
        10 B>A 200 INVITE 1
        20 A>B ACK 1",
        200,
    );
    seen.counts(&[("call_active", "state=\"answered\"", 1.0), ("call_outcomes_total", "", 0.0)]);
    // A refused refresh is no refresh; a 422 then a longer one is.
    let seen = play_and_wait(
        "0 A>B INVITE 1
        10 B>A 200 INVITE 1 | Session-Expires: 90;refresher=uac
        20 A>B ACK 1
        45000 A>B INVITE 12 | Session-Expires: 90
        45010 B>A 422 INVITE 12 | Min-SE: 120
        45020 A>B ACK 12
        46000 A>B INVITE 13 | Session-Expires: 120
        46010 B>A 200 INVITE 13 | Session-Expires: 120;refresher=uac
        46020 A>B ACK 13
        170000 A>B BYE 4",
        200,
    );
    seen.ended(1.0, &[("completed", 1.0)]);
}

#[test]
fn what_half_a_call_is_known_by() {
    for (what, count) in [
        ("0 B>A 183 INVITE 1 sdp=sendrecv", 1.0),
        ("0 A>B PRACK 2", 0.0),
        ("0 A>B ACK 1", 0.0),
        ("0 A>B UPDATE 4 sdp=sendrecv", 0.0),
        ("0 B>A 100 INVITE 1", 0.0),
        ("0 B>A 200 OPTIONS 1 tt=b", 0.0),
        ("0 A>B MESSAGE 1 new", 0.0),
        ("0 A>B REFER 1 new", 0.0),
        ("0 A>B CANCEL 1", 0.0),
    ] {
        let seen = play(what);
        seen.counts(&[("call_half_seen_total", "", count), ("call_attempts_total", "", 0.0)]);
    }
    // Ringing at the start, answered, ended.
    let seen =
        play("0 B>A 180 INVITE 1 \n 100 B>A 200 INVITE 1 \n 110 A>B ACK 1 \n 3000 A>B BYE 2 \n 3010 B>A 200 BYE 2");
    seen.counts(&[("call_half_seen_total", "", 1.0), ("call_answers_total", "", 0.0), ("call_active", "", 0.0)]);
    seen.counts(&[("call_releases_total", "side=\"caller\"", 1.0)]);
    // Ringing at the start, refused.
    let seen = play("0 B>A 180 INVITE 1 \n 100 B>A 486 INVITE 1");
    seen.counts(&[("call_half_seen_total", "", 1.0), ("call_outcomes_total", "", 0.0), ("call_active", "", 0.0)]);
    // The same on a proxy.
    let seen = play("0 B>P 180 INVITE 1 \n 1 P>A 180 INVITE 1 \n 100 B>P 486 INVITE 1 \n 101 P>A 486 INVITE 1");
    seen.counts(&[("call_half_seen_total", "", 1.0), ("call_outcomes_total", "", 0.0), ("call_active", "", 0.0)]);
}

#[test]
fn bye_is_challenged() {
    let seen = play_and_wait(
        "0 A>B INVITE 1
        10 B>A 200 INVITE 1
        20 A>B ACK 1
        1000 A>B BYE 2
        1010 B>A 407 BYE 2
        1020 A>B BYE 3
        1030 B>A 200 BYE 3",
        60,
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_disconnect_timeouts_total", "", 0.0), ("call_releases_total", "", 1.0)]);
}

#[test]
fn two_byes_cross() {
    let seen = play(
        "0 A>B INVITE 1
        10 B>A 200 INVITE 1
        20 A>B ACK 1
        1000 A>B BYE 2
        1001 B>A BYE 1 ft=b tt=a
        1010 B>A 481 BYE 2
        1011 A>B 481 BYE 1 ft=b tt=a",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_releases_total", "", 1.0), ("call_disconnect_delay_seconds_count", "", 1.0)]);
}

#[test]
fn refusals_with_reasons() {
    for (code, reason, outcome) in [
        ("503", "Q.850;cause=17", "busy"),
        ("480", "Q.850 ;cause=19;text=\"no answer\"", "no_answer"),
        ("500", "SIP;cause=500, Q.850;cause=1", "not_found"),
        ("603", "Q.850;cause=21", "rejected"),
        ("503", "Q.850;cause=42", "network_failure"),
        ("486", "Q.850;cause=34", "busy"),
        ("404", "Q.850;cause=1", "not_found"),
        ("408", "Q.850;cause=20", "no_answer"),
        ("607", "", "blocked"),
        ("600", "", "busy"),
        ("482", "", "rejected"),
        ("305", "", "redirected"),
        ("699", "", "server_failure"),
    ] {
        let seen = play(&format!("0 A>B INVITE 1 \n 10 B>A {code} INVITE 1 | Reason: {reason} \n 20 A>B ACK 1"));
        seen.ended(1.0, &[(outcome, 1.0)]);
    }
}

#[test]
fn replaces_in_time_and_too_late() {
    // 481 to a Replaces: rejected, no transfer. An early dialog's pickup: 200, the other leg is cancelled.
    let seen = play("0 A>B INVITE 1 | Replaces: x;to-tag=1;from-tag=2 \n 10 B>A 481 INVITE 1 \n 20 A>B ACK 1");
    seen.ended(1.0, &[("rejected", 1.0)]);
    seen.counts(&[("call_transfers_total", "", 0.0)]);
    let seen = play(
        "0 A>B INVITE 1
        10 B>A 180 INVITE 1
        1000 C>A INVITE 1 id=pick ft=c | Replaces: call-1;to-tag=b;from-tag=a;early-only
        1010 A>C 200 INVITE 1 id=pick ft=c tt=aa
        1015 A>B CANCEL 1
        1016 B>A 200 CANCEL 1
        1020 B>A 487 INVITE 1
        1021 A>B ACK 1
        5000 C>A BYE 2 id=pick ft=c tt=aa",
    );
    seen.ended(2.0, &[("cancelled", 1.0), ("completed", 1.0)]);
    seen.counts(&[("call_transfers_total", "kind=\"replaces\"", 1.0)]);
}

#[test]
fn reinvite_refused_while_held_then_the_other_hangs_up() {
    let seen = play(
        "0 A>B INVITE 1 sdp=sendrecv
        100 B>A 200 INVITE 1 sdp=sendrecv
        110 A>B ACK 1
        1000 A>B INVITE 12 sdp=sendonly
        1010 B>A 407 INVITE 12
        1011 A>B ACK 12
        1020 A>B INVITE 13 sdp=sendonly
        1030 B>A 200 INVITE 13 sdp=recvonly
        3000 A>B INVITE 14 sdp=sendrecv
        3010 B>A 500 INVITE 14
        3011 A>B ACK 14
        4030 B>A BYE 9 ft=b tt=a",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_hold_seconds_sum", "", 3.0), ("call_releases_total", "side=\"callee\"", 1.0)]);
}

#[test]
fn glare_on_hold() {
    let seen = play(
        "0 A>B INVITE 1 sdp=sendrecv
        100 B>A 200 INVITE 1 sdp=sendrecv
        110 A>B ACK 1
        1000 A>B INVITE 12 sdp=sendonly
        1001 B>A INVITE 9 ft=b tt=a sdp=sendonly
        1010 B>A 491 INVITE 12
        1011 A>B ACK 12
        1012 A>B 491 INVITE 9 ft=b tt=a
        1013 B>A ACK 9 ft=b tt=a
        3000 A>B INVITE 13 sdp=sendonly
        3010 B>A 200 INVITE 13 sdp=recvonly
        5010 A>B BYE 4",
    );
    seen.counts(&[("call_hold_seconds_count", "", 1.0), ("call_hold_seconds_sum", "", 2.0)]);
}

#[test]
fn cancelled_with_a_final_of_another_kind() {
    let seen = play(
        "0 A>P INVITE 1
        1 P>B INVITE 1
        10 B>P 180 INVITE 1
        11 P>A 180 INVITE 1
        3000 A>P CANCEL 1 | Reason: SIP;cause=200;text=\"Call completed elsewhere\"
        3001 P>A 200 CANCEL 1
        3002 P>B CANCEL 1
        3003 B>P 200 CANCEL 1
        3010 B>P 487 INVITE 1
        3011 P>A 487 INVITE 1",
    );
    seen.ended(1.0, &[("cancelled", 1.0)]);
    seen.counts(&[("call_releases_total", "side=\"caller\",cause=\"normal\"", 1.0)]);
    near(float(seen.call("call-1"), "/setup_delay_seconds"), 0.010, 1e-6);
}

#[test]
fn the_greatest_cseq() {
    let seen = play(
        "0 A>B INVITE 4294967295 new br=x
        10 B>A 200 INVITE 4294967295 br=x
        20 A>B ACK 4294967295
        1000 A>B BYE 0",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
}

#[test]
fn a_fork_that_is_left_is_left_on_each_hop() {
    let two = "
        0 A>P INVITE 1
        1 P>B INVITE 1
        2 P>C INVITE 1 br=third
        2000 B>P 200 INVITE 1 tt=b
        2001 P>A 200 INVITE 1 tt=b
        2005 A>P ACK 1 tt=b
        2010 C>P 200 INVITE 1 tt=c br=third
        2011 P>A 200 INVITE 1 tt=c
        2015 A>P ACK 1 tt=c
        2020 A>P BYE 2 tt=c
        2021 P>C BYE 2 tt=c
        2030 C>P 200 BYE 2 tt=c
        2031 P>A 200 BYE 2 tt=c";
    let seen = play(two);
    seen.counts(&[("call_active", "state=\"answered\"", 1.0), ("call_outcomes_total", "", 0.0)]);
    let seen = play(&format!(
        "{two}
        8000 B>P BYE 1 ft=b tt=a
        8001 P>A BYE 1 ft=b tt=a
        8010 A>P 200 BYE 1 ft=b tt=a"
    ));
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_releases_total", "side=\"callee\"", 1.0), ("call_duration_seconds_sum", "", 6.0)]);
}

#[test]
fn a_cancel_without_final_answer_ends_the_attempt_after_64_t1() {
    let ladder = "0 A>B INVITE 1
        100 B>A 180 INVITE 1
        5000 A>B CANCEL 1
        5010 B>A 200 CANCEL 1";
    play_and_wait(ladder, 30).counts(&[("call_outcomes_total", "", 0.0)]);
    let seen = play_and_wait(ladder, 45);
    seen.ended(1.0, &[("cancelled", 1.0)]);
    seen.counts(&[("call_active", "", 0.0)]);
}

#[test]
fn hold_across_everything() {
    // Held by both, callee's BYE; held by UPDATE and resumed by INVITE; music on hold.
    let seen = play(
        "0 A>B INVITE 1 sdp=sendrecv
        100 B>A 200 INVITE 1 sdp=sendrecv
        110 A>B ACK 1
        1000 B>A UPDATE 11 ft=b tt=a sdp=sendonly
        1010 A>B 200 UPDATE 11 ft=b tt=a sdp=recvonly
        3010 B>A INVITE 12 ft=b tt=a sdp=sendrecv
        3010 A>B 200 INVITE 12 ft=b tt=a sdp=sendrecv
        3020 B>A ACK 12 ft=b tt=a
        4000 A>B INVITE 12 sdp=inactive
        4010 B>A 200 INVITE 12 sdp=inactive
        4020 A>B ACK 12
        4500 A>B INVITE 13 sdp=sendonly
        4510 B>A 200 INVITE 13 sdp=recvonly
        4520 A>B ACK 13
        6010 A>B INVITE 14 sdp=sendrecv
        6010 B>A 200 INVITE 14 sdp=sendrecv
        6020 A>B ACK 14
        7000 A>B BYE 15",
    );
    seen.counts(&[("call_hold_seconds_count", "", 2.0), ("call_hold_seconds_sum", "", 4.0)]);
}

#[test]
fn voicemail() {
    for (code, headers, outcome) in [
        ("200", "Diversion: <sip:17@pbx>;reason=no-answer", "voicemail"),
        ("200", "Diversion: <sip:17@pbx>;reason=\"user-busy\";privacy=off", "voicemail"),
        ("200", "Diversion: <sip:17@pbx>;reason=unconditional", "completed"),
        ("200", "History-Info: <sip:17@pbx;cause=302>;index=1,<sip:18@pbx>;index=1.1", "completed"),
        ("200", "History-Info: <sip:17@pbx>;index=1, <sip:vm2@pbx;cause=408>;index=1.1;mp=1", "voicemail"),
        ("486", "Diversion: <sip:17@pbx>;reason=no-answer", "busy"),
    ] {
        let bye = if code == "200" { "\n 2000 A>B BYE 2 \n 2010 B>A 200 BYE 2" } else { "" };
        let seen = play(&format!("0 A>B INVITE 1 | {headers} \n 10 B>A {code} INVITE 1 \n 20 A>B ACK 1 {bye}"));
        seen.ended(1.0, &[(outcome, 1.0)]);
    }
    let seen =
        play("0 A>B INVITE 1 uri=sip:voicemail@b.example \n 10 B>A 200 INVITE 1 \n 20 A>B ACK 1 \n 99 A>B BYE 2");
    seen.ended(1.0, &[("voicemail", 1.0)]);
}

#[test]
fn relay_delay() {
    let seen = crate::ladder::with(
        crate::legs::between(),
        "0 A>P INVITE 1
        1 P>A 100 INVITE 1
        4 P>B INVITE 1
        40 B>P 180 INVITE 1
        42 P>A 180 INVITE 1
        500 A>P INVITE 1
        100 B>P 200 INVITE 1
        102 P>A 200 INVITE 1
        110 A>P ACK 1
        111 P>B ACK 1
        600 B>P 200 INVITE 1
        601 P>A 200 INVITE 1
        900 A>P BYE 2
        901 P>B BYE 2
        910 B>P 200 BYE 2
        911 P>A 200 BYE 2",
    )
    .run();
    seen.counts(&[("sip_relay_delay_seconds_count", "", 5.0)]);
    near(seen.sum("sip_relay_delay_seconds_sum", ""), 0.004 + 0.002 + 0.002 + 0.001 + 0.001, 1e-6);
}

#[test]
fn bye_reasons() {
    for (reason, outcome, cause) in [
        ("Q.850;cause=16", "completed", "normal"),
        ("Q.850;cause=38;text=\"x\"", "dropped", "resource_unavailable"),
        ("SIP;cause=408;text=\"RTP timeout\"", "dropped", "protocol_error"),
        ("Q.850;cause=102", "dropped", "protocol_error"),
        ("SIP;cause=200;text=\"x, y\"", "completed", "normal"),
        ("Q.850;cause=31", "completed", "normal"),
        ("Q.850;cause=127", "completed", "interworking"),
    ] {
        let seen = play(&format!(
            "0 A>B INVITE 1 \n 10 B>A 200 INVITE 1 \n 20 A>B ACK 1 \n 1000 B>A BYE 2 ft=b tt=a | Reason: {reason}"
        ));
        seen.ended(1.0, &[(outcome, 1.0)]);
        seen.counts(&[("call_releases_total", &format!("cause=\"{cause}\""), 1.0)]);
    }
}

#[test]
fn registrations() {
    let seen = play_and_wait(
        "0 A>P REGISTER 1 id=r new | Contact: <sip:bob@192.0.2.10> | Expires: 3600
        1 P>A 401 REGISTER 1 id=r
        2 A>P REGISTER 2 id=r new | Contact: <sip:bob@192.0.2.10>, <sip:bob@192.0.2.11>;expires=60 | Expires: 3600 | Authorization: Digest x=1
        3 P>A 401 REGISTER 2 id=r | WWW-Authenticate: Digest stale=true
        4 A>P REGISTER 3 id=r new | Contact: <sip:bob@192.0.2.10>, <sip:bob@192.0.2.11>;expires=60 | Expires: 3600 | Authorization: Digest x=1
        5 P>B REGISTER 3 id=r new | Contact: <sip:bob@192.0.2.10>, <sip:bob@192.0.2.11>;expires=60 | Expires: 3600 | Authorization: Digest x=1
        6 B>P 423 REGISTER 3 id=r | Min-Expires: 90
        7 P>A 423 REGISTER 3 id=r | Min-Expires: 90
        8 A>P REGISTER 4 id=r new | Contact: <sip:bob@192.0.2.10>, <sip:bob@192.0.2.11>;expires=90 | Expires: 3600 | Authorization: Digest x=1
        9 P>B REGISTER 4 id=r new | Contact: <sip:bob@192.0.2.10>, <sip:bob@192.0.2.11>;expires=90 | Expires: 3600 | Authorization: Digest x=1
        10 B>P 200 REGISTER 4 id=r | Contact: <sip:bob@192.0.2.10>;expires=3600, <sip:bob@192.0.2.11>;expires=90
        11 P>A 200 REGISTER 4 id=r | Contact: <sip:bob@192.0.2.10>;expires=3600, <sip:bob@192.0.2.11>;expires=90",
        60,
    );
    seen.counts(&[("sip_registration_attempts_total", "result=\"success\"", 1.0)]);
    println!(
        "{:?} {:?}",
        seen.sum("sip_registrations_active", ""),
        seen.sum("sip_registrations_total", "kind=\"new\"")
    );
    near(seen.sum("sip_registrations_active", ""), 2.0, 0.0);
    near(seen.sum("sip_registration_delay_seconds_sum", ""), 0.011, 1e-6);
}

#[test]
fn legs_that_hold_and_the_root_refused_first() {
    // The B2BUA's first try is refused, the second answers; CANCELs of a branch of the B2BUA end nothing.
    let seen = play(
        "0 A>P INVITE 1 | P-Charging-Vector: icid-value=abc
        2 P>B INVITE 1 id=leg-2 ft=p | P-Charging-Vector: icid-value=abc
        3 P>C INVITE 1 id=leg-3 ft=q | P-Charging-Vector: icid-value=abc
        40 B>P 180 INVITE 1 id=leg-2 ft=p
        41 P>A 180 INVITE 1
        50 C>P 180 INVITE 1 id=leg-3 ft=q
        1000 C>P 200 INVITE 1 id=leg-3 ft=q
        1001 P>A 200 INVITE 1
        1002 P>B CANCEL 1 id=leg-2 ft=p
        1003 B>P 487 INVITE 1 id=leg-2 ft=p
        1004 A>P ACK 1
        5000 P>A BYE 1 ft=b tt=a | Reason: Q.850;cause=16
        5001 C>P BYE 1 id=leg-3 ft=b tt=q",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_releases_total", "", 1.0), ("call_answers_total", "", 1.0), ("call_active", "", 0.0)]);
}

#[test]
fn out_of_dialog_requests_count_no_call() {
    let seen = play(
        "0 A>B OPTIONS 1 new \n 1 B>A 200 OPTIONS 1 sdp=hold
        2 A>B REFER 1 new id=r \n 3 B>A 202 REFER 1 id=r \n 4 B>A NOTIFY 1 id=r ft=b tt=a \n 5 A>B 200 NOTIFY 1 id=r ft=b tt=a
        6 A>B MESSAGE 1 new id=m \n 7 B>A 200 MESSAGE 1 id=m
        8 A>B SUBSCRIBE 1 new id=s \n 9 B>A 202 SUBSCRIBE 1 id=s",
    );
    seen.counts(&[
        ("call_attempts_total", "", 0.0),
        ("call_half_seen_total", "", 0.0),
        ("call_transfers_total", "", 0.0),
    ]);
}
