//! Serving at addresses.

use std::{
    future::{Future, pending, poll_fn},
    io,
    pin::pin,
    task::Poll,
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use super::{Driving, Serve, Session, SessionOptions};
use crate::{
    proto::Closing,
    transport::{self, Accepted, Address, Listener},
};

/// Serves a Worker, or what a client calls, to whoever connects to an address.
///
/// ```no_run
/// # use rpc_runtime::{Result, Server, service, transport::Address};
/// # #[service] trait Calc { async fn add(&self, a: u64, b: u64) -> Result<u64>; }
/// # struct Calculator;
/// # impl Calc for Calculator { async fn add(&self, a: u64, b: u64) -> Result<u64> { Ok(a + b) } }
/// # #[tokio::main] async fn main() -> std::io::Result<()> {
/// let address: Address = "tcp:127.0.0.1:4000".parse()?;
/// Server::new(CalcClient::new(Calculator)).listen(&address).await?.run().await
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    options: SessionOptions,
    listeners: Vec<Listener>,
    sessions_max: usize,
    drain: Duration,
}

/// How many sessions there are at most. Each holds up to 20 KiB when idle; the next one waits in the queue of the
/// socket.
pub(crate) const SESSIONS_MAX: usize = 4096;

/// How long running calls may go on when the server stops. What the model gives.
const DRAIN: Duration = Duration::from_secs(30);

const NOWHERE: &str =
    "the server listens nowhere, so nobody can call it: say `.listen(&address).await?` before it runs";

/// How long callers may take to hear that the time to drain is over.
const FAREWELL: Duration = Duration::from_secs(1);

impl Server {
    /// Serves this, and nothing yet to anybody: see [`listen`](Self::listen).
    #[must_use]
    pub fn new<M>(target: impl Serve<M>) -> Self {
        Self::with(SessionOptions::new().serve(target))
    }

    /// Serves what `options` serve, in the way they say.
    #[must_use]
    pub fn with(options: SessionOptions) -> Self {
        Self { options, listeners: Vec::new(), sessions_max: SESSIONS_MAX, drain: DRAIN }
    }

    /// Takes connections at an address, besides others.
    ///
    /// # Errors
    ///
    /// The address is taken, or may not be used; the error says why.
    pub async fn listen(mut self, address: &Address) -> Result<Self, transport::Error> {
        self.listeners.push(Listener::bind(address).await?);
        Ok(self)
    }

    /// The addresses where connections are taken, in the order of [`listen`](Self::listen); a port of 0 has become the
    /// one that was given.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.listeners.iter().map(Listener::local_address)
    }

    /// How many sessions there may be at once. Default 4096; further connections wait.
    #[must_use]
    pub fn sessions(mut self, max: usize) -> Self {
        self.sessions_max = max.max(1);
        self
    }

    /// How long running calls may go on when the server stops. Default 30 s.
    #[must_use]
    pub fn drain(mut self, limit: Duration) -> Self {
        self.drain = limit;
        self
    }

    /// Serves until the process gets SIGTERM or SIGINT. Then new calls are refused as
    /// [unavailable](crate::Error::is_unavailable), and running ones have the time of [`drain`](Self::drain); a second
    /// signal ends them at once.
    ///
    /// # Errors
    ///
    /// It [listens](Self::listen) nowhere, or signals cannot be listened to.
    pub async fn run(self) -> io::Result<()> {
        if self.listeners.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, NOWHERE));
        }
        let mut signals = signals()?;
        let (sessions, until) = self.accept_until(signals.recv()).await;
        tokio::select! {
            () = sessions.drain(until) => {}
            () = signals.recv() => {
                tracing::warn!(target: "rpc_runtime", "a second signal: what still runs is cancelled");
            }
        }
        Ok(())
    }

    /// Serves until `stop` is ready, and then lets running calls end as [`run`](Self::run) does.
    ///
    /// One that [listens](Self::listen) nowhere says so in the log, and serves nobody until then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends all sessions at once: running calls are cancelled.
    pub async fn run_until(self, stop: impl Future<Output = ()>) {
        if self.listeners.is_empty() {
            tracing::warn!(target: "rpc_runtime", "{NOWHERE}");
        }
        let (sessions, until) = self.accept_until(stop).await;
        sessions.drain(until).await;
    }

    /// Gives the sessions that there are then, and until when they may go on.
    async fn accept_until(self, stop: impl Future<Output = ()>) -> (Sessions, Instant) {
        let Self { options, listeners, sessions_max, drain } = self;
        let mut stop = pin!(stop);
        let mut sessions = Sessions::default();
        let mut arrivals = Arrivals { listeners, next: 0 };
        loop {
            tokio::select! {
                () = &mut stop => break,
                Accepted { stream, peer } = arrivals.next(), if sessions.len() < sessions_max => {
                    sessions.add(options.clone().trusting(&peer).over(stream));
                }
                () = sessions.one_ended() => {}
            }
        }
        let until = Instant::now() + drain;
        // Who has connected and waits is told that no call will be taken, and not cut: it would not know then.
        for Accepted { stream, .. } in arrivals.close().await {
            sessions.add(options.clone().over(stream));
        }
        (sessions, until)
    }
}

/// Who connects, at any of some addresses.
struct Arrivals {
    listeners: Vec<Listener>,
    /// Which one is asked first: each in its turn, so that a busy one starves no other.
    next: usize,
}

impl Arrivals {
    /// The next connection; never, where nobody listens.
    ///
    /// Nothing is accepted ahead: while nobody waits here, connections stay in the queues of their sockets.
    ///
    /// # Cancel safety
    ///
    /// As [`Listener::accept`]: no connection is lost.
    async fn next(&mut self) -> Accepted {
        let first = self.next.checked_rem(self.listeners.len()).unwrap_or(0);
        self.next = first + 1;
        let (early, late) = self.listeners.split_at_mut(first);
        let in_turn = late.iter_mut().chain(early);
        let mut accepting: Vec<_> = in_turn.map(|listener| Box::pin(listener.accept())).collect();
        poll_fn(|cx| {
            let mut polled = accepting.iter_mut().map(|accept| accept.as_mut().poll(cx));
            polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
        })
        .await
    }

    /// Stops listening, and gives those that waited. Handshakes of different addresses take their time beside each other.
    async fn close(self) -> Vec<Accepted> {
        let mut closing: JoinSet<_> = self.listeners.into_iter().map(Listener::close).collect();
        let mut waiting = Vec::new();
        while let Some(closed) = closing.join_next().await {
            waiting.extend(closed.unwrap_or_default());
        }
        waiting
    }
}

/// The sessions that one runtime moves.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    all: Vec<Session>,
    driving: JoinSet<()>,
}

impl Sessions {
    pub(crate) fn add(&mut self, (session, driving): (Session, Driving)) {
        self.all.push(session);
        self.driving.spawn(driving);
    }

    pub(crate) fn len(&self) -> usize {
        self.driving.len()
    }

    /// Ready when a session has ended; never while there is none.
    pub(crate) async fn one_ended(&mut self) {
        if self.driving.join_next().await.is_none() {
            return pending().await;
        }
        // As often as the list has doubled, so that many short sessions cost each other nothing.
        if self.all.len() > 2 * self.driving.len() + 16 {
            self.all.retain(|session| !session.is_over());
        }
    }

    /// Refuses new calls, and lets those that run go on until then. The rest is cancelled, and its callers are told.
    pub(crate) async fn drain(mut self, until: Instant) {
        for session in &self.all {
            session.drain();
        }
        while let Ok(Some(_)) = timeout_at(until, self.driving.join_next()).await {}
        let cut = self.driving.len();
        if cut > 0 {
            tracing::warn!(target: "rpc_runtime", sessions = cut, "the time to drain is over: running calls are cancelled");
            for session in &self.all {
                session.0.close(Closing { why: "the time to drain is over".to_owned() });
            }
            // Callers are told why, if they still listen.
            let told = async { while self.driving.join_next().await.is_some() {} };
            let _ = timeout(FAREWELL, told).await;
        }
    }
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

fn signals() -> io::Result<Signals> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
}

impl Signals {
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
