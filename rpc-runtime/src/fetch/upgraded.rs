//! A stream of bytes in the place of HTTP.

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Body, Response};
use crate::{context::Holding, observe, panics};

/// What speaks another protocol after an answer `101 Switching Protocols`, such as WebSocket: a stream of bytes both
/// ways.
///
/// A Worker that grants an upgrade makes a pair of connected streams, keeps one end, and [answers](Self::answer) with
/// the other. Whoever asked [takes](Self::take) it out of the answer, or hands the answer on; at the edge of a host
/// the client's connection is connected to it. The bytes are passed as they are: the frames of WebSocket, and the
/// headers of its handshake, are the business of a library such as tungstenite.
///
/// ```
/// use rpc_runtime::{Client, Ctx, Error, Fetch, Fetcher, Request, Response, Upgraded};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// struct Greeter;
///
/// impl Fetch for Greeter {
///     async fn fetch(&self, _: Request) -> Result<Response, Error> {
///         let (mut here, there) = tokio::io::duplex(64 * 1024);
///         Ctx::current().wait_until(async move {
///             let _ = here.write_all(b"hello").await;
///         })?;
///         let head = http::Response::builder().status(101).header("connection", "upgrade").header("upgrade", "greeting");
///         Ok(Upgraded::new(there).answer(head.body(())?))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
/// let mut response = Fetcher::new(Greeter).fetch("http://greeter/").await?;
/// let mut stream = Upgraded::take(&mut response).ok_or_else(|| Error::not_found("an upgrade"))?;
/// let mut text = String::new();
/// stream.read_to_string(&mut text).await.map_err(Error::application)?;
/// assert_eq!(text, "hello");
/// # Ok(()) }
/// ```
///
/// # How long it lives
///
/// The stream belongs to the invocation in which it was made, as a body that streams does: that goes on until the
/// stream is dropped. So the work that keeps the other end may be given to [`spawn`](crate::Ctx::spawn), which ends it
/// with the stream, or to [`wait_until`](crate::Ctx::wait_until), which lets it see the end and gives it 30 s after
/// that.
///
/// # At the edge
///
/// - No timer runs for a stream on which nothing is said.
/// - A client that ends its half is the end of what the Worker reads; the Worker may go on writing. When the Worker has
///   ended its half, the client has [`idle_timeout`](crate::edge::EdgeOptions::idle_timeout) to end its own.
/// - A connection that breaks drops the stream.
/// - When the server stops, the Worker reads the end as if the client had ended its half, and what it still writes goes
///   out; what is open at the end of the time to drain is cut. (To a WebSocket library that end is a connection that
///   broke: it ends the work, and sends no close frame any more.)
/// - Over HTTP/2 nothing can be upgraded.
///
/// # Between processes
///
/// Over a session the connection is two streams of it, with credit of their own: whoever does not read holds the other
/// end back, and nobody else. A half that is ended is ended at the other end, and so is what is dropped. When the session
/// is lost, who reads here gets [`ConnectionReset`](io::ErrorKind::ConnectionReset), never an end in order, and who writes
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe); the stream that a Worker there keeps is dropped. Only to an end of an older
/// version, which takes no streams, an upgrade does not pass: the caller gets an error that says so.
pub struct Upgraded {
    /// `None` while it is dropped.
    stream: Option<Pin<Box<dyn Stream>>>,
    by: Option<Holding>,
}

trait Stream: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

/// Extensions are cloned, and a stream is taken once.
#[derive(Clone)]
struct Taken(Arc<Mutex<Option<Upgraded>>>);

impl Upgraded {
    /// The end of a connection that whoever asked is to have.
    #[must_use]
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self { stream: Some(Box::pin(stream)), by: Holding::current() }
    }

    /// A connection over a session. It is part of no invocation here: the one that made it is elsewhere.
    pub(crate) fn of_session(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self { stream: Some(Box::pin(stream)), by: None }
    }

    /// The answer that hands the stream over: `101` with the headers of the protocol, or `200` to a `CONNECT`.
    #[must_use]
    pub fn answer(self, head: http::Response<()>) -> Response {
        let mut response = head.map(|()| Body::none());
        response.extensions_mut().insert(Taken(Arc::new(Mutex::new(Some(self)))));
        response
    }

    /// The stream that comes with an answer, if one does and nobody has taken it.
    pub fn take<B>(response: &mut http::Response<B>) -> Option<Self> {
        let taken = response.extensions_mut().remove::<Taken>()?;
        taken.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Runs something of the stream as part of the invocation that made it.
    fn within<R>(
        &mut self,
        act: impl FnOnce(Pin<&mut dyn Stream>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let Some(by) = &self.by else { return act(stream.as_mut()) };
        by.enter(|_| catch_unwind(AssertUnwindSafe(|| act(stream.as_mut())))).unwrap_or_else(|payload| {
            let why = format!("what is behind the stream panicked: {}", panics::describe(payload));
            Poll::Ready(Err(io::Error::other(why)))
        })
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.within(|stream| stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.within(|stream| stream.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.within(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.within(|stream| stream.poll_shutdown(cx))
    }
}

impl Drop for Upgraded {
    fn drop(&mut self) {
        let stream = self.stream.take();
        let Some(by) = &mut self.by else { return };
        by.enter(|ctx| {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(stream))) {
                ctx.binding().note_panic();
                observe::panic_in_drop("an upgraded stream", ctx.method(), ctx.binding(), payload);
            }
        });
        by.release();
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded").finish_non_exhaustive()
    }
}
