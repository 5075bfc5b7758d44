//! Sockets: /proc/net/sockstat, and what waits in those of UDP (proc_net_udp(5)): a queue that grows is a media server that does not read.

use super::{ByName, Host, Reader, by_name, odd};
use crate::numbers::{Family, fixed};
use crate::sources::{Failure, Readings, Row};

const fn level(name: &'static str, help: &'static str) -> Family {
    Family::gauge(name, "", &[], help)
}

static FAMILIES: [Family; 21] = [
    level("host_sockstat_sockets_used", "Sockets of all kinds."),
    level("host_sockstat_TCP_inuse", "TCP sockets in use."),
    level("host_sockstat_TCP_orphan", "TCP sockets that no program holds any more."),
    level("host_sockstat_TCP_tw", "TCP sockets that wait after their end."),
    level("host_sockstat_TCP_alloc", "TCP sockets that have memory."),
    level("host_sockstat_TCP_mem", "Memory of TCP sockets, in pages."),
    Family::gauge("host_sockstat_TCP_mem_bytes", "bytes", &[], "Memory of TCP sockets."),
    level("host_sockstat_UDP_inuse", "UDP sockets in use."),
    level("host_sockstat_UDP_mem", "Memory of UDP sockets, in pages."),
    Family::gauge("host_sockstat_UDP_mem_bytes", "bytes", &[], "Memory of UDP sockets."),
    level("host_sockstat_UDPLITE_inuse", "UDP-Lite sockets in use."),
    level("host_sockstat_RAW_inuse", "Raw sockets in use."),
    level("host_sockstat_FRAG_inuse", "Fragmented packets that wait for the rest."),
    Family::gauge("host_sockstat_FRAG_memory", "bytes", &[], "Memory of fragmented packets that wait for the rest."),
    level("host_sockstat_TCP6_inuse", "TCP sockets in use, IPv6."),
    level("host_sockstat_UDP6_inuse", "UDP sockets in use, IPv6."),
    level("host_sockstat_UDPLITE6_inuse", "UDP-Lite sockets in use, IPv6."),
    level("host_sockstat_RAW6_inuse", "Raw sockets in use, IPv6."),
    level("host_sockstat_FRAG6_inuse", "Fragmented packets that wait for the rest, IPv6."),
    Family::gauge(
        "host_sockstat_FRAG6_memory",
        "bytes",
        &[],
        "Memory of fragmented packets that wait for the rest, IPv6.",
    ),
    Family::gauge(
        "host_udp_queues",
        "bytes",
        &["queue", "ip"],
        "Bytes that wait in UDP sockets to be sent or to be read.",
    ),
];
static QUEUES: &Family = &FAMILIES[20];

static NAMED: ByName = ByName::new(|| by_name(&FAMILIES));

pub static ROW: Row = super::row("sockets", &FAMILIES, reader);

fn reader(host: &Host) -> Reader {
    let host = host.clone();
    let page = rustix::param::page_size() as f64;
    Box::new(move |out| {
        for file in ["sockstat", "sockstat6"] {
            if let Some(text) = host.net(file)? {
                counts(file, &text, page, out)?;
            }
        }
        for (file, ip) in [("udp", "v4"), ("udp6", "v6")] {
            if let Some(text) = host.net(file)? {
                queues(file, &text, ip, out)?;
            }
        }
        Ok(())
    })
}

fn counts(file: &str, text: &str, page: f64, out: &mut Readings) -> Result<(), Failure> {
    let find = |protocol: &str, word: &str| NAMED.get(format!("host_sockstat_{protocol}_{word}").as_str());
    for line in text.lines() {
        let (protocol, rest) = line.split_once(':').ok_or_else(|| odd(file, line))?;
        let mut words = rest.split_ascii_whitespace();
        while let (Some(word), Some(number)) = (words.next(), words.next()) {
            let number: f64 = number.parse().map_err(|_| odd(file, line))?;
            if let Some(family) = find(protocol, word) {
                out.add(family, Vec::new(), number);
            }
            if let Some(family) = find(protocol, &format!("{word}_bytes")) {
                out.add(family, Vec::new(), number * page);
            }
        }
    }
    Ok(())
}

fn queues(file: &str, text: &str, ip: &'static str, out: &mut Readings) -> Result<(), Failure> {
    let (mut sent, mut received) = (0.0, 0.0);
    for line in text.lines().skip(1) {
        // sl local_address rem_address st tx_queue:rx_queue
        let field = line.split_ascii_whitespace().nth(4).and_then(|field| field.split_once(':'));
        let hex = |text: &str| u32::from_str_radix(text, 16).ok();
        let (tx, rx) = field.and_then(|(tx, rx)| hex(tx).zip(hex(rx))).ok_or_else(|| odd(file, line))?;
        sent += f64::from(tx);
        received += f64::from(rx);
    }
    out.add(QUEUES, vec![fixed("tx"), fixed(ip)], sent);
    out.add(QUEUES, vec![fixed("rx"), fixed(ip)], received);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::host::tests::{exposed, read};

    #[test]
    fn pages_are_bytes_too() {
        let text = "sockets: used 12\nTCP: inuse 2 orphan 0 tw 0 alloc 2 mem 3\nFRAG: inuse 0 memory 7\n";
        let found = read(|out| counts("sockstat", text, 4096.0, out));
        assert_eq!(exposed(&found, "host_sockstat_sockets_used{}"), [12.0]);
        assert_eq!(exposed(&found, "host_sockstat_TCP_mem{}"), [3.0]);
        assert_eq!(exposed(&found, "host_sockstat_TCP_mem_bytes{}"), [12288.0]);
        assert_eq!(exposed(&found, "host_sockstat_FRAG_memory{}"), [7.0]);
    }

    #[test]
    fn what_waits_in_all_sockets_together() {
        let line = "  1: 0100007F:13C4 00000000:0000 07 00000010:00000A00 00:00000000 00000000 0 0 1 2 0 0\n";
        let found = read(|out| queues("udp", &format!("  sl  local_address\n{line}{line}"), "v4", out));
        assert_eq!(exposed(&found, "host_udp_queues{rx,v4}"), [5120.0]);
        assert_eq!(exposed(&found, "host_udp_queues{tx,v4}"), [32.0]);
        assert!(queues("udp", "head\nshort line\n", "v4", &mut Readings::default()).is_err());
    }
}
