//! A host between two others, each in a network namespace of its own: what it sends is outbound, what it gets inbound, and what it
//! passes on transit, whether a proxy or its kernel does so. Its own addresses are nowhere in the configuration.

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

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Agent, Samples, find_program};
use ladder::{Scene, Stage};
use servers::start_kamailio_in;
use sipp::{Counts, Sipp};

const SIP: u16 = 5060;
const PROXY: u16 = 5070;
const WEB: u16 = 10060;

/// Three namespaces: callers, the host, callees; a link between each two, and one from here to the host's /metrics. All of it goes
/// when this is dropped.
struct Net {
    /// The test's own, so that several may run.
    n: u8,
}

impl Net {
    fn name(&self, which: &str) -> String {
        format!("st{}-{}-{which}", std::process::id(), self.n)
    }

    /// RFC 2544 appendix C.2.2: 198.18.0.0/15 is for tests. Only the link to here is seen by other tests.
    fn web(&self, end: u8) -> Ipv4Addr {
        let link = (std::process::id() << 4 | u32::from(self.n) << 2) & 0xfffc;
        Ipv4Addr::from_bits(Ipv4Addr::new(198, 19, 0, end).to_bits() + link)
    }

    /// The address of a scene's caller (0) or callee (1), and the namespace that has it.
    fn party(&self, scene: &Scene, n: usize, side: usize) -> (Ipv4Addr, String) {
        let n = 10 + n as u8;
        match (scene.direction.as_str(), side) {
            ("outbound", 0) => (Ipv4Addr::new(198, 18, 2, 100 + n), self.name("host")),
            ("inbound", 1) => (Ipv4Addr::new(198, 18, 1, 100 + n), self.name("host")),
            (_, 0) => (Ipv4Addr::new(198, 18, 1, n), self.name("callers")),
            _ => (Ipv4Addr::new(198, 18, 2, n), self.name("callees")),
        }
    }

    /// Sets all up; false where that is not allowed.
    fn create(&self, scenes: &[Scene]) -> bool {
        let [callers, host, callees] = ["callers", "host", "callees"].map(|which| self.name(which));
        let root = format!("st{}x{}", std::process::id(), self.n);
        let mut commands = vec![
            format!("netns add {callers}"),
            format!("netns add {host}"),
            format!("netns add {callees}"),
            format!("link add eth0 netns {callers} type veth peer name eth0 netns {host}"),
            format!("link add eth0 netns {callees} type veth peer name eth1 netns {host}"),
            format!("link add {root} type veth peer name web netns {host}"),
            format!("address add {}/30 dev {root}", self.web(1)),
            format!("link set {root} up"),
            format!("-n {host} address add {}/30 dev web", self.web(2)),
            format!("-n {host} address add 198.18.1.1/24 dev eth0"),
            format!("-n {host} address add 198.18.2.1/24 dev eth1"),
        ];
        for (n, scene) in scenes.iter().enumerate() {
            for side in 0..2 {
                let (address, namespace) = self.party(scene, n, side);
                let interface = if namespace == host && side == 0 { "eth1" } else { "eth0" };
                commands.push(format!("-n {namespace} address add {address}/24 dev {interface}"));
            }
        }
        for (namespace, links) in [(&callers, &["eth0"][..]), (&callees, &["eth0"]), (&host, &["eth0", "eth1", "web"])]
        {
            commands.extend(["lo"].iter().chain(links).map(|link| format!("-n {namespace} link set {link} up")));
        }
        commands.push(format!("-n {callers} route add default via 198.18.1.1"));
        commands.push(format!("-n {callees} route add default via 198.18.2.1"));
        // A network namespace has its own setting, and its first process sees it under /proc/sys.
        let forward = ["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"];
        commands.iter().all(|command| ip(command)) && self.run_in_host(&forward)
    }

    fn run_in_host(&self, words: &[&str]) -> bool {
        let host = self.name("host");
        let program = find_program("ip").expect("ip");
        Command::new(program).args(["netns", "exec", &host]).args(words).status().expect("ip runs").success()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for which in ["callers", "host", "callees"] {
            ip(&format!("netns delete {}", self.name(which)));
        }
    }
}

fn ip(arguments: &str) -> bool {
    let program = find_program("ip").expect("ip");
    Command::new(program).args(arguments.split(' ')).stderr(Stdio::null()).status().expect("ip runs").success()
}

fn configuration(address: SocketAddr, net: &Net, scenes: &[Scene], interfaces: &str) -> String {
    let mut text = format!(
        "[web]\nlisten_address = \"{address}\"\n[capture]\ninterfaces = {interfaces}\nsip_ports = [{SIP}, {PROXY}]\n"
    );
    for (n, scene) in scenes.iter().enumerate() {
        for (side, letter) in ["a", "b"].iter().enumerate() {
            let host = net.party(scene, n, side).0;
            text += &format!("[[peers]]\nname = \"{}-{letter}\"\nnetworks = [\"{host}/32\"]\n", scene.name);
        }
    }
    text
}

/// Plays the scenes; transit ones through Kamailio on the host over UDP or, with "tcp" in their names, TCP; or else routed.
fn play(n: u8, interfaces: &str, text: &str, is_proxied: bool) {
    if !common::can_run(&["sipp", "ip", "kamailio"]) {
        return;
    }
    let scenes = ladder::parse(text);
    let net = Net { n };
    if !net.create(&scenes) {
        return common::skip("no network namespaces here");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let address = SocketAddr::from((net.web(2), WEB));
    let host = net.name("host");
    let agent = Agent::start_in(Some(&host), folder, address, &configuration(address, &net, &scenes, interfaces));
    let proxy = SocketAddr::from(([198, 18, 1, 1], PROXY));
    let _kamailio = start_kamailio_in(Some(&host), folder, "kamailio_scenes.cfg", &[("PROXY", &proxy.to_string())]);

    let stage = |(n, scene): (usize, &Scene)| {
        let parties = [0, 1].map(|side| SocketAddr::from((net.party(scene, n, side).0, SIP)));
        let is_proxied = is_proxied && scene.direction == "transit";
        let caller = if scene.name.contains("tcp") { "TCP" } else { "UDP" };
        Stage { parties, remote: if is_proxied { proxy } else { parties[1] }, transports: [caller, "UDP"] }
    };
    let stages: Vec<Stage> = scenes.iter().enumerate().map(stage).collect();
    let start = |side: usize| -> Vec<Sipp> {
        let all = scenes.iter().zip(&stages).enumerate();
        all.map(|(n, (scene, stage))| start(folder, &net.party(scene, n, side).1, scene, stage, side)).collect()
    };
    let callees = start(1);
    for (callee, stage) in callees.iter().zip(&stages) {
        scenes::wait_for_listener_in(&callee.id().to_string(), stage.transports[1], stage.parties[1]);
    }
    let callers = start(0);
    let counts: Vec<[Counts; 2]> =
        callers.into_iter().zip(callees).map(|(caller, callee)| [caller.finish(), callee.finish()]).collect();
    for (scene, counts) in scenes.iter().zip(&counts).flat_map(|(scene, both)| both.iter().map(move |c| (scene, c))) {
        assert_eq!((counts.successful, counts.failed), (u64::from(scene.calls), 0), "{}", scene.name);
    }
    let all = |now: &Samples| {
        let messages = scenes.iter().zip(&stages).zip(&counts);
        let messages = messages.flat_map(|((scene, stage), counts)| compare_messages(now, scene, stage, counts));
        scenes::differences(now, &scenes).into_iter().chain(messages).collect::<Vec<_>>()
    };
    let end = scenes::wait_for_truth(&agent, Duration::from_secs(5), all);
    let found = all(&end);
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
    assert_eq!(end.sum("capture_dropped_packets_total", &[]), 0.0);
}

fn start(folder: &std::path::Path, namespace: &str, scene: &Scene, stage: &Stage, side: usize) -> Sipp {
    let name = format!("{}-{}", scene.name, ["a", "b"][side]);
    fs::write(folder.join(format!("{name}.xml")), &ladder::scenarios(scene, stage)[side]).expect("a scenario");
    let own = stage.parties[side];
    let transport = if stage.transports[side] == "TCP" { "t1" } else { "u1" };
    let remote = if side == 0 { format!("{} -r 20", stage.remote) } else { String::new() };
    let own = format!("-i {0} -mi {0} -p {1} -m {2} -t {transport}", own.ip(), own.port(), scene.calls);
    let arguments = format!("{own} -cid_str %u-{} -timeout 50s -timeout_error {remote}", scene.name);
    let sipp = find_program("sipp").expect("sipp");
    Sipp::run(&mut common::command(&sipp, Some(namespace)), folder, &name, &arguments)
}

/// Each message of a hop once, with the hop's direction, however many interfaces it passed.
fn compare_messages(now: &Samples, scene: &Scene, stage: &Stage, counts: &[Counts; 2]) -> Vec<String> {
    let kinds: &[&str] = if stage.is_proxied() { &["Sent", "Recv"] } else { &["Sent"] };
    let mut told: BTreeMap<String, f64> = BTreeMap::new();
    for (message, times) in counts.iter().flat_map(|counts| kinds.iter().flat_map(|kind| counts.all(kind))) {
        *told.entry(message).or_default() += times as f64;
    }
    let mut got: BTreeMap<String, f64> = BTreeMap::new();
    let mut directions: BTreeMap<String, f64> = BTreeMap::new();
    for (family, label) in [("sip_requests_total", "method"), ("sip_responses_total", "code")] {
        for side in ["a", "b"] {
            let peer = format!("{}-{side}", scene.name);
            for (message, times) in now.by_where(family, &[("peer", &peer)], label) {
                *got.entry(message).or_default() += times;
            }
            directions.extend(now.by_where(family, &[("peer", &peer)], "direction"));
        }
    }
    let mut found = Vec::new();
    if got != told {
        found.push(format!("{}: messages {got:?}, but SIPp had {told:?}", scene.name));
    }
    let told =
        if scene.direction == "transit" && !stage.is_proxied() { &["transit"][..] } else { &["inbound", "outbound"] };
    if !directions.keys().eq(told.iter()) {
        found.push(format!("{}: messages are {directions:?}", scene.name));
    }
    found
}

const SCENES: &str = "
    scene out-completed:
    direction outbound
    calls 3
    > INVITE sdp
    < 180
    < 200 sdp
    > ACK
    ~ 300
    > BYE
    < 200
    = completed setups=1 durations=1 duration=0.3

    scene out-busy:
    direction outbound
    > INVITE sdp
    < 486
    > ACK
    = busy failures=1

    scene in-completed:
    direction inbound
    calls 4
    > INVITE sdp
    < 180
    < 200 sdp
    > ACK
    ~ 200
    < BYE
    > 200
    = completed setups=1 durations=1 duration=0.2

    scene in-cancelled:
    direction inbound
    > INVITE sdp
    < 180
    ~ 200
    > CANCEL
    < 200 CANCEL
    < 487 INVITE
    > ACK
    = cancelled setups=1 failures=1

    scene through-completed:
    direction transit
    calls 5
    > INVITE sdp
    < 180
    ~ 200
    < 200 sdp
    > ACK
    ~ 300
    > BYE
    < 200
    = completed setups=1 answer=0.2 durations=1 duration=0.3 disconnects=1

    scene through-missing:
    direction transit
    > INVITE sdp
    < 404
    > ACK
    = not_found failures=1
";

const OVER_TCP: &str = "
    scene through-tcp:
    direction transit
    calls 3
    > INVITE sdp
    < 180
    < 200 sdp
    > ACK
    ~ 300
    > BYE
    < 200
    = completed setups=1 durations=1 duration=0.3
";

#[test]
fn a_host_with_a_proxy_between_two_others() {
    play(0, r#"["any"]"#, &[SCENES, OVER_TCP].concat(), true);
}

#[test]
fn a_host_with_a_proxy_and_two_interfaces() {
    play(1, r#"["eth0", "eth1"]"#, &[SCENES, OVER_TCP].concat(), true);
}

/// What passes through is on both interfaces, and counts once.
#[test]
fn a_router_between_two_others() {
    play(2, r#"["eth0", "eth1"]"#, SCENES, false);
}

#[test]
fn a_router_between_two_others_seen_on_any() {
    play(3, r#"["any"]"#, SCENES, false);
}
