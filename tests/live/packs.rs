//! A pack on a database with known rows: the agent that asks it, what it shows of the business, and how that differs from the truth.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::common::{Agent, http_get};
use crate::databases::{PASSWORD, Postgres, password_file, section, watch};

pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs() as i64
}

/// A database with a schema, rows in every table of it, and an account that may read what `grants` say.
pub fn filled(folder: &Path, schema: &str, grants: &str, copy: impl Fn(&str) -> String) -> Postgres {
    let postgres = Postgres::start(folder, "business", "shared_buffers = 256MB\nmax_wal_size = 2GB");
    postgres.sql(&format!("CREATE ROLE sidetone LOGIN PASSWORD '{PASSWORD}'"));
    postgres.sql(schema);
    let tables = schema.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")?.split(' ').next());
    for table in tables {
        let file = folder.join(table);
        fs::write(&file, copy(table)).expect("a file");
        postgres.sql(&format!("SET timezone = 'UTC'; COPY {table} FROM '{}'", file.display()));
    }
    postgres.sql(grants);
    postgres.sql("ANALYZE");
    postgres
}

/// An agent with a pack as it is shipped; `settings` are the rest of `[[packs]]`, `more` other sections.
pub fn asking(folder: &Path, pack: &str, postgres: &Postgres, settings: &str, more: &str) -> Agent {
    let key = format!("database = \"postgres\"\npassword_file = \"{}\"", password_file(folder).display());
    let database = section("business", "postgresql", postgres.address, &key);
    let include = format!("include = [\"{}/config/packs/{pack}\"]\n", env!("CARGO_MANIFEST_DIR"));
    let packs = format!("[[packs]]\nname = \"{pack}\"\ndatabase = \"business\"\n{settings}\n");
    watch(folder, &format!("{include}{database}{packs}{more}"))
}

/// Waits until each of so many queries was answered in full; none may have failed.
pub fn answered(agent: &Agent, queries: usize) {
    let samples = agent.wait_for_metrics("each query to be answered", |now| {
        now.by("sidetone_sql_query_last_success_timestamp_seconds", "query").len() == queries
    });
    assert_eq!(samples.by("sidetone_sql_query_errors_total", "query"), BTreeMap::new(), "{}", agent.log());
}

/// All that is shown of the business, by its text with the labels in order.
pub fn shown(agent: &Agent) -> BTreeMap<String, f64> {
    let page = http_get(agent.address, "/metrics", &[]).expect("/metrics answers").text();
    let samples = page.lines().filter(|line| line.starts_with("business_"));
    let split = samples.map(|line| line.rsplit_once(' ').expect("a sample"));
    split.map(|(series, value)| (in_order(series), value.parse().expect("a number"))).collect()
}

fn in_order(series: &str) -> String {
    let Some((family, labels)) = series.trim_end_matches('}').split_once('{') else { return series.to_owned() };
    let mut labels: Vec<&str> = labels.split("\",").map(|label| label.trim_end_matches('"')).collect();
    labels.sort_unstable();
    format!("{family}{{{}\"}}", labels.join("\","))
}

/// What is shown and not so, or so and not shown.
#[track_caller]
pub fn compare(shown: &BTreeMap<String, f64>, truth: &BTreeMap<String, f64>) {
    let all: BTreeSet<&String> = shown.keys().chain(truth.keys()).collect();
    let is_so = |series: &&&String| match (shown.get(**series), truth.get(**series)) {
        (Some(a), Some(b)) => (a - b).abs() > 1e-9 * a.abs().max(1.0),
        _ => true,
    };
    let told = |series: &&String| format!("{series}: shown {:?}, true {:?}", shown.get(*series), truth.get(*series));
    let lapses: Vec<String> = all.iter().filter(is_so).map(told).collect();
    assert!(lapses.is_empty(), "{} of {} series: {:#?}", lapses.len(), all.len(), &lapses[..lapses.len().min(40)]);
}

/// What who sends events proves himself by.
const TOKEN: &str = "a token of the test";

/// An agent that counts the events of a pack as it is shipped.
pub fn counting(folder: &Path, pack: &str, settings: &str) -> Agent {
    let file = folder.join("token");
    fs::write(&file, TOKEN).expect("a file");
    let include = format!("include = [\"{}/config/packs/{pack}\"]\n", env!("CARGO_MANIFEST_DIR"));
    let packs = format!("[[packs]]\nname = \"{pack}\"\n{settings}\n");
    let source =
        format!("[[event_sources]]\nname = \"app\"\npack = \"{pack}\"\nbearer_file = \"{}\"\n", file.display());
    watch(folder, &format!("{include}{packs}{source}"))
}

/// Sends events in one request; what became of them.
pub fn send(agent: &Agent, events: &[Value]) -> Value {
    let body = json!(events).to_string();
    let mut stream = TcpStream::connect(agent.address).expect("a connection");
    let head = format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n",
        agent.address,
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (_, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// What was counted by hand, a series a line: its family, its labels, and its number; or, in brackets, what a histogram was given.
pub fn counted(pack: &str, text: &str, shown: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let mut truth = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (series, value) = line.rsplit_once(' ').expect("a series and a value");
        let mut words = series.split(' ');
        let family = words.next().expect("a family");
        let own = format!("pack={pack}");
        let labels: Vec<&str> = words.chain([own.as_str()]).collect();
        let key = |end: &str, more: Option<&str>| {
            let pairs = labels.iter().copied().chain(more).map(|pair| pair.split_once('=').expect("label=value"));
            let pairs: Vec<String> = pairs.map(|(label, value)| format!("{label}=\"{value}\"")).collect();
            in_order(&format!("{family}{end}{{{}}}", pairs.join(",")))
        };
        let Some(values) = value.strip_prefix('[').and_then(|values| values.strip_suffix(']')) else {
            truth.insert(key("", None), value.parse().expect("a number"));
            continue;
        };
        let values: Vec<f64> = values.split(',').map(|value| value.parse().expect("a number")).collect();
        truth.insert(key("_count", None), values.len() as f64);
        truth.insert(key("_sum", None), values.iter().sum());
        let bounds: BTreeSet<&str> = shown
            .keys()
            .filter(|series| series.starts_with(&format!("{family}_bucket{{")))
            .filter_map(|series| series.split_once("le=\"")?.1.split('"').next())
            .collect();
        for le in bounds.into_iter().chain(["+Inf"]) {
            let bound: f64 = le.parse().expect("a bound");
            let within = values.iter().filter(|value| **value <= bound).count();
            truth.insert(key("_bucket", Some(&format!("le={le}"))), within as f64);
        }
    }
    truth
}
