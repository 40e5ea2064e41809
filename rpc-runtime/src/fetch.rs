//! Requests and responses, with no network in between.

mod body;
mod fetcher;
#[cfg(any(feature = "fetch", feature = "host"))]
pub(crate) mod hop_by_hop;
mod into_request;
mod redirect;
#[cfg(feature = "tower")]
mod tower;
mod upgraded;

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use http_body::Body as _;
use tokio::time::Sleep;

pub use self::fetcher::DynFetcher;
#[cfg(feature = "fetch")]
pub(crate) use self::into_request::is_http;
#[cfg(feature = "tower")]
pub use self::tower::Tower;
pub use self::{
    body::{Body, BodyError},
    fetcher::Fetcher,
    into_request::IntoRequest,
    redirect::Redirect,
    upgraded::Upgraded,
};
pub(crate) use self::{
    into_request::take_redirect,
    redirect::{Step, Trail},
};
use crate::{
    call::{Call, HandlerOf, Way},
    client::Inner,
    clock,
    error::{Error, Kind},
    invocation::{RequestBudget, sleep_until, with_current},
    raw::{self, Flavour, Given, Rest},
    service::{Answers, MethodInfo, NOT_CARRIED, Service, Target},
};

/// A request on its way to a Worker.
pub type Request = http::Request<Body>;

/// What a Worker answers to a request.
pub type Response = http::Response<Body>;

/// A Worker, or anything else, that answers requests.
///
/// ```
/// use rpc_runtime::{Body, Client, Error, Fetch, Fetcher, Request, Response};
///
/// struct Hello;
///
/// impl Fetch for Hello {
///     async fn fetch(&self, request: Request) -> Result<Response, Error> {
///         Ok(Response::new(Body::from(format!("hello from {}", request.uri().path()))))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
/// let hello = Fetcher::new(Hello);
/// let response = hello.fetch(http::Request::get("http://hello/there").body(Body::empty())?).await?;
/// assert_eq!(response.into_body().text().await?, "hello from /there");
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not answer requests",
    label = "`{Self}` does not implement `Fetch`",
    note = "write `impl Fetch for {Self}` with `async fn fetch(&self, request: Request) -> Result<Response, Error>`"
)]
pub trait Fetch: Send + Sync {
    /// Answers one request.
    ///
    /// # Errors
    ///
    /// The caller gets the error as it is; a client outside of the system gets a plain 500, or 503 when the
    /// error is overload, and the log has the rest.
    fn fetch(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send;
}

/// Answers requests on the thread it lives on, for callers on that thread: [`Fetch`] without `Send`, as for
/// `#[service(local)]`.
///
/// For Workers that hold what is not `Send`, such as the client of a local service. Those callers are the clients of
/// the local services that the same entrypoint offers; a host serves no such Worker to the outside.
pub trait LocalFetch {
    /// Answers one request.
    ///
    /// # Errors
    ///
    /// The caller gets the error as it is.
    fn fetch(&self, request: Request) -> impl Future<Output = Result<Response, Error>>;
}

/// A request on its way to a `fetch`, where it lies.
pub(crate) type GivenRequest<'l, 's, L> =
    Given<'l, 's, Request, <L as Flavour>::Handler<Result<Response, Error>>>;

/// A request being answered: what [`Client::fetch`](crate::Client::fetch) returns.
#[must_use = "a request is not sent until it is awaited"]
pub struct Fetching<'c, C: Service> {
    call: Call<'c, FetchOf<C>>,
    /// What few requests need.
    beside: Option<Beside>,
}

enum Beside {
    /// The request has extensions, none of which is for us.
    Nothing,
    /// Where to go on from a redirect.
    Trail(Box<Following>),
}

/// What is known of a request whose redirects are followed.
struct Following {
    trail: Trail,
    /// What its client gives for all requests together, and since when.
    time: Option<(Duration, Instant)>,
    /// Of those after the first one, whose call has a timer itself.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Each request is a call of its own, which begins a pipeline where there is none, and has the limits of its client
    /// for itself; this counts them together.
    requests: Option<RequestBudget>,
}

impl Following {
    /// A redirect leads on. False if the time is over.
    fn go_on(&mut self) -> bool {
        let Some((given, begun)) = self.time else { return true };
        let Some(end) = begun.checked_add(given) else { return true };
        // The call before had a timer, or it would have failed.
        self.alarm = self.alarm.take().or_else(|| sleep_until(end).map(Box::pin));
        clock::now() < end
    }
}

impl<'c, C: Service> Fetching<'c, C> {
    #[inline]
    pub(crate) fn new(client: &'c Inner<C>, request: impl IntoRequest) -> Self {
        Self { call: Call::new(client, request.into_request(), FetchOf::default()), beside: None }
    }

    /// Whether there may be something to do beside the call itself.
    #[inline]
    fn is_marked(&self) -> bool {
        if self.beside.is_some() {
            return true;
        }
        self.call.args().is_some_and(|request| !request.extensions().is_empty())
    }

    /// Before the first poll of a call whose request has extensions.
    #[cold]
    #[inline(never)]
    fn prepare(&mut self) -> Result<(), Error> {
        let Some(request) = self.call.args_mut() else { return Ok(()) };
        let mode = match take_redirect(request) {
            Ok(mode) => mode,
            Err(why) => return Err(self.failed(why)),
        };
        self.beside = Some(match Trail::of(request, mode) {
            None => Beside::Nothing,
            Some(trail) => {
                let binding = self.call.client().binding();
                let options = binding.options.as_ref();
                let given = options.and_then(|options| options.given.deadline);
                Beside::Trail(Box::new(Following {
                    trail,
                    time: given.map(|given| (given, clock::now())),
                    alarm: None,
                    requests: (options.is_some_and(|options| options.given.limits.is_some())
                        || with_current(|caller| caller.is_none()))
                    .then(|| RequestBudget::first(binding.limits_of_first(), binding.cost)),
                }))
            }
        });
        Ok(())
    }

    /// An answer that may be more, or less, than that. The next request is on its way if there is `None`.
    #[cold]
    #[inline(never)]
    fn look(&mut self, answer: Result<Response, Error>) -> Option<Result<Response, Error>> {
        let response = match answer {
            Ok(response) => response,
            Err(error) => return Some(Err(self.judge(error))),
        };
        if let Some(why) = misplaced_body(&response) {
            return Some(Err(self.failed(why)));
        }
        let Some(Beside::Trail(following)) = &mut self.beside else { return Some(Ok(response)) };
        match following.trail.step(response) {
            Ok(Step::Answer(response)) => Some(Ok(response)),
            Ok(Step::Request(_)) if !following.go_on() => Some(Err(self.too_late())),
            Ok(Step::Request(request)) => {
                if let Some(Err(exceeded)) = following.requests.as_ref().map(RequestBudget::spend) {
                    return Some(Err(self.failed(Kind::Limit(exceeded))));
                }
                self.call = Call::new(self.call.client(), request, FetchOf::default());
                None
            }
            Err(why) => Some(Err(self.failed(why))),
        }
    }

    /// What has to be done beside the call itself. Ready when the time for all requests is over.
    #[cold]
    #[inline(never)]
    fn poll_beside(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        if self.beside.is_none()
            && let Err(why) = self.prepare()
        {
            return Poll::Ready(why);
        }
        let Some(Beside::Trail(following)) = &mut self.beside else { return Poll::Pending };
        let Some(alarm) = &mut following.alarm else { return Poll::Pending };
        ready!(alarm.as_mut().poll(cx));
        Poll::Ready(self.too_late())
    }

    /// The time for all requests is over; the one that runs is dropped.
    fn too_late(&mut self) -> Error {
        let client = self.call.client();
        self.call = Call::new(client, Request::default(), FetchOf::default());
        let given = match &self.beside {
            Some(Beside::Trail(following)) => following.time.map(|(given, _)| given),
            _ => None,
        };
        self.failed(Kind::Deadline(given))
    }

    /// An error after a redirect speaks of a request that nobody asked for.
    #[cold]
    fn judge(&self, error: Error) -> Error {
        match &self.beside {
            Some(Beside::Trail(following)) if following.trail.has_moved() => error.after_redirects(),
            _ => error,
        }
    }

    fn failed(&self, why: Kind) -> Error {
        with_current(|caller| Error::of_call(why, caller, &FETCH, self.call.client().binding()))
    }
}

/// Why an answer is refused that has a body where there is none to be: such a body would be read as the next answer on
/// a connection (RFC 9110, 15.3.5 and 15.4.5).
pub(crate) fn misplaced_body(response: &Response) -> Option<Kind> {
    let status = response.status();
    if !matches!(status.as_u16(), 204 | 205 | 304) || response.body().is_end_stream() {
        return None;
    }
    Some(Kind::Setup(format!("the answer is {status}, which has no body, and comes with one").into()))
}

impl<C: Service> Future for Fetching<'_, C> {
    type Output = Result<Response, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            if self.is_marked()
                && let Poll::Ready(why) = self.poll_beside(cx)
            {
                return Poll::Ready(Err(why));
            }
            let polled = Pin::new(&mut self.call).poll(cx);
            let is_plain = match &polled {
                // 200 and its kin.
                Poll::Ready(Ok(response)) => response.status().as_u16() < 204,
                Poll::Ready(Err(_)) => false,
                Poll::Pending => true,
            };
            if is_plain {
                return polled;
            }
            if let Poll::Ready(answer) = polled
                && let Some(answer) = self.look(answer)
            {
                return Poll::Ready(answer);
            }
        }
    }
}

impl<C: Service> fmt::Debug for Fetching<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetching").finish_non_exhaustive()
    }
}

/// `fetch` as a method of whatever service a client has.
#[derive(Debug)]
pub(crate) struct FetchOf<C>(PhantomData<fn() -> C>);

impl<C> Default for FetchOf<C> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<C> Clone for FetchOf<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for FetchOf<C> {}

impl<'s, C: Service> Way<'s> for FetchOf<C> {
    type Service = C;
    type Args = Request;
    type Output = Result<Response, Error>;

    fn method(&self) -> &'static MethodInfo {
        &FETCH
    }

    fn answers(&self) -> Answers<Self::Output> {
        Answers::of(|output: &Self::Output| output.as_ref().err())
    }

    fn start(
        &self,
        twin: &'s C::Dyn,
        request: Given<'_, 's, Request, HandlerOf<C, Self::Output>>,
        cx: &mut Context<'_>,
        rest: &mut Rest<'s, Request, HandlerOf<C, Self::Output>>,
    ) -> Poll<Self::Output> {
        raw::start_with_given(twin, request, cx, rest, |twin, request, slot| twin.__fetch(request, slot))
    }
}

/// `fetch` as a method, of no service.
pub(crate) static FETCH: MethodInfo = MethodInfo::new("", "fetch", &[], NOT_CARRIED);
