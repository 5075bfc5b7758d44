//! An attempt, from its INVITE to its final answer.

use crate::wire::sip::Start;

use super::cell::CellKey;
use super::country::Country;
use super::dialog::{Again, Call, Confirmed, State};
use super::hold::Hold;
use super::names::Names;
use super::outcome::{Cause, EndedBy, Event, Outcome, Refusal, of_event, of_refusal};
use super::{Context, Effect, Signalling, reason};

impl Signalling {
    /// An INVITE without a To tag: a new call, the same attempt on its next hop, or the attempt again.
    pub(super) fn invite(&mut self, at: &Context<'_, '_>, known: Option<u32>) -> Option<u32> {
        let Some(id) = known else { return Some(self.new_call(at)) };
        let cseq = at.message.cseq.map_or(0, |(number, _)| number);
        let site = &self.site;
        let call = self.calls.get_mut(id)?;
        let is_tag_known = at.marks.from_tag == call.caller_tag;
        // Some clients answer a challenge under a new tag, and some keep one Call-ID for all that they do.
        let is_later = if is_tag_known { cseq > call.cseq } else { at.from.ip == call.source.ip };
        let is_other_branch = is_tag_known && cseq == call.cseq && at.marks.branch != call.branch;
        let is_passed_on =
            !is_tag_known && at.from != call.source && site.is_passed_on(call.destination.ip, at.from.ip);
        let is_over = call.state == State::Ended;
        if is_over && is_later && (call.answered.is_some() || call.is_half_seen) {
            return Some(self.succeed(at, id, Signalling::new_call));
        }
        if call.is_conversation() && is_later && call.is_source(at.from) {
            return Some(self.again(at, id, cseq));
        }
        if is_other_branch && !call.is_source(at.from) || is_passed_on && !is_over {
            self.next_hop(at, id);
        } else if is_later && call.is_challenged() {
            call.invite_again(at.now, cseq, &at.marks);
        } else if is_over && call.answered.is_none() && (is_later || is_other_branch) {
            self.try_again(at, id, cseq);
        } else if is_other_branch && !is_over {
            call.fork(at.now, at.marks.branch);
        }
        Some(id)
    }

    /// An INVITE without To tag from the source of a call that goes on, as far as was seen: its BYE was lost, if this is no INVITE
    /// within it.
    fn again(&mut self, at: &Context<'_, '_>, id: u32, cseq: u32) -> u32 {
        let Some(call) = self.calls.get_mut(id) else { return id };
        let alive = call.last_message;
        if at.marks.from_tag == call.caller_tag {
            call.again = Some(Box::new(Again { cseq, invited: at.now, alive, agent: at.agent.family }));
            return id;
        }
        self.lose(id, alive, Event::BegunAgain);
        let id = self.succeed(at, id, Signalling::new_call);
        if let Some(call) = self.calls.get_mut(id) {
            call.is_reused = true;
        }
        id
    }

    /// Another call takes the place of one under the same Call-ID, and the messages that may still be repeated.
    fn succeed(
        &mut self,
        at: &Context<'_, '_>,
        id: u32,
        begin: impl FnOnce(&mut Self, &Context<'_, '_>) -> u32,
    ) -> u32 {
        let messages = self.calls.recent_mut(id).map(std::mem::take);
        self.leave(id, at.now, EndedBy::Timeout);
        let id = begin(self, at);
        if let (Some(recent), Some(messages)) = (self.calls.recent_mut(id), messages) {
            *recent = messages;
        }
        id
    }

    /// The answer to such an INVITE under the caller's own tag: with a To tag that nobody in the call has, it is another call's.
    pub(super) fn begun_again(&mut self, at: &Context<'_, '_>, id: u32, code: u16) -> Option<u32> {
        let call = self.calls.get_mut(id).filter(|call| call.is_conversation())?;
        let is_its_answer = (180..=299).contains(&code)
            && at.marks.from_tag == call.caller_tag
            && at.to.ip == call.source.ip
            && at.message.cseq.map(|(number, _)| number) == call.again.as_ref().map(|again| again.cseq);
        let tag = at.marks.to_tag.filter(|_| is_its_answer)?;
        let is_foreign = call.confirmed.is_foreign(tag);
        let again = call.again.take().filter(|_| is_foreign)?;
        self.lose(id, again.alive, Event::BegunAgain);
        let id = self.succeed(at, id, |signalling, at| signalling.insert(at, State::Setup));
        if let Some(call) = self.calls.get_mut(id) {
            (call.started, call.invited, call.agent) = (again.invited, again.invited, again.agent);
            call.is_reused = true;
        }
        Some(id)
    }

    /// Refused, and tried again in the same Call-ID: one call, but an attempt of its own. The CSeq is the same where a client goes
    /// on to the next server (RFC 3263 section 4.3).
    fn try_again(&mut self, at: &Context<'_, '_>, id: u32, cseq: u32) {
        let key = key(self, at);
        let Some(call) = self.calls.get_mut(id) else { return };
        (call.outcome, call.ended_by, call.ended, call.cause) = (None, None, None, None);
        (call.state, call.started, call.set_up) = (State::Setup, at.now, None);
        (call.is_counted, call.voicemail, call.replaces) = (false, false, false);
        call.key = key;
        call.had_branches |= cseq == call.cseq;
        call.invite_again(at.now, cseq, &at.marks);
        self.read_invite(at, id);
        self.schedule(id, at.now);
    }

    fn new_call(&mut self, at: &Context<'_, '_>) -> u32 {
        let id = self.insert(at, State::Setup);
        self.suspicious.invited(at, &self.site, &mut self.numbers.suspicious);
        self.read_invite(at, id);
        let Some(call) = self.calls.get(id) else { return id };
        let serial = call.serial;
        if let Some(root) = self.legs.join(at.now, (serial, at.marks.call_id), at.message, &self.calls) {
            self.effects.push(Effect::Joined { leg: serial, call: root });
            if let Some(call) = self.calls.get_mut(id) {
                call.leg_of = root;
            }
            if let Some(root) = self.calls.by_serial(root) {
                self.next_hop(at, root);
            }
        }
        id
    }

    /// A call that is new to the table, in a state that its first message shows.
    pub(super) fn insert(&mut self, at: &Context<'_, '_>, state: State) -> u32 {
        if self.calls.is_full() {
            self.make_room(at.now);
        }
        let (source, destination) = at.way();
        let country = match self.settings.countries {
            true => Country::called(at.message, &self.settings.business.plan),
            false => Country::UNKNOWN,
        };
        let call = Call {
            serial: 0,
            call_id: at.marks.call_id,
            leg_of: 0,
            names: Names::new(at.message.call_id, at.message.from, at.message.to),
            source,
            destination,
            key: key(self, at),
            state,
            is_counted: false,
            is_half_seen: false,
            is_reused: false,
            again: None,
            caller_tag: at.marks.from_tag,
            cseq: at.message.cseq.map_or(0, |(number, _)| number),
            branch: at.marks.branch,
            forks: 0,
            refusals: 0,
            had_branches: false,
            started: at.now,
            invited: at.now,
            set_up: None,
            answered: None,
            ended: None,
            last_message: at.now,
            look_at: None,
            session_ends: None,
            confirmed: Confirmed::default(),
            hold: Hold::default(),
            bye: None,
            referred: None,
            final_status: None,
            proceeding: false,
            cancels: 0,
            replaces: false,
            voicemail: false,
            outcome: None,
            ended_by: None,
            cause: None,
            agent: at.agent.family,
            country,
            mos: None,
        };
        let id = self.calls.insert(call);
        self.schedule(id, at.now);
        id
    }

    /// What an INVITE says of where it goes and why.
    fn read_invite(&mut self, at: &Context<'_, '_>, id: u32) {
        let uri = match at.message.start {
            Start::Request { uri, .. } => uri,
            Start::Response { .. } => &[],
        };
        self.look_for_voicemail(at, id, uri);
        if let Some(call) = self.calls.get_mut(id) {
            call.replaces |= at.message.header(b"Replaces", None).is_some();
        }
    }

    /// Whether a message says that the call goes to a voicemail; what is known of a leg is known of its call.
    fn look_for_voicemail(&mut self, at: &Context<'_, '_>, id: u32, uri: &[u8]) {
        let is_reached = self.settings.voicemail.is_reached(uri, at.message);
        let Some(call) = self.calls.get_mut(id) else { return };
        call.voicemail |= is_reached;
        let (voicemail, root) = (call.voicemail, call.leg_of);
        if voicemail
            && root != 0
            && let Some(root) = self.calls.by_serial(root).and_then(|root| self.calls.get_mut(root))
        {
            root.voicemail = true;
        }
    }

    /// The INVITE goes on, through this host or behind it: there the call goes, until it is counted.
    fn next_hop(&mut self, at: &Context<'_, '_>, id: u32) {
        let (direction, destination) = match self.calls.get(id) {
            Some(call) => (self.site.direction(call.source.ip, at.to.ip), self.site.peer(at.to.ip)),
            None => return,
        };
        if let Some(call) = self.calls.get_mut(id).filter(|call| !call.is_counted) {
            (call.key.direction, call.key.destination) = (direction, destination);
        }
        self.read_invite(at, id);
    }

    /// The attempt is counted once it is known where it goes: at the first answer from there, or when time is up.
    pub(super) fn settle(&mut self, id: u32) {
        let Some(call) = self.calls.get_mut(id).filter(|call| !call.is_counted) else { return };
        call.is_counted = true;
        if call.leg_of != 0 {
            return;
        }
        call.key = self.numbers.admit(call.key);
        let cell = self.numbers.cell(call.key);
        cell.moved(None, call.state);
        if call.is_half_seen {
            cell.half_seen += 1;
        } else {
            cell.attempts += 1;
            self.business.begun(call.started, &mut self.numbers.business);
        }
    }

    /// Moves a call to another state, in the numbers too.
    pub(super) fn enter(&mut self, id: u32, state: State) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let before = std::mem::replace(&mut call.state, state);
        if call.is_counted && call.leg_of == 0 {
            self.numbers.cell(call.key).moved(Some(before), state);
        }
    }

    pub(super) fn provisional(&mut self, at: &Context<'_, '_>, id: u32, code: u16) {
        let Some(call) = self.calls.get_mut(id) else { return };
        call.proceeding = true;
        if code > 100 {
            // Timer C begins anew (RFC 3261 section 16.7, step 2).
            call.invited = at.now;
        }
        if let Some(tag) = at.marks.to_tag.filter(|_| code > 100 && call.is_on_first_hop(at.marks.branch, at.way())) {
            match code {
                // Early Dialog Terminated (RFC 6228).
                199 => _ = call.confirmed.leave(tag, false),
                _ => call.confirmed.ring(tag),
            }
        }
        // 181 Call Is Being Forwarded says where to (RFC 5806, RFC 7044).
        if code == 181 {
            self.look_for_voicemail(at, id, &[]);
        }
        let Some(call) = self.calls.get_mut(id) else { return };
        // 18x: 180, 181, 182, 183 (RFC 3261 section 21.1).
        if call.state == State::Setup && (180..=189).contains(&code) {
            call.set_up = Some(at.now);
            let (key, delay, is_attempt) = (call.key, at.now.seconds_since(call.started), call.is_attempt());
            self.settle(id);
            self.enter(id, State::Ringing);
            if is_attempt {
                self.numbers.cell(key).setup.observe(delay);
            }
        }
    }

    pub(super) fn answer(&mut self, at: &Context<'_, '_>, id: u32, code: u16) {
        let Some(call) = self.calls.get_mut(id).filter(|call| call.state != State::Ended) else { return };
        // Behind a proxy that writes its own tags the same answer has another one.
        if let Some(tag) = at.marks.to_tag.filter(|_| call.is_on_first_hop(at.marks.branch, at.way())) {
            call.confirmed.add(tag);
        }
        if call.is_conversation() {
            return;
        }
        self.look_for_voicemail(at, id, &[]);
        self.settle(id);
        self.enter(id, State::Answered);
        let Some(call) = self.calls.get_mut(id) else { return };
        let (key, delay, is_attempt) = (call.key, at.now.seconds_since(call.started), call.is_attempt());
        let is_set_up = call.set_up.is_some();
        call.set_up.get_or_insert(at.now);
        (call.answered, call.final_status) = (Some(at.now), Some(code));
        if call.replaces && call.leg_of == 0 {
            self.numbers.count_transfer("replaces", key.direction);
        }
        if is_attempt {
            self.business.answered(at.now, call, &mut self.numbers.business);
            let cell = self.numbers.cell(key);
            cell.answers += 1;
            cell.answer.observe(delay);
            if !is_set_up {
                cell.setup.observe(delay);
            }
        }
    }

    pub(super) fn refused(&mut self, at: &Context<'_, '_>, id: u32, code: u16) {
        let Some(call) = self.calls.get_mut(id) else { return };
        // A refusal behind a proxy is the proxy's to deal with; what reaches the caller counts.
        let is_to_the_caller = call.is_on_first_hop(at.marks.branch, at.way());
        if call.is_conversation() || call.state == State::Ended || !is_to_the_caller {
            return;
        }
        if call.refusals < call.forks {
            call.refusals += 1;
            call.cancels = call.cancels.saturating_sub(u8::from(code == 487));
            if code >= 600 {
                call.final_status = Some(code);
            }
            return;
        }
        // RFC 3261 section 16.7, step 6: a 6xx of another branch goes before all others.
        let code = call.final_status.filter(|code| *code >= 600).unwrap_or(code);
        call.final_status = Some(code);
        if call.is_challenged() {
            return self.schedule(id, at.now);
        }
        let reason = reason::of(at.message);
        let peers = [call.key.origin, call.key.destination];
        let refusal = Refusal { code, cause: reason.cause, rang: call.set_up.is_some(), peers };
        let outcome = match call.is_cancelled() {
            true => Outcome::Cancelled,
            false => of_refusal(&self.settings.outcomes, &refusal),
        };
        let by = if outcome == Outcome::Cancelled { EndedBy::Caller } else { EndedBy::Callee };
        // Where the caller gave up, its own reason counts.
        call.cause = call.cause.or(reason.cause.map(Cause::of_q850)).or(Some(Cause::of_status(code)));
        let (delay, is_attempt) = (at.now.seconds_since(call.started), call.is_attempt());
        self.end(id, at.now, outcome, by);
        // RFC 6076 section 4.3.2: a redirection is no failure, and 402 asks for something, as 401 and 407 do.
        let is_failure = code >= 400 && code != 402;
        if let Some(call) = self.calls.get(id).filter(|_| is_attempt && is_failure) {
            self.numbers.cell(call.key).failure.observe(delay);
        }
    }

    /// CANCEL goes hop by hop: only the caller's own gives the attempt up, a proxy's ends a branch. Where the caller is out of sight,
    /// it has given up what its proxy has given up on all branches, if not because of a 6xx (RFC 3261 section 16.7, step 5).
    pub(super) fn cancel(&mut self, at: &Context<'_, '_>, id: u32) {
        if let Some(call) = self.calls.get_mut(id)
            && matches!(call.state, State::Setup | State::Ringing)
            && call.is_on_first_hop(at.marks.branch, at.way())
            && call.final_status.is_none_or(|code| code < 600)
        {
            call.cancels = call.cancels.saturating_add(1);
            if call.is_cancelled() {
                call.invited = at.now;
                call.cause = reason::of(at.message).class();
                self.schedule(id, at.now);
            }
        }
    }
}

/// The labels of an attempt by its first hop.
fn key(signalling: &Signalling, at: &Context<'_, '_>) -> CellKey {
    let (source, destination) = at.way();
    CellKey {
        direction: signalling.site.direction(source.ip, destination.ip),
        origin: signalling.site.peer(source.ip),
        destination: signalling.site.peer(destination.ip),
    }
}

/// How an attempt ended that got no final answer in time, or only a challenge.
pub(super) fn unanswered(call: &Call) -> Outcome {
    of_event(match call.state {
        _ if call.is_cancelled() => Event::CancelAndSilence,
        _ if call.is_challenged() => Event::ChallengeUnanswered,
        State::Ringing => Event::OnlyProvisional,
        _ if call.proceeding => Event::OnlyProvisional,
        _ => Event::NoResponse,
    })
}
