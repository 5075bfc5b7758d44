//! Link layers: from a frame to the IP packet inside it.

use super::point::Way;
use super::tunnel::{mpls, ppp};
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

/// An IP packet, and what is around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inside<'a> {
    pub packet: &'a [u8],
    pub version: Network,
    pub way: Way,
}

// EtherType values: IEEE 802 numbers registry.
pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(super) const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_VLAN: u16 = 0x8100; // IEEE 802.1Q
const ETHERTYPE_QINQ: u16 = 0x88a8; // IEEE 802.1ad
const ETHERTYPE_QINQ_OLD: u16 = 0x9100; // pre-standard double tagging
const ETHERTYPE_PPPOE_SESSION: u16 = 0x8864; // RFC 2516 section 4
pub(super) const ETHERTYPE_MPLS: u16 = 0x8847; // RFC 5332 section 3
const ETHERTYPE_MPLS_UPSTREAM: u16 = 0x8848; // RFC 5332 section 3
/// More nested tags than any network uses; bounds the loop.
const MAX_TAGS: usize = 4;

/// The IP packet in a frame.
#[inline(always)]
pub(super) fn network_layer(link: LinkType, frame: &[u8]) -> Result<Inside<'_>, Undecoded> {
    if link == LinkType::ETHERNET {
        return ethernet(frame, Way::START);
    }
    other(link, frame)
}

/// The IP packet in an Ethernet frame.
#[inline(always)]
pub(super) fn ethernet(frame: &[u8], way: Way) -> Result<Inside<'_>, Undecoded> {
    let ethertype = be16(frame, 12).ok_or(Undecoded::Truncated)?;
    by_ethertype(ethertype, &frame[14..], way)
}

#[cold]
fn other(link: LinkType, frame: &[u8]) -> Result<Inside<'_>, Undecoded> {
    match link {
        LinkType::LINUX_SLL => {
            let ethertype = be16(frame, 14).ok_or(Undecoded::Truncated)?;
            // To us, from us, or to others (packet type): in and out of a router are two points.
            by_ethertype(ethertype, &frame[16..], Way::START.behind(u32::from(frame[1])))
        }
        LinkType::LINUX_SLL2 => {
            let header = frame.first_chunk::<20>().ok_or(Undecoded::Truncated)?;
            let interface = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
            let way = Way::START.behind(interface).behind(u32::from(header[10]));
            by_ethertype(u16::from_be_bytes([header[0], header[1]]), &frame[20..], way)
        }
        LinkType::NULL | LinkType::LOOP => by_version(frame.get(4..).ok_or(Undecoded::Truncated)?, Way::START),
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => by_version(frame, Way::START),
        LinkType::IPV4 => Ok(Inside { packet: frame, version: Network::V4, way: Way::START }),
        LinkType::IPV6 => Ok(Inside { packet: frame, version: Network::V6, way: Way::START }),
        _ => Err(Undecoded::LinkType),
    }
}

/// The IP packet in what an EtherType announces.
#[inline(always)]
pub(super) fn by_ethertype(ethertype: u16, payload: &[u8], way: Way) -> Result<Inside<'_>, Undecoded> {
    match ethertype {
        ETHERTYPE_IPV4 => Ok(Inside { packet: payload, version: Network::V4, way }),
        ETHERTYPE_IPV6 => Ok(Inside { packet: payload, version: Network::V6, way }),
        _ => tagged(ethertype, payload, way),
    }
}

/// VLAN tags (four bytes: tag control, next EtherType), PPPoE and MPLS.
#[cold]
fn tagged(mut ethertype: u16, mut payload: &[u8], mut way: Way) -> Result<Inside<'_>, Undecoded> {
    for _ in 0..=MAX_TAGS {
        match ethertype {
            ETHERTYPE_IPV4 => return Ok(Inside { packet: payload, version: Network::V4, way }),
            ETHERTYPE_IPV6 => return Ok(Inside { packet: payload, version: Network::V6, way }),
            ETHERTYPE_VLAN | ETHERTYPE_QINQ | ETHERTYPE_QINQ_OLD => {
                let tag = payload.first_chunk::<4>().ok_or(Undecoded::Truncated)?;
                // Priority and drop bits may change on the way, the VLAN's number does not.
                way = way.behind(u32::from(u16::from_be_bytes([tag[0], tag[1]]) & 0x0fff));
                ethertype = u16::from_be_bytes([tag[2], tag[3]]);
                payload = &payload[4..];
            }
            ETHERTYPE_PPPOE_SESSION => return ppp::pppoe(payload, way),
            ETHERTYPE_MPLS | ETHERTYPE_MPLS_UPSTREAM => return mpls::inside(payload, way),
            _ => return Err(Undecoded::NotIp),
        }
    }
    Err(Undecoded::NotIp)
}

/// Where nothing else tells, the version nibble does.
pub(super) fn by_version(packet: &[u8], way: Way) -> Result<Inside<'_>, Undecoded> {
    match packet.first().ok_or(Undecoded::Truncated)? >> 4 {
        4 => Ok(Inside { packet, version: Network::V4, way }),
        6 => Ok(Inside { packet, version: Network::V6, way }),
        _ => Err(Undecoded::NotIp),
    }
}
