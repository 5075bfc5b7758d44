//! Longest match of an address among networks.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::wire::Ip;

/// RFC 4291 section 2.5.5.2: an IPv4 address stands behind 96 bits.
const MAPPED_BITS: u8 = 96;

/// Networks of both kinds, each with a value; where they lie in one another, the smallest wins.
#[derive(Clone, Debug)]
pub struct Networks<V> {
    v4: Ranges<u32, V>,
    v6: Ranges<u128, V>,
}

impl<V> Default for Networks<V> {
    fn default() -> Self {
        Networks { v4: Ranges::default(), v6: Ranges::default() }
    }
}

impl<V: Copy> Networks<V> {
    /// Of the same network twice, the last value holds. A network of IPv4-mapped addresses is the IPv4 network.
    pub fn new(networks: impl IntoIterator<Item = (IpNet, V)>) -> Networks<V> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, value) in networks {
            match unmapped(network) {
                IpNet::V4(network) => v4.push((network.network().into(), network.broadcast().into(), value)),
                IpNet::V6(network) => v6.push((network.network().into(), network.broadcast().into(), value)),
            }
        }
        Networks { v4: Ranges::new(v4, |at| at.checked_add(1)), v6: Ranges::new(v6, |at| at.checked_add(1)) }
    }

    pub fn is_empty(&self) -> bool {
        self.v4.starts.is_empty() && self.v6.starts.is_empty()
    }

    #[inline]
    pub fn find(&self, ip: Ip) -> Option<V> {
        if self.is_empty() {
            return None;
        }
        match ip.into() {
            IpAddr::V4(ip) => self.v4.find(ip.into()),
            IpAddr::V6(ip) => self.v6.find(ip.into()),
        }
    }
}

fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let v4 = v6.network().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(MAPPED_BITS));
    v4.and_then(|(address, bits)| Ipv4Net::new(address, bits).ok()).map_or(network, IpNet::V4)
}

/// Where each range begins, in ascending order, and what holds from there to the next: nested networks laid out flat, so that one
/// binary search finds the smallest that holds an address.
#[derive(Clone, Debug)]
struct Ranges<A, V> {
    starts: Box<[A]>,
    values: Box<[Option<V>]>,
}

impl<A, V> Default for Ranges<A, V> {
    fn default() -> Self {
        Ranges { starts: Box::default(), values: Box::default() }
    }
}

impl<A: Copy + Ord, V: Copy> Ranges<A, V> {
    /// `networks`: first and last address, and value; `next`: the address behind one, if there is one.
    fn new(mut networks: Vec<(A, A, V)>, next: impl Fn(A) -> Option<A>) -> Ranges<A, V> {
        // Larger networks before those in them.
        networks.sort_by_key(|(first, last, _)| (*first, std::cmp::Reverse(*last)));
        let mut ranges: Vec<(A, Option<V>)> = Vec::with_capacity(2 * networks.len());
        let mut around: Vec<(A, V)> = Vec::new();
        let close = |around: &mut Vec<(A, V)>, ranges: &mut Vec<(A, Option<V>)>, before: Option<A>| {
            while let Some((last, _)) = around.pop_if(|(last, _)| before.is_none_or(|first| *last < first)) {
                if let Some(start) = next(last) {
                    begin(ranges, start, around.last().map(|(_, value)| *value));
                }
            }
        };
        for (first, last, value) in networks {
            close(&mut around, &mut ranges, Some(first));
            begin(&mut ranges, first, Some(value));
            around.push((last, value));
        }
        close(&mut around, &mut ranges, None);
        let (starts, values): (Vec<A>, Vec<Option<V>>) = ranges.into_iter().unzip();
        Ranges { starts: starts.into(), values: values.into() }
    }

    #[inline]
    fn find(&self, address: A) -> Option<V> {
        let behind = self.starts.partition_point(|start| *start <= address);
        self.values.get(behind.checked_sub(1)?).copied().flatten()
    }
}

fn begin<A: PartialEq, V>(ranges: &mut Vec<(A, Option<V>)>, start: A, value: Option<V>) {
    // A network that begins or ends with another leaves no room between.
    ranges.pop_if(|(before, _)| *before == start);
    ranges.push((start, value));
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    fn networks(list: &[(&str, u16)]) -> Networks<u16> {
        Networks::new(list.iter().map(|(network, value)| (network.parse().expect("a network"), *value)))
    }

    fn ip(text: &str) -> Ip {
        text.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn the_smallest_network_wins() {
        let found = networks(&[
            ("10.0.0.0/8", 1),
            ("10.1.0.0/16", 2),
            ("10.1.2.0/24", 3),
            ("10.1.2.255/32", 4),
            ("10.255.255.255/32", 5),
            ("2001:db8::/32", 6),
            ("2001:db8:a::/48", 7),
        ]);
        for (address, value) in [
            ("9.255.255.255", None),
            ("10.0.0.0", Some(1)),
            ("10.1.0.0", Some(2)),
            ("10.1.2.0", Some(3)),
            ("10.1.2.254", Some(3)),
            ("10.1.2.255", Some(4)),
            ("10.1.3.0", Some(2)),
            ("10.2.0.0", Some(1)),
            ("10.255.255.254", Some(1)),
            ("10.255.255.255", Some(5)),
            ("11.0.0.0", None),
            ("2001:db8::1", Some(6)),
            ("2001:db8:a:ffff::", Some(7)),
            ("2001:db8:b::", Some(6)),
            ("2001:db9::", None),
            ("::ffff:10.1.2.3", Some(3)),
        ] {
            assert_eq!(found.find(ip(address)), value, "{address}");
        }
    }

    #[test]
    fn all_addresses_of_one_kind_are_none_of_the_other() {
        let all = networks(&[("0.0.0.0/0", 4), ("::/0", 6), ("255.255.255.255/32", 5)]);
        let last = Ipv6Addr::from(u128::MAX).to_string();
        for (address, value) in [("0.0.0.0", 4), ("8.8.8.8", 4), ("255.255.255.255", 5), ("::", 6), (&last, 6)] {
            assert_eq!(all.find(ip(address)), Some(value), "{address}");
        }
        assert_eq!(networks(&[("::/0", 6)]).find(ip("192.0.2.1")), None);
        // Networks that are written as IPv4-mapped ones.
        let mapped = networks(&[("::ffff:192.0.2.0/120", 1), ("::ffff:0:0/96", 2)]);
        assert_eq!((mapped.find(ip("192.0.2.9")), mapped.find(ip("192.0.3.9"))), (Some(1), Some(2)));
        assert!(Networks::<u16>::default().is_empty() && !mapped.is_empty());
        assert_eq!(Networks::<u16>::default().find(ip("192.0.2.9")), None);
    }

    proptest::proptest! {
        /// Against a scan of all networks, smallest first.
        #[test]
        fn as_a_linear_scan_finds_it(list: Vec<(u8, u8)>, addresses: Vec<u8>) {
            let spread = |byte: u8| u32::from_be_bytes([byte, byte << 4, 0, byte]);
            let nets: Vec<(Ipv4Net, usize)> = list
                .iter()
                .enumerate()
                .map(|(at, (byte, bits))| (Ipv4Net::new(spread(*byte).into(), bits % 33).expect("bits").trunc(), at))
                .collect();
            let table = Networks::new(nets.iter().map(|(net, at)| (IpNet::V4(*net), *at)));
            for address in addresses.iter().map(|byte| spread(*byte)).chain(nets.iter().map(|(net, _)| u32::from(net.broadcast()))) {
                let best = nets.iter().filter(|(net, _)| net.contains(&std::net::Ipv4Addr::from(address))).max_by_key(|(net, at)| (net.prefix_len(), *at));
                proptest::prop_assert_eq!(table.find(Ip::v4(address.to_be_bytes())), best.map(|(_, at)| *at));
            }
        }
    }
}
