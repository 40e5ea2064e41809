//! Accepting connections, also while the process has no descriptor left.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

use crate::transport::accept::{BackOff, drain_tcp};

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
        drain_tcp(self.listener).unwrap_or_else(|error| {
            tracing::error!(%error, "cannot empty the queue of the listener");
            Vec::new()
        })
    }
}
