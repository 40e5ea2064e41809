//! One request and its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, Entry, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use pin_project_lite::pin_project;
use tracing::field::display;

use super::Handler;
use super::connection::Connection;
use super::head::{self, Refusal};
use super::request_body::{BodyHead, Fate, RequestBody};
use super::tunnel::Tunnel;
use crate::{
    Body, BodyError, Upgraded, chain::Chain, error::Reference, fetch::hop_by_hop, panics, raw::Payload,
};

/// Answers one request, and makes the answer one that leaves the connection in a known state.
pub(super) async fn exchange<H: Handler>(
    connection: Arc<Connection<H>>,
    request: Request<Incoming>,
) -> Response<Answer<H>> {
    let running = Running::new(&connection, &request);
    let http1 = request.version() < Version::HTTP_2;
    let is_head = request.method() == Method::HEAD;
    let is_to_be_asked = http1 && request.headers().contains_key(EXPECT);
    let (mut response, next) = match head::check(&request) {
        Ok(()) => handled(&running, request).await,
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
    let mut answer = response.map(|body| Answer { body: Some(body), first: None, running });
    if is_to_be_asked && next != Next::Tunnel {
        answer.body_mut().begin().await;
    }
    answer
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
async fn handled<H: Handler>(running: &Running<H>, request: Request<Incoming>) -> (Response<Body>, Next) {
    let (connection, fate) = (&*running.connection, &running.fate);
    let tunnel = head::asks_for_tunnel(&request).then(|| request.method().clone());
    let on_upgrade = request.extensions().get::<OnUpgrade>().cloned();
    let request = with_body(request, connection, fate);
    let answered = tokio::select! {
        biased;
        response = contained(running, request) => response,
        // Only who waits gets here, so that an answer which is ready costs nothing more.
        () = connection.stopping().over() => return (cut_short(), Next::Close),
    };
    let mut response = blame(answered, fate);
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
    if is_head {
        leave_body(response);
    }
    closes
}

/// Takes the body out of an answer that has none on its way, where the head says how long it would be. hyper compares
/// the two, and a debug build of it panics where they differ.
fn leave_body(response: &mut Response<Body>) {
    let length = response.body().size_hint().exact();
    if let Entry::Vacant(none) = response.headers_mut().entry(CONTENT_LENGTH) {
        let Some(length) = length else { return };
        none.insert(length.into());
    }
    *response.body_mut() = Body::none();
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

/// The request with its body as the handler reads it; `fate` will be what becomes of that body.
fn with_body<H>(request: Request<Incoming>, connection: &Connection<H>, fate: &Arc<Fate>) -> Request<Body> {
    let (mut parts, incoming) = request.into_parts();
    let body = if incoming.is_end_stream() {
        // Only a length says that there is a body, of no bytes.
        if parts.headers.contains_key(CONTENT_LENGTH) { Body::empty() } else { Body::none() }
    } else {
        let head = BodyHead {
            in_the_way: parts.version < Version::HTTP_2,
            expects_continue: parts.headers.contains_key(EXPECT),
        };
        Body::new(RequestBody::new(incoming, &head, connection.options(), Arc::clone(fate)))
    };
    strip(&mut parts.headers, parts.version);
    Request::from_parts(parts, body)
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
async fn contained<H: Handler>(running: &Running<H>, request: Request<Body>) -> Response<Body> {
    let connection = &*running.connection;
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
        let Running { method, .. } = running;
        tracing::error!(
            %reference, worker = running.worker(), %method, path = running.path(), ?peer, panic = message,
            "the handler panicked"
        );
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
pub(super) struct Answer<H: Handler> {
    /// `None` while it is dropped.
    body: Option<Body>,
    /// What was asked for before the head has gone out.
    first: Option<First>,
    /// Until the answer is handed over, the connection is not idle.
    running: Running<H>,
}

/// A piece of a body; `None` is its end.
type First = Option<Result<Frame<Bytes>, BodyError>>;

impl<H: Handler> Answer<H> {
    /// Asks for the first piece already, once. It may be made of the body of the request, which the client sends only
    /// when it is told to go on (RFC 9110, 10.1.1), and hyper says that as soon as somebody asks for it, but not after
    /// the head of the answer.
    async fn begin(&mut self) {
        let mut is_asked = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut is_asked, true) {
                return Poll::Ready(());
            }
            match Pin::new(&mut *self).poll_frame(cx) {
                Poll::Ready(first) => {
                    self.first = Some(first);
                    Poll::Ready(())
                }
                Poll::Pending => {
                    // hyper looks who has asked before it comes here again.
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            }
        })
        .await;
    }

    /// The answer has begun, so the client sees no more than that it ends early. What the client is the reason of is no
    /// fault of the Worker.
    fn tell_of(&self, error: &BodyError) {
        let Running { connection, method, fate, .. } = &self.running;
        let (worker, path, peer) = (self.running.worker(), self.running.path(), connection.peer());
        let error = display(Chain(error));
        if fate.is_stalled() || fate.is_broken() {
            tracing::debug!(worker, %method, path, ?peer, error, "an answer ended early, as the body of its request did");
        } else {
            tracing::error!(worker, %method, path, ?peer, error, "the body of an answer failed");
        }
    }
}

impl<H: Handler> HttpBody for Answer<H> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(first);
        }
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let polled =
            catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx))).unwrap_or_else(|panic| {
                let (reference, panic) = (Reference::new(), panics::describe(panic));
                let (worker, path) = (this.running.worker(), this.running.path());
                tracing::error!(%reference, worker, path, panic, "the body of an answer panicked");
                Poll::Ready(Some(Err(BodyError::new(format!("reference {reference}")))))
            });
        if let Poll::Ready(Some(Err(error))) = &polled {
            this.tell_of(error);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.first {
            Some(first) => first.is_none(),
            None => self.body.as_ref().is_none_or(HttpBody::is_end_stream),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.body.as_ref().map_or_else(SizeHint::default, HttpBody::size_hint);
        let Some(Some(Ok(first))) = &self.first else { return rest };
        let first = first.data_ref().map_or(0, Bytes::len) as u64;
        let mut all = SizeHint::new();
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(first)) {
            all.set_upper(upper);
        }
        all.set_lower(rest.lower().saturating_add(first));
        all
    }
}

impl<H: Handler> Drop for Answer<H> {
    fn drop(&mut self) {
        let body = self.body.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(body))) {
            let (worker, path) = (self.running.worker(), self.running.path());
            let panic = panics::describe(panic);
            tracing::error!(worker, path, panic, "the body of an answer panicked as it was dropped");
        }
    }
}

/// A request that runs, from its head to the end of its answer, and what the log says of it.
struct Running<H: Handler> {
    connection: Arc<Connection<H>>,
    method: Method,
    path: Option<PathAndQuery>,
    fate: Arc<Fate>,
}

impl<H: Handler> Running<H> {
    fn new(connection: &Arc<Connection<H>>, request: &Request<Incoming>) -> Self {
        connection.link().enter();
        Self {
            connection: Arc::clone(connection),
            method: request.method().clone(),
            path: request.uri().path_and_query().cloned(),
            fate: Arc::default(),
        }
    }

    fn worker(&self) -> Option<&str> {
        self.connection.handler().name()
    }

    fn path(&self) -> Option<&str> {
        self.path.as_ref().map(PathAndQuery::path)
    }
}

impl<H: Handler> Drop for Running<H> {
    fn drop(&mut self) {
        self.connection.link().leave();
    }
}
