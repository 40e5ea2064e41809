//! Accepting goes on while the process has no descriptor left, and ends when the queue is empty.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep_until},
};

/// What keeps a loop around `accept` from ending and from spinning.
///
/// An error of `accept` is never one of the listener: either that connection has gone already, or the process has run
/// out of something (descriptors, memory) and the next attempt would fail at once. Then it waits, twice as long each
/// time, and says so once.
#[derive(Debug, Default)]
pub(crate) struct BackOff {
    /// How long the last pause was, since when nothing was accepted.
    pause: Option<Duration>,
    /// When the pause ends. Kept here, because the caller may drop the future that waits for it.
    until: Option<Instant>,
}

const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

impl BackOff {
    /// # Cancel safety
    ///
    /// No connection is lost, and a pause goes on.
    pub(crate) async fn accept<T>(
        &mut self,
        mut poll_accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> T {
        loop {
            if let Some(until) = self.until {
                sleep_until(until).await;
                self.until = None;
            }
            match poll_fn(&mut poll_accept).await {
                Ok(accepted) => {
                    self.recovered();
                    return accepted;
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => self.failed(&error),
            }
        }
    }

    fn failed(&mut self, error: &io::Error) {
        let pause = match self.pause {
            None => {
                tracing::error!(%error, "cannot accept connections; trying again until it works");
                PAUSE_MIN
            }
            Some(before) => (before * 2).min(PAUSE_MAX),
        };
        self.pause = Some(pause);
        self.until = Some(Instant::now() + pause);
    }

    fn recovered(&mut self) {
        if self.pause.take().is_some() {
            tracing::info!("connections are accepted again");
        }
    }
}

/// All connections that wait in the queue of a listener which is about to be closed.
///
/// `accept` asks the kernel itself: tokio knows of a connection only once its driver was told, and what is still in the
/// queue when the socket closes is reset.
pub(crate) fn drain<T>(mut accept: impl FnMut() -> io::Result<T>) -> Vec<T> {
    let mut waiting = Vec::new();
    loop {
        match accept() {
            Ok(accepted) => waiting.push(accepted),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return waiting,
            Err(error) => {
                tracing::error!(%error, "cannot accept the connections that wait in the queue");
                return waiting;
            }
        }
    }
}

/// [`drain`] of a listener of TCP.
pub(crate) fn drain_tcp(listener: TcpListener) -> io::Result<Vec<(TcpStream, SocketAddr)>> {
    let listener = listener.into_std()?;
    Ok(drain(|| {
        let (stream, address) = listener.accept()?;
        stream.set_nonblocking(true)?;
        Ok((TcpStream::from_std(stream)?, address))
    }))
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
    use super::*;

    /// `EMFILE`
    fn no_descriptors() -> Poll<io::Result<u8>> {
        Poll::Ready(Err(io::Error::from_raw_os_error(24)))
    }

    #[tokio::test(start_paused = true)]
    async fn without_descriptors_it_waits_twice_as_long_each_time_up_to_a_second() {
        let mut back_off = BackOff::default();
        let mut script = (0..10).map(|_| no_descriptors()).chain([Poll::Ready(Ok(7)), no_descriptors()]);
        let start = Instant::now();
        assert_eq!(back_off.accept(|_| script.next().unwrap_or(Poll::Ready(Ok(8)))).await, 7);
        // 10 + 20 + .. + 640 ms, then three times a second.
        assert_eq!(start.elapsed().as_millis(), 1270 + 3000);

        let start = Instant::now();
        assert_eq!(back_off.accept(|_| script.next().unwrap_or(Poll::Ready(Ok(8)))).await, 8);
        assert_eq!(start.elapsed().as_millis(), 10, "it starts over once it has recovered");
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_the_wait_does_not_shorten_it() {
        let mut back_off = BackOff::default();
        let mut attempts = 0;
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(10 + 20 + 40 - 1) {
            let accept = back_off.accept(|_| {
                attempts += 1;
                no_descriptors()
            });
            assert!(tokio::time::timeout(Duration::from_millis(1), accept).await.is_err());
        }
        assert_eq!(attempts, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_gone_costs_no_time() {
        let gone = || Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        let mut script = [gone(), gone(), Poll::Ready(Ok(7))].into_iter();
        let start = Instant::now();
        assert_eq!(BackOff::default().accept(|_| script.next().unwrap_or(Poll::Pending)).await, 7);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
