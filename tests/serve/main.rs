//! The HTTP server over real sockets: what it answers.

#![allow(clippy::disallowed_methods)] // What is tested here are deadlines.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use sidetone::serve::{Limits, MetricsError, Server};

use crate::support::{OPENMETRICS, TEXT, ok, own_metrics, read_reply, start};

mod crowds;
mod hostile;
mod support;

#[test]
fn routes_answer_and_set_their_headers() {
    let server = start(Limits::default(), |_| ok(OPENMETRICS));
    let page = server.get("/", "");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("href=\"metrics\"") && page.text().contains(env!("CARGO_PKG_VERSION")));
    assert!(!page.text().contains("http://") && !page.text().contains("https://"), "loads nothing");
    assert!(page.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'")));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));

    assert_eq!((server.get("/-/healthy", "").status, server.get("/-/healthy?x=1", "").text()), (200, "healthy\n"));
    let not_ready = server.get("/-/ready", "");
    assert_eq!((not_ready.status, not_ready.text()), (503, "not ready: eth9 is not there\n"));
    server.ready.store(true, Ordering::Relaxed);
    assert_eq!(server.get("/-/ready", "").status, 200);

    for path in ["/metrics/", "/x", "/-/", "/%2e%2e/etc/passwd", "//"] {
        assert_eq!(server.get(path, "").status, 404, "{path}");
    }
    let not_allowed = server.send(b"DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n").expect("a response");
    assert_eq!((not_allowed.status, not_allowed.header("allow")), (405, Some("GET, HEAD")));
    let head = server.send(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n").expect("a response");
    assert_eq!((head.status, head.header("content-length")), (200, Some(TEXT.len().to_string().as_str())));
    assert_eq!(server.send(b"GET /-/healthy HTTP/1.0\r\n\r\n").expect("a response").status, 200);
}

#[test]
fn metrics_are_negotiated() {
    let server = start(Limits::default(), |_| ok(OPENMETRICS));
    let plain = server.get("/metrics", "");
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!((plain.status, plain.text(), plain.header("content-encoding")), (200, TEXT, None));
    assert_eq!(plain.header("vary"), Some("Accept, Accept-Encoding"));
    let accept =
        "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2\r\n";
    let openmetrics = server.get("/metrics", accept);
    assert_eq!(openmetrics.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert_eq!(openmetrics.text(), OPENMETRICS);
    let zipped = server.get("/metrics", &format!("{accept}Accept-Encoding: gzip\r\n"));
    let mut unzipped = String::new();
    GzDecoder::new(zipped.body.as_slice()).read_to_string(&mut unzipped).expect("gzip");
    assert_eq!((zipped.header("content-encoding"), unzipped.as_str()), (Some("gzip"), OPENMETRICS));
    assert_eq!(server.get("/metrics", "Accept-Encoding: gzip;q=0, identity\r\n").text(), TEXT);
}

#[test]
fn one_connection_serves_many_requests_pipelined_ones_too() {
    let server = start(Limits { header_timeout: Duration::from_millis(300), ..Limits::default() }, |_| ok(OPENMETRICS));
    let mut stream = server.connect();
    let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    for _ in 0..3 {
        stream.get_mut().write_all(&request.repeat(2)).expect("the server reads");
        for _ in 0..2 {
            assert_eq!(read_reply(&mut stream, true).expect("a response").text(), TEXT);
        }
        // Idle for longer than a head may take: that is no offence.
        std::thread::sleep(Duration::from_millis(400));
    }
}

#[test]
fn a_failing_or_late_collection_is_an_error_not_a_hang() {
    let server = start(Limits::default(), |_| Box::pin(async { Err(MetricsError::Encode(std::fmt::Error)) }));
    assert_eq!(server.get("/metrics", "").status, 500);

    let server = start(Limits::default(), |deadline| {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(left <= Duration::from_millis(200), "the scraper's timeout is the deadline");
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(String::new())
        })
    });
    let started = Instant::now();
    let late = server.get("/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 0.2\r\n");
    assert_eq!((late.status, late.text()), (503, "the metrics were not collected in time\n"));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(server.get("/-/healthy", "").status, 200);
}

#[test]
fn a_taken_port_says_which_and_what_to_do() {
    let server = start(Limits::default(), |_| ok(OPENMETRICS));
    let message = |address: SocketAddr| {
        let bound = server.runtime.block_on(Server::bind(&[address], Limits::default()));
        bound.expect_err("that cannot be bound").to_string()
    };
    assert_eq!(
        message(server.address),
        format!(
            "cannot listen on {}: address already in use; is another agent or exporter running? set web.listen_address",
            server.address
        )
    );
    let elsewhere = message("192.0.2.1:10060".parse().expect("an address")); // RFC 5737: nobody's
    assert_eq!(elsewhere, "cannot listen on 192.0.2.1:10060: this host has no such address; set web.listen_address");
}

#[test]
fn the_agents_own_numbers_are_right_and_promtool_agrees() {
    let server = start(Limits::default(), |_| ok(&own_metrics()));
    for path in ["/-/healthy", "/nowhere/1", "/nowhere/2"] {
        server.get(path, "");
    }
    let reply = server.get("/metrics", "");
    let text = reply.text();
    for series in [
        "sidetone_http_requests_total{code=\"200\",path=\"/-/healthy\"} ",
        "sidetone_http_requests_total{code=\"404\",path=\"other\"} ",
        "sidetone_http_request_duration_seconds_count{path=\"other\"} ",
        "process_resident_memory_bytes ",
    ] {
        assert!(text.contains(series), "{series} in\n{text}");
    }
    assert!(!text.contains("nowhere"), "a path that strangers choose is no label");
    let run = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut promtool) = run else {
        println!("SKIPPED: promtool is not installed");
        return;
    };
    promtool.stdin.take().expect("piped").write_all(text.as_bytes()).expect("promtool reads");
    let output = promtool.wait_with_output().expect("promtool ends");
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
}
