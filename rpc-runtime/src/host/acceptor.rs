//! The sockets of a host, and the threads that serve what they accept.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::Sender,
    },
    time::{Duration, Instant},
};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use crate::{
    edge::Acceptor,
    transport::{Accepted, Detached, Listener, Peer},
};

/// A connection that speaks HTTP.
pub(super) type Http = (std::net::TcpStream, SocketAddr);

/// A connection for a session, the number of the listener that took it, and who made it.
pub(super) type ForSession = (usize, Detached, Peer);

/// What the acceptor knows of a thread: one lane for each kind of connection, so that the one does not wait for the
/// other.
pub(super) struct Thread {
    http: Lane<Http>,
    sessions: Lane<ForSession>,
}

/// The connections that a thread is given.
pub(super) struct Given {
    pub(super) http: Arrivals<Http>,
    pub(super) sessions: Arrivals<ForSession>,
}

struct Lane<T> {
    connections: mpsc::Sender<T>,
    /// Of the thread, of both kinds.
    open: Arc<AtomicUsize>,
    /// When it was given what it may not have taken up yet.
    left_since: Option<Instant>,
}

pub(super) struct Arrivals<T> {
    connections: mpsc::Receiver<T>,
    open: Arc<AtomicUsize>,
}

/// Both sides of a thread.
pub(super) fn thread() -> (Thread, Given) {
    let open = Arc::default();
    let ((http, http_given), (sessions, sessions_given)) = (lane(&open), lane(&open));
    (Thread { http, sessions }, Given { http: http_given, sessions: sessions_given })
}

fn lane<T>(open: &Arc<AtomicUsize>) -> (Lane<T>, Arrivals<T>) {
    let (sender, receiver) = mpsc::channel(GIVEN_MAX);
    (
        Lane { connections: sender, open: Arc::clone(open), left_since: None },
        Arrivals { connections: receiver, open: Arc::clone(open) },
    )
}

impl<T> Arrivals<T> {
    /// The next connection; `None` when there will be no more.
    pub(super) async fn next(&mut self) -> Option<T> {
        self.connections.recv().await
    }

    /// One of them has ended.
    pub(super) fn ended(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> Lane<T> {
    /// Whether it has left for a while what it was given.
    fn is_stuck(&mut self, now: Instant) -> bool {
        if self.connections.capacity() == self.connections.max_capacity() {
            self.left_since = None;
        }
        self.left_since.is_some_and(|since| now - since > STUCK)
    }
}

/// Where connections come from. What it gives belongs to no runtime, so that any thread can take it up.
trait Source: Send + 'static {
    type Connection: Send + 'static;

    /// # Cancel safety
    ///
    /// No connection is lost.
    fn accept(&mut self) -> impl Future<Output = Self::Connection> + Send;

    /// Closes the socket, and gives what waited in its queue.
    fn close(self) -> impl Future<Output = Vec<Self::Connection>> + Send;
}

impl Source for Acceptor {
    type Connection = Http;

    async fn accept(&mut self) -> Http {
        loop {
            let (stream, address) = self.accept().await;
            // A socket that the reactor will not let go is of no use to another thread.
            if let Ok(stream) = stream.into_std() {
                return (stream, address);
            }
        }
    }

    async fn close(self) -> Vec<Http> {
        let waiting = self.close().into_iter();
        waiting.filter_map(|(stream, address)| Some((stream.into_std().ok()?, address))).collect()
    }
}

/// One listener for sessions, and its number.
struct Numbered(usize, Listener);

impl Source for Numbered {
    type Connection = ForSession;

    async fn accept(&mut self) -> ForSession {
        loop {
            let Accepted { stream, peer } = self.1.accept().await;
            if let Ok(stream) = stream.detach() {
                return (self.0, stream, peer);
            }
        }
    }

    async fn close(self) -> Vec<ForSession> {
        let waiting = self.1.close().await.into_iter();
        waiting.filter_map(|accepted| Some((self.0, accepted.stream.detach().ok()?, accepted.peer))).collect()
    }
}

/// How far the end of a host has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Serving,
    /// HTTP comes to its end until then. Other processes are served as before.
    Closing(Instant),
    /// All of it comes to its end until then.
    Ending(Instant),
}

impl Stage {
    /// When all must have come to its end: now, if nobody has said.
    pub(super) fn end(self) -> Instant {
        match self {
            Self::Serving => Instant::now(),
            Self::Closing(end) | Self::Ending(end) => end,
        }
    }

    /// Whether HTTP comes to its end.
    pub(super) fn is_closing(self) -> bool {
        self != Self::Serving
    }

    /// Whether sessions do.
    pub(super) fn is_ending(self) -> bool {
        matches!(self, Self::Ending(_))
    }
}

/// One accepted connection after the other, each to the thread that has the fewest, as long as `stage` lets it.
///
/// One socket for all threads, not one for each: with SO_REUSEPORT a listener that closes resets what waits in its
/// queue, and the kernel hands connections to threads by chance, blocked ones included. What comes with the one for HTTP
/// is given up when that is closed.
pub(super) async fn accept(
    http: Option<(std::net::TcpListener, Sender<()>)>,
    listeners: Vec<Listener>,
    threads: Vec<Thread>,
    stage: watch::Receiver<Stage>,
) {
    let (http_lanes, session_lanes): (Vec<_>, Vec<_>) =
        threads.into_iter().map(|Thread { http, sessions }| (http, sessions)).unzip();
    let (http_lanes, session_lanes) = (Lanes::new(http_lanes), Lanes::new(session_lanes));
    let mut accepting = JoinSet::new();
    if let Some((listener, accepts)) = http {
        match TcpListener::from_std(listener) {
            Ok(listener) => {
                let from = accept_from(Acceptor::new(listener), http_lanes, stage.clone(), Stage::is_closing);
                accepting.spawn(async move {
                    from.await;
                    drop(accepts);
                });
            }
            Err(error) => tracing::error!(%error, "cannot accept connections"),
        }
    }
    for (number, listener) in listeners.into_iter().enumerate() {
        let lanes = Lanes::clone(&session_lanes);
        accepting.spawn(accept_from(Numbered(number, listener), lanes, stage.clone(), Stage::is_ending));
    }
    drop(session_lanes);
    // A thread knows that no more will come of a kind when the last lane of that is gone.
    while accepting.join_next().await.is_some() {}
}

async fn accept_from<S: Source>(
    mut source: S,
    threads: Lanes<S::Connection>,
    mut stage: watch::Receiver<Stage>,
    is_over: fn(Stage) -> bool,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stage.wait_for(|stage| is_over(*stage)) => break,
            accepted = source.accept() => accepted,
        };
        tokio::select! {
            biased;
            () = threads.hand_over(accepted) => {}
            // All threads are full, and will be told to end what they have.
            _ = stage.wait_for(|stage| is_over(*stage)) => break,
        }
    }
    for accepted in source.close().await {
        if threads.offer(accepted).is_err() {
            tracing::warn!("all threads are full: a connection is cut, because the host stops");
        }
    }
}

/// One lane of every thread. The lock is for the sources, which are tasks of one thread and hold it for no await.
struct Lanes<T>(Arc<Mutex<Vec<Lane<T>>>>);

impl<T> Clone for Lanes<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Lanes<T> {
    fn new(lanes: Vec<Lane<T>>) -> Self {
        Self(Arc::new(Mutex::new(lanes)))
    }

    /// Waits while all threads are full.
    ///
    /// # Cancel safety
    ///
    /// The connection is cut.
    async fn hand_over(&self, mut accepted: T) {
        while let Err(refused) = self.offer(accepted) {
            accepted = refused;
            sleep(FULL_PAUSE).await;
        }
    }

    /// Gives a connection to the thread that has the fewest, of those that take up what they are given if there are
    /// any: a thread that a handler keeps busy leaves it where it is.
    fn offer(&self, accepted: T) -> Result<(), T> {
        let now = Instant::now();
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let least = (lanes.iter_mut())
            .filter(|lane| lane.connections.capacity() > 0)
            .map(|lane| ((lane.is_stuck(now), lane.open.load(Ordering::Relaxed)), lane))
            .min_by_key(|(rank, _)| *rank);
        let Some((_, lane)) = least else { return Err(accepted) };
        lane.open.fetch_add(1, Ordering::Relaxed);
        lane.left_since.get_or_insert(now);
        // There is room, and nobody else sends; so a thread that does not take it is gone, which its end has logged.
        let _ = lane.connections.try_send(accepted);
        Ok(())
    }
}

/// How many accepted connections of a kind wait for a thread before the acceptor waits too.
const GIVEN_MAX: usize = 64;

/// How long a thread leaves a connection before others are preferred to it. One that waits for I/O alone takes it up
/// within microseconds; this is what a busy machine may add.
const STUCK: Duration = Duration::from_millis(20);

/// How long the acceptor waits when all threads are full before it looks again.
const FULL_PAUSE: Duration = Duration::from_millis(10);
