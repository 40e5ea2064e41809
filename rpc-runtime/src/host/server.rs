//! The threads of a host, from its start to its end.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use http::StatusCode;
use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
    sync::watch,
};

use super::{
    Host, Linked,
    acceptor::{self, Arrivals, ForSession, Given, Http, Stage},
    apart::Apart,
    background::Background,
    directory::{Advice, Checked, Published, Taken, Wish, Workers, check},
    making::{Makings, Patience},
    registered,
    requests::Requests,
    shared::Shared,
    sockets::Sockets,
    supervisor::{HOLD, Supervisor},
};
use crate::{
    Client as _, Request, Response,
    chain::Chain,
    config::{Config, Fault, Faults, Located, Place},
    edge::{BodyTooLong, Connections, EdgeOptions, Handler, Peer},
    error::{Error, Reference},
    fetch::Fetcher,
    registry::{self, Registry},
    session::{SESSIONS_MAX, Services, SessionOptions, Sessions},
    transport::{self, Address, Listener},
    watch::Pulse,
};

/// How much stack a thread of a host has, in bytes: the deepest chain of Workers that limits allow takes 128 levels
/// of about 3 KiB in a debug build before the handlers' own frames.
const STACK_BYTES: usize = 8 << 20;

/// A host that serves. Dropping it stops it, as [`stop`](Self::stop) does.
pub struct Running {
    address: Option<SocketAddr>,
    listening: Vec<Address>,
    configs: Arc<Vec<Config>>,
    taken: Vec<Taken>,
    registry: Option<Registry>,
    apart: Option<Apart>,
    stage: watch::Sender<Stage>,
    threads: Vec<JoinHandle<()>>,
    supervisor: Option<Supervisor>,
    /// Given up when no more connections for HTTP are accepted.
    #[cfg_attr(not(feature = "watch"), expect(dead_code, reason = "nobody else waits for it"))]
    accepting: Receiver<()>,
    /// Given up by every thread when it serves no HTTP any more.
    closing: Receiver<()>,
    /// Given up by every thread when it ends.
    alive: Receiver<()>,
    drain: Duration,
}

/// How much longer than running requests have may pass before threads that have not ended are left behind.
const END: Duration = Duration::from_secs(1);

/// How a host is started.
#[derive(Default)]
pub(super) struct Plan {
    /// Where HTTP is served, if it is.
    pub(super) http: Option<Requests>,
    /// Where Workers of other processes are found, and find those of this one.
    pub(super) registry: Option<Registry>,
    /// Whether it is served to who develops it, who is told who is not there and what to start.
    pub(super) is_development: bool,
    /// What it inherits from a process before it, and leaves to one after it.
    pub(super) sockets: Arc<Sockets>,
}

impl Running {
    /// The address where the first Worker is served over HTTP; `None` if it is not.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The addresses where Workers are served to other processes: each `listen`, in the order of the configurations. A
    /// port of 0 has become the one that was given.
    #[must_use]
    pub fn listening(&self) -> &[Address] {
        &self.listening
    }

    pub(super) fn registry(&self) -> Option<&Registry> {
        self.registry.as_ref()
    }

    pub(super) fn configs(&self) -> &Arc<Vec<Config>> {
        &self.configs
    }

    pub(super) fn taken(&self) -> &[Taken] {
        &self.taken
    }

    /// Stops accepting, lets requests, calls of other processes and then the work of
    /// [`wait_until`](crate::Ctx::wait_until) come to their end for as long as [`EdgeOptions::drain`] says, cuts the
    /// rest, drops the Workers and waits for the threads.
    ///
    /// A thread that a handler holds cannot be ended. It is left behind 1 s after that, with an error in the log that
    /// names the Worker and the method, and ends with the process.
    pub fn stop(self) {
        drop(self);
    }

    /// Begins to [`stop`](Self::stop), and returns when no further request is taken up.
    #[cfg(feature = "watch")]
    pub(super) fn stop_accepting(&self) {
        self.stage.send_replace(Stage::Closing(Instant::now() + self.drain));
        // Nobody sends anything; it is given up when the socket is closed.
        let _ = self.accepting.recv_timeout(END);
    }

    fn end(&mut self) {
        let end = Instant::now() + self.drain;
        if let Some(apart) = self.apart.take() {
            // In this order, because requests that run need these processes, which need this one to come to their end.
            self.stage.send_replace(Stage::Closing(end));
            // Nobody sends anything; the last thread gives it up.
            let _ = self.closing.recv_timeout(self.drain);
            apart.end(end);
        }
        // Nobody is to find what will refuse calls.
        drop(self.registry.take());
        self.stage.send_replace(Stage::Ending(end));
        let left = (end + END).saturating_duration_since(Instant::now());
        if self.alive.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
            let supervisor = self.supervisor.as_ref();
            self.threads.retain(|thread| thread.is_finished() || leave_behind(thread, supervisor));
        }
        for thread in self.threads.drain(..) {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            // Its handlers are contained, so what panicked is the drop of a Worker; the panic hook has told it.
            if thread.join().is_err() {
                tracing::error!(thread = name, "a thread of the host ended with a panic");
            }
        }
    }
}

/// Says who holds a thread that does not end. Nobody waits for it.
fn leave_behind(thread: &JoinHandle<()>, supervisor: Option<&Supervisor>) -> bool {
    let name = thread.thread().name().unwrap_or_default();
    match supervisor.and_then(|supervisor| supervisor.holder(name)) {
        Some(held) => tracing::error!(
            worker = %held.worker(),
            method = %held.method(),
            thread = %name,
            "a handler holds its thread, which is left behind, because the host stops",
        ),
        None => tracing::error!(
            thread = %name,
            "a thread does not end, and is left behind, because the host stops"
        ),
    }
    false
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("address", &self.address)
            .field("listening", &self.listening)
            .finish_non_exhaustive()
    }
}

/// Checks, binds the sockets, makes the Workers on every thread, and serves once all of them are there.
pub(super) fn start(host: Host, configs: Vec<Config>, plan: Plan) -> Result<Running, Faults> {
    crate::panics::install_panic_hook();
    refuse_abort(cfg!(panic = "abort"))?;
    let found = plan.registry.as_ref().map(Registry::shared);
    let need = plan.http.as_ref().map(|requests| requests.need);
    let wish = Wish { http: need, registry: found, publishes: true, advice: Advice::Give };
    let Checked { answers, taken, published } = check(&host.workers, &host.shared, &configs, wish)?;
    if let Some(registry) = &plan.registry {
        registered::refuse_taken(registry, &published)?;
    }
    let (found, published) = (found.cloned(), Arc::new(published));
    let name = configs[0].name.place().clone();
    let failed = |what: &str, error: &dyn fmt::Display| Faults::from(name.fault(what).with_received(error));
    let edge = host.edge.clone().bounded();
    let http = match plan.http.filter(|_| answers) {
        Some(requests) => Some(requests.listen(&plan.sockets)?),
        None => None,
    };
    let address = http.as_ref().map(std::net::TcpListener::local_addr).transpose();
    let address = address.map_err(|error| failed("the address cannot be read", &error))?;
    let (stage, stages) = watch::channel(Stage::Serving);
    let (lives, alive) = mpsc::channel();
    let (serves, closing) = mpsc::channel();
    let (accepts, accepting) = mpsc::channel();
    let configs = Arc::new(configs);
    // Declared before what its threads wait for, and thus dropped after it if a thread cannot start.
    let mut running = Running {
        address,
        listening: Vec::new(),
        configs: Arc::clone(&configs),
        taken,
        registry: plan.registry,
        apart: None,
        stage,
        threads: Vec::new(),
        supervisor: None,
        accepting,
        closing,
        alive,
        drain: edge.drain,
    };
    // Dropped before it: whoever leaves early waits for the threads that there are, and for nobody else.
    let (lives, serves) = (lives, serves);
    let (bound, bounds) = mpsc::channel();
    let (go, going) = mpsc::channel();
    let acceptor = {
        let (configs, published) = (Arc::clone(&configs), Arc::clone(&published));
        let (lives, stage, sockets) = (lives.clone(), stages.clone(), Arc::clone(&plan.sockets));
        named("rpc-accept".to_owned()).spawn(move || {
            let http = http.map(|listener| (listener, accepts));
            accept(&configs, &published, &sockets, http, bound, going, stage);
            drop(lives);
        })
    };
    running.threads.push(acceptor.map_err(|error| failed("a thread cannot be started", &error))?);
    running.listening = match bounds.recv() {
        Ok(bound) => bound?,
        Err(_) => return Err(failed("a thread of the host", &"a panic while sockets were bound")),
    };
    if let Some(registry) = &running.registry {
        // Before the Workers of this process are made, which may call them then.
        running.apart = Some(Apart::start(&configs, registry, plan.sockets.takes_over())?);
    }
    let mut threads = Vec::new();
    let makings = Arc::<Makings>::default();
    let (ready, readies) = mpsc::channel();
    for number in 0..host.thread_count() {
        let (thread, given) = acceptor::thread();
        threads.push(thread);
        let parts = Parts {
            linked: host.workers.clone(),
            shared: host.shared.clone(),
            configs: Arc::clone(&configs),
            registry: found.clone(),
            is_development: plan.is_development,
            makings: Arc::clone(&makings),
        };
        let (options, ready) = (answers.then(|| edge.clone()), ready.clone());
        let (lives, told) = (lives.clone(), Told { stages: stages.clone(), serves: serves.clone() });
        #[cfg(feature = "fetch")]
        let outside = host.outside.clone();
        let spawned = named(format!("rpc-{number}")).spawn(move || {
            #[cfg(feature = "fetch")]
            outside.serve_this_thread();
            serve_thread(&parts, options, given, told, ready);
            drop(lives);
        });
        running.threads.push(spawned.map_err(|error| failed("a thread cannot be started", &error))?);
    }
    drop((ready, lives, serves));
    let mut pulses = Vec::new();
    let mut patience = Patience::new(&makings, plan.is_development);
    for _ in &threads {
        match patience.receive(&readies) {
            Ok(made) => pulses.push(made?),
            Err(_) => return Err(failed("a thread of the host", &"a panic while the Workers were made")),
        }
    }
    if let Some(registry) = &running.registry {
        registered::publish(registry, &published)?;
    }
    let supervisor = Supervisor::start(pulses, host.hold.unwrap_or(HOLD));
    running.supervisor = Some(supervisor.map_err(|error| failed("a thread cannot be started", &error))?);
    // It waits for nothing else, so it is there.
    let _ = go.send(threads);
    Ok(running)
}

/// Binds what the configurations listen at and where others find them, and hands over what is accepted there and by
/// `http` once there are threads.
///
/// On a thread of its own from the beginning, because a socket stays with the runtime that bound it, and whoever starts
/// the host may be inside of one.
fn accept(
    configs: &[Config],
    published: &[Published],
    sockets: &Sockets,
    http: Option<(std::net::TcpListener, Sender<()>)>,
    bound: Sender<Result<Vec<Address>, Faults>>,
    going: Receiver<Vec<acceptor::Thread>>,
    stages: watch::Receiver<Stage>,
) {
    let listeners = runtime().map_err(|error| {
        let fault = configs[0].name.place().fault("the runtime of a thread cannot be made");
        Faults::from(fault.with_received(error))
    });
    let listeners = listeners.and_then(|runtime| {
        let listeners = runtime.block_on(bind(configs, published, sockets))?;
        Ok((runtime, listeners))
    });
    let (runtime, listeners) = match listeners {
        Ok(listeners) => listeners,
        // Where nobody is left to be told, the start has failed already; here and below.
        Err(faults) => return drop(bound.send(Err(faults))),
    };
    let configured = &listeners[..listeners.len() - published.len()];
    if bound.send(Ok(configured.iter().map(|listener| listener.local_address().clone()).collect())).is_err() {
        return;
    }
    let Ok(threads) = going.recv() else { return };
    runtime.block_on(acceptor::accept(http, listeners, threads, stages));
}

/// Every `listen` of every configuration, and the sockets of what is published; all faults at once.
async fn bind(
    configs: &[Config],
    published: &[Published],
    sockets: &Sockets,
) -> Result<Vec<Listener>, Faults> {
    let mut faults = Faults::new();
    let mut listeners = Vec::new();
    for address in configs.iter().flat_map(|config| &config.listen) {
        match bind_or_inherit(address, sockets).await {
            Ok(listener) => listeners.push(listener),
            Err(error) => faults.push(not_bound(address, &error)),
        }
    }
    for published in published {
        match Listener::bind(&published.address).await {
            Ok(listener) => listeners.push(listener),
            Err(error) => faults.push(registered::not_bound(published, &error)),
        }
    }
    faults.result(listeners)
}

/// The socket of the process before, if that had one for this address.
async fn bind_or_inherit(address: &Address, sockets: &Sockets) -> Result<Listener, transport::Error> {
    let name = format!("listen {address}");
    let inherited = match sockets.inherit(&name) {
        Some(socket) => Listener::inherit(address, socket)?,
        None => None,
    };
    let is_inherited = inherited.is_some();
    let mut listener = match inherited {
        Some(listener) => listener,
        None => Listener::bind(address).await?,
    };
    match sockets.keep(&name, listener.socket(), is_inherited) {
        Ok(left) => listener.leave_file_if(left),
        Err(error) => tracing::error!(%error, "a socket cannot be kept for the next process"),
    }
    Ok(listener)
}

fn not_bound(address: &Located<Address>, error: &transport::Error) -> Fault {
    let fault = address.place().fault("an address that cannot be listened at").with_received(Chain(error));
    if error.is_in_use() {
        fault.with_help("stop the one that listens there, or choose another address")
    } else {
        fault
    }
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

/// What a thread makes its Workers of.
struct Parts {
    linked: Vec<Linked>,
    shared: Shared,
    configs: Arc<Vec<Config>>,
    registry: Option<Arc<registry::Shared>>,
    is_development: bool,
    makings: Arc<Makings>,
}

/// How a thread learns of its end, and tells of it.
struct Told {
    stages: watch::Receiver<Stage>,
    /// Given up when no HTTP is served any more.
    serves: Sender<()>,
}

/// Makes the Workers of one thread, and serves the connections that it is given until there will be no more. Without
/// `options` none of them speaks HTTP.
fn serve_thread(
    Parts { linked, shared, configs, registry, is_development, makings }: &Parts,
    options: Option<EdgeOptions>,
    given: Given,
    Told { stages, serves }: Told,
    ready: Sender<Result<(String, Arc<Pulse>), Faults>>,
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
    let workers = Workers::new(linked, shared, configs, registry.as_ref(), &mut faults).running();
    if let Err(faults) = runtime.block_on(make(&workers, makings, faults)) {
        return drop(ready.send(Err(faults)));
    }
    let name = thread::current().name().unwrap_or_default().to_owned();
    if ready.send(Ok((name, Pulse::of_this_thread()))).is_err() {
        return;
    }
    drop(ready);
    let background = Background::of_this_thread();
    let primary = options.and_then(|options| {
        let name = configs[0].name.to_string();
        let primary = Primary { name, fetcher: workers.primary()?, is_development: *is_development };
        Some(Connections::new(options, primary))
    });
    let served = workers.served(registry.is_some());
    let serving = async {
        let Given { http, sessions } = given;
        let http = async {
            if let Some(connections) = serve_http(primary, http, stages.clone()).await {
                // Read before it is waited for: while somebody reads the stage it cannot be changed, and whoever changes it
                // holds its thread until then.
                let end = stages.borrow().end();
                connections.drain(end).await;
            }
            let stage = *stages.borrow();
            if let Stage::Closing(end) = stage {
                // What requests have left to be done may call processes that are ended next.
                background.settle(end).await;
            }
            drop(serves);
        };
        let sessions = async {
            let sessions = serve_sessions(served, sessions, stages.clone()).await;
            let end = stages.borrow().end();
            sessions.drain(end.into()).await;
        };
        tokio::join!(http, sessions);
        let end = stages.borrow().end();
        background.drain(end).await;
        end.saturating_duration_since(Instant::now())
    };
    let left = runtime.block_on(async {
        tokio::select! {
            left = serving => left,
            () = workers.rebuild() => unreachable!("it never ends"),
        }
    });
    // Before the Workers, so that no task calls a Worker that has gone. Whatever blocks is not waited for longer.
    runtime.shutdown_timeout(left);
    drop(workers);
}

/// Makes the Workers, none of them if there are faults.
async fn make(workers: &Workers<'_>, makings: &Makings, mut faults: Faults) -> Result<(), Faults> {
    let all = workers.bind(&mut faults, |_, _| {});
    let all = faults.result(all)?;
    let mut faults = Faults::new();
    for (config, making) in all {
        if let Err(error) = makings.make(&config.name, making).await {
            let fault = config.name.place().fault("a Worker that cannot be made");
            faults.push(fault.with_received(format_args!("`{}`: {}", *config.name, Chain(&error))));
        }
    }
    faults.result(())
}

/// Takes connections until there will be no more, and gives those that are open then.
async fn serve_http(
    connections: Option<Connections<Primary>>,
    mut given: Arrivals<Http>,
    mut stages: watch::Receiver<Stage>,
) -> Option<Connections<Primary>> {
    let mut connections = connections?;
    let mut drains = false;
    loop {
        tokio::select! {
            // Where there is no room, what waits is taken when these have ended.
            _ = stages.wait_for(|stage| stage.is_closing()), if !drains => {
                drains = true;
                connections.begin_to_drain();
            }
            taken = given.next(), if !connections.are_full() => {
                let Some((stream, address)) = taken else { return Some(connections) };
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

/// The same for sessions, each with what is served to those of its listener.
async fn serve_sessions(
    served: Vec<Services>,
    mut given: Arrivals<ForSession>,
    mut stages: watch::Receiver<Stage>,
) -> Sessions {
    let mut sessions = Sessions::default();
    loop {
        tokio::select! {
            // Where there is no room, none will be taken any more.
            _ = stages.wait_for(|stage| stage.is_ending()), if sessions.len() >= SESSIONS_MAX => return sessions,
            taken = given.next(), if sessions.len() < SESSIONS_MAX => {
                let Some((listener, stream, peer)) = taken else { return sessions };
                let options = || SessionOptions::of(served[listener].clone()).trusting(&peer);
                match stream.attach() {
                    Ok(stream) => sessions.add(options().over(stream)),
                    Err(error) => {
                        given.ended();
                        tracing::debug!(%error, "a connection cannot be served");
                    }
                }
            }
            () = sessions.one_ended() => given.ended(),
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// The Worker that is served.
struct Primary {
    name: String,
    fetcher: Fetcher,
    /// Whether it is served to who develops it: by the command `dev`.
    is_development: bool,
}

impl Handler for Primary {
    // No `async fn`, which would keep the request a second time beside the future that it is moved into.
    fn handle(&self, request: Request, _: Peer) -> impl Future<Output = Response> + Send {
        let answered = self.fetcher.fetch(request);
        async { answered.await.unwrap_or_else(|error| failure(&error, self.is_development)) }
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
}

/// What a client outside of the system gets to see of an error: its class, and where the log has the rest. Who
/// develops is told who is not there as well, and what to start.
fn failure(error: &Error, is_development: bool) -> Response {
    let reference = Reference::new();
    if error.tells_of_overload() || error.absence().is_some() {
        tracing::warn!(%reference, error = %Chain(error), "a request was refused");
        let told = error.absence().filter(|_| is_development);
        let told = told.unwrap_or("the service is overloaded or not ready, try again later");
        return reference.into_response(StatusCode::SERVICE_UNAVAILABLE, told);
    }
    if error.tells_of_long_body() {
        tracing::warn!(%reference, error = %Chain(error), "a request failed");
        let mut response = reference.into_failure();
        response.extensions_mut().insert(BodyTooLong);
        return response;
    }
    tracing::error!(%reference, error = %Chain(error), "a request failed");
    reference.into_failure()
}

#[cfg(test)]
mod tests;
