//! Every ending of a call attempt that a status, a CANCEL, a BYE or a timer makes: played by SIPp, counted by the agent.

#[path = "live/common.rs"]
mod common;
#[path = "live/ladder.rs"]
mod ladder;
#[path = "live/scenes.rs"]
mod scenes;
#[path = "live/sipp.rs"]
mod sipp;

use std::fmt::Write;
use std::time::Duration;

use scenes::Play;

/// Refusals by status, and the outcome of the attempt: RFC 3261 section 21, RFC 8197, RFC 8688.
const REFUSALS: [(u16, &str); 46] = [
    (300, "redirected"),
    (301, "redirected"),
    (302, "redirected"),
    (305, "redirected"),
    (380, "redirected"),
    (400, "rejected"),
    (402, "rejected"),
    (403, "rejected"),
    (404, "not_found"),
    (405, "rejected"),
    (406, "rejected"),
    (408, "network_failure"),
    (410, "not_found"),
    (413, "rejected"),
    (414, "rejected"),
    (415, "rejected"),
    (416, "rejected"),
    (420, "rejected"),
    (421, "rejected"),
    (423, "rejected"),
    (433, "rejected"),
    (480, "no_answer"),
    (481, "rejected"),
    (482, "rejected"),
    (483, "rejected"),
    (484, "not_found"),
    (485, "not_found"),
    (486, "busy"),
    (487, "cancelled"),
    (488, "rejected"),
    (493, "rejected"),
    (500, "server_failure"),
    (501, "server_failure"),
    (502, "server_failure"),
    (503, "network_failure"),
    (504, "network_failure"),
    (505, "server_failure"),
    (513, "server_failure"),
    (580, "server_failure"),
    (600, "busy"),
    (603, "rejected"),
    (604, "not_found"),
    (607, "blocked"),
    (608, "blocked"),
    (699, "server_failure"),
    (499, "rejected"),
];

#[test]
fn every_refusal_has_its_outcome() {
    let mut text = String::new();
    for (status, outcome) in REFUSALS {
        // RFC 6076 section 4.3.2: neither a redirection nor 402 is a failure.
        let fails = status >= 400 && status != 402;
        let (failures, failed) = if fails { (1, "failures=1 failure=0.2") } else { (0, "failures=0") };
        let scene = format!(
            "scene refused-{status}:\n> INVITE sdp\n< 100\n< {status}\n> ACK\n= {outcome} setups=0 failures={failures}\n"
        );
        text.push_str(&scene);
        // Ringing does not change it, but for a 408: somebody was there, and did not answer.
        let outcome = if status == 408 { "no_answer" } else { outcome };
        let rang = "> INVITE sdp\n< 180\n~ 200\n";
        write!(
            text,
            "scene rang-{status}:\ndirection inbound\n{rang}< {status}\n> ACK\n= {outcome} setups=1 {failed}\n"
        )
        .expect("a string");
    }
    scenes::play(&Play::of(&text));
}

#[test]
fn every_ending_in_time_has_its_outcome() {
    let text = include_str!("live/scenes/endings.txt");
    let calls = "setup_timeout = \"3s\"\nring_timeout = \"6s\"";
    scenes::play(&Play { calls, patience: Duration::from_secs(20), ..Play::of(text) });
}

#[test]
fn a_call_without_a_bye_is_dropped_in_the_end() {
    let text = "\
        scene lost:\n> INVITE sdp\n< 200 sdp\n> ACK\n= dropped setups=1 durations=0\n\
        scene lost-inbound:\ndirection inbound\n> INVITE sdp\n< 180\n< 200 sdp\n> ACK\n> INFO\n< 200\n= dropped setups=1\n\
        scene never-confirmed:\n> INVITE sdp\n< 200 sdp\n= dropped\n\
        scene in-time:\n> INVITE sdp\n< 200 sdp\n> ACK\n~ 1500\n> BYE\n< 200\n= completed durations=1 duration=1.5\n";
    let calls = "max_duration = \"3s\"";
    scenes::play(&Play { calls, ..Play::of(text) });
}
