//! Events as programs send them: what is counted, what is refused and how it is answered, and what outlives a killed program.

#![allow(clippy::disallowed_methods, reason = "deadlines need a clock; the ban is for the core")]

#[path = "live/common.rs"]
mod common;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;

use common::{Agent, Samples, free_tcp_port};
use serde_json::{Value, json};

const PACK: &str = r#"
[pack]
name = "shop"

[[families]]
name = "business_orders_total"
type = "counter"
labels = ["channel", "country"]
help = "Orders."

[[families]]
name = "business_order_value"
type = "histogram"
bounds = [10, 100]
labels = ["channel"]
help = "What orders are worth."

[[rules]]
event = "order"
metric = "business_orders_total"
labels = { channel = ["web", "app", "unknown"], country = { from = "country", top = 2 } }

[[rules]]
event = "order"
metric = "business_order_value"
labels = { channel = ["web", "app", "unknown"] }
value = "worth"

[[rules]]
event = "order"
metric = "business_active_users"
distinct = "userId"

[[rules]]
event = "hook.paid"
metric = "business_orders_total"
labels = { channel = "hook", country = { from = "country", top = 2 } }

[[tracks]]
name = "cart"
key = "sessionId"
starts = ["cart"]
ends = ["order"]
idle = "2s"
labels = { channel = "web" }
started = "business_sessions_total"
duration = "business_session_duration_seconds"

[[shapes]]
name = "hook"
events = "/data"
event = "/kind"
prefix = "hook."
id = ["/key"]
properties = "/object"
signature = { header = "X-Sig", value = "t={time},v1={digest}", signed = "{time}.{body}" }
"#;

/// An agent with a shop, its state in `folder`.
fn agent(folder: &Path, statsd: SocketAddr) -> Agent {
    let (pack, token, key) = (folder.join("shop.toml"), folder.join("token"), folder.join("key"));
    fs::write(&pack, PACK).expect("a pack");
    fs::write(&token, "sesame\n").expect("a token");
    fs::write(&key, "pepper").expect("a key");
    let address = free_tcp_port();
    let configuration = format!(
        "web.listen_address = \"{address}\"\ncapture.interfaces = [\"none\"]\nhep.listen_udp = \"127.0.0.1:0\"\n\
         include = [\"{}\"]\n[events]\nstate = \"{}\"\nstatsd = \"{statsd}\"\nstatsd_source = \"till\"\nmax_body = \"64KiB\"\n\
         [[event_sources]]\nname = \"till\"\npack = \"shop\"\nbearer_file = \"{}\"\nrate = 1000\n\
         [[event_sources]]\nname = \"hook\"\npack = \"shop\"\nhmac_file = \"{}\"\nshape = \"hook\"\n",
        pack.display(),
        folder.join("state").display(),
        token.display(),
        key.display(),
    );
    Agent::start(folder, address, &configuration)
}

/// Status and body of an answer.
fn post(agent: &Agent, query: &str, headers: &str, body: &[u8]) -> (u16, Value) {
    let mut stream = TcpStream::connect(agent.address).expect("a connection");
    let head = format!(
        "POST /api/v1/events{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    // Who is refused early may find the door shut.
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn send(agent: &Agent, body: &[u8]) -> (u16, Value) {
    post(agent, "", "Authorization: Bearer sesame\r\n", body)
}

/// What became of each event.
fn outcomes(answer: &Value) -> Vec<String> {
    let each = answer["events"].as_array().into_iter().flatten();
    each.map(|event| event["reason"].as_str().or(event["result"].as_str()).expect("an outcome").to_owned()).collect()
}

fn orders(samples: &Samples) -> f64 {
    samples.sum("business_orders_total", &[])
}

fn statsd_port() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port")
}

#[test]
fn each_event_is_answered_by_what_became_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let agent = agent(folder.path(), statsd_port());
    let order =
        |id: &str| json!({"name": "order", "id": id, "userId": id, "properties": {"channel": "web", "worth": 5}});
    let (status, answer) = send(&agent, json!([order("1"), order("2"), order("1")]).to_string().as_bytes());
    assert_eq!((status, outcomes(&answer)), (200, vec!["taken".into(), "taken".into(), "duplicate".into()]));
    let many = json!([
        {"name": "order", "properties": {"worth": "cheap"}},
        {"name": "order", "properties": {}},
        {"name": "order", "properties": {"worth": -1}},
        {"name": "nothing of ours"},
        {"name": 7},
        {"name": ["order"]},
        {"properties": {}},
        "order",
        {"name": "order", "timestamp": "soon", "properties": {"worth": 1}},
        {"name": "order", "timestamp": 4102444800_u64, "properties": {"worth": 1}},
        {"name": "order", "timestamp": 0, "properties": {"worth": 1}},
        {"name": "order", "properties": [1]},
    ]);
    let wanted = [
        "bad_value",
        "bad_value",
        "bad_value",
        "unknown_event",
        "unknown_event",
        "no_name",
        "no_name",
        "malformed",
        "bad_time",
        "future",
        "too_old",
        "bad_properties",
    ];
    let (status, answer) = send(&agent, many.to_string().as_bytes());
    assert_eq!((status, outcomes(&answer)), (422, wanted.map(str::to_owned).to_vec()));
    let lines = b"{\"name\":\"order\",\"properties\":{\"worth\":1}}\n{broken\n\n{\"name\":\"order\",\"properties\":{\"worth\":\"2\"}}\n";
    let (status, answer) = send(&agent, lines);
    assert_eq!((status, outcomes(&answer)), (200, vec!["taken".into(), "malformed".into(), "taken".into()]));
    let deep = [b"[".repeat(10_000), b"]".repeat(10_000)].concat();
    for (body, status) in [
        (&b""[..], 400),
        (b"{", 400),
        (b"\"\xff\"", 400),
        (&deep, 400),
        (&vec![b' '; 70_000], 413),
        (b"[]", 200),
        (b"{}", 422),
    ] {
        assert_eq!(send(&agent, body).0, status, "{:?}", String::from_utf8_lossy(&body[..body.len().min(40)]));
    }
    for headers in ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic c2VzYW1l\r\n"] {
        assert_eq!(post(&agent, "", headers, b"{}").0, 401, "{headers}");
    }
    // Of two keys in an object the last counts.
    assert_eq!(send(&agent, br#"{"name":"nothing","name":"order","properties":{"worth":1}}"#).0, 200);
    let samples = agent.metrics();
    assert_eq!(orders(&samples), 5.0);
    assert_eq!(samples.sum("business_order_value_count", &[]), 5.0);
    assert_eq!(samples.sum("business_order_value_sum", &[]), 5.0 + 5.0 + 1.0 + 2.0 + 1.0);
    assert_eq!(samples.one("business_active_users", &[("period", "day")]), Some(2.0));
    assert_eq!(samples.sum("sidetone_events_total", &[("result", "accepted")]), 5.0);
    assert_eq!(samples.sum("sidetone_events_total", &[("result", "duplicate")]), 1.0);
    assert_eq!(samples.one("sidetone_events_rejected_total", &[("reason", "bad_value")]), Some(3.0));
    // A flood is held off, and what is held off is not counted.
    let flood: Vec<Value> = (0..400).map(|n| order(&format!("f{n}"))).collect();
    let body = json!(flood).to_string();
    let busy = (0..40).map(|_| send(&agent, body.as_bytes()).0).find(|status| *status == 429);
    assert_eq!(busy, Some(429), "{}", agent.log());
    assert_eq!(orders(&agent.metrics()), 405.0, "each of the flood once");
}

#[test]
fn people_are_no_labels() {
    let folder = tempfile::tempdir().expect("a folder");
    let agent = agent(folder.path(), statsd_port());
    for country in ["GB", "annabel@example.com", "+44 20 7946 0018", "FR", "192.0.2.1", "DE"] {
        let event = json!({"name": "order", "userId": "annabel-lee", "properties": {"country": country, "worth": 1}});
        assert_eq!(send(&agent, event.to_string().as_bytes()).0, 200);
    }
    let samples = agent.metrics();
    let by = samples.by("business_orders_total", "country");
    let wanted = [("FR", 1.0), ("GB", 1.0), ("other", 4.0)].map(|(country, count)| (country.to_owned(), count));
    assert_eq!(by.into_iter().collect::<Vec<_>>(), wanted, "three that look like a person, and one too many");
    assert_eq!(samples.one("sidetone_privacy_refused_values_total", &[("pack", "shop")]), Some(3.0));
    let page = common::http_get(agent.address, "/metrics", &[]).expect("/metrics answers").text();
    let state = fs::read(folder.path().join("state/journal.0000000000")).expect("a journal");
    for secret in ["annabel", "7946", "192.0.2.1", "sesame", "pepper"] {
        assert!(!page.contains(secret) && !agent.log().contains(secret), "{secret}");
        assert!(!state.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret} is in the journal");
    }
}

#[test]
fn signed_webhooks_and_statsd_lines_follow_the_same_rules() {
    let folder = tempfile::tempdir().expect("a folder");
    let statsd = statsd_port();
    let agent = agent(folder.path(), statsd);
    let body = json!({"data": [{"kind": "paid", "key": "k1", "object": {"country": "GB"}}]}).to_string();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let header = |time: u64, key: &str| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes());
        let tag = ring::hmac::sign(&key, format!("{time}.{body}").as_bytes());
        let digest: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("X-Sig: t={time},v1={digest}\r\n")
    };
    assert_eq!(post(&agent, "?source=hook", &header(now, "salt"), body.as_bytes()).0, 401, "another key");
    assert_eq!(post(&agent, "?source=hook", &header(now - 3600, "pepper"), body.as_bytes()).0, 401, "an old one");
    for outcome in ["taken", "duplicate"] {
        let (status, answer) = post(&agent, "?source=hook", &header(now, "pepper"), body.as_bytes());
        assert_eq!((status, outcomes(&answer)), (200, vec![outcome.to_owned()]));
    }
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let line = b"order:1|c|#channel:app,worth:20\nnot a line\norder:1|c|#channel:app,worth:200";
    let samples = common::wait_for("the lines to be counted", || {
        socket.send_to(line, statsd).expect("sent");
        std::thread::sleep(std::time::Duration::from_millis(100));
        Some(agent.metrics()).filter(|samples| samples.sum("business_orders_total", &[("channel", "app")]) >= 2.0)
    });
    assert_eq!(samples.one("business_orders_total", &[("channel", "hook"), ("country", "GB")]), Some(1.0));
    assert!(samples.sum("business_order_value_sum", &[("channel", "app")]) >= 220.0);
}

#[test]
fn what_was_answered_outlives_a_kill_and_a_torn_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    let event = |n: usize, name: &str| {
        json!({"name": name, "id": format!("{name}{n}"), "userId": format!("u{}", n % 70), "sessionId": format!("s{n}"),
            "properties": {"channel": "web", "worth": 50}})
    };
    let first = agent(folder.path(), statsd_port());
    for n in 0..30 {
        let both = json!([event(n, "cart"), event(n, "order")]);
        assert_eq!(send(&first, both.to_string().as_bytes()).0, 200);
    }
    for n in 30..35 {
        assert_eq!(send(&first, event(n, "cart").to_string().as_bytes()).0, 200);
    }
    let shown = orders(&first.metrics());
    // SIGKILL, right after the answer.
    drop(first);
    let journal = folder.path().join("state/journal.0000000000");
    let whole = fs::read(&journal).expect("a journal");
    fs::write(&journal, [whole.as_slice(), &[9, 0, 0, 0, 1, 2, 3, 4, 5]].concat()).expect("a torn journal");
    let second = agent(folder.path(), statsd_port());
    let samples = second.metrics();
    assert_eq!((orders(&samples), shown), (30.0, 30.0));
    assert_eq!(samples.one("business_active_users", &[("period", "day")]), Some(30.0));
    assert_eq!(samples.one("sidetone_events_journal_lost_bytes", &[]), Some(9.0), "{}", second.log());
    assert!(second.log().contains("9 bytes of the journal were not whole"), "{}", second.log());
    // Carts that were open are followed on, and end by silence; deliveries are remembered.
    let ended = second.wait_for_metrics("all carts to be over", |now| {
        now.sum("business_session_duration_seconds_count", &[]) == 35.0
    });
    assert_eq!(ended.sum("business_sessions_total", &[]), 35.0);
    let (_, answer) = send(&second, event(3, "order").to_string().as_bytes());
    assert_eq!(outcomes(&answer), ["duplicate"]);
    assert_eq!(send(&second, event(99, "order").to_string().as_bytes()).0, 200);
    drop(second);
    let third = agent(folder.path(), statsd_port());
    assert_eq!(orders(&third.metrics()), 31.0, "what came after the tear is there too");
}
