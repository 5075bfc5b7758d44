//! What the server does to clients that misbehave, by accident or on purpose, and at the end.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use sidetone::serve::Limits;

use crate::support::{OPENMETRICS, PATIENCE, TEXT, eventually, ok, read_reply, rejected, start};

#[test]
fn malformed_and_oversized_requests_are_refused() {
    let server = start(Limits::default(), |_| ok(OPENMETRICS));
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(60_000));
    let longer = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(200));
    let target = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20));
    let before = rejected("malformed");
    for (bytes, status) in [
        (long.as_bytes(), 431),
        (longer.as_bytes(), 431),
        (many.as_bytes(), 431),
        (target.as_bytes(), 431),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET \0 HTTP/1.1\r\n\r\n", 400),
    ] {
        let mut stream = server.connect();
        // The server may answer and close before it has read all.
        let _ = stream.get_mut().write_all(bytes);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        if let Some(reply) = read_reply(&mut stream, true) {
            assert_eq!(reply.status, status, "{shown:?}");
        } else {
            assert!(bytes.len() > 16 * 1024, "a small request gets an answer: {shown:?}");
        }
    }
    eventually("malformed requests are counted", || rejected("malformed") >= before + 10);
    assert_eq!(server.get("/-/healthy", "").status, 200);
}

#[test]
fn bodies_of_a_get_are_bounded() {
    let server = start(Limits { header_timeout: Duration::from_millis(500), ..Limits::default() }, |_| ok(OPENMETRICS));
    let request = |headers: &str, body: &str| {
        server.send(format!("GET /metrics HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}").as_bytes())
    };
    assert_eq!(request("Content-Length: 5\r\n", "hello").expect("a response").text(), TEXT);
    let large = request("Content-Length: 100000\r\n", &"a".repeat(2_000)).expect("a response");
    assert_eq!((large.status, large.header("connection")), (413, Some("close")));
    let chunk = format!("800\r\n{}\r\n0\r\n\r\n", "a".repeat(0x800));
    assert_eq!(request("Transfer-Encoding: chunked\r\n", &chunk).expect("a response").status, 413);
    let started = Instant::now();
    let slow = request("Content-Length: 5\r\n", "he");
    assert!(slow.is_none_or(|reply| reply.status == 408), "a body that does not come");
    assert!(started.elapsed() < Duration::from_secs(5));
    let post = server.send(b"POST /nowhere HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n").expect("a response");
    assert_eq!((post.status, post.header("connection")), (404, Some("close")));
}

#[test]
fn a_slow_head_is_cut_off_and_holds_nobody_up() {
    let limits = Limits { header_timeout: Duration::from_millis(400), ..Limits::default() };
    let server = start(limits, |_| ok(OPENMETRICS));
    let before = rejected("header_timeout");
    let mut silent = server.connect();
    let mut slow = server.connect();
    let started = Instant::now();
    for byte in b"GET / HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".iter().cycle() {
        if slow.get_mut().write_all(&[*byte]).is_err() {
            break;
        }
        assert_eq!(server.get("/-/healthy", "").status, 200);
        assert!(started.elapsed() < PATIENCE, "a slow head goes on for ever");
        std::thread::sleep(Duration::from_millis(40));
    }
    assert!(started.elapsed() >= limits.header_timeout, "{:?}", started.elapsed());
    assert!(read_reply(&mut silent, true).is_none(), "a client that says nothing is cut off too");
    eventually("both are counted", || rejected("header_timeout") >= before + 2);
}

#[test]
fn a_stuck_or_trickling_reader_is_cut_off() {
    let limits = Limits { write_timeout: Duration::from_millis(500), max_connections: 2, ..Limits::default() };
    let server = start(limits, |_| ok(&"# HELP a a\n".repeat(1_300_000)));
    let before = rejected("write_timeout");
    let accept = b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text\r\n\r\n";
    let mut stuck = server.connect();
    stuck.get_mut().write_all(accept).expect("the server reads");
    let mut trickling = server.connect();
    trickling.get_mut().write_all(accept).expect("the server reads");
    let started = Instant::now();
    while rejected("write_timeout") < before + 2 {
        let mut bytes = [0; 10_000];
        let _ = trickling.get_mut().read(&mut bytes); // it may have been cut off
        assert!(started.elapsed() < PATIENCE, "they hold their connections for ever");
        std::thread::sleep(Duration::from_millis(50));
    }
    eventually("their places are free again", || {
        server.send(b"GET /-/healthy HTTP/1.0\r\n\r\n").is_some_and(|r| r.status == 200)
    });
}

#[test]
fn shutdown_is_quick_whatever_clients_do() {
    let server = start(Limits::default(), |_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(String::new())
        })
    });
    let mut idle = server.connect();
    idle.get_mut().write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").expect("the server reads");
    assert_eq!(read_reply(&mut idle, true).expect("a response").status, 200);
    let mut slow = server.connect();
    slow.get_mut().write_all(b"GET / HT").expect("the server reads");
    let mut waiting = server.connect();
    waiting.get_mut().write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").expect("the server reads");
    let _silent = server.connect();
    std::thread::sleep(Duration::from_millis(100));
    let took = server.shut_down();
    assert!(took < Duration::from_millis(700), "{took:?}"); // 500 ms promised, the rest is for a loaded machine
    assert!(read_reply(&mut idle, true).is_none() && read_reply(&mut waiting, true).is_none());

    let quiet = start(Limits::default(), |_| ok(OPENMETRICS));
    let mut idle = quiet.connect();
    idle.get_mut().write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").expect("the server reads");
    assert_eq!(read_reply(&mut idle, true).expect("a response").status, 200);
    let took = quiet.shut_down();
    assert!(took < Duration::from_millis(350), "an idle connection is no reason to wait: {took:?}");
}
