//! Link layers: from a frame to the IP packet inside it.

use super::{Undecoded, be16};

/// A LINKTYPE_ number as capture files carry it (tcpdump.org's registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: four bytes address family in the byte order of the capturing host.
    pub const NULL: LinkType = LinkType(0);
    pub const ETHERNET: LinkType = LinkType(1);
    /// Raw IP, version in the first nibble; 12 and 14 are what BSD systems write for it.
    pub const RAW_BSD: LinkType = LinkType(12);
    pub const RAW_OPENBSD: LinkType = LinkType(14);
    pub const RAW: LinkType = LinkType(101);
    /// OpenBSD loopback: as NULL, in network byte order.
    pub const LOOP: LinkType = LinkType(108);
    /// Linux cooked capture v1, what `any` gives.
    pub const LINUX_SLL: LinkType = LinkType(113);
    pub const IPV4: LinkType = LinkType(228);
    pub const IPV6: LinkType = LinkType(229);
    /// Linux cooked capture v2.
    pub const LINUX_SLL2: LinkType = LinkType(276);
}

/// Which IP version the link layer announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    V4,
    V6,
}

// EtherType values: IEEE 802 numbers registry.
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_VLAN: u16 = 0x8100; // IEEE 802.1Q
const ETHERTYPE_QINQ: u16 = 0x88a8; // IEEE 802.1ad
const ETHERTYPE_QINQ_OLD: u16 = 0x9100; // pre-standard double tagging
const ETHERTYPE_PPPOE_SESSION: u16 = 0x8864; // RFC 2516 section 4
const PPP_IPV4: u16 = 0x0021; // RFC 1332 section 3.1
const PPP_IPV6: u16 = 0x0057; // RFC 5072 section 3
/// More nested tags than any network uses; bounds the loop.
const MAX_TAGS: usize = 4;

/// The IP packet in a frame and its version.
#[inline(always)]
pub(super) fn network_layer(link: LinkType, frame: &[u8]) -> Result<(&[u8], Network), Undecoded> {
    if link == LinkType::ETHERNET {
        let ethertype = be16(frame, 12).ok_or(Undecoded::Truncated)?;
        return ethernet_payload(ethertype, &frame[14..]);
    }
    other(link, frame)
}

#[cold]
fn other(link: LinkType, frame: &[u8]) -> Result<(&[u8], Network), Undecoded> {
    match link {
        LinkType::LINUX_SLL => {
            let ethertype = be16(frame, 14).ok_or(Undecoded::Truncated)?;
            ethernet_payload(ethertype, &frame[16..])
        }
        LinkType::LINUX_SLL2 => {
            let ethertype = be16(frame, 0).ok_or(Undecoded::Truncated)?;
            ethernet_payload(ethertype, frame.get(20..).ok_or(Undecoded::Truncated)?)
        }
        LinkType::NULL | LinkType::LOOP => by_version(frame.get(4..).ok_or(Undecoded::Truncated)?),
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => by_version(frame),
        LinkType::IPV4 => Ok((frame, Network::V4)),
        LinkType::IPV6 => Ok((frame, Network::V6)),
        _ => Err(Undecoded::LinkType),
    }
}

#[inline(always)]
fn ethernet_payload(ethertype: u16, payload: &[u8]) -> Result<(&[u8], Network), Undecoded> {
    match ethertype {
        ETHERTYPE_IPV4 => Ok((payload, Network::V4)),
        ETHERTYPE_IPV6 => Ok((payload, Network::V6)),
        _ => tagged(ethertype, payload),
    }
}

/// VLAN tags (four bytes: tag control, next EtherType) and PPPoE (six bytes, then the PPP protocol).
#[cold]
fn tagged(mut ethertype: u16, mut payload: &[u8]) -> Result<(&[u8], Network), Undecoded> {
    for _ in 0..MAX_TAGS {
        match ethertype {
            ETHERTYPE_IPV4 => return Ok((payload, Network::V4)),
            ETHERTYPE_IPV6 => return Ok((payload, Network::V6)),
            ETHERTYPE_VLAN | ETHERTYPE_QINQ | ETHERTYPE_QINQ_OLD => {
                ethertype = be16(payload, 2).ok_or(Undecoded::Truncated)?;
                payload = &payload[4..];
            }
            ETHERTYPE_PPPOE_SESSION => {
                let protocol = be16(payload, 6).ok_or(Undecoded::Truncated)?;
                return match protocol {
                    PPP_IPV4 => Ok((&payload[8..], Network::V4)),
                    PPP_IPV6 => Ok((&payload[8..], Network::V6)),
                    _ => Err(Undecoded::NotIp),
                };
            }
            _ => return Err(Undecoded::NotIp),
        }
    }
    Err(Undecoded::NotIp)
}

/// Where the link layer's family number depends on the system that captured, the version nibble does not.
fn by_version(packet: &[u8]) -> Result<(&[u8], Network), Undecoded> {
    match packet.first().ok_or(Undecoded::Truncated)? >> 4 {
        4 => Ok((packet, Network::V4)),
        6 => Ok((packet, Network::V6)),
        _ => Err(Undecoded::NotIp),
    }
}
