//! Media quality, held to the standards and to what the project promises: constructed packets in, reports and metrics out.

mod support;

#[path = "support/cases.rs"]
mod cases;
#[allow(dead_code)]
#[path = "hostile/harness.rs"]
mod harness;
#[allow(dead_code)]
#[path = "hostile/packets.rs"]
mod packets;

#[path = "media/bursts.rs"]
mod bursts;
#[path = "media/delay.rs"]
mod delay;
#[path = "media/intervals.rs"]
mod intervals;
#[path = "media/playout.rs"]
mod playout;
#[path = "media/problems.rs"]
mod problems;
#[path = "media/real_streams.rs"]
mod real_streams;
#[path = "media/relays.rs"]
mod relays;
#[path = "media/scene.rs"]
mod scene;
