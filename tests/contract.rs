//! What hangs on metric names keeps to the catalogue: dashboards, rules, alerts, runbooks, documentation, exposition.

mod support;

#[path = "contract/catalogue.rs"]
mod catalogue;
#[path = "live/common.rs"]
mod common;
#[path = "contract/dashboards.rs"]
mod dashboards;
#[path = "support/generator/mod.rs"]
mod generator;
#[path = "contract/promql.rs"]
mod promql;
#[path = "contract/rules.rs"]
mod rules;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use catalogue::{Catalogue, Names, sidetone};
use dashboards::{Dashboard, between};
use promql::Reader;
use rules::{Alert, Rules};

/// Where the alerts say that docs/ is; whoever installs them replaces it by his own place.
const DOCS_BASE: &str = "https://sidetone.example/";
/// Where the alerts say that Grafana is; likewise.
const GRAFANA_BASE: &str = "https://grafana.example/d/";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn none(problems: &[String]) {
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// A reader that knows the recorded series, with what was wrong in their rules.
fn reader<'a>(catalogue: &'a Catalogue, rules: &Rules) -> Reader<'a> {
    let mut reader = Reader::new(catalogue);
    let mut open: Vec<_> = rules.recordings.iter().collect();
    // A rule may stand before the one that it needs: as many rounds as there can be links in a chain.
    for _ in 0..rules.recordings.len() {
        open.retain(|rule| {
            let mut attempt = Reader::new(catalogue);
            attempt.recorded = reader.recorded.clone();
            let labels = attempt.read(&rule.place, &rule.expression);
            let resolved = attempt.problems.is_empty();
            if resolved {
                reader.recorded.insert(rule.name.clone(), labels);
                reader.families.append(&mut attempt.families);
            }
            !resolved
        });
    }
    for rule in open {
        reader.read(&rule.place, &rule.expression);
    }
    reader
}

#[test]
fn dashboards_ask_for_what_the_agent_has() {
    let (catalogue, rules) = (Catalogue::read(), rules::read());
    let mut reader = reader(&catalogue, &rules);
    reader.families.clear();
    for dashboard in dashboards::read() {
        reader.problems.extend(dashboard.lapses());
        for query in dashboard.queries() {
            let labels = reader.read(&query.place, &query.expression);
            let missing = query.legend.iter().filter(|label| !labels.contains(*label));
            reader.problems.extend(missing.map(|label| format!("{}: the legend's {label} is not there", query.place)));
        }
    }
    reader.problems.extend(undrawn(&catalogue, &reader.families));
    none(&reader.problems);
}

#[test]
fn links_between_dashboards_lead_to_panels() {
    let (dashboards, mut problems) = (dashboards::read(), Vec::new());
    for dashboard in &dashboards {
        for (panel, uid, target) in dashboard.links() {
            let there = dashboards.iter().find(|board| board.json["uid"] == uid.as_str());
            if there.and_then(|board| board.panel(target)).is_none() {
                problems.push(format!("{}, panel {panel}: there is no panel {target} in {uid}", dashboard.file));
            }
        }
    }
    none(&problems);
}

/// Families that are neither drawn nor listed with a reason, and those listed in vain.
fn undrawn(catalogue: &Catalogue, drawn: &Names) -> Vec<String> {
    let list = fs::read_to_string(root().join("tests/contract/undrawn.txt")).expect("undrawn.txt");
    let lines: Vec<&str> = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let excused: Vec<&str> = lines.iter().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    let mut problems: Vec<String> = Vec::new();
    if excused.len() < lines.len() {
        problems.push("undrawn.txt: a line without a reason".to_owned());
    }
    let is_excused = |name: &str| {
        excused.iter().any(|line| line.strip_suffix('*').map_or(*line == name, |all| name.starts_with(all)))
    };
    let missing = catalogue.0.keys().filter(|name| !drawn.contains(*name) && !is_excused(name));
    problems.extend(missing.map(|name| format!("{name} is in no dashboard and not in undrawn.txt")));
    let vain = excused
        .iter()
        .filter(|name| !name.ends_with('*'))
        .filter(|name| drawn.contains(**name) || !catalogue.0.contains_key(**name));
    problems.extend(vain.map(|name| format!("undrawn.txt: {name} is drawn, or no family")));
    problems
}

#[test]
fn rules_ask_for_what_the_agent_has() {
    let (catalogue, rules) = (Catalogue::read(), rules::read());
    let mut reader = reader(&catalogue, &rules);
    for rule in &rules.recordings {
        // level:metric:operations, as in https://prometheus.io/docs/practices/rules/.
        let parts: Vec<&str> = rule.name.split(':').collect();
        let metric = parts.get(1).copied().unwrap_or_default();
        // host:cpu:ratio is made of host_cpu_*.
        let full = format!("{}_{metric}", parts[0]);
        let is_family = |name: &str| catalogue.0.keys().any(|family| family.starts_with(name));
        let known = is_family(metric) || is_family(&full) || metric.starts_with("call_");
        if parts.len() != 3 || !known {
            reader.problems.push(format!("{} is no level:metric:operations", rule.place));
        }
    }
    for alert in &rules.alerts {
        let labels = reader.read(&alert.place, &alert.expression);
        let texts = alert.annotations.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(" ");
        for part in texts.split("$labels.").skip(1) {
            let label: String = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if !labels.contains(&label) {
                reader.problems.push(format!("{}: its series have no label {label}", alert.place));
            }
        }
    }
    none(&reader.problems);
}

#[test]
fn each_alert_is_complete() {
    let (mut alerts, dashboards, mut problems) = (rules::read().alerts, dashboards::read(), Vec::new());
    problems.extend(alerts.iter().filter_map(|alert| Some(format!("{}: {}", alert.place, link(alert, &dashboards)?))));
    alerts.extend(rules::read_packs().alerts);
    for alert in &alerts {
        problems.extend(form(alert).into_iter().map(|lapse| format!("{}: {lapse}", alert.place)));
    }
    let runbooks: BTreeSet<String> = rules::files("docs/runbooks", ".md")
        .iter()
        .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
        .filter(|name| name != "README")
        .collect();
    let names: BTreeSet<String> = alerts.into_iter().map(|alert| alert.name).collect();
    problems.extend(names.symmetric_difference(&runbooks).map(|name| format!("{name}: alert or runbook, not both")));
    none(&problems);
}

fn form(alert: &Alert) -> Vec<String> {
    let mut lapses = Vec::new();
    if !alert.name.starts_with("Sidetone") || !alert.name.chars().all(|c| c.is_ascii_alphanumeric()) {
        lapses.push("the name is not CamelCase with the prefix Sidetone".to_owned());
    }
    if !["critical", "warning", "info"].contains(&alert.severity.as_str()) {
        lapses.push("unknown severity".to_owned());
    }
    let missing = ["summary", "description"].into_iter().filter(|key| alert.annotation(key).is_empty());
    lapses.extend(missing.map(|key| format!("no {key}")));
    if !alert.annotation("description").contains("$value") {
        lapses.push("the description does not say the value".to_owned());
    }
    if alert.annotation("runbook_url") != format!("{DOCS_BASE}docs/runbooks/{}.md", alert.name) {
        lapses.push("runbook_url".to_owned());
    }
    lapses
}

/// An alert leads to a panel whose colours change where it fires.
fn link(alert: &Alert, dashboards: &[Dashboard]) -> Option<String> {
    let url = alert.annotation("dashboard_url");
    let Some((uid, rest)) = url.strip_prefix(GRAFANA_BASE).and_then(|rest| rest.split_once("?viewPanel=")) else {
        return Some(format!("dashboard_url is {url:?}"));
    };
    let id = rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
    let Some(panel) = dashboards.iter().find(|board| board.json["uid"] == uid).and_then(|board| board.panel(id)) else {
        return Some(format!("there is no panel {id} in {uid}"));
    };
    let level = promql::threshold(&alert.expression)?;
    let colours = Dashboard::thresholds(panel);
    (!colours.contains(&level)).then(|| format!("fires at {level}, but panel {id} changes colour at {colours:?}"))
}

#[test]
fn each_alert_is_tested() {
    let (mut alerts, checks, mut problems) = (rules::read().alerts, rules::checks(), Vec::new());
    alerts.extend(rules::read_packs().alerts);
    for alert in &alerts {
        let own = checks.iter().filter(|check| check.alert == alert.name);
        let fired: Vec<bool> = own.map(|check| check.severities.contains(&alert.severity)).collect();
        for (wanted, word) in [(false, "quiet"), (true, "firing")] {
            if !fired.contains(&wanted) {
                problems.push(format!("{}: never tested {word}", alert.place));
            }
        }
    }
    let unknown = checks.iter().filter(|check| alerts.iter().all(|alert| alert.name != check.alert));
    problems.extend(unknown.map(|check| format!("a test of {}, which is no alert", check.alert)));
    none(&problems);
}

#[test]
fn promtool_accepts_the_rules_and_their_tests() {
    let Some(promtool) = common::find_program("promtool") else {
        return common::skip("no promtool here");
    };
    let run = |what: &str, files: Vec<PathBuf>| {
        let output = Command::new(&promtool).args([what, "rules"]).args(files).output().expect("promtool starts");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "promtool {what} rules:\n{said}");
    };
    run("check", [rules::files("alerts", ".rules.yml"), rules::pack_files("", ".rules.yml")].concat());
    run("test", rules::tests());
}

#[test]
fn the_exposition_keeps_to_the_catalogue() {
    let catalogue = Catalogue::read();
    let folder = tempfile::tempdir().expect("a folder");
    let capture = folder.path().join("mixed.pcap");
    let profile = generator::profile::Profile::named("mixed").expect("a profile of the generator");
    let file = std::io::BufWriter::new(File::create(&capture).expect("a file"));
    generator::generate(&generator::Options::new(profile, 1), file).expect("the capture is written");
    let text = support::stdout_of(&support::analyze("prometheus", &capture, b""), &capture);
    let mut problems = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap_or((declared, ""));
            if catalogue.0.get(name).is_none_or(|family| family.kind != kind) {
                problems.push(format!("{declared}: not so in the catalogue"));
            }
        } else if !line.starts_with('#') {
            problems.extend(sample_lapse(&catalogue, line));
        }
    }
    none(&problems);
}

fn sample_lapse(catalogue: &Catalogue, line: &str) -> Option<String> {
    let name = line.split(['{', ' ']).next().unwrap_or_default();
    let Some(expected) = catalogue.labels_of(name) else {
        return Some(format!("{name} is not in the catalogue"));
    };
    let labels = between(line, "{", "}").first().map_or("", |labels| labels).split("\",");
    let there: Names = labels.filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())).collect();
    let expected: Names = expected.into_iter().filter(|label| label != "job" && label != "instance").collect();
    (there != expected).then(|| format!("{line}: the catalogue has {expected:?}"))
}

#[test]
fn the_list_of_metrics_is_the_catalogue() {
    let file = root().join("docs/metrics.md");
    let shipped = fs::read_to_string(&file).expect("docs/metrics.md");
    let table = sidetone(&["metrics", "--format", "markdown"]);
    let (introduction, rest) = shipped.split_once("| family |").expect("a table");
    if format!("| family |{rest}") == table {
        return;
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return fs::write(&file, introduction.to_owned() + &table).expect("docs/metrics.md is written");
    }
    panic!("docs/metrics.md is not what `sidetone metrics --format markdown` says; UPDATE_DOCS=1 writes it anew");
}

#[test]
fn the_list_of_codecs_is_the_table() {
    let file = root().join("docs/codecs.md");
    let shipped = fs::read_to_string(&file).expect("docs/codecs.md");
    let table = sidetone(&["mos", "--list"]);
    let (introduction, rest) = shipped.split_once("| name |").unwrap_or((&shipped, ""));
    if format!("| name |{rest}") == table {
        return;
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return fs::write(&file, introduction.to_owned() + &table).expect("docs/codecs.md is written");
    }
    panic!("docs/codecs.md is not what `sidetone mos --list` says; UPDATE_DOCS=1 writes it anew");
}

#[test]
fn the_list_of_sources_is_the_table() {
    let text = fs::read_to_string(root().join("docs/sources.md")).expect("docs/sources.md");
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().replace('`', "")).collect::<Vec<_>>();
    // Any table that begins so; those of databases and probes stand in chapters of their own.
    let tables = text.split("| source | interval | deadline | on |").skip(1);
    let rows = tables.flat_map(|table| table.lines().skip(2).take_while(|line| line.starts_with('|')));
    let listed: Vec<Vec<String>> = rows.map(|row| cells(row)[1..5].to_vec()).collect();
    let shown = |time| humantime::format_duration(time).to_string();
    let on = |row: &sidetone::sources::Row| if row.on { "yes" } else { "no" }.to_owned();
    let there: Vec<Vec<String>> = sidetone::sources::table()
        .map(|row| vec![row.name.to_owned(), shown(row.interval), shown(row.deadline), on(row)])
        .collect();
    assert_eq!(listed, there, "docs/sources.md, and what the program has");
}

/// Asterisk's hep.conf and FreeSWITCH's capture-server.
const SETTINGS_OF_OTHERS: [&str; 5] =
    ["call_history", "call_without_contact", "capture_address", "capture_id", "capture_password"];

#[test]
fn documents_name_no_metric_that_is_not_there() {
    let catalogue = Catalogue::read();
    let settings = fs::read_to_string(root().join("config/sidetone.toml")).expect("the shipped configuration");
    let settings: BTreeSet<&str> =
        settings.lines().filter_map(|line| Some(line.trim_start_matches('#').split_once(" = ")?.0)).collect();
    let mut documents = rules::files(".", ".md");
    documents.extend(rules::files("docs", ".md"));
    // It quotes the inventory, and has a test of its own.
    documents.retain(|document| !document.ends_with("coverage.md"));
    documents.extend(rules::files("docs/runbooks", ".md"));
    let mut problems = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).expect("a readable file");
        let of_others = |word: &&str| SETTINGS_OF_OTHERS.contains(word);
        for word in
            words(&text).filter(|word| !settings.contains(word) && !of_others(word) && !is_known(&catalogue, word))
        {
            problems.push(format!("{}: there is no {word}", document.display()));
        }
    }
    none(&problems);
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    const PREFIXES: [&str; 7] = ["sip_", "call_", "rtp_", "rtcp_", "capture_", "host_", "sidetone_"];
    // A rule's name is one word: business:call_success:ratio is no family call_success.
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':')
        .map(|word| word.trim_matches(':'))
        .filter(|word| !word.contains(':') && PREFIXES.iter().any(|prefix| word.starts_with(prefix)))
}

/// A family, a series of one, the stem of several (`rtcp_reported_*`), or a name of the JSON report.
fn is_known(catalogue: &Catalogue, word: &str) -> bool {
    catalogue.0.contains_key(word)
        || catalogue.family_of(word).is_some()
        || (word.ends_with('_') && catalogue.0.keys().any(|name| name.starts_with(word)))
        || word == "call_id"
        || rules::read().recordings.iter().any(|rule| rule.name.split(':').any(|part| part == word))
}

#[test]
fn the_service_is_locked_in() {
    let Some(analyze) = common::find_program("systemd-analyze") else {
        println!("SKIPPED: no systemd-analyze here");
        return;
    };
    let unit = Path::new("packaging/systemd/sidetone.service");
    let output = Command::new(analyze)
        .current_dir(root())
        // 20 is an exposure of 2.0.
        .args(["security", "--offline=true", "--threshold=20", "--no-pager"])
        .arg(unit)
        .output()
        .expect("systemd-analyze starts");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
