//! Registrations (RFC 3261 section 10): attempts by result, and the bindings that are alive.

mod bindings;
mod contact;
mod numbers;
#[cfg(test)]
mod tests;

use std::hash::BuildHasher;
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::call::agents::Family as Agent;
use crate::expiring::Expiring;
use crate::site::PeerId;
use crate::time::Timestamp;
use crate::wire::sip::Message;

use bindings::{Accepted, Bindings};
use contact::{Contact, address_of_record, contacts, is_for_all};
use numbers::Outcome;

pub use numbers::{FAMILIES, Numbers};

/// RFC 3261 section 17.1.2.2, Timer F: a REGISTER that nobody answered for 64 * T1 has failed.
const TIMER_F: Duration = Duration::from_secs(32);
/// Whoever has its credentials refused and knows better ones answers at once; what comes later than T2 is an attempt of its own.
const SECOND_ANSWER_NANOS: i64 = 4_000_000_000;
/// Contacts that are read of one REGISTER, and of the list in a 2xx: a phone asks for one, and few people have more than ten.
const MAX_REQUESTED: usize = 8;
const MAX_LISTED: usize = 64;

/// What an attempt waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Response,
    /// It was challenged.
    Credentials,
    /// 423 Interval Too Brief: it may ask for a longer one (RFC 3261 section 10.2.8).
    Interval,
}

#[derive(Debug)]
struct Attempt {
    peer: PeerId,
    agent: Agent,
    started: Timestamp,
    /// Its last message.
    last: Timestamp,
    cseq: u32,
    /// Fingerprint of the last REGISTER's Via branch on the first hop: what a proxy hears on the next is its own affair.
    branch: u64,
    waits: Waits,
    /// The last REGISTER had credentials.
    authorized: bool,
    aor: u64,
    requested: Box<[Contact]>,
    for_all: bool,
}

/// Attempts under way and bindings alive, each at most `capacity`.
#[derive(Debug)]
pub struct Registrations {
    hasher: RandomState,
    /// By Call-ID and address of record: all lines of a phone may share one Call-ID (RFC 3261 section 10.2).
    attempts: Expiring<u64, Attempt>,
    bindings: Bindings,
}

impl Registrations {
    pub fn new(capacity: usize) -> Registrations {
        Registrations {
            hasher: RandomState::default(),
            attempts: Expiring::new(capacity),
            bindings: Bindings::new(capacity),
        }
    }

    /// Lets them grow no further, while memory is short.
    pub fn hold(&mut self, on: bool) {
        self.attempts.hold(on);
        self.bindings.hold(on);
    }

    /// Attempts under way, and bindings alive.
    pub fn lengths(&self) -> (usize, usize) {
        (self.attempts.len(), self.bindings.len())
    }

    pub fn evicted(&self) -> (u64, u64) {
        (self.attempts.evicted, self.bindings.evicted())
    }

    /// A REGISTER request that was not on this hop before; whether this is the first hop that it is seen on.
    pub fn request(
        &mut self,
        now: Timestamp,
        (peer, agent): (PeerId, Agent),
        message: &Message<'_>,
        numbers: &mut Numbers,
    ) -> bool {
        let aor = address_of_record(&self.hasher, message.to);
        let key = self.hasher.hash_one((message.call_id, aor));
        let cseq = message.cseq.map_or(0, |(number, _)| number);
        let mut started = now;
        if let Some(attempt) = self.attempts.get_mut(&key) {
            // Some clients answer a challenge without counting on.
            let is_answer = cseq == attempt.cseq && attempt.waits == Waits::Credentials && !attempt.authorized;
            if cseq <= attempt.cseq && !(is_answer && message.has_credentials) {
                // The same on the next hop of a proxy.
                return false;
            }
            let refused = attempt.waits == Waits::Credentials && attempt.authorized;
            if refused && now.nanos_since(attempt.last) > SECOND_ANSWER_NANOS {
                numbers.count_result(attempt.peer, attempt.agent, Outcome::Unauthorized);
            } else {
                started = attempt.started;
            }
        }
        let requested = contacts(&self.hasher, message, MAX_REQUESTED).0.into_iter();
        let expires = |contact: Contact| Contact { expires: contact.expires.or(message.expires), ..contact };
        let attempt = Attempt {
            peer,
            agent,
            started,
            last: now,
            cseq,
            branch: self.branch(message),
            waits: Waits::Response,
            authorized: message.has_credentials,
            aor,
            requested: requested.map(expires).collect(),
            for_all: is_for_all(message),
        };
        self.attempts.insert(key, now + TIMER_F, attempt);
        true
    }

    /// A response to a REGISTER; whether it accepts an attempt.
    pub fn response(&mut self, now: Timestamp, code: u16, message: &Message<'_>, numbers: &mut Numbers) -> bool {
        let aor = address_of_record(&self.hasher, message.to);
        let key = self.hasher.hash_one((message.call_id, aor));
        let branch = self.branch(message);
        let Some(attempt) = self.attempts.get_mut(&key) else { return false };
        let cseq = message.cseq.map_or(0, |(number, _)| number);
        // The REGISTER with the credentials was not captured.
        if attempt.waits == Waits::Credentials && cseq > attempt.cseq {
            (attempt.cseq, attempt.branch, attempt.authorized) = (cseq, branch, true);
        }
        if code < 200 || branch != attempt.branch || cseq != attempt.cseq {
            return false;
        }
        if let Some(waits) = invites_another(code) {
            (attempt.waits, attempt.last) = (waits, now);
            self.attempts.live_until(&key, now + TIMER_F);
            return false;
        }
        let Some(attempt) = self.attempts.remove(&key) else { return false };
        let outcome = match code {
            200..=299 => Outcome::Success,
            403 => Outcome::Unauthorized,
            _ => Outcome::Rejected,
        };
        numbers.count_result(attempt.peer, attempt.agent, outcome);
        let cell = numbers.cell(attempt.peer);
        cell.ineffective += u64::from(is_ineffective(code));
        if outcome == Outcome::Success {
            cell.delay.observe(now.seconds_since(attempt.started));
            self.accepted(now, &attempt, message, numbers);
        }
        outcome == Outcome::Success
    }

    fn accepted(&mut self, now: Timestamp, attempt: &Attempt, message: &Message<'_>, numbers: &mut Numbers) {
        let (listed, complete) = contacts(&self.hasher, message, MAX_LISTED);
        let accepted = Accepted {
            aor: attempt.aor,
            peer: attempt.peer,
            requested: &attempt.requested,
            for_all: attempt.for_all,
            listed: &listed,
            complete,
            expires: message.expires,
        };
        self.bindings.accept(now, &accepted, numbers);
    }

    /// Ends attempts that nobody answered, and bindings that ran out.
    pub fn tick(&mut self, now: Timestamp, numbers: &mut Numbers) {
        while let Some((_, attempt)) = self.attempts.pop_due(now) {
            count_unfinished(&attempt, numbers);
        }
        self.bindings.expire(now, numbers);
    }

    /// The capture is over: attempts that were asked for more and did not give it count as what they are.
    pub fn finish(&mut self, now: Timestamp, numbers: &mut Numbers) {
        self.tick(now, numbers);
        while let Some((_, attempt)) = self.attempts.pop() {
            if attempt.waits != Waits::Response {
                count_unfinished(&attempt, numbers);
            }
        }
    }

    fn branch(&self, message: &Message<'_>) -> u64 {
        self.hasher.hash_one(message.branch.unwrap_or(&[]))
    }
}

/// What the client may do about a response that does not end its attempt.
fn invites_another(code: u16) -> Option<Waits> {
    match code {
        401 | 407 => Some(Waits::Credentials),
        423 => Some(Waits::Interval),
        _ => None,
    }
}

/// RFC 6076 section 4.2: 4xx, 5xx and 6xx but for 401, 402 and 407.
fn is_ineffective(code: u16) -> bool {
    code >= 400 && !matches!(code, 401 | 402 | 407)
}

fn count_unfinished(attempt: &Attempt, numbers: &mut Numbers) {
    let (outcome, ineffective) = match attempt.waits {
        Waits::Response => (Outcome::Timeout, true),
        Waits::Credentials => (Outcome::Unauthorized, false),
        Waits::Interval => (Outcome::Rejected, true),
    };
    numbers.count_result(attempt.peer, attempt.agent, outcome);
    numbers.cell(attempt.peer).ineffective += u64::from(ineffective);
}
