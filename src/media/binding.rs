//! What binds a stream to a call: the addresses that SDP announced, and what payload types mean there.

use std::collections::HashMap;

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
    /// Boxed, since a map keeps room for twice as many.
    calls: HashMap<u64, Box<Call>, RandomState>,
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
        self.calls.get(&call).map(Box::as_ref)
    }

    pub fn call_mut(&mut self, call: u64) -> Option<&mut Call> {
        self.calls.get_mut(&call).map(Box::as_mut)
    }

    /// Whether a call that has not ended holds the endpoint for itself.
    fn held_by_other(&self, at: Endpoint, call: u64) -> bool {
        self.endpoints.get(&at).is_some_and(|there| {
            there.call != call && self.calls.get(&there.call).is_some_and(|other| other.ended.is_none())
        })
    }

    /// Notes an endpoint of a call. The first call to name an endpoint keeps it until it ends, as legs of one call
    /// through a B2BUA name the same one.
    pub fn announce(&mut self, call: u64, party: Party, at: Endpoint, formats: &[Format]) {
        if self.held_by_other(at, call) {
            if let Some(there) = self.endpoints.get_mut(&at) {
                extend(&mut there.formats, formats);
            }
            self.calls.entry(call).or_default().is_shared = true;
            return;
        }
        let known = self.calls.entry(call).or_default();
        known.ended = None;
        if !known.endpoints.contains(&at) {
            if known.endpoints.len() >= MAX_ENDPOINTS_A_CALL {
                let oldest = known.endpoints.remove(0);
                if self.endpoints.get(&oldest).is_some_and(|there| there.call == call) {
                    self.endpoints.remove(&oldest);
                }
            }
            known.endpoints.push(at);
        }
        match self.endpoints.get_mut(&at) {
            Some(there) if there.call == call => {
                there.party = party;
                extend(&mut there.formats, formats);
            }
            _ => {
                let formats = formats.iter().take(MAX_FORMATS).copied().collect();
                self.endpoints.insert(at, Announced { call, party, formats, fax: false });
            }
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
    pub fn remove(&mut self, call: u64) -> Option<Box<Call>> {
        let removed = self.calls.remove(&call)?;
        for at in &removed.endpoints {
            if self.endpoints.get(at).is_some_and(|there| there.call == call) {
                self.endpoints.remove(at);
            }
        }
        Some(removed)
    }

    /// A call that is, or begins to be, known.
    pub fn entry(&mut self, call: u64) -> &mut Call {
        self.calls.entry(call).or_default()
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
