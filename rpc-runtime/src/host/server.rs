//! The threads of a host, and the socket before them.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::Sender,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use http::StatusCode;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::{mpsc, watch},
    time::sleep,
};

use super::{
    Host, Linked,
    background::Background,
    directory::{Workers, check},
};
use crate::{
    Client as _, Request, Response,
    config::{Config, Fault, Faults, Place},
    edge::{Acceptor, Connections, EdgeOptions, Handler, Peer, Reference, plain},
    error::Error,
    fetch::Fetcher,
};

/// How much stack a thread of a host has, in bytes: the deepest chain of Workers that limits allow takes 128 levels
/// of about 3 KiB in a debug build before the handlers' own frames.
const STACK_BYTES: usize = 8 << 20;

/// How many accepted connections wait for a thread before the acceptor waits too.
const HANDED_MAX: usize = 64;

/// How long a thread leaves a connection before others are preferred to it. One that waits for I/O alone takes it up
/// within microseconds; this is what a busy machine may add.
const STUCK: Duration = Duration::from_millis(20);

/// How long the acceptor waits when all threads are full before it looks again.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// A host that serves. Dropping it stops it, as [`stop`](Self::stop) does.
pub struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

/// What the acceptor knows of a thread.
struct Thread {
    connections: mpsc::Sender<(std::net::TcpStream, SocketAddr)>,
    open: Arc<AtomicUsize>,
    /// When it was given what it may not have taken up yet.
    left_since: Option<Instant>,
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

impl Running {
    /// The address that is served.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets what runs come to its end for as long as [`EdgeOptions::drain`] says, cuts the rest,
    /// and waits for the threads.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Nobody receives it when all threads have ended by themselves.
        let _ = self.stop.send(true);
        for thread in self.threads.drain(..) {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            // Its handlers are contained, so what panicked is the drop of a Worker; the panic hook has told it.
            if thread.join().is_err() {
                tracing::error!(thread = name, "a thread of the host ended with a panic");
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Checks, binds the socket, makes the Workers on every thread, and serves once all of them are there.
pub(super) fn start(host: Host, configs: Vec<Config>, address: SocketAddr) -> Result<Running, Faults> {
    crate::panics::install_panic_hook();
    refuse_abort(cfg!(panic = "abort"))?;
    check(&host.workers, &configs)?;
    let name = configs[0].name.place().clone();
    let failed = |what: &str, error: &dyn fmt::Display| Faults::from(name.fault(what).with_received(error));
    let listener = listen(address).map_err(|error| busy(&name, address, &error))?;
    let address = listener.local_addr().map_err(|error| failed("the address cannot be read", &error))?;
    let (stop, stopped) = watch::channel(false);
    // Declared before what its threads wait for, and thus dropped after it if a thread cannot start.
    let mut running = Running { address, stop, threads: Vec::new() };
    let mut threads = Vec::new();
    let (ready, readies) = std::sync::mpsc::channel();
    let configs = Arc::new(configs);
    for number in 0..host.thread_count() {
        let (connections, incoming) = mpsc::channel(HANDED_MAX);
        let open = Arc::new(AtomicUsize::new(0));
        threads.push(Thread { connections, open: Arc::clone(&open), left_since: None });
        let (linked, configs, options) = (host.workers.clone(), Arc::clone(&configs), host.edge.clone());
        let ready = ready.clone();
        let spawned = named(format!("rpc-{number}"))
            .spawn(move || serve_thread(&linked, &configs, options, incoming, &open, ready));
        running.threads.push(spawned.map_err(|error| failed("a thread cannot be started", &error))?);
    }
    drop(ready);
    for _ in &running.threads {
        match readies.recv() {
            Ok(made) => made?,
            Err(_) => return Err(failed("a thread of the host", &"a panic while the Workers were made")),
        }
    }
    let acceptor = named("rpc-accept".to_owned()).spawn(move || accept(listener, threads, stopped));
    running.threads.push(acceptor.map_err(|error| failed("a thread cannot be started", &error))?);
    Ok(running)
}

/// A panic must end one call and not the process.
fn refuse_abort(aborts: bool) -> Result<(), Fault> {
    if !aborts {
        return Ok(());
    }
    Err(Place::nowhere("Cargo.toml")
        .fault("a program that cannot contain a panic")
        .with_expected("`panic = \"unwind\"` in the profile it is built with")
        .with_received("`panic = \"abort\"`"))
}

fn named(name: String) -> thread::Builder {
    thread::Builder::new().name(name).stack_size(STACK_BYTES)
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn busy(name: &Place, address: SocketAddr, error: &io::Error) -> Faults {
    let fault =
        name.fault("the address to serve on cannot be had").with_received(format_args!("{address}: {error}"));
    if error.kind() == io::ErrorKind::AddrInUse {
        return fault.with_help("another program has it: stop that one, or choose with `--port`").into();
    }
    fault.into()
}

/// One accepted connection after the other, each to the thread that has the fewest.
///
/// One socket, not one for each thread: with SO_REUSEPORT a listener that closes resets what waits in its queue, and
/// the kernel hands connections to threads by chance, blocked ones included.
fn accept(listener: std::net::TcpListener, mut threads: Vec<Thread>, mut stopped: watch::Receiver<bool>) {
    let runtime = match runtime() {
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
async fn hand_over(threads: &mut [Thread], mut accepted: (TcpStream, SocketAddr)) {
    while let Err(refused) = offer(threads, accepted) {
        accepted = refused;
        sleep(FULL_PAUSE).await;
    }
}

/// Gives a connection to the thread that has the fewest, of those that take up what they are given if there are
/// any: a thread that a handler keeps busy leaves it where it is.
fn offer(threads: &mut [Thread], accepted: (TcpStream, SocketAddr)) -> Result<(), (TcpStream, SocketAddr)> {
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

/// Makes the Workers of one thread, and serves the connections that it is given until there will be no more.
fn serve_thread(
    linked: &[Linked],
    configs: &[Config],
    options: EdgeOptions,
    incoming: mpsc::Receiver<(std::net::TcpStream, SocketAddr)>,
    open: &AtomicUsize,
    ready: Sender<Result<(), Faults>>,
) {
    // Where nobody is left to be told, the start has failed already.
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            let fault = configs[0].name.place().fault("the runtime of a thread cannot be made");
            return drop(ready.send(Err(fault.with_received(error).into())));
        }
    };
    let mut faults = Faults::new();
    let workers = Workers::new(linked, configs, &mut faults);
    let primary = match runtime.block_on(make(&workers, faults)) {
        Ok(primary) => primary,
        Err(faults) => return drop(ready.send(Err(faults))),
    };
    if ready.send(Ok(())).is_err() {
        return;
    }
    drop(ready);
    let (drain, background) = (options.drain, Background::of_this_thread());
    let connections = Connections::new(options, Primary(primary));
    let left = runtime.block_on(async {
        let connections = serve(connections, incoming, open).await;
        let end = Instant::now() + drain;
        connections.drain().await;
        background.drain(end).await;
        end.saturating_duration_since(Instant::now())
    });
    // Before the Workers, so that no task calls a Worker that has gone. Whatever blocks is not waited for longer.
    runtime.shutdown_timeout(left);
    drop(workers);
}

/// Makes the Workers, none of them if there are faults, and a client of the one that is served.
async fn make(workers: &Workers<'_>, mut faults: Faults) -> Result<Fetcher, Faults> {
    let makings = workers.bind(&mut faults);
    let makings = faults.result(makings)?;
    let mut faults = Faults::new();
    for (config, making) in makings {
        if let Err(error) = making.await {
            let fault = config.name.place().fault("a Worker that cannot be made");
            faults.push(fault.with_received(format_args!("`{}`: {}", *config.name, Chain(&error))));
        }
    }
    faults.result(())?;
    workers.primary().map_err(|fault| {
        let mut faults = Faults::new();
        faults.extend(fault);
        faults
    })
}

/// Takes connections until there will be no more, and gives those that are open then.
async fn serve(
    mut connections: Connections<Primary>,
    mut incoming: mpsc::Receiver<(std::net::TcpStream, SocketAddr)>,
    open: &AtomicUsize,
) -> Connections<Primary> {
    loop {
        tokio::select! {
            taken = incoming.recv(), if !connections.are_full() => {
                let Some((stream, address)) = taken else { return connections };
                let taken = TcpStream::from_std(stream).and_then(|stream| connections.take((stream, address)));
                if let Err(error) = taken {
                    open.fetch_sub(1, Ordering::Relaxed);
                    tracing::debug!(%error, "a connection cannot be served");
                }
            }
            () = connections.one_ended() => {
                open.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// The Worker that is served.
struct Primary(Fetcher);

impl Handler for Primary {
    async fn handle(&self, request: Request, _: Peer) -> Response {
        self.0.fetch(request).await.unwrap_or_else(|error| failure(&error))
    }
}

/// What a client outside of the system gets to see of an error: its class, and where the log has the rest.
fn failure(error: &Error) -> Response {
    if error.is_overloaded() || error.is_unavailable() {
        tracing::warn!(%error, "a request was refused");
        return plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "the service is overloaded or not ready; try again later",
        );
    }
    let reference = Reference::new();
    tracing::error!(%reference, error = %Chain(error), "a request failed");
    reference.into_response()
}

/// An error with what caused it: `cannot connect: connection refused`.
struct Chain<'a>(&'a Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        let mut source = std::error::Error::source(self.0);
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
