//! Calls through a Kamailio on this host, over UDP, TCP and WebSocket: each is one call, whatever comes in and goes out.

#[path = "live/common.rs"]
mod common;
#[path = "live/ladder.rs"]
mod ladder;
#[allow(dead_code)] // uses a part of it
#[path = "support/generator/rng.rs"]
mod rng;
#[path = "live/scenes.rs"]
mod scenes;
#[path = "live/servers.rs"]
mod servers;
#[path = "live/sipp.rs"]
mod sipp;

use std::any::Any;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use common::PortBlock;
use ladder::{Scene, Stage};
use scenes::Play;
use servers::start_kamailio;

fn proxy(block: &PortBlock) -> SocketAddr {
    SocketAddr::from(([127, 8, 0, 9], block.sip(1)))
}

fn kamailio(folder: &Path, block: &PortBlock) -> Box<dyn Any> {
    Box::new(start_kamailio(folder, "kamailio_scenes.cfg", &[("PROXY", &proxy(block).to_string())]))
}

fn stage(scenes: &[Scene], n: usize, block: &PortBlock, caller: &'static str) -> Stage {
    let parties = scenes::parties(scenes, n).map(|host| SocketAddr::from((host, block.sip(0))));
    Stage { parties, remote: proxy(block), transports: [caller, "UDP"] }
}

#[test]
fn a_call_through_a_proxy_is_one_call() {
    if !common::can_run(&["sipp", "kamailio"]) {
        return;
    }
    let stage = |scenes: &[Scene], n: usize, block: &PortBlock| stage(scenes, n, block, "UDP");
    let text = include_str!("live/scenes/proxied.txt");
    scenes::play(&Play { stage, beside: kamailio, patience: Duration::from_secs(5), ..Play::of(text) });
}
