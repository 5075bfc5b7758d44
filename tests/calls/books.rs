//! Ladders that nobody drew: forks, branches, tags and CSeqs at random between four hosts. Each attempt still ends once.

use proptest::prelude::*;

use crate::cases::cases;
use crate::ladder::{put, wait};
use crate::scene::Scene;

fn line() -> impl Strategy<Value = String> {
    let hops = ["A>P", "P>A", "P>B", "B>P", "P>C", "C>P", "A>B", "B>A"];
    let what = [
        "INVITE",
        "INVITE",
        "CANCEL",
        "ACK",
        "BYE",
        "BYE",
        "UPDATE",
        "100 INVITE",
        "180 INVITE",
        "180 INVITE",
        "199 INVITE",
        "200 INVITE",
        "200 INVITE",
        "302 INVITE",
        "407 INVITE",
        "486 INVITE",
        "487 INVITE",
        "603 INVITE",
        "200 BYE",
        "481 BYE",
        "200 CANCEL",
    ];
    let select = |from: &[&'static str]| prop::sample::select(from.to_vec());
    let tags = (select(&["a", "a", "a", "z", "b"]), select(&["new", "tt=b", "tt=b", "tt=c", "tt=d", "tt=a"]));
    let branch = select(&["", "", "br=x", "br=y"]);
    let options = (tags, branch, select(&["", "client=40001"]), select(&["", "sdp=sendrecv", "sdp=sendonly"]));
    let when = select(&["0", "1", "700", "5000", "40000", "300000"]);
    (when, select(&hops), select(&what), 1..4u32, options).prop_map(
        |(when, hop, what, cseq, ((from_tag, to_tag), branch, client, sdp))| {
            format!("+{when} {hop} {what} {cseq} ft={from_tag} {to_tag} {branch} {client} {sdp}")
        },
    )
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn every_attempt_ends_once(lines in prop::collection::vec(line(), 1..40)) {
        let mut scene = Scene::new().configured(|config| config.calls.max_duration = std::time::Duration::from_secs(600));
        put(&mut scene, &lines.join("\n"));
        let last = 41 * 300;
        scene.pause(last * 1_000_000_000);
        for second in [last + 300, last + 700, last + 1100] {
            scene.pause(second * 1_000_000_000);
        }
        let seen = wait(scene, 0).run();
        let sum = |family: &str| seen.sum(family, "");
        prop_assert_eq!(sum("call_active"), 0.0);
        prop_assert_eq!(sum("call_attempts_total"), sum("call_outcomes_total"));
        prop_assert!(sum("call_answers_total") <= sum("call_attempts_total"));
        prop_assert_eq!(
            sum("call_duration_seconds_count") + sum("call_lost_duration_seconds_count"),
            sum("call_answers_total")
        );
        prop_assert_eq!(sum("call_releases_total"), sum("call_attempts_total") + sum("call_half_seen_total"));
    }
}
