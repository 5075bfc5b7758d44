//! The listener for what SIP servers mirror: HEP over UDP, TCP and TLS. Tasks of the runtime read the sockets and unpack; the
//! capture worker, which owns the core, gets batches over a bounded queue.

mod gate;
mod kernel;
mod numbers;
mod queue;
mod stream;
mod tls;
mod udp;

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::info;

use crate::config::Hep as Config;

use gate::Gate;
use queue::Sink;
use stream::Limits;

pub use numbers::{Counters, FAMILIES};
pub use queue::{Batch, Inbox, queue};

/// The interface that mirrored packets are counted under.
pub const INTERFACE: &str = "hep";

/// Why the listener cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("cannot listen for HEP on {protocol} {address}: {source}\n  hint: [hep] has the addresses; 9060 is usual")]
    Bind { protocol: &'static str, address: SocketAddr, source: io::Error },
    #[error("cannot read {}: {source}\n  hint: `hep.{key}` names it", path.display())]
    File { key: &'static str, path: PathBuf, source: io::Error },
    #[error("{} holds no {what} in PEM\n  hint: `hep.{key}` names it", path.display())]
    Pem { key: &'static str, path: PathBuf, what: &'static str },
    #[error("{} is empty\n  hint: `hep.auth_key_file` names it; write the key into it", .0.display())]
    NoKey(PathBuf),
    #[error("certificate and key for HEP over TLS do not do: {0}\n  hint: `hep.certificate_file`, `hep.key_file`")]
    Certificate(tokio_rustls::rustls::Error),
    #[error("the certificates of `hep.client_ca_file` do not do: {0}")]
    ClientCa(String),
}

/// Sockets that are bound, but not read yet.
pub struct Listener {
    udp: Vec<UdpSocket>,
    tcp: Vec<TcpListener>,
    tls: Vec<TcpListener>,
    acceptor: Option<TlsAcceptor>,
    gate: Arc<Gate>,
    limits: Limits,
    max_connections: usize,
}

/// Reads what the section points at, without listening: what `sidetone check` wants to know.
pub fn check(config: &Config) -> Result<(), ListenError> {
    Gate::new(config)?;
    tls::acceptor(config)?;
    Ok(())
}

impl Listener {
    /// Binds every address and reads every file; `None` where the section names no address.
    pub async fn bind(config: &Config) -> Result<Option<Listener>, ListenError> {
        if !config.is_on() {
            return Ok(None);
        }
        let failed = |protocol, address| move |source| ListenError::Bind { protocol, address, source };
        let mut listener = Listener {
            udp: Vec::new(),
            tcp: Vec::new(),
            tls: Vec::new(),
            acceptor: tls::acceptor(config)?,
            gate: Arc::new(Gate::new(config)?),
            limits: Limits { idle: config.idle_timeout, packet: config.max_packet_size as usize },
            max_connections: config.max_connections,
        };
        for &address in &config.listen_udp {
            listener.udp.push(udp::bind(address).await.map_err(failed("udp", address))?);
        }
        for &address in &config.listen_tcp {
            listener.tcp.push(TcpListener::bind(address).await.map_err(failed("tcp", address))?);
        }
        for &address in &config.listen_tls {
            listener.tls.push(TcpListener::bind(address).await.map_err(failed("tls", address))?);
        }
        for (protocol, address) in listener.addresses() {
            info!("HEP is taken on {protocol} {address}");
        }
        Ok(Some(listener))
    }

    /// What is bound; a port 0 has become the one that the system chose.
    pub fn addresses(&self) -> Vec<(&'static str, SocketAddr)> {
        let udp = self.udp.iter().map(|socket| ("udp", socket.local_addr()));
        let tcp = self.tcp.iter().map(|socket| ("tcp", socket.local_addr()));
        let tls = self.tls.iter().map(|socket| ("tls", socket.local_addr()));
        udp.chain(tcp).chain(tls).filter_map(|(protocol, address)| Some((protocol, address.ok()?))).collect()
    }

    /// A sink whose numbers know what the kernel drops of this listener.
    pub fn sink(&self, queue: SyncSender<Batch>, wake: Arc<OwnedFd>) -> Sink {
        let inodes = self.udp.iter().filter_map(kernel::inode).collect();
        Sink::new(queue, wake, Arc::new(Counters::new(inodes)))
    }

    /// Reads until `stop` turns true or its sender is gone.
    pub async fn run(self, sink: Sink, mut stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        for socket in self.udp {
            tasks.spawn(udp::read(socket, Arc::clone(&self.gate), sink.clone()));
        }
        let plain = self.tcp.into_iter().map(|listener| (listener, None));
        let encrypted = self.tls.into_iter().map(|listener| (listener, self.acceptor.clone()));
        let places = Arc::new(Semaphore::new(self.max_connections));
        for (listener, acceptor) in plain.chain(encrypted) {
            let context = stream::Context {
                acceptor,
                gate: Arc::clone(&self.gate),
                sink: sink.clone(),
                limits: self.limits,
                places: Arc::clone(&places),
            };
            tasks.spawn(stream::accept(listener, Arc::new(context)));
        }
        // Without its sender nobody could ever stop it: then it stops as well. Dropping the tasks closes the sockets.
        let _ = stop.wait_for(|&stop| stop).await;
    }
}
