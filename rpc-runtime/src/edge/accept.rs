//! Accepting connections, also while the process has no descriptor left.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

use crate::transport::back_off::{BackOff, is_of_one_connection};

/// Takes the connections that wait in the queue of a listener, and closes it.
///
/// The kernel is asked itself: tokio knows of a connection only once its driver was told, and what
/// is still in the queue when the socket closes is reset.
fn drain_queue(listener: TcpListener) -> io::Result<Vec<(TcpStream, SocketAddr)>> {
    let listener = listener.into_std()?;
    let mut waiting = Vec::new();
    loop {
        match listener.accept() {
            Ok((stream, address)) => {
                stream.set_nonblocking(true)?;
                waiting.push((TcpStream::from_std(stream)?, address));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(waiting),
            Err(error) => {
                tracing::error!(%error, "cannot accept the connections that wait in the queue");
                return Ok(waiting);
            }
        }
    }
}

/// Accepts one connection after the other.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: TcpListener,
    back_off: BackOff,
}

impl Acceptor {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self { listener, back_off: BackOff::default() }
    }

    /// # Cancel safety
    ///
    /// No connection is lost, and a pause goes on.
    pub(crate) async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        self.back_off.accept(|cx| self.listener.poll_accept(cx)).await
    }

    /// Closes the listener, and gives the connections that waited in its queue.
    pub(crate) fn close(self) -> Vec<(TcpStream, SocketAddr)> {
        drain_queue(self.listener).unwrap_or_else(|error| {
            tracing::error!(%error, "cannot empty the queue of the listener");
            Vec::new()
        })
    }
}
