//! Link-layer headers of the captures.

use std::net::{IpAddr, SocketAddr};

const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
/// IEEE 802.3: a frame without its checksum has 60 bytes at least.
const ETHERNET_MINIMUM: usize = 60;

/// How the frames of a capture are wrapped. The number of each is its LINKTYPE (tcpdump.org/linktypes.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Ethernet,
    /// 802.1Q, one tag.
    Vlan,
    /// 802.1ad, service tag and customer tag.
    Qinq,
    /// PPPoE session frames (RFC 2516) on Ethernet.
    Pppoe,
    /// Linux cooked v1.
    Sll,
    /// Linux cooked v2.
    Sll2,
    /// BSD loopback, address family in the byte order of the host that wrote the file.
    Null,
    /// OpenBSD loopback, address family in network byte order.
    Loop,
    /// IPv4 and IPv6 without any header before.
    Raw,
}

impl Link {
    pub const ALL: [Link; 9] =
        [Link::Ethernet, Link::Vlan, Link::Qinq, Link::Pppoe, Link::Sll, Link::Sll2, Link::Null, Link::Loop, Link::Raw];

    pub fn name(self) -> &'static str {
        match self {
            Link::Ethernet => "ethernet",
            Link::Vlan => "vlan",
            Link::Qinq => "qinq",
            Link::Pppoe => "pppoe",
            Link::Sll => "sll",
            Link::Sll2 => "sll2",
            Link::Null => "null",
            Link::Loop => "loop",
            Link::Raw => "raw",
        }
    }

    pub fn from_name(name: &str) -> Option<Link> {
        Link::ALL.into_iter().find(|link| link.name() == name)
    }

    pub fn number(self) -> u32 {
        match self {
            Link::Null => 0,
            Link::Ethernet | Link::Vlan | Link::Qinq | Link::Pppoe => 1,
            Link::Raw => 101,
            Link::Loop => 108,
            Link::Sll => 113,
            Link::Sll2 => 276,
        }
    }

    /// Writes the header for an IP packet of `ip_length` bytes from `source` to `destination`.
    pub fn header(self, out: &mut Vec<u8>, source: &SocketAddr, destination: &SocketAddr, ip_length: usize) {
        let v6 = source.is_ipv6();
        let ethertype = if v6 { ETHERTYPE_IPV6 } else { ETHERTYPE_IPV4 };
        match self {
            Link::Ethernet => {
                addresses(out, source, destination);
                out.extend_from_slice(&ethertype);
            }
            Link::Vlan => {
                addresses(out, source, destination);
                out.extend_from_slice(&[0x81, 0x00, 0xa0, 0x65]); // priority 5, VLAN 101
                out.extend_from_slice(&ethertype);
            }
            Link::Qinq => {
                addresses(out, source, destination);
                out.extend_from_slice(&[0x88, 0xa8, 0x00, 0x0c, 0x81, 0x00, 0x00, 0x65]);
                out.extend_from_slice(&ethertype);
            }
            Link::Pppoe => {
                addresses(out, source, destination);
                out.extend_from_slice(&[0x88, 0x64, 0x11, 0x00, 0x00, 0x2a]); // version 1, type 1, session 42
                out.extend_from_slice(&(ip_length as u16 + 2).to_be_bytes());
                out.extend_from_slice(if v6 { &[0x00, 0x57] } else { &[0x00, 0x21] }); // PPP protocol
            }
            Link::Sll => {
                out.extend_from_slice(&[0, 0, 0, 1, 0, 6]); // to us, ARPHRD_ETHER, 6 address bytes
                out.extend_from_slice(&mac(source.ip()));
                out.extend_from_slice(&[0, 0]);
                out.extend_from_slice(&ethertype);
            }
            Link::Sll2 => {
                out.extend_from_slice(&ethertype);
                out.extend_from_slice(&[0, 0, 0, 0, 0, 3, 0, 1, 0, 6]); // interface 3, ARPHRD_ETHER, to us
                out.extend_from_slice(&mac(source.ip()));
                out.extend_from_slice(&[0, 0]);
            }
            // AF_INET is 2 everywhere; AF_INET6 is 24 (NetBSD, OpenBSD), 28 (FreeBSD) or 30 (macOS).
            Link::Null => out.extend_from_slice(&(if v6 { 30_u32 } else { 2 }).to_le_bytes()),
            Link::Loop => out.extend_from_slice(&(if v6 { 24_u32 } else { 2 }).to_be_bytes()),
            Link::Raw => {}
        }
    }

    /// Ethernet pads short frames: a reader must take the lengths of the IP header, not of the frame.
    pub fn pad(self, frame: &mut Vec<u8>, start: usize) {
        if self.number() == 1 && frame.len() - start < ETHERNET_MINIMUM {
            frame.resize(start + ETHERNET_MINIMUM, 0);
        }
    }
}

fn addresses(out: &mut Vec<u8>, source: &SocketAddr, destination: &SocketAddr) {
    out.extend_from_slice(&mac(destination.ip()));
    out.extend_from_slice(&mac(source.ip()));
}

/// A locally administered address made of the last bytes of the IP address.
fn mac(ip: IpAddr) -> [u8; 6] {
    let tail = match ip {
        IpAddr::V4(v4) => v4.octets(),
        IpAddr::V6(v6) => {
            let o = v6.octets();
            [o[12], o[13], o[14], o[15]]
        }
    };
    [0x02, 0x00, tail[0], tail[1], tail[2], tail[3]]
}
