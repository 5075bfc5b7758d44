//! What time does to calls: timers, the end of the capture, and room for others.

use crate::time::Timestamp;

use super::dialog::{Call, State};
use super::outcome::{EndedBy, Outcome};
use super::{Effect, Signalling};

/// RFC 3261 section 17.1.1.2: 64 * T1, for so long a message of a call that ended may be repeated.
const LINGER_NANOS: i64 = 32_000_000_000;

impl Signalling {
    /// Ends what has timed out and forgets what has lingered. Called about once a second.
    pub fn tick(&mut self, now: Timestamp) {
        for at in 0..self.calls.slots() {
            let Some(call) = self.calls.get(at) else { continue };
            if call.ended.is_some_and(|ended| now.nanos_since(ended) > LINGER_NANOS) {
                self.leave(at, now, EndedBy::Timeout);
            } else if let Some(outcome) = self.timed_out(call, now) {
                let call_id = call.call_id.clone();
                self.end(&call_id, now, outcome, EndedBy::Timeout);
            }
        }
        self.registrations.tick(now, &mut self.numbers);
    }

    /// The outcome of a call that has waited too long for its next message.
    fn timed_out(&self, call: &Call, now: Timestamp) -> Option<Outcome> {
        let waited = now.nanos_since(call.invited);
        match call.state {
            State::Ended => None,
            State::Answered => {
                let talked = call.answered.map_or(0, |answered| now.nanos_since(answered));
                (talked > self.settings.max_duration_nanos).then_some(Outcome::Dropped)
            }
            State::Setup | State::Ringing => {
                let limit = match call.proceeding && !call.is_challenged() {
                    true => self.settings.ring_timeout_nanos,
                    false => self.settings.setup_timeout_nanos,
                };
                (waited > limit).then(|| unanswered(call))
            }
        }
    }

    /// Takes a call out of the table; one that is still in progress ends.
    pub(super) fn leave(&mut self, at: u32, now: Timestamp, by: EndedBy) {
        let Some(call) = self.calls.get(at) else { return };
        if call.state != State::Ended {
            let call_id = call.call_id.clone();
            self.end(&call_id, now, Outcome::Unknown, by);
        }
        if let Some(call) = self.calls.remove(at)
            && self.settings.keep_reports
        {
            self.reports.push(call);
        }
    }

    /// The capture is over. Calls in progress stay so in the numbers; attempts that only wait for credentials are ended.
    pub fn finish(&mut self, now: Timestamp) -> Vec<Call> {
        for at in 0..self.calls.slots() {
            if let Some(call) = self.calls.get(at).filter(|call| call.is_challenged()) {
                let (call_id, outcome) = (call.call_id.clone(), unanswered(call));
                self.end(&call_id, now, outcome, EndedBy::CaptureEnd);
            }
        }
        self.registrations.finish(&mut self.numbers);
        let mut calls = std::mem::take(&mut self.reports);
        for at in 0..self.calls.slots() {
            if let Some(call) = self.calls.get(at) {
                if call.state != State::Ended {
                    self.effects.push(Effect::Ended { call: call.serial });
                }
                calls.push(call.clone());
            }
        }
        calls.sort_by_key(|call| call.serial);
        calls
    }

    /// Entries in each table, for `sidetone_tracked_entries`.
    pub fn tracked(&self) -> [(&'static str, usize); 6] {
        let (attempts, bindings) = self.registrations.lengths();
        [
            ("calls", self.calls.len()),
            ("transactions", self.transactions.len()),
            ("passing_messages", self.relays.len()),
            ("registration_attempts", attempts),
            ("registrations", bindings),
            ("voice_reports", self.voice_reports.len()),
        ]
    }

    /// Entries that gave way at the cap of each table.
    pub fn evicted(&self) -> [(&'static str, u64); 6] {
        [
            ("calls", self.calls.evicted),
            ("transactions", self.transactions.evicted()),
            ("passing_messages", self.relays.evicted()),
            ("registration_attempts", self.registrations.evicted_attempts),
            ("registrations", self.registrations.evicted_bindings),
            ("voice_reports", self.voice_reports.evicted()),
        ]
    }
}

/// The outcome of an attempt that got no final answer, or only a challenge.
fn unanswered(call: &Call) -> Outcome {
    match call.state {
        _ if call.cancelled => Outcome::Cancelled,
        _ if call.is_challenged() => Outcome::Rejected,
        State::Ringing => Outcome::NoAnswer,
        _ if call.proceeding => Outcome::NoAnswer,
        _ => Outcome::NetworkFailure,
    }
}
