//! What binds a stream to a call: the addresses that SDP announced, and what payload types mean there.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

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
    /// Mostly one of each party.
    pub endpoints: SmallVec<[Endpoint; 2]>,
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
    endpoints: HashMap<Endpoint, Announced, RandomState>,
    /// Where each call is.
    calls: HashMap<u64, u32, RandomState>,
    slots: Vec<Call>,
    free: Vec<u32>,
}

impl Bindings {
    /// Calls that are known, those that ended a moment ago included.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    pub fn endpoint(&self, at: Endpoint) -> Option<&Announced> {
        self.endpoints.get(&at)
    }

    pub fn call(&self, call: u64) -> Option<&Call> {
        self.slots.get(*self.calls.get(&call)? as usize)
    }

    pub fn call_mut(&mut self, call: u64) -> Option<&mut Call> {
        self.slots.get_mut(*self.calls.get(&call)? as usize)
    }

    /// A call that is, or begins to be, known.
    pub fn entry(&mut self, call: u64) -> &mut Call {
        let at = *self.calls.entry(call).or_insert_with(|| match self.free.pop() {
            Some(at) => at,
            None => {
                if self.slots.len() == self.slots.capacity() {
                    // Doubling would leave up to half of the slots unused.
                    self.slots.reserve_exact((self.slots.len() / 4).max(64));
                }
                self.slots.push(Call::default());
                self.slots.len() as u32 - 1
            }
        });
        &mut self.slots[at as usize]
    }

    /// Whether a call that has not ended, and is not this one, holds the endpoint for itself.
    fn is_held(&self, there: &Announced, call: u64) -> bool {
        there.call != call && self.call(there.call).is_some_and(|other| other.ended.is_none())
    }

    /// Notes an endpoint of a call. The first call to name an endpoint keeps it until it ends, as legs of one call
    /// through a B2BUA name the same one.
    pub fn announce(&mut self, call: u64, party: Party, at: Endpoint, formats: &[Format]) {
        let is_held = self.endpoints.get(&at).is_some_and(|there| self.is_held(there, call));
        let known = self.entry(call);
        known.is_shared |= is_held;
        if !is_held {
            known.ended = None;
            if !known.endpoints.contains(&at) {
                let is_full = known.endpoints.len() >= MAX_ENDPOINTS_A_CALL;
                let oldest = is_full.then(|| known.endpoints.remove(0));
                known.endpoints.push(at);
                if let Some(oldest) = oldest {
                    self.release(oldest, call);
                }
            }
        }
        match self.endpoints.entry(at) {
            Entry::Occupied(mut there) if is_held || there.get().call == call => {
                let there = there.get_mut();
                extend(&mut there.formats, formats);
                if !is_held {
                    there.party = party;
                }
            }
            there => {
                let formats = formats.iter().take(MAX_FORMATS).copied().collect();
                there.insert_entry(Announced { call, party, formats, fax: false });
            }
        }
    }

    /// Forgets an endpoint, if it is the call's.
    fn release(&mut self, at: Endpoint, call: u64) {
        if let Entry::Occupied(there) = self.endpoints.entry(at)
            && there.get().call == call
        {
            there.remove();
        }
    }

    /// Notes that T.38 comes to an endpoint of a call.
    pub fn announce_fax(&mut self, call: u64, party: Party, at: Endpoint) {
        self.announce(call, party, at, &[]);
        if let Some(there) = self.endpoints.get_mut(&at) {
            there.fax = true;
        }
    }

    pub fn receives_fax(&self, at: Endpoint) -> bool {
        self.endpoints.get(&at).is_some_and(|there| there.fax)
    }

    /// SDP of a call says that RTCP for the media endpoint `at` comes to `rtcp` (RFC 3605). Where all guess it nothing is kept,
    /// and no media endpoint gives way to it.
    pub fn announce_rtcp(&mut self, call: u64, party: Party, at: Endpoint, rtcp: Endpoint) {
        let guessed = rtcp.ip == at.ip && (rtcp.port == at.port || Some(rtcp.port) == at.port.checked_add(1));
        let has_room = |known: &Call| known.endpoints.len() < MAX_ENDPOINTS_A_CALL;
        if !guessed && self.call(call).is_some_and(has_room) {
            self.announce(call, party, rtcp, &[]);
        }
    }

    /// Forgets a call and the endpoints that are still its own.
    pub fn remove(&mut self, call: u64) {
        let Some(at) = self.calls.remove(&call) else { return };
        self.free.push(at);
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        let endpoints = std::mem::take(&mut slot.endpoints);
        *slot = Call::default();
        for endpoint in endpoints {
            self.release(endpoint, call);
        }
    }

    pub fn calls(&self) -> Vec<u64> {
        self.calls.keys().copied().collect()
    }
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
