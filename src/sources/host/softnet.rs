//! What the kernel does with packets before any socket sees them: /proc/net/softnet_stat, a line of hexadecimal numbers a processor.

use super::{Host, Reader, odd};
use crate::numbers::Family;
use crate::sources::{Failure, Readings, Row};

static FAMILIES: [Family; 5] = [
    Family::counter("host_softnet_processed_total", "", &["cpu"], "Packets that each processor took from devices."),
    Family::counter(
        "host_softnet_dropped_total",
        "",
        &["cpu"],
        "Packets dropped since a processor's backlog was full.",
    ),
    Family::counter(
        "host_softnet_times_squeezed_total",
        "",
        &["cpu"],
        "Times that a processor had packets left when its share of time was over.",
    ),
    Family::counter(
        "host_softnet_received_rps_total",
        "",
        &["cpu"],
        "Times that another processor handed packets over (RPS).",
    ),
    Family::counter(
        "host_softnet_flow_limit_count_total",
        "",
        &["cpu"],
        "Packets dropped since one flow took too much of the backlog.",
    ),
];

pub static ROW: Row = super::row("softnet", &FAMILIES, reader);

/// The columns that mean something, net/core/net-procfs.c (softnet_seq_show).
const COLUMNS: [usize; 5] = [0, 1, 2, 9, 10];
/// Column of the processor's number, since Linux 5.14: lines of those that are switched off are missing.
const CPU: usize = 12;

fn reader(host: &Host) -> Reader {
    let host = host.clone();
    Box::new(move |out| match host.net("softnet_stat")? {
        Some(text) => parse(&text, out),
        None => Ok(()),
    })
}

fn parse(text: &str, out: &mut Readings) -> Result<(), Failure> {
    for (at, line) in text.lines().enumerate() {
        let numbers: Result<Vec<u32>, _> =
            line.split_ascii_whitespace().map(|number| u32::from_str_radix(number, 16)).collect();
        let numbers = numbers.map_err(|_| odd("softnet_stat", line))?;
        let cpu = numbers.get(CPU).map_or(at, |number| *number as usize);
        for (family, column) in FAMILIES.iter().zip(COLUMNS) {
            if let Some(number) = numbers.get(column) {
                out.add(family, vec![cpu.to_string().into()], f64::from(*number));
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
    fn old_and_new_lines() {
        let old = "00000010 00000002 00000001 0 0 0 0 0 0 00000003\n000000ff 0 0 0 0 0 0 0 0 0\n";
        let found = read(|out| parse(old, out));
        assert_eq!(exposed(&found, "host_softnet_processed_total{1}"), [255.0]);
        assert_eq!(exposed(&found, "host_softnet_dropped_total{0}"), [2.0]);
        assert_eq!(exposed(&found, "host_softnet_received_rps_total{0}"), [3.0]);
        let new = "1 2 3 0 0 0 0 0 0 4 5 0 0000000a 0 0\n";
        let found = read(|out| parse(new, out));
        assert_eq!(exposed(&found, "host_softnet_flow_limit_count_total{10}"), [5.0]);
        assert!(parse("xyz\n", &mut Readings::default()).is_err());
    }
}
