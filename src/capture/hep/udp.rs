//! HEP over UDP: one packet a datagram.

#![allow(clippy::disallowed_methods)] // The capture side of the program is where clocks belong.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt::set_socket_recv_buffer_size;
use tokio::net::UdpSocket;
use tracing::debug;

use crate::wire::hep::{MAX_LENGTH, Refused};

use super::gate::Gate;
use super::queue::{Batch, Sink};
use super::stream::now;

/// What the kernel is asked to keep while we do not run; it gives at most net.core.rmem_max.
const KERNEL_BUFFER: usize = 8 << 20;
/// Wait after an error of the socket, such as an ICMP answer to nothing of ours.
const RETRY: Duration = Duration::from_millis(10);

pub async fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address).await?;
    if let Err(error) = set_socket_recv_buffer_size(&socket, KERNEL_BUFFER) {
        debug!(%error, "the receive buffer stays as it is");
    }
    Ok(socket)
}

/// Reads until it is dropped.
pub async fn read(socket: UdpSocket, gate: Arc<Gate>, sink: Sink) {
    let mut buffer = vec![0; MAX_LENGTH];
    let mut batch = Batch::default();
    loop {
        let mut received = socket.recv_from(&mut buffer).await;
        // What waits already goes into the same batch; then other tasks have their turn.
        loop {
            match received {
                Ok((length, sender)) => take(&buffer[..length], sender, &gate, &sink, &mut batch),
                Err(ref error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    debug!(%error, "a socket for HEP failed");
                    tokio::time::sleep(RETRY).await;
                    break;
                }
            }
            if batch.is_full() {
                break;
            }
            received = socket.try_recv_from(&mut buffer);
        }
        sink.send(&mut batch);
        tokio::task::yield_now().await;
    }
}

fn take(bytes: &[u8], sender: SocketAddr, gate: &Gate, sink: &Sink, batch: &mut Batch) {
    let packet = if gate.admits(sender.ip()) { gate.open(bytes) } else { Err(Refused::NotAllowed) };
    sink.take(batch, now(), packet);
}
