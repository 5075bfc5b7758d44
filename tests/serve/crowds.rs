//! Many clients that misbehave at once, and the one that only wants its scrape.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sidetone::serve::Limits;

use crate::support::{OPENMETRICS, PATIENCE, Running, TEXT, eventually, ok, read_reply, rejected, start};

const SCRAPE: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text\r\n\r\n";

/// Both ends of a thousand connections are in this process, whose descriptors are often limited to 1,024.
fn allow_many_files() {
    let pid = std::process::id().to_string();
    let status = Command::new("prlimit").args(["--nofile=8192:", "--pid", &pid]).status();
    assert!(status.expect("prlimit (util-linux) runs").success(), "8,192 files are not allowed");
}

fn is_scraped(server: &Running) {
    for _ in 0..20 {
        let reply = server.get("/metrics", "");
        assert_eq!((reply.status, reply.text()), (200, TEXT));
    }
}

/// Whether the server has closed this connection without a word.
fn is_closed(mut stream: &TcpStream) -> bool {
    let read = stream.read(&mut [0; 64]).map_err(|error| error.kind());
    matches!(read, Ok(0) | Err(ErrorKind::ConnectionReset))
}

#[test]
fn a_thousand_silent_connections_shut_nobody_out() {
    allow_many_files();
    let limits = Limits { header_timeout: PATIENCE * 3, ..Limits::default() };
    let server = start(limits, |_| ok(OPENMETRICS));
    let before = rejected("evicted");
    let silent: Vec<_> = (0..1000).map(|_| server.connect()).collect();
    is_scraped(&server);
    // One place less: what closed the last scrape's connection may still hold it.
    let gone = 1000 - limits.max_connections as u64;
    eventually("the oldest have given way", || rejected("evicted") >= before + gone);
    for stream in &silent[..gone as usize] {
        assert!(is_closed(stream.get_ref()));
    }
    // The newest one may still speak.
    let mut last = silent.into_iter().next_back().expect("a thousand");
    last.get_mut().write_all(SCRAPE).expect("the server reads");
    assert_eq!(read_reply(&mut last, true).expect("a response").text(), OPENMETRICS);
}

#[test]
fn connections_that_are_being_served_stay_and_the_surplus_is_told() {
    let (waiting, busy) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(true)));
    let (here, still) = (Arc::clone(&waiting), Arc::clone(&busy));
    let server = start(Limits { max_connections: 3, ..Limits::default() }, move |_| {
        here.fetch_add(1, Ordering::Relaxed);
        let still = Arc::clone(&still);
        Box::pin(async move {
            while still.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(OPENMETRICS.to_owned())
        })
    });
    let before = rejected("limit");
    let mut served: Vec<_> = (0..3).map(|_| server.connect()).collect();
    served.iter_mut().for_each(|stream| stream.get_mut().write_all(SCRAPE).expect("the server reads"));
    eventually("all three are being served", || waiting.load(Ordering::Relaxed) == 3);
    let told = server.get("/-/healthy", "");
    assert_eq!((told.status, told.text()), (503, "too many connections\n"));
    assert!(rejected("limit") > before);
    busy.store(false, Ordering::Relaxed);
    for stream in &mut served {
        assert_eq!(read_reply(stream, true).expect("a response").text(), OPENMETRICS);
    }
    is_scraped(&server);
}

#[test]
fn slow_heads_and_slow_bodies_hold_nobody_up() {
    let limits = Limits { max_connections: 8, header_timeout: Duration::from_secs(1), ..Limits::default() };
    let server = start(limits, |_| ok(OPENMETRICS));
    let open = |n: usize| {
        let mut stream = server.connect();
        // Every other one has a whole head, and a body that never ends.
        let body = b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
        if n.is_multiple_of(2) {
            stream.get_mut().write_all(body).expect("the server reads");
        }
        stream
    };
    let mut slow: Vec<_> = (0..20).map(open).collect();
    for byte in b"GET /metrics HTTP/1.1\r\nX-Header: aaaaaaaaaaaaaaaaaaaaaaaaa" {
        slow.iter_mut().for_each(|stream| drop(stream.get_mut().write_all(&[*byte]))); // many are cut off by now
        assert_eq!(server.get("/metrics", "").status, 200);
        std::thread::sleep(Duration::from_millis(30));
    }
    eventually("all are cut off", || {
        slow.iter().all(|stream| {
            let mut socket = stream.get_ref();
            socket.write_all(b"a").is_err()
        })
    });
}

/// More than the socket buffers of both ends take.
const LARGE: usize = 24 << 20;

fn large() -> String {
    let line = "# HELP a a\n";
    line.repeat(LARGE / line.len()) + "# EOF\n"
}

#[test]
fn answers_that_nobody_reads_share_their_memory() {
    let exposition: Arc<str> = large().into();
    let answer = Arc::clone(&exposition);
    let limits = Limits { write_timeout: PATIENCE * 3, ..Limits::default() };
    let server = start(limits, move |_| ok(&answer));
    let before = rejected("unread");
    let mut stuck: Vec<BufReader<TcpStream>> = Vec::new();
    for _ in 0..5 {
        let mut stream = server.connect();
        stream.get_mut().write_all(SCRAPE).expect("the server reads");
        stuck.push(stream);
    }
    eventually("only the last one is still waited for", || rejected("unread") >= before + 4);
    let reply = server.send(SCRAPE).expect("a response");
    assert_eq!((reply.status, reply.text() == &*exposition), (200, true));
    for stream in &mut stuck[..4] {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest); // cut off in the middle, perhaps with a reset
        assert!(rest.len() < LARGE, "{} bytes", rest.len());
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = start(Limits::default(), |_| ok(OPENMETRICS));
    let mut stream = server.connect();
    let mut requests = Vec::new();
    for n in 0..300 {
        requests.extend_from_slice(match n % 3 {
            0 => SCRAPE,
            1 => b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
            _ => b"BREW /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
        });
    }
    let mut writer = stream.get_ref().try_clone().expect("a second handle");
    let writing = std::thread::spawn(move || writer.write_all(&requests));
    for n in 0..300 {
        let reply = read_reply(&mut stream, n % 3 != 1).expect("a response");
        let length = reply.header("content-length").expect("a length").to_owned();
        match n % 3 {
            0 => assert_eq!(reply.text(), OPENMETRICS),
            1 => assert_eq!((reply.status, length), (200, TEXT.len().to_string())),
            _ => assert_eq!(reply.status, 404),
        }
    }
    writing.join().expect("no panic").expect("the server reads all");
}

#[test]
fn a_scrape_is_answered_while_all_of_it_goes_on() {
    allow_many_files();
    let exposition: Arc<str> = large()[LARGE / 2..].into();
    let large = AtomicBool::new(false);
    let limits = Limits { max_connections: 32, header_timeout: Duration::from_secs(2), ..Limits::default() };
    let server = start(limits, move |_| {
        // Every other answer is a large one.
        if large.fetch_xor(true, Ordering::Relaxed) { ok(&exposition) } else { ok(OPENMETRICS) }
    });
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut held = std::collections::VecDeque::new();
            let garbage = [
                &b""[..],
                b"GET /metrics HT",
                b"GET /metrics HTTP/1.1\r\nX: ",
                b"POST /metrics HTTP/1.1\r\nContent-Length: 99\r\n\r\n1",
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                b"\r\n\r\n\r\n\0\0\0\0\r\n\r\n",
            ];
            for (n, bytes) in garbage.iter().cycle().enumerate() {
                if done.load(Ordering::Relaxed) {
                    return;
                }
                let mut stream = server.connect();
                let bytes = if n % 40 == 0 { SCRAPE } else { bytes };
                let _ = stream.get_mut().write_all(bytes); // it may be cut off by now
                held.push_back(stream);
                if held.len() > 500 {
                    held.pop_front();
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let scrapes = || {
            for _ in 0..60 {
                let reply = server.send(SCRAPE).expect("a response");
                assert!(reply.status == 200 && reply.text().ends_with("# EOF\n"), "{}", reply.head);
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        // Whatever happens, the crowd has to end.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(scrapes));
        done.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    assert_eq!(server.get("/-/healthy", "").status, 200);
}
