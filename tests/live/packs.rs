//! A pack on a database with known rows: the agent that asks it, what it shows of the business, and how that differs from the truth.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::common::{Agent, http_get};
use crate::databases::{PASSWORD, Postgres, password_file, section, watch};

pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs() as i64
}

/// A database with a schema, and rows in every table of it.
pub fn filled(folder: &Path, schema: &str, copy: impl Fn(&str) -> String) -> Postgres {
    let postgres = Postgres::start(folder, "business", "shared_buffers = 256MB\nmax_wal_size = 2GB");
    postgres.sql(&format!("CREATE ROLE sidetone LOGIN PASSWORD '{PASSWORD}'"));
    postgres.sql(schema);
    let tables = schema.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")?.split(' ').next());
    for table in tables {
        let file = folder.join(table);
        fs::write(&file, copy(table)).expect("a file");
        postgres.sql(&format!("SET timezone = 'UTC'; COPY {table} FROM '{}'", file.display()));
        postgres.sql(&format!("GRANT SELECT ON {table} TO sidetone"));
    }
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
