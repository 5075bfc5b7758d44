//! Answered calls whose BYE nobody sees: a session timer or the silence of their media ends them.

#[path = "live/common.rs"]
mod common;
#[path = "live/ladder.rs"]
mod ladder;
#[path = "live/scenes.rs"]
mod scenes;
#[path = "live/sipp.rs"]
mod sipp;

use std::time::Duration;

use scenes::Play;

#[test]
fn a_session_timer_ends_a_call() {
    let text = include_str!("live/scenes/timers.txt");
    scenes::play(&Play::of(text));
}

#[test]
fn the_silence_of_its_media_ends_a_call() {
    let text = include_str!("live/scenes/silence.txt");
    let calls = "media_silence = \"10s\"";
    scenes::play(&Play { calls, patience: Duration::from_secs(15), ..Play::of(text) });
}
