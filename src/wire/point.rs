//! Where a packet was seen: the capture interface, what is around the packet there, and how many hops it has left.

use crate::time::Timestamp;

/// Tunnels inside each other; a mobile network's media behind a mirror port takes three.
const MAX_LAYERS: u8 = 6;
/// Interfaces that are told apart; the rest of a point's 32 bits are what else makes it.
const INTERFACE_BITS: u32 = 12;

/// The same packet at another point comes within this time: more than bridges, tunnels and capture buffers take to pass it
/// on, less than anybody waits before sending again (RFC 3261 section 17.1.1.1: T1 is 500 ms, some set 200 ms).
pub(super) const SEEN_TWICE_NANOS: i64 = 100_000_000;

/// Whether two packets came within that time, whichever is handed over first: frames of several interfaces come in turns.
pub fn is_at_once(one: Timestamp, other: Timestamp) -> bool {
    one.nanos_since(other).unsigned_abs() <= SEEN_TWICE_NANOS.unsigned_abs()
}

/// A point of a packet's way, small enough to be kept with a stream: of two points one in a million is taken for the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Point(u32);

impl Point {
    /// The same point, seen by this capture interface.
    #[inline(always)]
    pub const fn on(self, interface: usize) -> Point {
        Point(self.0 | interface as u32 & ((1 << INTERFACE_BITS) - 1))
    }

    /// None that a packet is likely to come from.
    pub const NOWHERE: Point = Point(u32::MAX);

    /// The number of the capture interface.
    pub const fn interface(self) -> usize {
        self.0 as usize & ((1 << INTERFACE_BITS) - 1)
    }
}

/// What is around a packet, from the outside in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    mixed: u32,
    interface: u16,
    layers: u8,
}

impl Way {
    pub const START: Way = Way { mixed: 0, interface: 0, layers: 0 };

    /// Behind a header with this in it.
    pub const fn behind(self, value: u32) -> Way {
        // 2^32 divided by the golden ratio.
        let mixed = (self.mixed ^ value).wrapping_add(1).wrapping_mul(0x9e37_79b1);
        Way { mixed: mixed ^ mixed >> 15, ..self }
    }

    /// Inside a further tunnel, unless there are too many.
    pub fn inside(self, value: u32) -> Option<Way> {
        let layers = self.layers + 1;
        (layers <= MAX_LAYERS).then_some(Way { layers, ..self }.behind(value))
    }

    /// In an IP packet that has so many hops left.
    #[inline(always)]
    pub const fn with_hops(self, left: u8) -> Way {
        Way { mixed: self.mixed.wrapping_add(left as u32), ..self }
    }

    #[inline(always)]
    pub const fn point(self) -> Point {
        Point(self.mixed << INTERFACE_BITS).on(self.interface as usize)
    }

    /// The same, captured by this interface.
    pub const fn on(self, interface: usize) -> Way {
        Way { interface: interface as u16, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_differ_by_interface_hops_and_what_is_around() {
        let start = Way::START;
        let points = [
            start.with_hops(64).point(),
            start.with_hops(63).point(),
            start.behind(1).with_hops(64).point(),
            start.behind(2).with_hops(64).point(),
            start.behind(1).behind(2).with_hops(64).point(),
            start.behind(2).behind(1).with_hops(64).point(),
            start.with_hops(64).point().on(1),
            start.with_hops(64).point().on(4095),
        ];
        for (at, point) in points.iter().enumerate() {
            assert_eq!(points.iter().filter(|other| *other == point).count(), 1, "{at}");
        }
        assert_eq!(points[7].interface(), 4095);
    }

    #[test]
    fn nesting_ends() {
        let deepest = (0..6).try_fold(Way::START, |way, n| way.inside(n)).expect("six layers");
        assert!(deepest.inside(7).is_none());
    }
}
