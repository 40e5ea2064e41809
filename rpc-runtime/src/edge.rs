//! HTTP/1.1 and HTTP/2 on a listening socket, for a client nobody trusts.
//!
//! hyper reads and writes the messages; this module stands before and behind it. Before the
//! handler is asked, a request is checked for everything two parties could read in two ways
//! (where it ends, whom it is for), must arrive in time, and its body must keep coming. Behind the
//! handler, a panic becomes a 500 with a reference to the log, and an answer leaves the connection
//! in a state that is known: kept, closed, or handed to another protocol.
//!
//! It knows nothing of Workers: a host is built on it, and a program that only wants a socket
//! served can use it alone.
//!
//! ```no_run
//! use http::{Request, Response};
//! use rpc_runtime::Body;
//! use rpc_runtime::edge::{self, EdgeOptions};
//! use tokio::net::TcpListener;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:8787").await?;
//! let handler = async |request: Request<Body>| {
//!     Response::new(Body::from(format!("you asked for {}", request.uri().path())))
//! };
//! let stop = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
//! edge::serve(listener, EdgeOptions::default(), handler, stop).await;
//! # Ok(())
//! # }
//! ```
//!
//! # What is refused
//!
//! | input | answer |
//! | --- | --- |
//! | no `Host` in HTTP/1.1, two, not a host name, not the host of the target | 400 |
//! | `Content-Length` twice, beside `Transfer-Encoding`, not a plain number | 400 |
//! | a transfer coding other than `chunked` | 501; `chunked` not last or not once: 400 |
//! | a line of a head that ends in LF alone, goes on in the next, holds NUL or CR | 400 |
//! | a `#` in the target | 400 |
//! | chunks that do not add up | the body ends with an error, 400 if the handler says nothing better |
//! | a head, a target, a number of headers that is too large | 431, 414, 431 |
//! | a head that does not come in time, an idle connection | closed |
//! | a body that does not come in time | its reader gets an error, 408 |
//! | a client that takes its answer too slowly | closed |
//!
//! What speaks of the connection (`Connection` and what it names, `Keep-Alive`, `TE`, `Transfer-Encoding`, `Upgrade`,
//! `Proxy-*`) is taken out of requests and answers, except where another protocol is asked for or granted, which an
//! [`Upgraded`](crate::Upgraded) in the answer speaks. The `Content-Length` of an answer is that of its body.
//! `Connection: close` in an answer closes the connection.
//!
//! `Forwarded` and `X-Forwarded-*` pass as they came, and nothing here believes them: [`Peer`] is who has connected. A
//! handler that reads them must know that a proxy before this server has written them.
//!
//! After each refusal the connection is closed, and what the client still sends is read and
//! dropped for a moment, so that it gets to see the answer.

mod accept;
mod alarm;
mod connection;
mod exchange;
mod framing;
mod head;
mod options;
mod pace;
mod request_body;
mod stopping;
mod transport;
mod tunnel;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{timeout, timeout_at};

pub use self::options::EdgeOptions;

pub(crate) use self::{accept::Acceptor, exchange::BodyTooLong};

use self::stopping::Stopping;
use crate::Body;

/// Answers requests.
///
/// Every `Fn(Request<Body>) -> impl Future<Output = Response<Body>>` is a handler; implement the
/// trait to see who asks:
///
/// ```
/// use http::{Request, Response};
/// use rpc_runtime::Body;
/// use rpc_runtime::edge::{Handler, Peer};
///
/// struct WhoAmI;
///
/// impl Handler for WhoAmI {
///     async fn handle(&self, _: Request<Body>, peer: Peer) -> Response<Body> {
///         Response::new(Body::from(peer.address().to_string()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer requests",
    note = "a handler is a `Fn(http::Request<rpc_runtime::Body>) -> impl Future<Output = http::Response<rpc_runtime::Body>> + Send`, itself `Send + Sync + 'static`"
)]
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    ///
    /// The future is dropped when the client goes away: at once over HTTP/2, over HTTP/1 as soon
    /// as that can be seen, which is when nothing the client sent is left unread.
    fn handle(&self, request: Request<Body>, peer: Peer) -> impl Future<Output = Response<Body>> + Send;

    /// What the log calls it where a request fails: the name of the Worker, in a host. Nothing by default.
    fn name(&self) -> Option<&str> {
        None
    }
}

impl<F, A> Handler for F
where
    F: Fn(Request<Body>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send,
{
    fn handle(&self, request: Request<Body>, _: Peer) -> impl Future<Output = Response<Body>> + Send {
        self(request)
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    address: SocketAddr,
}

impl Peer {
    /// The address the connection came from: of the client, or of a proxy before this server.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What all connections of a server share.
#[derive(Debug)]
struct Shared<H> {
    handler: H,
    options: EdgeOptions,
    stopping: Stopping,
}

/// Serves a listening socket until `stop` is ready, then what has been accepted; gives the number
/// of connections that had to be cut.
///
/// Each connection is a task on the current tokio runtime, of either flavour, which must have
/// its time and its I/O switched on. An error of one connection, a handler's panic included, ends
/// that request or that connection and nothing else.
///
/// Once `stop` is ready, the connections that wait in the listener's queue are still taken, then
/// the socket is closed. HTTP/1 connections say `Connection: close` with their next answer and are
/// closed when they are idle, HTTP/2 connections take up no further request. A handler that has not
/// answered after [`EdgeOptions::drain`] is dropped, and its client gets 503; what is then still open
/// is cut: a client that never sends a byte delays nothing.
///
/// # Cancel safety
///
/// Dropping the future closes the socket and cuts every connection at once.
pub async fn serve<H: Handler>(
    listener: TcpListener,
    options: EdgeOptions,
    handler: H,
    stop: impl Future<Output = ()>,
) -> usize {
    let mut connections = Connections::new(options, handler);
    let mut acceptor = Acceptor::new(listener);
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = acceptor.accept(), if !connections.are_full() => {
                // A client that has gone is owed nothing.
                let _ = connections.take(accepted);
            }
            () = connections.one_ended() => {}
        }
    }
    for accepted in acceptor.close() {
        let _ = connections.take(accepted);
    }
    let end = Instant::now() + connections.shared.options.drain;
    connections.drain(end).await
}

/// How long clients have to take the answer that there will be none.
const LAST_ANSWERS: Duration = Duration::from_millis(100);

/// Keeps the kernel from taking megabytes of an answer at once. Whether a client takes what is written is seen by how
/// much more can be written, and then is seen every so many bytes.
#[cfg(target_os = "linux")]
fn hold_little(stream: &TcpStream) -> io::Result<()> {
    const UNSENT_BYTES_MAX: u32 = 128 << 10;
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX)
}

#[cfg(not(target_os = "linux"))]
fn hold_little(_: &TcpStream) -> io::Result<()> {
    Ok(())
}

/// Serves one connection that is no socket, to its end.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) async fn serve_bytes<T, H>(io: T, handler: H)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let shared = Shared { handler, options: EdgeOptions::default(), stopping: Stopping::default() };
    let peer = Peer { address: ([127, 0, 0, 1], 0).into() };
    connection::serve(io, peer, Arc::new(shared)).await;
}

/// The connections that one thread serves.
#[derive(Debug)]
pub(crate) struct Connections<H> {
    shared: Arc<Shared<H>>,
    tasks: JoinSet<()>,
}

impl<H: Handler> Connections<H> {
    pub(crate) fn new(options: EdgeOptions, handler: H) -> Self {
        let options = options.bounded();
        let shared = Arc::new(Shared { handler, options, stopping: Stopping::default() });
        Self { shared, tasks: JoinSet::new() }
    }

    pub(crate) fn are_full(&self) -> bool {
        self.tasks.len() >= self.shared.options.connections_max
    }

    /// # Errors
    ///
    /// The client has gone already.
    pub(crate) fn take(&mut self, (stream, address): (TcpStream, SocketAddr)) -> io::Result<()> {
        // Answers are written in one piece; waiting for more to send would only delay them.
        stream.set_nodelay(true)?;
        hold_little(&stream)?;
        self.tasks.spawn(connection::serve(stream, Peer { address }, Arc::clone(&self.shared)));
        Ok(())
    }

    /// Ready when a connection has ended; never while there is none.
    pub(crate) async fn one_ended(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending().await
        }
    }

    /// From now on a connection ends when it is idle. More may be taken, which end after their first answer.
    pub(crate) fn begin_to_drain(&self) {
        self.shared.stopping.begin();
    }

    /// Lets what runs come to its end until then, as [`serve`] says; gives how many connections had to be cut.
    pub(crate) async fn drain(mut self, end: Instant) -> usize {
        self.begin_to_drain();
        let drained = async { while self.tasks.join_next().await.is_some() {} };
        if timeout_at(end.into(), drained).await.is_ok() {
            return 0;
        }
        let cut = self.tasks.len();
        tracing::warn!(cut, "connections were open at the end of the time to drain, and are cut");
        self.shared.stopping.end();
        let told = async { while self.tasks.join_next().await.is_some() {} };
        // Whoever does not take the answer at once gets none.
        let _ = timeout(LAST_ANSWERS, told).await;
        self.tasks.shutdown().await;
        cut
    }
}
