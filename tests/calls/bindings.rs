//! Registrations as clients and registrars of all kinds make them (RFC 3261 section 10, RFC 5626), counted by hand.

use serde_json::{Value, json};

use crate::ladder::play_and_wait;

/// What the JSON says of attempts and bindings: those that are not listed are 0.
#[track_caller]
fn counts(ladder: &str, seconds: i64, want: Value) {
    let seen = play_and_wait(ladder, seconds);
    let mut got = seen.report["registrations"].clone();
    if let (Some(got), Some(bindings)) = (got.as_object_mut(), seen.report["registrations"]["bindings"].as_object()) {
        got.remove("bindings");
        got.extend(bindings.clone());
        got.retain(|_, count| *count != 0);
    }
    assert_eq!(got, want, "{ladder}");
}

#[test]
fn credentials_under_the_same_cseq_answer_the_challenge() {
    counts(
        "0 A>P REGISTER 1 id=r new | Contact: <sip:bob@192.0.2.10> | Expires: 3600
        1 P>A 401 REGISTER 1 id=r
        2 A>P REGISTER 1 id=r new br=second | Contact: <sip:bob@192.0.2.10> | Expires: 3600 | Authorization: Digest x=1
        3 P>B REGISTER 1 id=r new br=hop | Contact: <sip:bob@192.0.2.10> | Expires: 3600 | Authorization: Digest x=1
        4 B>P 200 REGISTER 1 id=r br=hop | Contact: <sip:bob@192.0.2.10>;expires=3600
        5 P>A 200 REGISTER 1 id=r br=second | Contact: <sip:bob@192.0.2.10>;expires=3600",
        60,
        json!({"attempts": 1, "successes": 1, "new": 1, "active_at_end": 1, "users_at_end": 1}),
    );
}

#[test]
fn a_phone_that_starts_anew_refreshes_its_binding() {
    // A new Call-ID; then a CSeq that goes back.
    counts(
        "0 A>P REGISTER 77 id=r new | Contact: <sip:bob@192.0.2.10>;expires=60
        1 P>A 200 REGISTER 77 id=r | Contact: <sip:bob@192.0.2.10>;expires=60
        50000 A>P REGISTER 3 id=q new | Contact: <sip:bob@192.0.2.10>;expires=60
        50001 P>A 200 REGISTER 3 id=q | Contact: <sip:bob@192.0.2.10>;expires=60
        51000 A>P REGISTER 2 id=q new | Contact: <sip:bob@192.0.2.10>;expires=60
        51001 P>A 200 REGISTER 2 id=q | Contact: <sip:bob@192.0.2.10>;expires=60",
        100,
        json!({"attempts": 3, "successes": 3, "new": 1, "refresh": 2, "active_at_end": 1, "users_at_end": 1}),
    );
}

#[test]
fn all_are_removed_by_a_star_in_the_short_form() {
    counts(
        "0 A>P REGISTER 1 id=r new | Contact: \"*\" <sip:bob@192.0.2.10>, <sip:bob@192.0.2.11> | Expires: 3600
        1 P>A 200 REGISTER 1 id=r | m: <sip:bob@192.0.2.10>;expires=\"3600\" | Contact: <sip:bob@192.0.2.11>;expires=3600
        1000 A>P REGISTER 2 id=r new | m:   * | Expires:  0
        1001 P>A 200 REGISTER 2 id=r",
        3,
        json!({"attempts": 2, "successes": 2, "new": 2, "removal": 2}),
    );
}

#[test]
fn the_grant_holds_and_not_the_wish() {
    counts(
        "0 A>P REGISTER 1 id=r new | Contact: <sip:bob@192.0.2.10>;expires=20 | Expires: 3600
        1 P>A 200 REGISTER 1 id=r | Contact: <sip:bob@192.0.2.10> | Expires: 25
        2 C>P REGISTER 1 id=c new ft=c | Contact: <sip:bob@203.0.113.30> | Expires: 20
        3 P>C 200 REGISTER 1 id=c ft=c | Contact: <sip:bob@203.0.113.30>;expires=300, <sip:bob@192.0.2.10>;expires=22 | Expires: 20",
        30,
        json!({"attempts": 2, "successes": 2, "new": 2, "expired": 1, "active_at_end": 1, "users_at_end": 1}),
    );
}

#[test]
fn behind_nat_one_contact_takes_the_place_of_another() {
    counts(
        "0 A>P REGISTER 1 id=r new | Contact: <sip:bob@192.0.2.10:1111>;expires=60
        1 P>A 200 REGISTER 1 id=r | Contact: <sip:bob@192.0.2.10:1111>;expires=60
        10000 A>P REGISTER 2 id=r new | Contact: <sip:bob@192.0.2.10:2222>;expires=60, <sip:bob@192.0.2.10:1111>;expires=0
        10001 P>A 200 REGISTER 2 id=r | Contact: <sip:bob@192.0.2.10:2222>;expires=60",
        30,
        json!({"attempts": 2, "successes": 2, "new": 2, "removal": 1, "active_at_end": 1, "users_at_end": 1}),
    );
}

#[test]
fn any_one_message_of_a_registration_may_be_missing() {
    const CONTACT: &str = "| Contact: <sip:bob@192.0.2.10> | Expires: 3600";
    let direct = [
        format!("0 A>P REGISTER 1 id=r new {CONTACT}"),
        "10 P>A 401 REGISTER 1 id=r".to_owned(),
        format!("20 A>P REGISTER 2 id=r new {CONTACT} | Authorization: Digest x=1"),
        "30 P>A 200 REGISTER 2 id=r | Contact: <sip:bob@192.0.2.10>;expires=3600".to_owned(),
    ];
    let second = |line: &String, n: usize| {
        let line = line.replace("A>P", "P>B").replace("P>A", "B>P");
        let (time, rest) = line.split_once(' ').expect("a time");
        let time: i64 = time.parse().expect("milliseconds");
        // Requests come to the registrar later, responses leave it sooner.
        format!("{} {rest}", if n.is_multiple_of(2) { time + 1 } else { time - 1 })
    };
    let registrar: Vec<String> = direct.iter().enumerate().map(|(n, line)| second(line, n)).collect();
    let through: Vec<String> = direct.iter().cloned().chain(registrar).collect();
    for lines in [direct.to_vec(), through] {
        for missing in 0..=lines.len() {
            let what = lines.get(missing).map_or("", |line| line.as_str());
            // Nothing else tells that the phone was accepted.
            if what.starts_with("30 P>A") {
                continue;
            }
            println!("without {what}");
            let kept: Vec<&str> =
                lines.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, line)| line.as_str()).collect();
            counts(
                &kept.join("\n"),
                60,
                json!({"attempts": 1, "successes": 1, "new": 1, "active_at_end": 1, "users_at_end": 1}),
            );
        }
    }
}
