//! The pack careflow on a real PostgreSQL: every series at /metrics beside what is true of the rows.

#![allow(clippy::disallowed_methods, reason = "deadlines need a clock; the ban is for the core")]

#[path = "packs/careflow.rs"]
mod careflow;
#[path = "live/common.rs"]
mod common;
#[path = "live/databases.rs"]
mod databases;
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

use careflow::{Size, generate};
use databases::{folder, resident};
use ground::Zone;
use serde_json::{Value, json};

/// How many the pack has; where long windows have an interval of their own, it is two.
const QUERIES: usize = 30;

#[test]
fn everything_shown_of_the_database_is_true_and_everything_true_is_shown() {
    if !databases::are_here() {
        return;
    }
    let folder = folder();
    let world = generate(7, packs::now(), &Size { users: 20_000, sessions: 150_000, calls: 100_000 });
    let grants = include_str!("../config/packs/careflow/grants.sql");
    let postgres = packs::filled(folder.path(), include_str!("packs/careflow.sql"), grants, |table| world.copy(table));
    let settings = format!("time_zone = \"{}\"", world.zone.name());
    let agent = packs::asking(folder.path(), "careflow", &postgres, &settings, "");
    packs::answered(&agent, QUERIES);
    let shown = packs::shown(&agent);
    println!("{} series, {} MiB", shown.len(), resident(agent.id()) >> 20);
    packs::compare(&shown, &world.truth(packs::now()));
}

/// Everything that the pack has a rule for, at least once, and most of what it has none for.
fn events(now: i64) -> Vec<Value> {
    let event = |name: &str, ago: i64, properties: Value| json!({ "name": name, "timestamp": now - ago, "properties": properties });
    let of = |mut event: Value, session: &str| {
        event["sessionId"] = session.into();
        event
    };
    let mut all = vec![
        // Four sessions: ended, timed out, going on, and silent for longer than four hours.
        of(event("session.start", 3_600, json!({ "platform": "ios" })), "s1"),
        of(event("feature.used", 3_500, json!({ "feature": "dial_pad" })), "s1"),
        of(event("feature.used", 3_400, json!({ "feature": "karaoke" })), "s1"),
        of(event("session.end", 3_300, json!({})), "s1"),
        of(event("session.start", 3_600, json!({ "platform": "toaster" })), "s2"),
        of(event("session.timeout", 3_550, json!({})), "s2"),
        of(event("session.start", 3_600, json!({})), "s3"),
        of(event("session.start", 20_000, json!({ "platform": "android" })), "s4"),
        of(
            event(
                "call.ended",
                19_400,
                json!({ "network": "wifi", "carrier": "Example_Mobile", "distanceMeters": 12_000 }),
            ),
            "s4",
        ),
        // Nobody began it.
        of(event("session.end", 3_000, json!({})), "s5"),
        event("user.registered", 60, json!({ "platform": "web" })),
        event("feature.used", 50, json!({ "feature": "conference" })),
        event("csat.submitted", 50, json!({ "channel": "app", "service_name": "support", "score": 5 })),
        event("csat.submitted", 50, json!({ "channel": "app", "score": 11 })),
        event("call.ended", 50, json!({ "network": "carrier pigeon" })),
        event("call.called_back", 50, json!({})),
        event("issue.resolved", 50, json!({ "attempt": "first" })),
        event("issue.resolved", 50, json!({ "attempt": "later" })),
        event("cost.incurred", 50, json!({ "category": "sms", "currency": "EUR", "amount": 0.25 })),
        event("cost.incurred", 50, json!({ "category": "sms", "currency": "EUR", "amount": "1.5" })),
        event("payment.received", 50, json!({ "kind": "recurring", "currency": "USD", "amount": 9.5 })),
        event("recording.saved", 50, json!({ "ending": "complete" })),
        event("recording.saved", 50, json!({ "ending": "truncated" })),
        event("recording.deleted", 50, json!({})),
        event("recording.played", 7_200, json!({ "seconds": 40, "ending": "complete" })),
        event("recording.played", 7_200, json!({ "seconds": 5, "ending": "stopped" })),
        event("recording.downloaded", 50, json!({})),
        event("recording.shared", 50, json!({})),
        event("recording.analysed", 50, json!({ "speakers": "several", "silenceRatio": 0.25, "qualityScore": 81 })),
        event(
            "recording.analysed",
            50,
            json!({ "speakers": "one", "noiseDecibels": 42, "levelDeviationDecibels": 3.5 }),
        ),
        event("notification.retried", 50, json!({ "channel": "sms", "result": "success" })),
        event("notification.opted_out", 50, json!({ "channel": "email" })),
        event(
            "api.request",
            50,
            json!({
                "method": "POST", "route": "/api/calls/initiate", "status": 201, "durationSeconds": 0.08, "platform": "ios",
                "sdkVersion": "2.10.0", "network": "cellular", "userAgentFamily": "CareFlow", "country": "GB", "actor": "human",
            }),
        ),
        event(
            "api.request",
            50,
            json!({ "method": "GET", "route": "/api/users/7", "status": 429, "durationSeconds": 0.004, "actor": "bot" }),
        ),
        event(
            "api.request",
            50,
            json!({ "method": "BREW", "route": "/api/settings", "status": "401", "reason": "expired" }),
        ),
        event("login", 50, json!({ "result": "success", "method": "google", "mfa": true })),
        event("login", 50, json!({ "result": "failure", "method": "password" })),
        event("account.locked", 50, json!({})),
        event("password.reset", 50, json!({})),
        event("token.refreshed", 50, json!({})),
        event("permission.changed", 50, json!({})),
        event("role.assigned", 50, json!({ "role": "admin" })),
        // Nobody's address becomes a role.
        event("role.assigned", 50, json!({ "role": "ann@example.com" })),
        event("api_key.used", 50, json!({ "service": "billing" })),
        event("request.geo_blocked", 50, json!({ "country": "XX" })),
        event("request.time_blocked", 50, json!({})),
        event("threat.detected", 50, json!({ "kind": "brute_force" })),
        event("data.accessed", 50, json!({ "resource": "recording", "role": "auditor" })),
        event("privacy.requested", 50, json!({ "kind": "export" })),
    ];
    for stage in ["sent", "delivered", "opened", "clicked", "failed", "rate_limited"] {
        let properties = json!({ "type": "missed_call", "channel": "push", "platform": "ios", "delaySeconds": 0.5 });
        all.push(event(&format!("notification.{stage}"), 50, properties));
    }
    // A delivery that is repeated counts once.
    for _ in 0..2 {
        let mut registered = event("user.registered", 50, json!({ "platform": "fridge" }));
        registered["id"] = "delivery 1".into();
        all.push(registered);
    }
    all
}

/// Counted by hand.
const COUNTED: &str = "
    business_sessions_total channel=ios 1
    business_sessions_total channel=other 1
    business_sessions_total channel=unknown 1
    business_sessions_total channel=android 1
    business_session_duration_seconds channel=ios [300]
    business_session_duration_seconds channel=other [50]
    business_session_duration_seconds channel=android [600]
    business_session_timeouts_total 1
    business_users_registered_total channel=web 1
    business_users_registered_total channel=other 1
    business_feature_uses_total feature=dial_pad 1
    business_feature_uses_total feature=other 1
    business_feature_uses_total feature=conference 1
    business_feature_uses_total feature=recording_play 2
    business_feature_uses_total feature=notification_response 1
    business_csat_responses_total channel=app service=support score=5 1
    business_csat_responses_total channel=app service=unknown score=other 1
    business_call_distance_meters [12000]
    business_calls_by_carrier_total carrier=Example_Mobile 1
    business_calls_by_network_total network=wifi 1
    business_calls_by_network_total network=other 1
    business_callbacks_total 1
    business_calls_resolved_total attempt=first 1
    business_calls_resolved_total attempt=later 1
    business_cost_total category=sms currency=EUR 1.75
    business_revenue_total kind=recurring currency=USD 9.5
    business_recordings_saved_total 2
    business_recordings_truncated_total 1
    business_recordings_deleted_total 1
    business_recording_plays_total 2
    business_recording_plays_completed_total 1
    business_recording_listen_seconds [40,5]
    business_recording_downloads_total 1
    business_recording_shares_total 1
    business_recordings_multi_speaker_total 1
    business_recording_silence_ratio [0.25]
    business_recording_noise_decibels [42]
    business_recording_level_deviation_decibels [3.5]
    business_recording_quality_score [81]
    business_notification_stage_total type=missed_call channel=push platform=ios stage=sent 1
    business_notification_stage_total type=missed_call channel=push platform=ios stage=delivered 1
    business_notification_stage_total type=missed_call channel=push platform=ios stage=opened 1
    business_notification_stage_total type=missed_call channel=push platform=ios stage=clicked 1
    business_notification_stage_total type=missed_call channel=push platform=ios stage=failed 1
    business_notification_stage_total type=missed_call channel=push platform=ios stage=rate_limited 1
    business_notification_delay_seconds channel=push [0.5]
    business_notification_retries_total channel=sms result=success 1
    business_optouts_total channel=email 1
    business_api_requests_total method=POST route=/api/calls/initiate code=201 1
    business_api_requests_total method=GET route=other code=429 1
    business_api_requests_total method=other route=/api/settings code=401 1
    business_api_request_duration_seconds method=POST route=/api/calls/initiate [0.08]
    business_api_request_duration_seconds method=GET route=other [0.004]
    business_api_rate_limited_total route=other 1
    business_api_auth_failures_total reason=expired 1
    business_api_requests_by_client_total platform=ios sdk_version=2.10.0 1
    business_api_requests_by_client_total platform=unknown sdk_version=unknown 2
    business_api_requests_by_network_total network=cellular 1
    business_api_requests_by_network_total network=unknown 2
    business_api_requests_by_user_agent_total family=CareFlow 1
    business_api_requests_by_user_agent_total family=unknown 2
    business_api_requests_by_country_total country=GB 1
    business_api_requests_by_country_total country=unknown 2
    business_api_requests_by_actor_total actor=human 1
    business_api_requests_by_actor_total actor=bot 1
    business_api_requests_by_actor_total actor=unknown 1
    business_logins_total result=success method=google mfa=true 1
    business_logins_total result=failure method=password mfa=false 1
    business_account_locks_total 1
    business_password_resets_total 1
    business_token_refreshes_total 1
    business_permission_changes_total 1
    business_role_assignments_total role=admin 1
    business_role_assignments_total role=other 1
    business_api_key_uses_total service=billing 1
    business_geo_blocked_requests_total country=XX 1
    business_time_restricted_requests_total 1
    business_threats_total kind=brute_force 1
    business_data_access_total resource=recording role=auditor 1
    business_privacy_requests_total kind=export 1
";

#[test]
fn every_event_is_counted_as_by_hand() {
    let folder = folder();
    let agent = packs::counting(folder.path(), "careflow", "time_zone = \"America/Phoenix\"");
    let now = packs::now();
    let sent = events(now);
    let answer = packs::send(&agent, &sent);
    assert_eq!((&answer["refused"], &answer["duplicates"]), (&json!(0), &json!(1)), "{answer:#}");
    let unknown = packs::send(&agent, &[json!({ "name": "coffee.made" })]);
    assert_eq!(unknown["events"][0]["reason"], "unknown_event", "{unknown:#}");
    // The silent session is looked for once a second.
    agent.wait_for_metrics("the silent session to end", |now| {
        now.sum("business_session_duration_seconds_count", &[("channel", "android")]) == 1.0
    });
    let shown = packs::shown(&agent);
    let (weekday, hour) = Zone::Phoenix.weekday_and_hour(now - 7_200);
    let played = format!("business_activity_by_hour_total activity=recording_play weekday={weekday} hour={hour} 2");
    packs::compare(&shown, &packs::counted("careflow", &format!("{COUNTED}\n{played}"), &shown));
}
