//! The capture filter (pcap-filter(7)) that follows from the configured ports.

use std::fmt::Write;

use crate::config::{Capture, PortRange};
use crate::media::Share;
use crate::wire::LinkType;

use super::live::LiveError;

/// IP protocols of tunnels (`wire::tunnel`) and the authentication header, behind which BPF does not look for ports.
const TUNNEL_PROTOCOLS: [u8; 6] = [4, 41, 47, 51, 115, 137];
/// UDP ports of tunnels: L2TP, GTP-U, VXLAN, its generic extension, Geneve, MPLS, VXLAN as Linux had it first.
const TUNNEL_PORTS: [u16; 7] = [1701, 2152, 4789, 4790, 6081, 6635, 8472];

/// A ring for each: signalling is read first, whatever comes in media, and media needs no more than its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All that is not media.
    Signalling,
    /// UDP datagrams that begin as RTP does.
    Media,
}

impl Part {
    pub const BOTH: [Part; 2] = [Part::Signalling, Part::Media];
}

/// Version 2 and no packet type of RTCP's (RFC 5761 section 4), in a datagram that is no fragment; BPF looks behind no other header, and
/// `udp[]` not into IPv6. The length comes first: BPF drops a packet that it is to read beyond the end of.
const RTP: [&str; 2] = [
    "ip[6:2] & 0x3fff = 0 and udp[4:2] > 9 and udp[8] & 0xc0 = 0x80 and (udp[9] < 192 or udp[9] > 223)",
    "ip6[6] = 17 and ip6[44:2] > 9 and ip6[48] & 0xc0 = 0x80 and (ip6[49] < 192 or ip6[49] > 223)",
];
/// The sum that `media::Key::pair` makes.
const PAIR: [&str; 2] = ["ip[12:4] + ip[16:4] + udp[0:2] + udp[2:2]", "ip6[20:4] + ip6[36:4] + ip6[40:2] + ip6[42:2]"];

/// What a part's ring takes of all that is wanted: of media, this share.
pub fn expression(capture: &Capture, link: LinkType, part: Part, share: Share) -> String {
    let tunnels = ports(TUNNEL_PORTS.map(|port| PortRange { first: port, last: port }).iter());
    // First, as `vlan` moves the offsets of all that follows it.
    let media = |[v4, v6]: [&str; 2]| format!("(({v4}) or ({v6})) and not ({tunnels})");
    if part == Part::Signalling {
        return format!("not ({}) and ({})", media(RTP), wanted(capture, link));
    }
    let wanted = match &capture.filter {
        Some(own) => own.clone(),
        None => ports(capture.sip_ports.iter().chain(&capture.media_ports)),
    };
    if share == Share::ALL {
        return format!("{} and ({wanted})", media(RTP));
    }
    let (mix, shift, parts) = (Share::MIX, Share::SHIFT, share.parts());
    let [v4, v6] = [0, 1].map(|ip| format!("{} and ((({}) * {mix}) >> {shift}) < {parts}", RTP[ip], PAIR[ip]));
    format!("{} and ({wanted})", media([&v4, &v6]))
}

/// The configured expression, or one that takes UDP from and to the SIP and media ports, TCP and SCTP from and to the SIP
/// ports, fragments of all three, and tunnels if they are wanted; tagged or not, as far as libpcap can filter by tags.
pub fn wanted(capture: &Capture, link: LinkType) -> String {
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
    use crate::media::Key;
    use crate::wire::{self, Decoded};

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
        assert_eq!(wanted(&capture, LinkType::RAW), raw);
        let tagged = wanted(&capture, LinkType::ETHERNET);
        assert_eq!(tagged, format!("({raw}) or (vlan and ({raw})) or (vlan and ({raw}))"));
        assert!(compile(&tagged).is_ok());
        capture.filter = Some("udp".into());
        assert_eq!(wanted(&capture, LinkType::ETHERNET), "udp");
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
        assert_eq!(wanted(&capture, LinkType::RAW), raw);
        for link in [LinkType::ETHERNET, LinkType::LINUX_SLL, LinkType::LINUX_SLL2, LinkType::RAW_BSD, LinkType::NULL] {
            let nowhere = pcap::Capture::dead(pcap::Linktype(link.0.into())).expect("a link type");
            for part in [Part::Signalling, Part::Media] {
                let expression = expression(&capture, link, part, Share::ALL.half());
                assert!(nowhere.compile(&expression, true).is_ok(), "{expression}");
            }
        }
    }

    /// An Ethernet frame with a UDP datagram to this port.
    fn datagram(v6: bool, port: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
        let length = 8 + payload.len() as u16;
        let mut frame = vec![0; 12];
        if v6 {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(length.to_be_bytes());
            frame.extend([17, 64]);
            frame.extend([1; 32]);
        } else {
            frame.extend([8, 0, 0x45, 0]);
            frame.extend((20 + length).to_be_bytes());
            frame.extend([0, 0]);
            frame.extend(flags.to_be_bytes());
            frame.extend([64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        }
        frame.extend(20_000u16.to_be_bytes());
        frame.extend(port.to_be_bytes());
        frame.extend(length.to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(payload);
        frame
    }

    #[test]
    fn each_frame_that_is_wanted_comes_in_one_ring() {
        let nowhere = pcap::Capture::dead(pcap::Linktype::ETHERNET).expect("a link type");
        let rtp: &[u8] = &[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xff];
        let (dynamic, marked, extended) = (&[0x80, 96, 0, 1][..], &[0x80, 0xe0, 0, 1][..], &[0x90, 8, 0, 1][..]);
        let frames = [
            (datagram(false, 20_002, 0, rtp), Part::Media),
            (datagram(true, 20_002, 0, rtp), Part::Media),
            (datagram(false, 20_002, 0x4000, dynamic), Part::Media),
            (datagram(false, 20_002, 0, marked), Part::Media),
            (datagram(true, 20_002, 0, extended), Part::Media),
            (datagram(false, 20_003, 0, &[0x81, 200, 0, 6]), Part::Signalling),
            (datagram(true, 20_003, 0, &[0x81, 207, 0, 6]), Part::Signalling),
            (datagram(false, 5060, 0, b"INVITE sip:b SIP/2.0"), Part::Signalling),
            (datagram(true, 5060, 0, b"SIP/2.0 200 OK"), Part::Signalling),
            (datagram(false, 20_002, 0, &[0, 1, 0, 8]), Part::Signalling),
            (datagram(false, 20_002, 0, &[]), Part::Signalling),
            (datagram(true, 20_002, 0, &[0x80]), Part::Signalling),
            // The first and a later fragment, and what only tunnels say of themselves.
            (datagram(false, 20_002, 0x2000, rtp), Part::Signalling),
            (datagram(false, 20_002, 0x00b9, rtp), Part::Signalling),
            (datagram(false, 6635, 0, rtp), Part::Signalling),
            (datagram(true, 4789, 0, rtp), Part::Signalling),
        ];
        for own in [None, Some("udp".to_owned())] {
            let capture = Capture { filter: own, ..Capture::default() };
            let takes = |expression: &str, frame: &[u8]| {
                nowhere.compile(expression, true).expect("an expression").filter(frame)
            };
            for (frame, expected) in &frames {
                assert!(takes(&wanted(&capture, LinkType::ETHERNET), frame), "{frame:x?}");
                for part in Part::BOTH {
                    let expression = expression(&capture, LinkType::ETHERNET, part, Share::ALL);
                    assert_eq!(takes(&expression, frame), part == *expected, "{part:?}: {frame:x?}");
                }
            }
        }
    }

    #[test]
    fn the_kernel_leaves_out_what_the_core_would() {
        let nowhere = pcap::Capture::dead(pcap::Linktype::ETHERNET).expect("a link type");
        let rtp: &[u8] = &[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xff];
        for halvings in 0..=6 {
            let share = Share::of_halvings(halvings);
            let expression = expression(&Capture::default(), LinkType::ETHERNET, Part::Media, share);
            let program = nowhere.compile(&expression, true).expect("an expression");
            let mut followed = 0;
            for (v6, port) in [false, true].into_iter().flat_map(|v6| (20_000..20_500).map(move |port| (v6, port))) {
                let frame = datagram(v6, port, 0, rtp);
                let Ok(Decoded::Datagram(datagram)) = wire::decode(LinkType::ETHERNET, &frame) else {
                    panic!("no datagram")
                };
                let is_followed = share.has(&Key::of(&datagram, 1));
                assert_eq!(program.filter(&frame), is_followed, "{share:?} {frame:x?}");
                followed += u32::from(is_followed);
            }
            assert!(followed.abs_diff(1000 >> halvings) < 20, "{followed} of 1000 at {share:?}");
        }
    }
}
