//! Plays scenes with SIPp beside one agent, all of them at once, and compares its numbers with what is true of each.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "deadlines need a clock; the ban is for the core")]

use std::any::Any;
use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
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

/// What is played, and how.
pub struct Play<'a> {
    /// The scenes, as `ladder` reads them.
    pub text: &'a str,
    /// Further configuration of the agent: keys of [calls].
    pub calls: &'a str,
    /// How long after the last message the numbers may still change.
    pub patience: Duration,
    /// What must be seen while the scenes are played: the differences.
    pub during: fn(&Agent, &[Stage]) -> Vec<String>,
    /// Where a scene's parties are; both talk directly over UDP else.
    pub stage: fn(&[Scene], usize, &PortBlock) -> Stage,
    /// Starts programs that run beside the scenes, as long as what it gives lives.
    pub beside: fn(&Path, &PortBlock) -> Box<dyn Any>,
}

impl<'a> Play<'a> {
    pub fn of(text: &'a str) -> Play<'a> {
        Play {
            text,
            calls: "",
            patience: Duration::from_secs(10),
            during: |_, _| Vec::new(),
            stage: |scenes, n, block| {
                let parties = parties(scenes, n).map(|host| SocketAddr::from((host, block.sip(0))));
                Stage { parties, remote: parties[1], transports: ["UDP"; 2] }
            },
            beside: |_, _| Box::new(()),
        }
    }
}

/// The `n`th scene's own two addresses, by which its series are told from the others'.
pub fn parties(scenes: &[Scene], n: usize) -> [Ipv4Addr; 2] {
    // 127.8.0.0/16 is this host.
    let nets = match scenes[n].direction.as_str() {
        "outbound" => [8, 9],
        "inbound" => [9, 8],
        "internal" => [8, 8],
        "transit" => [9, 9],
        other => panic!("no direction: {other}"),
    };
    let n = u8::try_from(n + 1).expect("at most 255 scenes");
    [Ipv4Addr::new(127, nets[0], n, 1), Ipv4Addr::new(127, nets[1], n, 2)]
}

fn configuration(address: SocketAddr, block: &PortBlock, scenes: &[Scene], calls: &str) -> String {
    let (sip_ports, media_ports) = block.ranges();
    let mut text = format!(
        "[web]\nlisten_address = \"{address}\"\n[media]\ninterval = \"1s\"\nidle_timeout = \"3s\"\n\
         [capture]\ninterfaces = [\"lo\"]\nsip_ports = [\"{sip_ports}\"]\nmedia_ports = [\"{media_ports}\"]\n\
         [site]\nlocal_networks = [\"127.8.0.0/16\"]\n[calls]\n{calls}\n"
    );
    for (host, name) in peers(scenes) {
        text += &format!("[[peers]]\nname = \"{name}\"\nnetworks = [\"{host}/32\"]\n");
    }
    text
}

/// The names of all addresses of scenes: `NAME-a` is a caller, `NAME-b` a callee.
fn peers(scenes: &[Scene]) -> BTreeMap<IpAddr, String> {
    let of = |(n, scene): (usize, &Scene)| {
        let names = ["a", "b"].map(|side| format!("{}-{side}", scene.name));
        parties(scenes, n).map(IpAddr::from).into_iter().zip(names).collect::<Vec<_>>()
    };
    scenes.iter().enumerate().flat_map(of).collect()
}

/// Plays all scenes and compares; fails with every difference. Gives the numbers at the end, or nothing where it cannot run.
pub fn play(play: &Play<'_>) -> Option<Samples> {
    if !common::can_run(&["sipp"]) {
        return None;
    }
    let scenes = ladder::parse(play.text);
    let mut folder = tempfile::tempdir().expect("a folder");
    // To look at what SIPp said.
    folder.disable_cleanup(std::env::var_os("SIDETONE_KEEP").is_some());
    let block = PortBlock::claim();
    let address = common::free_tcp_port();
    let agent = Agent::start(folder.path(), address, &configuration(address, &block, &scenes, play.calls));
    sipp::write_media(folder.path(), MEDIA_PACKETS);

    let _beside = (play.beside)(folder.path(), &block);
    let stages: Vec<Stage> = (0..scenes.len()).map(|n| (play.stage)(&scenes, n, &block)).collect();
    let start = |side: usize| -> Vec<Option<Sipp>> {
        let start = |(scene, stage): (&Scene, &Stage)| {
            let is_played = scene.only.is_none_or(|only| only == side);
            is_played.then(|| start(folder.path(), &block, (&scenes, &stages), (scene, stage), side))
        };
        scenes.iter().zip(&stages).map(start).collect()
    };
    let callees = start(1);
    for (stage, _) in stages.iter().zip(&callees).filter(|(_, callee)| callee.is_some()) {
        wait_for_listener(stage.transports[1], stage.parties[1]);
    }
    let callers = start(0);
    let mut found = (play.during)(&agent, &stages);
    let counts = finish(callers, callees, &scenes);
    let end = wait_for_truth(&agent, play.patience, |now| differences(now, &scenes));
    found.extend(differences(&end, &scenes));
    for (stage, counts) in stages.iter().zip(&counts) {
        found.extend(compare_messages(&end, &scenes, stage, counts));
    }
    if end.sum("capture_dropped_packets_total", &[]) != 0.0 {
        found.push("packets were dropped".to_owned());
    }
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
    Some(end)
}

/// Waits for all of them; fails with every one that went otherwise than told.
fn finish(callers: Vec<Option<Sipp>>, callees: Vec<Option<Sipp>>, scenes: &[Scene]) -> Vec<[Option<Counts>; 2]> {
    let mut found = Vec::new();
    let mut finish = |sipp: Option<Sipp>, scene: &Scene| match sipp?.end() {
        Ok(counts) => {
            if (counts.successful, counts.failed) != (u64::from(scene.calls), 0) {
                found.push(format!("{}: {} successful, {} failed", scene.name, counts.successful, counts.failed));
            }
            Some(counts)
        }
        Err(what) => {
            found.push(what);
            None
        }
    };
    let all = callers.into_iter().zip(callees).zip(scenes);
    let counts = all.map(|((caller, callee), scene)| [finish(caller, scene), finish(callee, scene)]).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    counts
}

/// Starts the SIPp of one side.
fn start(
    folder: &Path,
    block: &PortBlock,
    (scenes, stages): (&[Scene], &[Stage]),
    (scene, stage): (&Scene, &Stage),
    side: usize,
) -> Sipp {
    let name = format!("{}-{}", scene.name, ["a", "b"][side]);
    let mut xml = ladder::scenarios(scene, stage)[side].clone();
    for (other, stage) in scenes.iter().zip(stages) {
        xml = xml.replace(&format!("@{}@", other.name), &stage.parties[1].to_string());
    }
    fs::write(folder.join(format!("{name}.xml")), xml).expect("a scenario is written");
    let own = stage.parties[side];
    let media = block.media(side as u16);
    let own = format!("-i {0} -mi {0} -p {1} -mp {media} -m {2}", own.ip(), own.port(), scene.calls);
    let transport = if stage.transports[side] == "TCP" { "t1" } else { "u1" };
    let remote = if side == 0 { format!("{} -r {RATE}", stage.remote) } else { String::new() };
    // Tags are made of the Call-ID: no '@' in it.
    let arguments = format!("{own} -t {transport} -cid_str %u-{} -timeout 50s -timeout_error {remote}", scene.name);
    Sipp::run(&mut Command::new(find_program("sipp").expect("sipp")), folder, &name, &arguments)
}

/// Polls until something listens there.
pub fn wait_for_listener(transport: &str, address: SocketAddr) {
    wait_for_listener_in("self", transport, address);
}

/// The same in the network namespace of a process.
pub fn wait_for_listener_in(process: &str, transport: &str, address: SocketAddr) {
    let IpAddr::V4(ip) = address.ip() else { panic!("IPv4") };
    // /proc/net/udp and tcp have addresses in the order of bytes of the machine (proc(5)).
    let wanted = format!(" {:08X}:{:04X} ", u32::from_ne_bytes(ip.octets()), address.port());
    let table = format!("/proc/{process}/net/{}", transport.to_lowercase());
    wait_for(&format!("a listener on {address}"), || {
        fs::read_to_string(&table).expect("a table of sockets").contains(&wanted).then_some(())
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
pub fn differences(now: &Samples, scenes: &[Scene]) -> Vec<String> {
    let mut found: Vec<String> = scenes.iter().flat_map(|scene| compare_calls(now, scene)).collect();
    // Nothing beside what the scenes tell.
    let told: f64 = scenes.iter().map(|scene| scene.truth.outcomes.len() as f64 * f64::from(scene.calls)).sum();
    for family in ["call_attempts_total", "call_outcomes_total"] {
        let got = now.sum(family, &[]);
        if got != told {
            found.push(format!("{family} is {got} in all, not {told}"));
        }
    }
    found.extend(scenes.iter().flat_map(|scene| compare_registrations(now, scene)));
    found.extend(compare_releases(now, scenes));
    found.extend(compare_transfers(now, scenes));
    found
}

/// The series of one scene's calls.
pub fn compare_calls(now: &Samples, scene: &Scene) -> Vec<String> {
    let (origin, destination) = (format!("{}-a", scene.name), format!("{}-b", scene.name));
    let labels =
        [("direction", scene.direction.as_str()), ("origin", origin.as_str()), ("destination", destination.as_str())];
    // Where only one side of a scene is played, the other ends are those of other scenes.
    let labels = match scene.only {
        None => &labels[..],
        Some(0) => &labels[1..2],
        Some(_) if scene.truth.outcomes.is_empty() => return Vec::new(),
        Some(_) => &labels[2..],
    };
    let calls = f64::from(scene.calls);
    let mut found = Vec::new();
    let mut expect = |family: &str, further: &[(&str, &str)], a_call: f64| {
        let got = now.sum(family, &[labels, further].concat());
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
        ("unheard", "call_disconnect_timeouts_total"),
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
        let got = now.sum(family, labels) / calls;
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

/// What a scene tells of the registrations of its caller: each result, and how many bindings are left.
fn compare_registrations(now: &Samples, scene: &Scene) -> Vec<String> {
    let peer = format!("{}-a", scene.name);
    let mut found = Vec::new();
    let mut expect = |family: &str, further: &[(&str, &str)], key: &str| {
        let told = scene.truth.number(key) * f64::from(scene.calls);
        let got = now.sum(family, &[&[("peer", peer.as_str())], further].concat());
        if got != told {
            found.push(format!("{}: {family}{further:?} is {got}, not {told}", scene.name));
        }
    };
    for result in ["success", "unauthorized", "rejected", "timeout"] {
        expect("sip_registration_attempts_total", &[("result", result)], result);
    }
    expect("sip_registrations_active", &[], "bindings");
    expect("sip_registration_delay_seconds_count", &[], "success");
    if let Some(seconds) = scene.truth.numbers.get("registration") {
        let got = now.sum("sip_registration_delay_seconds_sum", &[("peer", &peer)]) / f64::from(scene.calls);
        if !(seconds - 0.01..seconds + SLACK).contains(&got) {
            found.push(format!("{}: registrations took {got} a phone, not {seconds}", scene.name));
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

/// Every message of a scene that a remote party sent or received, as SIPp counted it: requests and responses, again or not.
fn compare_messages(now: &Samples, scenes: &[Scene], stage: &Stage, counts: &[Option<Counts>; 2]) -> Vec<String> {
    let mut found = Vec::new();
    for side in 0..2 {
        let is_remote = stage.parties.map(|party| party.ip().to_string().starts_with("127.9."));
        // Where both ends are remote and talk directly, a message counts for the one that receives it.
        if !is_remote[side] || is_remote == [true; 2] && !stage.is_proxied() {
            continue;
        }
        // What was sent is counted, not what was received: SIPp does not count what comes after a call's end.
        let (Some(own), other) = (&counts[side], &counts[1 - side]) else { continue };
        let messages = match (stage.is_proxied(), other) {
            (false, Some(other)) => [own.all("Sent"), other.all("Sent")].concat(),
            _ => [own.all("Sent"), own.all("Recv")].concat(),
        };
        let mut told: BTreeMap<String, f64> = BTreeMap::new();
        for (message, times) in messages {
            *told.entry(message).or_default() += times as f64;
        }
        let names = peers(scenes);
        let peer = names.get(&stage.parties[side].ip()).expect("an address of a scene");
        let mut got = now.by_where("sip_requests_total", &[("peer", peer)], "method");
        got.extend(now.by_where("sip_responses_total", &[("peer", peer)], "code"));
        if got != told {
            found.push(format!("{peer}: messages {got:?}, but SIPp had {told:?}"));
        }
        let transport = stage.transports[side].to_lowercase();
        let others = now.by_where("sip_requests_total", &[("peer", peer)], "transport").into_keys();
        found.extend(others.filter(|other| *other != transport).map(|other| format!("{peer}: over {other}")));
    }
    found
}
