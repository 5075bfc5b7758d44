//! The capture from outside: started, asked for its numbers, stopped.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::oneshot;
use tracing::warn;

use crate::config::{Capture as Config, Limits};
use crate::engine::{Engine, Snapshot};
use crate::numbers::Family;

use super::core::Capture;
use super::hep::Inbox;
use super::live::LiveError;
use super::reader::Shared;

/// How long a scrape keeps a worker from its frames.
pub const PAUSE: &str = "sidetone_scrape_pause_seconds";
/// The smallest ring (1 MiB) holds a few milliseconds of a million packets a second; an empty agent takes some microseconds.
pub const PAUSE_BOUNDS: &[f64] = &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1];

/// The families of this file.
pub const FAMILIES: &[Family] = &[Family::histogram(
    PAUSE,
    "seconds",
    &[],
    "Time for which a capture worker read no frames because it copied its numbers for a scrape; they wait in the ring meanwhile.",
)];

/// What others ask of the thread with the core.
pub(super) enum Request {
    Snapshot(oneshot::Sender<Snapshot>),
    Stop,
}

/// The handle of a running worker.
pub struct Worker {
    requests: Sender<Request>,
    wake: Arc<OwnedFd>,
    capturing: Arc<AtomicBool>,
    shared: Arc<Shared>,
    /// The one with the core first.
    threads: Vec<JoinHandle<()>>,
}

/// Asks a worker for its numbers; as many as wanted may be made.
#[derive(Clone)]
pub struct Asker {
    requests: Sender<Request>,
    wake: Arc<OwnedFd>,
}

/// The worker has ended and answers no more.
#[derive(Debug, thiserror::Error)]
#[error("the capture worker has ended")]
pub struct Ended;

impl Asker {
    /// The worker's numbers at its next pause, a batch of frames from now at most.
    pub async fn snapshot(&self) -> Result<Snapshot, Ended> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Snapshot(answer)).map_err(|_| Ended)?;
        wake(&self.wake);
        answered.await.map_err(|_| Ended)
    }
}

impl Worker {
    /// Opens the interfaces and starts the thread, which takes mirrored packets too where there is an inbox for them. Fails where
    /// nothing at all can be captured.
    pub fn start(
        config: Config,
        limits: Limits,
        engine: Engine,
        mirrored: Option<Inbox>,
    ) -> Result<Worker, StartError> {
        let wake = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).map_err(io::Error::from)?);
        let (capture, readers) = Capture::open((config, limits), engine, mirrored, &wake)?;
        let (requests, inbox) = channel();
        let signal = Arc::clone(&wake);
        let (capturing, shared) = (Arc::clone(&capture.capturing), Arc::clone(&capture.shared));
        let core = std::thread::Builder::new().name("capture".into()).spawn(move || capture.run(&inbox, &signal));
        let mut threads = vec![core.map_err(StartError::Thread)?];
        for (number, reader) in readers.into_iter().enumerate() {
            threads.push(reader.start(number + 1).map_err(StartError::Thread)?);
        }
        Ok(Worker { requests, wake, capturing, shared, threads })
    }

    pub fn asker(&self) -> Asker {
        Asker { requests: self.requests.clone(), wake: Arc::clone(&self.wake) }
    }

    /// What wakes the thread.
    pub fn alarm(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.wake)
    }

    /// True while at least one interface is open, or mirrored packets are taken.
    pub fn capturing(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.capturing)
    }

    /// Whether all threads still run.
    pub fn is_running(&self) -> bool {
        !self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Ends the threads and waits for them.
    pub fn stop(self) {
        // A worker that has ended already has dropped its inbox: nothing is left to stop.
        let _ = self.requests.send(Request::Stop);
        self.shared.stop();
        wake(&self.wake);
        for thread in self.threads {
            if thread.join().is_err() {
                warn!("a capture worker had panicked");
            }
        }
    }
}

/// Why a worker could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error("there is no interface to capture\n  hint: bring one up, or name one in capture.interfaces")]
    NoInterface,
    #[error("cannot make a wake-up descriptor: {0}")]
    Wake(#[from] io::Error),
    #[error("cannot start the capture thread: {0}")]
    Thread(io::Error),
}

pub(super) fn wake(signal: &OwnedFd) {
    // Were it full, the worker would be awake already.
    let _ = rustix::io::write(signal, &1u64.to_ne_bytes());
}
