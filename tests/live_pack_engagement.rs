//! The pack engagement on a real PostgreSQL: every series at /metrics beside what is true of the rows.

#![allow(clippy::disallowed_methods, reason = "deadlines need a clock; the ban is for the core")]

#[path = "live/common.rs"]
mod common;
#[path = "live/databases.rs"]
mod databases;
#[path = "packs/engagement.rs"]
mod engagement;
#[allow(dead_code)] // uses a part of it
#[path = "packs/ground.rs"]
mod ground;
#[path = "live/packs.rs"]
mod packs;
#[allow(dead_code)] // uses a part of it
#[path = "support/generator/rng.rs"]
mod rng;
#[path = "live/servers.rs"]
mod servers;

use databases::{folder, resident};
use engagement::{ALIASES, Size, generate};
use ground::Zone;
use serde_json::{Value, json};

/// How many the pack has.
const QUERIES: usize = 7;

fn aliases() -> String {
    let aliases: Vec<String> = ALIASES.iter().map(|(agent, alias)| format!("{agent} = \"{alias}\"")).collect();
    format!("aliases.agents = {{ {} }}", aliases.join(", "))
}

#[test]
fn everything_shown_of_the_database_is_true_and_everything_true_is_shown() {
    if !databases::are_here() {
        return;
    }
    let folder = folder();
    let world = generate(7, packs::now(), &Size { users: 5_000, sessions: 24_000, chats: 15_000 });
    let grants = include_str!("../config/packs/engagement/grants.sql");
    let postgres =
        packs::filled(folder.path(), include_str!("packs/engagement.sql"), grants, |table| world.copy(table));
    let settings = format!("time_zone = \"{}\"\n{}", world.zone.name(), aliases());
    let agent = packs::asking(folder.path(), "engagement", &postgres, &settings, "");
    packs::answered(&agent, QUERIES);
    let shown = packs::shown(&agent);
    println!("{} series, {} MiB", shown.len(), resident(agent.id()) >> 20);
    packs::compare(&shown, &world.truth(packs::now()));
}

/// Two sessions of the web, three chats, what the AI did and what people thought of it.
fn events(now: i64) -> Vec<Value> {
    let event = |name: &str, session: &str, user: Option<&str>, ago: i64, properties: Value| json!({ "name": name, "timestamp": now - ago, "sessionId": session, "userId": user, "properties": properties });
    let web = |name: &str, ago: i64, properties: Value| event(name, "w1", Some("u1"), ago, properties);
    let anonymous = |name: &str, ago: i64, properties: Value| event(name, "w2", None, ago, properties);
    let chat =
        |name: &str, session: &str, ago: i64, properties: Value| event(name, session, Some(session), ago, properties);
    let ai = |name: &str, properties: Value| event(name, "ai", None, 50, properties);
    vec![
        // Begun two hours ago, silent since: it has ended with its last event, 300 s after the first.
        web(
            "session.start",
            7_200,
            json!({ "deviceType": "mobile", "browserName": "safari", "os": "ios", "country": "GB", "city": "Leeds" }),
        ),
        web("page_view", 7_190, json!({ "path": "/" })),
        web("click", 7_100, json!({ "element": "book" })),
        web("page_view", 7_000, json!({ "path": "/mri/slots" })),
        web("funnel.step", 7_000, json!({ "journey": "mri", "step": "slots" })),
        web("app_error", 6_950, json!({ "kind": "timeout" })),
        web("session.converted", 6_900, json!({ "journey": "mri" })),
        // Goes on.
        anonymous("session.start", 600, json!({ "deviceType": "fridge", "city": "" })),
        anonymous("page_view", 590, json!({ "path": "/careers" })),
        anonymous("click", 580, json!({ "element": "logo" })),
        // Answered by the bot in 20 s and by an agent in 100 s, then resolved: 40 minutes and 12 messages by its own account.
        chat("message.received", "c1", 5_000, json!({ "type": "text", "country": "GB", "service_name": "mri" })),
        chat("message.sent", "c1", 4_980, json!({ "type": "text" })),
        chat("message.delivered", "c1", 4_979, json!({})),
        chat("message.read", "c1", 4_978, json!({})),
        chat("agent.handoff", "c1", 4_950, json!({ "service_name": "mri" })),
        chat("message.received", "c1", 4_900, json!({ "type": "image", "country": "GB" })),
        chat("message.received", "c1", 4_880, json!({ "type": "hologram" })),
        chat("message.sent", "c1", 4_800, json!({ "type": "text", "agentId": "a-7" })),
        chat(
            "chat.resolved",
            "c1",
            4_700,
            json!({ "agentId": "a-7", "service_name": "mri", "durationMinutes": 40, "messageCount": 12 }),
        ),
        chat("csat.submitted", "c1", 4_600, json!({ "agentId": "a-7", "service_name": "mri", "score": "4" })),
        // Resolved by the bot alone; nobody has an alias for a-9.
        chat("message.received", "c2", 1_000, json!({})),
        chat("message.sent", "c2", 990, json!({ "type": "template", "agentId": "a-9" })),
        chat("chat.resolved", "c2", 980, json!({ "messageCount": 2 })),
        // Nobody answered within 30 minutes.
        chat("message.received", "c3", 2_400, json!({ "type": "text", "service_name": "tot" })),
        // The bot wrote first, and was answered the next minute.
        chat("message.sent", "c4", 300, json!({ "type": "template" })),
        chat("message.received", "c4", 240, json!({ "type": "button" })),
        chat("message.failed", "c4", 200, json!({})),
        chat("contact.created", "c4", 200, json!({})),
        chat("qa.reviewed", "c4", 200, json!({ "result": "pass" })),
        ai("ai.classification", json!({ "intent": "book_slot", "confidence": 0.93, "latency": 300 })),
        ai(
            "ai.classification",
            json!({ "intent": "book_slot", "confidence": 0.5, "latency": 200, "result": "incorrect" }),
        ),
        ai("ai.generation", json!({ "latency": 1500 })),
        ai("ai.error", json!({ "kind": "rate_limit" })),
    ]
}

/// Counted by hand.
const COUNTED: &str = "
    business_sessions_total channel=web 2
    business_session_duration_seconds channel=web [300]
    business_session_events channel=web [6]
    business_session_entries_total page=home 1
    business_session_entries_total page=other 1
    business_session_exits_total page=mri 1
    business_page_views_total page=home 1
    business_page_views_total page=mri 1
    business_page_views_total page=other 1
    business_sessions_converted_total channel=web journey=mri 1
    business_funnel_step_total journey=mri step=slots 1
    business_feature_uses_total feature=click_book 1
    business_feature_uses_total feature=other 1
    business_app_errors_total channel=web kind=timeout 1
    business_sessions_by_device_total device_type=mobile 1
    business_sessions_by_device_total device_type=other 1
    business_sessions_by_browser_total browser=safari 1
    business_sessions_by_browser_total browser=unknown 1
    business_sessions_by_os_total os=ios 1
    business_sessions_by_os_total os=unknown 1
    business_sessions_by_country_total country=GB 1
    business_sessions_by_country_total country=unknown 1
    business_sessions_by_city_total city=Leeds 1
    business_sessions_by_city_total city=unknown 1
    business_sessions_by_identity_total identified=true 1
    business_sessions_by_identity_total identified=false 1
    business_chats_started_total channel=whatsapp service=mri 1
    business_chats_started_total channel=whatsapp service=tot 1
    business_chats_started_total channel=whatsapp service=unknown 2
    business_chats_dropped_total channel=whatsapp service=tot 1
    business_message_response_seconds channel=whatsapp responder=bot [20]
    business_message_response_seconds channel=whatsapp responder=agent [100,10]
    business_chat_first_response_seconds channel=whatsapp service=mri [20]
    business_chat_first_response_seconds channel=whatsapp service=unknown [10]
    business_agent_response_seconds agent=desk-one [100]
    business_message_reply_seconds channel=whatsapp [80,60]
    business_messages_total channel=whatsapp direction=inbound type=text 2
    business_messages_total channel=whatsapp direction=inbound type=image 1
    business_messages_total channel=whatsapp direction=inbound type=button 1
    business_messages_total channel=whatsapp direction=inbound type=other 1
    business_messages_total channel=whatsapp direction=inbound type=unknown 1
    business_messages_total channel=whatsapp direction=outbound type=text 2
    business_messages_total channel=whatsapp direction=outbound type=template 2
    business_messages_by_country_total country=GB 2
    business_messages_by_country_total country=unknown 4
    business_message_stage_total channel=whatsapp stage=sent 4
    business_message_stage_total channel=whatsapp stage=delivered 1
    business_message_stage_total channel=whatsapp stage=read 1
    business_message_stage_total channel=whatsapp stage=replied 2
    business_message_stage_total channel=whatsapp stage=failed 1
    business_new_contacts_total channel=whatsapp 1
    business_chats_resolved_total channel=whatsapp service=mri handler=agent 1
    business_chats_resolved_total channel=whatsapp service=unknown handler=bot 1
    business_chat_resolution_seconds channel=whatsapp service=mri [2400]
    business_chat_messages channel=whatsapp service=mri [12]
    business_chat_messages channel=whatsapp service=unknown [2]
    business_chat_handoffs_total channel=whatsapp service=mri 1
    business_csat_responses_total channel=whatsapp service=mri score=4 1
    business_qa_reviews_total result=pass 1
    business_agent_chats_resolved_total agent=desk-one 1
    business_agent_resolution_seconds agent=desk-one [2400]
    business_agent_csat_responses_total agent=desk-one score=4 1
    business_ai_classifications_total intent=book_slot result=unrated 1
    business_ai_classifications_total intent=book_slot result=incorrect 1
    business_ai_confidence_ratio intent=book_slot [0.93,0.5]
    business_ai_latency_seconds operation=classification [0.3,0.2]
    business_ai_latency_seconds operation=generation [1.5]
    business_ai_generations_total 1
    business_ai_errors_total kind=rate_limit 1
";

#[test]
fn every_event_is_counted_as_by_hand() {
    let folder = folder();
    let zone = Zone::quiet(packs::now());
    let agent =
        packs::counting(folder.path(), "engagement", &format!("time_zone = \"{}\"\n{}", zone.name(), aliases()));
    let now = packs::now();
    let answer = packs::send(&agent, &events(now));
    assert_eq!((&answer["refused"], &answer["taken"]), (&json!(0), &json!(events(now).len())), "{answer:#}");
    agent.wait_for_metrics("silence to be noticed", |now| {
        now.sum("business_chats_dropped_total", &[]) == 1.0 && now.sum("business_session_exits_total", &[]) == 1.0
    });
    let shown = packs::shown(&agent);
    let mut text = COUNTED.to_owned();
    // By the hour: those of one hour are one series.
    let mut hours = std::collections::BTreeMap::new();
    let sessions = [7_200, 600].map(|ago| ("session", ago));
    let messages = [5_000, 4_980, 4_900, 4_880, 4_800, 1_000, 990, 2_400, 300, 240].map(|ago| ("message", ago));
    for (activity, ago) in sessions.into_iter().chain(messages) {
        *hours.entry((activity, zone.weekday_and_hour(now - ago))).or_insert(0) += 1;
    }
    for ((activity, (weekday, hour)), count) in hours {
        text += &format!("\nbusiness_activity_by_hour_total activity={activity} weekday={weekday} hour={hour} {count}");
    }
    // Who was there today: u1 two hours ago, c1 more than an hour ago, the others within it. The week and the month have whoever is in today.
    let of = |from: i64| [7_200, 5_000, 1_000, 2_400, 240].iter().filter(|ago| now - **ago >= from).count();
    for (period, from) in [("day", zone.midnight(now)), ("week", zone.week(now)), ("month", zone.month(now))] {
        text += &format!("\nbusiness_active_users period={period} {}", of(from));
    }
    packs::compare(&shown, &packs::counted("engagement", &text, &shown));
}
