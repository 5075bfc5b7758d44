//! A server of its own for each test, and a client that is not too clever.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use sidetone::metrics::facade::Facade;
use sidetone::metrics::process::ProcessCollector;
use sidetone::serve::{self, Endpoints, Limits, ProbeError, Readiness, Scrape, Server};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub const OPENMETRICS: &str = "# HELP calls Calls.\n# TYPE calls counter\ncalls_total 3\n# EOF\n";
pub const TEXT: &str = "# HELP calls_total Calls.\n# TYPE calls_total counter\ncalls_total 3\n";
/// Loaded machines are slow; what hangs would hang for ever.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A server of its own for each test.
pub struct Running {
    pub runtime: Runtime,
    pub address: SocketAddr,
    pub stop: watch::Sender<bool>,
    pub done: JoinHandle<()>,
    pub ready: Arc<AtomicBool>,
}

pub fn ok(exposition: &str) -> Scrape {
    let exposition = exposition.to_owned();
    Box::pin(async { Ok(exposition) })
}

pub fn start(limits: Limits, metrics: impl Fn(Instant) -> Scrape + Send + Sync + 'static) -> Running {
    facade();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    let ready = Arc::new(AtomicBool::new(false));
    let is_ready = Arc::clone(&ready);
    let endpoints = Endpoints {
        probe: Box::new(|_, _, _| Box::pin(async { Err(ProbeError::Off) })),
        metrics: Box::new(metrics),
        events: None,
        ready: Box::new(move || match is_ready.load(Ordering::Relaxed) {
            true => Readiness::Ready,
            false => Readiness::NotReady("eth9 is not there".to_owned()),
        }),
    };
    let any_port: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let server = runtime.block_on(Server::bind(&[any_port], limits)).expect("a free port");
    let address = server.addresses()[0];
    let (stop, stopped) = watch::channel(false);
    let done = runtime.spawn(server.run(endpoints, stopped));
    Running { runtime, address, stop, done, ready }
}

/// The process-wide recorder.
pub fn facade() -> &'static Arc<Facade> {
    static FACADE: OnceLock<Arc<Facade>> = OnceLock::new();
    FACADE.get_or_init(|| {
        let facade = Arc::new(Facade::new(serve::FAMILIES, &[]));
        metrics::set_global_recorder(Arc::clone(&facade)).expect("the only recorder");
        facade
    })
}

/// Everything that the agent says of itself, in OpenMetrics.
pub fn own_metrics() -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Arc::clone(facade())));
    registry.register_collector(Box::new(ProcessCollector::new().expect("sysinfo works here")));
    let mut out = String::new();
    encode(&mut out, &registry).expect("writing into a String");
    out
}

pub fn rejected(reason: &str) -> u64 {
    let start = format!("sidetone_http_connections_rejected_total{{reason=\"{reason}\"}} ");
    own_metrics().lines().find_map(|line| line.strip_prefix(&start)?.parse().ok()).unwrap_or(0)
}

pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Reads one response; `None` if the connection ends instead.
pub fn read_reply(stream: &mut BufReader<TcpStream>, has_body: bool) -> Option<Reply> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        match stream.read_line(&mut head) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => return None,
            Err(error) => panic!("no response: {error} after {head:?}"),
        }
    }
    let status = head.split(' ').nth(1)?.parse().expect("a status code");
    let mut reply = Reply { status, head, body: Vec::new() };
    let length = reply.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    reply.body.resize(if has_body { length } else { 0 }, 0);
    stream.read_exact(&mut reply.body).expect("the whole body");
    Some(reply)
}

impl Running {
    pub fn connect(&self) -> BufReader<TcpStream> {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        BufReader::new(stream)
    }

    /// Sends bytes on a new connection and reads one response.
    pub fn send(&self, bytes: &[u8]) -> Option<Reply> {
        let mut stream = self.connect();
        stream.get_mut().write_all(bytes).expect("the server reads");
        read_reply(&mut stream, !bytes.starts_with(b"HEAD"))
    }

    pub fn get(&self, path: &str, headers: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes()).expect("a response")
    }

    /// Stops the server and says how long that took.
    pub fn shut_down(self) -> Duration {
        let started = Instant::now();
        self.stop.send(true).expect("the server runs");
        self.runtime.block_on(self.done).expect("the server ends without a panic");
        let took = started.elapsed();
        assert!(TcpStream::connect(self.address).is_err(), "the port is closed");
        took
    }
}
