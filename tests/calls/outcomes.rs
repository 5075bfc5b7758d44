//! Each ending, and the one outcome that it has.

use sidetone::call::Outcome;
use sidetone::call::outcome::{Row, Rule, TABLE, When};

use crate::ladder::{play, play_and_wait};

/// An attempt that is refused with this status, with these header fields, after a 180 or not.
fn refused(code: u16, rang: bool, headers: &str) -> String {
    let ringing = if rang { "100 B>A 180 INVITE 1" } else { "" };
    format!(
        "0 A>B INVITE 1 sdp=sendrecv
        20 B>A 100 INVITE 1
        {ringing}
        300 B>A {code} INVITE 1 {headers}
        310 A>B ACK 1"
    )
}

#[track_caller]
fn outcome_of(ladder: &str) -> String {
    let seen = play(ladder);
    let outcome = seen.call("call-1")["outcome"].as_str().expect("an outcome").to_owned();
    seen.ended(1.0, &[(&outcome, 1.0)]);
    outcome
}

#[test]
fn each_final_status_of_the_rfcs() {
    // RFC 3261 section 21 and the registry of status codes since; the outcome as the contract names it.
    let truth = [
        (&[300, 301, 302, 305, 380][..], "redirected"),
        (&[404, 410, 484, 485, 604], "not_found"),
        (&[480], "no_answer"),
        (&[486, 600], "busy"),
        (&[487], "cancelled"),
        (
            &[400, 402, 403, 405, 406, 413, 415, 416, 420, 421, 423, 433, 481, 482, 483, 488, 491, 493, 603, 606],
            "rejected",
        ),
        (&[607, 608], "blocked"),
        (&[408, 503, 504], "network_failure"),
        (&[500, 501, 502, 505, 513, 580, 601, 699], "server_failure"),
    ];
    for (codes, outcome) in truth {
        for code in codes {
            assert_eq!(outcome_of(&refused(*code, false, "")), outcome, "{code}");
        }
    }
    assert_eq!(outcome_of(&refused(408, true, "")), "no_answer", "it rang");
    assert_eq!(outcome_of(&refused(480, true, "")), "no_answer");
}

#[test]
fn a_cause_tells_more_than_a_vague_status() {
    let with = |code: u16, cause: u8| outcome_of(&refused(code, false, &format!("| Reason: Q.850;cause={cause}")));
    assert_eq!(with(480, 17), "busy");
    assert_eq!(with(503, 1), "not_found");
    assert_eq!(with(500, 34), "network_failure");
    assert_eq!(with(403, 55), "blocked");
    assert_eq!(with(503, 16), "network_failure", "normal clearing says nothing");
    assert_eq!(with(486, 34), "busy", "a clear status stands");
    assert_eq!(with(404, 27), "not_found");
}

#[test]
fn configured_rules_go_first() {
    let blocked = |rule: Rule| {
        let refusal = sidetone::call::outcome::Refusal {
            code: 403,
            cause: Some(21),
            rang: false,
            peers: [sidetone::site::PeerId::OTHER; 2],
        };
        sidetone::call::outcome::of_refusal(&[rule], &refusal) == Outcome::Blocked
    };
    let rule = Rule { status: vec![], cause: vec![], peer: None, outcome: Outcome::Blocked };
    assert!(blocked(Rule { status: vec![403], ..rule.clone() }));
    assert!(!blocked(Rule { status: vec![603], ..rule.clone() }));
    assert!(blocked(Rule { status: vec![403], cause: vec![21], ..rule.clone() }));
    assert!(!blocked(Rule { cause: vec![17], ..rule }));
}

#[test]
fn cancelled_by_cancel_or_by_bye() {
    let cancelled = "
        0 A>B INVITE 1
        20 B>A 180 INVITE 1
        2000 A>B CANCEL 1
        2010 B>A 200 CANCEL 1
        2020 B>A 487 INVITE 1
        2030 A>B ACK 1";
    let seen = play(cancelled);
    seen.ended(1.0, &[("cancelled", 1.0)]);
    assert_eq!(seen.call("call-1")["ended_by"], "caller");
    let early_bye = "
        0 A>B INVITE 1
        20 B>A 180 INVITE 1
        2000 A>B BYE 2
        2010 B>A 200 BYE 2
        2020 B>A 487 INVITE 1";
    play(early_bye).ended(1.0, &[("cancelled", 1.0)]);
    // Nobody answers the CANCEL either.
    play_and_wait("0 A>B INVITE 1 \n 500 A>B CANCEL 1", 40).ended(1.0, &[("cancelled", 1.0)]);
}

#[test]
fn a_cancel_that_comes_too_late_cancels_nothing() {
    let crossed = "
        0 A>B INVITE 1 sdp=sendrecv
        20 B>A 180 INVITE 1
        2000 A>B CANCEL 1
        2001 B>A 200 INVITE 1 sdp=sendrecv
        2010 B>A 200 CANCEL 1
        2020 A>B ACK 1
        2030 A>B BYE 2
        2040 B>A 200 BYE 2";
    let seen = play(crossed);
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_answers_total", "", 1.0)]);
}

#[test]
fn nobody_answers() {
    play_and_wait("0 A>B INVITE 1 \n 500 A>B INVITE 1 \n 1500 A>B INVITE 1", 40)
        .ended(1.0, &[("network_failure", 1.0)]);
    play_and_wait("0 A>B INVITE 1 \n 10 B>A 100 INVITE 1 \n 20 B>A 180 INVITE 1", 250)
        .ended(1.0, &[("no_answer", 1.0)]);
    play_and_wait("0 A>B INVITE 1 \n 10 B>A 401 INVITE 1 \n 11 A>B ACK 1", 40).ended(1.0, &[("rejected", 1.0)]);
}

#[test]
fn answered_and_ended() {
    let talk = |bye: &str| {
        format!(
            "0 A>B INVITE 1 sdp=sendrecv
            50 B>A 200 INVITE 1 sdp=sendrecv
            60 A>B ACK 1
            9050 {bye}"
        )
    };
    let seen = play(&talk("A>B BYE 2"));
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_releases_total", "side=\"caller\",cause=\"normal\"", 1.0)]);
    seen.counts(&[("call_duration_seconds_sum", "", 9.0), ("call_duration_seconds_count", "", 1.0)]);
    let seen = play(&talk("B>A BYE 1 ft=b tt=a"));
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_releases_total", "side=\"callee\",cause=\"normal\"", 1.0)]);
    assert_eq!(seen.call("call-1")["ended_by"], "callee");
    for cause in [27, 34, 38, 41, 42, 43, 44, 47, 102] {
        let seen = play(&talk(&format!("B>A BYE 1 ft=b tt=a | Reason: Q.850;cause={cause}")));
        seen.ended(1.0, &[("dropped", 1.0)]);
        seen.counts(&[("call_releases_total", "side=\"callee\"", 1.0)]);
    }
    play(&talk("A>B BYE 2 | Reason: SIP;cause=408;text=\"RTP timeout\"")).ended(1.0, &[("dropped", 1.0)]);
    play(&talk("A>B BYE 2 | Reason: Q.850;cause=16")).ended(1.0, &[("completed", 1.0)]);
}

#[test]
fn a_release_has_its_side_and_class() {
    for (code, headers, class) in [
        (486, "", "normal"),
        (503, "", "resource_unavailable"),
        (501, "", "not_implemented"),
        (488, "", "interworking"),
        (504, "", "protocol_error"),
        (500, "| Reason: Q.850;cause=58", "service_unavailable"),
        (500, "| Reason: Q.850;cause=95", "invalid_message"),
    ] {
        let label = format!("side=\"callee\",cause=\"{class}\",direction=\"transit\"");
        play(&refused(code, false, headers)).counts(&[("call_releases_total", &label, 1.0)]);
    }
}

#[test]
fn voicemail_by_the_way_there() {
    let to = |options: &str| {
        format!(
            "0 A>B INVITE 1 {options}
            50 B>A 200 INVITE 1
            60 A>B ACK 1
            5000 A>B BYE 2
            5010 B>A 200 BYE 2"
        )
    };
    for way in [
        "| Diversion: <sip:17@pbx.example>;reason=no-answer",
        "| Diversion: \"Bob\" <sip:17@pbx.example>;privacy=off;reason=user-busy;counter=1",
        "| History-Info: <sip:17@b.example?Reason=SIP%3Bcause%3D408>;index=1, <sip:99@b.example>;index=1.1",
        "uri=sip:99@b.example;target=sip:17%40b.example;cause=486",
        "uri=sip:voicemail@b.example",
    ] {
        play(&to(way)).ended(1.0, &[("voicemail", 1.0)]);
    }
    for way in ["", "| Diversion: <sip:17@pbx.example>;reason=unconditional", "uri=sip:voice@b.example"] {
        play(&to(way)).ended(1.0, &[("completed", 1.0)]);
    }
    // It was forwarded while it rang, and the answer says where to.
    let forwarded = "
        0 A>P INVITE 1
        20 P>A 180 INVITE 1
        9000 P>A 181 INVITE 1 | Diversion: <sip:17@pbx.example>;reason=no-answer
        9500 P>A 200 INVITE 1
        15000 A>P BYE 2";
    play(forwarded).ended(1.0, &[("voicemail", 1.0)]);
    // Nobody answered there either.
    play("0 A>B INVITE 1 uri=sip:voicemail@b.example \n 10 B>A 486 INVITE 1").ended(1.0, &[("busy", 1.0)]);
}

#[test]
fn the_final_status_is_counted_once_an_attempt() {
    let seen = play(&refused(486, true, ""));
    seen.counts(&[("call_final_status_total", "code=\"486\"", 1.0)]);
    let seen = play_and_wait("0 A>B INVITE 1", 40);
    seen.counts(&[("call_final_status_total", "code=\"timeout\"", 1.0)]);
    let seen = play_and_wait("0 A>B INVITE 1 \n 500 A>B CANCEL 1", 40);
    seen.counts(&[("call_final_status_total", "code=\"none\"", 1.0)]);
}

#[test]
fn the_table_covers_every_status_and_has_no_dead_row() {
    for code in 300..700u16 {
        let known =
            TABLE.iter().any(|row| matches!(row.when, When::Status(first, last) if (first..=last).contains(&code)));
        assert!(known, "{code} has no row");
    }
    for (at, row) in TABLE.iter().enumerate() {
        let earlier = &TABLE[..at];
        assert!(!earlier.iter().any(|other| other.when == row.when), "row {at} is never reached");
        if let When::Status(first, last) = row.when {
            let covered =
                |code| earlier.iter().any(|other| matches!(other.when, When::Status(f, l) if (f..=l).contains(&code)));
            assert!((first..=last).any(|code| !covered(code)), "row {at} is never reached");
        }
    }
}

/// A row as docs/outcomes.md has it.
fn documented(row: &Row) -> String {
    let span = |first: u16, last: u16| if first == last { first.to_string() } else { format!("{first} to {last}") };
    let when = match row.when {
        When::Status(first, last) => span(first, last),
        When::Rang(code) => format!("{code} after a 18x"),
        When::Cause(first, last) => format!("vague status, Q.850 cause {}", span(first.into(), last.into())),
        When::ByeCause(first, last) => {
            format!("answered, and BYE with Q.850 cause {}", span(first.into(), last.into()))
        }
        When::ByeStatus(code) => format!("answered, and BYE with `Reason: SIP;cause={code}`"),
        When::Event(event) => event.text().to_owned(),
    };
    format!("| {when} | `{}` | {} |\n", row.outcome.name(), row.source)
}

#[test]
fn the_documented_table_is_the_table() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/outcomes.md");
    let shipped = std::fs::read_to_string(&file).expect("docs/outcomes.md");
    let (before, _) = shipped.split_once("| --- | --- | --- |\n").expect("a table");
    let whole = format!("{before}| --- | --- | --- |\n{}", TABLE.iter().map(documented).collect::<String>());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(&file, whole).expect("docs/outcomes.md is written");
    }
    assert_eq!(shipped, whole, "docs/outcomes.md is not src/call/outcome.rs; UPDATE_DOCS=1 writes it anew");
}
