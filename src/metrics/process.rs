//! `process_*`: the agent's own process, under the names that every Prometheus client library uses.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::{Family, Kind};

const fn family(name: &'static str, kind: Kind, unit: &'static str, help: &'static str) -> Family {
    Family { name, kind, unit, labels: &[], help }
}

/// In the order of exposition.
pub const FAMILIES: &[Family] = &[
    family("process_cpu_seconds_total", Kind::Counter, "seconds", "Total user and system CPU time spent in seconds."),
    family("process_resident_memory_bytes", Kind::Gauge, "bytes", "Resident memory size in bytes."),
    family("process_virtual_memory_bytes", Kind::Gauge, "bytes", "Virtual memory size in bytes."),
    family(
        "process_start_time_seconds",
        Kind::Gauge,
        "seconds",
        "Start time of the process since unix epoch in seconds.",
    ),
    family("process_open_fds", Kind::Gauge, "", "Number of open file descriptors."),
    family("process_max_fds", Kind::Gauge, "", "Maximum number of open file descriptors."),
    family("process_threads", Kind::Gauge, "", "Number of OS threads in the process."),
];

/// Reads the agent's own process at each scrape. A value that the system does not tell is left out.
#[derive(Debug)]
pub struct ProcessCollector {
    pid: Pid,
    system: Mutex<System>,
}

impl ProcessCollector {
    /// A collector for this process; reads nothing yet.
    pub fn new() -> Result<ProcessCollector, sysinfo::Error> {
        let pid = Pid::from_u32(std::process::id());
        Ok(ProcessCollector { pid, system: Mutex::new(System::new()?) })
    }

    /// The values in the order of [`FAMILIES`].
    fn read(&self) -> [Option<f64>; FAMILIES.len()] {
        let mut system = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        let refresh = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.pid]), true, refresh);
        let process = system.process(self.pid);
        [
            process.map(|p| p.accumulated_cpu_time() as f64 / 1000.0), // milliseconds
            process.map(|p| p.memory() as f64),
            process.map(|p| p.virtual_memory() as f64),
            process.map(|p| p.start_time() as f64),
            process.and_then(|p| p.open_files()).map(|n| n as f64),
            process.and_then(|p| p.open_files_limit()).map(|n| n as f64),
            threads(),
        ]
    }
}

/// proc_pid_status(5), "Threads": sysinfo lists threads by walking a directory, this is one read.
fn threads() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("Threads:"))?.trim().parse().ok()
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for (family, value) in FAMILIES.iter().zip(self.read()) {
            let Some(value) = value else { continue };
            let name = family.name.strip_suffix("_total").unwrap_or(family.name);
            if family.kind == Kind::Counter {
                encoder
                    .encode_descriptor(name, family.help, None, MetricType::Counter)?
                    .encode_counter::<NoLabelSet, f64, f64>(&value, None)?;
            } else {
                encoder.encode_descriptor(name, family.help, None, MetricType::Gauge)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn every_family_is_there_and_plausible() {
        let collector = ProcessCollector::new().expect("sysinfo works here");
        let before = collector.read();
        let _held: Vec<_> = (0..100).map(|_| std::fs::File::open("/proc/self/stat").expect("procfs")).collect();
        let threads: Vec<_> = (0..3).map(|_| std::thread::spawn(std::thread::park)).collect();
        let after = collector.read();
        for (family, value) in FAMILIES.iter().zip(after) {
            let at_least = if family.kind == Kind::Counter { 0.0 } else { 1.0 };
            assert!(value.is_some_and(|v| v >= at_least && v.is_finite()), "{}: {value:?}", family.name);
        }
        let grown = |i: usize| after[i].zip(before[i]).map(|(a, b)| a - b);
        // Other tests close theirs meanwhile.
        assert!(grown(4).is_some_and(|n| n >= 50.0), "open files {before:?} {after:?}");
        assert!(grown(6).is_some_and(|n| n >= 3.0), "threads {before:?} {after:?}");
        for thread in threads {
            thread.thread().unpark();
            thread.join().expect("parked threads end");
        }
    }

    #[test]
    fn exposition_has_the_declared_names() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ProcessCollector::new().expect("sysinfo works here")));
        let mut out = String::new();
        encode(&mut out, &registry).expect("writing into a String");
        for family in FAMILIES {
            assert!(out.contains(&format!("\n{} ", family.name)), "{} in {out}", family.name);
        }
        println!("{out}");
    }
}
