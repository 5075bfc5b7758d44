//! Which messages were there before (retransmissions), and when a response's request was sent.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;

use crate::generations::Generations;
use crate::time::Timestamp;
use crate::wire::Endpoint;
use crate::wire::sip::{Message, Start, parameter};

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

    pub fn see(&mut self, now: Timestamp, from: Endpoint, to: Endpoint, message: &Message<'_>) -> Seen {
        self.entries.turn(now);
        let request = match message.start {
            Start::Request { .. } => self.fingerprint((from, to), message, 0),
            Start::Response { .. } => self.fingerprint((to, from), message, 0),
        };
        let own = match message.start {
            Start::Request { .. } => request,
            Start::Response { code } => self.fingerprint((to, from), message, code),
        };
        if self.entries.get(&own).is_some() {
            return Seen::Again;
        }
        let entry = match message.start {
            Start::Request { .. } => None,
            Start::Response { .. } => self.entries.get_mut(&request),
        };
        let seen = match entry {
            Some(entry) if !entry.answered => {
                entry.answered = true;
                Seen::FirstResponse(entry.at)
            }
            _ => Seen::First,
        };
        self.entries.insert(own, Entry { at: now, answered: false });
        seen
    }

    /// A transaction is its hop, top Via branch, CSeq and Call-ID (RFC 3261 section 17.1.3); a response adds code and To tag.
    fn fingerprint(&self, hop: (Endpoint, Endpoint), message: &Message<'_>, code: u16) -> u64 {
        let mut hash = self.hasher.build_hasher();
        hop.hash(&mut hash);
        parameter(message.via, b"branch").hash(&mut hash);
        hash_identity(message, code, &mut hash);
        hash.finish()
    }
}

/// What a message keeps on its way over all hops: Call-ID, CSeq and From tag; a response (not code 0) also code and To tag.
pub fn hash_identity(message: &Message<'_>, code: u16, hash: &mut impl Hasher) {
    message.cseq.hash(hash);
    message.call_id.hash(hash);
    parameter(message.from, b"tag").hash(hash);
    if code != 0 {
        code.hash(hash);
        parameter(message.to, b"tag").hash(hash);
    }
}
