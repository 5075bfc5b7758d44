//! What looks like fraud or an attack: who tries many users, dials like a machine, fails to authenticate, says that it is a scanner,
//! answers without a voice, hangs up at once. Each is counted once a source, kind and window: incidents, not messages.

mod windows;

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;

use crate::generations::Generations;
use crate::numbers::{Collection, Family, Value, fixed};
use crate::site::{Networks, PeerId, Site};
use crate::time::Timestamp;
use crate::wire::Ip;
use crate::wire::sip::{Message, Start, uri_of, user_of};

use super::dialog::Call;
use super::outcome::Outcome;
use super::{Context, Signalling};

use windows::Windows;

static SUSPICIOUS: Family = Family::counter(
    "sip_suspicious_total",
    "",
    &["kind"],
    "Incidents, each once a source and window: a source tried many users, sent many INVITEs, had credentials refused, said it is a scanner, answered without media, or made many short calls.",
);

/// The families of this folder.
pub static FAMILIES: &[&Family] = &[&SUSPICIOUS];

/// Requests with credentials that wait for their response; more are forgotten, the oldest first.
const MAX_WAITING: usize = 20_000;
/// RFC 3261 section 17: a transaction is over after 64 * T1.
const WAITING_NANOS: i64 = 32_000_000_000;

/// The values of the `kind` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// One source tries to register many different users.
    RegistrationScan = 0,
    /// One source begins many calls.
    InviteBurst,
    /// One source has its credentials refused again and again.
    AuthFailures,
    /// It says so in its User-Agent.
    ScannerAgent,
    /// A call is answered, and nobody is to be heard.
    FalseAnswer,
    /// One caller makes many calls that end at once.
    ShortCalls,
}

impl Kind {
    const ALL: [Kind; 6] = [
        Kind::RegistrationScan,
        Kind::InviteBurst,
        Kind::AuthFailures,
        Kind::ScannerAgent,
        Kind::FalseAnswer,
        Kind::ShortCalls,
    ];

    const fn name(self) -> &'static str {
        match self {
            Kind::RegistrationScan => "registration_scan",
            Kind::InviteBurst => "invite_burst",
            Kind::AuthFailures => "auth_failures",
            Kind::ScannerAgent => "scanner_agent",
            Kind::FalseAnswer => "false_answer",
            Kind::ShortCalls => "short_calls",
        }
    }

    /// What comes through carriers as well as from strangers: being a peer is no excuse.
    const fn is_of_carriers(self) -> bool {
        matches!(self, Kind::FalseAnswer | Kind::ShortCalls)
    }
}

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct Settings {
    pub window_nanos: i64,
    /// Events of one source in a window that make an incident, zero for never; a scanner's is one.
    pub registration_scan: u32,
    pub invite_burst: u32,
    pub auth_failures: u32,
    pub false_answers: u32,
    pub short_calls: u32,
    /// A call that ends sooner is a short one.
    pub short_call_nanos: i64,
    pub trusted: Networks<()>,
    pub trust_peers: bool,
    pub trust_local: bool,
    pub max_sources: usize,
}

impl Settings {
    const fn threshold(&self, kind: Kind) -> u32 {
        match kind {
            Kind::RegistrationScan => self.registration_scan,
            Kind::InviteBurst => self.invite_burst,
            Kind::AuthFailures => self.auth_failures,
            // Without patterns there are none.
            Kind::ScannerAgent => 1,
            Kind::FalseAnswer => self.false_answers,
            Kind::ShortCalls => self.short_calls,
        }
    }
}

/// How many incidents there were, by kind.
pub type Counts = [u64; Kind::ALL.len()];

pub fn collect(counts: &Counts, out: &mut Collection) {
    // All of them from the start: a counter that is born at 1 hides the first incident from rate().
    for (kind, count) in Kind::ALL.into_iter().zip(counts) {
        out.add(&SUSPICIOUS, vec![fixed(kind.name())], Value::Counter(*count));
    }
}

/// Sources of the last window.
#[derive(Debug)]
pub struct Suspicious {
    settings: Settings,
    hasher: RandomState,
    sources: Windows<()>,
    /// Users that each source tried to register and that no registrar has accepted from it; fingerprints.
    scans: Windows<Vec<u32>>,
    /// Who sent a request with credentials, by what the request and its response have in common.
    waiting: Generations<u64, Ip>,
}

impl Suspicious {
    pub fn new(settings: Settings) -> Suspicious {
        Suspicious {
            hasher: RandomState::default(),
            sources: Windows::new(settings.max_sources, settings.window_nanos),
            scans: Windows::new(settings.max_sources, settings.window_nanos),
            waiting: Generations::new(MAX_WAITING, WAITING_NANOS),
            settings,
        }
    }

    pub fn expire(&mut self, now: Timestamp) {
        self.sources.expire(now);
        self.scans.expire(now);
        self.waiting.expire(now);
    }

    /// Sources and requests that are remembered.
    pub fn lengths(&self) -> (usize, usize) {
        (self.sources.len() + self.scans.len(), self.waiting.len())
    }

    pub fn evicted(&self) -> (u64, u64) {
        (self.sources.evicted + self.scans.evicted, self.waiting.evicted)
    }

    /// A message that was not on this hop before.
    pub fn see(&mut self, at: &Context<'_, '_>, site: &Site, counts: &mut Counts) {
        match at.message.start {
            Start::Request { .. } => {
                if at.agent.is_scanner {
                    self.count(Kind::ScannerAgent, at.now, at.from.ip, site, counts);
                }
                if at.message.has_credentials && self.settings.auth_failures > 0 {
                    self.waiting.turn(at.now);
                    // A proxy hands the credentials on; it is not the one who fails.
                    if self.waiting.get(&at.marks.request).is_none() {
                        self.waiting.insert(at.marks.request, at.from.ip);
                    }
                }
            }
            Start::Response { code } => self.answered(at, code, site, counts),
        }
    }

    /// Who has good credentials may err in between: a nonce that is no longer good is refused too.
    fn answered(&mut self, at: &Context<'_, '_>, code: u16, site: &Site, counts: &mut Counts) {
        let source = at.to.ip;
        if code < 200 || self.waiting.get(&at.marks.request) != Some(&source) {
            return;
        }
        match code {
            401 | 403 | 407 if !is_stale(at.message) => {
                self.count(Kind::AuthFailures, at.now, source, site, counts);
            }
            200..=299 => {
                let key = self.hasher.hash_one((Kind::AuthFailures, source));
                if let Some(window) = self.sources.open(at.now, key) {
                    window.count = window.count.saturating_sub(1);
                }
            }
            _ => {}
        }
    }

    /// A REGISTER, where it enters this host or first passes it.
    pub fn register(&mut self, at: &Context<'_, '_>, site: &Site, counts: &mut Counts) {
        let threshold = self.settings.threshold(Kind::RegistrationScan);
        if threshold == 0 || self.is_trusted(Kind::RegistrationScan, at.from.ip, site) {
            return;
        }
        let (key, user) = self.scanned(at.from.ip, at.message);
        let window = self.scans.enter(at.now, key);
        if window.is_counted || window.more.contains(&user) {
            return;
        }
        window.more.push(user);
        window.count = window.more.len() as u32;
        if window.count >= threshold {
            (window.is_counted, window.more) = (true, Vec::new());
            counts[Kind::RegistrationScan as usize] += 1;
        }
    }

    /// The registrar accepted the user from this source.
    pub fn registered(&mut self, at: &Context<'_, '_>) {
        let (key, user) = self.scanned(at.to.ip, at.message);
        if let Some(window) = self.scans.open(at.now, key).filter(|window| !window.is_counted) {
            window.more.retain(|other| *other != user);
            window.count = window.more.len() as u32;
        }
    }

    fn scanned(&self, source: Ip, message: &Message<'_>) -> (u64, u32) {
        let user = self.hasher.hash_one(user_of(uri_of(message.to))) as u32;
        (self.hasher.hash_one((Kind::RegistrationScan, source)), user)
    }

    /// A call begins.
    pub fn invited(&mut self, at: &Context<'_, '_>, site: &Site, counts: &mut Counts) {
        self.count(Kind::InviteBurst, at.now, at.from.ip, site, counts);
    }

    /// A call has ended: talked for a moment, or rang for one.
    pub fn ended(&mut self, now: Timestamp, call: &Call, outcome: Outcome, site: &Site, counts: &mut Counts) {
        let since = match outcome {
            Outcome::Completed | Outcome::Voicemail => call.answered,
            Outcome::Cancelled => Some(call.started),
            _ => None,
        };
        if since.is_some_and(|since| now.nanos_since(since) < self.settings.short_call_nanos) {
            let caller = (call.source.ip, call.names.caller());
            self.count_of(Kind::ShortCalls, now, call.source.ip, &caller, site, counts);
        }
    }

    fn count(&mut self, kind: Kind, now: Timestamp, source: Ip, site: &Site, counts: &mut Counts) {
        self.count_of(kind, now, source, &source, site, counts);
    }

    /// One more event of `who` at this source: an incident with the one that reaches the threshold.
    fn count_of(&mut self, kind: Kind, now: Timestamp, source: Ip, who: &impl Hash, site: &Site, counts: &mut Counts) {
        let threshold = self.settings.threshold(kind);
        if threshold == 0 || self.is_trusted(kind, source, site) {
            return;
        }
        let window = self.sources.enter(now, self.hasher.hash_one((kind, who)));
        window.count = window.count.saturating_add(1);
        if window.count >= threshold && !window.is_counted {
            window.is_counted = true;
            counts[kind as usize] += 1;
        }
    }

    fn is_trusted(&self, kind: Kind, source: Ip, site: &Site) -> bool {
        let peers = self.settings.trust_peers && !kind.is_of_carriers();
        self.settings.trusted.find(source).is_some()
            || self.settings.trust_local && site.is_local(source)
            || peers && site.peer(source) != PeerId::OTHER
    }
}

impl Signalling {
    /// The media side found an answered call without any media; whoever answered is the source.
    pub fn false_answer(&mut self, now: Timestamp, serial: u64) {
        let Some(call) = self.calls.by_serial(serial).and_then(|id| self.calls.get(id)) else { return };
        let (suspicious, answerer) = (&mut self.suspicious, call.destination.ip);
        suspicious.count(Kind::FalseAnswer, now, answerer, &self.site, &mut self.numbers.suspicious);
    }
}

/// Whether the challenge says that the credentials were good but their nonce old (RFC 3261 section 22.4, RFC 7616 section 3.3).
fn is_stale(message: &Message<'_>) -> bool {
    let challenges = [&b"www-authenticate"[..], b"proxy-authenticate"];
    challenges.into_iter().flat_map(|name| message.headers(name, None)).any(|challenge| {
        let mut parameters = challenge.split(|b| matches!(b, b',' | b' ' | b'\t'));
        parameters.any(|parameter| {
            let unquoted: Vec<u8> = parameter.iter().copied().filter(|b| *b != b'"').collect();
            unquoted.eq_ignore_ascii_case(b"stale=true")
        })
    })
}
