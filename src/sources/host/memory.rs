//! Memory and paging: proc_meminfo(5), /proc/vmstat.

use super::{ByName, Host, Reader, by_name, odd};
use crate::numbers::Family;
use crate::sources::{Failure, Readings, Row};

const fn bytes(name: &'static str, help: &'static str) -> Family {
    Family::gauge(name, "bytes", &[], help)
}

const fn pages(name: &'static str, help: &'static str) -> Family {
    Family::gauge(name, "", &[], help)
}

const fn event(name: &'static str, help: &'static str) -> Family {
    Family::untyped(name, &[], help)
}

/// Named after the kernel's own words, as node_exporter does; what is not here is of no use to anybody but the kernel.
static FAMILIES: [Family; 49] = [
    bytes("host_memory_MemTotal_bytes", "Memory that the kernel can use."),
    bytes("host_memory_MemFree_bytes", "Memory that is used for nothing."),
    bytes("host_memory_MemAvailable_bytes", "Memory that programs can still get without swapping."),
    bytes("host_memory_Buffers_bytes", "Memory for blocks of disks."),
    bytes("host_memory_Cached_bytes", "Memory for contents of files."),
    bytes("host_memory_SwapCached_bytes", "Memory that is in swap too."),
    bytes("host_memory_Active_bytes", "Memory used not long ago."),
    bytes("host_memory_Inactive_bytes", "Memory not used for some time."),
    bytes("host_memory_Active_anon_bytes", "Memory of programs used not long ago."),
    bytes("host_memory_Inactive_anon_bytes", "Memory of programs not used for some time."),
    bytes("host_memory_Active_file_bytes", "Contents of files used not long ago."),
    bytes("host_memory_Inactive_file_bytes", "Contents of files not used for some time."),
    bytes("host_memory_Unevictable_bytes", "Memory that cannot be given back or swapped."),
    bytes("host_memory_Mlocked_bytes", "Memory that programs have locked."),
    bytes("host_memory_SwapTotal_bytes", "Swap that there is."),
    bytes("host_memory_SwapFree_bytes", "Swap that is used for nothing."),
    bytes("host_memory_Zswap_bytes", "Memory that holds compressed swap."),
    bytes("host_memory_Zswapped_bytes", "Memory of programs that is compressed in Zswap."),
    bytes("host_memory_Dirty_bytes", "Contents of files that wait to be written."),
    bytes("host_memory_Writeback_bytes", "Contents of files that are being written."),
    bytes("host_memory_AnonPages_bytes", "Memory of programs that no file stands behind."),
    bytes("host_memory_Mapped_bytes", "Contents of files that programs have mapped."),
    bytes("host_memory_Shmem_bytes", "Shared memory and tmpfs."),
    bytes("host_memory_KReclaimable_bytes", "Memory of the kernel that it can give back."),
    bytes("host_memory_Slab_bytes", "Memory for the kernel's own objects."),
    bytes("host_memory_SReclaimable_bytes", "The part of Slab that can be given back."),
    bytes("host_memory_SUnreclaim_bytes", "The part of Slab that cannot be given back."),
    bytes("host_memory_KernelStack_bytes", "Memory for the kernel's stacks."),
    bytes("host_memory_PageTables_bytes", "Memory for page tables."),
    bytes("host_memory_CommitLimit_bytes", "Memory that may be promised to programs."),
    bytes("host_memory_Committed_AS_bytes", "Memory that is promised to programs."),
    bytes("host_memory_VmallocTotal_bytes", "Addresses for the kernel's larger areas."),
    bytes("host_memory_VmallocUsed_bytes", "Memory for the kernel's larger areas."),
    bytes("host_memory_VmallocChunk_bytes", "The largest area that is left."),
    bytes("host_memory_Percpu_bytes", "Memory that the kernel keeps for each processor."),
    bytes("host_memory_HardwareCorrupted_bytes", "Memory taken out of use since it is broken."),
    bytes("host_memory_AnonHugePages_bytes", "Memory of programs in huge pages."),
    pages("host_memory_HugePages_Total", "Huge pages kept ready, in pages."),
    pages("host_memory_HugePages_Free", "Huge pages kept ready that are used for nothing, in pages."),
    bytes("host_memory_Hugepagesize_bytes", "Size of a huge page."),
    event("host_vmstat_oom_kill", "Processes killed since there was no memory."),
    event("host_vmstat_pgfault", "Page faults."),
    event("host_vmstat_pgmajfault", "Page faults that had to read from a disk."),
    event("host_vmstat_pgpgin", "KiB read from disks."),
    event("host_vmstat_pgpgout", "KiB written to disks."),
    event("host_vmstat_pswpin", "Pages read from swap."),
    event("host_vmstat_pswpout", "Pages written to swap."),
    event("host_vmstat_pgsteal_kswapd", "Pages taken back ahead of need."),
    event("host_vmstat_pgsteal_direct", "Pages taken back while a program waited."),
];

static NAMED: ByName = ByName::new(|| by_name(&FAMILIES));

pub static ROW: Row = super::row("memory", &FAMILIES, reader);

fn reader(host: &Host) -> Reader {
    let host = host.clone();
    Box::new(move |out| {
        if let Some(text) = host.proc("meminfo")? {
            memory(&text, out)?;
        }
        if let Some(text) = host.proc("vmstat")? {
            paging(&text, out)?;
        }
        Ok(())
    })
}

fn memory(text: &str, out: &mut Readings) -> Result<(), Failure> {
    for line in text.lines() {
        let Some((key, rest)) = line.split_once(':') else { continue };
        let mut words = rest.split_ascii_whitespace();
        let number = words.next().and_then(|number| number.parse::<f64>().ok()).ok_or_else(|| odd("meminfo", line))?;
        // "Active(anon)" is Active_anon: node_exporter's spelling.
        let key = key.replace('(', "_").replace(')', "");
        let (suffix, factor) = if words.next() == Some("kB") { ("_bytes", 1024.0) } else { ("", 1.0) };
        if let Some(family) = NAMED.get(format!("host_memory_{key}{suffix}").as_str()) {
            out.add(family, Vec::new(), number * factor);
        }
    }
    Ok(())
}

fn paging(text: &str, out: &mut Readings) -> Result<(), Failure> {
    for line in text.lines() {
        let (key, number) = line.split_once(' ').ok_or_else(|| odd("vmstat", line))?;
        if let Some(family) = NAMED.get(format!("host_vmstat_{key}").as_str()) {
            out.add(family, Vec::new(), number.trim().parse().map_err(|_| odd("vmstat", line))?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::host::tests::{exposed, read};

    #[test]
    fn kilobytes_pages_and_parentheses() {
        let text = "MemTotal:       16 kB\nActive(anon):        2 kB\nHugePages_Free:        7\nSomethingNew: 9 kB\n";
        let found = read(|out| memory(text, out));
        assert_eq!(exposed(&found, "host_memory_MemTotal_bytes{}"), [16384.0]);
        assert_eq!(exposed(&found, "host_memory_Active_anon_bytes{}"), [2048.0]);
        assert_eq!(exposed(&found, "host_memory_HugePages_Free{}"), [7.0]);
        assert_eq!(found.values().len(), 3);
        assert!(memory("MemTotal: much\n", &mut Readings::default()).is_err());
    }

    #[test]
    fn events_of_paging() {
        let found = read(|out| paging("nr_free_pages 12\noom_kill 3\npgfault 5\n", out));
        assert_eq!(exposed(&found, "host_vmstat_oom_kill{}"), [3.0]);
        assert_eq!(found.values().len(), 2);
    }
}
