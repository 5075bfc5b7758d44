//! Each section, key by key: its default, its valid values, and what must fit together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use humantime::format_duration;
use ipnet::IpNet;
use toml::Spanned;

use super::agents;
use super::databases;
use super::hep;
use super::labels;
use super::limits;
use super::net;
use super::numbering;
use super::outcomes;
use super::packs;
use super::pools;
use super::probes;
use super::rates;
use super::report::ConfigError;
use super::section::Document;
use super::sources;
use super::suspicious;
use super::value::{self, Value};
use super::zone;
use super::{
    Business, Calls, Capture, Config, Log, LogFormat, LogLevel, Media, Peer, PlayoutBuffer, Quality, Site, Web,
};

/// Most entries that a table may be given: 10 million streams of 1 KiB are 10 GiB.
const MAX_ENTRIES: usize = 10_000_000;
/// Most peers: their names are label values, and `origin` by `destination` is the square of them.
const MAX_PEERS: usize = 1000;
/// Most calls that a peer may be said to take at once.
const MAX_CAPACITY: usize = 1_000_000;
/// Longest silence that a time-out may bridge.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// Shortest time that is worth a timer.
const TENTH: Duration = Duration::from_millis(100);

/// Reads a whole configuration; `bad_byte` is the offset of the first byte that was no UTF-8.
pub(super) fn config(text: &str, name: &str, bad_byte: Option<usize>) -> Result<Config, ConfigError> {
    // Editors on Windows put a byte order mark in front; the columns of line 1 must not count it.
    let (text, bad_byte) = match text.strip_prefix('\u{feff}') {
        Some(rest) => (rest, bad_byte.map(|at| at.saturating_sub(text.len() - rest.len()))),
        None => (text, bad_byte),
    };
    let mut document = Document::parse(text, bad_byte);
    let mut probe_names = BTreeSet::new();
    let web = web(&mut document);
    let capture = capture(&mut document);
    let config = Config {
        web,
        hep: hep::read(&mut document, !capture.is_off()),
        capture,
        media: media(&mut document),
        connections: super::connections::read(&mut document),
        calls: calls(&mut document),
        quality: quality(&mut document),
        site: site(&mut document),
        peers: peers(&mut document),
        numbering: numbering::read(&mut document),
        outcomes: Vec::new(),
        rates: Vec::new(),
        suspicious: suspicious::read(&mut document),
        labels: labels::labels(&mut document),
        limits: limits::read(&mut document),
        sources: sources::sources(&mut document),
        host: sources::host(&mut document),
        probes: probes::read(&mut document, &mut probe_names),
        business: Business::default(),
        databases: databases::read(&mut document),
        pools: pools::read(&mut document),
        user_agents: agents::read(&mut document),
        log: log(&mut document),
    };
    // What names a peer is read when the peers are known.
    let outcomes = outcomes::read(&mut document, &config.peers);
    let rates = rates::read(&mut document, &config.peers);
    let wanted = packs::read(&mut document, &config.databases);
    let base = Path::new(name).parent().unwrap_or(Path::new(""));
    let included = packs::include(&mut document, wanted, base, &config.site.time_zone, probe_names);
    let probes = [config.probes, included.probes].concat();
    let whole = document.finish(name, Config { outcomes, rates, probes, business: included.business, ..config });
    match (whole, included.faults) {
        (Ok(config), faults) if faults.is_empty() => Ok(config),
        (Ok(_), faults) => Err(ConfigError::Several(faults)),
        (Err(fault), faults) if faults.is_empty() => Err(fault),
        (Err(fault), faults) => Err(ConfigError::Several(std::iter::once(fault).chain(faults).collect())),
    }
}

pub(super) fn entries(value: Value<'_>) -> value::Checked<usize> {
    value::count(value, 1..=MAX_ENTRIES)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at_least(long: &str, long_default: Duration, short: &str, short_default: Duration) -> String {
    let (long_default, short_default) = (format_duration(long_default), format_duration(short_default));
    format!("make {long} (default {long_default}) at least as long as {short} (default {short_default})")
}

fn web(document: &mut Document<'_>) -> Web {
    let default = Web::default();
    document.section("web", |section| Web {
        listen_address: section.take("listen_address", default.listen_address, net::listen_addresses),
        max_connections: section
            .take("max_connections", default.max_connections, |typed| value::count(typed, 1..=65_536)),
        request_timeout: section
            .take("request_timeout", default.request_timeout, |typed| value::duration(typed, TENTH..=seconds(300))),
    })
}

fn capture(document: &mut Document<'_>) -> Capture {
    let default = Capture::default();
    document.section("capture", |section| Capture {
        interfaces: section.take("interfaces", default.interfaces, net::interfaces),
        filter: section.take("filter", default.filter, |typed| value::text(typed).map(Some)),
        sip_ports: section.take("sip_ports", default.sip_ports, net::ports),
        media_ports: section.take("media_ports", default.media_ports, net::ports),
        tunnels: section.take("tunnels", default.tunnels, value::boolean),
        promiscuous: section.take("promiscuous", default.promiscuous, value::boolean),
        // libpcap's own maximum is 262144 (MAXIMUM_SNAPLEN); 128 holds the headers down to RTP.
        snap_length: section.take("snap_length", default.snap_length, |typed| value::bytes(typed, 128..=262_144)),
        media_snap_length: section
            .take("media_snap_length", default.media_snap_length, |typed| value::bytes(typed, 96..=262_144)),
        ring_size: section.take("ring_size", default.ring_size, |typed| value::bytes(typed, 1 << 20..=1 << 30)),
        workers: section.take("workers", default.workers, |typed| value::count(typed, 1..=32)),
        shed_media: section.take("shed_media", default.shed_media, value::boolean),
        reopen_interval: section
            .take("reopen_interval", default.reopen_interval, |typed| value::duration(typed, TENTH..=HOUR)),
    })
}

fn media(document: &mut Document<'_>) -> Media {
    let default = Media::default();
    document.section("media", |section| {
        let media = Media {
            interval: section
                .take("interval", default.interval, |typed| value::duration(typed, seconds(1)..=seconds(60))),
            idle_timeout: section
                .take("idle_timeout", default.idle_timeout, |typed| value::duration(typed, seconds(1)..=HOUR)),
            max_streams: section.take("max_streams", default.max_streams, entries),
            max_candidates: section.take("max_candidates", default.max_candidates, entries),
        };
        section.require(
            media.idle_timeout >= media.interval,
            ["idle_timeout", "interval"],
            "is shorter than `media.interval`: a stream would end before it is judged",
            &at_least("idle_timeout", default.idle_timeout, "interval", default.interval),
        );
        media
    })
}

fn calls(document: &mut Document<'_>) -> Calls {
    let default = Calls::default();
    document.section("calls", |section| {
        let calls = Calls {
            max_calls: section.take("max_calls", default.max_calls, entries),
            max_transactions: section.take("max_transactions", default.max_transactions, entries),
            max_registrations: section.take("max_registrations", default.max_registrations, entries),
            setup_timeout: section
                .take("setup_timeout", default.setup_timeout, |typed| value::duration(typed, seconds(1)..=HOUR)),
            ring_timeout: section
                .take("ring_timeout", default.ring_timeout, |typed| value::duration(typed, seconds(1)..=HOUR)),
            max_duration: section.take("max_duration", default.max_duration, |typed| {
                value::duration(typed, seconds(1)..=30 * 24 * HOUR)
            }),
            late_media: section
                .take("late_media", default.late_media, |typed| value::duration(typed, TENTH..=seconds(60))),
            media_timeout: section
                .take("media_timeout", default.media_timeout, |typed| value::duration(typed, seconds(1)..=HOUR)),
            media_silence: section
                .take("media_silence", default.media_silence, |typed| value::duration(typed, seconds(10)..=24 * HOUR)),
            voicemail_targets: section.take("voicemail_targets", default.voicemail_targets, outcomes::targets),
            voicemail_diversions: section.take("voicemail_diversions", default.voicemail_diversions, outcomes::reasons),
            callback_window: section.take("callback_window", default.callback_window, |typed| {
                value::duration(typed, seconds(60)..=30 * 24 * HOUR)
            }),
            max_missed_calls: section.take("max_missed_calls", default.max_missed_calls, entries),
            leg_headers: section.take("leg_headers", default.leg_headers, outcomes::header_names),
        };
        section.require(
            calls.ring_timeout >= calls.setup_timeout,
            ["ring_timeout", "setup_timeout"],
            "is shorter than `calls.setup_timeout`: a ringing call would be given up before a silent one",
            &at_least("ring_timeout", default.ring_timeout, "setup_timeout", default.setup_timeout),
        );
        section.require(
            calls.media_timeout >= calls.late_media,
            ["media_timeout", "late_media"],
            "is shorter than `calls.late_media`: media would be missing before it is late",
            &at_least("media_timeout", default.media_timeout, "late_media", default.late_media),
        );
        section.require(
            calls.media_silence >= calls.media_timeout,
            ["media_silence", "media_timeout"],
            "is shorter than `calls.media_timeout`: a call would be given up before its media is missing",
            &at_least("media_silence", default.media_silence, "media_timeout", default.media_timeout),
        );
        calls
    })
}

fn quality(document: &mut Document<'_>) -> Quality {
    let default = Quality::default();
    // ITU-T G.107 table 2: the E-model holds for an absolute delay Ta of 0 to 500 ms.
    let delays = Duration::ZERO..=Duration::from_millis(500);
    let buffers = [("fixed", PlayoutBuffer::Fixed), ("adaptive", PlayoutBuffer::Adaptive)];
    document.section("quality", |section| {
        let mut delay = |key, default| section.take(key, default, |typed| value::duration(typed, delays.clone()));
        let quality = Quality {
            assumed_delay: delay("assumed_delay", default.assumed_delay),
            playout_delay: delay("playout_delay", default.playout_delay),
            playout_min: delay("playout_min", default.playout_min),
            playout_max: delay("playout_max", default.playout_max),
            playout_buffer: section
                .take("playout_buffer", default.playout_buffer, |typed| value::choice(typed, &buffers)),
            packet_loss_concealment: section.take(
                "packet_loss_concealment",
                default.packet_loss_concealment,
                value::boolean,
            ),
        };
        section.require(
            quality.playout_max >= quality.playout_min,
            ["playout_max", "playout_min"],
            "is shorter than `quality.playout_min`",
            &at_least("playout_max", default.playout_max, "playout_min", default.playout_min),
        );
        quality
    })
}

fn site(document: &mut Document<'_>) -> Site {
    let plain = |typed: Value<'_>| Ok(net::networks(typed)?.into_iter().map(Spanned::into_inner).collect());
    let default = Site::default();
    document.section("site", |section| Site {
        local_networks: section.take("local_networks", default.local_networks, plain),
        time_zone: section.take("time_zone", default.time_zone, zone::time_zone),
    })
}

fn peers(document: &mut Document<'_>) -> Vec<Peer> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut owners: BTreeMap<IpNet, String> = BTreeMap::new();
    let mut count = 0;
    document.sections("peers", |section| {
        count += 1;
        if count == MAX_PEERS + 1 {
            let hint = "give networks with the same meaning one name";
            section.complain(section.place("name"), format!("`peers` has more than {MAX_PEERS} sections"), hint);
        }
        let name = section.take_required("name", "\"carrier-a\"", net::peer_name);
        if !name.is_empty() && !names.insert(name.clone()) {
            let message = format!("`peers.name` {name:?} is taken by a peer further up");
            section.complain(section.place("name"), message, "choose another name, or put all networks into one peer");
        }
        let networks = section.take_required("networks", "[\"192.0.2.0/24\"]", net::peer_networks);
        for network in &networks {
            if let Some(owner) = owners.insert(*network.get_ref(), name.clone()) {
                let message =
                    format!("`peers.networks` lists {}, which is in peer {owner:?} already", network.get_ref());
                section.complain(network.span(), message, "delete it from one of the two");
            }
        }
        let capacity = section.take("capacity", None, |typed| value::count(typed, 1..=MAX_CAPACITY).map(Some));
        Peer {
            name,
            networks: networks.into_iter().map(Spanned::into_inner).collect(),
            capacity: capacity.map(|calls| calls as u32),
        }
    })
}

fn log(document: &mut Document<'_>) -> Log {
    let levels = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let default = Log::default();
    document.section("log", |section| Log {
        level: section.take("level", default.level, |typed| value::choice(typed, &levels)),
        format: section.take("format", default.format, |typed| value::choice(typed, &formats)),
    })
}
