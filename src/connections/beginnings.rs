//! Where connections begin whose first byte has not come yet.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::wire::Endpoint;
use crate::wire::tcp::Segment;

/// As many connections as are being set up at one time by a busy host: a thousand a second, with 200 ms to the first byte.
const SLOTS: usize = 2048;

/// The SYNs seen last. It never grows: a newer one displaces an older one, so that a flood of them costs nothing, and at most
/// makes it unknown where a connection begins.
#[derive(Debug)]
pub struct Beginnings {
    hasher: RandomState,
    slots: Box<[Slot]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    tag: u32,
    /// Sequence numbers of the first bytes of both ends.
    first: [Option<u32>; 2],
}

impl Default for Beginnings {
    fn default() -> Self {
        Beginnings { hasher: RandomState::default(), slots: vec![Slot::default(); SLOTS].into() }
    }
}

impl Beginnings {
    fn place(&self, ends: &[Endpoint; 2]) -> (usize, u32) {
        let hash = self.hasher.hash_one(ends);
        (hash as usize % SLOTS, (hash >> 32) as u32)
    }

    /// Notes a SYN between two ends.
    pub fn note(&mut self, ends: &[Endpoint; 2], syn: &Segment<'_>) {
        let (at, tag) = self.place(ends);
        let slot = &mut self.slots[at];
        if slot.tag != tag {
            *slot = Slot { tag, ..Slot::default() };
        }
        slot.first[usize::from(syn.source != ends[0])] = Some(syn.sequence.wrapping_add(1));
    }

    /// The number of the first byte of the sender of a segment, if its SYN is remembered; only once.
    pub fn take(&mut self, ends: &[Endpoint; 2], segment: &Segment<'_>) -> Option<u32> {
        let (at, tag) = self.place(ends);
        let slot = &mut self.slots[at];
        if slot.tag != tag {
            return None;
        }
        slot.first[usize::from(segment.source != ends[0])].take()
    }
}
