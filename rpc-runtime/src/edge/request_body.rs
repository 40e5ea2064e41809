//! The body of a request: it must keep coming, and what is not read of it is got out of the way.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::EdgeOptions;
use super::pace::Pace;
use crate::BodyError;

/// What became of the body of a request, for whoever writes the answer.
#[derive(Debug, Default)]
pub(super) struct Fate {
    end: AtomicU8,
    /// Whether it was dropped before its end.
    left: AtomicBool,
}

impl Fate {
    const READ: u8 = 0;
    const STALLED: u8 = 1;
    const BROKEN: u8 = 2;
    const ABANDONED: u8 = 3;

    fn set(&self, fate: u8) {
        self.end.store(fate, Ordering::Relaxed);
    }

    /// It came too slowly.
    pub(super) fn is_stalled(&self) -> bool {
        self.end.load(Ordering::Relaxed) == Self::STALLED
    }

    /// It could not be read on.
    pub(super) fn is_broken(&self) -> bool {
        self.end.load(Ordering::Relaxed) == Self::BROKEN
    }

    /// Its reader had enough of it.
    pub(super) fn is_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }

    /// An HTTP/1 connection ends with this request.
    pub(super) fn ends_connection(&self) -> bool {
        self.end.load(Ordering::Relaxed) != Self::READ
    }
}

/// The body of a request, as the handler gets it.
#[derive(Debug)]
pub(super) struct RequestBody {
    /// `None` after its end.
    incoming: Option<Incoming>,
    fate: Arc<Fate>,
    pace: Pace,
    rest: Rest,
}

/// What to do with a body that is dropped before its end.
#[derive(Clone, Copy, Debug)]
struct Rest {
    /// Whether its connection goes on only behind it.
    in_the_way: bool,
    /// The client waits to be asked for the body, and was not.
    unasked: bool,
    bytes_max: usize,
    time: Duration,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, head: &BodyHead, options: &EdgeOptions, fate: Arc<Fate>) -> Self {
        let rest = Rest {
            in_the_way: head.in_the_way,
            unasked: head.expects_continue,
            bytes_max: options.unread_bytes_max,
            time: options.linger,
        };
        Self { incoming: Some(incoming), fate, pace: Pace::new(options), rest }
    }
}

/// What a head says about how its body must be treated.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyHead {
    pub(super) in_the_way: bool,
    pub(super) expects_continue: bool,
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
        this.rest.unasked = false;
        let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) else {
            ready!(this.pace.poll_too_slow(cx));
            this.incoming = None;
            this.fate.set(Fate::STALLED);
            return Poll::Ready(Some(Err(BodyError::stalled())));
        };
        match frame {
            Some(Ok(mut frame)) => {
                if let Some(data) = frame.data_ref() {
                    this.pace.passed(data.len());
                } else if let Some(trailers) = frame.trailers_mut() {
                    drop_forbidden(trailers);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                this.incoming = None;
                this.fate.set(Fate::BROKEN);
                Poll::Ready(Some(Err(BodyError::new(error))))
            }
            None => {
                this.incoming = None;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for RequestBody {
    /// Over HTTP/2 the rest of a stream is cut off and in nobody's way. Over HTTP/1 the next
    /// request stands behind it: a short rest is read and dropped, a long one ends the connection.
    fn drop(&mut self) {
        let Some(incoming) = self.incoming.take().filter(|incoming| !incoming.is_end_stream()) else {
            return;
        };
        self.fate.left.store(true, Ordering::Relaxed);
        let rest = self.rest;
        if !rest.in_the_way {
            return;
        }
        let short = incoming.size_hint().lower() <= rest.bytes_max as u64;
        match Handle::try_current() {
            // Reading would ask the client for what nobody wants.
            Ok(runtime) if short && !rest.unasked => {
                runtime.spawn(timeout(rest.time, drain(incoming, rest.bytes_max)));
            }
            _ => self.fate.set(Fate::ABANDONED),
        }
    }
}

async fn drain(mut incoming: Incoming, bytes_max: usize) {
    let mut dropped = 0;
    while dropped <= bytes_max {
        match std::future::poll_fn(|cx| Pin::new(&mut incoming).poll_frame(cx)).await {
            Some(Ok(frame)) => dropped += frame.data_ref().map_or(0, Bytes::len),
            _ => return,
        }
    }
}

/// Fields that must not come after the body: they would change how a message already accepted is
/// framed, routed, authenticated or read (RFC 9110, 6.5.1).
fn drop_forbidden(trailers: &mut HeaderMap) {
    const FORBIDDEN: [HeaderName; 24] = [
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::EXPECT,
        header::FORWARDED,
        header::HOST,
        header::IF_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_NONE_MATCH,
        header::IF_RANGE,
        header::IF_UNMODIFIED_SINCE,
        header::MAX_FORWARDS,
        header::PROXY_AUTHORIZATION,
        header::RANGE,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        HeaderName::from_static("keep-alive"),
    ];
    for name in FORBIDDEN {
        trailers.remove(name);
    }
}
