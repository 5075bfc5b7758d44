//! Disks: the kernel's admin-guide/iostats.rst. Whole disks only: what goes to a partition goes to its disk.

use procfs_core::{DiskStats, FromRead};

use super::{Host, Reader, names, odd};
use crate::call::matches;
use crate::numbers::Family;
use crate::sources::{Failure, Readings, Row};

const LABELS: &[&str] = &["device"];

const fn seconds(name: &'static str, help: &'static str) -> Family {
    Family::counter(name, "seconds", LABELS, help)
}

const fn count(name: &'static str, help: &'static str) -> Family {
    Family::counter(name, "", LABELS, help)
}

static FAMILIES: [Family; 17] = [
    count("host_disk_reads_completed_total", "Reads completed."),
    count("host_disk_reads_merged_total", "Reads merged with others beside them."),
    Family::counter("host_disk_read_bytes_total", "bytes", LABELS, "Bytes read."),
    seconds("host_disk_read_time_seconds_total", "Seconds that all reads took together."),
    count("host_disk_writes_completed_total", "Writes completed."),
    count("host_disk_writes_merged_total", "Writes merged with others beside them."),
    Family::counter("host_disk_written_bytes_total", "bytes", LABELS, "Bytes written."),
    seconds("host_disk_write_time_seconds_total", "Seconds that all writes took together."),
    Family::gauge("host_disk_io_now", "", LABELS, "Requests that the disk has now."),
    seconds("host_disk_io_time_seconds_total", "Seconds in which the disk had anything to do."),
    seconds(
        "host_disk_io_time_weighted_seconds_total",
        "Seconds in which the disk had anything to do, times the requests that it had.",
    ),
    count("host_disk_discards_completed_total", "Discards completed."),
    count("host_disk_discards_merged_total", "Discards merged with others beside them."),
    count("host_disk_discarded_sectors_total", "Sectors discarded."),
    seconds("host_disk_discard_time_seconds_total", "Seconds that all discards took together."),
    count("host_disk_flush_requests_total", "Flushes completed."),
    seconds("host_disk_flush_requests_time_seconds_total", "Seconds that all flushes took together."),
];

pub static ROW: Row = super::row("disk", &FAMILIES, reader);

/// The kernel's unit, whatever the disk's own is (iostats.rst).
const SECTOR: f64 = 512.0;

fn reader(host: &Host) -> Reader {
    let host = host.clone();
    Box::new(move |out| {
        let Some(text) = host.proc("diskstats")? else { return Ok(()) };
        let disks = names(&host.sys("block"))?;
        let ignored = &host.settings.ignored_disks;
        parse(&text, out, |name| {
            // Without /sys there is nothing to tell a disk from a partition by.
            let is_disk = disks.is_empty() || disks.iter().any(|disk| disk.replace('!', "/") == name);
            is_disk && !ignored.iter().any(|pattern| matches(pattern.as_bytes(), name.as_bytes()))
        })
    })
}

fn parse(text: &str, out: &mut Readings, is_wanted: impl Fn(&str) -> bool) -> Result<(), Failure> {
    let disks = DiskStats::from_read(text.as_bytes()).map_err(|error| odd("diskstats", &error.to_string()))?;
    for disk in disks.0.iter().filter(|disk| is_wanted(&disk.name)) {
        let millis = |millis: u64| Some(millis as f64 / 1000.0);
        let plain = |count: u64| Some(count as f64);
        let values = [
            plain(disk.reads),
            plain(disk.merged),
            plain(disk.sectors_read).map(|sectors| sectors * SECTOR),
            millis(disk.time_reading),
            plain(disk.writes),
            plain(disk.writes_merged),
            plain(disk.sectors_written).map(|sectors| sectors * SECTOR),
            millis(disk.time_writing),
            plain(disk.in_progress),
            millis(disk.time_in_progress),
            millis(disk.weighted_time_in_progress),
            disk.discards.and_then(plain),
            disk.discards_merged.and_then(plain),
            disk.sectors_discarded.and_then(plain),
            disk.time_discarding.and_then(millis),
            disk.flushes.and_then(plain),
            disk.time_flushing.and_then(millis),
        ];
        for (family, value) in FAMILIES.iter().zip(values) {
            if let Some(value) = value {
                out.add(family, vec![disk.name.clone().into()], value);
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
    fn old_and_new_kernels() {
        let text = "   8  0 sda 1 2 3 4000 5 6 7 8000 9 10000 11000\n 8 1 sda1 1 1 1 1 1 1 1 1 1 1 1\n\
                    254 0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15000 16 17000\n";
        let found = read(|out| parse(text, out, |name| name != "sda1"));
        assert_eq!(exposed(&found, "host_disk_read_bytes_total{sda}"), [1536.0]);
        assert_eq!(exposed(&found, "host_disk_io_time_seconds_total{sda}"), [10.0]);
        assert_eq!(exposed(&found, "host_disk_io_now{sda}"), [9.0]);
        assert_eq!(exposed(&found, "host_disk_flush_requests_time_seconds_total{vda}"), [17.0]);
        assert_eq!(found.values().len(), 11 + 17);
        assert!(parse("8 0 sda one\n", &mut Readings::default(), |_| true).is_err());
    }
}
