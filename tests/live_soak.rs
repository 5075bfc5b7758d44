//! The short form of `scripts/soak`: calls come and go at a high rate, and nothing is miscounted, left over or evicted.

#[path = "live/common.rs"]
mod common;
#[allow(dead_code)] // uses a part of it
#[path = "live/namespace.rs"]
mod namespace;
#[allow(dead_code)] // uses a part of it
#[path = "support/generator/rng.rs"]
mod rng;
#[allow(dead_code)] // uses a part of it
#[path = "live/soak/mod.rs"]
mod soak;

use namespace::in_namespace;

/// This test's agent and sender are not optimised, and other tests run beside it: fewer calls than in `scripts/soak`.
const PLAN: soak::Plan = soak::Plan { seconds: 20, calls_per_second: 200, seed: 7 };

/// What waits for half a minute by default would only make it longer; so would the two minutes that the headers of legs are known for.
const CALLS: &str = "setup_timeout = \"3s\"\nleg_headers = []";

#[test]
fn calls_come_and_go_and_nothing_is_left() {
    if !common::can_run(&["ip"]) {
        return;
    }
    in_namespace("calls_come_and_go_and_nothing_is_left", || {
        let folder = tempfile::tempdir().expect("a folder");
        let differences = soak::run(soak::Options { plan: PLAN, calls: CALLS }, folder.path());
        assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    });
}
