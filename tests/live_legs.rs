//! Calls through a back-to-back user agent whose legs a header field joins: played by SIPp, one pair a leg.

#[path = "live/common.rs"]
mod common;
#[path = "live/ladder.rs"]
mod ladder;
#[path = "live/scenes.rs"]
mod scenes;
#[path = "live/sipp.rs"]
mod sipp;

use std::net::{Ipv4Addr, SocketAddr};

use common::PortBlock;
use ladder::{Scene, Stage};
use scenes::Play;

#[test]
fn joined_legs_are_one_call() {
    scenes::play(&Play { stage, ..Play::of(include_str!("live/scenes/legs.txt")) });
}

/// `NAME-leg` goes on from where `NAME`, the scene before it, ends: to the callee of that.
fn stage(scenes: &[Scene], n: usize, block: &PortBlock) -> Stage {
    let stage = (Play::of("").stage)(scenes, n, block);
    let is_leg = |n: usize| scenes.get(n).is_some_and(|scene| scene.name.ends_with("-leg"));
    let b2bua = |scene: usize, port: u16| {
        let host = Ipv4Addr::new(127, 8, 200, u8::try_from(scene + 1).expect("few scenes"));
        SocketAddr::from((host, block.sip(port)))
    };
    let parties = match () {
        () if is_leg(n) => [b2bua(n - 1, 1), SocketAddr::from((scenes::parties(scenes, n - 1)[1], block.sip(0)))],
        () if is_leg(n + 1) => [stage.parties[0], b2bua(n, 0)],
        () => return stage,
    };
    Stage { parties, remote: parties[1], ..stage }
}
