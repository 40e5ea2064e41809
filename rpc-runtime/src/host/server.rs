//! The threads of a host, and the socket before them.

use std::{
    fmt, io,
    net::SocketAddr,
    panic,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use http::StatusCode;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::{mpsc, oneshot, watch},
};

use super::{
    Host, Linked,
    directory::{Workers, check},
};
use crate::{
    Client as _, Request, Response,
    config::{Config, Fault, Faults},
    edge::{Acceptor, Connections, EdgeOptions, Handler, Peer, Reference, plain},
    error::Error,
    fetch::Fetcher,
};

/// How much stack a thread of a host has, in bytes: the deepest chain of Workers that limits allow takes 128 levels
/// of about 3 KiB in a debug build before the handlers' own frames.
const STACK_BYTES: usize = 8 << 20;

/// How many accepted connections wait for a thread before the acceptor waits too.
const HANDED_MAX: usize = 64;

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
            if let Err(payload) = thread.join()
                && !thread::panicking()
            {
                panic::resume_unwind(payload);
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
    let Some(first) = configs.first() else { return Err(Faults::from(nothing_to_run())) };
    let name = first.name.place().clone();
    check(&host.workers, &configs)?;
    let failed = |what: &str, error: &dyn fmt::Display| Faults::from(name.fault(what).with_received(error));
    if cfg!(panic = "abort") {
        let fault = name.fault("a program that cannot contain a panic");
        return Err(fault.with_expected("`panic = \"unwind\"` in the profile it is built with").into());
    }
    let listener = listen(address).map_err(|error| busy(&name, address, &error))?;
    let address = listener.local_addr().map_err(|error| failed("the address cannot be read", &error))?;
    let (stop, stopped) = watch::channel(false);
    let configs = Arc::new(configs);
    let mut running = Running { address, stop, threads: Vec::new() };
    let mut threads = Vec::new();
    let mut readies = Vec::new();
    for number in 0..host.thread_count() {
        let (connections, incoming) = mpsc::channel(HANDED_MAX);
        let (ready, is_ready) = oneshot::channel();
        let open = Arc::new(AtomicUsize::new(0));
        threads.push(Thread { connections, open: Arc::clone(&open) });
        readies.push(is_ready);
        let (linked, configs, options) = (host.workers.clone(), Arc::clone(&configs), host.edge.clone());
        let spawned = named(format!("rpc-{number}"))
            .spawn(move || serve_thread(&linked, &configs, options, incoming, &open, ready));
        running.threads.push(spawned.map_err(|error| failed("a thread cannot be started", &error))?);
    }
    for is_ready in readies {
        match is_ready.blocking_recv() {
            Ok(Ok(())) => {}
            Ok(Err(faults)) => return Err(faults),
            Err(_) => return Err(failed("a thread of the host", &"a panic while the Workers were made")),
        }
    }
    let acceptor = named("rpc-accept".to_owned()).spawn(move || accept(listener, threads, stopped));
    running.threads.push(acceptor.map_err(|error| failed("a thread cannot be started", &error))?);
    Ok(running)
}

fn named(name: String) -> thread::Builder {
    thread::Builder::new().name(name).stack_size(STACK_BYTES)
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn busy(name: &crate::config::Place, address: SocketAddr, error: &io::Error) -> Faults {
    let fault =
        name.fault("the address to serve on cannot be had").with_received(format_args!("{address}: {error}"));
    if error.kind() == io::ErrorKind::AddrInUse {
        return fault.with_help("another program has it: stop that one, or choose with `--port`").into();
    }
    fault.into()
}

fn nothing_to_run() -> Fault {
    crate::config::Place::nowhere("the command line")
        .fault("nothing to run")
        .with_expected("the configuration of at least one Worker")
        .with_help("name it with `-c worker.toml`")
}

/// One accepted connection after the other, each to the thread that has the fewest.
///
/// One socket, not one for each thread: with SO_REUSEPORT a listener that closes resets what waits in its queue, and
/// the kernel hands connections to threads by chance, blocked ones included.
fn accept(listener: std::net::TcpListener, threads: Vec<Thread>, mut stopped: watch::Receiver<bool>) {
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
            hand_over(&threads, accepted).await;
        }
        for accepted in acceptor.close() {
            hand_over(&threads, accepted).await;
        }
        // The threads drain when the last of these senders is gone.
    });
}

async fn hand_over(threads: &[Thread], (stream, address): (TcpStream, SocketAddr)) {
    let Some(thread) = threads.iter().min_by_key(|thread| thread.open.load(Ordering::Relaxed)) else {
        return;
    };
    // A socket that the reactor will not let go is of no use to another thread.
    let Ok(stream) = stream.into_std() else { return };
    thread.open.fetch_add(1, Ordering::Relaxed);
    // A thread that is gone has panicked; `Running` tells when it is stopped.
    let _ = thread.connections.send((stream, address)).await;
}

/// Makes the Workers of one thread, and serves the connections that it is given until there will be no more.
fn serve_thread(
    linked: &[Linked],
    configs: &[Config],
    options: EdgeOptions,
    mut incoming: mpsc::Receiver<(std::net::TcpStream, SocketAddr)>,
    open: &AtomicUsize,
    ready: oneshot::Sender<Result<(), Faults>>,
) {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            let fault = configs[0].name.place().fault("the runtime of a thread cannot be made");
            // The other end is gone only if the start has failed already.
            let _ = ready.send(Err(fault.with_received(error).into()));
            return;
        }
    };
    runtime.block_on(async {
        let mut faults = Faults::new();
        let workers = Workers::new(linked, configs, &mut faults);
        for (config, making) in workers.bind(&mut faults) {
            if let Err(error) = making.await {
                let fault = config.name.place().fault("a Worker that cannot be made");
                faults.push(fault.with_received(format_args!("`{}`: {error}", *config.name)));
            }
        }
        let primary = match (faults.result(()), workers.primary()) {
            (Ok(()), Ok(primary)) => primary,
            (Err(faults), _) => return drop(ready.send(Err(faults))),
            (Ok(()), Err(fault)) => return drop(ready.send(Err(fault.into()))),
        };
        let mut connections = Connections::new(options, Primary(primary));
        if ready.send(Ok(())).is_err() {
            return;
        }
        loop {
            tokio::select! {
                taken = incoming.recv(), if !connections.are_full() => match taken {
                    Some((stream, address)) => match TcpStream::from_std(stream) {
                        Ok(stream) => connections.take((stream, address)),
                        Err(error) => {
                            open.fetch_sub(1, Ordering::Relaxed);
                            tracing::error!(%error, "a connection cannot be served");
                        }
                    },
                    None => break,
                },
                () = connections.one_ended() => {
                    open.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
        connections.drain().await;
    });
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
    tracing::error!(%reference, %error, sources = %sources(error), "a request failed");
    reference.into_response()
}

fn sources(error: &Error) -> String {
    let first = std::error::Error::source(error);
    let sources: Vec<_> =
        std::iter::successors(first, |source| (*source).source()).map(ToString::to_string).collect();
    sources.join(": ")
}
