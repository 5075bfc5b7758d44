//! What time does to calls: timers, the end of the capture, and room for others.

use crate::time::Timestamp;

use super::attempt::unanswered;
use super::dialog::{Call, State};
use super::outcome::{EndedBy, Event, of_event};
use super::{Effect, Signalling};

/// RFC 3261 section 17.1.1.2: 64 * T1, for so long a message of a call that ended may be repeated.
const LINGER_NANOS: i64 = 32_000_000_000;
/// An attempt that nobody answers is counted after so long: by then it has passed all hops of this host.
const SETTLE_NANOS: i64 = 1_000_000_000;
/// RFC 4028 section 10: whoever misses the refresh sends BYE up to 32 s before the session expires; after it that is late.
const EXPIRY_GRACE_NANOS: i64 = 32_000_000_000;

/// What time has done to a call.
enum Due {
    Nothing,
    Settle,
    Leave,
    /// Nobody answered.
    Unanswered,
    /// It was answered, and lost; its last sign of life.
    Lost(Timestamp, Event),
}

impl Signalling {
    /// Ends what has timed out and forgets what has lingered. Called about once a second.
    pub fn tick(&mut self, now: Timestamp) {
        for at in 0..self.calls.slots() {
            let Some(call) = self.calls.get(at) else { continue };
            match self.due(call, now) {
                Due::Nothing => {}
                Due::Settle => self.settle(at),
                Due::Leave => self.leave(at, now, EndedBy::Timeout),
                Due::Unanswered => self.end(at, now, unanswered(call), EndedBy::Timeout),
                Due::Lost(alive, event) => self.lose(at, alive, event),
            }
        }
        self.registrations.tick(now, &mut self.numbers.registrations);
        self.business.tick(now);
    }

    fn due(&self, call: &Call, now: Timestamp) -> Due {
        let over = |since: Timestamp, limit: i64| now.nanos_since(since) > limit;
        match call.state {
            State::Ended if call.ended.is_some_and(|ended| over(ended, LINGER_NANOS)) => Due::Leave,
            State::Ended => Due::Nothing,
            State::Answered | State::Held => {
                if let Some(ends) = call.session_ends.filter(|ends| over(*ends, EXPIRY_GRACE_NANOS)) {
                    Due::Lost(ends, Event::SessionExpired)
                } else if over(call.answered.unwrap_or(call.started), self.settings.max_duration_nanos) {
                    Due::Lost(now, Event::MaximumDuration)
                } else {
                    Due::Nothing
                }
            }
            State::Setup | State::Ringing => {
                let limit = match call.proceeding && !call.is_challenged() {
                    true => self.settings.ring_timeout_nanos,
                    false => self.settings.setup_timeout_nanos,
                };
                match over(call.invited, limit) {
                    true => Due::Unanswered,
                    false if !call.is_counted && over(call.invited, SETTLE_NANOS) => Due::Settle,
                    false => Due::Nothing,
                }
            }
        }
    }

    /// Takes a call out of the table; one that is still in progress ends.
    pub(super) fn leave(&mut self, at: u32, now: Timestamp, by: EndedBy) {
        let Some(call) = self.calls.get(at) else { return };
        if call.state != State::Ended {
            self.end(at, now, of_event(Event::Evicted), by);
        }
        let Some(call) = self.calls.remove(at) else { return };
        let waited = call.ended.is_some_and(|ended| now.nanos_since(ended) > LINGER_NANOS);
        if call.bye.is_some() && waited && call.leg_of == 0 {
            self.numbers.cell(call.key).disconnect_timeouts += 1;
        }
        if self.settings.keep_reports {
            self.reports.push(call);
        }
    }

    /// The capture is over. Calls in progress stay so in the numbers; attempts that only wait for credentials are ended.
    pub fn finish(&mut self, now: Timestamp) -> Vec<Call> {
        for at in 0..self.calls.slots() {
            if let Some(call) = self.calls.get(at).filter(|call| call.is_challenged()) {
                self.end(at, now, unanswered(call), EndedBy::CaptureEnd);
            }
            self.settle(at);
        }
        self.registrations.finish(now, &mut self.numbers.registrations);
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
    pub fn tracked(&self) -> impl IntoIterator<Item = (&'static str, usize)> {
        let (attempts, bindings) = self.registrations.lengths();
        let (sources, credentials) = self.suspicious.lengths();
        [
            ("calls", self.calls.len()),
            ("transactions", self.transactions.len()),
            ("passing_messages", self.relays.len()),
            ("leg_headers", self.legs.len()),
            ("registration_attempts", attempts),
            ("registrations", bindings),
            ("voice_reports", self.voice_reports.len()),
            ("missed_calls", self.business.missed_calls().0),
            ("suspicious_sources", sources),
            ("credentials", credentials),
            ("agents", self.agents.len()),
        ]
    }

    /// Entries that gave way at the cap of each table.
    pub fn evicted(&self) -> impl IntoIterator<Item = (&'static str, u64)> {
        let (attempts, bindings) = self.registrations.evicted();
        let (sources, credentials) = self.suspicious.evicted();
        [
            ("calls", self.calls.evicted),
            ("transactions", self.transactions.evicted()),
            ("passing_messages", self.relays.evicted()),
            ("leg_headers", self.legs.evicted()),
            ("registration_attempts", attempts),
            ("registrations", bindings),
            ("voice_reports", self.voice_reports.evicted()),
            ("missed_calls", self.business.missed_calls().1),
            ("suspicious_sources", sources),
            ("credentials", credentials),
            ("agents", self.agents.evicted()),
        ]
    }
}
