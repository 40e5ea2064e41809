//! The socket of a host, and the threads that serve what it accepts.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::sleep,
};

use crate::edge::Acceptor;

type Accepted<S> = (S, SocketAddr);

/// What the acceptor knows of a thread.
pub(super) struct Thread {
    connections: mpsc::Sender<Accepted<std::net::TcpStream>>,
    open: Arc<AtomicUsize>,
    /// When it was given what it may not have taken up yet.
    left_since: Option<Instant>,
}

/// The connections that a thread is given.
pub(super) struct Given {
    connections: mpsc::Receiver<Accepted<std::net::TcpStream>>,
    open: Arc<AtomicUsize>,
}

/// Both sides of a thread.
pub(super) fn thread() -> (Thread, Given) {
    let (sender, receiver) = mpsc::channel(GIVEN_MAX);
    let open = Arc::<AtomicUsize>::default();
    (
        Thread { connections: sender, open: Arc::clone(&open), left_since: None },
        Given { connections: receiver, open },
    )
}

impl Given {
    /// The next connection; `None` when there will be no more.
    pub(super) async fn next(&mut self) -> Option<Accepted<std::net::TcpStream>> {
        self.connections.recv().await
    }

    /// One of them has ended.
    pub(super) fn ended(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Thread {
    /// Whether it has left for a while what it was given.
    fn is_stuck(&mut self, now: Instant) -> bool {
        if self.connections.capacity() == self.connections.max_capacity() {
            self.left_since = None;
        }
        self.left_since.is_some_and(|since| now - since > STUCK)
    }
}

/// One accepted connection after the other, each to the thread that has the fewest.
///
/// One socket, not one for each thread: with SO_REUSEPORT a listener that closes resets what waits in its queue, and
/// the kernel hands connections to threads by chance, blocked ones included.
pub(super) fn accept(
    listener: std::net::TcpListener,
    mut threads: Vec<Thread>,
    mut stopped: watch::Receiver<bool>,
) {
    let runtime = match super::server::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "cannot accept connections"),
    };
    runtime.block_on(async move {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "cannot accept connections"),
        };
        let mut acceptor = Acceptor::new(listener);
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => break,
                accepted = acceptor.accept() => accepted,
            };
            tokio::select! {
                biased;
                () = hand_over(&mut threads, accepted) => {}
                // All threads are full, and will be told to end what they have.
                _ = stopped.wait_for(|stopped| *stopped) => break,
            }
        }
        for accepted in acceptor.close() {
            if offer(&mut threads, accepted).is_err() {
                tracing::warn!("all threads are full: a connection is cut, because the host stops");
            }
        }
        // The threads drain when the last of these senders is gone.
    });
}

/// Waits while all threads are full.
///
/// # Cancel safety
///
/// The connection is cut.
async fn hand_over(threads: &mut [Thread], mut accepted: Accepted<TcpStream>) {
    while let Err(refused) = offer(threads, accepted) {
        accepted = refused;
        sleep(FULL_PAUSE).await;
    }
}

/// Gives a connection to the thread that has the fewest, of those that take up what they are given if there are
/// any: a thread that a handler keeps busy leaves it where it is.
fn offer(threads: &mut [Thread], accepted: Accepted<TcpStream>) -> Result<(), Accepted<TcpStream>> {
    let now = Instant::now();
    let least = (threads.iter_mut())
        .filter(|thread| thread.connections.capacity() > 0)
        .map(|thread| ((thread.is_stuck(now), thread.open.load(Ordering::Relaxed)), thread))
        .min_by_key(|(rank, _)| *rank);
    let Some((_, thread)) = least else { return Err(accepted) };
    let (stream, address) = accepted;
    // A socket that the reactor will not let go is of no use to another thread.
    let Ok(stream) = stream.into_std() else { return Ok(()) };
    thread.open.fetch_add(1, Ordering::Relaxed);
    thread.left_since.get_or_insert(now);
    // There is room, and nobody else sends; so a thread that does not take it is gone, which its end has logged.
    let _ = thread.connections.try_send((stream, address));
    Ok(())
}

/// How many accepted connections wait for a thread before the acceptor waits too.
const GIVEN_MAX: usize = 64;

/// How long a thread leaves a connection before others are preferred to it. One that waits for I/O alone takes it up
/// within microseconds; this is what a busy machine may add.
const STUCK: Duration = Duration::from_millis(20);

/// How long the acceptor waits when all threads are full before it looks again.
const FULL_PAUSE: Duration = Duration::from_millis(10);
