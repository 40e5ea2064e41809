//! Services of tower as what answers requests, and the other way round.

use std::{
    error::Error as StdError,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Buf;
use http_body::Body as HttpBody;
use tower_service::Service;

use super::{Body, Fetch, Fetcher, Request, Response};
use crate::{Client as _, error::Error};

/// A tower service that answers requests, such as an axum `Router`, as a [`Fetch`].
///
/// ```
/// use axum::{Router, extract::State, routing::get};
/// use rpc_runtime::{Body, Client, Entrypoint, Error, Fetch, Request, Response, Tower, Worker};
/// # use rpc_runtime::{Fetcher, Result, service};
/// # #[service] trait Counter { async fn next(&self) -> Result<u64>; }
/// # struct Zero;
/// # impl Counter for Zero { async fn next(&self) -> Result<u64> { Ok(0) } }
///
/// /// A Worker whose requests an axum `Router` answers, with a binding as its state.
/// struct Site {
///     routes: Tower<Router>,
/// }
///
/// # struct SiteEnv { counter: CounterClient }
/// impl Worker for Site {
///     type Env = SiteEnv;
///
///     async fn new(env: SiteEnv) -> Result<Self, Error> {
///         let routes = Router::new().route("/next", get(next)).with_state(env.counter);
///         Ok(Self { routes: Tower::new(routes) })
///     }
///
///     fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
///         entrypoint.fetch()
///     }
/// }
///
/// impl Fetch for Site {
///     async fn fetch(&self, request: Request) -> Result<Response, Error> {
///         self.routes.fetch(request).await
///     }
/// }
///
/// async fn next(State(counter): State<CounterClient>) -> Result<String, String> {
///     counter.next().await.map(|count| count.to_string()).map_err(|error| error.to_string())
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// # let site = Fetcher::from_worker(Site::new(SiteEnv { counter: CounterClient::new(Zero) }).await?);
/// let response = site.fetch(http::Request::get("http://site/next").body(Body::none())?).await?;
/// assert_eq!(response.into_body().text().await?, "0");
/// # Ok(()) }
/// ```
///
/// Each request has a clone of the service to itself, waits until that clone is ready, and is then handed over. A
/// clone is what tower's own servers make for each connection, so state that all requests share lies behind the
/// clones, as it does in a `Router`. The bodies of answers are taken by [`Body::new`].
///
/// # Errors
///
/// An [`Error`](crate::Error) that the service passes on comes out as it is, in a box too. Any other is an
/// [application error](crate::Error::application).
#[derive(Clone)]
pub struct Tower<S>(S);

impl<S> Tower<S> {
    /// Answers requests with `service`.
    #[must_use]
    pub const fn new(service: S) -> Self {
        Self(service)
    }
}

impl<S, B> Fetch for Tower<S>
where
    S: Service<Request, Response = http::Response<B>, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + Sync,
    B: HttpBody<Data: Buf, Error: Into<BoxError>> + Send + 'static,
{
    /// # Cancel safety
    ///
    /// Dropping the future drops the service's, or the wait until it is ready.
    async fn fetch(&self, request: Request) -> Result<Response, Error> {
        let mut service = self.0.clone();
        poll_fn(|cx| service.poll_ready(cx)).await.map_err(passed_on)?;
        let response = service.call(request).await.map_err(passed_on)?;
        Ok(response.map(Body::new))
    }
}

impl<S> fmt::Debug for Tower<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tower").field("service", &std::any::type_name::<S>()).finish()
    }
}

/// For what takes a tower service: middleware in front of a binding, or a route of axum that leads to one.
///
/// ```
/// use axum::{Router, error_handling::HandleError, http::StatusCode};
/// use rpc_runtime::{Body, Client, Fetcher, Tower};
/// # use rpc_runtime::{Error, Fetch, Request, Response, Result};
/// # struct Files;
/// # impl Fetch for Files {
/// #     async fn fetch(&self, request: Request) -> Result<Response> {
/// #         Ok(Response::new(Body::from(request.uri().path().to_owned())))
/// #     }
/// # }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let assets = Fetcher::new(Files);
/// let assets = HandleError::new(assets, async |error: rpc_runtime::Error| {
///     (StatusCode::BAD_GATEWAY, error.to_string())
/// });
/// let site = Fetcher::new(Tower::new(Router::new().nest_service("/assets", assets)));
///
/// let response = site.fetch(http::Request::get("http://site/assets/logo").body(Body::none())?).await?;
/// assert_eq!(response.into_body().text().await?, "/logo");
/// # Ok(()) }
/// ```
///
/// It is always ready, because a client has no queue of its own. As with every call, nothing happens until the
/// future is polled. The future owns a clone of the client, and is boxed for that.
impl<B> Service<http::Request<B>> for Fetcher
where
    B: HttpBody<Data: Buf, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let client = self.clone();
        let request = request.map(Body::new);
        Box::pin(async move { client.fetch(request).await })
    }
}

type BoxError = Box<dyn StdError + Send + Sync>;

/// Layers put what they pass on into a box.
fn passed_on(error: impl Into<BoxError>) -> Error {
    match error.into().downcast() {
        Ok(own) => *own,
        Err(other) => Error::application(other),
    }
}
