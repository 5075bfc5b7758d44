//! Addresses in the shape the tables hash: IPv4 as IPv4-mapped IPv6 (RFC 4291 section 2.5.5.2).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An IPv4 or IPv6 address in two words, so that hashing and comparing cost the same for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ip(u64, u64);

const MAPPED: u64 = 0xffff_0000_0000;

impl Ip {
    #[inline(always)]
    pub const fn v4(octets: [u8; 4]) -> Ip {
        Ip(0, MAPPED | u32::from_be_bytes(octets) as u64)
    }

    #[inline(always)]
    pub const fn v6(octets: [u8; 16]) -> Ip {
        let all = u128::from_be_bytes(octets);
        Ip((all >> 64) as u64, all as u64)
    }

    /// The address as the tables hash it.
    pub const fn words(self) -> [u64; 2] {
        [self.0, self.1]
    }

    /// 127.0.0.0/8 or ::1.
    pub const fn is_loopback(self) -> bool {
        self.0 == 0 && (self.1 >> 24 == (MAPPED >> 24 | 0x7f) || self.1 == 1)
    }

    /// 0.0.0.0 or ::, which SDP uses for "on hold" (RFC 3264 section 8.4).
    pub const fn is_unspecified(self) -> bool {
        self.0 == 0 && (self.1 == MAPPED || self.1 == 0)
    }
}

impl From<Ip> for IpAddr {
    fn from(ip: Ip) -> IpAddr {
        if ip.0 == 0 && ip.1 >> 32 == MAPPED >> 32 {
            IpAddr::V4(Ipv4Addr::from(ip.1 as u32))
        } else {
            IpAddr::V6(Ipv6Addr::from((ip.0 as u128) << 64 | ip.1 as u128))
        }
    }
}

impl From<IpAddr> for Ip {
    fn from(ip: IpAddr) -> Ip {
        match ip {
            IpAddr::V4(v4) => Ip::v4(v4.octets()),
            IpAddr::V6(v6) => Ip::v6(v6.octets()),
        }
    }
}

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    pub ip: Ip,
    pub port: u16,
}

impl fmt::Display for Endpoint {
    /// `192.0.2.1:5060`, `[2001:db8::1]:5060`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.ip.into(), self.port).fmt(f)
    }
}
