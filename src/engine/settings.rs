//! What the core needs of the configuration, in the words of its parts.

use std::time::Duration;

use ipnet::IpNet;

use crate::call;
use crate::config::{self, Config, PortRange};
use crate::connections;
use crate::media;
use crate::site::Site;

use super::{business, suspicious};

/// The settings of a core, taken from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    pub call: call::Settings,
    pub media: media::Settings,
    pub connections: connections::Settings,
    pub sip_ports: Vec<PortRange>,
    /// Whether HEP in captured datagrams is read. Not live: what a mirror sends to the listener here would count twice.
    pub read_hep: bool,
}

impl Settings {
    /// `keep_reports`: every call and stream stays until it is reported.
    pub fn new(config: &Config, keep_reports: bool) -> Settings {
        let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Settings {
            call: call::Settings {
                max_calls: config.calls.max_calls,
                max_transactions: config.calls.max_transactions,
                max_registrations: config.calls.max_registrations,
                max_series: config.labels.max_series,
                setup_timeout_nanos: nanos(config.calls.setup_timeout),
                ring_timeout_nanos: nanos(config.calls.ring_timeout),
                max_duration_nanos: nanos(config.calls.max_duration),
                outcomes: outcomes(config),
                voicemail: call::Voicemail {
                    targets: config.calls.voicemail_targets.iter().map(|word| word.as_str().into()).collect(),
                    diversions: config.calls.voicemail_diversions.iter().map(|word| word.as_str().into()).collect(),
                },
                leg_headers: config.calls.leg_headers.iter().map(|name| name.as_bytes().into()).collect(),
                agents: suspicious::agents(config),
                countries: config.labels.countries,
                suspicious: suspicious::settings(config),
                business: business::settings(config),
                keep_reports,
            },
            media: media::Settings {
                interval_nanos: nanos(config.media.interval),
                idle_nanos: nanos(config.media.idle_timeout),
                max_streams: config.media.max_streams,
                max_candidates: config.media.max_candidates,
                assumed_delay_seconds: config.quality.assumed_delay.as_secs_f64(),
                playout: playout(&config.quality),
                late_media_nanos: nanos(config.calls.late_media),
                media_timeout_nanos: nanos(config.calls.media_timeout),
                media_silence_nanos: nanos(config.calls.media_silence),
                packet_loss_concealment: config.quality.packet_loss_concealment,
                max_series: config.labels.max_series,
                keep_reports,
            },
            connections: connections::Settings {
                max_flows: config.connections.max_flows,
                max_buffered_bytes: config.connections.max_buffered_bytes as usize,
                idle_nanos: nanos(config.connections.idle_timeout),
            },
            sip_ports: config.capture.sip_ports.clone(),
            read_hep: keep_reports,
        }
    }
}

/// The configured rules, with peers by their number.
fn outcomes(config: &Config) -> Vec<call::outcome::Rule> {
    let site = site(config, Vec::new());
    let rule = |rule: &config::OutcomeRule| call::outcome::Rule {
        status: rule.statuses.clone(),
        cause: rule.causes.clone(),
        peer: rule.peer.as_ref().and_then(|name| site.named(name)),
        outcome: rule.outcome,
    };
    config.outcomes.iter().map(rule).collect()
}

fn playout(quality: &config::Quality) -> media::PlayoutSettings {
    let nanos = |duration: Duration| duration.as_nanos() as f64;
    media::PlayoutSettings {
        buffer: match quality.playout_buffer {
            config::PlayoutBuffer::Fixed => media::Buffer::Fixed,
            config::PlayoutBuffer::Adaptive => media::Buffer::Adaptive,
        },
        fixed: nanos(quality.playout_delay),
        least: nanos(quality.playout_min),
        most: nanos(quality.playout_max),
    }
}

/// The configured view of the network, with these addresses as our own.
pub fn site(config: &Config, local: Vec<IpNet>) -> Site {
    let peers: Vec<_> = config.peers.iter().map(|peer| (peer.name.clone(), peer.networks.clone())).collect();
    Site::new(local, &peers).with_capacities(config.peers.iter().map(|peer| peer.capacity))
}
