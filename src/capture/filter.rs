//! The capture filter (pcap-filter(7)) that follows from the configured ports.

use std::fmt::Write;

use crate::config::{Capture, PortRange};
use crate::wire::LinkType;

use super::live::LiveError;

/// IP protocols of tunnels (`wire::tunnel`) and the authentication header, behind which BPF does not look for ports.
const TUNNEL_PROTOCOLS: [u8; 6] = [4, 41, 47, 51, 115, 137];
/// UDP ports of tunnels: L2TP, GTP-U, VXLAN, its generic extension, Geneve, MPLS, VXLAN as Linux had it first.
const TUNNEL_PORTS: [u16; 7] = [1701, 2152, 4789, 4790, 6081, 6635, 8472];

/// The configured expression, or one that takes UDP from and to the SIP and media ports, TCP and SCTP from and to the SIP
/// ports, fragments of all three, and tunnels if they are wanted; tagged or not, as far as libpcap can filter by tags.
pub fn expression(capture: &Capture, link: LinkType) -> String {
    if let Some(own) = &capture.filter {
        return own.clone();
    }
    let sip = ports(capture.sip_ports.iter());
    let plain = capture.sip_ports.iter().chain(&capture.media_ports);
    let tunnels = TUNNEL_PORTS.map(|port| PortRange { first: port, last: port });
    let udp = match capture.tunnels {
        true => ports(plain.chain(&tunnels)),
        false => format!("({}) and not (dst {})", ports(plain), ports(tunnels.iter()).replace("or ", "or dst ")),
    };
    // `and` and `or` bind alike, hence the brackets. Later fragments have no ports, and BPF does not look behind IPv6's fragment header.
    let mut wanted = format!(
        "(udp and ({udp})) or ((tcp or sctp) and ({sip})) or ((udp or tcp or sctp) and ip[6:2] & 0x1fff != 0) or (ip6 proto 44)"
    );
    if capture.tunnels {
        let protocols: Vec<String> = TUNNEL_PROTOCOLS.iter().map(|number| format!("proto {number}")).collect();
        // PPPoE, and MPLS for hosts and for groups.
        wanted += &format!(
            " or {} or ether proto 0x8864 or ether proto 0x8847 or ether proto 0x8848",
            protocols.join(" or ")
        );
    }
    match link {
        // `vlan` moves the offsets of all that follows it, so it stands last, and the second tag of QinQ behind it.
        LinkType::ETHERNET => format!("({wanted}) or (vlan and ({wanted})) or (vlan and ({wanted}))"),
        // libpcap knows no tags here. The kernel has taken the first one off already; a packet that has one left is let through.
        LinkType::LINUX_SLL | LinkType::LINUX_SLL2 => {
            format!("{wanted} or ether proto 0x8100 or ether proto 0x88a8")
        }
        _ => wanted,
    }
}

/// An expression that takes packets from and to these ports.
fn ports<'a>(ranges: impl Iterator<Item = &'a PortRange>) -> String {
    let mut out = String::new();
    for range in merged(ranges) {
        if !out.is_empty() {
            out.push_str(" or ");
        }
        // Writing to a String cannot fail.
        let _ = match range {
            PortRange { first, last } if first == last => write!(out, "port {first}"),
            PortRange { first, last } => write!(out, "portrange {first}-{last}"),
        };
    }
    out
}

/// Compiles an expression as opening an Ethernet interface would, without one.
pub fn compile(expression: &str) -> Result<(), LiveError> {
    let failed = |error: pcap::Error| LiveError::Filter { filter: expression.to_owned(), reason: error.to_string() };
    let nowhere = pcap::Capture::dead(pcap::Linktype::ETHERNET).map_err(failed)?;
    nowhere.compile(expression, true).map(drop).map_err(failed)
}

/// Ranges that touch or overlap, as one.
fn merged<'a>(ranges: impl Iterator<Item = &'a PortRange>) -> Vec<PortRange> {
    let mut sorted: Vec<PortRange> = ranges.copied().collect();
    sorted.sort_by_key(|range| range.first);
    let mut out: Vec<PortRange> = Vec::new();
    for range in sorted {
        match out.last_mut() {
            Some(last) if range.first <= last.last.saturating_add(1) => last.last = last.last.max(range.last),
            _ => out.push(range),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(tunnels: bool) -> Capture {
        Capture {
            sip_ports: vec![PortRange { first: 5060, last: 5061 }, PortRange { first: 6000, last: 6000 }],
            media_ports: vec![PortRange { first: 10000, last: 20000 }, PortRange { first: 15000, last: 30000 }],
            tunnels,
            ..Capture::default()
        }
    }

    #[test]
    fn ports_become_an_expression_and_ranges_are_merged() {
        let mut capture = capture(false);
        let raw = "(udp and ((portrange 5060-5061 or port 6000 or portrange 10000-30000) and not (dst port 1701 or dst port 2152 \
                   or dst portrange 4789-4790 or dst port 6081 or dst port 6635 or dst port 8472))) \
                   or ((tcp or sctp) and (portrange 5060-5061 or port 6000)) \
                   or ((udp or tcp or sctp) and ip[6:2] & 0x1fff != 0) or (ip6 proto 44)";
        assert_eq!(expression(&capture, LinkType::RAW), raw);
        let tagged = expression(&capture, LinkType::ETHERNET);
        assert_eq!(tagged, format!("({raw}) or (vlan and ({raw})) or (vlan and ({raw}))"));
        assert!(compile(&tagged).is_ok());
        capture.filter = Some("udp".into());
        assert_eq!(expression(&capture, LinkType::ETHERNET), "udp");
        assert!(matches!(compile("udp porrt 3"), Err(LiveError::Filter { .. })));
    }

    #[test]
    fn tunnels_are_let_through_where_they_are_wanted() {
        let capture = capture(true);
        let raw = "(udp and (port 1701 or port 2152 or portrange 4789-4790 or portrange 5060-5061 or port 6000 or port 6081 \
                   or port 6635 or port 8472 or portrange 10000-30000)) \
                   or ((tcp or sctp) and (portrange 5060-5061 or port 6000)) \
                   or ((udp or tcp or sctp) and ip[6:2] & 0x1fff != 0) or (ip6 proto 44) \
                   or proto 4 or proto 41 or proto 47 or proto 51 or proto 115 or proto 137 \
                   or ether proto 0x8864 or ether proto 0x8847 or ether proto 0x8848";
        assert_eq!(expression(&capture, LinkType::RAW), raw);
        for link in [LinkType::ETHERNET, LinkType::LINUX_SLL, LinkType::LINUX_SLL2, LinkType::RAW_BSD, LinkType::NULL] {
            let nowhere = pcap::Capture::dead(pcap::Linktype(link.0.into())).expect("a link type");
            let expression = expression(&capture, link);
            assert!(nowhere.compile(&expression, true).is_ok(), "{expression}");
        }
    }
}
