//! The pack revenue on a real PostgreSQL with 200 organisations: every series at /metrics beside what is true of the rows; and its events.

#![allow(clippy::disallowed_methods, reason = "deadlines need a clock; the ban is for the core")]

#[path = "live/common.rs"]
mod common;
#[path = "live/databases.rs"]
mod databases;
#[path = "packs/revenue.rs"]
mod revenue;
#[allow(dead_code)] // uses a part of it
#[path = "support/generator/rng.rs"]
mod rng;
#[path = "live/servers.rs"]
mod servers;
#[path = "packs/shown.rs"]
mod shown;
#[path = "packs/world.rs"]
mod world;

use std::fs;
use std::path::Path;

use common::Agent;
use databases::{PASSWORD, Postgres, folder, give, password_file, section, watch};
use revenue::{Size, TABLES, World, generate};
use shown::{Series, assert_shown, histogram, now, post, shown, wait_for_queries};

/// 25, of which seven ask for their long windows less often.
const QUERIES: usize = 32;
const TOKEN: &str = "a token of 32 characters or so..";

/// A database with a world in it, and an account that may read it.
fn filled(folder: &Path, world: &World) -> Postgres {
    let postgres = Postgres::start(folder, "revenue", "shared_buffers = 256MB\nmax_wal_size = 2GB");
    postgres.sql(include_str!("packs/revenue.sql"));
    for table in TABLES {
        let file = folder.join(table);
        fs::write(&file, world.copy(table)).expect("a file");
        give(&file);
        postgres.sql(&format!("SET TIME ZONE 'UTC'; COPY {table} FROM '{}'", file.display()));
    }
    postgres.sql("ANALYZE");
    postgres.sql(&format!("CREATE ROLE sidetone LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 3"));
    postgres.sql(&format!("GRANT SELECT ON {} TO sidetone", TABLES.join(", ")));
    postgres
}

/// An agent with the pack; `more` is its `[[packs]]` and what follows.
fn agent(folder: &Path, database: &str, more: &str) -> Agent {
    let include = format!("include = [\"{}/config/packs/revenue\"]\n", env!("CARGO_MANIFEST_DIR"));
    watch(folder, &format!("{include}{database}[[packs]]\nname = \"revenue\"\n{more}"))
}

#[test]
fn rows() {
    if !databases::are_here() {
        return;
    }
    let folder = folder();
    let began = now();
    let world = generate(7, began, &Size { tenants: 200, calls: 100_000, leads: 20_000 });
    let postgres = filled(folder.path(), &world);
    let key = format!("database = \"postgres\"\npassword_file = \"{}\"", password_file(folder.path()).display());
    let database = section("sales", "postgresql", postgres.address, &key);
    let agent = agent(folder.path(), &database, &format!("database = \"sales\"\ntime_zone = \"{}\"\n", world.zone));
    wait_for_queries(&agent, "revenue", QUERIES);
    let shown = shown(&agent);
    assert!(now() - began < world::LASTS, "too slow to be true");
    println!("{} series", shown.len());
    assert_shown(&shown, &world.truth(began), &agent.log());
}

/// What is sent here, counted by hand below.
const EVENTS: &str = r#"[
  {"id": 1, "name": "payment.received", "tenant": "org-1", "properties": {"kind": "recurring", "currency": "EUR", "amount": 99.5}},
  {"id": 2, "name": "payment.received", "tenant": "org-1", "properties": {"kind": "recurring", "currency": "EUR", "amount": "0.5"}},
  {"id": 3, "name": "payment.received", "tenant": "org-2", "properties": {"kind": "gift", "amount": 7}},
  {"id": 3, "name": "payment.received", "tenant": "org-2", "properties": {"kind": "gift", "amount": 7}},
  {"id": 4, "name": "payment.received", "tenant": "org-2", "properties": {"kind": "one_time", "currency": "EUR", "amount": -7}},
  {"id": 5, "name": "payment.received", "tenant": "org-2", "properties": {"kind": "one_time", "currency": "EUR"}},
  {"id": 6, "name": "lead.created", "tenant": "org-1"},
  {"id": 7, "name": "lead.created", "tenant": "org-1"},
  {"id": 8, "name": "lead.qualified", "tenant": "org-1"},
  {"id": 9, "name": "lead.converted", "tenant": "org-1", "properties": {"durationSeconds": 86400}},
  {"id": 10, "name": "lead.converted", "tenant": "org-1"},
  {"id": 11, "name": "lead.lost"},
  {"id": 12, "name": "lead.message", "tenant": "org-1", "properties": {"segment": "gold"}},
  {"id": 13, "name": "lead.message", "tenant": "org-1", "properties": {"segment": "+44 20 7946 0018"}},
  {"id": 14, "name": "deal.won", "tenant": "org-1", "properties": {"durationSeconds": 100000, "seller": "s-17"}},
  {"id": 15, "name": "deal.won", "tenant": "org-1", "properties": {"seller": "nobody has an alias for"}},
  {"id": 16, "name": "deal.lost", "tenant": "org-1", "properties": {"durationSeconds": 300000, "seller": "s-17"}},
  {"id": 17, "name": "call.scored", "tenant": "org-1", "properties": {"score": 85}},
  {"id": 18, "name": "call.converted", "tenant": "org-1", "properties": {"result": "lead"}},
  {"id": 19, "name": "csat.submitted", "tenant": "org-1", "properties": {"channel": "voice", "service_name": "sales", "score": 5}},
  {"id": 20, "name": "no.such.event", "tenant": "org-1"}
]"#;

#[test]
fn events() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    fs::write(&token, TOKEN).expect("a token");
    let more = format!(
        "aliases.sellers = {{ s-17 = \"Sam\" }}\n[[event_sources]]\nname = \"backend\"\npack = \"revenue\"\nbearer_file = \"{}\"\n",
        token.display()
    );
    let agent = agent(folder.path(), "", &more);
    assert_eq!(post(&agent, "another token", EVENTS).0, 401);
    let (status, said) = post(&agent, TOKEN, EVENTS);
    assert_eq!(status, 200, "{said}");
    // Refused: money that goes back, money without an amount, an event that no rule is about.
    assert!(
        said.contains("\"taken\":17") && said.contains("\"duplicates\":1") && said.contains("\"refused\":3"),
        "{said}"
    );
    let mut truth = Series::new();
    for (series, value) in [
        (r#"business_revenue_total{currency="EUR",kind="recurring",pack="revenue",tenant="org-1"}"#, 100.0),
        (r#"business_revenue_total{currency="unknown",kind="other",pack="revenue",tenant="org-2"}"#, 7.0),
        (r#"business_funnel_step_total{journey="lead",pack="revenue",step="new",tenant="org-1"}"#, 2.0),
        (r#"business_funnel_step_total{journey="lead",pack="revenue",step="qualified",tenant="org-1"}"#, 1.0),
        (r#"business_funnel_step_total{journey="lead",pack="revenue",step="customer",tenant="org-1"}"#, 2.0),
        (r#"business_funnel_step_total{journey="lead",pack="revenue",step="lost",tenant="unknown"}"#, 1.0),
        (r#"business_funnel_step_total{journey="call",pack="revenue",step="lead",tenant="org-1"}"#, 1.0),
        (r#"business_messages_by_segment_total{pack="revenue",segment="gold",tenant="org-1"}"#, 1.0),
        (r#"business_messages_by_segment_total{pack="revenue",segment="other",tenant="org-1"}"#, 1.0),
        (r#"business_agent_deals_won_total{agent="Sam",pack="revenue",tenant="org-1"}"#, 1.0),
        (
            r#"business_csat_responses_total{channel="voice",pack="revenue",score="5",service="sales",tenant="org-1"}"#,
            1.0,
        ),
    ] {
        truth.insert(series.to_owned(), value);
    }
    let of = r#"pack="revenue",tenant="org-1""#;
    let hours = [
        3600.0,
        21_600.0,
        86_400.0,
        259_200.0,
        604_800.0,
        1_209_600.0,
        2_592_000.0,
        5_184_000.0,
        7_776_000.0,
        15_552_000.0,
    ];
    histogram(&mut truth, "business_lead_conversion_seconds", of, &hours, &[86_400.0]);
    let days = [
        86_400.0,
        259_200.0,
        604_800.0,
        1_209_600.0,
        2_592_000.0,
        5_184_000.0,
        7_776_000.0,
        15_552_000.0,
        31_536_000.0,
    ];
    histogram(&mut truth, "business_deal_cycle_seconds", of, &days, &[100_000.0, 300_000.0]);
    let tens = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0];
    histogram(&mut truth, "business_call_quality_score", of, &tens, &[85.0]);
    assert_shown(&shown(&agent), &truth, &agent.log());
}
