//! The configuration: the shipped file, the documentation, one bad file a rule, and hostile input.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use sidetone::call::{Class, Currency, Outcome, Rate};
use sidetone::config::{Config, ConfigError, LogFormat, LogLevel, OutcomeRule, PortRange};
use sidetone::site::Direction;

const SHIPPED: &str = include_str!("../config/sidetone.toml");
const DOCS: &str = include_str!("../docs/configuration.md");

fn valid(text: &str) -> Config {
    Config::parse(text, "test.toml").unwrap_or_else(|error| panic!("{text}\n{error}"))
}

fn report(text: &str, name: &str) -> String {
    match Config::parse(text, name) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error.to_string(),
    }
}

/// The keys of a TOML text with what stands behind "=", settings that are off ("#key = value") included.
fn keys(text: &str) -> BTreeMap<String, String> {
    let mut section = "";
    let mut keys = BTreeMap::new();
    for line in text.lines() {
        let line = line.strip_prefix('#').unwrap_or(line);
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        } else if section.is_empty() {
            // `include` stands above all sections, and is explained in words.
        } else if let Some((key, value)) = line.split_once(" = ").filter(|(key, _)| is_key(key)) {
            keys.insert(format!("{section}.{key}"), value.to_owned());
        }
    }
    keys
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')
}

/// The cells of each row of the documentation's tables of keys, by `section.key`.
fn documented() -> BTreeMap<String, Vec<String>> {
    let mut section = "";
    let mut rows = BTreeMap::new();
    for line in DOCS.lines() {
        if let Some(title) = line.strip_prefix("## `[") {
            section = title.split(']').next().unwrap_or("").trim_start_matches('[');
        }
        let cells: Vec<String> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
        if !section.is_empty() && cells.len() == 8 && cells[1].starts_with('`') {
            rows.insert(format!("{section}.{}", cells[1].trim_matches('`')), cells);
        }
    }
    rows
}

#[test]
fn the_shipped_file_is_the_default() {
    assert_eq!(valid(SHIPPED), Config::default());
    assert_eq!(valid(""), Config::default());
}

#[test]
fn the_shipped_file_explains_each_key() {
    let lines: Vec<&str> = SHIPPED.lines().collect();
    for (above, line) in lines.iter().zip(lines.iter().skip(1)) {
        let setting = line.strip_prefix('#').unwrap_or(line);
        if setting.split_once(" = ").is_some_and(|(key, _)| is_key(key)) {
            assert!(above.starts_with("# "), "no comment above: {line}");
        }
    }
}

#[test]
fn the_services_of_the_shipped_packs_are_valid() {
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/packs");
    let mut probes = 0;
    for entry in fs::read_dir(packs).expect("packs") {
        if let Ok(text) = fs::read_to_string(entry.expect("a pack").path().join("probes.toml")) {
            probes += valid(&text).probes.len();
        }
    }
    assert!(probes >= 12, "only {probes} probes in the packs");
}

/// The shipped file with the settings that are off turned on.
fn all_on() -> String {
    let on = SHIPPED.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
        _ => format!("{line}\n"),
    });
    on.collect()
}

#[test]
fn the_settings_that_the_shipped_file_has_off_are_valid() {
    // What it includes is beside it.
    let config = Config::parse(&all_on(), "config/test.toml").unwrap_or_else(|error| panic!("{error}"));
    assert!(config.business.packs.len() == 1 && config.business.sources.len() == 3);
    assert!(config.peers.len() == 1 && config.capture.filter.is_some());
    assert!(config.outcomes.len() == 1 && config.rates.len() == 1 && config.probes.len() == 4);
    assert!(config.databases.len() == 1 && config.pools.len() == 1);
}

#[test]
fn the_documentation_and_the_shipped_file_name_the_same_keys_and_defaults() {
    let shipped = keys(SHIPPED);
    let documented = documented();
    let names: Vec<&String> = documented.keys().collect();
    assert_eq!(names, shipped.keys().collect::<Vec<_>>());
    for (key, cells) in documented {
        let default = cells[3].trim_matches('`');
        match default {
            "none" | "required" => assert!(SHIPPED.contains(&format!("\n#{} = ", cells[1].trim_matches('`'))), "{key}"),
            default => assert_eq!(default, shipped[&key], "{key}"),
        }
    }
}

const PEER: &str = "[[peers]]\nname = \"carrier-a\"\nnetworks = [\"192.0.2.1\"]\n";

const DATABASE: &str = "[[databases]]\nname = \"a\"\nengine = \"postgresql\"\n";

#[test]
fn the_documented_examples_are_valid_and_change_something() {
    for (key, cells) in documented() {
        let example = cells[6].trim_matches('`');
        let text = match key.as_str() {
            "peers.name" => format!("[[peers]]\n{example}\nnetworks = [\"192.0.2.1\"]"),
            "user_agents.name" => format!("[[user_agents]]\n{example}\nmatch = \"A*\""),
            "user_agents.match" => format!("[[user_agents]]\nname = \"a\"\n{example}"),
            "peers.capacity" => format!("[[peers]]\nname = \"a\"\nnetworks = [\"192.0.2.1\"]\n{example}"),
            "peers.networks" => format!("[[peers]]\nname = \"a\"\n{example}"),
            "outcomes.status" | "outcomes.cause" => format!("[[outcomes]]\n{example}\noutcome = \"busy\""),
            "outcomes.outcome" => format!("[[outcomes]]\nstatus = [603]\n{example}"),
            "outcomes.peer" => format!("{PEER}[[outcomes]]\ncause = [1]\noutcome = \"not_found\"\n{example}"),
            rate if rate.starts_with("rates.") => {
                let required = ["class = \"mobile\"\n", "currency = \"EUR\"\n", "per_minute = 1\n"];
                let others: String = required.into_iter().filter(|key| !key.starts_with(&rate[6..])).collect();
                let text = |setting: &str| format!("{PEER}[[rates]]\n{others}{setting}");
                let without = if required.iter().any(|key| key.starts_with(&rate[6..])) { "" } else { &text("") };
                assert_ne!(valid(&text(example)), valid(without), "{key}");
                text(example)
            }
            probe if probe.starts_with("probes.") => {
                let key = &probe[7..];
                let kind = match key {
                    "query" | "record" | "over_tcp" | "answers" => "dns",
                    "transport" | "user" => "sip",
                    "send" => "tcp",
                    _ => "http",
                };
                let target = if kind == "http" { "http://a/" } else { "a:1" };
                let json = if key == "states" { "json = \"\"\n" } else { "" };
                let query = if kind == "dns" && key != "query" { "query = \"a\"\n" } else { "" };
                let pairs = [("name", "a"), ("kind", kind), ("target", target)];
                let others: String = pairs
                    .iter()
                    .filter(|(other, _)| *other != key)
                    .map(|(other, value)| format!("{other} = \"{value}\"\n"))
                    .collect();
                let others = if key == "kind" { others.replace("http://a/", "a:1") } else { others };
                format!("[[probes]]\n{others}{json}{query}{example}")
            }
            "databases.name" => format!("[[databases]]\n{example}\nengine = \"redis\""),
            "databases.engine" | "databases.url" => format!("[[databases]]\nname = \"a\"\n{example}"),
            "databases.certificate_file" | "databases.key_file" => {
                let both = "certificate_file = \"/a\"\nkey_file = \"/a\"\n";
                let others: String = both.lines().filter(|line| !line.starts_with(&key[10..])).collect();
                format!("{DATABASE}{others}\n{example}")
            }
            of_database if of_database.starts_with("databases.") => {
                assert_ne!(valid(&format!("{DATABASE}{example}")), valid(DATABASE), "{key}");
                format!("{DATABASE}{example}")
            }
            of_pool if of_pool.starts_with("pools.") => {
                let required = ["name = \"a\"\n", "database = \"b\"\n", "url = \"http://h/\"\n", "active = \"#/b\"\n"];
                let own = format!("{} = ", &of_pool[6..]);
                let others: String = required.into_iter().filter(|key| !key.starts_with(&own)).collect();
                assert_ne!(
                    valid(&format!("[[pools]]\n{others}{example}")),
                    valid(&format!("[[pools]]\n{}", required.concat()))
                );
                format!("[[pools]]\n{others}{example}")
            }
            of_pack if of_pack.starts_with("packs.") || of_pack.starts_with("event_sources.") => {
                let (section, key) = of_pack.split_once('.').expect("a section");
                let required: &[&str] = match (section, key) {
                    ("packs", _) => &["name = \"vioconcierge\"\n"],
                    (_, "bearer_file" | "hmac_file") => &["name = \"a\"\n", "pack = \"vioconcierge\"\n"],
                    _ => &["name = \"a\"\n", "pack = \"vioconcierge\"\n", "open = true\n"],
                };
                let others = required.iter().filter(|line| !line.starts_with(&format!("{key} = ")));
                let others: String = others.copied().collect();
                let text = format!("include = [\"packs/vioconcierge\"]\n{DATABASE}[[{section}]]\n{others}{example}");
                let read = Config::parse(&text, "config/test.toml").unwrap_or_else(|error| panic!("{text}\n{error}"));
                assert!(!read.business.packs.is_empty(), "{key}");
                continue;
            }
            "hep.listen_tls" => format!("[hep]\n{example}\ncertificate_file = \"a\"\nkey_file = \"b\""),
            _ => format!("[{}]\n{example}", key.split('.').next().unwrap_or("")),
        };
        assert_ne!(valid(&text), Config::default(), "{key}");
    }
}

#[test]
fn the_documented_report_is_the_real_one() {
    let text = format!("{}[media]\nintervall = \"5s\"\n", "\n".repeat(10));
    assert!(DOCS.contains(&report(&text, "sidetone.toml")));
}

#[test]
fn each_rule_has_its_exact_message() {
    let mut seen = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")).expect("fixtures") {
        let path = entry.expect("fixture").path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = fs::read_to_string(&path).expect("fixture");
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let expected = fs::read_to_string(path.with_extension("expected")).expect("the expected report beside it");
            assert_eq!(report(&text, &name), expected.trim_end(), "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 101, "only {seen} fixtures found");
}

#[test]
fn five_mistakes_are_five_problems_in_the_order_of_the_file() {
    let text = include_str!("config/five-mistakes.toml");
    match Config::parse(text, "five-mistakes.toml") {
        Err(ConfigError::Invalid { problems, total, .. }) => {
            assert_eq!(total, 5);
            let places: Vec<(usize, usize)> = problems.iter().map(|problem| (problem.line, problem.column)).collect();
            assert_eq!(places, [(2, 18), (6, 13), (7, 14), (10, 1), (16, 13)]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_kind_of_value_is_read() {
    let config = valid(
        r#"
        web = { listen_address = [":10060", "127.0.0.1:0"], max_connections = 0x10, request_timeout = "1m 30s" }
        media.interval = "2s"
        capture.sip_ports = [5060, "5080 - 5090"]
        capture.snap_length = "64KiB"
        capture.ring_size = 1048576
        capture.interfaces = ["any"]
        capture.filter = 'udp port 5060'
        site.local_networks = ["10.0.0.1", "10.0.0.0/8", "2001:db8::1", "2001:db8::/32", "0.0.0.0/0"]
        calls.voicemail_targets = []
        calls.leg_headers = ["X-Call-Key"]
        site.time_zone = "utc"
        rates = [
            { class = "mobile", currency = "EUR", per_minute = 0.0125, prefix = ["+447", "4420"] },
            { class = "mobile", currency = "EUR", per_minute = 0.0125, prefix = ["+447"], peer = "c" },
            { class = "toll_free", currency = "EUR", per_minute = 0, setup_fee = 2.0, unanswered_fee = 1e-6, direction = "outbound", peer = "c", minimum = "30s", increment = "6s" },
        ]
        outcomes = [
            { status = [603, 403], outcome = "blocked" },
            { cause = [21], peer = "c", status = [486], outcome = "rejected" },
        ]
        numbering = { country_code = "1", international_prefix = "011", trunk_prefix = "" }
        log = { level = "trace", format = "json" }
        peers = [{ name = "a_1-b", networks = ["192.0.2.0/24"] }, { name = "c", networks = ["192.0.2.0/25", "::/0"] }]
        "#,
    );
    let addresses: Vec<String> = config.web.listen_address.iter().map(SocketAddr::to_string).collect();
    assert_eq!(addresses, ["[::]:10060", "127.0.0.1:0"]);
    assert_eq!(config.web.max_connections, 16);
    assert_eq!(config.web.request_timeout, Duration::from_secs(90));
    assert_eq!(config.media.interval, Duration::from_secs(2));
    let ports = [PortRange { first: 5060, last: 5060 }, PortRange { first: 5080, last: 5090 }];
    assert_eq!(config.capture.sip_ports, ports);
    assert_eq!((config.capture.snap_length, config.capture.ring_size), (65536, 1 << 20));
    assert_eq!(config.capture.interfaces, ["any"]);
    assert_eq!(config.capture.filter.as_deref(), Some("udp port 5060"));
    let networks: Vec<String> = config.site.local_networks.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.1/32", "10.0.0.0/8", "2001:db8::1/128", "2001:db8::/32", "0.0.0.0/0"]);
    assert_eq!(config.site.time_zone, TimeZone::UTC);
    let rate = |prefixes: &[&str], direction, peer: Option<&str>| Rate {
        class: Class::Mobile,
        currency: Currency::new("EUR").expect("a currency"),
        direction,
        prefixes: prefixes.iter().map(|prefix| prefix.as_bytes().into()).collect(),
        peer: peer.map(str::to_owned),
        per_minute: 12_500,
        setup_fee: 0,
        unanswered_fee: 0,
        minimum: 1,
        increment: 1,
    };
    let mut other = rate(&[], Some(Direction::Outbound), Some("c"));
    (other.class, other.per_minute, other.setup_fee, other.unanswered_fee) = (Class::TollFree, 0, 2_000_000, 1);
    (other.minimum, other.increment) = (30, 6);
    assert_eq!(config.rates, [rate(&["447", "4420"], None, None), rate(&["447"], None, Some("c")), other]);
    assert!(config.calls.voicemail_targets.is_empty() && config.calls.leg_headers == ["X-Call-Key"]);
    let rule = |statuses: &[u16], causes: &[u8], peer: Option<&str>, outcome| OutcomeRule {
        statuses: statuses.to_vec(),
        causes: causes.to_vec(),
        peer: peer.map(str::to_owned),
        outcome,
    };
    let rules = [rule(&[603, 403], &[], None, Outcome::Blocked), rule(&[486], &[21], Some("c"), Outcome::Rejected)];
    assert_eq!(config.outcomes, rules);
    let numbering = (config.numbering.country_code.as_deref(), config.numbering.international_prefix.as_str());
    assert_eq!((numbering, config.numbering.trunk_prefix.as_str()), ((Some("1"), "011"), ""));
    assert_eq!((config.log.level, config.log.format), (LogLevel::Trace, LogFormat::Json));
    let names: Vec<&str> = config.peers.iter().map(|peer| peer.name.as_str()).collect();
    assert_eq!(names, ["a_1-b", "c"]);
    assert!(ports[1].contains(5080) && ports[1].contains(5090) && !ports[1].contains(5091));
}

#[test]
fn the_ends_of_each_range_are_valid_and_one_further_is_not() {
    let ranges = [
        ("web.max_connections", ["1", "65536"], ["0", "65537"]),
        ("web.request_timeout", ["'100ms'", "'5m'"], ["'99ms'", "'5m 1ns'"]),
        ("capture.snap_length", ["128", "262144"], ["127", "262145"]),
        ("capture.ring_size", ["'1MiB'", "'1GiB'"], ["1048575", "1073741825"]),
        ("capture.reopen_interval", ["'100ms'", "'1h'"], ["'99ms'", "'61m'"]),
        ("media.interval", ["'1s'", "'60s'"], ["'999ms'", "'61s'"]),
        ("media.idle_timeout", ["'5s'", "'1h'"], ["'4s'", "'61m'"]),
        ("media.max_streams", ["1", "10000000"], ["0", "10000001"]),
        ("media.max_candidates", ["1", "10000000"], ["0", "10000001"]),
        ("connections.max_flows", ["1", "10000000"], ["0", "10000001"]),
        ("connections.max_buffered_bytes", ["'1MiB'", "'1GiB'"], ["1048575", "1073741825"]),
        ("connections.idle_timeout", ["'1s'", "'1day'"], ["'999ms'", "'25h'"]),
        ("calls.max_calls", ["1", "10000000"], ["0", "10000001"]),
        ("calls.max_transactions", ["1", "10000000"], ["0", "10000001"]),
        ("calls.max_registrations", ["1", "10000000"], ["0", "10000001"]),
        ("calls.setup_timeout", ["'1s'", "'4m'"], ["'999ms'", "'4m 1s'"]),
        ("calls.ring_timeout", ["'32s'", "'1h'"], ["'31s'", "'61m'"]),
        ("calls.max_duration", ["'1s'", "'30days'"], ["'999ms'", "'31days'"]),
        ("calls.late_media", ["'100ms'", "'10s'"], ["'99ms'", "'61s'"]),
        ("calls.media_timeout", ["'3s'", "'5m'"], ["'2s'", "'5m 1s'"]),
        ("calls.callback_window", ["'1m'", "'30days'"], ["'59s'", "'31days'"]),
        ("calls.max_missed_calls", ["1", "10000000"], ["0", "10000001"]),
        ("calls.media_silence", ["'10s'", "'24h'"], ["'9s'", "'25h'"]),
        ("quality.playout_delay", ["'0s'", "'500ms'"], ["'-1s'", "'501ms'"]),
        ("quality.playout_min", ["'0s'", "'200ms'"], ["'201ms'", "'501ms'"]),
        ("quality.playout_max", ["'20ms'", "'500ms'"], ["'19ms'", "'501ms'"]),
        ("quality.assumed_delay", ["'0s'", "'500ms'"], ["'-1s'", "'501ms'"]),
        ("suspicious.window", ["'1s'", "'1h'"], ["'999ms'", "'61m'"]),
        ("suspicious.registration_scan", ["0", "1000"], ["-1", "1001"]),
        ("suspicious.invite_burst", ["0", "100000"], ["-1", "100001"]),
        ("suspicious.auth_failures", ["0", "100000"], ["-1", "100001"]),
        ("suspicious.false_answers", ["0", "100000"], ["-1", "100001"]),
        ("suspicious.short_calls", ["0", "100000"], ["-1", "100001"]),
        ("suspicious.short_call", ["'1s'", "'60s'"], ["'999ms'", "'61s'"]),
        ("suspicious.max_sources", ["100", "1000000"], ["99", "1000001"]),
        ("sources.max_age", ["'1s'", "'1day'"], ["'999ms'", "'25h'"]),
        ("sources.max_probes", ["1", "256"], ["0", "257"]),
        ("host.interval", ["'1s'", "'1h'"], ["'999ms'", "'61m'"]),
        ("labels.max_series", ["100", "100000"], ["99", "100001"]),
        ("capture.sip_ports", ["[1]", "[65535]"], ["[0]", "[65536]"]),
        ("capture.media_ports", ["['1-1']", "['1-65535']"], ["['0-1']", "['1-65536']"]),
    ];
    for (key, good, bad) in ranges {
        for value in good {
            valid(&format!("{key} = {value}"));
        }
        for value in bad {
            assert!(report(&format!("{key} = {value}"), "t").ends_with("t: 1 error"), "{key} = {value}");
        }
    }
}

#[test]
fn files_are_read_and_what_cannot_be_read_says_why() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("s.toml");
    let missing = Config::load(&path).expect_err("there is no file");
    assert!(matches!(missing, ConfigError::Unreadable { .. }));
    let said = missing.to_string();
    assert!(said.contains("s.toml") && said.contains("No such file"), "{said}");
    assert!(matches!(Config::load(folder.path()), Err(ConfigError::Unreadable { .. })), "a directory");
    assert!(matches!(Config::load(Path::new("/dev/zero")), Err(ConfigError::Unreadable { .. })), "an endless file");

    fs::write(&path, SHIPPED).expect("written");
    assert_eq!(Config::load(&path).expect("the shipped file"), Config::default());
    fs::write(&path, format!("\u{feff}{SHIPPED}").replace('\n', "\r\n")).expect("written");
    assert_eq!(Config::load(&path).expect("with byte order mark and CRLF"), Config::default());

    fs::write(&path, b"\xef\xbb\xbf# M\xfcnchen\n[log]\nlevel = 1\n").expect("written");
    let said = Config::load(&path).expect_err("not UTF-8").to_string();
    assert!(said.contains(":1:4\n") && said.contains("UTF-8") && said.contains(":3:9\n"), "{said}");
    assert!(said.ends_with("s.toml: 2 errors"), "{said}");
}

#[test]
fn long_lines_and_long_lists_are_cut() {
    let line = format!("[log]\nlevel = \"{}\"\n", "x".repeat(10_000));
    assert!(report(&line, "t").lines().all(|line| line.len() < 250));
    let late = format!("[site]\nlocal_networks = [{}7]\n", "'::1', ".repeat(1000));
    let said = report(&late, "t");
    assert!(said.contains(" --> t:2:7019\n") && said.contains(&format!("\n  | {}^\n", " ".repeat(63))), "{said}");
    let many: String = (0..2000).map(|key| format!("k{key} = 1\n")).collect();
    let said = report(&many, "t");
    assert!(said.ends_with("t: 2000 errors, the first 1000 shown"), "{}", said.len());
}

#[test]
fn too_many_peers_are_refused() {
    let peers = |count: u32| -> String {
        let one = |n: u32| format!("[[peers]]\nname = \"p{n}\"\nnetworks = [\"10.0.{}.{}\"]\n", n / 256, n % 256);
        (0..count).map(one).collect()
    };
    assert_eq!(valid(&peers(1000)).peers.len(), 1000);
    let said = report(&peers(1010), "t");
    assert!(said.contains("`peers` has more than 1000 sections") && said.ends_with("t: 1 error"), "{said}");
}

#[test]
fn too_many_rules_are_refused() {
    let rules = |count: usize| "[[outcomes]]\nstatus = [603]\noutcome = \"busy\"\n".repeat(count);
    assert_eq!(valid(&rules(100)).outcomes.len(), 100);
    let said = report(&rules(110), "t");
    let rate = |n: usize| format!("[[rates]]\nclass='mobile'\ncurrency='EUR'\nper_minute=1\nprefix=['{}']\n", 1000 + n);
    let rates = |count| (0..count).map(rate).collect::<String>();
    assert_eq!(valid(&rates(1000)).rates.len(), 1000);
    let many = report(&rates(1010), "t");
    assert!(many.contains("`rates` has more than 1000 sections") && many.ends_with("t: 1 error"), "{many}");
    assert!(said.contains("`outcomes` has more than 100 sections") && said.ends_with("t: 1 error"), "{said}");
}

/// Whatever the text: no panic, and a report that points into it.
fn survives(text: &str) {
    if let Err(ConfigError::Invalid { problems, total, .. }) = Config::parse(text, "t") {
        let lines = text.split('\n').count();
        assert!(total >= 1 && !problems.is_empty());
        for problem in problems {
            assert!((1..=lines).contains(&problem.line), "{problem:?}");
            assert!(problem.caret.start < problem.caret.end && !problem.hint.is_empty(), "{problem:?}");
            assert!(problem.caret.start <= problem.excerpt.chars().count(), "{problem:?}");
        }
    }
}

#[test]
fn the_shipped_file_cut_off_anywhere_is_survived() {
    // Not at each character: what is cut grows with the file, and so does the time for each.
    for (text, step) in [(SHIPPED, 3), (&all_on(), 11)] {
        for end in (0..=text.len()).step_by(step).filter(|end| text.is_char_boundary(*end)) {
            survives(&text[..end]);
        }
    }
}

#[test]
fn deep_nesting_is_survived() {
    for text in ["[", "{a=", "a.", "[[", "\"", "x=["] {
        survives(&format!("a = {}", text.repeat(20_000)));
        survives(&text.repeat(20_000));
    }
}

/// Each key with a value of some kind.
fn any_document() -> impl Strategy<Value = String> {
    let keys: Vec<String> = keys(SHIPPED).into_keys().chain(["peers".into(), "web".into(), "x.y".into()]).collect();
    let value = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:?}")),
        prop::sample::select(vec!["true", "1979-05-27T07:32:00Z"]).prop_map(str::to_owned),
        "[0-9]{1,20}(s|ms|ns|m|h|d|y|MiB|GiB|B|/[0-9]{1,3}|-[0-9]{1,6})?".prop_map(|text| format!("{text:?}")),
        "[0-9a-f.:/%\\[\\]-]{0,24}".prop_map(|text| format!("{text:?}")),
        "\\PC{0,100}".prop_map(|text| format!("{text:?}")),
    ];
    let value = value.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            inner.prop_map(|item| format!("{{ name = {item}, networks = [{item}] }}")),
        ]
    });
    let setting = (prop::sample::select(keys), value).prop_map(|(key, value)| format!("{key} = {value}\n"));
    prop::collection::vec(setting, 0..8).prop_map(|settings| settings.concat())
}

proptest! {
    #[test]
    fn random_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn random_values_are_survived(text in any_document()) {
        survives(&text);
    }

    #[test]
    fn changed_bytes_of_the_shipped_file_are_survived(at in 0..SHIPPED.len(), byte in any::<u8>()) {
        let mut bytes = SHIPPED.as_bytes().to_vec();
        bytes[at] = byte;
        survives(&String::from_utf8_lossy(&bytes));
    }
}
