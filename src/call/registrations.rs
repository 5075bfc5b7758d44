//! Registrations (RFC 3261 section 10): attempts by result, and the bindings that are alive.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;

use crate::arrivals::{Arrival, Arrivals};
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
    arrival: Arrival,
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
    arrival: Arrival,
    peer: PeerId,
    until: Timestamp,
}

/// Attempts under way and bindings alive, each at most `capacity`.
#[derive(Debug)]
pub struct Registrations {
    hasher: RandomState,
    attempts: HashMap<u64, Attempt, RandomState>,
    attempt_arrivals: Arrivals<u64>,
    bindings: HashMap<u64, Binding, RandomState>,
    binding_arrivals: Arrivals<u64>,
    capacity: usize,
    pub evicted_attempts: u64,
    pub evicted_bindings: u64,
}

impl Registrations {
    pub fn new(capacity: usize) -> Registrations {
        Registrations {
            hasher: RandomState::default(),
            attempts: HashMap::default(),
            attempt_arrivals: Arrivals::default(),
            bindings: HashMap::default(),
            binding_arrivals: Arrivals::default(),
            capacity: capacity.max(1),
            evicted_attempts: 0,
            evicted_bindings: 0,
        }
    }

    /// Attempts under way, and bindings alive.
    pub fn lengths(&self) -> (usize, usize) {
        (self.attempts.len(), self.bindings.len())
    }

    /// A REGISTER request.
    pub fn request(&mut self, now: Timestamp, peer: PeerId, message: &Message<'_>) {
        let id = self.hasher.hash_one(message.call_id);
        let binding = self.binding(message);
        let expires = parameter(message.contact, b"expires").and_then(number).or(message.expires);
        let all = message.contact == b"*";
        if let Some(attempt) = self.attempts.get_mut(&id) {
            (attempt.last, attempt.binding, attempt.expires, attempt.all) = (now, binding, expires, all);
            return;
        }
        let arrived = |id: &u64| self.attempts.get(id).map(|attempt| attempt.arrival);
        let arrival = self.attempt_arrivals.enter(id, self.capacity, arrived);
        if self.attempts.len() >= self.capacity
            && let Some(oldest) = self.attempt_arrivals.oldest(arrived)
        {
            self.attempts.remove(&oldest);
            self.evicted_attempts += 1;
        }
        let attempt = Attempt { arrival, peer, started: now, last: now, challenged: false, binding, expires, all };
        self.attempts.insert(id, attempt);
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
        if let Some(binding) = self.bindings.get_mut(&attempt.binding) {
            binding.until = until;
            return;
        }
        let arrived = |id: &u64| self.bindings.get(id).map(|binding| binding.arrival);
        let arrival = self.binding_arrivals.enter(attempt.binding, self.capacity, arrived);
        if self.bindings.len() >= self.capacity
            && let Some(oldest) = self.binding_arrivals.oldest(arrived).and_then(|id| self.bindings.remove(&id))
        {
            self.evicted_bindings += 1;
            leave(oldest.peer, numbers);
        }
        self.bindings.insert(attempt.binding, Binding { arrival, peer: attempt.peer, until });
        numbers.registration(attempt.peer).active += 1;
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
