//! What an agent shows of the business, beside what is true; and events, sent as a backend sends them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::common::{Agent, PATIENCE, http_get};

pub type Series = BTreeMap<String, f64>;

pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs() as i64
}

/// The series of business_* families by name and sorted labels.
pub fn shown(agent: &Agent) -> Series {
    let page = http_get(agent.address, "/metrics", &[]).expect("/metrics answers").text();
    let mut all = Series::new();
    for line in page.lines().filter(|line| line.starts_with("business_")) {
        let (series, value) = line.rsplit_once(' ').expect("a sample");
        let before = all.insert(sorted(series), value.parse().expect("a number"));
        assert!(before.is_none(), "{series} is there twice");
    }
    all
}

/// `name{b="x",a="y"}` as `name{a="y",b="x"}`; values may hold commas, braces and escaped quotes.
fn sorted(series: &str) -> String {
    let Some((name, labels)) = series.split_once('{') else { return format!("{series}{{}}") };
    let mut pairs = Vec::new();
    let mut rest = labels.trim_end_matches('}');
    while let Some((label, value)) = rest.split_once("=\"") {
        let mut escaped = false;
        let end = value.bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let (value, after) = value.split_at(end.expect("a quote that closes"));
        pairs.push(format!("{label}=\"{value}\""));
        rest = after[1..].trim_start_matches(',');
    }
    pairs.sort_unstable();
    format!("{name}{{{}}}", pairs.join(","))
}

/// Nothing is missing, nothing is too much, and every value is right.
#[track_caller]
pub fn assert_shown(shown: &Series, truth: &Series, log: &str) {
    let all: BTreeSet<&String> = shown.keys().chain(truth.keys()).collect();
    let is_right = |series: &&String| match (shown.get(*series), truth.get(*series)) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * b.abs().max(1.0),
        _ => false,
    };
    let wrong: Vec<String> = all
        .into_iter()
        .filter(|series| !is_right(series))
        .map(|series| format!("{series}: shown {:?}, true {:?}", shown.get(series), truth.get(series)))
        .collect();
    let first = wrong.iter().take(30).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {} are wrong, such as\n{first}\n{log}", wrong.len(), truth.len());
}

/// Waits until each of so many queries was answered, none of them with a fault.
#[track_caller]
pub fn wait_for_queries(agent: &Agent, pack: &str, count: usize) {
    let prefix = format!("{pack}/");
    agent.wait_for_metrics("each query to be answered", |samples| {
        assert_eq!(samples.by("sidetone_sql_query_errors_total", "query"), BTreeMap::new(), "{}", agent.log());
        let answered = samples.by("sidetone_sql_query_last_success_timestamp_seconds", "query");
        let of_pack: Vec<&String> = answered.keys().filter(|query| query.starts_with(&prefix)).collect();
        assert!(of_pack.len() <= count, "{of_pack:?}");
        of_pack.len() == count
    });
}

/// POSTs events with a token: status and answer.
pub fn post(agent: &Agent, token: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect_timeout(&agent.address, PATIENCE).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    let head = format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        agent.address,
        body.len()
    );
    stream.write_all((head + body).as_bytes()).expect("a request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, answer.split_once("\r\n\r\n").expect("a body").1.to_owned())
}

/// The series of a histogram into which these values went.
pub fn histogram(truth: &mut Series, name: &str, labels: &str, bounds: &[f64], values: &[f64]) {
    let comma = if labels.is_empty() { "" } else { "," };
    let bounds = bounds.iter().copied().chain([f64::INFINITY]);
    for bound in bounds {
        let count = values.iter().filter(|value| **value <= bound).count() as f64;
        let le = if bound.is_infinite() { "+Inf".to_owned() } else { le(bound) };
        truth.insert(sorted(&format!("{name}_bucket{{{labels}{comma}le=\"{le}\"}}")), count);
    }
    truth.insert(sorted(&format!("{name}_sum{{{labels}}}")), values.iter().sum());
    truth.insert(sorted(&format!("{name}_count{{{labels}}}")), values.len() as f64);
}

fn le(bound: f64) -> String {
    if bound.fract() == 0.0 { format!("{bound:.1}") } else { bound.to_string() }
}
