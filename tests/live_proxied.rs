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
#[path = "live/websocket.rs"]
mod websocket;

use std::any::Any;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use common::{Agent, PortBlock, Samples};
use ladder::{Scene, Stage};
use scenes::Play;
use servers::start_kamailio;
use websocket::WebSocket;

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
#[test]
fn a_call_over_tcp_and_udp_is_one_call() {
    if !common::can_run(&["sipp", "kamailio"]) {
        return;
    }
    let stage = |scenes: &[Scene], n: usize, block: &PortBlock| stage(scenes, n, block, "TCP");
    let text = include_str!("live/scenes/proxied_tcp.txt");
    scenes::play(&Play { stage, beside: kamailio, patience: Duration::from_secs(5), ..Play::of(text) });
}

/// Callees of a caller that has a WebSocket, three calls and two.
const WEBSOCKET: &str = "
    scene ws-completed:
    direction transit
    only callee
    calls 3
    > INVITE
    < 180
    < 200 sdp
    > ACK
    ~ 300
    < BYE uri=[next_url]
    > 200
    = completed durations=1 duration=0.3

    scene ws-busy:
    direction transit
    only callee
    > INVITE
    < 486
    > ACK
    = busy failures=1
";

#[test]
fn a_call_over_websocket_and_udp_is_one_call() {
    if !common::can_run(&["sipp", "kamailio"]) {
        return;
    }
    let stage = |scenes: &[Scene], n: usize, block: &PortBlock| stage(scenes, n, block, "WS");
    scenes::play(&Play { stage, beside: kamailio, during: call_by_websocket, ..Play::of(WEBSOCKET) });
}

fn call_by_websocket(agent: &Agent, stages: &[Stage]) -> Vec<String> {
    for (stage, (calls, status)) in stages.iter().zip([(3, "200"), (2, "486")]) {
        let [caller, callee] = stage.parties;
        let mut socket = WebSocket::connect(caller.ip(), stage.remote);
        for n in 0..calls {
            let got = socket.call(&format!("{n}-ws-{status}"), callee);
            assert_eq!(got, status);
        }
    }
    let differences = |now: &Samples| -> Vec<String> {
        let mut found = Vec::new();
        for (peer, methods, calls) in
            [("ws-completed-a", &["INVITE", "ACK", "BYE"][..], 3.0), ("ws-busy-a", &["INVITE", "ACK"], 2.0)]
        {
            let attempts = now.sum("call_attempts_total", &[("origin", peer), ("direction", "transit")]);
            if attempts != calls {
                found.push(format!("{peer}: {attempts} attempts, not {calls}"));
            }
            for method in methods {
                let got = now.sum("sip_requests_total", &[("peer", peer), ("method", method), ("transport", "ws")]);
                if got != calls {
                    found.push(format!("{peer}: {got} {method} over ws, not {calls}"));
                }
            }
        }
        found
    };
    differences(&scenes::wait_for_truth(agent, Duration::from_secs(5), differences))
}
