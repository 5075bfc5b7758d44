//! Phones that register at a Kamailio: what the agent counts is what they did.

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

fn registrar(block: &PortBlock) -> SocketAddr {
    SocketAddr::from(([127, 8, 0, 9], block.sip(1)))
}

fn kamailio(folder: &Path, block: &PortBlock) -> Box<dyn Any> {
    Box::new(start_kamailio(folder, "kamailio_scenes.cfg", &[("PROXY", &registrar(block).to_string())]))
}

fn stage(scenes: &[Scene], n: usize, block: &PortBlock, transport: &'static str) -> Stage {
    let phone = SocketAddr::from((scenes::parties(scenes, n)[0], block.sip(0)));
    let mut registrar = registrar(block);
    if scenes[n].name == "silent" {
        registrar.set_port(block.sip(2));
    }
    Stage { parties: [phone, registrar], remote: registrar, transports: [transport; 2] }
}

#[test]
fn phones_register_at_kamailio() {
    if !common::can_run(&["sipp", "kamailio"]) {
        return;
    }
    let stage = |scenes: &[Scene], n: usize, block: &PortBlock| stage(scenes, n, block, "UDP");
    let text = include_str!("live/scenes/registrations.txt");
    // Silence is given up after 64 * T1 (RFC 3261 section 17.1.2.2).
    scenes::play(&Play { stage, beside: kamailio, patience: Duration::from_secs(40), ..Play::of(text) });
}

#[test]
fn a_phone_has_several_bindings() {
    if !common::can_run(&["sipp", "kamailio"]) {
        return;
    }
    let stage = |scenes: &[Scene], n: usize, block: &PortBlock| stage(scenes, n, block, "UDP");
    let text = include_str!("live/scenes/bindings.txt");
    scenes::play(&Play { stage, beside: kamailio, patience: Duration::from_secs(5), ..Play::of(text) });
}
