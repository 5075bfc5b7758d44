//! What time does to calls: timers, the end of the capture, and room for others.

use crate::agenda::is_current;
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
/// So many calls ahead the memory of the next one is asked for.
const AHEAD: usize = 8;
/// Calls are looked at once in so long at most.
const TICK_NANOS: i64 = 1_000_000_000;

impl Signalling {
    /// Ends what has timed out and forgets what has lingered. Called about once a second.
    pub fn tick(&mut self, now: Timestamp) {
        let due = self.agenda.due(now);
        for (number, (at, serial)) in due.iter().copied().enumerate() {
            if let Some((_, later)) = due.get(number + AHEAD) {
                self.calls.fetch_by_serial(*later);
            }
            let id = self.calls.by_serial(serial);
            let is_due = |call: &mut Call| is_current(&mut call.look_at, at) && call.state != State::Ended;
            if let Some(id) = id.filter(|id| self.calls.get_mut(*id).is_some_and(is_due)) {
                self.look(id, now);
            }
        }
        while let Some(serial) = self.ended.front().copied() {
            self.fetch_ended();
            match self.calls.by_serial(serial).and_then(|id| Some((id, self.calls.get(id)?.ended?))) {
                Some((_, ended)) if now.nanos_since(ended) <= LINGER_NANOS => break,
                Some((id, _)) => self.leave(id, now, EndedBy::Timeout),
                // It has left, or was tried again.
                None => {}
            }
            self.ended.pop_front();
        }
        self.registrations.tick(now, &mut self.numbers.registrations);
        self.business.tick(now);
        self.transactions.expire(now);
        self.legs.expire(now);
        self.voice_reports.expire(now);
        self.suspicious.expire(now);
        self.agents.expire(now);
    }

    /// Asks for the memory of those that leave soon, and then for their places in the index.
    fn fetch_ended(&self) {
        if let Some(later) = self.ended.get(AHEAD) {
            self.calls.fetch_by_serial(*later);
        }
        if let Some(call) = self.ended.get(AHEAD / 2).and_then(|next| self.calls.get(self.calls.by_serial(*next)?)) {
            self.calls.announce(call.call_id);
        }
    }

    /// The wall clock is `nanos` ahead of the time that is given here, since somebody set it.
    pub fn clock_was_set(&mut self, nanos: i64) {
        self.business.clock_was_set(nanos);
    }

    /// Does what time has made due for a call that has not ended.
    fn look(&mut self, id: u32, now: Timestamp) {
        let Some(call) = self.calls.get(id) else { return };
        let over = |since: Timestamp, limit: i64| now.nanos_since(since) > limit;
        if call.is_conversation() {
            if let Some(ends) = call.session_ends.filter(|ends| over(*ends, EXPIRY_GRACE_NANOS)) {
                return self.lose(id, ends, Event::SessionExpired);
            }
            if over(call.answered.unwrap_or(call.started), self.settings.max_duration_nanos) {
                return self.lose(id, now, Event::MaximumDuration);
            }
        } else if over(call.invited, self.patience(call)) {
            return self.end(id, now, unanswered(call), EndedBy::Timeout);
        } else if over(call.invited, SETTLE_NANOS) {
            self.settle(id);
        }
        self.schedule(id, now);
    }

    /// How long an attempt waits for its next answer, nanoseconds.
    fn patience(&self, call: &Call) -> i64 {
        // RFC 3261 section 9.1: after a CANCEL it is 64 * T1 as well.
        match call.proceeding && !call.is_challenged() && !call.is_cancelled() {
            true => self.settings.ring_timeout_nanos,
            false => self.settings.setup_timeout_nanos,
        }
    }

    /// Notes when a call is to be looked at next.
    pub(super) fn schedule(&mut self, id: u32, now: Timestamp) {
        let Some(call) = self.calls.get(id) else { return };
        let due = match (call.is_conversation(), call.session_ends) {
            (true, Some(ends)) => ends.moved(EXPIRY_GRACE_NANOS),
            (true, None) => call.answered.unwrap_or(call.started).moved(self.settings.max_duration_nanos),
            (false, _) if !call.is_counted => call.invited.moved(SETTLE_NANOS),
            (false, _) => call.invited.moved(self.patience(call)),
        };
        let (due, serial) = (due.max(now.moved(TICK_NANOS)), call.serial);
        if let Some(call) = self.calls.get_mut(id) {
            self.agenda.look(now, due, serial, &mut call.look_at);
        }
    }

    /// Makes room for another call: what ended first goes, or else one of the few looked at.
    pub(super) fn make_room(&mut self, now: Timestamp) {
        let mut chosen = None;
        self.fetch_ended();
        while let Some(serial) = self.ended.pop_front() {
            let id = self.calls.by_serial(serial);
            chosen = id.filter(|id| self.calls.get(*id).is_some_and(|call| call.state == State::Ended));
            if chosen.is_some() {
                break;
            }
        }
        if let Some(id) = chosen.or_else(|| self.calls.pick_for_eviction()) {
            self.leave(id, now, EndedBy::Timeout);
            self.calls.evicted += 1;
        }
        let calls = &self.calls;
        let noted = |serial| calls.by_serial(serial).and_then(|id| calls.get(id)?.look_at);
        self.agenda.tidy(calls.len(), |at, serial| noted(serial) == Some(at));
    }

    /// Takes a call out of the table; one that is still in progress ends.
    pub(super) fn leave(&mut self, at: u32, now: Timestamp, by: EndedBy) {
        if self.calls.get(at).is_some_and(|call| call.state != State::Ended) {
            self.end(at, now, of_event(Event::Evicted), by);
        }
        let Some(call) = self.calls.get(at) else { return };
        let waited = call.ended.is_some_and(|ended| now.nanos_since(ended) > LINGER_NANOS);
        if call.bye.is_some() && waited && call.leg_of == 0 {
            self.numbers.cell(call.key).disconnect_timeouts += 1;
        }
        match self.settings.keep_reports {
            true => self.reports.extend(self.calls.take(at)),
            false => self.calls.forget(at),
        }
    }

    /// The capture is over. Calls in progress stay so in the numbers; attempts that only wait for credentials are ended. Gives all calls
    /// that there were, where they are kept for a report.
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
                if self.settings.keep_reports {
                    calls.push(call.clone());
                }
            }
        }
        calls.sort_by_key(|call| call.serial);
        calls
    }

    /// Lets tables grow no further, while memory is short.
    pub fn hold(&mut self, on: bool) {
        self.calls.hold(on);
        self.transactions.hold(on);
        self.registrations.hold(on);
    }

    /// Entries in each table, for `sidetone_tracked_entries`.
    pub fn tracked(&self) -> impl IntoIterator<Item = (&'static str, usize)> {
        let (attempts, bindings) = self.registrations.lengths();
        let (transactions, passing) = self.transactions.lengths();
        let (sources, credentials) = self.suspicious.lengths();
        [
            ("calls", self.calls.len()),
            ("transactions", transactions),
            ("passing_messages", passing),
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
        let (transactions, passing) = self.transactions.evicted();
        let (sources, credentials) = self.suspicious.evicted();
        [
            ("calls", self.calls.evicted),
            ("transactions", transactions),
            ("passing_messages", passing),
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
