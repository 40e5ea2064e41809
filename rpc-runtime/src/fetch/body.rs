//! [`Body`]: what a request or a response carries besides its head.

mod error;
mod made;
mod tee;

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

pub use self::error::BodyError;
use self::made::Made;

/// The content of a request or a response: none, complete bytes, or a stream of them.
///
/// A body that is [`none`](Self::none) and one that is [`empty`](Self::empty) are different: the
/// first says that the message has no content at all (`GET`), the second that its content is
/// zero bytes long (`content-length: 0`). Both stay what they are on their way through bindings.
///
/// `Body` implements [`http_body::Body`], so axum, tower and hyper take it as it is, and
/// [`Body::new`] takes theirs. It is 40 bytes long; only a streaming body allocates, once. It is
/// `Send + Sync`, so that a `&Request` can be held across an await, whatever its stream is.
///
/// Reading consumes: a body is read once, and ownership says so. [`tee`](Self::tee) makes two of one.
///
/// # Whose a stream is
///
/// A body that streams belongs to the invocation in which it was made, by [`new`](Self::new) or
/// [`from_stream`](Self::from_stream), whoever reads it and wherever: each of its polls and its drop sees the
/// [`Ctx`](crate::Ctx) of that invocation, and its calls count there. Until its end, or its drop, the invocation goes
/// on: what it [spawned](crate::Ctx::spawn) is not aborted, and the time of
/// [`wait_until`](crate::Ctx::wait_until) does not begin. The deadline of the call is one for the head of its answer;
/// calls that the stream makes inherit it. If the stream panics, its reader gets an error.
///
/// # Between processes
///
/// Over a session a body streams as it does in process: its first piece arrives before the last one is made, who does not
/// read holds the maker back, and who drops it ends it. What is made and not read is at most 16 KiB, or 256 KiB where the
/// reader keeps up and the process has memory for it, and one piece of the maker's; a body of at most 64 KiB that is there
/// at once travels with its head. If the maker fails, its reader gets what was made and then an error with the
/// [`Error`](crate::Error) of the maker as its source; if the session is lost, one whose source
/// [`is_disconnected`](crate::Error::is_disconnected). A length that was known is known at the other end, and a body that
/// does not keep to it is an error there. At most 4,096 bodies and connections go one way over a session at a time; the
/// next is refused as [overloaded](crate::Error::is_overloaded). To an end of an older version a body travels whole, and
/// has at most 32 MiB.
///
/// ```
/// use rpc_runtime::Body;
///
/// # async fn run() -> Result<(), rpc_runtime::BodyError> {
/// let body = Body::from("hello");
/// assert_eq!(body.text().await?, "hello");
///
/// assert!(Body::none().is_none());
/// assert!(!Body::empty().is_none());
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run()).unwrap();
/// ```
pub struct Body {
    content: Content,
}

enum Content {
    None,
    /// What is left to hand out; empty once it was.
    Complete(Bytes),
    /// The lock is never taken where there is `&mut Body`: it only makes a stream that is not
    /// `Sync` a part of a body that is.
    Stream(Mutex<Pin<Box<Stored>>>),
}

type Stored = dyn HttpBody<Data = Bytes, Error = BodyError> + Send;

impl Body {
    /// Longest body that [`bytes`](Self::bytes) and [`text`](Self::text) collect, in bytes: 32 MiB.
    ///
    /// The same as the longest value of a call over a boundary. A longer body is read with
    /// [`bytes_up_to`](Self::bytes_up_to) or piece by piece with [`chunk`](Self::chunk).
    pub const COLLECT_BYTES_MAX: usize = 32 << 20;

    /// No body at all: the message ends with its head.
    #[must_use]
    pub const fn none() -> Self {
        Self { content: Content::None }
    }

    /// A body of zero bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self { content: Content::Complete(Bytes::new()) }
    }

    /// Takes the body of another crate: hyper's `Incoming`, axum's `Body`, `http_body_util::Full`.
    ///
    /// A `Body` given to this function comes back as it is, without a second box around it.
    ///
    /// ```
    /// use rpc_runtime::Body;
    ///
    /// let body = Body::new(Body::none());
    /// assert!(body.is_none());
    /// ```
    #[must_use]
    pub fn new<B>(body: B) -> Self
    where
        B: HttpBody<Data: Buf, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
    {
        let mut slot = Some(body);
        if let Some(own) = (&mut slot as &mut dyn Any).downcast_mut::<Option<Self>>() {
            return own.take().unwrap_or_default();
        }
        match slot {
            Some(body) => Self::stored(Box::pin(Foreign { body })),
            None => Self::none(),
        }
    }

    /// A body whose bytes come from a stream.
    ///
    /// The stream is polled as the receiver asks for more, so it is as slow as its receiver. Its
    /// first error ends the body.
    ///
    /// ```
    /// use std::io;
    ///
    /// use rpc_runtime::Body;
    ///
    /// # async fn run() -> Result<(), rpc_runtime::BodyError> {
    /// let parts = ["hel", "lo"].map(|part| Ok::<_, io::Error>(part));
    /// let body = Body::from_stream(futures_util::stream::iter(parts));
    /// assert_eq!(body.text().await?, "hello");
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run()).unwrap();
    /// ```
    #[must_use]
    pub fn from_stream<S, D, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<D, E>> + Send + 'static,
        D: Into<Bytes>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        Self::stored(Box::pin(Streamed { stream: Some(stream) }))
    }

    /// What another end of a session sends. It is part of no invocation here: the one that made it is elsewhere.
    pub(crate) fn of_session(
        stream: impl HttpBody<Data = Bytes, Error = BodyError> + Send + 'static,
    ) -> Self {
        Self { content: Content::Stream(Mutex::new(Box::pin(stream))) }
    }

    fn stored(stream: Pin<Box<Stored>>) -> Self {
        Self { content: Content::Stream(Mutex::new(Made::here(stream))) }
    }

    /// Two bodies with the content of this one, to be read independently: one to forward and one to keep, for instance.
    ///
    /// Of a body that streams, the faster reader gives the pace, and what the slower one has not read waits in memory:
    /// at most [`COLLECT_BYTES_MAX`](Self::COLLECT_BYTES_MAX) bytes of it. If it falls further behind, what waits is
    /// thrown away and its next piece is the error [`is_too_large`](BodyError::is_too_large); the faster one goes on.
    /// (Holding the faster one back instead would stop a task for ever that reads one to its end and then the other,
    /// which is what most do.) A half that is dropped needs no memory.
    ///
    /// Neither copies the bytes, and two halves of a body that is [`none`](Self::none) are that too. An error of the
    /// body is an error of both.
    ///
    /// ```
    /// use rpc_runtime::{Body, Client, Fetcher, Request, Response, Result};
    ///
    /// # struct Gateway { origin: Fetcher, archive: Fetcher }
    /// # impl Gateway {
    /// async fn forward(&self, request: Request) -> Result<Response> {
    ///     let (head, body) = request.into_parts();
    ///     let (forwarded, kept) = body.tee();
    ///     let response = self.origin.fetch(Request::from_parts(head, forwarded)).await?;
    ///     self.archive.fetch(http::Request::post("http://archive/").body(kept)?).await?;
    ///     Ok(response)
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn tee(self) -> (Self, Self) {
        self.tee_up_to(Self::COLLECT_BYTES_MAX)
    }

    /// As [`tee`](Self::tee), with another limit of what may wait, in bytes.
    #[must_use]
    pub fn tee_up_to(self, limit: usize) -> (Self, Self) {
        let contents = match self.content {
            Content::None => [Content::None, Content::None],
            Content::Complete(bytes) => [Content::Complete(bytes.clone()), Content::Complete(bytes)],
            // The source is part of whatever made it.
            Content::Stream(_) => {
                tee::tee(self, limit).map(|half| Content::Stream(Mutex::new(Box::pin(half))))
            }
        };
        let [a, b] = contents.map(|content| Self { content });
        (a, b)
    }

    /// Whether there is no body at all, which is not the same as a body of zero bytes.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        matches!(self.content, Content::None)
    }

    /// The bytes, if all of them are there and none were handed out.
    pub(super) fn complete(&self) -> Option<Bytes> {
        if let Content::Complete(bytes) = &self.content { Some(bytes.clone()) } else { None }
    }

    /// The next piece of data; `None` at the end. Trailers are passed over.
    ///
    /// ```
    /// use rpc_runtime::Body;
    ///
    /// # async fn run() -> Result<(), rpc_runtime::BodyError> {
    /// let mut body = Body::from(vec![7; 3]);
    /// let mut length = 0;
    /// while let Some(piece) = body.chunk().await? {
    ///     length += piece.len();
    /// }
    /// assert_eq!(length, 3);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run()).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// What made the body end early: the peer went away, its stream failed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing; the next call goes on where this one was.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await {
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// All bytes, at most [`COLLECT_BYTES_MAX`](Self::COLLECT_BYTES_MAX) of them.
    ///
    /// A body that came in one piece is handed over without a copy.
    ///
    /// # Errors
    ///
    /// [`BodyError::is_too_large`] for a longer body; else what made the body end early.
    ///
    /// # Cancel safety
    ///
    /// The body is consumed: dropping the future drops what was read.
    pub async fn bytes(self) -> Result<Bytes, BodyError> {
        self.bytes_up_to(Self::COLLECT_BYTES_MAX).await
    }

    /// All bytes, at most `limit` of them.
    ///
    /// A body that says beforehand that it is longer is refused before anything is read.
    ///
    /// # Errors
    ///
    /// [`BodyError::is_too_large`] for a longer body; else what made the body end early.
    ///
    /// # Cancel safety
    ///
    /// The body is consumed: dropping the future drops what was read.
    pub async fn bytes_up_to(mut self, limit: usize) -> Result<Bytes, BodyError> {
        let declared = usize::try_from(self.size_hint().lower()).unwrap_or(usize::MAX);
        if declared > limit {
            return Err(BodyError::too_large(limit));
        }
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        if first.len() > limit {
            return Err(BodyError::too_large(limit));
        }
        let Some(second) = self.chunk().await? else { return Ok(first) };

        // The declared length is the peer's word: it sizes the first reservation only up to a
        // megabyte, beyond that the buffer grows with what arrives.
        let mut collected = BytesMut::with_capacity(declared.clamp(first.len(), 1 << 20));
        collected.extend_from_slice(&first);
        let mut next = Some(second);
        while let Some(piece) = next {
            if piece.len() > limit - collected.len() {
                return Err(BodyError::too_large(limit));
            }
            collected.extend_from_slice(&piece);
            next = self.chunk().await?;
        }
        Ok(collected.freeze())
    }

    /// All bytes as UTF-8 text, at most [`COLLECT_BYTES_MAX`](Self::COLLECT_BYTES_MAX) of them.
    ///
    /// # Errors
    ///
    /// [`BodyError::is_not_text`] where the bytes are not UTF-8; else as [`bytes`](Self::bytes).
    ///
    /// # Cancel safety
    ///
    /// The body is consumed: dropping the future drops what was read.
    pub async fn text(self) -> Result<String, BodyError> {
        let bytes = Vec::from(self.bytes().await?);
        String::from_utf8(bytes).map_err(|error| BodyError::not_text(error.utf8_error()))
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::none()
    }
}

impl fmt::Debug for Body {
    /// Says what kind of body it is and how long, never what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::None => f.write_str("Body(none)"),
            Content::Complete(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Content::Stream(_) => f.write_str("Body(stream)"),
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.get_mut().content {
            Content::None => Poll::Ready(None),
            Content::Complete(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Complete(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Stream(stream) => {
                stream.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll_frame(cx)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::None => true,
            Content::Complete(bytes) => bytes.is_empty(),
            Content::Stream(stream) => stream.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::None => SizeHint::with_exact(0),
            Content::Complete(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Stream(stream) => stream.lock().unwrap_or_else(PoisonError::into_inner).size_hint(),
        }
    }
}

impl From<()> for Body {
    /// No body at all.
    fn from((): ()) -> Self {
        Self::none()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self { content: Content::Complete(bytes) }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

pin_project! {
    /// The body of another crate, with its data turned into `Bytes` and its errors into ours.
    struct Foreign<B> {
        #[pin]
        body: B,
    }
}

impl<B> HttpBody for Foreign<B>
where
    B: HttpBody<Data: Buf, Error: Into<Box<dyn StdError + Send + Sync>>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(self.project().body.poll_frame(cx));
        Poll::Ready(frame.map(|frame| match frame {
            // `copy_to_bytes` of the whole rest is a move for data that is `Bytes` already.
            Ok(frame) => Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))),
            Err(error) => Err(BodyError::new(error)),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project! {
    /// A stream of data; gone after its end or its first error, so that it is not polled again.
    struct Streamed<S> {
        #[pin]
        stream: Option<S>,
    }
}

impl<S, D, E> HttpBody for Streamed<S>
where
    S: Stream<Item = Result<D, E>>,
    D: Into<Bytes>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut slot = self.project().stream;
        let Some(stream) = slot.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let item = ready!(stream.poll_next(cx));
        if !matches!(item, Some(Ok(_))) {
            slot.set(None);
        }
        Poll::Ready(item.map(|item| match item {
            Ok(data) => Ok(Frame::data(data.into())),
            Err(error) => Err(BodyError::new(error)),
        }))
    }
}
