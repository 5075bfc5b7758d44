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
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use common::{Agent, http_get};
use databases::{PASSWORD, Postgres, folder, password_file, resident, section, watch};
use vioconcierge::{Size, TABLES, World, generate, webhooks};

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

/// An agent that asks it, and has been answered everything; `more` is said of the pack.
fn asking(folder: &Path, postgres: &Postgres, more: &str) -> Agent {
    let key = format!("database = \"postgres\"\npassword_file = \"{}\"", password_file(folder).display());
    let database = section("vio", "postgresql", postgres.address, &key);
    let include = format!("include = [\"{}\"]\n", pack());
    let packs =
        format!("[[packs]]\nname = \"vioconcierge\"\ndatabase = \"vio\"\ntime_zone = \"Europe/London\"\n{NAMES}\n");
    let agent = watch(folder, &format!("{include}{database}{packs}{more}"));
    let samples = agent.wait_for_metrics("each query to be answered", |now| {
        now.by("sidetone_sql_query_last_success_timestamp_seconds", "query").len() == QUERIES
    });
    assert_eq!(samples.by("sidetone_sql_query_errors_total", "query"), BTreeMap::new(), "{}", agent.log());
    agent
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
    let (there, memory) = (shown(&agent), resident(agent.id()));
    println!("{} series, {} MiB", there.len(), memory >> 20);
    is_true(&there, &world.truth(began), &world.truth(now()));
    let withheld = agent.metrics().by("sidetone_privacy_suppressed_groups", "query");
    assert!(withheld.get("vioconcierge/contacts").is_some_and(|groups| *groups == 2.0), "{withheld:?}");
}

/// Others than medical practices may show single rows; they never do.
#[test]
fn groups_of_patients_are_never_small() {
    if !databases::are_here() {
        return;
    }
    let folder = folder();
    let began = now();
    let mut world = generate(11, began, &Size { tenants: 24, contacts: 900, calls: 2000, tasks: 1500 });
    world.minimum_group = 0.0;
    let postgres = filled(folder.path(), &world);
    let agent = asking(folder.path(), &postgres, "minimum_group = 0\n");
    let there = shown(&agent);
    is_true(&there, &world.truth(began), &world.truth(now()));
    // Tenant 1 and 3 have three and four contacts; one is a salon, the other goes to the gym. Tenant 8 is a spa, 7 a vet.
    let few = |tenant: &str| {
        let own = |series: &&String| series.starts_with("business_window_appointments{") && series.contains(tenant);
        there.keys().filter(own).filter(|series| (1.0..5.0).contains(&there[*series])).count()
    };
    assert!(few("tenant-001") > 0 && few("tenant-008") > 0);
    let is_patient = |tenant: &&vioconcierge::Tenant| tenant.is_medical();
    let of_patients = world.tenants.iter().filter(is_patient).map(|tenant| few(&tenant.alias)).sum::<usize>();
    assert_eq!(of_patients, 0);
    let types = |tenant: &str| {
        there
            .keys()
            .any(|series| series.starts_with("business_window_appointments_by_type{") && series.contains(tenant))
    };
    assert!(types("tenant-008") && !types("tenant-007"));
}

/// Every series is true, and every true one is there.
#[track_caller]
fn is_true(there: &BTreeMap<String, f64>, before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>) {
    let lapses = lapses(there, before, after);
    let first: Vec<&String> = lapses.iter().take(40).collect();
    assert!(lapses.is_empty(), "{} of {} series, such as {first:#?}", lapses.len(), there.len());
}

/// How each of them signs: header, value, and what is signed of body and time (docs of Retell, Cal.com and Calendly).
fn signed(source: &str, key: &str, body: &str, seconds: i64) -> String {
    let digest = |text: String| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes());
        let tag = ring::hmac::sign(&key, text.as_bytes());
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    match source {
        "retell" => {
            let time = seconds * 1000;
            format!("X-Retell-Signature: v={time},d={}", digest(format!("{body}{time}")))
        }
        "calcom" => format!("X-Cal-Signature-256: {}", digest(body.to_owned())),
        "calendly" => format!("Calendly-Webhook-Signature: t={seconds},v1={}", digest(format!("{seconds}.{body}"))),
        _ => format!("Authorization: Bearer {key}"),
    }
}

/// POSTs a body; the status of the answer.
fn post(agent: &Agent, source: &str, header: &str, body: &str) -> u16 {
    let mut stream = TcpStream::connect(agent.address).expect("the agent listens");
    let length = body.len();
    let head = format!(
        "POST /api/v1/events?source={source} HTTP/1.1\r\nHost: {}\r\n{header}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n",
        agent.address
    );
    stream.write_all((head + body).as_bytes()).expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

/// An agent that takes events from the four.
fn listening(folder: &Path) -> Agent {
    let source = |name: &str| {
        let file = folder.join(format!("{name}.key"));
        fs::write(&file, key(name)).expect("a file");
        let (kind, shape) = match name {
            "product" => ("bearer_file", String::new()),
            name => ("hmac_file", format!("shape = \"{name}\"\n")),
        };
        let file = file.display();
        format!("[[event_sources]]\nname = \"{name}\"\npack = \"vioconcierge\"\n{shape}{kind} = \"{file}\"\n")
    };
    let sources = ["retell", "calcom", "calendly", "product"].map(source).concat();
    // Without a database its queries are not asked.
    watch(folder, &format!("include = [\"{}\"]\n[[packs]]\nname = \"vioconcierge\"\n{sources}", pack()))
}

fn key(source: &str) -> String {
    format!("key_of_{source}")
}

#[test]
fn webhooks_and_events_come_to_what_was_counted_by_hand() {
    let folder = folder();
    let agent = listening(folder.path());
    let seconds = now();
    for (source, body, status) in
        webhooks::deliveries(&jiff::Timestamp::from_second(seconds).expect("a time").to_string())
    {
        let header = signed(source, &key(source), &body, seconds);
        assert_eq!(post(&agent, source, &header, &body), status, "{source}: {body}");
    }
    // Signed with another key, a quarter of an hour ago, or not at all.
    let (source, body, _) = &webhooks::deliveries("2026-11-22T10:00:00Z")[0];
    for (key, time) in [("another", seconds), ("key_of_retell", seconds - 900)] {
        assert_eq!(post(&agent, source, &signed(source, key, body, time), body), 401);
    }
    assert_eq!(post(&agent, source, "X-Nothing: 1", body), 401);
    let pack = |(family, labels, value): &(&str, &str, f64)| {
        let mut labels: Vec<&str> = labels.split(',').chain([r#"pack="vioconcierge""#]).collect();
        labels.sort_unstable();
        (format!("{family}{{{}}}", labels.join(",")), *value)
    };
    let counted: BTreeMap<String, f64> = webhooks::COUNTED.iter().map(pack).collect();
    let mut there = shown(&agent);
    there.retain(|series, value| !series.contains("_bucket{") && *value != 0.0);
    assert_eq!(there, counted);
    let page = http_get(agent.address, "/metrics", &[]).expect("/metrics answers").text();
    for person in ["Jo", "Smith", "7946", "1213777", "example.com", "oBeDLo"] {
        assert!(!page.contains(person) && !agent.log().contains(person), "{person} is shown");
    }
}
