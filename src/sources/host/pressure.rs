//! Pressure stall information: how long work stood still for want of a processor, memory or I/O (the kernel's accounting/psi.rst).

use super::{Host, Reader, odd};
use crate::numbers::Family;
use crate::sources::{Failure, Readings, Row};

static FAMILIES: [Family; 6] = [
    Family::counter(
        "host_pressure_cpu_waiting_seconds_total",
        "seconds",
        &[],
        "Seconds in which at least one thread waited for a processor.",
    ),
    Family::counter(
        "host_pressure_io_waiting_seconds_total",
        "seconds",
        &[],
        "Seconds in which at least one thread waited for I/O.",
    ),
    Family::counter(
        "host_pressure_io_stalled_seconds_total",
        "seconds",
        &[],
        "Seconds in which all threads that had work waited for I/O.",
    ),
    Family::counter(
        "host_pressure_memory_waiting_seconds_total",
        "seconds",
        &[],
        "Seconds in which at least one thread waited for memory.",
    ),
    Family::counter(
        "host_pressure_memory_stalled_seconds_total",
        "seconds",
        &[],
        "Seconds in which all threads that had work waited for memory.",
    ),
    Family::counter(
        "host_pressure_irq_stalled_seconds_total",
        "seconds",
        &[],
        "Seconds in which all threads that had work waited for interrupts to be serviced.",
    ),
];

pub static ROW: Row = super::row("pressure", &FAMILIES, reader);

/// File, line and family. "full" of the processors means nothing for a whole host.
static LINES: [(&str, &str, &Family); 6] = [
    ("cpu", "some", &FAMILIES[0]),
    ("io", "some", &FAMILIES[1]),
    ("io", "full", &FAMILIES[2]),
    ("memory", "some", &FAMILIES[3]),
    ("memory", "full", &FAMILIES[4]),
    ("irq", "full", &FAMILIES[5]),
];

fn reader(host: &Host) -> Reader {
    let host = host.clone();
    Box::new(move |out| {
        for file in ["cpu", "io", "memory", "irq"] {
            if let Some(text) = host.proc(&format!("pressure/{file}"))? {
                parse(file, &text, out)?;
            }
        }
        Ok(())
    })
}

fn parse(file: &str, text: &str, out: &mut Readings) -> Result<(), Failure> {
    for line in text.lines() {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let Some((_, _, family)) = LINES.iter().find(|(name, key, _)| *name == file && *key == kind) else { continue };
        let total = rest.split_ascii_whitespace().find_map(|field| field.strip_prefix("total="));
        let micros: f64 = total.and_then(|total| total.parse().ok()).ok_or_else(|| odd(file, line))?;
        out.add(family, Vec::new(), micros / 1e6);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::host::tests::{exposed, read};

    #[test]
    fn the_kernels_example() {
        let text = "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=250000\n";
        let found = read(|out| parse("io", text, out));
        assert_eq!(exposed(&found, "host_pressure_io_waiting_seconds_total{}"), [1.5]);
        assert_eq!(exposed(&found, "host_pressure_io_stalled_seconds_total{}"), [0.25]);
        assert_eq!(read(|out| parse("cpu", text, out)).values().len(), 1);
        assert!(parse("cpu", "some avg10=0.00\n", &mut Readings::default()).is_err());
    }
}
