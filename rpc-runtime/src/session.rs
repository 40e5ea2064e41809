//! Calls over a stream of bytes: to another process, another machine, or the other end of a pipe.
//!
//! A session multiplexes calls both ways over one ordered stream. Whoever has such a stream can serve on it, call over
//! it, or both:
//!
//! ```
//! use rpc_runtime::{Result, serve, service};
//!
//! #[service]
//! trait Calc {
//!     async fn add(&self, a: u64, b: u64) -> Result<u64>;
//! }
//!
//! struct Calculator;
//!
//! impl Calc for Calculator {
//!     async fn add(&self, a: u64, b: u64) -> Result<u64> {
//!         Ok(a.wrapping_add(b))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
//! let (here, there) = tokio::io::duplex(64 * 1024);
//! tokio::spawn(serve(CalcClient::new(Calculator), there));
//!
//! let calc = CalcClient::connect(here).await?;
//! assert_eq!(calc.add(20, 22).await?, 42);
//! # Ok(()) }
//! ```

mod arrival;
mod contracts;
#[cfg_attr(not(feature = "net"), path = "session/no_dial.rs")]
mod dial;
mod driver;
mod explain;
mod fetch;
mod handlers;
mod longest;
mod memory;
mod outgoing;
mod port;
mod props;
mod reply;
#[cfg(feature = "net")]
mod server;
mod services;
mod shared;
mod stream;

/// What two ends say to each other, for who wants to write one of them.
///
#[doc = include_str!("proto/protocol.md")]
pub mod protocol {}

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::Handle,
};

pub(crate) use self::arrival::Failure;
#[cfg(feature = "net")]
pub(crate) use self::dial::Dialer;
#[cfg(feature = "host")]
pub(crate) use self::dial::{Found, Lookup};
#[cfg(feature = "net")]
pub use self::server::Server;
#[cfg(feature = "host")]
pub(crate) use self::server::{SESSIONS_MAX, Sessions};
pub use self::{
    arrival::{Arrival, Handled, Handler},
    port::{Port, Sending},
    services::{Serve, Served, Services},
};
use self::{
    driver::{Driver, Ways},
    shared::{Access, Shared},
};
/// The version of the protocol, for who tells others what is spoken here.
#[cfg(feature = "host")]
pub(crate) use crate::proto::VERSION as PROTOCOL;
use crate::{
    boundary::Boundary,
    client::{Binding, Inner},
    clock,
    error::{Error, Kind},
    proto::{Closing, Config, Core, HostBudget},
};

/// A stream of bytes, both ways, that a session can own: any socket, pipe or TLS stream of tokio.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no stream of bytes",
    label = "expected a type that is `AsyncRead + AsyncWrite + Send + Unpin + 'static`, such as a socket of tokio",
    note = "a client of an address is made by `at`, as in `CalcClient::at(\"tcp:localhost:4000\".parse()?)`"
)]
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

// Else rustc tells of the traits below, one after the other, and not of this one.
#[diagnostic::do_not_recommend]
impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for S {}

/// One end of a session: makes clients of what the other end serves.
///
/// Cheap to clone. The session ends when the stream does, or with [`Session::close`]; clients made from it fail then,
/// and are never connected again. One that serves nothing ends with the last of its clients and clones, too.
#[derive(Clone)]
pub struct Session(Access);

/// Moves a session: a future to spawn, or to poll beside others. Dropped, it ends the session.
#[must_use = "a session does nothing unless it is polled"]
pub struct Driving(Pin<Box<dyn Future<Output = ()> + Send>>, Arc<Shared>);

/// How a session is to be: what it serves, and what it lets its peer do.
#[derive(Clone)]
pub struct SessionOptions {
    services: Services,
    ways: Ways,
    repeats: bool,
    config: Config,
}

/// What the sessions of this process may grant to their peers for large values, in all. The protocol gives each of
/// them a quarter of it: a fifth busy one waits for the others, and the process does not run out of memory.
static HOST_BUDGET: LazyLock<HostBudget> = LazyLock::new(|| HostBudget::new(256 << 20));

impl Default for SessionOptions {
    fn default() -> Self {
        Self::of(Services::default())
    }
}

impl SessionOptions {
    /// Serves nothing; limits as their methods say.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn of(services: Services) -> Self {
        let config = Config { host: HOST_BUDGET.clone(), ..Config::default() };
        Self { services, ways: Ways::default(), repeats: false, config }
    }

    /// Serves a Worker, with what its default entrypoint declares, or what a client calls: `AuthClient::new(worker)`
    /// for a plain implementation.
    #[must_use]
    pub fn serve<M>(mut self, target: impl Serve<M>) -> Self {
        target.add_to(&mut self.services);
        self
    }

    /// Runs every handler as a task of the runtime, as `#[rpc(spawn)]` does for one method.
    ///
    /// By default handlers are polled in the task of their session, one after the other, which costs less than a task
    /// for each and suits handlers that mostly wait. One that computes for long holds up the others of its session; as
    /// tasks on a runtime of several threads they run side by side.
    #[must_use]
    pub fn spawn(mut self) -> Self {
        self.ways.spawn = true;
        self
    }

    /// Looks at every error of the runtime before it leaves this process, and says what leaves in its place: less, or
    /// more.
    ///
    /// What leaves by default is the kind with its text, the chain of Workers, and the messages of the sources; of an
    /// error that is about the program and not about a call, such as a wrong setup, nothing but a reference under which the
    /// log has it. A panic is about its call: its message leaves, with its place if [`install_panic_hook`] was called. Where
    /// peers are strangers, say here that it does not.
    ///
    /// [`install_panic_hook`]: crate::install_panic_hook
    ///
    /// ```
    /// use rpc_runtime::{Error, SessionOptions};
    ///
    /// let options = SessionOptions::new().errors(|error| match error.is_panic() {
    ///     true => Error::application("the service has failed"),
    ///     false => error.clone(),
    /// });
    /// # let _ = options;
    /// ```
    #[must_use]
    pub fn errors(mut self, told: impl Fn(&Error) -> Error + Send + Sync + 'static) -> Self {
        self.ways.hook = Some(Arc::new(told));
        self
    }

    /// How long the other end may take to say that it speaks the protocol. Default 2 s.
    #[must_use]
    pub fn handshake(mut self, limit: Duration) -> Self {
        self.config.hello_timeout = limit;
        self
    }

    /// Throws the first answer to each call of an idempotent method away and makes the call once more, as if it had been
    /// lost. For tests: whoever marks a method finds out what it does when it is called twice.
    #[doc(hidden)]
    #[must_use]
    pub fn repeating(mut self) -> Self {
        self.repeats = true;
        self
    }

    /// Takes and sends no streams, as an end of an older version. For tests: bodies travel whole then.
    #[doc(hidden)]
    #[must_use]
    pub fn without_streams(mut self) -> Self {
        self.config.streams_max = 0;
        self
    }

    /// A session over `stream`, and what moves it.
    pub fn over(self, stream: impl ByteStream) -> (Session, Driving) {
        let now = clock::now();
        let shared = Shared::new(Core::new(self.config, now), now, self.repeats);
        let services = self.services.with_contracts();
        let ways = Ways { memory: Arc::default(), ..self.ways };
        let driver = Driver::new(Arc::clone(&shared), stream, services, ways);
        (Session(Access::new(Arc::clone(&shared))), Driving(Box::pin(driver), shared))
    }

    /// Believes the other end what it says in the name of a configuration: the props of its bindings.
    #[cfg(feature = "net")]
    pub(crate) fn trusting(mut self, peer: &crate::transport::Peer) -> Self {
        self.ways.trusts = peer.is_this_user();
        self
    }

    /// The same, moved by a task of the current runtime.
    ///
    /// # Errors
    ///
    /// There is no tokio runtime.
    pub fn start(self, stream: impl ByteStream) -> Result<Session, Error> {
        let runtime = Handle::try_current().map_err(|_| Error::new(Kind::Setup(NO_RUNTIME.into())))?;
        let (session, driving) = self.over(stream);
        runtime.spawn(driving);
        Ok(session)
    }
}

const NO_RUNTIME: &str = "a session is moved by a task of a tokio runtime, and there is none here: connect inside of \
                          one, or poll what `SessionOptions::over` gives";

/// Serves a Worker, or what a client calls, to the other end of `stream`, until one of the two ends it.
///
/// See [`SessionOptions`] for more to say about it.
///
/// # Errors
///
/// Why the session ended, unless one of the two ends meant it: the other end said so, or closed the stream while nobody
/// here waited for an answer of it.
///
/// # Cancel safety
///
/// Dropping the future ends the session: handlers are cancelled, and callers get
/// [`is_disconnected`](Error::is_disconnected).
pub async fn serve<M>(target: impl Serve<M>, stream: impl ByteStream) -> Result<(), Error> {
    let (session, driving) = SessionOptions::new().serve(target).over(stream);
    driving.await;
    session.outcome()
}

impl Session {
    /// A client of a service that the other end serves. The service is opened by the first call.
    #[must_use]
    pub fn client<C: Boundary>(&self) -> C {
        let port = Port::over(self.0.clone(), C::INFO);
        C::__from_inner(Inner::new(C::proxy(port), Binding::elsewhere("the other end of a stream")))
    }

    /// Ends the session: calls that run on either side are cancelled.
    pub fn close(&self) {
        self.0.close(Closing { why: "closed by the program".to_owned() });
    }

    /// Refuses new calls of the other end as [unavailable](Error::is_unavailable), and lets those that run go on. The
    /// session ends when they have.
    pub fn drain(&self) {
        self.0.lock().core.drain("the host is shutting down");
        self.0.wake();
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_over()
    }

    fn outcome(&self) -> Result<(), Error> {
        match &self.0.lock().over {
            Some(closed) if !closed.in_order => {
                Err(Error::new(Kind::Disconnected(closed.why.clone().into())))
            }
            _ => Ok(()),
        }
    }
}

impl Future for Driving {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        self.1.abandon();
    }
}

impl fmt::Debug for SessionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionOptions")
            .field("services", &self.services)
            .field("spawn", &self.ways.spawn)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl fmt::Debug for Driving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driving").finish_non_exhaustive()
    }
}

/// A client over a stream, moved by a task.
///
/// # Errors
///
/// As the `connect` of every client says.
pub async fn connect<C: Boundary>(stream: impl ByteStream) -> Result<C, Error> {
    let session = SessionOptions::new().start(stream)?;
    poll_fn(|cx| session.0.poll_greeted(cx)).await?;
    Ok(session.client())
}

/// A client of what is served at an address.
#[cfg(feature = "net")]
pub fn at<C: Boundary>(address: crate::transport::Address) -> C {
    let target = address.to_string();
    let port = Port::to(Dialer::new(address), C::INFO);
    C::__from_inner(Inner::new(C::proxy(port), Binding::elsewhere(target)))
}

#[cfg(test)]
mod tests;
