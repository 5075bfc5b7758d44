//! One call on several hops, and one call of several legs: who is called from where, counted once.

use serde_json::Value;
use sidetone::site::Site;

use crate::ladder::{put, with};
use crate::scene::{Scene, Seen};
use crate::support::items;

/// A host at 10.0.0.1 between two carriers.
pub fn between() -> Scene {
    Scene::at(Site::new(
        vec!["10.0.0.1/32".parse().expect("a network")],
        &[
            ("west".to_owned(), vec!["192.0.2.0/24".parse().expect("a network")]),
            ("east".to_owned(), vec!["198.51.100.0/24".parse().expect("a network")]),
            ("south".to_owned(), vec!["203.0.113.0/24".parse().expect("a network")]),
        ],
    ))
}

const THROUGH_A_PROXY: &str = "
    0 A>P INVITE 1 sdp=sendrecv
    1 P>A 100 INVITE 1
    5 P>B INVITE 1 sdp=sendrecv
    50 B>P 180 INVITE 1
    51 P>A 180 INVITE 1
    2000 B>P 200 INVITE 1 sdp=sendrecv
    2001 P>A 200 INVITE 1 sdp=sendrecv
    2010 A>P ACK 1
    2011 P>B ACK 1
    5000 B>P BYE 1 ft=b tt=a
    5001 P>A BYE 1 ft=b tt=a
    5010 A>P 200 BYE 1 ft=b tt=a
    5011 P>B 200 BYE 1 ft=b tt=a";

const WEST_TO_EAST: &str = "direction=\"transit\",origin=\"west\",destination=\"east\"";

#[test]
fn through_a_proxy_it_is_one_call_between_the_far_ends() {
    let seen = with(between(), THROUGH_A_PROXY).run();
    seen.ended(1.0, &[("completed", 1.0)]);
    seen.counts(&[("call_attempts_total", WEST_TO_EAST, 1.0), ("call_answers_total", WEST_TO_EAST, 1.0)]);
    seen.counts(&[("call_duration_seconds_count", WEST_TO_EAST, 1.0)]);
    seen.counts(&[("call_disconnect_delay_seconds_count", WEST_TO_EAST, 1.0)]);
    assert_eq!(seen.call("call-1")["destination"], "10.0.0.1:5060", "the first hop");
}

#[test]
fn a_call_goes_where_the_last_branch_went() {
    let seen = with(
        between(),
        "0 A>P INVITE 1
        5 P>B INVITE 1
        20 B>P 503 INVITE 1
        30 P>C INVITE 1 br=third
        90 C>P 486 INVITE 1 tt=c br=third
        91 P>A 486 INVITE 1 tt=c",
    )
    .run();
    seen.counts(&[(
        "call_outcomes_total",
        "outcome=\"busy\",direction=\"transit\",origin=\"west\",destination=\"south\"",
        1.0,
    )]);
}

#[test]
fn a_call_that_goes_no_further_is_inbound_or_outbound() {
    let inbound = with(between(), "0 A>P INVITE 1 \n 10 P>A 404 INVITE 1").run();
    inbound.counts(&[("call_attempts_total", "direction=\"inbound\",origin=\"west\",destination=\"other\"", 1.0)]);
    let outbound = with(between(), "0 P>B INVITE 1 \n 10 B>P 404 INVITE 1").run();
    outbound.counts(&[("call_attempts_total", "direction=\"outbound\",origin=\"other\",destination=\"east\"", 1.0)]);
}

/// A call of two Call-IDs through a B2BUA; `leg` are the header fields of its INVITEs.
fn b2bua(first: &str, second: &str) -> Seen {
    let mut scene = between();
    put(
        &mut scene,
        &format!(
            "0 A>P INVITE 1 sdp=sendrecv {first}
            1 P>A 100 INVITE 1
            5 P>B INVITE 1 id=leg-2 ft=p sdp=sendrecv {second}
            50 B>P 180 INVITE 1 id=leg-2 ft=p
            52 P>A 180 INVITE 1
            2000 B>P 200 INVITE 1 id=leg-2 ft=p sdp=sendrecv
            2002 P>A 200 INVITE 1 sdp=sendrecv
            2003 P>B ACK 1 id=leg-2 ft=p
            2010 A>P ACK 1
            5000 A>P BYE 2
            5001 P>A 200 BYE 2
            5002 P>B BYE 2 id=leg-2 ft=p
            5010 B>P 200 BYE 2 id=leg-2 ft=p"
        ),
    );
    scene.run()
}

#[test]
fn legs_that_a_header_joins_are_one_call() {
    let joined = [
        ("| Session-ID: ab30e2f1;remote=00000000", "| Session-ID: ab30e2f1;remote=00000000"),
        ("", "| X-CID: call-1"),
        ("| P-Charging-Vector: icid-value=12ab;orig-ioi=a", "| P-Charging-Vector: orig-ioi=b;icid-value=12ab"),
    ];
    for (first, second) in joined {
        let seen = b2bua(first, second);
        seen.ended(1.0, &[("completed", 1.0)]);
        seen.counts(&[("call_attempts_total", WEST_TO_EAST, 1.0), ("call_active", "", 0.0)]);
        seen.counts(&[("call_duration_seconds_count", "", 1.0), ("call_releases_total", "", 1.0)]);
        let calls = items(&seen.report["calls"]);
        assert_eq!(calls.len(), 1);
        let legs: Vec<&Value> = items(&calls[0]["legs"]).iter().collect();
        assert_eq!((legs.len(), &legs[0]["call_id"]), (1, &Value::from("leg-2")));
    }
}

#[test]
fn legs_that_nothing_joins_are_two() {
    for (first, second) in [
        ("", ""),
        ("| Session-ID: ab30e2f1;remote=00000000", "| Session-ID: ab30e2f2;remote=00000000"),
        ("| Session-ID: 00000000;remote=00000000", "| Session-ID: 00000000;remote=00000000"),
        ("", "| X-CID: call-17"),
    ] {
        let seen = b2bua(first, second);
        seen.ended(2.0, &[("completed", 2.0)]);
        assert_eq!(items(&seen.report["calls"]).len(), 2);
    }
}

#[test]
fn a_call_after_the_first_has_ended_is_another_one() {
    let mut scene = between();
    put(
        &mut scene,
        "0 A>P INVITE 1 | Session-ID: ab30e2f1;remote=00000000
        10 P>A 486 INVITE 1
        5000 A>P INVITE 1 id=again | Session-ID: ab30e2f1;remote=00000000
        5010 P>A 486 INVITE 1 id=again",
    );
    scene.run().ended(2.0, &[("busy", 2.0)]);
}
