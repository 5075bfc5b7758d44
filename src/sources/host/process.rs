//! Processes by name: what the media server and its neighbours take. One series a configured name, all its processes together.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use procfs_core::FromRead;
use procfs_core::process::Stat;

use super::{Host, Reader, Turns, names, text};
use crate::numbers::{Family, fixed};
use crate::sources::{Failure, Readings, Row};

const LABELS: &[&str] = &["process"];

static FAMILIES: [Family; 7] = [
    Family::gauge("host_processes", "", LABELS, "Processes of this name."),
    Family::counter(
        "host_process_cpu_seconds_total",
        "seconds",
        &["process", "mode"],
        "Seconds of processor time that processes of this name took.",
    ),
    Family::gauge(
        "host_process_resident_memory_bytes",
        "bytes",
        LABELS,
        "Resident memory; what processes share counts for each.",
    ),
    Family::gauge("host_process_open_fds", "", LABELS, "Open file descriptors of the process that has the most."),
    Family::gauge(
        "host_process_max_fds",
        "",
        LABELS,
        "File descriptors that a process may open, of the one that may open the fewest.",
    ),
    Family::gauge("host_process_threads", "", LABELS, "Threads."),
    Family::gauge(
        "host_process_start_time_seconds",
        "seconds",
        LABELS,
        "Unix time when the oldest process was started.",
    ),
];
static CPU: &Family = &FAMILIES[1];

pub static ROW: Row = super::row("process", &FAMILIES, reader);

/// proc_pid_comm(5): a name has at most 15 bytes.
const MAX_NAME: usize = 15;

fn reader(host: &Host) -> Reader {
    let host = host.clone();
    let mut watcher = Watcher::default();
    let page = rustix::param::page_size() as f64;
    let second = super::cpu::ticks_per_second();
    Box::new(move |out| {
        let boot = boot_time(&host)?;
        for (name, group) in watcher.look(&host)? {
            let total = watcher.totals.get(&name).copied().unwrap_or_default();
            group.expose(&name, page, out);
            for (mode, ticks) in [("user", total.user), ("system", total.system)] {
                out.add(CPU, vec![name.clone().into(), fixed(mode)], ticks as f64 / second);
            }
            if let (Some(start), Some(boot)) = (group.oldest, boot) {
                out.add(&FAMILIES[6], vec![name.into()], boot + start as f64 / second);
            }
        }
        Ok(())
    })
}

fn boot_time(host: &Host) -> Result<Option<f64>, Failure> {
    let stat = host.proc("stat")?.unwrap_or_default();
    Ok(stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok()))
}

/// Ticks of processor time.
#[derive(Clone, Copy, Default)]
struct Ticks {
    user: u64,
    system: u64,
}

/// All processes of one name.
#[derive(Default)]
struct Group {
    count: u64,
    pages: u64,
    threads: u64,
    descriptors: Option<u64>,
    limit: Option<u64>,
    /// In ticks since the host was started.
    oldest: Option<u64>,
}

impl Group {
    fn expose(&self, name: &str, page: f64, out: &mut Readings) {
        let some = |number: Option<u64>| number.map(|number| number as f64);
        let values = [
            (0, Some(self.count as f64)),
            (2, Some(self.pages as f64 * page)),
            (3, some(self.descriptors)),
            (4, some(self.limit)),
            (5, Some(self.threads as f64)),
        ];
        for (at, value) in values {
            if let Some(value) = value {
                out.add(&FAMILIES[at], vec![name.to_owned().into()], value);
            }
        }
    }
}

/// What is remembered from one sample to the next.
#[derive(Default)]
struct Watcher {
    /// Processor time of each watched process at the last sample, by its number and the time of its start.
    seen: HashMap<(u32, u64), Ticks>,
    /// Processor time of each name since the agent runs: that of processes that have ended stays in it.
    totals: HashMap<String, Ticks>,
    /// Processes of other names.
    others: HashSet<u32>,
    turns: Turns,
}

impl Watcher {
    fn look(&mut self, host: &Host) -> Result<Vec<(String, Group)>, Failure> {
        // A process may have become another program.
        if self.turns.is_seldom() {
            self.others.clear();
        }
        let proc = &host.settings.proc;
        let names = names(proc)?;
        let pids: HashSet<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
        self.others.retain(|pid| pids.contains(pid));
        let mut groups: HashMap<&str, Group> = HashMap::new();
        let mut seen = HashMap::new();
        for &pid in &pids {
            if self.others.contains(&pid) {
                continue;
            }
            // A process may have ended since the directory was read.
            let Some(stat) = stat(&proc.join(pid.to_string())) else { continue };
            let Some(name) = host.settings.processes.iter().find(|name| is_called(&stat.comm, name)) else {
                self.others.insert(pid);
                continue;
            };
            let now = Ticks { user: stat.utime, system: stat.stime };
            let before = self.seen.get(&(pid, stat.starttime)).copied().unwrap_or_default();
            let total = self.totals.entry(name.clone()).or_default();
            total.user += now.user.saturating_sub(before.user);
            total.system += now.system.saturating_sub(before.system);
            seen.insert((pid, stat.starttime), now);
            groups.entry(name).or_default().add(&stat, &proc.join(pid.to_string()));
        }
        self.seen = seen;
        // A name that is configured and does not run is worth a 0, once it has run.
        let all = host.settings.processes.iter().filter_map(|name| match groups.remove(name.as_str()) {
            Some(group) => Some((name.clone(), group)),
            None => self.totals.contains_key(name).then(|| (name.clone(), Group::default())),
        });
        Ok(all.collect())
    }
}

fn stat(path: &Path) -> Option<Stat> {
    let text = text(&path.join("stat")).ok()??;
    Stat::from_read(text.as_bytes()).ok()
}

fn is_called(comm: &str, name: &str) -> bool {
    comm.as_bytes() == name.as_bytes().get(..MAX_NAME).unwrap_or(name.as_bytes())
}

impl Group {
    fn add(&mut self, stat: &Stat, path: &Path) {
        self.count += 1;
        self.pages += stat.rss;
        self.threads += u64::try_from(stat.num_threads).unwrap_or(0);
        self.oldest = Some(self.oldest.map_or(stat.starttime, |oldest| oldest.min(stat.starttime)));
        self.descriptors = self.descriptors.max(descriptors(&path.join("fd")));
        let limit = text(&path.join("limits")).ok().flatten().and_then(|text| limit(&text));
        self.limit = [self.limit, limit].into_iter().flatten().min();
    }
}

/// Since Linux 6.2 the directory's size is their number, which everybody may see; before, only who may look into it can count them.
fn descriptors(path: &Path) -> Option<u64> {
    let size = path.metadata().ok()?.len();
    match size {
        0 => std::fs::read_dir(path).ok().map(|entries| entries.count() as u64),
        size => Some(size),
    }
}

/// proc_pid_limits(5), the soft limit.
fn limit(text: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::sources::host::tests::exposed;

    fn watched(names: &[&str]) -> Reader {
        let processes = names.iter().map(|name| (*name).to_owned()).collect();
        reader(&Host::new(&config::Host { processes, ..config::Host::default() }))
    }

    fn sample(reader: &mut Reader) -> Readings {
        let mut out = Readings::default();
        reader(&mut out).expect("processes are listed");
        out
    }

    #[test]
    fn time_of_processes_that_have_ended_stays() {
        // A program of a name of its own, of 15 bytes and more.
        let dir = tempfile::tempdir().expect("a directory");
        let program = dir.path().join("sidetone-test-busy");
        std::fs::copy("/bin/sh", &program).expect("a copy");
        let start = || {
            let mut command = std::process::Command::new(&program);
            command.args(["-c", "while :; do :; done"]).spawn().expect("it starts")
        };
        let mut reader = watched(&["sidetone-test-busy", "sidetone-nobody"]);
        let mut children = [start(), start()];
        std::thread::sleep(std::time::Duration::from_millis(400));
        let both = sample(&mut reader);
        assert_eq!(exposed(&both, "host_processes{sidetone-test-busy}"), [2.0]);
        assert!(exposed(&both, "host_processes{sidetone-nobody}").is_empty());
        assert!(exposed(&both, "host_process_resident_memory_bytes{sidetone-test-busy}")[0] > 100_000.0);
        assert!(exposed(&both, "host_process_open_fds{sidetone-test-busy}")[0] >= 3.0);
        let before = exposed(&both, "host_process_cpu_seconds_total{sidetone-test-busy,user}")[0];
        assert!(before > 0.1, "{before}");
        for child in &mut children {
            child.kill().expect("it runs");
            child.wait().expect("it ends");
        }
        let none = sample(&mut reader);
        assert_eq!(exposed(&none, "host_processes{sidetone-test-busy}"), [0.0]);
        assert_eq!(exposed(&none, "host_process_cpu_seconds_total{sidetone-test-busy,user}"), [before]);
        let mut again = start();
        std::thread::sleep(std::time::Duration::from_millis(200));
        let after = exposed(&sample(&mut reader), "host_process_cpu_seconds_total{sidetone-test-busy,user}")[0];
        again.kill().expect("it runs");
        again.wait().expect("it ends");
        assert!(after > before, "{after} > {before}");
    }

    #[test]
    fn the_soft_limit() {
        let text =
            "Limit      Soft Limit   Hard Limit   Units\nMax open files            1024       524288     files\n";
        assert_eq!(limit(text), Some(1024));
        assert_eq!(limit("Max open files   unlimited unlimited files\n"), None);
    }
}
