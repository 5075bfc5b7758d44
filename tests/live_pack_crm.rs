//! The pack crm: the same rows on a real PostgreSQL and a real MariaDB, every series at /metrics beside what is true of them; and its events.

#![allow(clippy::disallowed_methods, reason = "deadlines need a clock; the ban is for the core")]

#[path = "live/common.rs"]
mod common;
#[path = "packs/crm.rs"]
mod crm;
#[path = "live/databases.rs"]
mod databases;
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
use std::process::{Command, Stdio};

use common::{Agent, can_run, http_get};
use crm::{Size, TABLES, World, generate};
use databases::{Mariadb, PASSWORD, Postgres, folder, give, password_file, section, watch};
use shown::{Series, assert_shown, histogram, now, post, shown, wait_for_queries};

/// 22, of which two ask for their long windows less often.
const QUERIES: usize = 24;
const TOKEN: &str = "a token of 32 characters or so..";
const WEBHOOK: &str = "another token of as many characters";
const ALIASES: &str = "aliases.operators = { blue = \"Blue\", red = \"Red\" }\n";
/// What the README says of MariaDB.
const MARIADB: &str = r#"
[packs.names]
"contacts.source" = "json_value(custom_fields, '$.source')"
"contacts.segment" = "json_value(custom_fields, '$.segment')"
"contacts.score" = "CAST(nullif(regexp_substr(json_value(custom_fields, '$.lead_score'), '^[0-9]+$'), '') AS decimal)"
"contacts.health" = "CAST(nullif(regexp_substr(json_value(custom_fields, '$.health_score'), '^[0-9]+$'), '') AS decimal)"
"#;

fn agent(folder: &Path, database: &str, more: &str) -> Agent {
    let include = format!("include = [\"{}/config/packs/crm\"]\n", env!("CARGO_MANIFEST_DIR"));
    watch(folder, &format!("{include}{database}[[packs]]\nname = \"crm\"\n{more}"))
}

fn world(began: i64) -> World {
    generate(11, began, &Size { contacts: 12_000, messages: 100_000, campaigns: 70 })
}

/// Everything that a pack on this server shows is true, and everything true is shown.
fn compare(folder: &Path, database: &str, world: &World, began: i64, names: &str) {
    let more = format!("database = \"crm\"\ntime_zone = \"{}\"\n{ALIASES}{names}", world.zone);
    let agent = agent(folder, database, &more);
    wait_for_queries(&agent, "crm", QUERIES);
    let shown = shown(&agent);
    assert!(now() - began < world::LASTS, "too slow to be true");
    println!("{} series", shown.len());
    assert_shown(&shown, &world.truth(began), &agent.log());
    let page = http_get(agent.address, "/metrics", &[]).expect("/metrics answers").text();
    for personal in ["example.com", "O'Neil", "7946", "c000"] {
        assert!(!page.contains(personal) && !agent.log().contains(personal), "{personal}");
    }
}

#[test]
fn rows_on_postgresql() {
    if !databases::are_here() {
        return;
    }
    let (folder, began) = (folder(), now());
    let world = world(began);
    let postgres = Postgres::start(folder.path(), "crm", "shared_buffers = 128MB");
    postgres.sql(include_str!("packs/crm.sql"));
    for table in TABLES {
        let file = folder.path().join(table);
        fs::write(&file, world.copy(table)).expect("a file");
        give(&file);
        postgres.sql(&format!("SET TIME ZONE 'UTC'; COPY {table} FROM '{}'", file.display()));
    }
    postgres.sql("ANALYZE");
    postgres.sql(&format!("CREATE ROLE sidetone LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 3"));
    postgres.sql(
        "GRANT SELECT (chat_id, email, name, country_code, created_at, custom_fields) ON crm_contacts TO sidetone",
    );
    postgres.sql(
        "GRANT SELECT ON crm_campaign_metrics, crm_messages, crm_chats, crm_campaign_details, crm_sync_runs TO sidetone",
    );
    let key = format!("database = \"postgres\"\npassword_file = \"{}\"", password_file(folder.path()).display());
    compare(folder.path(), &section("crm", "postgresql", postgres.address, &key), &world, began, "");
}

#[test]
fn rows_on_mariadb() {
    if !databases::are_here() || !can_run(&["mariadb-tzinfo-to-sql"]) {
        return;
    }
    let (folder, began) = (folder(), now());
    let world = world(began);
    let mariadb = Mariadb::start(folder.path(), "crm", &["--local-infile=1"]);
    load_zones(&mariadb);
    mariadb.sql(&format!("CREATE DATABASE crm; USE crm; {}", include_str!("packs/crm.mariadb.sql")));
    for table in TABLES {
        let file = folder.path().join(table);
        fs::write(&file, world.copy(table)).expect("a file");
        give(&file);
        mariadb
            .sql(&format!("LOAD DATA LOCAL INFILE '{}' INTO TABLE crm.{table} CHARACTER SET utf8mb4", file.display()));
    }
    mariadb.sql(&format!("CREATE USER sidetone@'127.%' IDENTIFIED BY '{PASSWORD}' WITH MAX_USER_CONNECTIONS 3"));
    mariadb.sql(
        "GRANT SELECT (chat_id, email, name, country_code, created_at, custom_fields) ON crm.crm_contacts TO sidetone@'127.%'",
    );
    for table in &TABLES[1..] {
        mariadb.sql(&format!("GRANT SELECT ON crm.{table} TO sidetone@'127.%'"));
    }
    let key = format!("database = \"crm\"\npassword_file = \"{}\"", password_file(folder.path()).display());
    compare(folder.path(), &section("crm", "mysql", mariadb.address, &key), &world, began, MARIADB);
}

/// The names of time zones, as the README says.
fn load_zones(mariadb: &Mariadb) {
    let zones =
        Command::new("mariadb-tzinfo-to-sql").arg("/usr/share/zoneinfo").stderr(Stdio::null()).output().expect("zones");
    let file = mariadb.folder.join("zones.sql");
    fs::write(&file, [b"USE mysql;\n", zones.stdout.as_slice()].concat()).expect("a file");
    give(&file);
    mariadb.sql(&format!("source {}", file.display()));
}

/// What is sent here, counted by hand below.
fn events_of(began: i64) -> String {
    let at = |seconds: i64| began - 7200 + seconds;
    format!(
        r#"{{"id": 1, "name": "message.received", "timestamp": {t0}, "sessionId": "chat-1", "properties": {{"type": "text", "content_length": 12, "segment": "gold", "service_name": "repairs"}}}}
{{"id": 2, "name": "message.received", "timestamp": {t1}, "sessionId": "chat-1", "properties": {{"type": "image"}}}}
{{"id": 3, "name": "message.sent", "timestamp": {t2}, "sessionId": "chat-1", "properties": {{"type": "text", "content_length": 300, "agentId": "blue"}}}}
{{"id": 4, "name": "message.delivered", "timestamp": {t2}, "sessionId": "chat-1"}}
{{"id": 5, "name": "message.read", "timestamp": {t2}, "sessionId": "chat-1"}}
{{"id": 6, "name": "message.failed", "timestamp": {t2}, "sessionId": "chat-2"}}
{{"id": 7, "name": "message.received", "timestamp": {t3}, "sessionId": "chat-1", "properties": {{"type": "poll"}}}}
{{"id": 8, "name": "message.sent", "timestamp": {t4}, "sessionId": "chat-1", "properties": {{"type": "text"}}}}
{{"id": 8, "name": "message.sent", "timestamp": {t4}, "sessionId": "chat-1", "properties": {{"type": "text"}}}}
{{"id": 9, "name": "message.analysed", "properties": {{"sentiment": "positive", "topic": "billing"}}}}
{{"id": 10, "name": "message.analysed", "properties": {{"topic": "the secret wish of one customer"}}}}
{{"id": 11, "name": "chat.resolved", "timestamp": {t4}, "sessionId": "chat-1", "properties": {{"durationMinutes": 90, "messageCount": 4, "agentId": "blue", "handler": "agent", "service_name": "repairs"}}}}
{{"id": 12, "name": "chat.resolved", "timestamp": {t4}, "sessionId": "chat-3", "properties": {{"agentId": "ghost"}}}}
{{"id": 13, "name": "agent.handoff", "timestamp": {t4}, "sessionId": "chat-1", "properties": {{"service_name": "repairs"}}}}
{{"id": 14, "name": "csat.submitted", "properties": {{"score": 4, "agentId": "red", "service_name": "repairs"}}}}
{{"id": 15, "name": "crm_api.request", "properties": {{"result": "success", "durationSeconds": 0.2}}}}
{{"id": 16, "name": "crm_api.request", "properties": {{"result": "teapot"}}}}
{{"id": 17, "name": "message.received", "timestamp": {ahead}, "sessionId": "chat-9"}}
no JSON"#,
        t0 = at(0),
        t1 = at(20),
        t2 = at(60),
        t3 = at(100),
        t4 = at(100 + 3600),
        ahead = began + 4000,
    )
}

#[test]
fn events() {
    let (folder, began) = (tempfile::tempdir().expect("a folder"), now());
    let token = folder.path().join("token");
    fs::write(&token, TOKEN).expect("a token");
    let webhook = folder.path().join("webhook");
    fs::write(&webhook, WEBHOOK).expect("a token");
    let source = |name: &str, file: &Path, more: &str| {
        format!("[[event_sources]]\nname = \"{name}\"\npack = \"crm\"\nbearer_file = \"{}\"\n{more}", file.display())
    };
    let sources = source("sync", &token, "") + &source("crm", &webhook, "shape = \"crm\"\n");
    let agent = agent(folder.path(), "", &format!("time_zone = \"Asia/Kolkata\"\n{ALIASES}{sources}"));
    // As the CRM sends it, twice.
    let failed = format!(
        r#"{{"event": "message.failed", "data": {{"message_id": "m-1", "chat_id": "chat-2", "timestamp": {began}, "status": "failed"}}}}"#
    );
    assert!(post(&agent, WEBHOOK, &failed).1.contains("\"taken\":1"));
    assert!(post(&agent, WEBHOOK, &failed).1.contains("\"duplicates\":1"));
    let (status, said) = post(&agent, TOKEN, &events_of(began));
    assert_eq!(status, 200, "{said}");
    // Refused: one that lies ahead, and what is no JSON.
    assert!(
        said.contains("\"taken\":16") && said.contains("\"duplicates\":1") && said.contains("\"refused\":2"),
        "{said}"
    );
    let mut truth = Series::new();
    let mut add = |series: String, value: f64| *truth.entry(series).or_default() += value;
    for (rest, value) in [
        (r#"messages_total{channel="whatsapp",direction="inbound",pack="crm",type="text"}"#, 1.0),
        (r#"messages_total{channel="whatsapp",direction="inbound",pack="crm",type="image"}"#, 1.0),
        (r#"messages_total{channel="whatsapp",direction="inbound",pack="crm",type="other"}"#, 1.0),
        (r#"messages_total{channel="whatsapp",direction="outbound",pack="crm",type="text"}"#, 2.0),
        (r#"message_stage_total{channel="whatsapp",pack="crm",stage="sent"}"#, 2.0),
        (r#"message_stage_total{channel="whatsapp",pack="crm",stage="delivered"}"#, 1.0),
        (r#"message_stage_total{channel="whatsapp",pack="crm",stage="read"}"#, 1.0),
        (r#"message_stage_total{channel="whatsapp",pack="crm",stage="failed"}"#, 2.0),
        (r#"message_stage_total{channel="whatsapp",pack="crm",stage="replied"}"#, 1.0),
        (r#"messages_by_segment_total{pack="crm",segment="gold"}"#, 1.0),
        (r#"messages_by_segment_total{pack="crm",segment="unknown"}"#, 2.0),
        (r#"message_sentiment_total{pack="crm",sentiment="positive"}"#, 1.0),
        (r#"message_topic_total{pack="crm",topic="billing"}"#, 1.0),
        (r#"message_topic_total{pack="crm",topic="other"}"#, 1.0),
        (r#"chats_started_total{channel="whatsapp",pack="crm",service="repairs"}"#, 1.0),
        (r#"chats_resolved_total{channel="whatsapp",handler="agent",pack="crm",service="repairs"}"#, 1.0),
        (r#"chats_resolved_total{channel="whatsapp",handler="unknown",pack="crm",service="unknown"}"#, 1.0),
        (r#"chat_handoffs_total{channel="whatsapp",pack="crm",service="repairs"}"#, 1.0),
        (r#"agent_chats_resolved_total{agent="Blue",pack="crm"}"#, 1.0),
        (r#"csat_responses_total{channel="whatsapp",pack="crm",score="4",service="repairs"}"#, 1.0),
        (r#"agent_csat_responses_total{agent="Red",pack="crm",score="4"}"#, 1.0),
        (r#"provider_requests_total{pack="crm",provider="crm",result="success"}"#, 1.0),
        (r#"provider_requests_total{pack="crm",provider="crm",result="other"}"#, 1.0),
    ] {
        add(format!("business_{rest}"), value);
    }
    for seconds in [0, 20, 100] {
        // 1970-01-01 was a Thursday; Kolkata is 05:30 ahead.
        let here = began - 7200 + seconds + 19_800;
        let (weekday, hour) = ((here / world::DAY + 3) % 7, here % world::DAY / 3600);
        let labels = format!("activity=\"message\",hour=\"{hour:02}\",pack=\"crm\",weekday=\"{weekday}\"");
        add(format!("business_activity_by_hour_total{{{labels}}}"), 1.0);
    }
    let of = |rest: &str| format!("pack=\"crm\",{rest}");
    let characters = [10.0, 25.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 4000.0];
    histogram(&mut truth, "business_message_characters", &of(r#"direction="inbound""#), &characters, &[12.0]);
    histogram(&mut truth, "business_message_characters", &of(r#"direction="outbound""#), &characters, &[300.0]);
    let waits = [5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14_400.0, 86_400.0];
    // A minute from the first of two questions, then an hour.
    let response = "business_message_response_seconds";
    histogram(&mut truth, response, &of(r#"channel="whatsapp",responder="agent""#), &waits, &[60.0]);
    histogram(&mut truth, response, &of(r#"channel="whatsapp",responder="bot""#), &waits, &[3600.0]);
    // It is of the chat's service, though the answer does not name it.
    let service = of(r#"channel="whatsapp",service="repairs""#);
    histogram(&mut truth, "business_chat_first_response_seconds", &service, &waits, &[60.0]);
    let replies = [60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0, 43_200.0, 86_400.0];
    histogram(&mut truth, "business_message_reply_seconds", &of(r#"channel="whatsapp""#), &replies, &[40.0]);
    let minutes = [60.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0, 86_400.0, 259_200.0];
    histogram(&mut truth, "business_chat_resolution_seconds", &service, &minutes, &[5400.0]);
    let counts = [2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0, 200.0];
    histogram(&mut truth, "business_chat_messages", &service, &counts, &[4.0]);
    histogram(&mut truth, "business_agent_resolution_seconds", &of(r#"agent="Blue""#), &minutes, &[5400.0]);
    let seconds = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
    histogram(&mut truth, "business_provider_request_duration_seconds", &of(r#"provider="crm""#), &seconds, &[0.2]);
    assert_shown(&shown(&agent), &truth, &agent.log());
}
