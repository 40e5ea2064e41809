//! Serving at addresses.

use std::{
    future::{Future, pending},
    io,
    pin::pin,
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
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
    /// Signals cannot be listened to.
    pub async fn run(self) -> io::Result<()> {
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
    /// # Cancel safety
    ///
    /// Dropping the future ends all sessions at once: running calls are cancelled.
    pub async fn run_until(self, stop: impl Future<Output = ()>) {
        let (sessions, until) = self.accept_until(stop).await;
        sessions.drain(until).await;
    }

    /// Gives the sessions that there are then, and until when they may go on.
    async fn accept_until(mut self, stop: impl Future<Output = ()>) -> (Sessions, Instant) {
        let mut stop = pin!(stop);
        let mut sessions = Sessions::default();
        let (accepted, mut arrivals) = mpsc::channel(1);
        let (tell, stopped) = watch::channel(false);
        let mut accepting = JoinSet::new();
        for listener in self.listeners.drain(..) {
            accepting.spawn(accept(listener, accepted.clone(), stopped.clone()));
        }
        drop(accepted);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(Accepted { stream, peer }) = arrivals.recv(), if sessions.len() < self.sessions_max => {
                    sessions.add(self.options.clone().trusting(&peer).over(stream));
                }
                () = sessions.one_ended() => {}
            }
        }
        let until = Instant::now() + self.drain;
        tell.send_replace(true);
        // Who has connected and waits is told that no call will be taken, and not cut: it would not know then.
        let mut left = Vec::new();
        while let Some(waiting) = accepting.join_next().await {
            left.extend(waiting.unwrap_or_default());
        }
        while let Ok(accepted) = arrivals.try_recv() {
            left.push(accepted);
        }
        for Accepted { stream, .. } in left {
            sessions.add(self.options.clone().over(stream));
        }
        (sessions, until)
    }
}

/// Takes one connection after the other, as fast as they are taken over, until it is told to stop. Gives those that
/// waited then.
async fn accept(
    mut listener: Listener,
    accepted: mpsc::Sender<Accepted>,
    mut stopped: watch::Receiver<bool>,
) -> Vec<Accepted> {
    loop {
        let next = async {
            let permit = accepted.reserve().await.ok()?;
            permit.send(listener.accept().await);
            Some(())
        };
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => break,
            next = next => if next.is_none() { break },
        }
    }
    listener.close().await
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
