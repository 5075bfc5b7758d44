//! HEP over TCP and TLS: packets of version 3 one after another. A peer holds a connection for a bounded time without a packet, a
//! packet for a bounded time without its end, and all peers together hold a bounded number of connections.

#![allow(clippy::disallowed_methods)] // The capture side of the program is where clocks belong.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::time::Timestamp;
use crate::wire::hep::{self, Refused};

use super::gate::Gate;
use super::numbers::End;
use super::queue::{Batch, Sink};

/// Longest time from the first byte of a packet to its last: 64 KiB take a second on the slowest line that mirrors.
const PACKET_TIME: Duration = Duration::from_secs(10);
/// Longest time of a TLS handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Longest time for TLS to say that nothing more comes (RFC 8446 section 6.1).
const GOODBYE_TIME: Duration = Duration::from_secs(1);
/// Wait after a failed `accept`: mostly too many open files, which the next try would only meet again.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// Read at once, and kept of a buffer that has grown.
const READ_BYTES: usize = 8 << 10;

#[derive(Clone, Copy)]
pub struct Limits {
    pub idle: Duration,
    /// Bytes of the longest packet.
    pub packet: usize,
}

/// What every connection to an address needs.
pub struct Context {
    /// None: plain TCP.
    pub acceptor: Option<TlsAcceptor>,
    pub gate: Arc<Gate>,
    pub sink: Sink,
    pub limits: Limits,
    pub places: Arc<Semaphore>,
}

/// The wall clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Accepts connections until it is dropped, which ends them all.
pub async fn accept(listener: TcpListener, context: Arc<Context>) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = open.join_next(), if !open.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => admit(stream, peer, &context, &mut open),
                Err(error) => {
                    warn!(%error, "cannot accept a connection of a mirror");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            },
        }
    }
}

fn admit(stream: TcpStream, peer: SocketAddr, context: &Arc<Context>, open: &mut JoinSet<()>) {
    if !context.gate.admits(peer.ip()) {
        context.sink.counters.refuse(End::NotAllowed);
    } else if let Ok(permit) = Arc::clone(&context.places).try_acquire_owned() {
        open.spawn(serve(stream, peer, Arc::clone(context), permit));
    } else {
        context.sink.counters.refuse(End::Limit);
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, context: Arc<Context>, permit: OwnedSemaphorePermit) {
    debug!(%peer, "a mirror connects");
    context.sink.counters.open();
    let end = match &context.acceptor {
        None => packets(stream, &context).await,
        Some(acceptor) => match timeout(HANDSHAKE_TIME, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => packets(stream, &context).await,
            Ok(Err(error)) => {
                debug!(%peer, %error, "a mirror's TLS failed");
                End::Handshake
            }
            Err(_) => End::Handshake,
        },
    };
    context.sink.counters.close(end);
    drop(permit);
    debug!(%peer, reason = end.reason(), "a mirror's connection has ended");
}

/// Reads packets until the connection ends, and says good-bye.
async fn packets(mut stream: impl AsyncRead + AsyncWrite + Unpin, context: &Context) -> End {
    let end = read(&mut stream, context).await;
    // Whoever does not hear it has gone already.
    let _ = timeout(GOODBYE_TIME, stream.shutdown()).await;
    end
}

async fn read(stream: &mut (impl AsyncRead + Unpin), context: &Context) -> End {
    let mut buffer: Vec<u8> = Vec::with_capacity(READ_BYTES);
    let mut batch = Batch::default();
    // When the packet that is not whole yet has to be.
    let mut due = None;
    loop {
        let idle = Instant::now() + context.limits.idle;
        buffer.reserve(READ_BYTES);
        match timeout_at(due.unwrap_or(idle), stream.read_buf(&mut buffer)).await {
            Err(_) if due.is_some() => return End::Stalled,
            Err(_) => return End::Idle,
            Ok(Ok(0) | Err(_)) => return End::Peer,
            Ok(Ok(_)) => {}
        }
        let taken = whole_packets(&buffer, context, &mut batch);
        context.sink.send(&mut batch);
        let Ok(taken) = taken else { return End::Malformed };
        buffer.drain(..taken);
        if buffer.is_empty() {
            buffer.shrink_to(READ_BYTES);
            due = None;
        } else if taken > 0 || due.is_none() {
            due = Some(Instant::now() + PACKET_TIME);
        }
    }
}

/// Takes the packets that are there to their end; how many bytes they are.
fn whole_packets(buffer: &[u8], context: &Context, batch: &mut Batch) -> Result<usize, Refused> {
    let arrival = now();
    let mut at = 0;
    loop {
        let rest = &buffer[at..];
        let length = match hep::stream_length(rest) {
            Ok(Some(length)) if length > context.limits.packet => Err(Refused::TooLong),
            other => other,
        };
        match length.inspect_err(|reason| context.sink.counters.reject(*reason))? {
            Some(length) if length <= rest.len() => {
                context.sink.take(batch, arrival, context.gate.open(&rest[..length]));
                at += length;
                if batch.is_full() {
                    context.sink.send(batch);
                }
            }
            _ => return Ok(at),
        }
    }
}
