//! Interrupts of network devices: /proc/interrupts. All on one processor while the others idle is a common cause of lost packets.

use std::collections::BTreeSet;

use super::{Host, Reader, Turns, names};
use crate::numbers::Family;
use crate::sources::{Failure, Readings, Row};

static FAMILIES: [Family; 1] = [Family::counter(
    "host_interrupts_total",
    "",
    &["cpu", "type", "info", "devices"],
    "Interrupts of network devices that each processor serviced.",
)];

pub static ROW: Row = super::row("interrupts", &FAMILIES, reader);

fn reader(host: &Host) -> Reader {
    let host = host.clone();
    let (mut turns, mut wanted) = (Turns::default(), BTreeSet::new());
    Box::new(move |out| {
        let Some(text) = host.proc("interrupts")? else { return Ok(()) };
        if turns.is_seldom() {
            wanted = numbers(&host)?;
        }
        parse(&text, &wanted, out)
    })
}

/// Numbers of the interrupts of network devices.
fn numbers(host: &Host) -> Result<BTreeSet<String>, Failure> {
    let mut numbers = BTreeSet::new();
    for device in names(&host.sys("class/net"))? {
        // Message-signalled interrupts are the device's own; their names are the driver's affair.
        numbers.extend(names(&host.sys(&format!("class/net/{device}/device/msi_irqs")))?);
        // A virtual device hangs on a bus of its own, and its interrupts on the device below.
        numbers.extend(names(&host.sys(&format!("class/net/{device}/device/../msi_irqs")))?);
    }
    Ok(numbers)
}

fn parse(text: &str, wanted: &BTreeSet<String>, out: &mut Readings) -> Result<(), Failure> {
    let mut lines = text.lines();
    let cpus: Vec<&str> =
        lines.next().unwrap_or_default().split_ascii_whitespace().map(|cpu| cpu.trim_start_matches("CPU")).collect();
    for line in lines {
        let Some((number, rest)) = line.split_once(':') else { continue };
        if !wanted.contains(number.trim()) {
            continue;
        }
        let mut words = rest.split_ascii_whitespace();
        let counts: Vec<f64> = words.by_ref().take(cpus.len()).map_while(|count| count.parse().ok()).collect();
        let words: Vec<&str> = words.collect();
        let (info, devices) = match words.split_last() {
            Some((device, info)) => (info.join(" "), *device),
            None => (String::new(), ""),
        };
        for (cpu, count) in cpus.iter().zip(counts) {
            let labels = [cpu.to_string(), number.trim().to_owned(), info.clone(), devices.to_owned()];
            out.add(&FAMILIES[0], labels.into_iter().map(Into::into).collect(), count);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::host::tests::{exposed, read};

    #[test]
    fn only_those_of_network_devices() {
        let text = "           CPU0       CPU2\n  24:          1          7  PCI-MSIX-0000:00:05.0   0-edge      eth0-rx-0\n\
                    NMI:  0 0 Non-maskable interrupts\n  25:          5          6  IO-APIC 6-edge virtio0\n";
        let found = read(|out| parse(text, &["24".to_owned()].into(), out));
        assert_eq!(exposed(&found, "host_interrupts_total{2,24,PCI-MSIX-0000:00:05.0 0-edge,eth0-rx-0}"), [7.0]);
        assert_eq!(found.values().len(), 2);
    }
}
