//! What looks like fraud or an attack.

use std::time::Duration;

use ipnet::IpNet;
use toml::Spanned;

use super::net;
use super::outcomes::words;
use super::read::HOUR;
use super::section::Document;
use super::value::{self, Checked, Value};

/// Most users of one source before it is an incident: each is remembered.
const MAX_USERS: usize = 1000;
/// Most events of the other kinds, which are only counted.
const MAX_EVENTS: usize = 100_000;

/// Thresholds of `sip_suspicious_total`; zero for never.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspicious {
    /// Events of one source are counted for so long, and each incident once.
    pub window: Duration,
    /// Different users that one source tries to register, and does not.
    pub registration_scan: u32,
    /// Calls that one source begins.
    pub invite_burst: u32,
    /// Requests of one source whose credentials are refused.
    pub auth_failures: u32,
    /// Calls that one destination answers without any media.
    pub false_answers: u32,
    /// Calls of one caller that end within `short_call`.
    pub short_calls: u32,
    /// What is a short call.
    pub short_call: Duration,
    /// Patterns (`*` stands for any characters) of what scanners call themselves.
    pub scanner_agents: Vec<String>,
    /// Networks that do as they please.
    pub trusted: Vec<IpNet>,
    /// Whether peers may scan, dial and fail as they please.
    pub trust_peers: bool,
    /// Whether our own addresses may.
    pub trust_local: bool,
    /// Sources that are remembered.
    pub max_sources: usize,
}

/// What the tools of attackers send where nobody has changed it.
const SCANNERS: [&str; 14] = [
    "friendly-scanner*",
    "friendly-request*",
    "*sipvicious*",
    "sipcli*",
    "sip-scan*",
    "sundayddr*",
    "iWar*",
    "VaxSIPUserAgent*",
    "pplsip*",
    "smap*",
    "sipsak*",
    "sipptk*",
    "SIVuS*",
    "Nmap*",
];

impl Default for Suspicious {
    fn default() -> Self {
        Suspicious {
            window: Duration::from_secs(60),
            registration_scan: 20,
            invite_burst: 300,
            auth_failures: 20,
            false_answers: 1,
            short_calls: 20,
            short_call: Duration::from_secs(5),
            scanner_agents: SCANNERS.map(str::to_owned).to_vec(),
            trusted: Vec::new(),
            trust_peers: true,
            trust_local: true,
            max_sources: 10_000,
        }
    }
}

pub(super) fn read(document: &mut Document<'_>) -> Suspicious {
    let default = Suspicious::default();
    document.section("suspicious", |section| {
        let mut threshold = |key, default: u32, most| {
            section.take(key, default, |typed| value::count(typed, 0..=most).map(|count| count as u32))
        };
        Suspicious {
            registration_scan: threshold("registration_scan", default.registration_scan, MAX_USERS),
            invite_burst: threshold("invite_burst", default.invite_burst, MAX_EVENTS),
            auth_failures: threshold("auth_failures", default.auth_failures, MAX_EVENTS),
            false_answers: threshold("false_answers", default.false_answers, MAX_EVENTS),
            short_calls: threshold("short_calls", default.short_calls, MAX_EVENTS),
            window: section
                .take("window", default.window, |typed| value::duration(typed, Duration::from_secs(1)..=HOUR)),
            short_call: section.take("short_call", default.short_call, |typed| {
                value::duration(typed, Duration::from_secs(1)..=Duration::from_secs(60))
            }),
            scanner_agents: section.take("scanner_agents", default.scanner_agents, agents),
            trusted: section.take("trusted", default.trusted, plain),
            trust_peers: section.take("trust_peers", default.trust_peers, value::boolean),
            trust_local: section.take("trust_local", default.trust_local, value::boolean),
            max_sources: section.take("max_sources", default.max_sources, |typed| value::count(typed, 100..=1_000_000)),
        }
    })
}

fn plain(typed: Value<'_>) -> Checked<Vec<IpNet>> {
    Ok(net::networks(typed)?.into_iter().map(Spanned::into_inner).collect())
}

/// Patterns for a User-Agent: printable characters, more than stars.
fn agents(typed: Value<'_>) -> Checked<Vec<String>> {
    words(typed, "patterns", "friendly-scanner*", is_pattern)
}

/// Whether a pattern for a User-Agent can match something, and not everything.
pub(super) fn is_pattern(word: &str) -> bool {
    word.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && word.bytes().any(|byte| byte != b'*' && byte != b' ')
}
