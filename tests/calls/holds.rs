//! Hold: `call_active{state="held"}` while it lasts, one observation of `call_hold_seconds` when it is over.

use crate::ladder::play;
use crate::scene::{float, near};

const ANSWERED: &str = "
    0 A>B INVITE 1 sdp=sendrecv
    100 B>A 200 INVITE 1 sdp=sendrecv
    110 A>B ACK 1
";

#[test]
fn held_and_resumed_by_each_way_to_say_it() {
    for (held, answer) in [("sendonly", "recvonly"), ("inactive", "inactive"), ("hold", "sendrecv")] {
        for method in ["INVITE", "UPDATE"] {
            let hold = format!(
                "{ANSWERED}
                2000 A>B {method} 12 sdp={held}
                2010 B>A 200 {method} 12 sdp={answer}"
            );
            let seen = play(&hold);
            seen.counts(&[("call_active", "state=\"held\"", 1.0), ("call_hold_seconds_count", "", 0.0)]);
            let seen = play(&format!(
                "{hold}
                7000 A>B {method} 13 sdp=sendrecv
                7010 B>A 200 {method} 13 sdp=sendrecv
                9000 A>B BYE 14"
            ));
            seen.ended(1.0, &[("completed", 1.0)]);
            seen.counts(&[("call_hold_seconds_count", "", 1.0), ("call_hold_seconds_sum", "", 5.0)]);
            near(float(seen.call("call-1"), "/hold_seconds"), 5.0, 1e-6);
        }
    }
}

#[test]
fn the_end_of_the_call_ends_the_hold() {
    let seen = play(&format!(
        "{ANSWERED}
        2000 B>A INVITE 11 ft=b tt=a sdp=sendonly
        2010 A>B 200 INVITE 11 ft=b tt=a sdp=recvonly
        6010 A>B BYE 2"
    ));
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_hold_seconds_sum", "", 4.0), ("call_active", "", 0.0)]);
}

#[test]
fn a_refused_hold_is_none() {
    let seen = play(&format!(
        "{ANSWERED}
        2000 A>B INVITE 12 sdp=sendonly
        2010 B>A 488 INVITE 12
        2020 A>B ACK 12
        3000 B>A INVITE 11 ft=b tt=a sdp=sendrecv
        3010 A>B 200 INVITE 11 ft=b tt=a sdp=sendrecv"
    ));
    seen.counts(&[("call_active", "state=\"answered\"", 1.0), ("call_hold_seconds_count", "", 0.0)]);
}

#[test]
fn both_may_hold_and_the_last_resumes() {
    let seen = play(&format!(
        "{ANSWERED}
        2000 A>B INVITE 12 sdp=sendonly
        2010 B>A 200 INVITE 12 sdp=recvonly
        3000 B>A INVITE 11 ft=b tt=a sdp=inactive
        3010 A>B 200 INVITE 11 ft=b tt=a sdp=inactive
        5000 A>B INVITE 13 sdp=sendrecv
        5010 B>A 200 INVITE 13 sdp=inactive
        8000 B>A INVITE 13 ft=b tt=a sdp=sendrecv
        8010 A>B 200 INVITE 13 ft=b tt=a sdp=sendrecv
        9000 A>B BYE 15"
    ));
    seen.counts(&[("call_hold_seconds_count", "", 1.0), ("call_hold_seconds_sum", "", 6.0)]);
}

#[test]
fn on_a_proxy_a_hold_passes_twice_and_counts_once() {
    let seen = play(
        "0 A>P INVITE 1 sdp=sendrecv
        1 P>B INVITE 1 sdp=sendrecv
        100 B>P 200 INVITE 1 sdp=sendrecv
        101 P>A 200 INVITE 1 sdp=sendrecv
        2000 A>P INVITE 12 sdp=sendonly
        2001 P>B INVITE 12 sdp=sendonly
        2010 B>P 200 INVITE 12 sdp=recvonly
        2011 P>A 200 INVITE 12 sdp=recvonly
        7000 A>P INVITE 13 sdp=sendrecv
        7001 P>B INVITE 13 sdp=sendrecv
        7010 B>P 200 INVITE 13 sdp=sendrecv
        7011 P>A 200 INVITE 13 sdp=sendrecv
        9000 A>P BYE 14
        9001 P>B BYE 14",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_hold_seconds_count", "", 1.0), ("call_hold_seconds_sum", "", 5.0)]);
}

#[test]
fn a_call_that_begins_without_sound_is_not_on_hold() {
    // Third party call control (RFC 3725): inactive first, sound later.
    let seen = play(
        "0 A>B INVITE 1 sdp=inactive
        100 B>A 200 INVITE 1 sdp=inactive
        110 A>B ACK 1
        200 A>B INVITE 12 sdp=sendrecv
        210 B>A 200 INVITE 12 sdp=sendrecv
        9000 A>B BYE 13",
    );
    seen.counts(&[("call_hold_seconds_count", "", 0.0)]);
}

#[test]
fn a_host_that_is_named_in_the_description_is_on_no_hold() {
    // As in the examples of RFC 3261 and RFC 5359.
    let named = "
        0 A>B INVITE 1 sdp=named
        100 B>A 200 INVITE 1 sdp=named
        110 A>B ACK 1
        2000 A>B INVITE 12 sdp=named
        2010 B>A 200 INVITE 12 sdp=named";
    play(named).counts(&[("call_active", "state=\"answered\"", 1.0), ("call_hold_seconds_count", "", 0.0)]);
    let seen = play(&format!(
        "{named}
        3000 A>B INVITE 13 sdp=sendonly
        3010 B>A 200 INVITE 13 sdp=named
        7010 A>B INVITE 14 sdp=named
        7010 B>A 200 INVITE 14 sdp=named"
    ));
    seen.counts(&[("call_hold_seconds_count", "", 1.0), ("call_hold_seconds_sum", "", 4.0)]);
}
