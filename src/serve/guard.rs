//! A connection whose peer cannot take for ever: a bounded time for a request's head, and for reading a response.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::Limits;
use super::places::Place;

/// Read at once; a scraper's request has about 300 bytes.
const READ_BYTES: usize = 2048;

/// What the peer took too long for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stall {
    /// Sending a request's head (or the body of a request that has one).
    Head,
    /// Reading a response.
    Write,
}

/// What the request handler and the connection below it tell each other.
pub struct Watchdog {
    head_arrived: AtomicBool,
    stalled: AtomicU8,
    place: Place,
}

impl Watchdog {
    pub fn new(place: Place) -> Watchdog {
        Watchdog { head_arrived: AtomicBool::new(false), stalled: AtomicU8::new(0), place }
    }

    /// The handler has a request: its head came in time.
    pub fn head_arrived(&self) {
        self.head_arrived.store(true, Ordering::Relaxed);
    }

    /// The handler has all of the request, its body too: from here on the client waits for the agent.
    pub fn request_arrived(&self) {
        self.place.working();
    }

    /// The handler is done: from here on the agent waits for the client.
    pub fn answered(&self, bytes: usize) {
        self.place.unread(bytes);
    }

    /// Why the connection was cut off, if it was.
    pub fn stalled(&self) -> Option<Stall> {
        match self.stalled.load(Ordering::Relaxed) {
            1 => Some(Stall::Head),
            2 => Some(Stall::Write),
            _ => None,
        }
    }

    fn cut_off(&self, stall: Stall) -> io::Error {
        let code = match stall {
            Stall::Head => 1,
            Stall::Write => 2,
        };
        self.stalled.store(code, Ordering::Relaxed);
        io::ErrorKind::TimedOut.into()
    }
}

/// A TCP stream with two clocks.
pub struct Guard {
    stream: TcpStream,
    watchdog: Arc<Watchdog>,
    head_timeout: Duration,
    write_timeout: Duration,
    /// Runs from the connection's start, or a request's first byte, until the request's head is there.
    head: Option<Pin<Box<Sleep>>>,
    /// Runs from the first write that had to wait until all of the response is out: a peer that takes a byte now and
    /// then gains nothing.
    write: Option<Pin<Box<Sleep>>>,
    written: bool,
}

impl Guard {
    pub fn new(stream: TcpStream, watchdog: Arc<Watchdog>, limits: &Limits) -> Guard {
        Guard {
            stream,
            watchdog,
            head_timeout: limits.header_timeout,
            write_timeout: limits.write_timeout,
            head: Some(Box::pin(tokio::time::sleep(limits.header_timeout))),
            write: None,
            written: false,
        }
    }

    fn after_write(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if result.is_ready() {
            self.written = true;
            self.watchdog.place.progress();
            return result;
        }
        let timeout = self.write_timeout;
        let timer = self.write.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(self.watchdog.cut_off(Stall::Write)))
    }
}

impl Read for Guard {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if self.watchdog.head_arrived.swap(false, Ordering::Relaxed) {
            self.head = None;
        }
        let mut chunk = [0; READ_BYTES];
        let mut chunk = ReadBuf::new(&mut chunk);
        let mut filled = chunk.take(buf.remaining());
        if let Poll::Ready(result) = Pin::new(&mut self.stream).poll_read(cx, &mut filled) {
            if self.head.is_none() && !filled.filled().is_empty() {
                self.head = Some(Box::pin(tokio::time::sleep(self.head_timeout)));
            }
            buf.put_slice(filled.filled());
            return Poll::Ready(result);
        }
        let Some(timer) = &mut self.head else {
            return Poll::Pending;
        };
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(self.watchdog.cut_off(Stall::Head)))
    }
}

impl Write for Guard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.after_write(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.after_write(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        // hyper flushes when its own buffer is empty: the response is out, and what comes is the next request.
        if std::mem::take(&mut self.written) {
            self.write = None;
            self.head = None;
            self.watchdog.place.waiting();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
