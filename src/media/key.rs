//! What makes a stream.

use std::hash::{Hash, Hasher};

use crate::wire::{Datagram, Endpoint, Ip};

/// What makes a stream: source, destination and SSRC (the contract's counting rules).
#[derive(Clone, Copy, Debug, Eq)]
#[repr(C)]
pub struct Key {
    pub source_ip: Ip,
    pub destination_ip: Ip,
    pub source_port: u16,
    pub destination_port: u16,
    pub ssrc: u32,
}

impl PartialEq for Key {
    /// As the derived one, in five words instead of seven: each packet is looked up by it.
    #[inline(always)]
    fn eq(&self, other: &Key) -> bool {
        (self.source_ip, self.destination_ip, self.numbers())
            == (other.source_ip, other.destination_ip, other.numbers())
    }
}

impl Hash for Key {
    #[inline(always)]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source_ip.hash(state);
        self.destination_ip.hash(state);
        state.write_u64(self.numbers());
    }
}

impl Key {
    /// Of the stream with this SSRC that a datagram belongs to.
    #[inline(always)]
    pub fn of(datagram: &Datagram<'_>, ssrc: u32) -> Key {
        let (source, destination) = (datagram.source, datagram.destination);
        Key {
            source_ip: source.ip,
            destination_ip: destination.ip,
            source_port: source.port,
            destination_port: destination.port,
            ssrc,
        }
    }

    /// The sum of addresses (of IPv6 the last 32 bits) and ports: the same for both directions between two endpoints.
    pub fn pair(&self) -> u32 {
        let [source, destination] = [self.source_ip, self.destination_ip].map(|ip| ip.words()[1] as u32);
        let ports = u32::from(self.source_port) + u32::from(self.destination_port);
        source.wrapping_add(destination).wrapping_add(ports)
    }

    /// Ports and SSRC in one word, in the order in which they lie in memory.
    #[inline(always)]
    fn numbers(&self) -> u64 {
        u64::from(self.ssrc) << 32 | u64::from(self.destination_port) << 16 | u64::from(self.source_port)
    }

    pub fn source(&self) -> Endpoint {
        Endpoint { ip: self.source_ip, port: self.source_port }
    }

    pub fn destination(&self) -> Endpoint {
        Endpoint { ip: self.destination_ip, port: self.destination_port }
    }
}
