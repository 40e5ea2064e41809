//! One request and its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use pin_project_lite::pin_project;

use super::Handler;
use super::connection::Connection;
use super::head::{self, Refusal};
use super::request_body::{BodyHead, Fate, RequestBody};
use super::transport::Link;
use super::tunnel::Tunnel;
use crate::{Body, BodyError, Upgraded, error::Reference, fetch::hop_by_hop, panics, raw::Payload};

/// Answers one request, and makes the answer one that leaves the connection in a known state.
pub(super) async fn exchange<H: Handler>(
    connection: Arc<Connection<H>>,
    request: Request<Incoming>,
) -> Response<Answer> {
    let in_flight = InFlight::new(connection.link());
    let http1 = request.version() < Version::HTTP_2;
    let is_head = request.method() == Method::HEAD;
    let (mut response, next) = match head::check(&request) {
        Ok(()) => handled(&connection, request).await,
        Err(Refusal { status, why }) => {
            tracing::debug!(%status, why, "request refused");
            (plain(status, why), Next::Close)
        }
    };
    if next != Next::Tunnel {
        let closes = reframe(&mut response, is_head) || next == Next::Close || connection.is_draining();
        if http1 && closes {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
    response.map(|body| Answer { body: Some(body), _in_flight: in_flight })
}

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Request,
    Close,
    /// Another protocol.
    Tunnel,
}

/// The handler's answer, and what comes after it.
async fn handled<H: Handler>(
    connection: &Connection<H>,
    request: Request<Incoming>,
) -> (Response<Body>, Next) {
    let tunnel = head::asks_for_tunnel(&request).then(|| request.method().clone());
    let on_upgrade = request.extensions().get::<OnUpgrade>().cloned();
    let (request, fate) = with_body(request, connection);
    let answered = tokio::select! {
        biased;
        response = contained(connection, request) => response,
        // Only who waits gets here, so that an answer which is ready costs nothing more.
        () = connection.stopping().over() => return (cut_short(), Next::Close),
    };
    let mut response = blame(answered, &fate);
    let switches = match tunnel {
        None => false,
        Some(Method::CONNECT) => response.status().is_success(),
        Some(_) => response.status() == StatusCode::SWITCHING_PROTOCOLS,
    };
    if switches {
        if let (Some(worker), Some(client)) = (Upgraded::take(&mut response), on_upgrade) {
            connection.hand_over(Tunnel { client, worker });
        }
        connection.link().open_tunnel();
        return (response, Next::Tunnel);
    }
    if response.status().is_informational() {
        let (reference, status) = (Reference::new(), response.status());
        tracing::error!(%reference, %status, "the handler answered with a status that is no answer");
        return (reference.into_failure(), Next::Close);
    }
    let closes = tunnel.is_some() || fate.ends_connection();
    (response, if closes { Next::Close } else { Next::Request })
}

/// The handler was still at it when the time to drain was over, and its future has been dropped.
fn cut_short() -> Response<Body> {
    plain(
        StatusCode::SERVICE_UNAVAILABLE,
        "the server stops before the request was answered, try again later",
    )
}

/// Makes the head of an answer one of this connection: hyper writes what speaks of it, and the length is that of the
/// body. Says whether the handler wants the connection closed.
fn reframe(response: &mut Response<Body>, is_head: bool) -> bool {
    let closes = hop_by_hop::closes(response.headers());
    hop_by_hop::remove(response.headers_mut());
    // Here the length may be that of a body which is not sent (RFC 9110, 8.6).
    let may_differ = is_head || response.status() == StatusCode::NOT_MODIFIED;
    if !may_differ && !has_own_length(response) {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    closes
}

/// Whether the handler knows the length of a body that does not say it, and says it once. hyper then keeps the body to
/// it: what is too long is cut, and what is too short ends the connection.
fn has_own_length(response: &Response<Body>) -> bool {
    let mut lengths = response.headers().get_all(CONTENT_LENGTH).iter();
    let (Some(length), None) = (lengths.next(), lengths.next()) else { return false };
    let is_number = length.as_bytes().iter().all(u8::is_ascii_digit);
    is_number && response.body().size_hint().exact().is_none()
}

/// Stands in an answer to a failure that a body was the reason of, because it was too long for its reader: that of the
/// request, if it was left before its end, or one that the handler has got from elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyTooLong;

/// A handler that failed because the body did was not at fault; the client was.
fn blame(response: Response<Body>, fate: &Fate) -> Response<Body> {
    if !response.status().is_server_error() {
        response
    } else if fate.is_stalled() {
        plain(StatusCode::REQUEST_TIMEOUT, "the body of the request did not arrive in time")
    } else if fate.is_broken() {
        plain(StatusCode::BAD_REQUEST, "the body of the request cannot be read")
    } else if fate.is_left() && response.extensions().get::<BodyTooLong>().is_some() {
        plain(StatusCode::PAYLOAD_TOO_LARGE, "the body of the request is longer than what is read of it")
    } else {
        response
    }
}

/// The request with its body as the handler reads it, and what will become of that body.
fn with_body<H>(request: Request<Incoming>, connection: &Connection<H>) -> (Request<Body>, Arc<Fate>) {
    let fate = Arc::<Fate>::default();
    let (mut parts, incoming) = request.into_parts();
    let body = if incoming.is_end_stream() {
        // Only a length says that there is a body, of no bytes.
        if parts.headers.contains_key(CONTENT_LENGTH) { Body::empty() } else { Body::none() }
    } else {
        let head = BodyHead {
            in_the_way: parts.version < Version::HTTP_2,
            expects_continue: parts.headers.contains_key(EXPECT),
        };
        Body::new(RequestBody::new(incoming, &head, connection.options(), Arc::clone(&fate)))
    };
    strip(&mut parts.headers, parts.version);
    (Request::from_parts(parts, body), fate)
}

/// Takes out what speaks of this connection, but for the question for another protocol.
fn strip(headers: &mut HeaderMap, version: Version) {
    let upgrades = if version < Version::HTTP_2 {
        headers.get_all(UPGRADE).iter().cloned().collect()
    } else {
        Vec::new()
    };
    hop_by_hop::remove(headers);
    if !upgrades.is_empty() {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    for upgrade in upgrades {
        headers.append(UPGRADE, upgrade);
    }
}

/// The handler's answer; of a panic nothing but a reference leaves the host.
async fn contained<H: Handler>(connection: &Connection<H>, request: Request<Body>) -> Response<Body> {
    let method = request.method().clone();
    let path = request.uri().path_and_query().cloned();
    let peer = connection.peer();
    let handled = match catch_unwind(AssertUnwindSafe(|| connection.handler().handle(request, peer))) {
        Ok(future) => {
            let mut future = pin!(Contained { future: Some(future) });
            std::future::poll_fn(|cx| future.as_mut().poll(cx)).await
        }
        Err(panic) => Err(panic),
    };
    handled.unwrap_or_else(|panic| {
        let reference = Reference::new();
        let message = panics::describe(panic);
        tracing::error!(%reference, %method, path = path.as_ref().map(PathAndQuery::path), ?peer, panic = message, "the handler panicked");
        reference.into_failure()
    })
}

pin_project! {
    /// A future whose panics go no further, those of its drop included.
    struct Contained<F> {
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Contained<F> {
        fn drop(this: Pin<&mut Self>) {
            // Dropped before its end: the client has gone, and nobody is left to be told.
            if let Err(panic) = this.discard() {
                tracing::error!(panic = panics::describe(panic), "a cancelled handler panicked");
            }
        }
    }
}

impl<F> Contained<F> {
    fn discard(self: Pin<&mut Self>) -> Result<(), Payload> {
        let mut future = self.project().future;
        catch_unwind(AssertUnwindSafe(|| future.set(None)))
    }
}

impl<F: Future> Contained<F> {
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<F::Output, Payload>> {
        let polled = {
            let Some(future) = self.as_mut().project().future.as_pin_mut() else { return Poll::Pending };
            match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(output)) => Ok(output),
                Err(panic) => Err(panic),
            }
        };
        let dropped = self.discard();
        Poll::Ready(polled.and_then(|output| dropped.map(|()| output)))
    }
}

impl Reference {
    /// 500, with nothing in it but the reference.
    pub(crate) fn into_failure(self) -> Response<Body> {
        self.into_response(StatusCode::INTERNAL_SERVER_ERROR, "the request failed")
    }

    /// What may be told, and the reference.
    pub(crate) fn into_response(self, status: StatusCode, told: &str) -> Response<Body> {
        let text = format!("{told}; the log has the reason under the reference {self}");
        let mut response = plain(status, &text);
        if let Ok(value) = HeaderValue::try_from(self.to_string()) {
            response.headers_mut().insert(REFERENCE, value);
        }
        response
    }
}

const REFERENCE: HeaderName = HeaderName::from_static("x-error-reference");

/// A short text for whoever looks at the answer with curl.
fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{text}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The body of an answer: what goes wrong in it ends this answer alone.
pub(super) struct Answer {
    /// `None` while it is dropped.
    body: Option<Body>,
    /// Until the answer is handed over, the connection is not idle.
    _in_flight: InFlight,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(body) = &mut self.get_mut().body else { return Poll::Ready(None) };
        let polled =
            catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx))).unwrap_or_else(|panic| {
                let reference = Reference::new();
                tracing::error!(%reference, panic = panics::describe(panic), "the body of an answer panicked");
                Poll::Ready(Some(Err(BodyError::new(format!("reference {reference}")))))
            });
        if let Poll::Ready(Some(Err(error))) = &polled {
            // Its head has gone out, so the client sees no more than an answer that ends early.
            tracing::error!(error = error as &dyn std::error::Error, "the body of an answer failed");
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let body = self.body.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(body))) {
            tracing::error!(
                panic = panics::describe(panic),
                "the body of an answer panicked as it was dropped"
            );
        }
    }
}

/// Counts as a request that runs, from its head to the end of its answer.
struct InFlight {
    link: Arc<Link>,
}

impl InFlight {
    fn new(link: &Arc<Link>) -> Self {
        link.enter();
        Self { link: Arc::clone(link) }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.link.leave();
    }
}
