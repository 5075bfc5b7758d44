//! More than one thread that captures, and more traffic than can be read: nothing of the signalling is lost, less of the media is
//! followed, and all of it again when it is over.

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

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{Agent, Samples, free_tcp_port};
use namespace::in_namespace;
use soak::{FAR, Ledger, Plan, Sender};

fn configuration(address: SocketAddr, capture: &str) -> String {
    let all = soak::configuration(address, "setup_timeout = \"3s\"");
    all.replace("ring_size = \"64MiB\"", capture) + "[media]\nidle_timeout = \"5s\"\n"
}

/// Calls while something else happens: what was sent of them.
fn calls(calls_per_second: u64, meanwhile: impl FnOnce()) -> Ledger {
    let sender = Sender::new(FAR, Plan { seconds: 300, calls_per_second, seed: 5 });
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let thread = std::thread::spawn(move || sender.run(&flag));
    meanwhile();
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("the sender ends well").ledger
}

fn on_a_link(name: &str, body: impl FnOnce(&Path)) {
    if !common::can_run(&["ip"]) {
        return;
    }
    in_namespace(name, || {
        soak::link();
        body(tempfile::tempdir().expect("a folder").path());
    });
}

#[test]
fn several_workers_count_what_one_counts() {
    on_a_link("several_workers_count_what_one_counts", |folder| {
        let address = free_tcp_port();
        let agent = Agent::start(folder, address, &configuration(address, "workers = 4"));
        let sent = calls(150, || sleep(Duration::from_secs(8)));
        assert!(sent.rtp > 3000, "{} packets", sent.rtp);
        soak::assert_equal(&agent, &sent, |_| true);
        let threads = std::fs::read_dir(format!("/proc/{}/task", agent.id())).expect("its threads").flatten();
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let mut readers: Vec<String> = threads.map(name).filter(|name| name.starts_with("media-")).collect();
        readers.sort();
        assert_eq!(readers, ["media-1\n", "media-2\n", "media-3\n"]);
        assert_eq!(agent.terminate().0.code(), Some(0));
    });
}

/// RTP of many conversations as fast as one thread sends it, until it is told to stop.
fn flood(stop: &AtomicBool) -> u64 {
    let device = pcap::Capture::from_device(FAR).expect("a device");
    let mut out = device.snaplen(64).buffer_size(1 << 16).open().expect("to be root");
    out.filter("less 1", true).expect("a filter");
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 200, 0, 0, 0x40, 0, 64, 17, 0, 0];
    frame.extend([203, 0, 113, 1, 203, 0, 113, 2, 0, 0, 0, 0, 0, 180, 0, 0, 0x80, 0]);
    frame.resize(14 + 200, 0xd5);
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        let (conversation, sequence) = ((sent % 500) as u16, (sent / 500) as u16);
        frame[34..36].copy_from_slice(&(20_000 + 2 * conversation).to_be_bytes());
        frame[36..38].copy_from_slice(&(30_000 + 2 * conversation).to_be_bytes());
        frame[44..46].copy_from_slice(&sequence.to_be_bytes());
        frame[46..50].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
        frame[50..54].copy_from_slice(&(0x5000_0000 + u32::from(conversation)).to_be_bytes());
        out.sendpacket(&frame[..]).expect("a frame goes out");
        sent += 1;
        // Breath for the others on a small machine.
        if sent % 64 == 0 {
            sleep(Duration::from_micros(200));
        }
    }
    sent
}

/// Takes the processor away from a process for half of the time.
fn starve(process: u32, seconds: u64) {
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &process.to_string()]).status().expect("kill runs");
        assert!(sent.success(), "kill {name}");
    };
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(seconds) {
        signal("-STOP");
        sleep(Duration::from_millis(500));
        signal("-CONT");
        sleep(Duration::from_millis(500));
    }
}

#[test]
fn a_flood_of_media_costs_no_signalling_and_passes() {
    on_a_link("a_flood_of_media_costs_no_signalling_and_passes", |folder| {
        let address = free_tcp_port();
        let agent = Agent::start(folder, address, &configuration(address, "ring_size = \"8MiB\""));
        let share = |now: &Samples| now.sum("capture_media_share", &[]);
        assert_eq!(share(&agent.metrics()), 1.0);
        let mut lowest = 1.0f64;
        let sent = calls(50, || {
            sleep(Duration::from_secs(2));
            let stop = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let flood = scope.spawn(|| flood(&stop));
                starve(agent.id(), 6);
                lowest = share(&agent.metrics());
                stop.store(true, Ordering::Relaxed);
                assert!(flood.join().expect("the flood ends well") > 100_000, "no flood");
            });
        });
        let after =
            agent.wait_for_metrics("the flood's streams to be over", |now| now.sum("rtp_streams_active", &[]) == 0.0);
        assert!(
            lowest < 1.0,
            "all media was followed, and {} packets dropped",
            after.sum("capture_dropped_packets_total", &[])
        );
        assert!(after.sum("capture_dropped_packets_total", &[]) > 0.0);
        // What is said of media is a sample; of calls nothing is missing, and no silence was made up.
        let media = ["frames", "bytes", "RTP", "capture_dropped", "rtp_"];
        soak::assert_equal(&agent, &sent, |what| !media.iter().any(|media| what.starts_with(media)));
        let wait = Instant::now();
        while share(&agent.metrics()) < 1.0 {
            assert!(wait.elapsed() < Duration::from_secs(100), "{} of the media is followed", share(&agent.metrics()));
            sleep(Duration::from_millis(500));
        }
        let log = agent.log();
        assert!(
            log.contains("of the media streams one in 2 is followed") && log.contains("all media is followed again"),
            "{log}"
        );
        // And what comes then is counted to the last packet.
        let before = agent.metrics();
        let sent = calls(50, || sleep(Duration::from_secs(4)));
        let counted = |name: &str| agent.metrics().sum(name, &[]) - before.sum(name, &[]);
        common::wait_for("the packets of the calls after it", || {
            let families = [("rtp_packets_total", sent.rtp), ("rtp_packets_lost_total", sent.lost)];
            families.iter().all(|(family, sent)| counted(family) == *sent as f64).then_some(())
        });
    });
}
