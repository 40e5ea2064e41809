//! Accepting connections, also while the process has no descriptor left.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// What connections come from.
pub(crate) trait Listen {
    type Stream;

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Self::Stream, SocketAddr)>>;
}

impl Listen for TcpListener {
    type Stream = TcpStream;

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        Self::poll_accept(self, cx)
    }
}

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
///
/// An error of `accept` is never one of the listener: either that connection has gone already, or
/// the process has run out of something (descriptors, memory) and the next attempt would fail at
/// once. Then it waits, twice as long each time, and says so once.
#[derive(Debug)]
pub(crate) struct Acceptor<L> {
    listener: L,
    back_off: Option<Duration>,
}

const BACK_OFF_MIN: Duration = Duration::from_millis(10);
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

impl<L: Listen> Acceptor<L> {
    pub(crate) const fn new(listener: L) -> Self {
        Self { listener, back_off: None }
    }

    /// # Cancel safety
    ///
    /// No connection is lost; the waiting time starts again.
    pub(crate) async fn accept(&mut self) -> (L::Stream, SocketAddr) {
        loop {
            match poll_fn(|cx| self.listener.poll_accept(cx)).await {
                Ok(accepted) => {
                    self.recovered();
                    return accepted;
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    let wait = self.failed(&error);
                    sleep(wait).await;
                }
            }
        }
    }

    fn failed(&mut self, error: &io::Error) -> Duration {
        let wait = match self.back_off {
            None => {
                tracing::error!(%error, "cannot accept connections; trying again until it works");
                BACK_OFF_MIN
            }
            Some(before) => (before * 2).min(BACK_OFF_MAX),
        };
        self.back_off = Some(wait);
        wait
    }

    fn recovered(&mut self) {
        if self.back_off.take().is_some() {
            tracing::info!("connections are accepted again");
        }
    }
}

impl Acceptor<TcpListener> {
    /// Closes the listener, and gives the connections that waited in its queue.
    pub(crate) fn close(self) -> Vec<(TcpStream, SocketAddr)> {
        drain_queue(self.listener).unwrap_or_else(|error| {
            tracing::error!(%error, "cannot empty the queue of the listener");
            Vec::new()
        })
    }
}

/// The client was gone before it was accepted: the next one may be fine.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;

    use tokio::time::Instant;

    use super::*;

    /// Gives what it was given, in order; then nothing.
    struct Script(RefCell<VecDeque<io::Result<u8>>>);

    impl Listen for Script {
        type Stream = u8;

        fn poll_accept(&self, _: &mut Context<'_>) -> Poll<io::Result<(u8, SocketAddr)>> {
            match self.0.borrow_mut().pop_front() {
                Some(result) => Poll::Ready(result.map(|stream| (stream, ([127, 0, 0, 1], 1).into()))),
                None => Poll::Pending,
            }
        }
    }

    /// `EMFILE`
    fn no_descriptors() -> io::Result<u8> {
        Err(io::Error::from_raw_os_error(24))
    }

    #[tokio::test(start_paused = true)]
    async fn without_descriptors_it_waits_twice_as_long_each_time_up_to_a_second() {
        let script = (0..10).map(|_| no_descriptors()).chain([Ok(7), no_descriptors(), Ok(8)]);
        let mut acceptor = Acceptor::new(Script(RefCell::new(script.collect())));
        let start = Instant::now();
        assert_eq!(acceptor.accept().await.0, 7);
        // 10 + 20 + .. + 640 ms, then three times a second.
        assert_eq!(start.elapsed().as_millis(), 1270 + 3000);

        let start = Instant::now();
        assert_eq!(acceptor.accept().await.0, 8);
        assert_eq!(start.elapsed().as_millis(), 10, "it starts over once it has recovered");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_gone_costs_no_time() {
        let gone = || Err(io::ErrorKind::ConnectionAborted.into());
        let mut acceptor = Acceptor::new(Script(RefCell::new([gone(), gone(), Ok(7)].into())));
        let start = Instant::now();
        assert_eq!(acceptor.accept().await.0, 7);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
