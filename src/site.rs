//! Which addresses are ours and whose the others are: `direction`, `peer`, `origin`, `destination`.

mod networks;

use std::borrow::Cow;

use ipnet::IpNet;

use crate::wire::Ip;
pub use networks::Networks;

/// Index of a configured peer network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerId(u16);

impl PeerId {
    /// No configured network holds the address.
    pub const OTHER: PeerId = PeerId(u16::MAX);
}

/// Where something goes, seen from this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Towards this host's side.
    Inbound,
    Outbound,
    /// Both ends are local.
    Internal,
    /// Neither end is.
    Transit,
}

impl Direction {
    pub const ALL: [Direction; 4] = [Direction::Inbound, Direction::Outbound, Direction::Internal, Direction::Transit];

    pub const fn name(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
            Direction::Internal => "internal",
            Direction::Transit => "transit",
        }
    }
}

/// The configured view of the network.
#[derive(Clone, Debug, Default)]
pub struct Site {
    local: Networks<()>,
    peers: Networks<PeerId>,
    names: Vec<String>,
    /// Calls that each peer takes at once, in the order of the names.
    capacities: Vec<Option<u32>>,
}

impl Site {
    pub fn new(local: Vec<IpNet>, named: &[(String, Vec<IpNet>)]) -> Site {
        let peers = named
            .iter()
            .zip(0..)
            .flat_map(|((_, networks), index)| networks.iter().map(move |network| (*network, PeerId(index))));
        Site {
            local: Networks::new(local.into_iter().map(|network| (network, ()))),
            peers: Networks::new(peers),
            names: named.iter().map(|(name, _)| name.clone()).collect(),
            capacities: Vec::new(),
        }
    }

    /// What the peers take at once, in their order.
    pub fn with_capacities(self, capacities: impl Iterator<Item = Option<u32>>) -> Site {
        Site { capacities: capacities.collect(), ..self }
    }

    /// Calls at once of those peers that have a limit.
    pub fn capacities(&self) -> impl Iterator<Item = (PeerId, u32)> + '_ {
        (0..).map(PeerId).zip(&self.capacities).filter_map(|(peer, capacity)| Some((peer, (*capacity)?)))
    }

    /// Whether there are addresses that are ours: of a capture file nobody may have said.
    pub fn knows_itself(&self) -> bool {
        !self.local.is_empty()
    }

    #[inline]
    pub fn is_local(&self, ip: Ip) -> bool {
        self.local.find(ip).is_some()
    }

    /// Whether what came to one address and what left from another were on the same host: this one. Where nobody said which
    /// addresses are ours, both have to be one.
    pub fn is_passed_on(&self, came_to: Ip, left_from: Ip) -> bool {
        if came_to == left_from {
            return !self.knows_itself() || self.is_local(left_from);
        }
        // An address of the loopback is any program's.
        self.is_local(came_to) && self.is_local(left_from) && !came_to.is_loopback() && !left_from.is_loopback()
    }

    /// The configured network that holds an address.
    #[inline]
    pub fn peer(&self, ip: Ip) -> PeerId {
        self.peers.find(ip).unwrap_or(PeerId::OTHER)
    }

    #[inline]
    pub fn direction(&self, source: Ip, destination: Ip) -> Direction {
        match (self.is_local(source), self.is_local(destination)) {
            (true, true) => Direction::Internal,
            (true, false) => Direction::Outbound,
            (false, true) => Direction::Inbound,
            (false, false) => Direction::Transit,
        }
    }

    /// Direction, and the peer on the far side; on transit the receiving side, or else the sending one.
    #[inline]
    pub fn place(&self, source: Ip, destination: Ip) -> (Direction, PeerId) {
        let direction = self.direction(source, destination);
        let far = match direction {
            Direction::Inbound => self.peer(source),
            Direction::Outbound | Direction::Internal => self.peer(destination),
            Direction::Transit => match self.peer(destination) {
                PeerId::OTHER => self.peer(source),
                peer => peer,
            },
        };
        (direction, far)
    }

    /// The configured peer of this name.
    pub fn named(&self, name: &str) -> Option<PeerId> {
        self.names.iter().position(|known| known == name).and_then(|at| u16::try_from(at).ok()).map(PeerId)
    }

    /// The value of a `peer`, `origin` or `destination` label.
    pub fn name(&self, peer: PeerId) -> Cow<'static, str> {
        match self.names.get(usize::from(peer.0)) {
            Some(name) => Cow::Owned(name.clone()),
            None => Cow::Borrowed("other"),
        }
    }
}
