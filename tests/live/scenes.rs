//! Plays scenes with SIPp beside one agent, all of them at once, and compares its numbers with what is true of each.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "deadlines need a clock; the ban is for the core")]

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::{self, Agent, PortBlock, Samples, find_program, wait_for};
use crate::ladder::{self, Scene, Stage};
use crate::sipp::{self, Counts, Sipp};

/// RTP packets of media.pcap: 1 s.
const MEDIA_PACKETS: u16 = 50;
/// Beside the pauses of a scene; what a loaded machine adds.
const SLACK: f64 = 2.0;
/// Calls started a second by each SIPp.
const RATE: u16 = 20;

/// What is played.
pub struct Play<'a> {
    /// The scenes, as `ladder` reads them.
    pub text: &'a str,
    /// Further configuration of the agent, beginning with keys of [calls].
    pub calls: &'a str,
    /// How long after the last message the numbers may still change.
    pub patience: Duration,
    /// What must be seen while the scenes are played: the differences.
    pub during: fn(&Agent) -> Vec<String>,
}

/// A scene's own two addresses, by which its series are told from the others'.
fn parties(scene: &Scene, n: usize) -> [Ipv4Addr; 2] {
    let n = u8::try_from(n).expect("at most 255 scenes");
    // 127.8.0.0/16 is this host.
    let nets = match scene.direction.as_str() {
        "outbound" => [8, 9],
        "inbound" => [9, 8],
        "internal" => [8, 8],
        "transit" => [9, 9],
        other => panic!("no direction: {other}"),
    };
    [Ipv4Addr::new(127, nets[0], n, 1), Ipv4Addr::new(127, nets[1], n, 2)]
}

fn configuration(address: SocketAddr, block: &PortBlock, scenes: &[Scene], calls: &str) -> String {
    let (sip_ports, media_ports) = block.ranges();
    let mut text = format!(
        "[web]\nlisten_address = \"{address}\"\n[media]\ninterval = \"1s\"\nidle_timeout = \"3s\"\n\
         [capture]\ninterfaces = [\"lo\"]\nsip_ports = [\"{sip_ports}\"]\nmedia_ports = [\"{media_ports}\"]\n\
         [site]\nlocal_networks = [\"127.8.0.0/16\"]\n[calls]\n{calls}\n"
    );
    for (n, scene) in (1..).zip(scenes) {
        for (host, side) in parties(scene, n).into_iter().zip(["a", "b"]) {
            text += &format!("[[peers]]\nname = \"{}-{side}\"\nnetworks = [\"{host}/32\"]\n", scene.name);
        }
    }
    text
}

/// Plays all scenes and compares; fails with every difference.
pub fn play(play: &Play<'_>) {
    if !common::can_run(&["sipp"]) {
        return;
    }
    let scenes = ladder::parse(play.text);
    let mut folder = tempfile::tempdir().expect("a folder");
    // To look at what SIPp said.
    folder.disable_cleanup(std::env::var_os("SIDETONE_KEEP").is_some());
    let block = PortBlock::claim();
    let address = common::free_tcp_port();
    let agent = Agent::start(folder.path(), address, &configuration(address, &block, &scenes, play.calls));
    sipp::write_media(folder.path(), MEDIA_PACKETS);

    let stages: Vec<Stage> = (1..).zip(&scenes).map(|(n, scene)| stage(parties(scene, n), block.sip(0))).collect();
    let start = |side: usize, rest: &dyn Fn(&Stage) -> String| -> Vec<Sipp> {
        let all = scenes.iter().zip(&stages);
        all.map(|(scene, stage)| start(folder.path(), &block, scene, stage, side, &rest(stage))).collect()
    };
    let callees = start(1, &|_| String::new());
    stages.iter().for_each(|stage| wait_for_udp(stage.parties[1]));
    let callers = start(0, &|stage| format!("{} -r {RATE}", stage.parties[1]));
    let mut found = (play.during)(&agent);
    let counts = finish(callers, callees, &scenes);
    let end = wait_for_truth(&agent, play.patience, |now| differences(now, &scenes));
    found.extend(differences(&end, &scenes));
    for (scene, counts) in scenes.iter().zip(&counts) {
        found.extend(compare_messages(&end, scene, counts));
    }
    if end.sum("capture_dropped_packets_total", &[]) != 0.0 {
        found.push("packets were dropped".to_owned());
    }
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

/// Waits for all of them; fails with every one that went otherwise than told.
fn finish(callers: Vec<Sipp>, callees: Vec<Sipp>, scenes: &[Scene]) -> Vec<[Counts; 2]> {
    let (mut counts, mut found) = (Vec::new(), Vec::new());
    for ((caller, callee), scene) in callers.into_iter().zip(callees).zip(scenes) {
        match (caller.end(), callee.end()) {
            (Ok(caller), Ok(callee)) => counts.push([caller, callee]),
            (caller, callee) => found.extend([caller, callee].into_iter().filter_map(Result::err)),
        }
        for counts in counts.last().iter().flat_map(|both| both.iter()) {
            if (counts.successful, counts.failed) != (u64::from(scene.calls), 0) {
                found.push(format!("{}: {} successful, {} failed", scene.name, counts.successful, counts.failed));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    counts
}

fn stage(hosts: [Ipv4Addr; 2], port: u16) -> Stage {
    Stage { parties: hosts.map(|host| SocketAddr::from((host, port))), transports: ["UDP"; 2], is_proxied: false }
}

/// Starts the SIPp of one side.
fn start(folder: &Path, block: &PortBlock, scene: &Scene, stage: &Stage, side: usize, rest: &str) -> Sipp {
    let name = write_scenario(folder, scene, stage, side);
    let own = stage.parties[side];
    let media = block.media(side as u16);
    let own = format!("-i {0} -mi {0} -p {1} -mp {media} -m {2}", own.ip(), own.port(), scene.calls);
    // Tags are made of the Call-ID: no '@' in it.
    let arguments = format!("{own} -cid_str %u-%p-%s -timeout 50s -timeout_error {rest}");
    Sipp::run(&mut Command::new(find_program("sipp").expect("sipp")), folder, &name, &arguments)
}

/// Writes the scenario of one side; gives its name.
pub fn write_scenario(folder: &Path, scene: &Scene, stage: &Stage, side: usize) -> String {
    let name = format!("{}-{}", scene.name, ["a", "b"][side]);
    let file: PathBuf = folder.join(format!("{name}.xml"));
    fs::write(file, &ladder::scenarios(scene, stage)[side]).expect("a scenario is written");
    name
}

/// Polls until something listens there.
pub fn wait_for_udp(address: SocketAddr) {
    let std::net::IpAddr::V4(ip) = address.ip() else { panic!("IPv4") };
    // /proc/net/udp has addresses in the order of bytes of the machine (proc(5)).
    let wanted = format!(" {:08X}:{:04X} ", u32::from_ne_bytes(ip.octets()), address.port());
    wait_for(&format!("a listener on {address}"), || {
        fs::read_to_string("/proc/net/udp").expect("/proc/net/udp").contains(&wanted).then_some(())
    });
}

/// Polls until there is no difference, or `patience` is over.
pub fn wait_for_truth(agent: &Agent, patience: Duration, differences: impl Fn(&Samples) -> Vec<String>) -> Samples {
    let deadline = Instant::now() + patience;
    loop {
        let now = agent.metrics();
        if differences(&now).is_empty() || Instant::now() > deadline {
            return now;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Everything in which the numbers differ from what the scenes tell.
fn differences(now: &Samples, scenes: &[Scene]) -> Vec<String> {
    let mut found: Vec<String> = scenes.iter().flat_map(|scene| compare_calls(now, scene)).collect();
    found.extend(compare_releases(now, scenes));
    found.extend(compare_transfers(now, scenes));
    found
}

/// The series of one scene's calls.
pub fn compare_calls(now: &Samples, scene: &Scene) -> Vec<String> {
    let (origin, destination) = (format!("{}-a", scene.name), format!("{}-b", scene.name));
    let labels =
        [("direction", scene.direction.as_str()), ("origin", origin.as_str()), ("destination", destination.as_str())];
    let calls = f64::from(scene.calls);
    let mut found = Vec::new();
    let mut expect = |family: &str, further: &[(&str, &str)], a_call: f64| {
        let got = now.sum(family, &[&labels, further].concat());
        if got != a_call * calls {
            found.push(format!("{}: {family}{further:?} is {got}, not {}", scene.name, a_call * calls));
        }
    };
    let truth = &scene.truth;
    let told = |outcome: &str| truth.outcomes.iter().filter(|told| *told == outcome).count() as f64;
    expect("call_attempts_total", &[], truth.outcomes.len() as f64);
    for outcome in OUTCOMES {
        expect("call_outcomes_total", &[("outcome", outcome)], told(outcome));
    }
    let answers = told("completed") + told("voicemail") + told("dropped");
    expect("call_answers_total", &[], answers);
    expect("call_answer_delay_seconds_count", &[], answers);
    expect("call_active", &[], 0.0);
    expect("call_hold_seconds_count", &[], truth.number("holds"));
    for (key, family) in [
        ("setups", "call_setup_delay_seconds_count"),
        ("failures", "call_failure_delay_seconds_count"),
        ("durations", "call_duration_seconds_count"),
        ("disconnects", "call_disconnect_delay_seconds_count"),
    ] {
        if let Some(told) = truth.numbers.get(key) {
            expect(family, &[], *told);
        }
    }
    for (key, family) in [
        ("setup", "call_setup_delay_seconds_sum"),
        ("answer", "call_answer_delay_seconds_sum"),
        ("failure", "call_failure_delay_seconds_sum"),
        ("duration", "call_duration_seconds_sum"),
        ("hold", "call_hold_seconds_sum"),
    ] {
        let Some(seconds) = truth.numbers.get(key) else { continue };
        let got = now.sum(family, &labels) / calls;
        // SIPp's pauses may be a millisecond short.
        if !(seconds - 0.01..seconds + SLACK).contains(&got) {
            found.push(format!("{}: {family} is {got} a call, not {seconds}", scene.name));
        }
    }
    if let Some(streams) = truth.numbers.get("streams") {
        let far = if scene.direction == "inbound" { &origin } else { &destination };
        let got = now.sum("rtp_streams_started_total", &[("peer", far)]);
        if got != streams * calls {
            found.push(format!("{}: {got} streams, not {}", scene.name, streams * calls));
        }
    }
    found
}

const OUTCOMES: [&str; 13] = [
    "completed",
    "no_answer",
    "busy",
    "cancelled",
    "rejected",
    "blocked",
    "not_found",
    "redirected",
    "voicemail",
    "network_failure",
    "server_failure",
    "dropped",
    "unknown",
];

/// Releases have no origin and destination: all scenes of a direction together, where each of them tells them.
fn compare_releases(now: &Samples, scenes: &[Scene]) -> Vec<String> {
    let mut directions: BTreeMap<&str, Vec<&Scene>> = BTreeMap::new();
    for scene in scenes {
        directions.entry(&scene.direction).or_default().push(scene);
    }
    directions.retain(|_, scenes| scenes.iter().all(|scene| !scene.truth.releases.is_empty()));
    let mut found = Vec::new();
    for (direction, scenes) in directions {
        for side in ["caller", "callee", "timeout"] {
            let mut causes: BTreeMap<&str, f64> = BTreeMap::new();
            for scene in &scenes {
                for (_, cause) in
                    scene.truth.releases.iter().filter_map(|told| told.split_once('/')).filter(|told| told.0 == side)
                {
                    *causes.entry(cause).or_default() += f64::from(scene.calls);
                }
            }
            let labels = [("direction", direction), ("side", side)];
            let mut expect = |further: &[(&str, &str)], told: f64| {
                let labels = [&labels, further].concat();
                let got = now.sum("call_releases_total", &labels);
                if got != told {
                    found.push(format!("call_releases_total{labels:?} is {got}, not {told}"));
                }
            };
            expect(&[], causes.values().sum());
            if !causes.contains_key("?") {
                causes.iter().for_each(|(cause, told)| expect(&[("cause", cause)], *told));
            }
        }
    }
    found
}

fn compare_transfers(now: &Samples, scenes: &[Scene]) -> Vec<String> {
    let kinds = [("refers", "refer"), ("replaces", "replaces")];
    let compare = |(key, kind): (&str, &str)| {
        let told: f64 = scenes.iter().map(|scene| scene.truth.number(key) * f64::from(scene.calls)).sum();
        let got = now.sum("call_transfers_total", &[("kind", kind)]);
        (got != told).then(|| format!("call_transfers_total of kind {kind} is {got}, not {told}"))
    };
    kinds.into_iter().filter_map(compare).collect()
}

/// Every message of a scene, as both SIPps counted it: requests and responses, again or not.
fn compare_messages(now: &Samples, scene: &Scene, counts: &[Counts; 2]) -> Vec<String> {
    // The far side's name, of whichever direction the message is.
    let peer = format!("{}-{}", scene.name, if scene.direction == "inbound" { "a" } else { "b" });
    if matches!(scene.direction.as_str(), "internal" | "transit") {
        return Vec::new();
    }
    let sent = counts.iter().flat_map(|counts| counts.all_sent());
    let mut told: BTreeMap<String, f64> = BTreeMap::new();
    for (message, times) in sent.filter(|(_, times)| *times > 0) {
        *told.entry(message).or_default() += times as f64;
    }
    let mut got = now.by_where("sip_requests_total", &[("peer", &peer)], "method");
    got.extend(now.by_where("sip_responses_total", &[("peer", &peer)], "code"));
    (got != told).then(|| format!("{}: messages {got:?}, but SIPp sent {told:?}", scene.name)).into_iter().collect()
}
