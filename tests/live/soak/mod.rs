//! A soak: calls come and go at a high rate on a veth pair, and everything that the agent counted is compared with what was sent, its
//! tables with empty ones, its memory with itself.

#![allow(clippy::disallowed_methods, reason = "a soak goes by the clock")]

mod ledger;
mod sender;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::{Agent, Samples, free_tcp_port, http_get};
use crate::namespace::ip;

#[allow(unused_imports, reason = "each test binary uses a part of it")]
pub use ledger::Ledger;
#[allow(unused_imports, reason = "each test binary uses a part of it")]
pub use sender::{Plan, Sender, Sent};

/// The end that is captured, and the one that is sent out of.
pub const NEAR: &str = "st1";
pub const FAR: &str = "st0";

/// User-Agents that are sent: the table of agents remembers names for ten minutes, whoever calls.
const AGENTS: f64 = 97.0;
/// When memory has to be flat: tables that forget by generations are full after twice a minute.
const WARM_UP: f64 = 130.0;
/// Memory is judged where it was looked at for so long after that, seconds.
const JUDGED: f64 = 120.0;
/// What it may grow in the time that is judged, by the line through it: a share, and pages that come and go.
const GROWTH: f64 = 0.02;
const GROWTH_BYTES: f64 = 512.0 * 1024.0;
/// How long what lingers may take to go: 64 * T1 for an INVITE without answer, as long after the end of a call, generations of a minute.
const DRAIN: Duration = Duration::from_secs(240);

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub plan: Plan,
    /// Lines of [calls] in the configuration.
    pub calls: &'static str,
}

/// The link, both ends in this namespace.
pub fn link() {
    ip("link set lo up");
    ip(&format!("link add {FAR} type veth peer name {NEAR}"));
    ip(&format!("link set {FAR} up"));
    ip(&format!("link set {NEAR} up"));
}

/// Tables hold what comes in a minute or two at several hundred calls a second; nothing may give way.
pub fn configuration(address: SocketAddr, calls: &str) -> String {
    format!(
        "[web]\nlisten_address = \"{address}\"\n[site]\nlocal_networks = [\"198.19.0.0/16\"]\n\
         [capture]\ninterfaces = [\"{NEAR}\"]\nring_size = \"64MiB\"\n\
         [calls]\n{calls}\nmax_calls = 100000\nmax_transactions = 200000\ncallback_window = \"1m\"\n\
         [suspicious]\nwindow = \"10s\"\nmax_sources = 100000\n"
    )
}

/// Waits until what was sent was counted; of the rows, those that are looked at.
pub fn assert_equal(agent: &Agent, sent: &Ledger, is_looked_at: impl Fn(&str) -> bool) {
    let differences = |now: &Samples| -> Vec<String> {
        let rows = sent.beside(now).into_iter().filter(|(what, ..)| is_looked_at(what));
        let wrong = rows.filter(|(_, sent, counted)| *sent as f64 != *counted);
        wrong.map(|(what, sent, counted)| format!("{what}: sent {sent}, counted {counted}")).collect()
    };
    let start = Instant::now();
    while !differences(&agent.metrics()).is_empty() && start.elapsed() < Duration::from_secs(20) {
        sleep(Duration::from_millis(200));
    }
    let found = differences(&agent.metrics());
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

/// One look at the process.
#[derive(Clone, Copy, Debug)]
struct Look {
    seconds: f64,
    resident: f64,
    cpu: f64,
}

/// Runs it in this network namespace, and prints what it saw; what differs is given.
pub fn run(options: Options, folder: &Path) -> Vec<String> {
    link();
    let address = free_tcp_port();
    let agent = Agent::start(folder, address, &configuration(address, options.calls));
    let sender = Sender::new(FAR, options.plan);
    let stop = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let sending = {
        let stop = Arc::clone(&stop);
        std::thread::Builder::new().name("sender".to_owned()).spawn(move || sender.run(&stop)).expect("a thread")
    };
    let mut looks = Vec::new();
    let mut slowest = Duration::ZERO;
    while !sending.is_finished() {
        sleep(Duration::from_secs(1));
        looks.push(look(&agent, start));
        if looks.len().is_multiple_of(10) {
            let asked = Instant::now();
            progress(&agent.metrics(), &looks, options.plan);
            slowest = slowest.max(asked.elapsed());
        }
    }
    let sent = sending.join().expect("the sender ends well");
    let busy = looks.last().copied().expect("a look");
    println!("sent {} frames; waiting for what lingers", sent.ledger.frames);
    let (end, drained) = drain(&agent);
    let mut differences = Vec::new();
    table(&sent.ledger.beside(&end), &mut differences);
    tables(&end, drained, &mut differences);
    println!("  and have let go early: {:?}", end.by("sidetone_evicted_entries_total", "table"));
    println!("\nmemory (MiB) and CPU (% of a core since the start)");
    let minute =
        looks.iter().filter(|look| (look.seconds as u64).is_multiple_of(if busy.seconds < 120.0 { 10 } else { 60 }));
    for look in minute {
        println!(
            "  {:>5.0} s  {:>8.2}  {:>6.2}",
            look.seconds,
            look.resident / 1_048_576.0,
            100.0 * look.cpu / look.seconds
        );
    }
    let after = look(&agent, start);
    println!("  when all is over: {:.2} MiB", after.resident / 1_048_576.0);
    flat(&looks, &mut differences);
    println!(
        "the slowest of {} scrapes took {slowest:.1?}; no frame waited longer than {:.1?} to be sent",
        looks.len() / 10,
        sent.latest
    );
    let (status, _) = agent.terminate();
    if !status.success() {
        differences.push(format!("the agent ended with {status}"));
    }
    differences
}

fn look(agent: &Agent, start: Instant) -> Look {
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.id())).expect("the agent runs");
    // proc_pid_status(5): VmRSS in KiB.
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let resident: f64 = resident.trim().trim_end_matches(" kB").parse().expect("a number");
    Look { seconds: start.elapsed().as_secs_f64(), resident: resident * 1024.0, cpu: cpu_seconds(agent.id()) }
}

/// The CPU time that a process has taken.
pub fn cpu_seconds(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("the agent runs");
    // proc_pid_stat(5): utime and stime are fields 14 and 15, in ticks of USER_HZ, which is 100.
    let fields = stat.rsplit_once(") ").expect("a name in brackets").1.split(' ').skip(11).take(2);
    fields.map(|field| field.parse::<f64>().expect("a number")).sum::<f64>() / 100.0
}

fn progress(now: &Samples, looks: &[Look], plan: Plan) {
    let Some(look) = looks.last() else { return };
    println!(
        "{:>5.0} s of {}: {} attempts, {} active, {} RTP packets, {} dropped; {:.1} MiB, {:.1} % of a core",
        look.seconds,
        plan.seconds,
        now.sum("call_attempts_total", &[]),
        now.sum("call_active", &[]),
        now.sum("rtp_packets_total", &[]),
        now.sum("capture_dropped_packets_total", &[]),
        look.resident / 1_048_576.0,
        100.0 * look.cpu / look.seconds
    );
}

/// Waits until every table is empty; what it shows then, and how long it took.
fn drain(agent: &Agent) -> (Samples, Duration) {
    let start = Instant::now();
    loop {
        let answer = http_get(agent.address, "/metrics", &[]).expect("/metrics answers");
        let now = Samples::parse(&answer.text());
        if left(&now).is_empty() || start.elapsed() > DRAIN {
            return (now, start.elapsed());
        }
        sleep(Duration::from_secs(1));
    }
}

/// Tables that are not empty, or not down to what they keep for good.
fn left(now: &Samples) -> BTreeMap<String, f64> {
    let mut tables = now.by("sidetone_tracked_entries", "table");
    tables.retain(|table, entries| *entries > if table == "agents" { AGENTS } else { 0.0 });
    tables
}

fn table(rows: &[(String, u64, f64)], differences: &mut Vec<String>) {
    println!("\n  {:<42} {:>12} {:>12}", "what", "sent", "counted");
    for (what, sent, counted) in rows {
        let equal = *sent as f64 == *counted;
        println!("  {what:<42} {sent:>12} {counted:>12}   {}", if equal { "equal" } else { "DIFFERENT" });
        if !equal {
            differences.push(format!("{what}: sent {sent}, counted {counted}"));
        }
    }
}

fn tables(end: &Samples, drained: Duration, differences: &mut Vec<String>) {
    println!(
        "\n{:.0} s after the last packet the tables hold: {:?}",
        drained.as_secs_f64(),
        end.by("sidetone_tracked_entries", "table")
    );
    differences.extend(left(end).into_iter().map(|(table, entries)| format!("{entries} entries are left in {table}")));
}

/// The line through memory after the warm-up (least squares).
fn flat(looks: &[Look], differences: &mut Vec<String>) {
    let judged: Vec<&Look> = looks.iter().filter(|look| look.seconds >= WARM_UP).collect();
    let (Some(first), Some(last)) = (judged.first(), judged.last()) else {
        return println!("too short to tell whether memory stays flat");
    };
    let span = last.seconds - first.seconds;
    if span < JUDGED {
        return println!("too short to tell whether memory stays flat");
    }
    let n = judged.len() as f64;
    let mean = |of: fn(&Look) -> f64| judged.iter().map(|look| of(look)).sum::<f64>() / n;
    let (middle, resident) = (mean(|look| look.seconds), mean(|look| look.resident));
    let along: f64 = judged.iter().map(|look| (look.seconds - middle) * (look.resident - resident)).sum();
    let across: f64 = judged.iter().map(|look| (look.seconds - middle).powi(2)).sum();
    let growth = along / across * span;
    println!(
        "memory after {WARM_UP:.0} s: {:.2} MiB in the mean, {:+.3} MiB over {span:.0} s by the line through it",
        resident / 1_048_576.0,
        growth / 1_048_576.0
    );
    if growth > GROWTH * resident + GROWTH_BYTES {
        differences.push(format!("memory grows: {growth:.0} bytes in {span:.0} s"));
    }
}
