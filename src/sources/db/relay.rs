//! Stands between sqlx and a server, and counts: sqlx takes an answer as long as the server says it is, which may be gigabytes.

use std::io::{Error, ErrorKind};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use super::session::io_reason;
use super::tls;
use crate::config::{Database, Engine};
use crate::sources::Failure;
use crate::sources::net::Stream;

/// Most bytes that a server may send for one sample: hundreds of times what all answers together take.
const MAX_BYTES: u64 = 16 << 20;

/// Two sockets whose bytes are handed on, as long as this lives.
pub struct Relay {
    /// Bytes of the server in this sample.
    taken: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Connects to the server; gives what sqlx is to be told in its place: for PostgreSQL's protocol, the folder of its socket.
    pub async fn open(settings: &Database) -> Result<(Relay, PathBuf), Failure> {
        let failed = |error: Error| Failure::new(io_reason(&error), error);
        let own = format!("sidetone-{:032x}", random());
        // sqlx puts the name of PostgreSQL's sockets behind a folder.
        let file = match settings.engine {
            Engine::Postgresql | Engine::Pgbouncer => format!(".s.PGSQL.{}", settings.port),
            Engine::Mysql | Engine::Redis | Engine::Clickhouse => String::new(),
        };
        let outside: Box<dyn Stream> = match settings.host.starts_with('/') {
            true => Box::new(UnixStream::connect(PathBuf::from(&settings.host).join(&file)).await.map_err(failed)?),
            false => Box::new(tls::dial(&settings.host, settings.port).await?),
        };
        let name = if file.is_empty() { own.clone() } else { format!("{own}/{file}") };
        let listener = listen(&name).map_err(failed)?;
        let taken = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&taken);
        let task = tokio::spawn(async move {
            // Whatever ends it, the other side sees that its socket is closed.
            if let Ok(inside) = accept(listener).await {
                let _ = hand_on(inside, outside, &counter).await;
            }
        });
        // A name that begins with NUL is in no file system (unix(7)).
        Ok((Relay { taken, task }, PathBuf::from(format!("\0{own}"))))
    }

    /// Another sample begins.
    pub fn renew(&self) {
        self.taken.store(0, Ordering::Relaxed);
    }

    /// Whether the server has sent so much that nothing more was taken.
    pub fn is_cut(&self) -> bool {
        self.taken.load(Ordering::Relaxed) > MAX_BYTES
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A number that nobody guesses, for a name that all processes see.
fn random() -> u128 {
    use std::hash::BuildHasher;
    let half = || u128::from(std::hash::RandomState::new().hash_one(0));
    half() << 64 | half()
}

fn listen(name: &str) -> Result<UnixListener, Error> {
    let listener = StdListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Our own connection, and nobody else's.
async fn accept(listener: UnixListener) -> Result<UnixStream, Error> {
    loop {
        let (stream, _) = listener.accept().await?;
        if stream.peer_cred()?.pid() == i32::try_from(std::process::id()).ok() {
            return Ok(stream);
        }
    }
}

async fn hand_on(inside: UnixStream, outside: Box<dyn Stream>, taken: &AtomicU64) -> Result<(), Error> {
    let (inside_reader, inside_writer) = inside.into_split();
    let (outside_reader, outside_writer) = tokio::io::split(outside);
    let uncounted = AtomicU64::new(0);
    tokio::select! {
        ended = copy(inside_reader, outside_writer, &uncounted) => ended,
        ended = copy(outside_reader, inside_writer, taken) => ended,
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    taken: &AtomicU64,
) -> Result<(), Error> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let length = from.read(&mut buffer).await?;
        let Some(read) = buffer.get(..length).filter(|read| !read.is_empty()) else { return to.shutdown().await };
        if taken.fetch_add(length as u64, Ordering::Relaxed) + length as u64 > MAX_BYTES {
            return Err(ErrorKind::FileTooLarge.into());
        }
        to.write_all(read).await?;
        to.flush().await?;
    }
}
