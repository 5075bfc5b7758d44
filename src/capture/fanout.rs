//! Sockets of several threads that share an interface's frames, dealt out by flow (packet(7), PACKET_FANOUT).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// By the hash of addresses and ports that both directions of a flow share.
const BY_FLOW: i32 = libc::PACKET_FANOUT_HASH as i32;
/// The kernel finds a number that no other program uses on this host.
const NEW: i32 = libc::PACKET_FANOUT_FLAG_UNIQUEID as i32;

/// Of a group that has no number yet.
const NONE: i32 = -1;

/// The sockets that share one interface.
#[derive(Clone, Debug)]
pub struct Group(Arc<AtomicI32>);

impl Default for Group {
    fn default() -> Group {
        Group(Arc::new(AtomicI32::new(NONE)))
    }
}

impl Group {
    /// Adds a socket; the first one finds the group's number.
    pub fn join(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        match self.0.load(Ordering::Relaxed) {
            NONE => {
                set(socket, (BY_FLOW | NEW) << 16)?;
                self.0.store(get(socket)? & 0xffff | BY_FLOW << 16, Ordering::Relaxed);
                Ok(())
            }
            number => set(socket, number),
        }
    }
}

#[allow(unsafe_code)]
fn set(socket: BorrowedFd<'_>, value: i32) -> io::Result<()> {
    // SAFETY: the kernel reads four bytes of a local variable.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_FANOUT,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[allow(unsafe_code)]
fn get(socket: BorrowedFd<'_>) -> io::Result<i32> {
    let (mut value, mut length) = (0i32, size_of::<i32>() as libc::socklen_t);
    // SAFETY: the kernel writes at most four bytes to a local variable.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_FANOUT,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}
