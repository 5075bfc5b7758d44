//! Tunnels: from a packet to the IP packet inside it. What an IP protocol number announces is believed; of what a UDP port
//! suggests the inner packet must prove it, since an RTP stream may use any port.

mod geneve;
mod gre;
mod gtp;
mod l2tp;
pub(super) mod mpls;
pub(super) mod ppp;
mod vxlan;

use super::ip::{self, Ends};
use super::link::{self, Inside, Network};
use super::point::Way;
use super::{Datagram, Decoded, Ip, Undecoded};

// IANA's protocol numbers.
const IPV4: u8 = 4; // RFC 2003
const IPV6: u8 = 41; // RFC 4213
const GRE: u8 = 47; // RFC 2784
const L2TP: u8 = 115; // RFC 3931
const MPLS: u8 = 137; // RFC 4023

// IANA's port numbers.
const L2TP_PORT: u16 = 1701; // RFC 2661, RFC 3931
const GTP_PORT: u16 = 2152; // 3GPP TS 29.281 section 4.4.2
const VXLAN_PORT: u16 = 4789; // RFC 7348
/// What Linux has used since before VXLAN got its number (otv).
const VXLAN_LINUX_PORT: u16 = 8472;
const VXLAN_GPE_PORT: u16 = 4790; // draft-ietf-nvo3-vxlan-gpe
const GENEVE_PORT: u16 = 6081; // RFC 8926
const MPLS_PORT: u16 = 6635; // RFC 7510

/// Ports of tunnels by their last six bits, all different: one look says whether a port is one of them.
const PORTS: [u16; 64] = {
    let mut table = [0; 64];
    let all = [L2TP_PORT, GTP_PORT, VXLAN_PORT, VXLAN_LINUX_PORT, VXLAN_GPE_PORT, GENEVE_PORT, MPLS_PORT];
    let mut at = 0;
    while at < all.len() {
        assert!(table[all[at] as usize % 64] == 0);
        table[all[at] as usize % 64] = all[at];
        at += 1;
    }
    table
};

/// Whether an IP packet of this protocol carries another packet.
#[inline(always)]
pub(super) const fn is_tunnel(protocol: u8) -> bool {
    matches!(protocol, IPV4 | IPV6 | GRE | L2TP | MPLS)
}

/// Whether a datagram may be a tunnel's. Only L2TP answers from its port; the others' source ports are anything.
#[inline(always)]
pub(super) const fn is_tunnel_port(source: u16, destination: u16) -> bool {
    PORTS[destination as usize % 64] == destination || source == L2TP_PORT
}

/// What is inside an IP packet of a tunnel's protocol, of whose payload `on_wire` bytes were there.
#[cold]
pub(super) fn by_protocol(
    protocol: u8,
    payload: &[u8],
    on_wire: usize,
    ends: Ends,
    way: Way,
) -> Result<Decoded<'_>, Undecoded> {
    let way = between(ends, way).ok_or(Undecoded::Tunnel)?;
    let inside = match protocol {
        IPV4 => Inside { packet: payload, version: Network::V4, way },
        IPV6 => Inside { packet: payload, version: Network::V6, way },
        GRE => gre::inside(payload, way)?,
        L2TP => l2tp::inside_ip(payload, on_wire, way)?,
        MPLS => mpls::inside(payload, way)?,
        _ => return Err(Undecoded::OtherProtocol),
    };
    ip::decode(inside)
}

/// What is inside a datagram whose port is a tunnel's; `None` where it is no tunnel after all.
pub(super) fn by_port<'a>(datagram: &Datagram<'a>, way: Way) -> Option<Result<Decoded<'a>, Undecoded>> {
    let (bytes, length) = (datagram.payload, datagram.length);
    let way = between((datagram.source.ip, datagram.destination.ip), way)?;
    let inside = match datagram.destination.port {
        VXLAN_PORT | VXLAN_LINUX_PORT => vxlan::inside(bytes, way),
        VXLAN_GPE_PORT => vxlan::inside_generic(bytes, way),
        GENEVE_PORT => geneve::inside(bytes, way),
        GTP_PORT => gtp::inside(bytes, length, way),
        MPLS_PORT => mpls::inside(bytes, way),
        _ => l2tp::inside_udp(bytes, length, way),
    };
    let inside = inside.ok().filter(|inside| is_sure(inside, bytes, Some(length)))?;
    Some(ip::decode(inside))
}

/// Whether what was found at the end of `bytes` is sure to be an IP packet; `on_wire` of them were there, if that is known.
fn is_sure(inside: &Inside<'_>, bytes: &[u8], on_wire: Option<usize>) -> bool {
    let around = bytes.len() - inside.packet.len();
    let left = on_wire.map(|on_wire| on_wire.saturating_sub(around));
    ip::is_plausible(inside.packet, inside.version, left)
}

/// An IP packet by its version, or an Ethernet frame with one in it: where only the packet itself tells.
fn packet_or_frame(bytes: &[u8], on_wire: Option<usize>, way: Way) -> Result<Inside<'_>, Undecoded> {
    let found = [link::by_version(bytes, way), link::ethernet(bytes, way)];
    let sure = found.into_iter().flatten().find(|inside| is_sure(inside, bytes, on_wire));
    sure.ok_or(Undecoded::NotIp)
}

/// Inside a tunnel between these two.
fn between((source, destination): Ends, way: Way) -> Option<Way> {
    let fold = |ip: Ip| ip.words().into_iter().fold(0, |sum, word| (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (from, to) = (fold(source), fold(destination));
    Some(way.inside((from >> 32) as u32)?.behind((to >> 32) as u32))
}

#[cfg(test)]
mod tests;
