//! Which messages were there before (retransmissions), and when a response's request was sent.

use std::hash::{BuildHasher, Hash, Hasher};

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::time::Timestamp;
use crate::wire::Endpoint;
use crate::wire::sip::{Message, Start, parameter};

/// RFC 3261 section 17: no transaction repeats a message for longer than 64 * T1 = 32 s.
const GENERATION_NANOS: i64 = 32_000_000_000;

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

type Entries = HashMap<u64, Entry, RandomState>;

/// Fingerprints of the messages of the last 32 to 64 s, in two generations so that nothing is swept.
#[derive(Debug)]
pub struct Transactions {
    hasher: RandomState,
    young: Entries,
    old: Entries,
    turned: Timestamp,
    capacity: usize,
    pub evicted: u64,
}

impl Transactions {
    pub fn new(capacity: usize) -> Transactions {
        Transactions {
            hasher: RandomState::default(),
            young: Entries::default(),
            old: Entries::default(),
            turned: Timestamp::default(),
            capacity: capacity.max(2),
            evicted: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    pub fn see(&mut self, now: Timestamp, from: Endpoint, to: Endpoint, message: &Message<'_>) -> Seen {
        self.turn(now);
        let request = match message.start {
            Start::Request { .. } => self.fingerprint((from, to), message, 0),
            Start::Response { .. } => self.fingerprint((to, from), message, 0),
        };
        let own = match message.start {
            Start::Request { .. } => request,
            Start::Response { code } => self.fingerprint((to, from), message, code),
        };
        if self.young.contains_key(&own) || self.old.contains_key(&own) {
            return Seen::Again;
        }
        let entry = match message.start {
            Start::Request { .. } => None,
            Start::Response { .. } => self.young.get_mut(&request).or_else(|| self.old.get_mut(&request)),
        };
        let seen = match entry {
            Some(entry) if !entry.answered => {
                entry.answered = true;
                Seen::FirstResponse(entry.at)
            }
            _ => Seen::First,
        };
        self.young.insert(own, Entry { at: now, answered: false });
        seen
    }

    /// A transaction is its hop, top Via branch, CSeq and Call-ID (RFC 3261 section 17.1.3); a response adds code and To tag.
    fn fingerprint(&self, hop: (Endpoint, Endpoint), message: &Message<'_>, code: u16) -> u64 {
        let mut hash = self.hasher.build_hasher();
        hop.hash(&mut hash);
        message.cseq.hash(&mut hash);
        message.call_id.hash(&mut hash);
        parameter(message.via, b"branch").hash(&mut hash);
        parameter(message.from, b"tag").hash(&mut hash);
        if code != 0 {
            code.hash(&mut hash);
            parameter(message.to, b"tag").hash(&mut hash);
        }
        hash.finish()
    }

    /// Drops the older generation when the younger is old or full.
    fn turn(&mut self, now: Timestamp) {
        let full = self.young.len() >= self.capacity / 2;
        if !full && now.nanos_since(self.turned) < GENERATION_NANOS {
            return;
        }
        if full && now.nanos_since(self.turned) < GENERATION_NANOS {
            self.evicted += self.old.len() as u64;
        }
        self.old = std::mem::take(&mut self.young);
        self.turned = now;
    }
}
