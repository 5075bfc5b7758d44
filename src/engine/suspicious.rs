//! The settings of agents, and of what looks like fraud or an attack, taken from the configuration.

use crate::call::{AgentSettings, SuspiciousSettings};
use crate::config::{self, Config};
use crate::site::Networks;

pub(super) fn settings(config: &Config) -> SuspiciousSettings {
    let said = &config.suspicious;
    let nanos = |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    SuspiciousSettings {
        window_nanos: nanos(said.window),
        registration_scan: said.registration_scan,
        invite_burst: said.invite_burst,
        auth_failures: said.auth_failures,
        false_answers: said.false_answers,
        short_calls: said.short_calls,
        short_call_nanos: nanos(said.short_call),
        trusted: Networks::new(said.trusted.iter().map(|network| (*network, ()))),
        trust_peers: said.trust_peers,
        trust_local: said.trust_local,
        max_sources: said.max_sources,
    }
}

pub(super) fn agents(config: &Config) -> AgentSettings {
    let scanners = config.suspicious.scanner_agents.iter().map(|pattern| pattern.as_str().into()).collect();
    let families = match config.user_agents.as_slice() {
        _ if !config.labels.agents => Vec::new(),
        [] => config::common_user_agents(),
        configured => configured.to_vec(),
    };
    let family = |agent: config::UserAgent| (agent.name.into(), agent.pattern.into());
    AgentSettings { families: families.into_iter().map(family).collect(), scanners }
}
