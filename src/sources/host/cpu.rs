//! Processors: proc_stat(5).

use super::{Host, Reader, odd};
use crate::numbers::{Family, fixed};
use crate::sources::{Failure, Readings, Row};

static FAMILIES: [Family; 8] = [
    Family::counter(
        "host_cpu_seconds_total",
        "seconds",
        &["cpu", "mode"],
        "Seconds that each processor spent in each mode.",
    ),
    Family::counter(
        "host_cpu_guest_seconds_total",
        "seconds",
        &["cpu", "mode"],
        "Seconds that each processor spent in guests (virtual machines); they are in host_cpu_seconds_total too.",
    ),
    Family::counter("host_intr_total", "", &[], "Interrupts serviced."),
    Family::counter("host_context_switches_total", "", &[], "Context switches."),
    Family::gauge("host_boot_time_seconds", "seconds", &[], "Unix time when the host was started."),
    Family::counter("host_forks_total", "", &[], "Processes and threads started."),
    Family::gauge("host_procs_running", "", &[], "Threads that run or wait for a processor."),
    Family::gauge("host_procs_blocked", "", &[], "Processes that wait for I/O to complete."),
];
static SECONDS: &Family = &FAMILIES[0];
static GUEST_SECONDS: &Family = &FAMILIES[1];

pub static ROW: Row = super::row("cpu", &FAMILIES, reader);

/// The columns of a processor's line.
const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
/// The two columns behind them.
const GUEST_MODES: [&str; 2] = ["user", "nice"];

/// Lines of one number, and their families.
static LINES: [(&str, &Family); 6] = [
    ("intr", &FAMILIES[2]),
    ("ctxt", &FAMILIES[3]),
    ("btime", &FAMILIES[4]),
    ("processes", &FAMILIES[5]),
    ("procs_running", &FAMILIES[6]),
    ("procs_blocked", &FAMILIES[7]),
];

fn reader(host: &Host) -> Reader {
    let host = host.clone();
    let second = ticks_per_second();
    Box::new(move |out| match host.proc("stat")? {
        Some(text) => parse(&text, second, out),
        None => Ok(()),
    })
}

/// The kernel's times towards programs are in parts of a second, so many.
pub(super) fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

fn parse(text: &str, second: f64, out: &mut Readings) -> Result<(), Failure> {
    for line in text.lines() {
        let Some((name, rest)) = line.split_once(' ') else { continue };
        let mut numbers = rest.split_ascii_whitespace();
        if let Some((_, family)) = LINES.iter().find(|(key, _)| *key == name) {
            // "intr" goes on with a number for each interrupt.
            let value = numbers.next().and_then(|number| number.parse().ok()).ok_or_else(|| odd("stat", line))?;
            out.add(family, Vec::new(), value);
        } else if let Some(cpu) = name.strip_prefix("cpu").filter(|cpu| !cpu.is_empty()) {
            let modes =
                MODES.iter().map(|mode| (SECONDS, mode)).chain(GUEST_MODES.iter().map(|mode| (GUEST_SECONDS, mode)));
            for ((family, mode), number) in modes.zip(numbers) {
                let ticks: f64 = number.parse().map_err(|_| odd("stat", line))?;
                out.add(family, vec![cpu.to_owned().into(), fixed(mode)], ticks / second);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::host::tests::{exposed, read};

    #[test]
    fn the_kernels_example() {
        let text = "cpu  100 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\ncpu3 100 0 0 0 0 0 0 0 0 0\nintr 77 1 2 3\nctxt 88\n\
                    btime 1700000000\nprocesses 99\nprocs_running 3\nprocs_blocked 1\nsoftirq 5 1 2\n";
        let found = read(|out| parse(text, 100.0, out));
        assert_eq!(exposed(&found, "host_cpu_seconds_total{0,steal}"), [0.08]);
        assert_eq!(exposed(&found, "host_cpu_guest_seconds_total{0,nice}"), [0.1]);
        // Processors that are switched off leave a gap: the number is the kernel's.
        assert_eq!(exposed(&found, "host_cpu_seconds_total{3,user}"), [1.0]);
        assert_eq!(exposed(&found, "host_intr_total{}"), [77.0]);
        assert_eq!(exposed(&found, "host_boot_time_seconds{}"), [1.7e9]);
        assert_eq!(exposed(&found, "host_procs_blocked{}"), [1.0]);
        assert_eq!(found.values().len(), 2 * 10 + 6);
    }

    #[test]
    fn lines_that_are_no_numbers_are_said() {
        for text in ["cpu0 1 x 3\n", "btime \n", "ctxt ten\n"] {
            assert!(parse(text, 100.0, &mut Readings::default()).is_err(), "{text:?}");
        }
    }
}
