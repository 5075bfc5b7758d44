//! The table of tracked connections: a full one drops new calls without a word.

use super::{Host, Reader, number, odd};
use crate::numbers::Family;
use crate::sources::{Failure, Readings, Reason, Row};

const fn level(name: &'static str, help: &'static str) -> Family {
    Family::gauge(name, "", &[], help)
}

/// The counts are gauges with node_exporter, and so here.
static FAMILIES: [Family; 10] = [
    level("host_nf_conntrack_entries", "Connections that are tracked."),
    level("host_nf_conntrack_entries_limit", "Connections that can be tracked."),
    level("host_nf_conntrack_stat_found", "Look-ups that found a connection."),
    level("host_nf_conntrack_stat_invalid", "Packets that could not be tracked."),
    level("host_nf_conntrack_stat_ignore", "Packets that were tracked already."),
    level("host_nf_conntrack_stat_insert", "Connections entered."),
    level("host_nf_conntrack_stat_insert_failed", "Connections that were in the table already."),
    level("host_nf_conntrack_stat_drop", "Packets dropped since no connection could be entered."),
    level("host_nf_conntrack_stat_early_drop", "Connections given up so that another could be entered."),
    level("host_nf_conntrack_stat_search_restart", "Look-ups begun anew since the table changed its size."),
];

pub static ROW: Row = super::row("conntrack", &FAMILIES, reader);

fn reader(host: &Host) -> Reader {
    let host = host.clone();
    Box::new(move |out| {
        let sysctl = host.settings.proc.join("sys/net/netfilter");
        for (family, file) in FAMILIES.iter().zip(["nf_conntrack_count", "nf_conntrack_max"]) {
            if let Some(value) = number(&sysctl.join(file))? {
                out.add(family, Vec::new(), value);
            }
        }
        match host.net("stat/nf_conntrack") {
            Ok(Some(text)) => parse(&text, out),
            Ok(None) => Ok(()),
            // Only root may read it on some kernels: as good as not there.
            Err(failure) if failure.reason == Reason::Permission => Ok(()),
            Err(failure) => Err(failure),
        }
    })
}

/// A line of words, then a line of hexadecimal numbers a processor.
fn parse(text: &str, out: &mut Readings) -> Result<(), Failure> {
    let mut lines = text.lines();
    let words: Vec<&str> = lines.next().unwrap_or_default().split_ascii_whitespace().collect();
    let mut sums = vec![0_u64; words.len()];
    for line in lines {
        for (sum, number) in sums.iter_mut().zip(line.split_ascii_whitespace()) {
            *sum += u64::from_str_radix(number, 16).map_err(|_| odd("stat/nf_conntrack", line))?;
        }
    }
    for family in &FAMILIES[2..] {
        let word = family.name.trim_start_matches("host_nf_conntrack_stat_");
        if let Some((_, sum)) = words.iter().zip(&sums).find(|(name, _)| **name == word) {
            out.add(family, Vec::new(), *sum as f64);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::host::tests::{exposed, read};

    #[test]
    fn processors_are_added_up() {
        let text = "entries  clashres found new drop early_drop\n0a 1 0b 0 02 0\n0a 1 01 0 0e 0\n";
        let found = read(|out| parse(text, out));
        assert_eq!(exposed(&found, "host_nf_conntrack_stat_drop{}"), [16.0]);
        assert_eq!(exposed(&found, "host_nf_conntrack_stat_found{}"), [12.0]);
        assert_eq!(found.values().len(), 3);
        assert!(parse("found\nxyz\n", &mut Readings::default()).is_err());
    }
}
