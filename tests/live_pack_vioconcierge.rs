//! The pack vioconcierge on a real PostgreSQL with 200 tenants: every series at /metrics beside what is true of the rows; and what webhooks and
//! events come to.

#![allow(clippy::disallowed_methods, reason = "deadlines need a clock; the ban is for the core")]

#[path = "live/common.rs"]
mod common;
#[path = "live/databases.rs"]
mod databases;
#[path = "live/packs.rs"]
mod packs;
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

use common::{Agent, http_get};
use databases::{Postgres, folder, resident, watch};
use packs::{answered, asking, compare, now, shown};
use vioconcierge::{Size, World, generate, webhooks};

/// What the operator of these tables writes: those of the specification, and a few columns more.
const SETTINGS: &str = r#"time_zone = "Europe/London"
names = { "tenants.alias" = "alias", "tenants.currency" = "currency", "tenants.baseline_no_show" = "baseline_no_show_rate", "tenants.hourly_cost" = "staff_hourly_rate", "tenants.daily_calls_goal" = "daily_calls_goal", "contacts.risk" = "no_show_risk" }
"#;
const GRANTS: &str = "
GRANT SELECT (alias, currency, baseline_no_show_rate, staff_hourly_rate, daily_calls_goal) ON tenant_config TO sidetone;
GRANT SELECT (no_show_risk) ON contacts TO sidetone;
CREATE OR REPLACE VIEW sidetone_consents AS SELECT contact_id::text AS contact_id, kind, state FROM consents;";
/// 26, of which five ask for their long windows less often.
const QUERIES: usize = 31;

fn filled(folder: &Path, world: &World) -> Postgres {
    let grants = [include_str!("../config/packs/vioconcierge/grants.sql"), GRANTS].concat();
    packs::filled(folder, include_str!("packs/vioconcierge.sql"), &grants, |table| world.copy(table))
}

/// What has to be shown. What a midnight changed meanwhile may be as it was before it.
fn truth(world: &World, began: i64, shown: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let (before, mut truth) = (world.truth(began), world.truth(now()));
    let all: Vec<String> = before.keys().chain(truth.keys()).cloned().collect();
    for series in all.iter().filter(|series| shown.get(*series) == before.get(*series)) {
        match before.get(series) {
            Some(value) => truth.insert(series.clone(), *value),
            None => truth.remove(series),
        };
    }
    truth
}

#[test]
fn everything_shown_is_true_and_everything_true_is_shown() {
    if !databases::are_here() {
        return;
    }
    let (folder, began) = (folder(), now());
    let world = generate(7, began, &Size { tenants: 200, contacts: 40_000, calls: 100_000, tasks: 60_000 });
    let postgres = filled(folder.path(), &world);
    let agent = asking(folder.path(), "vioconcierge", &postgres, SETTINGS, "");
    answered(&agent, QUERIES);
    let (there, memory) = (shown(&agent), resident(agent.id()));
    println!("{} series, {} MiB", there.len(), memory >> 20);
    compare(&there, &truth(&world, began, &there));
    let withheld = agent.metrics().by("sidetone_privacy_suppressed_groups", "query");
    assert!(withheld.get("vioconcierge/contacts").is_some_and(|groups| *groups == 2.0), "{withheld:?}");
}

/// Others than medical practices may show single rows; they never do.
#[test]
fn groups_of_patients_are_never_small() {
    if !databases::are_here() {
        return;
    }
    let (folder, began) = (folder(), now());
    let mut world = generate(11, began, &Size { tenants: 24, contacts: 900, calls: 2000, tasks: 1500 });
    world.minimum_group = 0.0;
    let postgres = filled(folder.path(), &world);
    let settings = format!("{SETTINGS}minimum_group = 0");
    let agent = asking(folder.path(), "vioconcierge", &postgres, &settings, "");
    answered(&agent, QUERIES);
    let there = shown(&agent);
    compare(&there, &truth(&world, began, &there));
    let few = |tenant: &str| {
        let own = |series: &&String| series.starts_with("business_window_appointments{") && series.contains(tenant);
        there.keys().filter(own).filter(|series| (1.0..5.0).contains(&there[*series])).count()
    };
    // A salon and a spa, and all those who treat somebody.
    assert!(few("tenant-001") > 0 && few("tenant-008") > 0);
    let patients = world.tenants.iter().filter(|tenant| tenant.is_medical());
    assert_eq!(patients.map(|tenant| few(&tenant.alias)).sum::<usize>(), 0);
    let types = |tenant: &str| {
        let is_own =
            |series: &String| series.starts_with("business_window_appointments_by_type{") && series.contains(tenant);
        there.keys().any(is_own)
    };
    // The spa, and the vet.
    assert!(types("tenant-008") && !types("tenant-007"));
}

/// No name, number, address or key can be read by who asks, whatever he asks.
#[test]
fn the_account_cannot_read_persons() {
    if !databases::are_here() {
        return;
    }
    let folder = folder();
    let world = generate(3, now(), &Size { tenants: 9, contacts: 9, calls: 9, tasks: 9 });
    let postgres = filled(folder.path(), &world);
    let may = |table: &str, column: &str| {
        let asked = format!("SELECT has_column_privilege('sidetone', '{table}', '{column}', 'SELECT')");
        postgres.sql(&asked) == "t"
    };
    assert!(may("contacts", "appointment_time") && may("sidetone_numbers", "held"));
    for column in ["name", "phone", "email", "owner_name", "special_instructions"] {
        assert!(!may("contacts", column), "{column}");
    }
    for (table, column) in
        [("call_sessions", "contact_name"), ("call_sessions", "contact_phone"), ("tenant_config", "cal_api_key")]
    {
        assert!(!may(table, column), "{column}");
    }
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
    let include = format!("{}/config/packs/vioconcierge", env!("CARGO_MANIFEST_DIR"));
    watch(folder, &format!("include = [\"{include}\"]\n[[packs]]\nname = \"vioconcierge\"\n{sources}"))
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
