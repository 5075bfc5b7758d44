//! Forks, holds and transfers: played by SIPp, counted by the agent.

#[path = "live/common.rs"]
mod common;
#[path = "live/ladder.rs"]
mod ladder;
#[path = "live/scenes.rs"]
mod scenes;
#[path = "live/sipp.rs"]
mod sipp;

use std::time::Duration;

use common::{Agent, Samples};
use ladder::Stage;
use scenes::Play;

#[test]
fn forks_holds_and_transfers() {
    let text = include_str!("live/scenes/dialogs.txt");
    scenes::play(&Play { patience: Duration::from_secs(5), during, ..Play::of(text) });
}

/// Calls on hold are told apart while they are.
fn during(agent: &Agent, _: &[Stage]) -> Vec<String> {
    let differences = |now: &Samples| -> Vec<String> {
        let wanted = [("hold-sendonly-a", "held", 3.0), ("hold-inactive-a", "held", 2.0)];
        let wanted = wanted.into_iter().chain(wanted.map(|(origin, ..)| (origin, "answered", 0.0)));
        let compare = |(origin, state, calls): (&str, &str, f64)| {
            let got = now.sum("call_active", &[("state", state), ("origin", origin)]);
            (got != calls).then(|| format!("{origin}: {got} calls are {state}, not {calls}"))
        };
        wanted.filter_map(compare).collect()
    };
    differences(&scenes::wait_for_truth(agent, Duration::from_secs(2), differences))
}
