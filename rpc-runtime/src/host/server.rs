//! The threads of a host, from its start to its end.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use http::StatusCode;
use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
    sync::watch,
};

use super::{
    Host, Linked,
    acceptor::{self, Given},
    background::Background,
    directory::{Workers, check},
};
use crate::{
    Client as _, Request, Response,
    config::{Config, Fault, Faults, Place},
    edge::{Connections, EdgeOptions, Handler, Peer},
    error::{Error, Reference},
    fetch::Fetcher,
};

/// How much stack a thread of a host has, in bytes: the deepest chain of Workers that limits allow takes 128 levels
/// of about 3 KiB in a debug build before the handlers' own frames.
const STACK_BYTES: usize = 8 << 20;

/// A host that serves. Dropping it stops it, as [`stop`](Self::stop) does.
pub struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    /// The address that is served.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets requests and then the work of [`wait_until`](crate::Ctx::wait_until) come to their end for
    /// as long as [`EdgeOptions::drain`] says, cuts the rest, drops the Workers and waits for the threads.
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
    let (ready, readies) = mpsc::channel();
    let configs = Arc::new(configs);
    for number in 0..host.thread_count() {
        let (thread, given) = acceptor::thread();
        threads.push(thread);
        let (linked, configs, options) = (host.workers.clone(), Arc::clone(&configs), host.edge.clone());
        let ready = ready.clone();
        let spawned = named(format!("rpc-{number}"))
            .spawn(move || serve_thread(&linked, &configs, options, given, ready));
        running.threads.push(spawned.map_err(|error| failed("a thread cannot be started", &error))?);
    }
    drop(ready);
    for _ in &running.threads {
        match readies.recv() {
            Ok(made) => made?,
            Err(_) => return Err(failed("a thread of the host", &"a panic while the Workers were made")),
        }
    }
    let acceptor = named("rpc-accept".to_owned()).spawn(move || acceptor::accept(listener, threads, stopped));
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

/// Makes the Workers of one thread, and serves the connections that it is given until there will be no more.
fn serve_thread(
    linked: &[Linked],
    configs: &[Config],
    options: EdgeOptions,
    given: Given,
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
        let connections = serve(connections, given).await;
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
    let makings = workers.bind(&mut faults, |_| {});
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
async fn serve(mut connections: Connections<Primary>, mut given: Given) -> Connections<Primary> {
    loop {
        tokio::select! {
            taken = given.next(), if !connections.are_full() => {
                let Some((stream, address)) = taken else { return connections };
                let taken = TcpStream::from_std(stream).and_then(|stream| connections.take((stream, address)));
                if let Err(error) = taken {
                    given.ended();
                    tracing::debug!(%error, "a connection cannot be served");
                }
            }
            () = connections.one_ended() => given.ended(),
        }
    }
}

pub(super) fn runtime() -> io::Result<Runtime> {
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
    let reference = Reference::new();
    if error.tells_of_overload() || error.is_unavailable() {
        tracing::warn!(%reference, error = %Chain(error), "a request was refused");
        return reference.into_response(
            StatusCode::SERVICE_UNAVAILABLE,
            "the service is overloaded or not ready, try again later",
        );
    }
    tracing::error!(%reference, error = %Chain(error), "a request failed");
    reference.into_failure()
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

#[cfg(test)]
mod tests;
