//! Softphones that register at a Kamailio on this host, call each other through it, hold, and hand a call on.

#[path = "live/common.rs"]
mod common;
#[allow(dead_code)] // uses a part of it
#[path = "support/generator/rng.rs"]
mod rng;
#[path = "live/servers.rs"]
mod servers;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use common::{Agent, PortBlock, Samples};
use servers::{Server, Softphone, start_kamailio};

const HOST: Ipv4Addr = Ipv4Addr::new(127, 8, 0, 9);
const HELD: Duration = Duration::from_secs(2);

/// A command of baresip's menu, as its module ctrl_tcp takes it: JSON in a netstring (https://cr.yp.to/proto/netstrings.txt).
fn command(control: SocketAddr, command: &str, params: &str) {
    let json = serde_json::json!({ "command": command, "params": params }).to_string();
    let mut stream = common::wait_for("baresip's control port", || TcpStream::connect(control).ok());
    write!(stream, "{}:{json},", json.len()).expect("a command is sent");
    // It answers, and tells events until it is left alone.
    stream.set_read_timeout(Some(common::PATIENCE)).expect("a timeout");
    assert!(stream.read(&mut [0; 4096]).expect("an answer") > 0);
}

#[test]
fn softphones_hold_and_hand_on() {
    if !common::can_run(&["baresip", "kamailio"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let block = PortBlock::claim();
    let (sip_ports, media_ports) = block.ranges();
    let address = common::free_tcp_port();
    // Each phone has an address of its own, so that each is a peer; the proxy is the host.
    let names = ["alice", "bob", "carol"];
    let host = |n: usize| Ipv4Addr::new(127, 9, 0, n as u8 + 1);
    let peers = names
        .iter()
        .enumerate()
        .map(|(n, name)| format!("[[peers]]\nname = \"{name}\"\nnetworks = [\"{}\"]\n", host(n)));
    let configuration = format!(
        "[web]\nlisten_address = \"{address}\"\n[media]\ninterval = \"1s\"\nidle_timeout = \"3s\"\n\
         [capture]\ninterfaces = [\"lo\"]\nsip_ports = [\"{sip_ports}\"]\nmedia_ports = [\"{media_ports}\"]\n\
         [site]\nlocal_networks = [\"{HOST}\"]\n{}",
        peers.collect::<String>()
    );
    let agent = Agent::start(folder, address, &configuration);
    let home = SocketAddr::from((HOST, block.sip(1)));
    let _kamailio = start_kamailio(folder, "kamailio_scenes.cfg", &[("PROXY", &home.to_string())]);

    let control = |n: usize| SocketAddr::from((host(n), block.sip(0) + 10));
    let start = |(n, name): (usize, &&'static str)| {
        let sip = SocketAddr::from((host(n), block.sip(2)));
        Softphone { name, sip, media: block.media(n as u16), account: "" }.register(folder, home, control(n))
    };
    let mut phones: Vec<Server> = names.iter().enumerate().map(start).collect();
    agent.wait_for_metrics("three bindings", |now| now.sum("sip_registrations_active", &[]) == 3.0);

    let in_state = |now: &Samples, state: &str| now.sum("call_active", &[("state", state)]);
    command(control(0), "dial", &format!("sip:bob@{home}"));
    phones[0].wait_for_log("Call established");
    agent.wait_for_metrics("a call from alice to bob", |now| in_state(now, "answered") == 1.0);
    command(control(0), "hold", "");
    agent.wait_for_metrics("it to be held", |now| in_state(now, "held") == 1.0 && in_state(now, "answered") == 0.0);
    sleep(HELD);
    command(control(0), "resume", "");
    agent.wait_for_metrics("it to be resumed", |now| in_state(now, "held") == 0.0 && in_state(now, "answered") == 1.0);
    command(control(0), "transfer", &format!("sip:carol@{home}"));
    // Bob calls carol, and alice is out of it.
    let transferred =
        |now: &Samples| now.sum("call_answers_total", &[("origin", "bob"), ("destination", "carol")]) == 1.0;
    agent.wait_for_metrics("bob to talk to carol", transferred);
    sleep(Duration::from_secs(2));
    for phone in phones.drain(..) {
        let (_, log) = phone.end("TERM");
        assert!(log.contains("terminated (duration"), "{log}");
    }
    let over = |now: &Samples| now.sum("call_active", &[]) == 0.0 && now.sum("sip_registrations_active", &[]) == 0.0;
    let end = agent.wait_for_metrics("all to be over", over);
    assert_calls(&end);
}

fn assert_calls(end: &Samples) {
    let counts =
        |pairs: &[(&str, f64)]| pairs.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect::<BTreeMap<_, _>>();
    assert_eq!(end.by("call_attempts_total", "origin"), counts(&[("alice", 1.0), ("bob", 1.0)]));
    assert_eq!(end.by("call_attempts_total", "destination"), counts(&[("bob", 1.0), ("carol", 1.0)]));
    assert_eq!(end.by("call_attempts_total", "direction"), counts(&[("transit", 2.0)]));
    assert_eq!(end.by("call_outcomes_total", "outcome"), counts(&[("completed", 2.0)]));
    assert_eq!(end.by("call_transfers_total", "kind"), counts(&[("refer", 1.0)]));
    assert_eq!(end.by("call_hold_seconds_count", "origin").get("alice"), Some(&1.0));
    let held = end.sum("call_hold_seconds_sum", &[("origin", "alice")]);
    assert!((HELD.as_secs_f64()..HELD.as_secs_f64() + 5.0).contains(&held), "held for {held} s");
    // In, and out again.
    assert_eq!(end.by("sip_registration_attempts_total", "result"), counts(&[("success", 6.0)]));
    assert_eq!(end.by("sip_registration_attempts_total", "peer"), counts(&names_with(2.0)));
}

fn names_with(count: f64) -> [(&'static str, f64); 3] {
    ["alice", "bob", "carol"].map(|name| (name, count))
}
