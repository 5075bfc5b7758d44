//! Resident memory of a live stream and of a live call, as the kernel counts it (Linux). Prints one line each.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use sidetone::config::Config;
use sidetone::engine::{Engine, Settings};
use sidetone::site::Site;
use sidetone::time::Timestamp;
use sidetone::wire::LinkType;

#[allow(dead_code)] // shared with tests/hostile.rs
#[path = "../tests/hostile/packets.rs"]
mod packets;

use packets::{Call, From, address, ethernet, rtp};

const CALLS: u32 = 20_000;

/// Bytes of this process that are in memory: the second number of statm, in pages of 4 KiB.
fn resident() -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok()).expect("a number of pages") * 4096.0
}

fn endpoint(network: u8, n: u32) -> SocketAddr {
    address(&format!("10.{network}.{}.{}:10000", n >> 8 & 255, n & 255))
}

fn main() {
    let mut engine = Engine::new(Settings::new(&Config::default(), false), Arc::new(Site::default()));
    engine.add_interface("memory");
    let mut feed = |packet: &[u8]| {
        let frame = ethernet(packet);
        let now = Timestamp::from_nanos(1_700_000_000_000_000_000);
        engine.frame(0, now, LinkType::ETHERNET, frame.len() as u32, &frame);
    };
    let call = |n: u32| {
        let (caller_media, callee_media) = (endpoint(1, n), endpoint(2, n));
        Call { caller_media, callee_media, ..Call::v4(&format!("1a2b3c4d5e6f-{n}@192.0.2.10")) }
    };
    let empty = resident();
    for n in 0..CALLS {
        let call = call(n);
        feed(&call.signal(From::Caller, &call.invite()));
        feed(&call.signal(From::Callee, &call.ringing()));
        feed(&call.signal(From::Callee, &call.ok()));
    }
    let with_calls = resident();
    for n in 0..CALLS {
        let call = call(n);
        for sequence in 0..2 {
            feed(&call.media(From::Caller, &rtp(0, sequence, u32::from(sequence) * 160, n, 160)));
            feed(&call.media(From::Callee, &rtp(0, sequence, u32::from(sequence) * 160, n, 160)));
        }
    }
    let with_streams = resident();
    let calls = f64::from(CALLS);
    println!(
        "call    {:6.0} bytes resident each, {CALLS} live, their transactions included",
        (with_calls - empty) / calls
    );
    println!("stream  {:6.0} bytes resident each, {} live", (with_streams - with_calls) / (2.0 * calls), 2 * CALLS);
    drop(engine);
}
