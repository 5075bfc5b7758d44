//! What binds a stream to a call: the addresses that SDP announced, and what payload types mean there.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use crate::fetch::fetch;
use crate::index::Index;
use crate::site::Direction;
use crate::time::Timestamp;
use crate::wire::Endpoint;
use crate::wire::sdp::{Format, Formats};
use crate::wire::sip::Party;

use super::problems::{Problems, Sides};

/// Endpoints that are remembered of one call: audio and video of both parties on two hops. Then the oldest gives way.
const MAX_ENDPOINTS_A_CALL: usize = 8;

/// Payload types that are remembered of one endpoint, over all its descriptions.
const MAX_FORMATS: usize = 16;

/// An endpoint that some SDP names.
#[derive(Debug)]
pub struct Announced {
    at: Endpoint,
    pub call: u64,
    /// Who receives there.
    pub party: Party,
    pub formats: Formats,
    /// Whether T.38 was announced there, on the port of the audio or one of its own.
    fax: bool,
}

/// A call as the media side knows it.
#[derive(Debug, Default)]
pub struct Call {
    /// Its number; zero where there is none.
    serial: u64,
    /// Mostly one of each party. Those that another call has named since are among them.
    announced: SmallVec<[Announced; 2]>,
    pub streams: Vec<u32>,
    /// The worst lifetime MOS of its streams that have ended.
    pub worst_mos: Option<f64>,
    pub ended: Option<Timestamp>,
    pub answered: Option<Timestamp>,
    pub direction: Option<Direction>,
    pub sides: Sides,
    /// What they were before the offer that is not answered yet.
    pub before_offer: Option<Box<Sides>>,
    /// An endpoint of it is another call's: two legs whose parties send to each other directly.
    pub is_shared: bool,
    pub problems: Problems,
    /// The call that it is another leg of; zero: none.
    pub root: u64,
    /// Its other legs.
    pub legs: Vec<u64>,
    /// When its media is looked at next.
    pub look_at: Option<Timestamp>,
}

/// Announcements of all calls; its size follows the number of calls, which is capped on the signalling side.
#[derive(Debug, Default)]
pub struct Bindings {
    hasher: RandomState,
    /// The calls that endpoints are announced by, by a hash of the endpoint.
    by_endpoint: Index,
    /// All calls, by their numbers.
    by_serial: Index,
    slots: Vec<Call>,
    free: Vec<u32>,
}

impl Bindings {
    /// Calls that are known, those that ended a moment ago included.
    pub fn len(&self) -> usize {
        self.by_serial.len()
    }

    fn fingerprint(&self, at: Endpoint) -> u32 {
        self.hasher.hash_one(at) as u32
    }

    /// The slot of the call that an endpoint is announced by.
    fn owner(&self, fingerprint: u32, at: Endpoint) -> Option<u32> {
        self.by_endpoint.find(fingerprint, |slot| self.slots[slot as usize].names(at).is_some())
    }

    pub fn endpoint(&self, at: Endpoint) -> Option<&Announced> {
        let known = &self.slots[self.owner(self.fingerprint(at), at)? as usize];
        known.announced.get(known.names(at)?)
    }

    fn slot_of(&self, call: u64) -> Option<u32> {
        self.by_serial.find(mixed(call), |slot| self.slots[slot as usize].serial == call)
    }

    pub fn call(&self, call: u64) -> Option<&Call> {
        self.slots.get(self.slot_of(call)? as usize)
    }

    pub fn call_mut(&mut self, call: u64) -> Option<&mut Call> {
        let slot = self.slot_of(call)?;
        self.slots.get_mut(slot as usize)
    }

    /// Asks for the place in the index of an endpoint that is looked for soon.
    pub fn fetch_endpoint(&self, at: Endpoint) {
        self.by_endpoint.fetch(self.fingerprint(at));
    }

    /// Asks for the memory of a call that is needed soon.
    pub fn fetch(&self, call: u64) {
        if let Some(slot) = self.by_serial.find(mixed(call), |_| true) {
            fetch(&self.slots[slot as usize], usize::MAX);
        }
    }

    /// A call that is, or begins to be, known.
    pub fn entry(&mut self, call: u64) -> &mut Call {
        let slot = self.enter(call);
        &mut self.slots[slot as usize]
    }

    fn enter(&mut self, call: u64) -> u32 {
        if let Some(slot) = self.slot_of(call) {
            return slot;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            if self.slots.len() == self.slots.capacity() {
                // Doubling would leave up to half of the slots unused.
                self.slots.reserve_exact((self.slots.len() / 8).max(64));
            }
            self.slots.push(Call::default());
            self.slots.len() as u32 - 1
        });
        self.slots[slot as usize].serial = call;
        self.by_serial.insert(mixed(call), slot);
        slot
    }

    /// Notes an endpoint of a call. The first call to name an endpoint keeps it until it ends, as legs of one call
    /// through a B2BUA name the same one.
    pub fn announce(&mut self, call: u64, party: Party, at: Endpoint, formats: &[Format]) {
        let fingerprint = self.fingerprint(at);
        let owner = self.owner(fingerprint, at);
        let slot = self.enter(call);
        if let Some(owner) = owner.filter(|owner| *owner != slot) {
            let other = &mut self.slots[owner as usize];
            if other.ended.is_none() {
                if let Some(place) = other.names(at) {
                    extend(&mut other.announced[place].formats, formats);
                }
                self.slots[slot as usize].is_shared = true;
                return;
            }
            self.by_endpoint.remove(fingerprint, owner);
        }
        let known = &mut self.slots[slot as usize];
        known.ended = None;
        let place = known.names(at);
        if let Some(place) = place.filter(|_| owner == Some(slot)) {
            let there = &mut known.announced[place];
            there.party = party;
            extend(&mut there.formats, formats);
            return;
        }
        let formats = Formats::from_slice(&formats[..formats.len().min(MAX_FORMATS)]);
        let announced = Announced { at, call, party, formats, fax: false };
        match place {
            Some(place) => known.announced[place] = announced,
            None => {
                let is_full = known.announced.len() >= MAX_ENDPOINTS_A_CALL;
                let oldest = is_full.then(|| known.announced.remove(0));
                known.announced.push(announced);
                if let Some(oldest) = oldest {
                    self.by_endpoint.remove(self.fingerprint(oldest.at), slot);
                }
            }
        }
        self.by_endpoint.insert(fingerprint, slot);
    }

    /// Notes that T.38 comes to an endpoint of a call.
    pub fn announce_fax(&mut self, call: u64, party: Party, at: Endpoint) {
        self.announce(call, party, at, &[]);
        if let Some(owner) = self.owner(self.fingerprint(at), at) {
            let known = &mut self.slots[owner as usize];
            if let Some(place) = known.names(at) {
                known.announced[place].fax = true;
            }
        }
    }

    pub fn receives_fax(&self, at: Endpoint) -> bool {
        self.endpoint(at).is_some_and(|there| there.fax)
    }

    /// SDP of a call says that RTCP for the media endpoint `at` comes to `rtcp` (RFC 3605). Where all guess it nothing is kept,
    /// and no media endpoint gives way to it.
    pub fn announce_rtcp(&mut self, call: u64, party: Party, at: Endpoint, rtcp: Endpoint) {
        let guessed = rtcp.ip == at.ip && (rtcp.port == at.port || Some(rtcp.port) == at.port.checked_add(1));
        let has_room = |known: &Call| known.announced.len() < MAX_ENDPOINTS_A_CALL;
        if !guessed && self.call(call).is_some_and(has_room) {
            self.announce(call, party, rtcp, &[]);
        }
    }

    /// Forgets a call and the endpoints that are still its own.
    pub fn remove(&mut self, call: u64) {
        let Some(slot) = self.slot_of(call) else { return };
        self.by_serial.remove(mixed(call), slot);
        self.free.push(slot);
        let Call { announced, .. } = std::mem::take(&mut self.slots[slot as usize]);
        announced.iter().for_each(|there| self.fetch_endpoint(there.at));
        for Announced { at, .. } in announced {
            self.by_endpoint.remove(self.fingerprint(at), slot);
        }
    }

    /// The numbers of all calls.
    pub fn calls(&self) -> Vec<u64> {
        self.slots.iter().map(|known| known.serial).filter(|serial| *serial != 0).collect()
    }
}

impl Call {
    /// The endpoints that its descriptions named.
    pub fn endpoints(&self) -> impl Iterator<Item = Endpoint> {
        self.announced.iter().map(|there| there.at)
    }

    fn names(&self, at: Endpoint) -> Option<usize> {
        self.announced.iter().position(|there| there.at == at)
    }
}

/// Numbers of calls follow each other, and what stands side by side in an index gets into each other's way.
fn mixed(call: u64) -> u32 {
    // 2^64 divided by the golden ratio.
    (call.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// A later description wins where it gives a payload type another meaning (RFC 3264 section 8.3.2).
fn extend(all: &mut Formats, newer: &[Format]) {
    for format in newer {
        match all.iter().position(|old| old.payload_type == format.payload_type) {
            Some(at) => all[at] = *format,
            None if all.len() < MAX_FORMATS => all.push(*format),
            None => {}
        }
    }
}
