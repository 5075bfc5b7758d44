//! SIP signalling: transactions, calls from attempt to end, registrations. No clock, no I/O.

mod dialog;
mod numbers;
mod outcome;
mod registrations;
mod relay;
mod sweep;
mod table;
mod transactions;
mod voice_reports;

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::site::{Direction, Site};
use crate::time::Timestamp;
use crate::wire::sip::{self, Malformed, Message, Method, Party, Start};
use crate::wire::{Endpoint, Transport, sdp};

use numbers::CellKey;
use registrations::Registrations;
use table::Table;
use transactions::{Seen, Transactions};
use voice_reports::VoiceReports;

pub use dialog::{Call, State};
pub use numbers::{FAMILIES, Numbers};
pub use outcome::{EndedBy, Outcome};
pub use voice_reports::{FAMILIES as VOICE_REPORT_FAMILIES, SeenReport};

/// What the configuration says of calls.
#[derive(Clone, Debug)]
pub struct Settings {
    pub max_calls: usize,
    pub max_transactions: usize,
    pub max_registrations: usize,
    pub setup_timeout_nanos: i64,
    pub ring_timeout_nanos: i64,
    pub max_duration_nanos: i64,
    /// Keep every call that left the table for a report (`analyze`).
    pub keep_reports: bool,
}

/// What a message means for the media side.
#[derive(Debug)]
pub enum Effect {
    /// A party of the call tells what media it sends and receives, and where: all of it, in one description.
    Describe {
        call: u64,
        direction: Direction,
        party: Party,
        sections: Vec<sdp::Media>,
    },
    /// A request within an answered call may bring another description into it.
    Offered {
        call: u64,
    },
    /// The answer to it: without agreement the call goes on as if it had not been asked (RFC 3261 section 14.1).
    Settled {
        call: u64,
        agreed: bool,
    },
    Answered {
        call: u64,
    },
    Ended {
        call: u64,
    },
}

/// All signalling state of one worker.
#[derive(Debug)]
pub struct Signalling {
    settings: Settings,
    site: Arc<Site>,
    hasher: RandomState,
    calls: Table,
    transactions: Transactions,
    relays: relay::Relays,
    registrations: Registrations,
    voice_reports: VoiceReports,
    pub numbers: Numbers,
    effects: Vec<Effect>,
    serial: u64,
    reports: Vec<Call>,
}

/// A message and where it was seen.
struct Context<'a, 'm> {
    now: Timestamp,
    from: Endpoint,
    to: Endpoint,
    message: &'a Message<'m>,
}

impl Signalling {
    pub fn new(settings: Settings, site: Arc<Site>) -> Signalling {
        Signalling {
            calls: Table::new(settings.max_calls),
            transactions: Transactions::new(settings.max_transactions),
            relays: relay::Relays::new(settings.max_transactions),
            registrations: Registrations::new(settings.max_registrations),
            voice_reports: VoiceReports::new(settings.max_calls, settings.keep_reports),
            settings,
            site,
            hasher: RandomState::default(),
            numbers: Numbers::default(),
            effects: Vec::new(),
            serial: 0,
            reports: Vec::new(),
        }
    }

    /// Takes a message; what it means for media is to be fetched with [`Self::take_effects`].
    pub fn message(
        &mut self,
        now: Timestamp,
        from: Endpoint,
        to: Endpoint,
        transport: Transport,
        message: &Message<'_>,
    ) {
        let (direction, peer) = self.site.place(from.ip, to.ip);
        let method = match message.start {
            Start::Request { method, .. } => {
                self.numbers.count_request(method, direction, peer, transport);
                method
            }
            Start::Response { code } => {
                let method = message.cseq.map_or(Method::Other, |(_, method)| method);
                self.numbers.count_response(method, code, (direction, peer), transport);
                method
            }
        };
        if let Some(problem) = message.problem {
            self.numbers.count_malformed(problem);
            if matches!(problem, Malformed::CallId | Malformed::CSeq | Malformed::CSeqMethod | Malformed::FromTo) {
                return;
            }
        }
        let context = Context { now, from, to, message };
        match (self.transactions.see(now, from, to, message), message.start) {
            (Seen::Again, Start::Request { .. }) => {
                self.numbers.count_retransmission(method, "request", peer);
                self.repeated(&context, method);
                return;
            }
            (Seen::Again, Start::Response { .. }) => {
                self.numbers.count_retransmission(method, "response", peer);
                return;
            }
            (Seen::FirstResponse(asked), _) => {
                self.numbers.observe_response(method, peer, now.seconds_since(asked));
                self.first_response(&context, method, asked);
            }
            (Seen::First, _) => {}
        }
        if let Some(seconds) = self.relays.see(now, (from, to), message, &self.site) {
            self.numbers.observe_relay(method, seconds);
        }
        match message.start {
            Start::Request { method: Method::Register, .. } => self.registrations.request(now, peer, message),
            Start::Response { code } if method == Method::Register => {
                self.registrations.response(now, code, message, &mut self.numbers);
            }
            Start::Request { method, .. } => {
                if matches!(method, Method::Publish | Method::Notify) {
                    let content = (message.content_type, message.body);
                    self.voice_reports.take(now, (from, peer), content, &mut self.numbers.voice_reports);
                }
                self.request(&context, method);
            }
            Start::Response { code } => self.response(&context, method, code),
        }
    }

    /// Datagrams on a SIP port that are no message.
    pub fn malformed(&mut self, reason: Malformed) {
        self.numbers.count_malformed(reason);
    }

    /// Voice quality reports since the last call, and how many there was no room for.
    pub fn take_voice_reports(&mut self) -> (Vec<SeenReport>, u64) {
        self.voice_reports.take_kept()
    }

    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    fn tag(&self, value: &[u8]) -> u64 {
        self.hasher.hash_one(sip::parameter(value, b"tag").unwrap_or(&[]))
    }

    /// A request and its responses carry the same top Via branch on one hop, and another on the next (RFC 3261 section 16.6).
    fn branch(&self, message: &Message<'_>) -> u64 {
        self.hasher.hash_one(sip::parameter(message.via, b"branch").unwrap_or(&[]))
    }

    /// A repeated INVITE starts the wait for an answer anew.
    fn repeated(&mut self, at: &Context<'_, '_>, method: Method) {
        if method == Method::Invite
            && let Some(call) = self.calls.find(at.message.call_id)
            && at.message.cseq.is_some_and(|(number, _)| number == call.cseq)
        {
            call.invited = at.now;
            call.last_message = at.now;
        }
    }

    fn first_response(&mut self, at: &Context<'_, '_>, method: Method, asked: Timestamp) {
        if method == Method::Bye
            && let Some(call) = self.calls.find(at.message.call_id)
        {
            let key = call.key;
            self.numbers.cell(key).disconnect.observe(at.now.seconds_since(asked));
        }
    }

    fn request(&mut self, at: &Context<'_, '_>, method: Method) {
        if method == Method::Invite && sip::parameter(at.message.to, b"tag").is_none() {
            self.invite(at);
        }
        let from_tag = self.tag(at.message.from);
        let Some(call) = self.calls.find(at.message.call_id) else { return };
        call.last_message = at.now;
        let party = if from_tag == call.caller_tag { Party::Caller } else { Party::Callee };
        match method {
            Method::Cancel if call.answered.is_none() => call.cancelled = true,
            Method::Bye => return self.bye(at),
            Method::Invite | Method::Update if call.answered.is_some() => {
                self.effects.push(Effect::Offered { call: call.serial });
            }
            _ => {}
        }
        self.session(at.message, party);
    }

    /// An INVITE without a To tag: a new call, the same attempt on its next hop, or the attempt again.
    fn invite(&mut self, at: &Context<'_, '_>) {
        let cseq = at.message.cseq.map_or(0, |(number, _)| number);
        let (caller_tag, branch) = (self.tag(at.message.from), self.branch(at.message));
        let Some(call) = self.calls.find(at.message.call_id) else {
            return self.new_call(at, cseq, caller_tag, branch);
        };
        if cseq <= call.cseq || caller_tag != call.caller_tag {
            return;
        }
        if call.is_challenged() {
            call.final_status = None;
        } else if call.state == State::Ended && call.answered.is_none() {
            // Refused, and tried again in the same Call-ID: one call, but an attempt of its own.
            (call.final_status, call.outcome, call.ended_by, call.ended) = (None, None, None, None);
            (call.state, call.started, call.set_up, call.cancelled) = (State::Setup, at.now, None, false);
            let cell = self.numbers.cell(call.key);
            cell.attempts += 1;
            cell.moved(None, State::Setup);
        } else {
            return;
        }
        (call.cseq, call.branch, call.invited) = (cseq, branch, at.now);
    }

    fn new_call(&mut self, at: &Context<'_, '_>, cseq: u32, caller_tag: u64, branch: u64) {
        if self.calls.is_full()
            && let Some(oldest) = self.calls.pick_for_eviction()
        {
            self.leave(oldest, at.now, EndedBy::Timeout);
            self.calls.evicted += 1;
        }
        self.serial += 1;
        let key = CellKey {
            direction: self.site.direction(at.from.ip, at.to.ip),
            origin: self.site.peer(at.from.ip),
            destination: self.site.peer(at.to.ip),
        };
        let cell = self.numbers.cell(key);
        cell.attempts += 1;
        cell.moved(None, State::Setup);
        self.calls.insert(Call {
            serial: self.serial,
            call_id: at.message.call_id.into(),
            caller: party(at.message.from),
            callee: party(at.message.to),
            source: at.from,
            destination: at.to,
            key,
            state: State::Setup,
            caller_tag,
            cseq,
            branch,
            started: at.now,
            invited: at.now,
            set_up: None,
            answered: None,
            ended: None,
            last_message: at.now,
            final_status: None,
            proceeding: false,
            cancelled: false,
            outcome: None,
            ended_by: None,
            mos: None,
        });
    }

    fn response(&mut self, at: &Context<'_, '_>, method: Method, code: u16) {
        let caller_tag = self.tag(at.message.from);
        let Some(call) = self.calls.find(at.message.call_id) else { return };
        call.last_message = at.now;
        let asked_by_caller = caller_tag == call.caller_tag;
        let initial = method == Method::Invite
            && asked_by_caller
            && at.message.cseq.is_some_and(|(number, _)| number == call.cseq);
        if initial {
            match code {
                100..=199 => self.provisional(at, code),
                200..=299 => self.answer(at, code),
                _ => self.refused(at, code),
            }
        }
        if code > 100 && code < 300 {
            // The answer comes from whoever was asked.
            let party = if asked_by_caller { Party::Callee } else { Party::Caller };
            self.session(at.message, party);
            if initial
                && code >= 200
                && let Some(call) = self.calls.find(at.message.call_id)
            {
                self.effects.push(Effect::Answered { call: call.serial });
            }
        }
        if code >= 200
            && !initial
            && matches!(method, Method::Invite | Method::Update)
            && let Some(call) = self.calls.find(at.message.call_id)
        {
            self.effects.push(Effect::Settled { call: call.serial, agreed: code < 300 });
        }
    }

    fn provisional(&mut self, at: &Context<'_, '_>, code: u16) {
        let Some(call) = self.calls.find(at.message.call_id) else { return };
        call.proceeding = true;
        // 18x: 180, 181, 182, 183 (RFC 3261 section 21.1).
        if call.state == State::Setup && (180..=189).contains(&code) {
            call.state = State::Ringing;
            call.set_up = Some(at.now);
            let cell = self.numbers.cell(call.key);
            cell.moved(Some(State::Setup), State::Ringing);
            cell.setup.observe(at.now.seconds_since(call.started));
        }
    }

    fn answer(&mut self, at: &Context<'_, '_>, code: u16) {
        let Some(call) = self.calls.find(at.message.call_id) else { return };
        if call.answered.is_some() || call.state == State::Ended {
            return;
        }
        let cell = self.numbers.cell(call.key);
        let before = std::mem::replace(&mut call.state, State::Answered);
        cell.moved(Some(before), State::Answered);
        cell.answers += 1;
        let delay = at.now.seconds_since(call.started);
        cell.answer.observe(delay);
        if call.set_up.is_none() {
            call.set_up = Some(at.now);
            cell.setup.observe(delay);
        }
        (call.answered, call.final_status) = (Some(at.now), Some(code));
    }

    fn refused(&mut self, at: &Context<'_, '_>, code: u16) {
        let branch = self.branch(at.message);
        let Some(call) = self.calls.find(at.message.call_id) else { return };
        // A refusal behind a proxy is the proxy's to deal with; what reaches the caller counts.
        if call.answered.is_some() || call.state == State::Ended || branch != call.branch {
            return;
        }
        call.final_status = Some(code);
        if matches!(code, 401 | 407) {
            return;
        }
        let outcome = match Outcome::from_status(code, call.state == State::Ringing) {
            _ if call.cancelled => Outcome::Cancelled,
            outcome => outcome,
        };
        let by = if outcome == Outcome::Cancelled { EndedBy::Caller } else { EndedBy::Callee };
        let (key, started) = (call.key, call.started);
        self.end(at.message.call_id, at.now, outcome, by);
        self.numbers.cell(key).failure.observe(at.now.seconds_since(started));
    }

    fn bye(&mut self, at: &Context<'_, '_>) {
        let from_tag = self.tag(at.message.from);
        let Some(call) = self.calls.find(at.message.call_id) else { return };
        if call.state == State::Ended {
            return;
        }
        let by = if from_tag == call.caller_tag { EndedBy::Caller } else { EndedBy::Callee };
        let (key, answered) = (call.key, call.answered);
        // A BYE in an early dialog gives up the attempt (RFC 3261 section 15).
        let outcome = if answered.is_some() { Outcome::Completed } else { Outcome::Cancelled };
        self.end(at.message.call_id, at.now, outcome, by);
        if let Some(answered) = answered {
            self.numbers.cell(key).duration.observe(at.now.seconds_since(answered));
        }
    }

    /// Counts a call's end once; the call stays for the repetitions that may follow.
    fn end(&mut self, call_id: &[u8], now: Timestamp, outcome: Outcome, by: EndedBy) {
        let Some(call) = self.calls.find(call_id) else { return };
        let before = std::mem::replace(&mut call.state, State::Ended);
        (call.ended, call.outcome, call.ended_by) = (Some(now), Some(outcome), Some(by));
        let (key, serial) = (call.key, call.serial);
        let cell = self.numbers.cell(key);
        cell.moved(Some(before), State::Ended);
        cell.count_outcome(outcome);
        self.effects.push(Effect::Ended { call: serial });
    }

    /// The media side's verdict on a call that ended.
    pub fn rated(&mut self, serial: u64, mos: Option<f64>) {
        let Some(call) = self.calls.by_serial(serial) else { return };
        call.mos = mos;
        let key = call.key;
        if let Some(mos) = mos {
            self.numbers.cell(key).mos.observe(mos);
        }
    }

    /// Session descriptions announce where their sender receives; after the end of a call they announce nothing.
    fn session(&mut self, message: &Message<'_>, party: Party) {
        let Some(body) = sdp::find(message.content_type, message.body) else { return };
        let Some(call) = self.calls.find(message.call_id).filter(|call| call.state != State::Ended) else { return };
        let (call, direction) = (call.serial, call.key.direction);
        self.effects.push(Effect::Describe { call, direction, party, sections: sdp::parse(body) });
    }
}

/// Who a From or To value names: user part or number, else the host.
fn party(value: &[u8]) -> Box<str> {
    let uri = sip::uri_of(value);
    let user = sip::user_of(uri);
    let name = if user.is_empty() { sip::host_of(uri) } else { user };
    let name = String::from_utf8_lossy(&name[..name.len().min(128)]);
    // Control characters would reach the terminal of whoever reads a report.
    name.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
