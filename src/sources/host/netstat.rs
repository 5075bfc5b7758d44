//! The kernel's protocol counters: proc_net_snmp(5), /proc/net/netstat, /proc/net/snmp6. RFC 4293, 4022 and 4113 say what they mean.

use super::{ByName, Host, Reader, by_name, odd};
use crate::numbers::Family;
use crate::sources::{Failure, Readings, Row};

const fn counted(name: &'static str, help: &'static str) -> Family {
    Family::untyped(name, &[], help)
}

/// Those that node_exporter shows, under its names: protocol, an underscore, the kernel's word.
static FAMILIES: [Family; 46] = [
    counted("host_netstat_Udp_InDatagrams", "UDP datagrams delivered."),
    counted(
        "host_netstat_Udp_InErrors",
        "UDP datagrams that could not be delivered, for a full receive buffer or another fault.",
    ),
    counted("host_netstat_Udp_NoPorts", "UDP datagrams for ports at which nobody listened."),
    counted("host_netstat_Udp_OutDatagrams", "UDP datagrams sent."),
    counted("host_netstat_Udp_RcvbufErrors", "UDP datagrams dropped since the socket's receive buffer was full."),
    counted("host_netstat_Udp_SndbufErrors", "UDP datagrams dropped since the socket's send buffer was full."),
    counted("host_netstat_Udp_InCsumErrors", "UDP datagrams with a wrong checksum."),
    counted("host_netstat_Udp6_InDatagrams", "UDP datagrams delivered, IPv6."),
    counted("host_netstat_Udp6_InErrors", "UDP datagrams that could not be delivered, IPv6."),
    counted("host_netstat_Udp6_NoPorts", "UDP datagrams for ports at which nobody listened, IPv6."),
    counted("host_netstat_Udp6_OutDatagrams", "UDP datagrams sent, IPv6."),
    counted(
        "host_netstat_Udp6_RcvbufErrors",
        "UDP datagrams dropped since the socket's receive buffer was full, IPv6.",
    ),
    counted("host_netstat_Udp6_SndbufErrors", "UDP datagrams dropped since the socket's send buffer was full, IPv6."),
    counted("host_netstat_UdpLite_InErrors", "UDP-Lite datagrams that could not be delivered."),
    counted("host_netstat_UdpLite6_InErrors", "UDP-Lite datagrams that could not be delivered, IPv6."),
    counted("host_netstat_Tcp_ActiveOpens", "TCP connections opened from here."),
    counted("host_netstat_Tcp_PassiveOpens", "TCP connections opened from elsewhere."),
    counted("host_netstat_Tcp_CurrEstab", "TCP connections now."),
    counted("host_netstat_Tcp_InSegs", "TCP segments received."),
    counted("host_netstat_Tcp_OutSegs", "TCP segments sent."),
    counted("host_netstat_Tcp_OutRsts", "TCP segments sent with RST."),
    counted("host_netstat_Tcp_RetransSegs", "TCP segments sent again."),
    counted("host_netstat_Tcp_InErrs", "TCP segments received in error."),
    counted("host_netstat_TcpExt_ListenDrops", "TCP connections dropped before they were accepted."),
    counted("host_netstat_TcpExt_ListenOverflows", "TCP connections dropped since a listener's queue was full."),
    counted("host_netstat_TcpExt_SyncookiesFailed", "SYN cookies that were wrong."),
    counted("host_netstat_TcpExt_SyncookiesRecv", "SYN cookies received."),
    counted("host_netstat_TcpExt_SyncookiesSent", "SYN cookies sent."),
    counted("host_netstat_TcpExt_TCPSynRetrans", "SYN segments sent again."),
    counted("host_netstat_TcpExt_TCPTimeouts", "Times that TCP gave up waiting for an answer."),
    counted("host_netstat_TcpExt_TCPOFOQueue", "TCP segments that came before an earlier one."),
    counted("host_netstat_TcpExt_TCPRcvQDrop", "TCP segments dropped since the receive queue was full."),
    counted("host_netstat_Ip_Forwarding", "1 where IP packets are forwarded, 2 where not."),
    counted(
        "host_netstat_Ip_InDiscards",
        "IP packets dropped although nothing was wrong with them, as for want of memory.",
    ),
    counted("host_netstat_Ip_ReasmFails", "Fragmented IP packets that never became whole."),
    counted("host_netstat_IpExt_InOctets", "Bytes of IP packets received."),
    counted("host_netstat_IpExt_OutOctets", "Bytes of IP packets sent."),
    counted("host_netstat_Ip6_InOctets", "Bytes of IPv6 packets received."),
    counted("host_netstat_Ip6_OutOctets", "Bytes of IPv6 packets sent."),
    counted("host_netstat_Ip6_ReasmFails", "Fragmented IPv6 packets that never became whole."),
    counted("host_netstat_Icmp_InErrors", "ICMP messages received in error."),
    counted("host_netstat_Icmp_InMsgs", "ICMP messages received."),
    counted("host_netstat_Icmp_OutMsgs", "ICMP messages sent."),
    counted("host_netstat_Icmp6_InErrors", "ICMPv6 messages received in error."),
    counted("host_netstat_Icmp6_InMsgs", "ICMPv6 messages received."),
    counted("host_netstat_Icmp6_OutMsgs", "ICMPv6 messages sent."),
];

static NAMED: ByName = ByName::new(|| by_name(&FAMILIES));

pub static ROW: Row = super::row("netstat", &FAMILIES, reader);

fn reader(host: &Host) -> Reader {
    let host = host.clone();
    Box::new(move |out| {
        for file in ["snmp", "netstat"] {
            if let Some(text) = host.net(file)? {
                pairs(file, &text, out)?;
            }
        }
        match host.net("snmp6")? {
            Some(text) => lines(&text, out),
            None => Ok(()),
        }
    })
}

fn add(protocol: &str, key: &str, value: &str, out: &mut Readings) -> Result<(), Failure> {
    if let Some(family) = NAMED.get(format!("host_netstat_{protocol}_{key}").as_str()) {
        out.add(family, Vec::new(), value.parse().map_err(|_| odd(key, value))?);
    }
    Ok(())
}

/// Two lines a protocol: its words, then its numbers.
fn pairs(file: &str, text: &str, out: &mut Readings) -> Result<(), Failure> {
    let mut lines = text.lines();
    while let (Some(head), Some(body)) = (lines.next(), lines.next()) {
        let (Some((protocol, words)), Some((again, numbers))) = (head.split_once(':'), body.split_once(':')) else {
            return Err(odd(file, head));
        };
        if protocol != again {
            return Err(odd(file, body));
        }
        for (word, number) in words.split_ascii_whitespace().zip(numbers.split_ascii_whitespace()) {
            add(protocol, word, number, out)?;
        }
    }
    Ok(())
}

/// A line a number, the protocol in front of the word.
fn lines(text: &str, out: &mut Readings) -> Result<(), Failure> {
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(name), Some(number)) = (words.next(), words.next()) else { return Err(odd("snmp6", line)) };
        // "Udp6InErrors", "UdpLite6InErrors"
        if let Some((protocol, word)) = name.split_once('6') {
            add(&format!("{protocol}6"), word, number, out)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::host::tests::{exposed, read};

    #[test]
    fn both_shapes() {
        let text =
            "Ip: Forwarding DefaultTTL InDiscards\nIp: 1 64 5\nUdp: InDatagrams NoPorts RcvbufErrors\nUdp: 7 8 9\n";
        let found = read(|out| pairs("snmp", text, out));
        assert_eq!(exposed(&found, "host_netstat_Udp_RcvbufErrors{}"), [9.0]);
        assert_eq!(exposed(&found, "host_netstat_Ip_InDiscards{}"), [5.0]);
        assert_eq!(found.values().len(), 5);
        let found = read(|out| lines("Udp6RcvbufErrors   3\nUdpLite6InErrors 4\nIcmp6InType134 5\n", out));
        assert_eq!(exposed(&found, "host_netstat_Udp6_RcvbufErrors{}"), [3.0]);
        assert_eq!(exposed(&found, "host_netstat_UdpLite6_InErrors{}"), [4.0]);
        assert_eq!(found.values().len(), 2);
    }

    #[test]
    fn lines_that_do_not_belong_together() {
        assert!(pairs("snmp", "Udp: A\nTcp: 1\n", &mut Readings::default()).is_err());
        assert!(pairs("snmp", "nothing\nat all\n", &mut Readings::default()).is_err());
        assert!(lines("Udp6InErrors\n", &mut Readings::default()).is_err());
    }
}
