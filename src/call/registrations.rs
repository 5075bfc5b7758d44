//! Registrations (RFC 3261 section 10): attempts by result, and the bindings that are alive.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;

use crate::site::PeerId;
use crate::time::Timestamp;
use crate::wire::sip::{Message, parameter, uri_of};

use super::numbers::{Numbers, Registration};

/// RFC 3261 section 17.1.2.2, Timer F: a REGISTER that nobody answered for 64 * T1 has failed.
const TIMER_F_NANOS: i64 = 32_000_000_000;
/// What a registrar grants that names no time (RFC 3261 section 10.2.1.1 leaves it to the server; this is its example).
const DEFAULT_EXPIRES: u32 = 3600;

#[derive(Debug)]
struct Attempt {
    peer: PeerId,
    started: Timestamp,
    last: Timestamp,
    challenged: bool,
    binding: u64,
    /// What the request asked for.
    expires: Option<u32>,
    /// `Contact: *`, which removes all bindings.
    all: bool,
}

#[derive(Debug)]
struct Binding {
    peer: PeerId,
    until: Timestamp,
}

/// Attempts under way and bindings alive, each at most `capacity`.
#[derive(Debug)]
pub struct Registrations {
    hasher: RandomState,
    attempts: HashMap<u64, Attempt, RandomState>,
    bindings: HashMap<u64, Binding, RandomState>,
    capacity: usize,
    pub evicted: u64,
}

impl Registrations {
    pub fn new(capacity: usize) -> Registrations {
        Registrations {
            hasher: RandomState::default(),
            attempts: HashMap::default(),
            bindings: HashMap::default(),
            capacity: capacity.max(1),
            evicted: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.attempts.len() + self.bindings.len()
    }

    /// A REGISTER request.
    pub fn request(&mut self, now: Timestamp, peer: PeerId, message: &Message<'_>) {
        let id = self.hasher.hash_one(message.call_id);
        if !self.attempts.contains_key(&id) && self.attempts.len() >= self.capacity {
            let oldest = self.attempts.iter().take(16).min_by_key(|(_, attempt)| attempt.last).map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                self.attempts.remove(&oldest);
                self.evicted += 1;
            }
        }
        let binding = self.binding(message);
        let expires = parameter(message.contact, b"expires").and_then(number).or(message.expires);
        let all = message.contact == b"*";
        let attempt = self.attempts.entry(id).or_insert(Attempt {
            peer,
            started: now,
            last: now,
            challenged: false,
            binding,
            expires,
            all,
        });
        (attempt.last, attempt.binding, attempt.expires, attempt.all) = (now, binding, expires, all);
    }

    /// A response to a REGISTER.
    pub fn response(&mut self, now: Timestamp, code: u16, message: &Message<'_>, numbers: &mut Numbers) {
        let id = self.hasher.hash_one(message.call_id);
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        let result = match code {
            100..=199 => return,
            200..=299 => Registration::Success,
            401 | 407 => {
                // The client may answer the challenge; if it does not, the attempt ends as unauthorized.
                attempt.challenged = true;
                attempt.last = now;
                return;
            }
            403 => Registration::Unauthorized,
            _ => Registration::Rejected,
        };
        let Some(attempt) = self.attempts.remove(&id) else { return };
        let cell = numbers.registration(attempt.peer);
        cell.results[result as usize] += 1;
        if result == Registration::Success {
            cell.delay.observe(now.seconds_since(attempt.started));
            let granted = parameter(message.contact, b"expires").and_then(number).or(message.expires);
            self.bind(now, &attempt, granted, numbers);
        }
    }

    fn bind(&mut self, now: Timestamp, attempt: &Attempt, granted: Option<u32>, numbers: &mut Numbers) {
        if attempt.expires == Some(0) || attempt.all {
            if self.bindings.remove(&attempt.binding).is_some() {
                leave(attempt.peer, numbers);
            }
            return;
        }
        let seconds = granted.or(attempt.expires).unwrap_or(DEFAULT_EXPIRES);
        let until = Timestamp::from_nanos(now.nanos().saturating_add(i64::from(seconds) * 1_000_000_000));
        if !self.bindings.contains_key(&attempt.binding) && self.bindings.len() >= self.capacity {
            let soonest = self.bindings.iter().take(16).min_by_key(|(_, b)| b.until).map(|(id, b)| (*id, b.peer));
            if let Some((id, peer)) = soonest {
                self.bindings.remove(&id);
                self.evicted += 1;
                leave(peer, numbers);
            }
        }
        if self.bindings.insert(attempt.binding, Binding { peer: attempt.peer, until }).is_none() {
            numbers.registration(attempt.peer).active += 1;
        }
    }

    /// An address of record and one contact; removing all bindings of one is left to their expiry.
    fn binding(&self, message: &Message<'_>) -> u64 {
        let mut hash = self.hasher.build_hasher();
        uri_of(message.to).hash(&mut hash);
        if message.contact != b"*" {
            uri_of(message.contact).hash(&mut hash);
        }
        hash.finish()
    }

    /// Ends attempts that nobody answered, and bindings that ran out.
    pub fn tick(&mut self, now: Timestamp, numbers: &mut Numbers) {
        self.attempts.retain(|_, attempt| {
            if now.nanos_since(attempt.last) < TIMER_F_NANOS {
                return true;
            }
            let result = if attempt.challenged { Registration::Unauthorized } else { Registration::Timeout };
            numbers.registration(attempt.peer).results[result as usize] += 1;
            false
        });
        self.bindings.retain(|_, binding| {
            if binding.until > now {
                return true;
            }
            leave(binding.peer, numbers);
            false
        });
    }

    /// The capture is over: attempts that were challenged and not tried again count as what they are.
    pub fn finish(&mut self, numbers: &mut Numbers) {
        for (_, attempt) in self.attempts.drain().filter(|(_, attempt)| attempt.challenged) {
            numbers.registration(attempt.peer).results[Registration::Unauthorized as usize] += 1;
        }
    }
}

fn leave(peer: PeerId, numbers: &mut Numbers) {
    let cell = numbers.registration(peer);
    cell.active = cell.active.saturating_sub(1);
}

fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
