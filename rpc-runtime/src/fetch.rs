//! Requests and responses, with no network in between.

mod body;
mod fetcher;
#[cfg(feature = "tower")]
mod tower;

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

pub use self::fetcher::DynFetcher;
#[cfg(feature = "tower")]
pub use self::tower::Tower;
pub use self::{
    body::{Body, BodyError},
    fetcher::Fetcher,
};
use crate::{
    call::{Call, HandlerOf, Way},
    client::Inner,
    error::Error,
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
pub struct Fetching<'c, C: Service>(Call<'c, FetchOf<C>>);

impl<'c, C: Service> Fetching<'c, C> {
    pub(crate) fn new(client: &'c Inner<C>, request: Request) -> Self {
        Self(Call::new(client, request, FetchOf::default()))
    }
}

impl<C: Service> Future for Fetching<'_, C> {
    type Output = Result<Response, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
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
        raw::start_with_given(twin, request, cx, rest, |twin, request, slot| twin.fetch(request, slot))
    }
}

/// `fetch` as a method, of no service.
pub(crate) static FETCH: MethodInfo = MethodInfo::new("", "fetch", &[], NOT_CARRIED);
