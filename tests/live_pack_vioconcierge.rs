//! The pack vioconcierge on a real PostgreSQL with 200 tenants: every series at /metrics beside what is true of the rows.

#![allow(clippy::disallowed_methods, reason = "deadlines need a clock; the ban is for the core")]

#[path = "live/common.rs"]
mod common;
#[path = "live/databases.rs"]
mod databases;
#[allow(dead_code)] // uses a part of it
#[path = "support/generator/rng.rs"]
mod rng;
#[path = "live/servers.rs"]
mod servers;
#[path = "packs/vioconcierge.rs"]
mod vioconcierge;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use common::{Agent, http_get};
use databases::{PASSWORD, Postgres, folder, password_file, resident, section, watch};
use vioconcierge::{Size, TABLES, World, generate};

/// What the operator of these tables writes.
const NAMES: &str = r#"names = { "tenants.alias" = "alias", "tenants.currency" = "currency", "tenants.baseline_no_show" = "baseline_no_show_rate", "tenants.hourly_cost" = "staff_hourly_rate", "tenants.daily_calls_goal" = "daily_calls_goal", "contacts.risk" = "no_show_risk" }"#;
/// 26, of which five ask for their long windows less often.
const QUERIES: usize = 31;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs() as i64
}

fn pack() -> String {
    format!("{}/config/packs/vioconcierge", env!("CARGO_MANIFEST_DIR"))
}

/// A database with a world in it.
fn filled(folder: &Path, world: &World) -> Postgres {
    let postgres = Postgres::start(folder, "business", "shared_buffers = 256MB\nmax_wal_size = 2GB");
    postgres.sql(&format!("CREATE ROLE sidetone LOGIN PASSWORD '{PASSWORD}'"));
    postgres.sql(include_str!("packs/vioconcierge.sql"));
    for table in TABLES {
        let file = folder.join(table);
        fs::write(&file, world.copy(table)).expect("a file");
        postgres.sql(&format!("COPY {table} FROM '{}'", file.display()));
    }
    postgres.sql("ANALYZE");
    postgres
}

/// An agent that asks it.
fn asking(folder: &Path, postgres: &Postgres, more: &str) -> Agent {
    let key = format!("database = \"postgres\"\npassword_file = \"{}\"", password_file(folder).display());
    let database = section("vio", "postgresql", postgres.address, &key);
    let include = format!("include = [\"{}\"]\n", pack());
    let packs =
        format!("[[packs]]\nname = \"vioconcierge\"\ndatabase = \"vio\"\ntime_zone = \"Europe/London\"\n{NAMES}\n");
    watch(folder, &format!("{include}{database}{packs}{more}"))
}

/// What is shown of the business, by its text.
fn shown(agent: &Agent) -> BTreeMap<String, f64> {
    let page = http_get(agent.address, "/metrics", &[]).expect("/metrics answers").text();
    let samples = page.lines().filter(|line| line.starts_with("business_"));
    let split = samples.map(|line| line.rsplit_once(' ').expect("a sample"));
    split.map(|(series, value)| (sorted(series), value.parse().expect("a number"))).collect()
}

/// A series with its labels in order.
fn sorted(series: &str) -> String {
    let Some((family, labels)) = series.trim_end_matches('}').split_once('{') else { return series.to_owned() };
    let mut labels: Vec<&str> = labels.split("\",").map(|label| label.trim_end_matches('"')).collect();
    labels.sort_unstable();
    format!("{family}{{{}\"}}", labels.join("\","))
}

/// What is shown and not so, or so and not shown. What changes between two times may be as it was at either.
fn lapses(shown: &BTreeMap<String, f64>, before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>) -> Vec<String> {
    let all: std::collections::BTreeSet<&String> = shown.keys().chain(before.keys()).chain(after.keys()).collect();
    let is = |a: Option<&f64>, b: Option<&f64>| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(1.0),
        (a, b) => a.is_none() && b.is_none(),
    };
    let wrong = |series: &&&String| {
        let there = shown.get(**series);
        !is(there, before.get(**series)) && !is(there, after.get(**series))
    };
    let told = |series: &String| format!("{series}: shown {:?}, true {:?}", shown.get(series), after.get(series));
    all.iter().filter(wrong).map(|series| told(series)).collect()
}

#[test]
fn everything_shown_is_true_and_everything_true_is_shown() {
    if !databases::are_here() {
        return;
    }
    let folder = folder();
    let began = now();
    let world = generate(7, began, &Size { tenants: 200, contacts: 40_000, calls: 100_000, tasks: 60_000 });
    let postgres = filled(folder.path(), &world);
    let agent = asking(folder.path(), &postgres, "");
    let samples = agent.wait_for_metrics("each query to be answered", |now| {
        now.by("sidetone_sql_query_last_success_timestamp_seconds", "query").len() == QUERIES
    });
    assert_eq!(samples.by("sidetone_sql_query_errors_total", "query"), BTreeMap::new(), "{}", agent.log());
    let (there, memory) = (shown(&agent), resident(agent.id()));
    let lapses = lapses(&there, &world.truth(began), &world.truth(now()));
    println!("{} series, {} MiB", there.len(), memory >> 20);
    let first: Vec<&String> = lapses.iter().take(40).collect();
    assert!(lapses.is_empty(), "{} of {} series, such as {first:#?}", lapses.len(), there.len());
}
