//! The capture filter (pcap-filter(7)) that follows from the configured ports.

use std::fmt::Write;

use crate::config::{Capture, PortRange};
use crate::wire::LinkType;

use super::live::LiveError;

/// The configured expression, or one that takes UDP from and to the SIP and media ports; tagged or not, where the link
/// layer has tags that libpcap can filter by.
pub fn expression(capture: &Capture, link: LinkType) -> String {
    if let Some(own) = &capture.filter {
        return own.clone();
    }
    let mut ports = String::new();
    for range in merged(capture.sip_ports.iter().chain(&capture.media_ports)) {
        if !ports.is_empty() {
            ports.push_str(" or ");
        }
        // Writing to a String cannot fail.
        let _ = match range {
            PortRange { first, last } if first == last => write!(ports, "port {first}"),
            PortRange { first, last } => write!(ports, "portrange {first}-{last}"),
        };
    }
    // `and` and `or` bind alike, hence the brackets. Later fragments have no ports, and BPF does not look behind IPv6's fragment header.
    let wanted = format!("(udp and ({ports})) or (udp and ip[6:2] & 0x1fff != 0) or (ip6 proto 44)");
    if link != LinkType::ETHERNET {
        return wanted;
    }
    // `vlan` moves the offsets of all that follows it, so it stands last.
    format!("({wanted}) or (vlan and ({wanted}))")
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

    #[test]
    fn ports_become_an_expression_and_ranges_are_merged() {
        let mut capture = Capture {
            sip_ports: vec![PortRange { first: 5060, last: 5061 }, PortRange { first: 6000, last: 6000 }],
            media_ports: vec![PortRange { first: 10000, last: 20000 }, PortRange { first: 15000, last: 30000 }],
            ..Capture::default()
        };
        let ports = "portrange 5060-5061 or port 6000 or portrange 10000-30000";
        let tagged = expression(&capture, LinkType::ETHERNET);
        let plain = format!("(udp and ({ports})) or (udp and ip[6:2] & 0x1fff != 0) or (ip6 proto 44)");
        assert_eq!(tagged, format!("({plain}) or (vlan and ({plain}))"));
        assert!(compile(&tagged).is_ok());
        assert_eq!(expression(&capture, LinkType::LINUX_SLL), plain);
        capture.filter = Some("udp".into());
        assert_eq!(expression(&capture, LinkType::ETHERNET), "udp");
        assert!(matches!(compile("udp porrt 3"), Err(LiveError::Filter { .. })));
    }
}
