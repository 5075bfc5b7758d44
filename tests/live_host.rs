//! The host's families beside Debian's node_exporter, series by series; and a host whose files hang, lie or are elsewhere.

#[path = "live/common.rs"]
mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use common::{Agent, Samples};

/// A node_exporter; killed when dropped.
struct NodeExporter {
    child: Child,
    address: SocketAddr,
}

impl NodeExporter {
    fn start() -> NodeExporter {
        let address = common::free_tcp_port();
        let child = Command::new(common::find_program("prometheus-node-exporter").expect("node_exporter"))
            .arg(format!("--web.listen-address={address}"))
            // Debian leaves out the loopback, and everything below /run and /mnt.
            .arg("--collector.netdev.device-exclude=^$")
            .arg("--collector.filesystem.mount-points-exclude=^/(dev|proc|sys|run/credentials|run/netns)($|/)")
            .arg("--collector.filesystem.fs-types-exclude=^(ramfs|autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("node_exporter starts");
        common::wait_for("node_exporter", || std::net::TcpStream::connect(address).ok());
        NodeExporter { child, address }
    }

    fn series(&self) -> BTreeMap<String, f64> {
        node_series(&common::http_get(self.address, "/metrics", &[]).expect("node_exporter answers").text())
    }
}

impl Drop for NodeExporter {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `node_*` series with their labels sorted.
fn node_series(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| line.starts_with("node_"));
    let series = lines.map(|line| {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let mut labels: Vec<&str> =
            labels.trim_end_matches('}').split("\",").map(|label| label.trim_end_matches('"')).collect();
        labels.sort_unstable();
        (format!("{name}{{{}}}", labels.join(",")), value.parse().expect("a number"))
    });
    series.collect()
}

fn family(series: &str) -> &str {
    series.split('{').next().unwrap_or(series)
}

/// Families of node_exporter's (with Debian's defaults) that Sidetone leaves out, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("node_arp_", "not of use for calls"),
    ("node_disk_info", "serial numbers and paths of disks"),
    ("node_entropy_", "the kernel's random numbers wait for nothing since Linux 5.18"),
    ("node_exporter_", "of the exporter itself"),
    ("node_scrape_", "of the exporter itself: sidetone_source_*"),
    ("node_textfile_", "of the exporter itself"),
    ("node_memory_", "the kernel's own book-keeping"),
    ("node_network_address_assign_type", "facts that never change"),
    ("node_network_device_id", "facts that never change"),
    ("node_network_dormant", "facts that never change"),
    ("node_network_flags", "facts that never change"),
    ("node_network_iface_", "facts that never change"),
    ("node_network_name_assign_type", "facts that never change"),
    ("node_network_net_dev_group", "facts that never change"),
    ("node_network_protocol_type", "facts that never change"),
    ("node_network_receive_nohandler_total", "only by netlink"),
    ("node_network_speed_bytes", "node_exporter shows a negative speed where there is none"),
    ("node_os_version", "in node_os_info"),
    ("node_selinux_", "not of use for calls"),
    ("node_time_clocksource_", "not of use for calls"),
    ("node_time_zone_", "not of use for calls"),
    ("node_timex_", "the clock discipline's inner state"),
    ("node_schedstat_", "node_cpu_ and node_pressure_ say it"),
    ("node_cooling_", "not of use for calls"),
    ("node_power_", "not of use for calls"),
    ("node_dmi_", "facts that never change"),
    ("node_cpu_", "frequencies and throttling, where the machine has them"),
    ("node_edac_", "memory errors: the machine's own monitoring"),
    ("node_hwmon_", "fans, voltages and power: the machine's own monitoring"),
    ("node_nvme_", "not of use for calls"),
    ("node_rapl_", "not of use for calls"),
    ("node_md_", "arrays: the machine's own monitoring"),
    ("node_xfs_", "inner state of a file system"),
    ("node_btrfs_", "inner state of a file system"),
    ("node_filesystem_", "mounts that came and went"),
];

fn start(folder: &Path, host: &str) -> (Agent, SocketAddr) {
    let address = common::free_tcp_port();
    let configuration = format!(
        "[web]\nlisten_address = \"{address}\"\n[capture]\ninterfaces = [\"lo\"]\nsip_ports = [9]\nmedia_ports = [9]\n{host}"
    );
    (Agent::start(folder, address, &configuration), address)
}

fn ours(address: SocketAddr) -> BTreeMap<String, f64> {
    node_series(&common::http_get(address, "/metrics", &[]).expect("the agent answers").text())
}

/// What agrees is taken out of `open`: node_exporter's value lies between two of ours, taken before it and after it.
fn compare(open: &mut BTreeMap<String, (f64, f64, f64)>, exporter: &NodeExporter, address: SocketAddr) {
    let before = ours(address);
    // Its values are as old as an interval at most.
    sleep(Duration::from_millis(1200));
    let theirs = exporter.series();
    sleep(Duration::from_millis(1200));
    let after = ours(address);
    open.retain(|series, last| {
        let (Some(a), Some(t), Some(b)) = (before.get(series), theirs.get(series), after.get(series)) else {
            return true;
        };
        *last = (*a, *t, *b);
        let (low, high) = (a.min(*b), a.max(*b));
        // It is being scraped when it reads, over sockets of its own.
        let is_of_sockets = series.starts_with("node_sockstat_") || series.starts_with("node_netstat_Tcp_CurrEstab");
        let slack = if is_of_sockets { 4.0 } else { 1e-9 * high.abs() };
        *t < low - slack || *t > high + slack
    });
}

#[test]
fn every_series_has_node_exporters_value() {
    if !common::can_run(&["prometheus-node-exporter"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let exporter = NodeExporter::start();
    let (_agent, address) = start(folder.path(), "[host]\nprefix = \"node_\"\ninterval = \"1s\"\n");
    common::wait_for("the host's values", || {
        let ours = ours(address);
        (ours.contains_key("node_load1{}") && ours.keys().any(|series| series.starts_with("node_filesystem_size")))
            .then_some(())
    });
    let (mine, theirs) = (ours(address), exporter.series());
    let families: std::collections::BTreeSet<&str> = mine.keys().map(|series| family(series)).collect();
    let missing: Vec<&String> = theirs
        .keys()
        .filter(|series| !mine.contains_key(*series))
        .filter(|series| !LEFT_OUT.iter().any(|(prefix, _)| series.starts_with(prefix)))
        .collect();
    assert_eq!(missing, Vec::<&String>::new(), "node_exporter has them, and they are not left out on purpose");
    let mut open: BTreeMap<String, (f64, f64, f64)> = theirs
        .keys()
        .filter(|series| families.contains(family(series)) && mine.contains_key(*series))
        .map(|series| (series.clone(), (0.0, 0.0, 0.0)))
        .collect();
    let all = open.len();
    println!("{all} series in {} families of node_exporter's", families.len());
    assert!(all > 200, "only {all} series to compare");
    // What goes up and down between two readings is between them sooner or later.
    for _ in 0..25 {
        compare(&mut open, &exporter, address);
        if open.is_empty() {
            break;
        }
    }
    assert!(open.is_empty(), "of {all} series these never agreed (ours, node_exporter's, ours): {open:#?}");
}

#[test]
fn a_file_that_hangs_stops_one_source_and_no_scrape() {
    if !common::can_run(&["mkfifo"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (proc, root) = (folder.path().join("proc"), folder.path().join("root"));
    fs::create_dir_all(proc.join("1/net")).expect("a folder");
    fs::create_dir_all(root.join("etc")).expect("a folder");
    // Another host's files: what a container sees of the one that it runs on.
    fs::write(proc.join("stat"), "cpu0 100 0 0 900 0 0 0 0 0 0\nbtime 1000000000\n").expect("a file");
    fs::write(proc.join("meminfo"), "MemTotal:  4 kB\nMemAvailable: nothing\n").expect("a file");
    fs::write(proc.join("1/net/softnet_stat"), "00000005 00000002 00000001\n").expect("a file");
    fs::write(root.join("etc/os-release"), "ID=elsewhere\n").expect("a file");
    let fifo = proc.join("loadavg");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    let host = format!(
        "[host]\ninterval = \"1s\"\nproc = {proc:?}\nroot = {root:?}\nsys = {:?}\n[sources]\noff = [\"pressure\"]\n",
        folder.path().join("sys")
    );
    let (agent, _) = start(folder.path(), &host);
    let timeouts =
        |samples: &Samples| samples.sum("sidetone_source_failures_total", &[("source", "load"), ("reason", "timeout")]);
    let samples = agent.wait_for_metrics("the deadline of load", |samples| timeouts(samples) > 0.0);
    let up = samples.by("sidetone_source_up", "source");
    assert!(!up.contains_key("load"), "{up:?}");
    assert!(!up.contains_key("memory"), "a line that cannot be understood: {up:?}");
    assert!(up.contains_key("cpu") && up.contains_key("descriptors"), "nothing there is no error: {up:?}");
    assert!(!up.contains_key("pressure"), "it is off: {up:?}");
    assert_eq!(timeouts(&samples), 1.0);
    assert_eq!(samples.sum("host_cpu_seconds_total", &[("mode", "idle")]), 9.0);
    assert_eq!(samples.sum("host_softnet_dropped_total", &[("cpu", "0")]), 2.0);
    assert_eq!(samples.sum("host_os_info", &[("id", "elsewhere")]), 1.0);
    assert_eq!(samples.sum("host_load1", &[]), 0.0);
    assert!(agent.log().contains("source load: no answer within 2s"), "{}", agent.log());
    assert!(agent.log().contains("MemAvailable: nothing"), "{}", agent.log());
    // Whoever hung comes back; the pipe then ends, and the next reading hangs again until the test ends.
    fs::OpenOptions::new()
        .write(true)
        .open(&fifo)
        .expect("a reader waits")
        .write_all(b"0.25 0.5 0.75 1/2 3\n")
        .expect("it reads");
    agent.wait_for_metrics("the load that came late", |samples| samples.sum("host_load1", &[]) == 0.25);
    let threads = fs::read_dir(format!("/proc/{}/task", agent.id())).expect("the agent runs").count();
    assert!(threads < 30, "{threads} threads: a source that hangs must hold one");
}
