//! `POST /api/v1/events`: hands bodies to the intake of events, and says what became of each.

#![allow(clippy::disallowed_methods)] // When an event came is when it came here.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::guard::Watchdog;
use super::routes::{App, Reply, closing, reply, text};
use crate::sources::events::{Answer, Credentials, Intake, Outcome};

const JSON: &str = "application/json";
/// Longest list of what became of each event; a longer one is cut, its counts are not.
const MAX_LISTED: usize = 1000;

pub async fn take(app: &App, intake: &Arc<Intake>, watchdog: &Watchdog, request: Request<Incoming>) -> Reply {
    if *request.method() != Method::POST {
        let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "only POST here\n");
        reply.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return closing(reply);
    }
    let (head, body) = request.into_parts();
    let body = match read(app, intake, body).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    watchdog.request_arrived();
    let intake = Arc::clone(intake);
    // What is counted is written to a file, too, and a disk may hang: not on the threads that serve connections.
    let work = tokio::task::spawn_blocking(move || answer(&intake, &head, &body));
    work.await.unwrap_or_else(|_| told(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": "the agent is stopping" })))
}

async fn read(app: &App, intake: &Intake, body: Incoming) -> Result<Bytes, Reply> {
    let most = intake.max_body();
    let reading = Limited::new(body, most).collect();
    match tokio::time::timeout(app.limits().header_timeout, reading).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(_)) => {
            let error = format!("the body is cut off, or longer than events.max_body ({most} bytes)");
            Err(closing(told(StatusCode::PAYLOAD_TOO_LARGE, &json!({ "error": error }))))
        }
        Err(_) => Err(closing(told(StatusCode::REQUEST_TIMEOUT, &json!({ "error": "the body did not come in time" })))),
    }
}

fn answer(intake: &Intake, head: &Parts, body: &[u8]) -> Reply {
    let query = head.uri.query().unwrap_or_default();
    let named = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "source");
    let headers: Vec<(&str, &str)> =
        head.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
    let authorization = headers.iter().find(|(name, _)| *name == "authorization");
    let bearer = authorization.and_then(|(_, value)| value.strip_prefix("Bearer ")).map(str::trim);
    let credentials = Credentials { source: named.as_ref().map(|(_, name)| name.as_ref()), bearer, headers };
    match intake.take(&credentials, body, jiff::Timestamp::now()) {
        Answer::Events(outcomes) => each(&outcomes),
        Answer::Unauthorized => {
            let error = "no event source has this token or signature; name it with ?source=NAME where it is signed";
            let mut reply = told(StatusCode::UNAUTHORIZED, &json!({ "error": error }));
            reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            reply
        }
        Answer::Busy(seconds) => {
            let mut reply =
                told(StatusCode::TOO_MANY_REQUESTS, &json!({ "error": "more events than event_sources.rate" }));
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
            reply
        }
        Answer::Malformed(error) => told(StatusCode::BAD_REQUEST, &json!({ "error": error })),
        Answer::Unavailable => {
            let error = "events cannot be kept now; send them again";
            let mut reply = told(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": error }));
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
            reply
        }
    }
}

/// 200 where anything was taken, now or before; 422 where everything was refused.
fn each(outcomes: &[Outcome]) -> Reply {
    let count = |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| wanted(outcome)).count();
    let refused = count(|outcome| matches!(outcome, Outcome::Refused(_)));
    let one = |(index, outcome): (usize, &Outcome)| match outcome {
        Outcome::Taken => json!({ "index": index, "result": "taken" }),
        Outcome::Duplicate => json!({ "index": index, "result": "duplicate" }),
        Outcome::Refused(refusal) => {
            json!({ "index": index, "result": "refused", "reason": refusal.name(), "hint": refusal.hint() })
        }
    };
    let listed: Vec<Value> = outcomes.iter().enumerate().take(MAX_LISTED).map(one).collect();
    let said = json!({
        "taken": count(|outcome| *outcome == Outcome::Taken),
        "duplicates": count(|outcome| *outcome == Outcome::Duplicate),
        "refused": refused,
        "events": listed,
    });
    let is_refused = refused > 0 && refused == outcomes.len();
    told(if is_refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }, &said)
}

fn told(status: StatusCode, said: &Value) -> Reply {
    reply(status, JSON, format!("{said}\n"))
}
