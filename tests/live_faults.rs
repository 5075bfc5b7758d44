//! Faults, tried for real while calls come and go: the agent is killed and started again, has no file descriptor left, cannot write its
//! log, meets another agent on its interface, lives on a clock that is set. Nothing hangs, and nothing lies.
//! (An interface that goes and comes back: tests/live_sipp.rs. Time stamps of any kind: tests/hostile/clocks.rs.)

#![allow(clippy::disallowed_methods, reason = "deadlines need a clock; the ban is for the core")]

#[path = "live/common.rs"]
mod common;
#[allow(dead_code)] // uses a part of it
#[path = "live/namespace.rs"]
mod namespace;
#[allow(dead_code)] // uses a part of it
#[path = "support/generator/rng.rs"]
mod rng;
#[allow(dead_code)] // uses a part of it
#[path = "live/soak/mod.rs"]
mod soak;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use common::{Agent, Samples, agent_binary, free_tcp_port, http_get, wait_for};
use namespace::{in_namespace, ip};
use soak::{FAR, Ledger, Plan, Sender};

/// Calls in the background.
struct Calls {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<soak::Sent>,
}

impl Calls {
    /// Until they are stopped; the plan's time is longer than any test.
    fn begin() -> Calls {
        let sender = Sender::new(FAR, Plan { seconds: 300, calls_per_second: 50, seed: 3 });
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        Calls { stop, thread: std::thread::spawn(move || sender.run(&flag)) }
    }

    /// Lets those that go on end: what was sent.
    fn end(self) -> Ledger {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the sender ends well").ledger
    }
}

/// The body of a test in a namespace of its own, with the link that calls go over.
fn on_a_link(name: &str, programs: &[&str], body: impl FnOnce(&Path)) {
    if !common::can_run(&[&["ip"], programs].concat()) {
        return;
    }
    in_namespace(name, || {
        soak::link();
        body(tempfile::tempdir().expect("a folder").path());
    });
}

/// Streams whose call was not seen from its start end by their silence.
fn configuration(address: SocketAddr) -> String {
    soak::configuration(address, CALLS) + "[media]\nidle_timeout = \"5s\"\n"
}

const CALLS: &str = "setup_timeout = \"3s\"";

fn start(folder: &Path, address: SocketAddr) -> Agent {
    Agent::start(folder, address, &configuration(address))
}

/// Everything that was sent, and nothing else.
fn assert_equal(agent: &Agent, sent: &Ledger) {
    soak::assert_equal(agent, sent, |_| true);
}

#[test]
fn two_agents_on_one_interface_see_the_same() {
    on_a_link("two_agents_on_one_interface_see_the_same", &[], |folder| {
        let [one, other] = [free_tcp_port(), free_tcp_port()];
        let first = start(folder, one);
        // On the port that the first one has, another one says so and ends.
        let folder_of_third = folder.join("third");
        fs::create_dir(&folder_of_third).expect("a folder");
        let (status, log) = Agent::spawn(&folder_of_third, one, &configuration(one)).wait();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains("already in use") && log.contains(&one.to_string()), "{log}");
        let second = start(folder, other);
        let calls = Calls::begin();
        sleep(Duration::from_secs(5));
        let sent = calls.end();
        assert_equal(&first, &sent);
        assert_equal(&second, &sent);
    });
}

#[test]
fn killed_under_load_it_starts_again_and_counts_what_comes_then() {
    on_a_link("killed_under_load_it_starts_again_and_counts_what_comes_then", &[], |folder| {
        let address = free_tcp_port();
        let calls = Calls::begin();
        for _ in 0..3 {
            let agent = start(folder, address);
            let under_load =
                |now: &Samples| now.sum("call_active", &[]) > 10.0 && now.sum("rtp_packets_total", &[]) > 500.0;
            agent.wait_for_metrics("calls and media", under_load);
            // SIGKILL, while calls go on.
            drop(agent);
        }
        let agent = start(folder, address);
        agent.wait_for_metrics("calls", |now| now.sum("call_active", &[]) > 10.0);
        sleep(Duration::from_secs(3));
        let sent = calls.end();
        let is_over =
            |now: &Samples| ["call_active", "rtp_streams_active"].iter().all(|name| now.sum(name, &[]) == 0.0);
        let end = agent.wait_for_metrics("all calls to be over", is_over);
        let count = |name: &str| end.sum(name, &[]);
        assert!(count("call_attempts_total") > 0.0 && count("call_attempts_total") < sent.attempts as f64);
        assert_eq!(count("call_outcomes_total"), count("call_attempts_total"), "each ends once");
        assert!(count("rtp_packets_total") > 0.0 && count("rtp_packets_total") < sent.rtp as f64);
        // A stream that was under way is counted from the first packet that was seen: nothing before it is lost.
        let lost = count("rtp_packets_lost_total");
        assert!(lost > 0.0 && lost < sent.lost as f64, "{lost} of {}", sent.lost);
        for name in ["capture_dropped_packets_total", "sidetone_evicted_entries_total", "sip_malformed_messages_total"]
        {
            assert_eq!(count(name), 0.0, "{name}");
        }
        // What was under way has no attempt, and so no answer of its own either.
        assert!(count("call_answers_total") <= count("call_attempts_total"));
        assert_eq!(agent.terminate().0.code(), Some(0));
    });
}

/// Set down and up, not taken away: the capture goes on, and costs nothing in between.
#[test]
fn an_interface_that_is_set_down_and_up_is_captured_on() {
    on_a_link("an_interface_that_is_set_down_and_up_is_captured_on", &[], |folder| {
        let agent = start(folder, free_tcp_port());
        let calls = Calls::begin();
        sleep(Duration::from_secs(2));
        let first = calls.end();
        assert_equal(&agent, &first);
        ip(&format!("link set {} down", soak::NEAR));
        let before = soak::cpu_seconds(agent.id());
        sleep(Duration::from_secs(3));
        let cost = soak::cpu_seconds(agent.id()) - before;
        assert!(cost < 1.0, "{cost} s of CPU in 3 s without an interface");
        ip(&format!("link set {} up", soak::NEAR));
        let calls = Calls::begin();
        sleep(Duration::from_secs(2));
        let second = calls.end();
        let all = (first.rtp + second.rtp) as f64;
        let end = agent.wait_for_metrics("all packets", |now| now.sum("rtp_packets_total", &[]) >= all);
        assert_eq!(end.sum("rtp_packets_total", &[]), all);
        assert_eq!(agent.terminate().0.code(), Some(0));
    });
}

/// The number of file descriptors that a process has.
fn descriptors(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).expect("the agent runs").count()
}

/// One request over a connection that stays.
fn ask(stream: &mut TcpStream, path: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request is sent");
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(usize::MAX) || body.ends_with("0\r\n\r\n") {
                return text;
            }
        }
        let read = stream.read(&mut buffer).expect("an answer in time");
        assert!(read > 0, "closed in {text}");
        answer.extend(&buffer[..read]);
    }
}

#[test]
fn without_a_file_descriptor_left_it_captures_on_and_recovers() {
    on_a_link("without_a_file_descriptor_left_it_captures_on_and_recovers", &["prlimit"], |folder| {
        let address = free_tcp_port();
        let agent = start(folder, address);
        let calls = Calls::begin();
        let mut kept = TcpStream::connect(address).expect("a connection");
        kept.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        assert!(ask(&mut kept, "/metrics").contains("call_attempts_total"));
        let limit = descriptors(agent.id()) + 5;
        let prlimit = common::find_program("prlimit").expect("prlimit");
        let limited = Command::new(prlimit)
            .args(["--pid", &agent.id().to_string(), &format!("--nofile={limit}:{limit}")])
            .status()
            .expect("prlimit runs");
        assert!(limited.success());
        let crowd: Vec<TcpStream> =
            (0..50).map(|_| TcpStream::connect(address).expect("the backlog takes it")).collect();
        wait_for("the last descriptor to be taken", || (descriptors(agent.id()) >= limit).then_some(()));
        sleep(Duration::from_secs(2));
        // Who is connected is served; the numbers go on.
        let answer = ask(&mut kept, "/metrics");
        assert!(answer.starts_with("HTTP/1.1 200"), "{}", answer.lines().next().unwrap_or_default());
        let complaints = agent.log().matches("cannot accept a connection").count();
        assert_eq!(complaints, 1, "it is said once, not at each try");
        drop(crowd);
        let now = wait_for("new connections to be served again", || {
            let answer = http_get(address, "/metrics", &[]).ok().filter(|answer| answer.status == 200)?;
            Some(Samples::parse(&answer.text()))
        });
        let errors = now.sum("sidetone_http_connections_rejected_total", &[("reason", "accept_error")]);
        assert!(errors >= 1.0, "{errors} failed accepts");
        assert_equal(&agent, &calls.end());
        assert_eq!(agent.terminate().0.code(), Some(0));
    });
}

/// An agent that is killed when the test ends, whatever it writes to.
struct Bare(Child);

impl Drop for Bare {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts an agent with another standard error and environment than others have.
fn bare(folder: &Path, address: SocketAddr, log: File, environment: &[(&str, &Path)], rest: &str) -> Bare {
    let file = folder.join("bare.toml");
    fs::write(&file, configuration(address) + rest).expect("a configuration file");
    let mut command = Command::new(agent_binary());
    command.args(["run", "--config"]).arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let agent = Bare(command.envs(environment.iter().copied()).spawn().expect("the agent starts"));
    wait_for("the agent to be ready", || {
        http_get(address, "/-/ready", &[]).ok().filter(|answer| answer.status == 200).map(drop)
    });
    agent
}

fn scrape(address: SocketAddr) -> Samples {
    Samples::parse(&http_get(address, "/metrics", &[]).expect("/metrics answers").text())
}

/// The log is on a disk without room: what it would say is lost, and nothing else.
#[test]
fn a_log_that_cannot_be_written_costs_nothing_else() {
    on_a_link("a_log_that_cannot_be_written_costs_nothing_else", &["mount"], |folder| {
        let disk = folder.join("disk");
        fs::create_dir(&disk).expect("a folder");
        let disk_name = disk.to_str().expect("UTF-8");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4k", "tmpfs", disk_name]).status();
        assert!(mounted.expect("mount runs").success());
        let full = File::create(disk.join("log")).expect("a file");
        let mut filler = full.try_clone().expect("a file");
        while filler.write(&[b'x'; 512]).is_ok_and(|written| written > 0) {}
        let address = free_tcp_port();
        let log = "[log]\nlevel = \"trace\"\n";
        let mut agent = bare(folder, address, full, &[], log);
        let calls = Calls::begin();
        sleep(Duration::from_secs(2));
        let sent = calls.end();
        // What the capture thread has to say: the interface goes, and comes back.
        ip(&format!("link delete {FAR}"));
        let is_up = || scrape(address).sum("capture_interface_up", &[]);
        wait_for("the interface to be gone", || (is_up() == 0.0).then_some(()));
        soak::link();
        wait_for("the interface to be back", || (is_up() == 1.0).then_some(()));
        let before = scrape(address).sum("rtp_packets_total", &[]);
        assert_eq!(before, sent.rtp as f64);
        let calls = Calls::begin();
        wait_for("more packets", || (scrape(address).sum("rtp_packets_total", &[]) > before).then_some(()));
        calls.end();
        assert!(agent.0.try_wait().expect("its state").is_none(), "it runs");
        drop(agent);
        let unmounted = Command::new("umount").args(["-l", disk_name]).status();
        assert!(unmounted.expect("umount runs").success());
    });
}

/// Tells the agent another wall clock than there is: seconds ahead, from a file that may change.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
int clock_gettime(clockid_t which, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, which, now);
    FILE *file = which == CLOCK_REALTIME ? fopen(getenv("SIDETONE_TEST_CLOCK"), "r") : NULL;
    long ahead = 0;
    if (file && fscanf(file, "%ld", &ahead) == 1) now->tv_sec += ahead;
    if (file) fclose(file);
    return result;
}
"#;

/// The wall clock that the agent asks is set, by an hour in both directions; the kernel's, which stamps the packets, is nobody's to set
/// here. Calls that go on go on, nothing is given up early and nothing stays.
#[test]
fn a_clock_that_is_set_by_an_hour_ends_no_call_and_keeps_none() {
    on_a_link("a_clock_that_is_set_by_an_hour_ends_no_call_and_keeps_none", &["cc"], |folder| {
        let [source, library, clock, log] = ["shim.c", "shim.so", "clock", "log"].map(|name| folder.join(name));
        fs::write(&source, SHIM).expect("a file");
        fs::write(&clock, "0").expect("a file");
        let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).status();
        assert!(built.expect("cc runs").success());
        let address = free_tcp_port();
        let environment = [("LD_PRELOAD", library.as_path()), ("SIDETONE_TEST_CLOCK", clock.as_path())];
        let agent = bare(folder, address, File::create(&log).expect("a file"), &environment, "");
        let calls = Calls::begin();
        sleep(Duration::from_secs(3));
        for (n, ahead) in [3600, 0, -3600, 0].into_iter().enumerate() {
            // Whole at once, as it is read at any time.
            fs::write(folder.join("next"), ahead.to_string()).expect("a file");
            fs::rename(folder.join("next"), &clock).expect("the same folder");
            wait_for("the step to be noticed", || {
                let said = fs::read_to_string(&log).expect("a log").matches("the wall clock was set").count();
                (said > n).then_some(())
            });
            sleep(Duration::from_secs(3));
            let last = scrape(address).sum("capture_last_packet_timestamp_seconds", &[]);
            let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64();
            assert!((last - now - f64::from(ahead)).abs() < 10.0, "the last packet is shown {} s ahead", last - now);
        }
        let sent = calls.end();
        let differences = |now: &Samples| -> Vec<String> {
            let rows = sent.beside(now).into_iter().filter(|(_, sent, counted)| *sent as f64 != *counted);
            rows.map(|(what, sent, counted)| format!("{what}: sent {sent}, counted {counted}")).collect()
        };
        let begun = Instant::now();
        while !differences(&scrape(address)).is_empty() && begun.elapsed() < Duration::from_secs(20) {
            sleep(Duration::from_millis(500));
        }
        let found = differences(&scrape(address));
        assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
        drop(agent);
    });
}
