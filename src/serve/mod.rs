//! The HTTP server: `/metrics`, health, and a landing page. HTTP/1.1 on every listen address.
//!
//! A client can hold one connection for a bounded time, and all clients together a bounded number of them and bounded memory; whoever
//! keeps the agent waiting gives way to others.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use crate::metrics::{Family, Kind};

pub use self::routes::{Endpoints, MetricsError, ProbeError, Probing, Readiness, Scrape};

mod events;
mod guard;
mod landing;
mod negotiate;
mod places;
mod routes;

use self::guard::{Guard, Stall, Watchdog};
use self::places::{Cut, Place, Places};

/// Requests with more headers, or longer ones, are answered with 431: no scraper or browser comes near.
const MAX_HEADERS: usize = 64;
/// All of a request's head, bytes. Also the read buffer.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// A connection without a request is closed after this; longer than any usual scrape interval.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// After this, requests that still run at shutdown are cut off. The agent promises to end within a second.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(400);
/// Wait after a failed `accept`: mostly too many open files, which the next try would only meet again.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// Surplus connections that are told so at the same time; more are closed without a word.
const MAX_REFUSALS: usize = 64;
/// How long a surplus connection may take to send its request and read its refusal.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 21\r\nConnection: close\r\n\r\ntoo many connections\n";

/// What the server exposes of itself.
pub const FAMILIES: &[Family] = &[
    Family {
        name: "sidetone_http_requests_total",
        kind: Kind::Counter,
        unit: "",
        labels: &["path", "code"],
        help: "HTTP requests answered, by known path (or other) and status code.",
    },
    Family {
        name: "sidetone_http_request_duration_seconds",
        kind: Kind::Histogram,
        unit: "seconds",
        labels: &["path"],
        help: "Time from a request's head to its response, rendering and compression included.",
    },
    Family {
        name: "sidetone_http_connections_rejected_total",
        kind: Kind::Counter,
        unit: "",
        labels: &["reason"],
        help: "HTTP connections refused or cut off: limit, evicted (silent, a newer one took its place), unread (its response's memory was needed), header_timeout, write_timeout, malformed, accept_error.",
    },
];

/// How much clients may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at the same time. A further one takes the place of the one that keeps the agent waiting longest, or is answered with 503
    /// and closed where all are being served.
    pub max_connections: usize,
    /// Longest time that a request's head, or its body, may take to arrive.
    pub header_timeout: Duration,
    /// Longest time that a client may take to read a response.
    pub write_timeout: Duration,
    /// Longest time that collecting the metrics may take; a scraper that names its own timeout may shorten it.
    pub request_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_connections: 128,
            header_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(10), // Prometheus' default scrape_timeout
        }
    }
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else has the port.
    #[error(
        "cannot listen on {0}: address already in use; is another agent or exporter running? set web.listen_address"
    )]
    InUse(SocketAddr),
    /// A port below 1024 without the capability.
    #[error(
        "cannot listen on {0}: permission denied; ports below 1024 need CAP_NET_BIND_SERVICE: set web.listen_address"
    )]
    Denied(SocketAddr),
    /// No interface has the address.
    #[error("cannot listen on {0}: this host has no such address; set web.listen_address")]
    NotLocal(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {0}: {1}")]
    Other(SocketAddr, io::Error),
}

impl BindError {
    fn new(address: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::InUse(address),
            io::ErrorKind::PermissionDenied => Self::Denied(address),
            io::ErrorKind::AddrNotAvailable => Self::NotLocal(address),
            _ => Self::Other(address, error),
        }
    }
}

/// Sockets that are bound and listen, but are not served yet.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    limits: Limits,
}

impl Server {
    /// Binds every address, so that a port in use is an error before anything else starts.
    pub async fn bind(addresses: &[SocketAddr], limits: Limits) -> Result<Server, BindError> {
        let mut server = Server { listeners: Vec::new(), addresses: Vec::new(), limits };
        for &address in addresses {
            let listener = TcpListener::bind(address).await.map_err(|error| BindError::new(address, error))?;
            server.addresses.push(listener.local_addr().map_err(|error| BindError::new(address, error))?);
            server.listeners.push(listener);
        }
        Ok(server)
    }

    /// The addresses that are bound; a port 0 has become the one that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until `stop` turns true or its sender is gone; then ends within half a second.
    pub async fn run(self, endpoints: Endpoints, mut stop: watch::Receiver<bool>) {
        let context = Arc::new(Context {
            app: routes::App::new(endpoints, self.limits),
            limits: self.limits,
            places: Places::new(self.limits.max_connections),
            refusals: Arc::new(Semaphore::new(MAX_REFUSALS)),
            stop: stop.clone(),
        });
        let mut accepting = JoinSet::new();
        for listener in self.listeners {
            accepting.spawn(accept(listener, Arc::clone(&context)));
        }
        wait_for(&mut stop).await;
        // Dropping the listeners closes the ports; dropping `accepting` would cut the connections off at once.
        while accepting.join_next().await.is_some() {}
        debug!("http server stopped");
    }
}

/// What every connection needs.
struct Context {
    app: Arc<routes::App>,
    limits: Limits,
    places: Arc<Places>,
    refusals: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

/// Resolves when it is time to stop.
async fn wait_for(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone: nobody could ever stop the server, so it stops.
    if stop.wait_for(|&stop| stop).await.is_err() {
        debug!("http server stops: its owner is gone");
    }
}

/// Accepts connections until it is time to stop, then gives those that still work a short grace.
async fn accept(listener: TcpListener, context: Arc<Context>) {
    let mut stop = context.stop.clone();
    let mut stopped = pin!(wait_for(&mut stop));
    let mut open = JoinSet::new();
    let mut is_failing = false;
    loop {
        tokio::select! {
            () = &mut stopped => break,
            Some(_) = open.join_next(), if !open.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    is_failing = false;
                    context.places.settled().await;
                    admit(stream, peer, &context, &mut open);
                }
                Err(error) => {
                    reject("accept_error");
                    // Said once, not ten times a second: the counter goes on.
                    if !is_failing {
                        warn!(%error, "cannot accept a connection");
                    }
                    is_failing = true;
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            },
        }
    }
    drop(listener);
    let drained = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_GRACE, drained).await.is_err() {
        info!(connections = open.len(), "http connections cut off at shutdown");
    }
}

/// Serves a connection if there is room for it, or tells it that there is none.
fn admit(stream: TcpStream, peer: SocketAddr, context: &Arc<Context>, open: &mut JoinSet<()>) {
    if let Some((place, cut)) = context.places.take() {
        open.spawn(serve(stream, peer, Arc::clone(context), place, cut));
        return;
    }
    reject("limit");
    debug!(%peer, "http connection refused: too many");
    if let Ok(permit) = Arc::clone(&context.refusals).try_acquire_owned() {
        open.spawn(async move {
            // What goes wrong here is the peer's loss: it was refused anyway.
            let _ = tokio::time::timeout(REFUSAL_TIME, refuse(stream)).await;
            drop(permit);
        });
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, context: Arc<Context>, place: Place, cut: oneshot::Receiver<Cut>) {
    // Responses are written in one go: waiting to fill a segment only adds delay.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%peer, %error, "cannot set TCP_NODELAY");
    }
    let watchdog = Arc::new(Watchdog::new(place));
    let io = Guard::new(stream, Arc::clone(&watchdog), &context.limits);
    let service = service_fn(|request| {
        watchdog.head_arrived();
        routes::answer(Arc::clone(&context.app), Arc::clone(&watchdog), request)
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE_TIMEOUT)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(io, service)
    );
    let mut stop = context.stop.clone();
    let result = tokio::select! {
        result = connection.as_mut() => result,
        Ok(cut) = cut => {
            return reject(match cut {
                Cut::Evicted => "evicted",
                Cut::Unread => "unread",
            });
        }
        () = wait_for(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // hyper takes a timeout before the first byte for an ordinary end, so the watchdog is asked first.
    match (watchdog.stalled(), result) {
        (Some(Stall::Head), _) => reject("header_timeout"),
        (Some(Stall::Write), _) => reject("write_timeout"),
        (None, Err(error)) if error.is_parse() => reject("malformed"),
        (None, Err(error)) => debug!(%peer, %error, "http connection ended"), // the peer went away, or was idle
        (None, Ok(())) => {}
    }
}

/// Reads a request's head and answers 503. Closing with unread bytes would reset the connection and lose the answer.
async fn refuse(stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    let mut head: Vec<u8> = Vec::new();
    loop {
        stream.readable().await?;
        match stream.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                head.extend(buffer.iter().take(read));
                if head.windows(4).any(|bytes| bytes == b"\r\n\r\n") || head.len() > MAX_HEAD_BYTES {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    stream.writable().await?;
    stream.try_write(REFUSAL)?;
    Ok(())
}

fn reject(reason: &'static str) {
    metrics::counter!("sidetone_http_connections_rejected_total", "reason" => reason).increment(1);
}
