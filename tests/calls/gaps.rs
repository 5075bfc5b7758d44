//! Captures that have not all messages: what is there tells what is missing.

use crate::ladder::{play, play_and_wait};
use crate::scene::{float, near};

#[test]
fn an_acknowledgment_shows_the_answer_that_was_not_captured() {
    // The ACK of a 2xx is a transaction of its own (RFC 3261 section 13.2.2.4).
    let seen = play(
        "0 A>B INVITE 1 sdp=sendrecv
        100 B>A 180 INVITE 1
        2010 A>B ACK 1 br=ack
        9010 A>B BYE 2
        9020 B>A 200 BYE 2",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_answers_total", "", 1.0), ("call_duration_seconds_sum", "", 7.0)]);
}

#[test]
fn one_direction_is_enough() {
    let seen = play_and_wait(
        "0 A>B INVITE 1 sdp=sendrecv
        2000 A>B ACK 1 br=ack
        60000 A>B BYE 2",
        100,
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    near(float(seen.call("call-1"), "/duration_seconds"), 58.0, 1e-6);
    // The other one: that there was a BYE, its response tells.
    let seen = play(
        "0 B>A 180 INVITE 1
        2000 B>A 200 INVITE 1
        9000 B>A 200 BYE 2",
    );
    seen.counts(&[("call_half_seen_total", "", 1.0), ("call_active", "", 0.0)]);
    seen.counts(&[("call_releases_total", "side=\"caller\"", 1.0)]);
}

#[test]
fn a_bye_that_was_not_captured_is_in_its_response() {
    let seen = play(
        "0 A>B INVITE 1
        1000 B>A 200 INVITE 1
        1010 A>B ACK 1
        9000 A>B 200 BYE 1 ft=b tt=a",
    );
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_releases_total", "side=\"callee\"", 1.0), ("call_duration_seconds_sum", "", 8.0)]);
    // Of one of two forks it ends that one.
    let forks = "
        0 A>P INVITE 1
        2000 P>A 200 INVITE 1 tt=b
        2010 P>A 200 INVITE 1 tt=c
        2020 A>P BYE 2 tt=c
        2030 P>A 200 BYE 2 tt=c";
    play(forks).counts(&[("call_active", "state=\"answered\"", 1.0), ("call_outcomes_total", "", 0.0)]);
    play(&forks.replace("2020 A>P BYE 2 tt=c", ""))
        .counts(&[("call_active", "state=\"answered\"", 1.0), ("call_outcomes_total", "", 0.0)]);
    // Refused, it is none.
    play("0 A>B INVITE 1 \n 9 B>A 200 INVITE 1 \n 20 B>A 407 BYE 2").counts(&[("call_active", "", 1.0)]);
}

#[test]
fn an_acknowledgment_of_a_refusal_shows_no_answer() {
    // The next server, tried before the first one's refusal is acknowledged.
    let seen = play(
        "0 A>B INVITE 1
        40 B>A 503 INVITE 1
        50 A>C INVITE 1 br=third
        51 A>B ACK 1
        3000 C>A 486 INVITE 1 tt=c br=third
        3001 A>C ACK 1 tt=c br=third",
    );
    seen.ended(2.0, &[("network_failure", 1.0), ("busy", 1.0)]);
    // The same after silence.
    let seen = play(
        "0 A>B INVITE 1
        5000 A>C INVITE 1 br=third
        5010 B>A 503 INVITE 1
        5011 A>B ACK 1
        8000 C>A 486 INVITE 1 tt=c br=third",
    );
    seen.ended(1.0, &[("busy", 1.0)]);
    // Branches of a proxy whose caller is out of sight, and of one that is seen whole.
    let seen = play(
        "0 P>B INVITE 1
        1 P>C INVITE 1 br=third
        50 P>C ACK 1 tt=c br=third
        3000 B>P 486 INVITE 1 tt=b
        3001 C>P 486 INVITE 1 tt=c br=third",
    );
    seen.ended(1.0, &[("busy", 1.0)]);
    let seen = play(
        "0 A>P INVITE 1
        1 P>B INVITE 1
        50 P>B ACK 1
        60 P>A 486 INVITE 1",
    );
    seen.ended(1.0, &[("busy", 1.0)]);
    // A user agent that acknowledges a challenge under another branch.
    let seen = play(
        "0 A>B INVITE 1
        10 B>A 401 INVITE 1
        20 A>B ACK 1 br=other
        30 A>B INVITE 2 new
        40 B>A 403 INVITE 2",
    );
    seen.ended(1.0, &[("rejected", 1.0)]);
}

#[test]
fn branches_that_are_wrong_are_made_up_for_by_the_hop() {
    // Scripted user agents take a new branch for CANCEL, and answer under the one that came last.
    let seen = play(
        "0 A>B INVITE 1
        100 B>A 180 INVITE 1
        3000 A>B CANCEL 1 br=second
        3010 B>A 200 CANCEL 1 br=second
        3020 B>A 487 INVITE 1 br=second
        3030 A>B ACK 1 br=third",
    );
    seen.ended(1.0, &[("cancelled", 1.0)]);
    seen.counts(&[("call_releases_total", "side=\"caller\"", 1.0)]);
    play("0 A>B INVITE 1 \n 10 B>A 486 INVITE 1 br=x").ended(1.0, &[("busy", 1.0)]);
    let seen =
        play_and_wait("0 A>B INVITE 1 \n 9 B>A 180 INVITE 1 \n 99 A>B CANCEL 1 br=x \n 100 B>A 200 CANCEL 1 br=x", 60);
    seen.ended(1.0, &[("cancelled", 1.0)]);
}

#[test]
fn an_empty_to_tag_is_none() {
    let seen = play("0 A>B INVITE 1 tt= \n 10 B>A 180 INVITE 1 \n 2000 B>A 486 INVITE 1 \n 2010 A>B ACK 1");
    seen.ended(1.0, &[("busy", 1.0)]);
}

#[test]
fn retransmissions_give_no_more_time_than_timer_b() {
    // RFC 3261 section 17.1.1.2: 64 * T1 from the first INVITE, sent again at once, twice as long, ... after it.
    let sent: String =
        ["0", "500", "1500", "3500", "7500", "15500", "31500"].map(|at| format!("{at} A>B INVITE 1\n")).concat();
    play_and_wait(&sent, 31).counts(&[("call_attempts_total", "", 1.0), ("call_outcomes_total", "", 0.0)]);
    let seen = play_and_wait(&sent, 34);
    seen.ended(1.0, &[("network_failure", 1.0)]);
    seen.counts(&[("call_active", "", 0.0), ("sip_retransmissions_total", "", 6.0)]);
    // An attempt is counted after a second, however often it is sent again.
    play_and_wait(&sent[..sent.find("3500").expect("a line")], 2).counts(&[("call_active", "state=\"setup\"", 1.0)]);
}

/// Calls between two phones, by how they end.
const WHOLE: [(&str, &str); 4] = [
    (
        "completed",
        "0 A>B INVITE 1 sdp=sendrecv
        5 B>A 100 INVITE 1
        100 B>A 180 INVITE 1
        2000 B>A 200 INVITE 1 sdp=sendrecv
        2010 A>B ACK 1 br=ack
        9000 A>B BYE 2
        9010 B>A 200 BYE 2",
    ),
    (
        "completed",
        "0 A>B INVITE 1 sdp=sendrecv
        5 B>A 407 INVITE 1 tt=x
        6 A>B ACK 1 tt=x
        10 A>B INVITE 2 new sdp=sendrecv
        100 B>A 180 INVITE 2
        2000 B>A 200 INVITE 2 sdp=sendrecv
        2010 A>B ACK 2 br=ack
        9000 B>A BYE 2 ft=b tt=a
        9010 A>B 200 BYE 2 ft=b tt=a",
    ),
    (
        "busy",
        "0 A>B INVITE 1
        5 B>A 100 INVITE 1
        100 B>A 180 INVITE 1
        2000 B>A 486 INVITE 1
        2010 A>B ACK 1",
    ),
    (
        "cancelled",
        "0 A>B INVITE 1
        100 B>A 180 INVITE 1
        2000 A>B CANCEL 1
        2005 B>A 200 CANCEL 1
        2010 B>A 487 INVITE 1
        2020 A>B ACK 1",
    ),
];

/// The same with a proxy between them, that takes a millisecond.
fn proxied(line: &str) -> [String; 2] {
    let (time, rest) = line.split_once(' ').expect("a time");
    let (hop, rest) = rest.split_once(' ').expect("a hop");
    let later = time.parse::<u32>().expect("milliseconds") + 1;
    let [first, second] = if hop == "A>B" { ["A>P", "P>B"] } else { ["B>P", "P>A"] };
    [format!("{time} {first} {rest}"), format!("{later} {second} {}", rest.replace("br=ack", "br=ack-2"))]
}

#[test]
fn any_one_message_may_be_missing() {
    for (outcome, whole) in WHOLE {
        let direct: Vec<String> = whole.lines().map(|line| line.trim().to_owned()).collect();
        let through: Vec<String> = direct.iter().flat_map(|line| proxied(line)).collect();
        for lines in [direct, through] {
            for missing in 0..=lines.len() {
                let what = lines.get(missing).map_or("", |line| line.as_str());
                // Without the only INVITE the call is half seen; nothing else tells how the caller was refused.
                if what == "0 A>B INVITE 1" || what.contains(">A 486") {
                    continue;
                }
                let kept: Vec<&str> =
                    lines.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, line)| line.as_str()).collect();
                println!("{outcome} without {what}");
                let seen = play_and_wait(&kept.join("\n"), 60);
                if what == "0 A>B INVITE 1 sdp=sendrecv" && outcome == "completed" && !whole.contains("407") {
                    seen.counts(&[("call_half_seen_total", "", 1.0), ("call_active", "", 0.0)]);
                    continue;
                }
                seen.ended(1.0, &[(outcome, 1.0)]);
                seen.counts(&[("call_answers_total", "", f64::from(outcome == "completed"))]);
            }
        }
    }
}

#[test]
fn what_comes_at_once_may_come_in_any_order() {
    // Two interfaces, or two processes that mirror, hand over messages a moment apart in the wrong order.
    for (outcome, whole) in WHOLE {
        let direct: Vec<String> = whole.lines().map(|line| line.trim().to_owned()).collect();
        let through: Vec<String> = direct.iter().flat_map(|line| proxied(line)).collect();
        for lines in [direct, through] {
            let time =
                |line: &str| line.split_once(' ').and_then(|(time, _)| time.parse::<u32>().ok()).expect("a time");
            for at in 1..lines.len() {
                if time(&lines[at]) - time(&lines[at - 1]) > 10 {
                    continue;
                }
                let mut swapped = lines.clone();
                let what = |line: &str| line.split_once(' ').expect("a time").1.to_owned();
                let (one, other) = (time(&lines[at - 1]), time(&lines[at]));
                swapped[at - 1] = format!("{one} {}", what(&lines[at]));
                swapped[at] = format!("{other} {}", what(&lines[at - 1]));
                println!("{outcome} with {} and {} swapped", lines[at - 1], lines[at]);
                let seen = play_and_wait(&swapped.join("\n"), 60);
                seen.ended(1.0, &[(outcome, 1.0)]);
                seen.counts(&[("call_answers_total", "", f64::from(outcome == "completed"))]);
            }
        }
    }
}
