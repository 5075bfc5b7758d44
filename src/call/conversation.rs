//! What happens within a call: session descriptions, holds, session timers, transfers, its end by BYE.

use std::time::Duration;

use crate::time::Timestamp;
use crate::wire::sdp;
use crate::wire::sip::{Message, Method, Party, Start};

use super::dialog::{Call, State};
use super::hold::Turn;
use super::outcome::{Cause, EndedBy, Event, Outcome, of_bye, of_event};
use super::{Context, Effect, Signalling, reason};

impl Signalling {
    pub(super) fn request(&mut self, at: &Context<'_, '_>, method: Method) {
        let mut known = at.call;
        if method == Method::Invite && at.message.cseq.is_some() {
            known = match at.marks.to_tag {
                None => self.invite(at, known),
                Some(_) => known.or_else(|| Some(self.half_seen(at, State::Answered))),
            };
        }
        let Some(id) = known else { return };
        let Some(call) = self.calls.get_mut(id) else { return };
        call.last_message = at.now;
        let party = call.party(at.marks.from_tag);
        match method {
            Method::Cancel => self.cancel(at, id),
            Method::Bye => return self.bye(at, id, party),
            Method::Ack if party == Party::Caller => self.acknowledged(at, id),
            Method::Invite | Method::Update if call.is_conversation() => {
                self.effects.push(Effect::Offered { call: call.serial });
            }
            _ => {}
        }
        self.session(at, id, method, party);
    }

    pub(super) fn response(&mut self, at: &Context<'_, '_>, method: Method, code: u16) {
        let mut known = at.call;
        if known.is_none() && method == Method::Invite && at.marks.to_tag.is_some() {
            known = match code {
                180..=189 => Some(self.half_seen(at, State::Ringing)),
                200..=299 => Some(self.half_seen(at, State::Answered)),
                _ => None,
            };
        }
        let Some(id) = known else { return };
        let id = match method {
            Method::Invite => self.begun_again(at, id, code).unwrap_or(id),
            _ => id,
        };
        let Some(call) = self.calls.get_mut(id) else { return };
        call.last_message = at.now;
        let asked_by_caller = at.marks.from_tag == call.caller_tag;
        let cseq = at.message.cseq.map(|(number, _)| number);
        // The challenge, or the INVITE that answered it, was not captured. Some send several INVITEs where one is to be repeated.
        let is_silent = call.state == State::Setup && !call.proceeding && (101..=299).contains(&code);
        if method == Method::Invite
            && asked_by_caller
            && (call.is_challenged() || is_silent)
            && at.way() == (call.source, call.destination)
            && let Some(later) = cseq.filter(|number| *number > call.cseq)
        {
            call.invite_again(at.now, later, &at.marks);
        }
        let initial = method == Method::Invite && asked_by_caller && cseq == Some(call.cseq);
        if initial {
            match code {
                100..=199 => self.provisional(at, id, code),
                200..=299 => self.answer(at, id, code),
                _ => self.refused(at, id, code),
            }
        }
        if (101..=299).contains(&code) && self.is_of_the_dialog(at, id, initial) {
            // The answer comes from whoever was asked.
            self.session(at, id, method, if asked_by_caller { Party::Callee } else { Party::Caller });
        }
        if code >= 200 {
            self.final_response(at, id, method, code, initial);
        }
        // A BYE that was not captured: with the first one, seen or not, a dialog is left.
        if method == Method::Bye && (200..=299).contains(&code) && self.calls.get(id).is_some_and(Call::is_conversation)
        {
            self.bye(at, id, if asked_by_caller { Party::Caller } else { Party::Callee });
            if let Some(call) = self.calls.get_mut(id) {
                call.bye = None;
            }
        }
    }

    /// The ACK of a 2xx, unlike that of a refusal, is a transaction of its own (RFC 3261 sections 13.2.2.4, 17.1.1.3): it shows an
    /// answer that was not captured.
    fn acknowledged(&mut self, at: &Context<'_, '_>, id: u32) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let is_answered = matches!(call.state, State::Setup | State::Ringing)
            && !call.is_challenged()
            && !call.had_branches
            && at.marks.branch != call.branch
            && at.message.cseq.is_some_and(|(number, _)| number == call.cseq)
            && call.is_source(at.from);
        let Some(tag) = at.marks.to_tag.filter(|_| is_answered) else { return };
        call.confirmed.add(tag);
        let serial = call.serial;
        self.answer(at, id, 200);
        self.effects.push(Effect::Answered { call: serial });
    }

    /// Of several forks that answered only the first one's description is the call's.
    fn is_of_the_dialog(&self, at: &Context<'_, '_>, id: u32, initial: bool) -> bool {
        self.calls.get(id).is_some_and(|call| {
            let on_first_hop = initial && at.marks.branch == call.branch;
            !on_first_hop || !call.is_conversation() || at.marks.to_tag.is_none_or(|tag| call.confirmed.is_first(tag))
        })
    }

    fn final_response(&mut self, at: &Context<'_, '_>, id: u32, method: Method, code: u16, initial: bool) {
        let agreed = code < 300;
        if agreed && matches!(method, Method::Invite | Method::Update) {
            self.set_session_timer(at, id);
        }
        let Some(call) = self.calls.get_mut(id) else { return };
        match method {
            Method::Invite | Method::Update => {
                if !agreed && !initial {
                    call.hold.refused();
                }
                if !initial || call.is_half_seen {
                    self.effects.push(Effect::Settled { call: call.serial, agreed });
                }
                if initial && agreed {
                    self.effects.push(Effect::Answered { call: call.serial });
                }
            }
            Method::Refer if agreed && call.leg_of == 0 => {
                // Both parties number their own requests.
                let request = at.message.cseq.map(|(number, _)| number ^ at.marks.from_tag as u32);
                // On a proxy the same answer passes twice.
                if std::mem::replace(&mut call.referred, request) != request {
                    self.numbers.count_transfer("refer", call.key.direction);
                }
            }
            _ => {}
        }
        self.dialog_unknown(at, id, method, code);
    }

    /// A 2xx says when the session ends that nobody refreshes; one that says nothing ends the timer (RFC 4028 section 7.2).
    fn set_session_timer(&mut self, at: &Context<'_, '_>, id: u32) {
        let Some(call) = self.calls.get_mut(id) else { return };
        call.session_ends = session_expires(at.message).map(|seconds| at.now + seconds);
        if call.session_ends.is_some() {
            self.schedule(id, at.now);
        }
    }

    /// Who is asked within a call and does not know it has lost it. A BYE follows, but where the call was known by nothing else.
    fn dialog_unknown(&mut self, at: &Context<'_, '_>, id: u32, method: Method, code: u16) {
        let is_refused = code == 481 && matches!(method, Method::Invite | Method::Update);
        if is_refused && self.calls.get(id).is_some_and(|call| call.is_conversation() && call.is_half_seen) {
            self.lose(id, at.now, Event::DialogUnknown);
        }
    }

    /// A call whose beginning was not seen: the capture began later, or the call was forgotten.
    fn half_seen(&mut self, at: &Context<'_, '_>, state: State) -> u32 {
        let id = self.insert(at, state);
        if let Some(call) = self.calls.get_mut(id) {
            call.is_half_seen = true;
            call.proceeding = true;
        }
        self.settle(id);
        id
    }

    fn bye(&mut self, at: &Context<'_, '_>, id: u32, party: Party) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let callee_tag = match party {
            Party::Caller => at.marks.to_tag,
            Party::Callee => Some(at.marks.from_tag),
        };
        let is_answered = call.is_conversation();
        // Of the call that had the Call-ID before.
        let is_another = call.is_reused && ![Some(at.marks.from_tag), at.marks.to_tag].contains(&Some(call.caller_tag));
        if call.state == State::Ended
            || is_another
            || callee_tag.is_some_and(|tag| call.confirmed.leave(tag, is_answered))
        {
            return;
        }
        let by = if party == Party::Caller { EndedBy::Caller } else { EndedBy::Callee };
        let reason = reason::of(at.message);
        call.cause = Some(reason.class().unwrap_or_default());
        call.bye = Some(at.marks.branch);
        let outcome = match call.is_conversation() {
            true => of_bye(reason, call.voicemail),
            false => of_event(Event::ByeBeforeAnswer),
        };
        self.end(id, at.now, outcome, by);
        let Some(call) = self.calls.get(id).filter(|call| call.is_attempt()) else { return };
        if let Some(answered) = call.answered {
            self.numbers.cell(call.key).duration.observe(at.now.seconds_since(answered));
        }
    }

    /// The first response to the BYE that ended the call.
    pub(super) fn bye_answered(&mut self, at: &Context<'_, '_>, asked: Timestamp) {
        let Some(id) = at.call else { return };
        let Some(call) = self.calls.get_mut(id) else { return };
        if call.bye.take_if(|branch| *branch == at.marks.branch).is_some() && call.leg_of == 0 {
            self.numbers.cell(call.key).disconnect.observe(at.now.seconds_since(asked));
        }
    }

    /// Counts a call's end once; the call stays for the repetitions that may follow.
    pub(super) fn end(&mut self, id: u32, now: Timestamp, outcome: Outcome, by: EndedBy) {
        self.settle(id);
        self.resume(id, now);
        self.enter(id, State::Ended);
        let Some(call) = self.calls.get_mut(id) else { return };
        (call.ended, call.outcome, call.ended_by) = (Some(now), Some(outcome), Some(by));
        call.session_ends = None;
        let key = call.key;
        if call.leg_of == 0 {
            let cause =
                *call.cause.get_or_insert(if by == EndedBy::Timeout { Cause::ProtocolError } else { Cause::Normal });
            self.numbers.count_release(by, cause, key.direction);
        }
        if call.is_attempt() {
            self.business.ended(now, call, &mut self.numbers.business);
            self.suspicious.ended(now, call, outcome, &self.site, &mut self.numbers.suspicious);
            self.numbers.count_end(key, outcome, call.final_status);
            self.numbers.breakdown.count_end(call, outcome);
        }
        self.ended.push_back(call.serial);
        self.effects.push(Effect::Ended { call: call.serial });
    }

    /// An answered call whose BYE was never seen ends with its last sign of life.
    pub(super) fn lose(&mut self, id: u32, alive: Timestamp, event: Event) {
        self.end(id, alive, of_event(event), EndedBy::Timeout);
        let Some(call) = self.calls.get(id).filter(|call| call.is_attempt()) else { return };
        if let Some(answered) = call.answered {
            self.numbers.cell(call.key).lost.observe(alive.seconds_since(answered));
        }
    }

    /// The media of a conversation came until `last`, and has not come for so long that nobody talks any more.
    pub fn media_lost(&mut self, serial: u64, last: Timestamp) {
        if let Some(id) = self.calls.by_serial(serial)
            && self.calls.get(id).is_some_and(|call| call.state == State::Answered)
        {
            self.lose(id, last, Event::MediaSilent);
        }
    }

    /// The media side's verdict on a call that ended.
    pub fn rated(&mut self, serial: u64, mos: Option<f64>) {
        let Some(call) = self.calls.by_serial(serial).and_then(|id| self.calls.get_mut(id)) else { return };
        call.mos = mos;
        if let Some(mos) = mos.filter(|_| call.leg_of == 0) {
            self.numbers.cell(call.key).mos.observe(mos);
        }
    }

    /// Session descriptions announce where their sender receives; after the end of a call they announce nothing.
    fn session(&mut self, at: &Context<'_, '_>, id: u32, method: Method, party: Party) {
        // Elsewhere a description tells what its sender could do (RFC 3261 section 11.2), and is no offer (RFC 6337 section 2.2).
        if !matches!(method, Method::Invite | Method::Ack | Method::Prack | Method::Update) {
            return;
        }
        let Some(body) = sdp::find(at.message.content_type, at.message.body) else { return };
        let Some(call) = self.calls.get_mut(id).filter(|call| call.state != State::Ended) else { return };
        let sections = self.descriptions.parse(body);
        // The first offer and its answer are no hold: a call may begin without sound (RFC 3725).
        let is_first = method == Method::Invite
            && at.marks.from_tag == call.caller_tag
            && at.message.cseq.is_some_and(|(number, _)| number == call.cseq);
        let within = call.answered.is_some() && !is_first || call.is_half_seen;
        let turn = match at.message.start {
            Start::Request { method: Method::Ack, .. } => Turn::Ack,
            Start::Request { .. } => Turn::Request,
            Start::Response { .. } => Turn::Response,
        };
        let changed = within && call.is_conversation() && call.hold.described(party, turn, &sections);
        let (serial, direction) = (call.serial, call.key.direction);
        if changed {
            match call.hold.is_on() {
                true => self.suspend(id, at.now),
                false => self.resume(id, at.now),
            }
        }
        self.effects.push(Effect::Describe { call: serial, direction, party, sections });
    }

    fn suspend(&mut self, id: u32, now: Timestamp) {
        let Some(call) = self.calls.get_mut(id).filter(|call| call.state == State::Answered) else { return };
        call.hold.begin(now);
        self.enter(id, State::Held);
    }

    fn resume(&mut self, id: u32, now: Timestamp) {
        let Some(call) = self.calls.get_mut(id).filter(|call| call.state == State::Held) else { return };
        let (seconds, key, counts) = (call.hold.end(now), call.key, call.leg_of == 0);
        self.enter(id, State::Answered);
        if let Some(seconds) = seconds.filter(|_| counts) {
            self.numbers.cell(key).hold.observe(seconds);
        }
    }
}

/// A Session-Expires value (RFC 4028 section 4).
fn session_expires(message: &Message<'_>) -> Option<Duration> {
    let value = message.header(b"Session-Expires", Some(b'x'))?;
    let digits = value.split(|&b| b == b';').next()?.trim_ascii();
    let seconds = std::str::from_utf8(digits).ok()?.parse::<u32>().ok().filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds.into()))
}
