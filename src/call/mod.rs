//! SIP signalling: transactions, calls from attempt to end, registrations. No clock, no I/O.

mod agents;
mod attempt;
mod breakdown;
mod business;
mod callbacks;
mod cell;
mod conversation;
mod cost;
mod country;
mod dialog;
mod hold;
mod hours;
mod legs;
mod marks;
mod names;
mod number;
mod numbers;
pub mod outcome;
mod reason;
mod registrations;
mod suspicious;
mod sweep;
mod table;
mod transactions;
mod voice_reports;
mod voicemail;

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::agenda::Agenda;
use crate::site::{Direction, PeerId, Site};
use crate::time::Timestamp;
use crate::wire::sip::{Malformed, Message, Method, Party, Start};
use crate::wire::{Endpoint, Point, Transport, sdp};

use agents::{Agent, Agents};
use business::Business;
use legs::Legs;
use marks::Marks;
use registrations::Registrations;
use suspicious::Suspicious;
use table::Table;
use transactions::{Hop, Recent, Seen, Transactions};
use voice_reports::VoiceReports;

pub use agents::Settings as AgentSettings;
pub use breakdown::FAMILIES as BREAKDOWN_FAMILIES;
pub use business::{FAMILIES as BUSINESS_FAMILIES, Settings as BusinessSettings};
pub use cell::FAMILIES as CALL_FAMILIES;
pub use cost::{Class, Currency, FAMILIES as COST_FAMILIES, Rate};
pub use dialog::{Call, State};
pub use number::{Number, Plan};
pub use numbers::{FAMILIES, Numbers};
pub use outcome::{Cause, EndedBy, Outcome};
pub use registrations::FAMILIES as REGISTRATION_FAMILIES;
pub use suspicious::{FAMILIES as SUSPICIOUS_FAMILIES, Settings as SuspiciousSettings};
pub use voice_reports::{FAMILIES as VOICE_REPORT_FAMILIES, SeenReport};
pub use voicemail::Voicemail;
pub use voicemail::matches;

/// What the configuration says of calls.
#[derive(Clone, Debug)]
pub struct Settings {
    pub max_calls: usize,
    pub max_transactions: usize,
    pub max_registrations: usize,
    /// Label sets of one family of metrics.
    pub max_series: usize,
    pub setup_timeout_nanos: i64,
    pub ring_timeout_nanos: i64,
    pub max_duration_nanos: i64,
    pub outcomes: Vec<outcome::Rule>,
    pub voicemail: Voicemail,
    /// Header fields that say which dialogs are legs of one call.
    pub leg_headers: Vec<Box<[u8]>>,
    pub agents: AgentSettings,
    /// Whether calls are counted by the country that they go to.
    pub countries: bool,
    pub suspicious: SuspiciousSettings,
    pub business: BusinessSettings,
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
    /// A dialog is another leg of a call.
    Joined {
        leg: u64,
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
    legs: Legs,
    registrations: Registrations,
    voice_reports: VoiceReports,
    agents: Agents,
    suspicious: Suspicious,
    business: Business,
    pub numbers: Numbers,
    agenda: Agenda,
    /// Serials of calls that ended, in that order.
    ended: VecDeque<u64>,
    effects: Vec<Effect>,
    descriptions: sdp::Seen,
    reports: Vec<Call>,
}

/// A message and where it was seen.
struct Context<'a, 'm> {
    now: Timestamp,
    from: Endpoint,
    to: Endpoint,
    message: &'a Message<'m>,
    marks: Marks,
    agent: Agent,
    /// Where the call of its Call-ID was when it came.
    call: Option<u32>,
}

impl Context<'_, '_> {
    /// From whoever sent the request to whoever was to get it, of a response too.
    fn way(&self) -> (Endpoint, Endpoint) {
        match self.message.start {
            Start::Request { .. } => (self.from, self.to),
            Start::Response { .. } => (self.to, self.from),
        }
    }
}

impl Signalling {
    pub fn new(settings: Settings, site: Arc<Site>) -> Signalling {
        let hasher = RandomState::default();
        Signalling {
            calls: Table::new(settings.max_calls, hasher.clone()),
            legs: Legs::new(settings.leg_headers.clone(), settings.max_calls),
            transactions: Transactions::new(settings.max_transactions),
            registrations: Registrations::new(settings.max_registrations),
            voice_reports: VoiceReports::new(settings.max_calls, settings.keep_reports),
            numbers: Numbers::new(&settings),
            agents: Agents::new(&settings.agents),
            suspicious: Suspicious::new(settings.suspicious.clone()),
            business: Business::new(&settings.business, &site),
            settings,
            site,
            hasher,
            agenda: Agenda::default(),
            ended: VecDeque::new(),
            effects: Vec::new(),
            descriptions: sdp::Seen::new(),
            reports: Vec::new(),
        }
    }

    /// Takes a message; what it means for media is to be fetched with [`Self::next_effects`]. False for the copy of one that was
    /// just seen at another point of its way: that is counted nowhere. `found` hears of the call that it belongs to before anything else
    /// is done with it.
    pub fn message(
        &mut self,
        now: Timestamp,
        (from, to): (Endpoint, Endpoint),
        transport: Transport,
        point: Option<Point>,
        message: &Message<'_>,
        found: impl FnOnce(u64),
    ) -> bool {
        if !message.is_usable() {
            let (direction, peer) = self.site.place(from.ip, to.ip);
            self.count(message, transport, direction, peer);
            return true;
        }
        // What is looked up is asked for while there is other work to do.
        let call_id = self.hasher.hash_one(message.call_id);
        self.calls.announce(call_id);
        let marks = Marks::of(message, call_id, &self.hasher);
        self.calls.fetch(call_id);
        let (direction, peer) = self.site.place(from.ip, to.ip);
        let call = self.calls.find(call_id);
        if let Some(call) = call.and_then(|at| self.calls.get(at)) {
            found(call.serial);
        }
        // What begins a call is given to it once it has.
        let begins = call.is_none() && matches!(message.start, Start::Request { method: Method::Invite, .. });
        let mut begun = begins.then(Recent::default);
        let recent = call.and_then(|at| self.calls.recent_mut(at)).or(begun.as_mut());
        let hop = Hop { now, from, to, direction, point };
        let (seen, stay) = self.transactions.see(&hop, message, &marks, &self.site, recent);
        if seen == Seen::Copy {
            return false;
        }
        let method = self.count(message, transport, direction, peer);
        let agent = self.agents.of(now, message.user_agent);
        let context = Context { now, from, to, message, marks, agent, call };
        self.seen(&context, method, peer, seen, stay);
        if let Some(recent) = begun
            && let Some(of_call) = self.calls.find(marks.call_id).and_then(|at| self.calls.recent_mut(at))
        {
            *of_call = recent;
        }
        true
    }

    /// Counts a message; gives its method.
    fn count(&mut self, message: &Message<'_>, transport: Transport, direction: Direction, peer: PeerId) -> Method {
        if let Some(problem) = message.problem {
            self.numbers.count_malformed(problem);
        }
        match message.start {
            Start::Request { method, .. } => {
                self.numbers.count_request(method, direction, peer, transport);
                method
            }
            Start::Response { code } => {
                let method = message.cseq.map_or(Method::Other, |(_, method)| method);
                self.numbers.count_response(method, code, (direction, peer), transport);
                method
            }
        }
    }

    /// A message, and what it is to those before it.
    fn seen(&mut self, context: &Context<'_, '_>, method: Method, peer: PeerId, seen: Seen, stay: Option<f64>) {
        let Context { now, from, message, agent, .. } = *context;
        match seen {
            Seen::Again => {
                let kind = if matches!(message.start, Start::Request { .. }) { "request" } else { "response" };
                self.numbers.count_retransmission(method, kind, peer);
                self.repeated(context, method);
                return;
            }
            Seen::FirstResponse(asked) => {
                self.numbers.observe_response(method, peer, now.seconds_since(asked));
                if method == Method::Bye {
                    self.bye_answered(context, asked);
                }
            }
            Seen::First | Seen::Copy => {}
        }
        if let Some(seconds) = stay {
            self.numbers.observe_relay(method, seconds);
        }
        self.suspicious.see(context, &self.site, &mut self.numbers.suspicious);
        match message.start {
            Start::Request { method: Method::Register, .. } => {
                if self.registrations.request(now, (peer, agent.family), message, &mut self.numbers.registrations) {
                    self.suspicious.register(context, &self.site, &mut self.numbers.suspicious);
                }
            }
            Start::Response { code } if method == Method::Register => {
                if self.registrations.response(now, code, message, &mut self.numbers.registrations) {
                    self.suspicious.registered(context);
                }
            }
            Start::Request { method, .. } => {
                if matches!(method, Method::Publish | Method::Notify) {
                    let content = (message.content_type, message.body);
                    self.voice_reports.take(now, (from, peer), content, &mut self.numbers.voice_reports);
                }
                self.request(context, method);
            }
            Start::Response { code } => self.response(context, method, code),
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

    /// Whether there is anything for [`Self::next_effects`].
    #[inline]
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// Hands out what messages and time mean for media, in their order; what that brings about follows behind it.
    pub fn next_effects(&mut self, effects: &mut Vec<Effect>) {
        effects.append(&mut self.effects);
    }

    /// A repeated 18x starts the wait for an answer anew (Timer C, RFC 3261 section 16.7); a repeated INVITE does not (Timer B).
    fn repeated(&mut self, at: &Context<'_, '_>, method: Method) {
        if method == Method::Invite
            && let Some(id) = at.call
            && let Some(call) = self.calls.get_mut(id)
            && at.message.cseq.is_some_and(|(number, _)| number == call.cseq)
        {
            match at.message.start {
                Start::Response { code: 101..=199 } => call.invited = at.now,
                Start::Response { .. } => return,
                Start::Request { .. } => {}
            }
            call.last_message = at.now;
        }
    }
}
