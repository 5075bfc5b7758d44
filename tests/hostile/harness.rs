//! The core as the program drives it: frames in, ticks, snapshots, reports out; and what must hold of every report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use sidetone::config::Config;
use sidetone::engine::{self, Engine, Settings};
use sidetone::metrics::exposition::openmetrics_to_text;
use sidetone::metrics::{Workers, render};
use sidetone::numbers::Collection;
use sidetone::report::{CaptureSummary, Findings, json, text};
use sidetone::site::Site;
use sidetone::time::Timestamp;
use sidetone::wire::LinkType;
use sidetone::wire::hep::Mirrored;

use crate::packets::ethernet;

/// 2024-01-01, where the tests' clocks start: nanoseconds.
pub const START: i64 = 1_704_067_200_000_000_000;
pub const MILLISECOND: i64 = 1_000_000;
pub const SECOND: i64 = 1_000 * MILLISECOND;

/// Tables small enough to be flooded in a moment.
pub fn small() -> Config {
    let mut config = Config::default();
    config.media.max_streams = 200;
    config.media.max_candidates = 150;
    config.calls.max_calls = 100;
    config.calls.max_transactions = 400;
    config.calls.max_registrations = 120;
    config
}

pub struct Core {
    engine: Engine,
    file: usize,
}

impl Core {
    /// `keep_reports` is what tells `analyze` from `run`.
    pub fn new(config: &Config, keep_reports: bool) -> Core {
        let mut engine = Engine::new(Settings::new(config, keep_reports), Arc::new(Site::default()));
        let file = engine.add_interface("file");
        Core { engine, file }
    }

    /// As `run` is, with the peers and the local networks of the configuration.
    pub fn of(config: &Config) -> Core {
        let mut engine = Engine::new(
            Settings::new(config, true),
            Arc::new(engine::site(config, config.site.local_networks.clone())),
        );
        let file = engine.add_interface("file");
        Core { engine, file }
    }

    pub fn frame(&mut self, nanos: i64, link: LinkType, frame: &[u8]) {
        self.engine.frame(self.file, Timestamp::from_nanos(nanos), link, frame.len() as u32, frame);
    }

    /// An IP packet, in Ethernet.
    pub fn packet(&mut self, nanos: i64, packet: &[u8]) {
        self.frame(nanos, LinkType::ETHERNET, &ethernet(packet));
    }

    /// What a listener received from a mirror.
    pub fn mirrored(&mut self, nanos: i64, packet: &Mirrored<'_>) {
        self.engine.mirrored(self.file, Timestamp::from_nanos(nanos), packet);
    }

    pub fn tick(&mut self, nanos: i64) {
        self.engine.tick(Timestamp::from_nanos(nanos));
    }

    /// Whether memory is short.
    pub fn hold(&mut self, on: bool) {
        self.engine.hold(on);
    }

    /// What a scrape shows now, in the text format.
    pub fn scrape(&mut self) -> Samples {
        let mut collection = Collection::default();
        self.engine.snapshot().collect(&mut collection);
        let openmetrics = render(vec![Box::new(Workers::new(collection))]).expect("a String takes everything");
        Samples::parse(&openmetrics_to_text(&openmetrics))
    }

    /// Ends the capture and renders every report, each of which has to hold together; gives the JSON.
    pub fn finish(mut self) -> Value {
        let before = self.scrape();
        before.check();
        let analysis = self.engine.finish();
        let after = self.scrape();
        after.check();
        after.check_not_below(&before);
        let findings = Findings::new(vec![summary()], analysis);
        let mut report = Vec::new();
        json::render(&findings, &mut report).expect("JSON has no number that it cannot write");
        let text = text::render(&findings).expect("a String takes everything");
        let control = text.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(control, None, "a control character reaches the terminal in:\n{text}");
        serde_json::from_slice(&report).expect("JSON")
    }
}

fn summary() -> CaptureSummary {
    CaptureSummary {
        file: "hostile".to_owned(),
        link_type: "EN10MB".to_owned(),
        packets: 0,
        bytes: 0,
        first_packet_time: None,
        last_packet_time: None,
        truncated: false,
    }
}

/// A parsed exposition: series, as the text format writes them, to value.
pub struct Samples(pub BTreeMap<String, f64>);

impl Samples {
    pub fn parse(text: &str) -> Samples {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Samples(
            lines
                .map(|line| {
                    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line:?}"));
                    (series.to_owned(), value.parse().unwrap_or_else(|_| panic!("no value: {line:?}")))
                })
                .collect(),
        )
    }

    /// The sum of all series of a family whose labels contain `label`.
    pub fn sum(&self, family: &str, label: &str) -> f64 {
        let of_family = |series: &str| match series.strip_prefix(family) {
            Some(rest) => rest.is_empty() || (rest.starts_with('{') && rest.contains(label)),
            None => false,
        };
        self.0.iter().filter(|(series, _)| of_family(series)).map(|(_, value)| value).sum()
    }

    /// The names of all families that have series; a histogram's are three.
    pub fn families(&self) -> BTreeSet<String> {
        self.0.keys().map(|series| series.split('{').next().unwrap_or(series).to_owned()).collect()
    }

    /// All series, one a line.
    pub fn text(&self) -> String {
        self.0.keys().map(|series| format!("{series}\n")).collect()
    }

    /// The labels of all series of a family, as they are written.
    pub fn series(&self, family: &str) -> Vec<&str> {
        let labels = |series: &'_ String| {
            series.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
        };
        self.0
            .keys()
            .filter(|series| labels(series))
            .map(|series| series[family.len()..].trim_matches(['{', '}']))
            .collect()
    }

    /// Entries of a table of the packet path.
    pub fn tracked(&self, table: &str) -> usize {
        self.sum("sidetone_tracked_entries", &format!("table=\"{table}\"")) as usize
    }

    pub fn evicted(&self, table: &str) -> usize {
        self.sum("sidetone_evicted_entries_total", &format!("table=\"{table}\"")) as usize
    }

    /// What holds whatever came: nothing is negative or no number, and what entered a table is in it or has left it.
    pub fn check(&self) {
        for (series, value) in &self.0 {
            assert!(value.is_finite(), "{series} is {value}");
            assert!(*value >= 0.0 || series.contains("timestamp"), "{series} is {value}");
        }
        let ended = self.sum("call_outcomes_total", "");
        let (attempts, active) = (self.sum("call_attempts_total", ""), self.sum("call_active", ""));
        let half_seen = self.sum("call_half_seen_total", "");
        // Of calls whose beginning was not seen the end counts as a release only.
        let books = ended + (active - half_seen).max(0.0)..=ended + active;
        assert!(books.contains(&attempts), "{attempts} attempts, {books:?} ended and active");
        assert_eq!(self.sum("call_final_status_total", ""), ended, "each end has one final status, or none");
        assert_eq!(attempts, self.sum("call_attempts_by_hour_total", ""), "attempts against those by hour");
        assert_eq!(self.sum("rtp_streams_active", ""), self.tracked("streams") as f64, "active streams");
        let bindings = self.sum("sip_registrations_active", "");
        assert_eq!(bindings, self.tracked("registrations") as f64, "active registrations");
        let kind = |kind: &str| self.sum("sip_registrations_total", &format!("kind=\"{kind}\""));
        let gone = kind("removal") + kind("expired") + kind("dropped") + self.evicted("registrations") as f64;
        assert_eq!(kind("new") + kind("listed"), bindings + gone, "bindings that came, and {gone} that went");
        let lost = self.sum("rtp_packets_lost_total", "");
        assert!(lost <= self.sum("rtp_packets_expected_total", ""), "{lost} packets lost, more than expected");
    }

    /// Counters and histograms only go up.
    fn check_not_below(&self, before: &Samples) {
        let cumulative = ["_total", "_bucket", "_sum", "_count"];
        for (series, value) in &before.0 {
            let name = series.split('{').next().unwrap_or(series);
            let now = self.0.get(series).copied().unwrap_or_default();
            let grows = cumulative.iter().any(|end| name.ends_with(end));
            assert!(!grows || now >= *value, "{series} went from {value} down to {now}");
        }
    }
}

/// A small generator of numbers, so that a failure repeats (Marsaglia's xorshift64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}
