//! Which messages were there before (retransmissions), and when a response's request was sent.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::generations::Generations;
use crate::time::Timestamp;
use crate::wire::Endpoint;
use crate::wire::sip::{Message, Start};

use super::marks::Marks;

/// RFC 3261 section 17: no transaction repeats a message for longer than 64 * T1 = 32 s.
const LIFETIME_NANOS: i64 = 32_000_000_000;

/// What a message is to those before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen {
    First,
    /// The same message on the same hop again.
    Again,
    /// The first response to a request seen here, with the request's time.
    FirstResponse(Timestamp),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Timestamp,
    answered: bool,
}

/// Fingerprints of the messages of the last 32 to 64 s.
#[derive(Debug)]
pub struct Transactions {
    hasher: RandomState,
    entries: Generations<u64, Entry>,
}

impl Transactions {
    pub fn new(capacity: usize) -> Transactions {
        Transactions { hasher: RandomState::default(), entries: Generations::new(capacity, LIFETIME_NANOS) }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn evicted(&self) -> u64 {
        self.entries.evicted
    }

    pub fn see(
        &mut self,
        now: Timestamp,
        message: &Message<'_>,
        (from, to): (Endpoint, Endpoint),
        marks: &Marks,
    ) -> Seen {
        self.entries.turn(now);
        // A transaction is its hop, top Via branch, CSeq and Call-ID (RFC 3261 section 17.1.3); a response adds code and To tag.
        let (is_response, hop) = match message.start {
            Start::Request { .. } => (false, (from, to)),
            Start::Response { .. } => (true, (to, from)),
        };
        let on_hop = |identity: u64| self.hasher.hash_one((hop, marks.branch, identity));
        let own = on_hop(marks.message);
        if self.entries.get(&own).is_some() {
            return Seen::Again;
        }
        let request = is_response.then(|| on_hop(marks.request));
        let seen = match request.and_then(|request| self.entries.get_mut(&request)) {
            Some(entry) if !entry.answered => {
                entry.answered = true;
                Seen::FirstResponse(entry.at)
            }
            _ => Seen::First,
        };
        self.entries.insert(own, Entry { at: now, answered: false });
        seen
    }
}
