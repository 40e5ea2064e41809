//! Requests in process: what arrives at the callee, what comes back, and what goes wrong.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use rpc_runtime::{
    Body, BodyError, CallOptions, Client as _, Ctx, Entrypoint, Error, Fetch, Fetcher, LocalFetch, Request,
    Response, Result, Worker, service,
};

use crate::block_on;

mod outside;
mod redirects;
mod tower;

/// Answers requests with a function.
struct By<F>(F);

impl<F, A> Fetch for By<F>
where
    F: Fn(Request) -> A + Send + Sync,
    A: Future<Output = Result<Response>> + Send,
{
    fn fetch(&self, request: Request) -> impl Future<Output = Result<Response>> + Send {
        (self.0)(request)
    }
}

fn by<F, A>(handler: F) -> Fetcher
where
    F: Fn(Request) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Response>> + Send + 'static,
{
    Fetcher::new(By(handler))
}

fn get(uri: &str) -> Request {
    http::Request::get(uri).body(Body::none()).unwrap()
}

fn text(response: Response) -> String {
    block_on(response.into_body().text()).unwrap()
}

#[test]
fn the_url_reaches_the_callee_unchanged_and_resolves_nothing() {
    let echo = by(async |request| Ok(Response::new(request.uri().to_string().into())));
    for uri in [
        "http://auth/verify",
        "http://no-such-host.invalid:1/a/../b//c?x=%2F&y",
        "https://[2001:db8::1]:65535/",
        "http://user:password@host/",
        "ws://chat/room",
        "/only/a/path?q",
    ] {
        assert_eq!(text(block_on(echo.fetch(get(uri))).unwrap()), uri);
    }
}

#[test]
fn method_version_headers_and_extensions_arrive_both_ways() {
    #[derive(Clone, Debug, PartialEq)]
    struct Extension(u8);

    let handler = by(async |request| {
        let (head, body) = request.into_parts();
        assert_eq!((head.method, head.version), (Method::PATCH, Version::HTTP_10));
        assert_eq!(head.headers.get_all("x-many").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(head.headers["x-raw"].as_bytes(), [0xff, 0x80]);
        assert_eq!(head.extensions.get::<Extension>(), Some(&Extension(7)));
        assert!(body.is_none(), "no body stays none");
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        *response.version_mut() = Version::HTTP_3;
        *response.headers_mut() = head.headers;
        response.extensions_mut().insert(Extension(8));
        Ok(response)
    });
    let mut request = get("http://a/");
    *request.method_mut() = Method::PATCH;
    *request.version_mut() = Version::HTTP_10;
    request.headers_mut().append("x-many", HeaderValue::from_static("1"));
    request.headers_mut().append("x-many", HeaderValue::from_static("2"));
    request.headers_mut().insert("x-raw", HeaderValue::from_bytes(&[0xff, 0x80]).unwrap());
    request.extensions_mut().insert(Extension(7));

    let response = block_on(handler.fetch(request)).unwrap();
    assert_eq!((response.status(), response.version()), (StatusCode::IM_A_TEAPOT, Version::HTTP_3));
    assert_eq!(response.headers().len(), 3);
    assert_eq!(response.extensions().get::<Extension>(), Some(&Extension(8)));
    assert!(!response.body().is_none(), "an empty body stays a body");
}

/// Where the parts of a message lie that a copy would have elsewhere.
fn addresses(headers: &HeaderMap, body: &Bytes) -> [usize; 2] {
    [headers["x-large"].as_bytes().as_ptr().addr(), body.as_ptr().addr()]
}

#[test]
fn requests_and_responses_are_moved_and_not_copied() {
    const LENGTH: usize = 100 << 20;
    let handler = by(async |request| {
        let (head, body) = request.into_parts();
        let body = body.bytes_up_to(LENGTH).await?;
        let mut response = Response::new(Body::from(body.clone()));
        response.headers_mut().insert("x-large", head.headers["x-large"].clone());
        response.extensions_mut().insert(addresses(&head.headers, &body));
        Ok(response)
    });
    let body = Bytes::from(vec![7; LENGTH]);
    let mut request = get("http://a/");
    request.headers_mut().insert("x-large", HeaderValue::from_str(&"v".repeat(4096)).unwrap());
    let sent = addresses(request.headers(), &body);
    *request.body_mut() = body.into();

    let response = block_on(handler.fetch(request)).unwrap();
    assert_eq!(response.extensions().get(), Some(&sent), "what the callee saw");
    let (head, body) = response.into_parts();
    let body = block_on(body.bytes_up_to(LENGTH)).unwrap();
    assert_eq!(addresses(&head.headers, &body), sent, "what came back");
    assert_eq!(body.len(), LENGTH);
}

#[test]
fn an_error_of_the_callee_is_the_error_of_the_caller() {
    let denied = Error::denied("the token has expired");
    let told = denied.clone();
    let inner = by(move |_| std::future::ready(Err(told.clone())));
    let outer = by(move |request| {
        let inner = inner.clone();
        async move { inner.fetch(request).await }
    });
    let error = block_on(outer.fetch(get("http://a/"))).unwrap_err();
    assert_eq!(error, denied);
    assert!(error.is_denied());
}

#[test]
fn a_panic_ends_its_own_request() {
    let handler = by(async |request| match request.uri().path() {
        "/panic" => panic!("ouch"),
        path => Ok(Response::new(path.to_owned().into())),
    });
    let error = block_on(handler.fetch(get("http://a/panic"))).unwrap_err();
    assert!(error.is_panic());
    assert!(error.to_string().contains("the handler panicked: ouch"), "{error}");
    assert_eq!(text(block_on(handler.fetch(get("http://a/next"))).unwrap()), "/next");
}

#[service]
trait Greeter {
    async fn greet(&self, name: &str) -> Result<String>;
}

/// Implements everything; what it offers is for each test to say.
struct Both;

impl Greeter for Both {
    async fn greet(&self, name: &str) -> Result<String> {
        Ok(format!("hello {name}"))
    }
}

impl Fetch for Both {
    async fn fetch(&self, request: Request) -> Result<Response> {
        Ok(Response::new(request.uri().path().to_owned().into()))
    }
}

/// A Worker that offers what `$offers` says.
macro_rules! offering {
    ($worker:ident, $offers:expr) => {
        struct $worker;

        impl Worker for $worker {
            type Env = ();
            async fn new((): ()) -> Result<Self> {
                Ok(Self)
            }
            fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
                let offers: fn(Entrypoint<Self>) -> Entrypoint<Self> = $offers;
                offers(entrypoint)
            }
        }

        impl Greeter for $worker {
            async fn greet(&self, name: &str) -> Result<String> {
                Both.greet(name).await
            }
        }

        impl Fetch for $worker {
            async fn fetch(&self, request: Request) -> Result<Response> {
                Fetch::fetch(&Both, request).await
            }
        }
    };
}

offering!(OffersBoth, |entrypoint| entrypoint.service::<GreeterClient>().fetch());
offering!(OffersService, |entrypoint| entrypoint.service::<GreeterClient>());
offering!(OffersFetch, Entrypoint::fetch);
offering!(OffersFetcher, |entrypoint| entrypoint.service::<Fetcher>());
offering!(OffersElsewhere, |entrypoint| entrypoint
    .named("Admin", |admin| admin.service::<GreeterClient>().fetch()));

#[test]
fn a_typed_client_of_a_worker_can_fetch_too() {
    let greeter = GreeterClient::from_worker(OffersBoth);
    assert_eq!(block_on(greeter.greet("you")).unwrap(), "hello you");
    assert_eq!(text(block_on(greeter.fetch(get("http://a/path"))).unwrap()), "/path");
}

#[test]
fn without_fetch_the_methods_work_and_the_error_is_precise() {
    for greeter in [GreeterClient::from_worker(OffersService), GreeterClient::new(Both)] {
        assert_eq!(block_on(greeter.greet("you")).unwrap(), "hello you");
        let error = block_on(greeter.fetch(get("http://a/"))).unwrap_err();
        assert!(error.is_not_found());
        let told = error.to_string();
        assert!(
            told.starts_with("not found: the Worker has no `fetch`; its entrypoint does not declare one"),
            "{told}"
        );
        assert!(!error.is_retryable());
    }
}

#[test]
fn without_the_service_fetch_works_and_the_error_is_precise() {
    let greeter = GreeterClient::from_worker(OffersFetch);
    let error = block_on(greeter.greet("you")).unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(
        error.to_string(),
        "not found: the entrypoint of `OffersFetch` does not declare the service `Greeter`: \
         add `.service::<GreeterClient>()` to it (OffersFetch Greeter/greet)"
    );
    assert_eq!(text(block_on(greeter.fetch(get("http://a/path"))).unwrap()), "/path");
}

#[test]
fn a_named_entrypoint_is_not_the_default_one() {
    let greeter = GreeterClient::from_worker(OffersElsewhere);
    assert!(block_on(greeter.greet("you")).unwrap_err().is_not_found());
    assert!(block_on(greeter.fetch(get("http://a/"))).unwrap_err().is_not_found());
}

#[test]
fn a_fetcher_is_made_of_a_worker_that_declares_fetch() {
    for fetcher in [Fetcher::from_worker(OffersFetch), Fetcher::from_worker(OffersFetcher)] {
        assert_eq!(text(block_on(fetcher.fetch(get("http://a/path"))).unwrap()), "/path");
    }
    let error = block_on(Fetcher::from_worker(OffersService).fetch(get("http://a/"))).unwrap_err();
    assert!(error.is_not_found());
    assert!(error.to_string().contains("has no `fetch`"), "{error}");
}

#[service(local)]
trait Counter {
    async fn count(&self) -> Result<u32>;
}

/// Keeps its state in its thread.
struct Page(Rc<Cell<u32>>);

impl Counter for Page {
    async fn count(&self) -> Result<u32> {
        self.0.set(self.0.get() + 1);
        Ok(self.0.get())
    }
}

impl LocalFetch for Page {
    async fn fetch(&self, request: Request) -> Result<Response> {
        let own = Rc::clone(&self.0);
        let body = request.into_body().text().await?;
        Ok(Response::new(format!("{body} {}", own.get()).into()))
    }
}

impl Worker for Page {
    type Env = ();
    async fn new((): ()) -> Result<Self> {
        Ok(Self(Rc::default()))
    }
    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<CounterClient>().local_fetch()
    }
}

#[test]
fn a_worker_that_stays_in_its_thread_answers_its_own_callers() {
    let page = CounterClient::from_worker(block_on(Page::new(())).unwrap());
    assert_eq!(block_on(page.count()).unwrap(), 1);
    let request = http::Request::post("http://a/").body(Body::from("count")).unwrap();
    assert_eq!(text(block_on(page.fetch(request)).unwrap()), "count 1");
}

#[test]
fn a_body_streams_in_while_the_callee_reads_it() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let handler = by(move |request| {
        let made = Arc::clone(&count);
        async move {
            let mut body = request.into_body();
            assert_eq!(made.load(Ordering::Relaxed), 0, "nothing is read before it is asked for");
            let mut seen = Vec::new();
            while let Some(piece) = body.chunk().await? {
                seen.push(piece[0]);
                assert_eq!(made.load(Ordering::Relaxed), seen.len(), "and no more than that");
            }
            Ok(Response::new(seen.into()))
        }
    });
    let pieces = stream::iter(0..3_u8).then_pieces(made);
    let request = http::Request::post("http://a/").body(pieces).unwrap();
    let answer = block_on(handler.fetch(request)).unwrap();
    assert_eq!(block_on(answer.into_body().bytes()).unwrap(), [0, 1, 2][..]);
}

#[test]
fn an_answer_streams_after_the_call_has_returned() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let handler = by(move |_| {
        std::future::ready(Ok(Response::new(stream::iter(0..3).then_pieces(Arc::clone(&count)))))
    });
    let answer = block_on(handler.fetch(get("http://a/"))).unwrap();
    assert_eq!(made.load(Ordering::Relaxed), 0);
    assert_eq!(block_on(answer.into_body().bytes()).unwrap(), [0, 1, 2][..]);
    assert_eq!(made.load(Ordering::Relaxed), 3);
}

#[test]
fn a_body_that_ends_early_is_an_error_and_no_end() {
    let handler = by(async |request| {
        let error = request.into_body().bytes().await.unwrap_err();
        Err(Error::application(error))
    });
    let pieces = stream::iter([Ok(Bytes::from_static(b"a")), Err(std::io::Error::other("gone"))]);
    let request = http::Request::post("http://a/").body(Body::from_stream(pieces)).unwrap();
    let error = block_on(handler.fetch(request)).unwrap_err();
    assert!(error.is_application());
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert!(source.is_some_and(|source| source.contains("gone")), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn options_of_a_client_hold_for_its_requests() {
    let slow = by(async |_| {
        let tenant = Ctx::with(|ctx| ctx.metadata("tenant").map(str::to_owned));
        assert_eq!(tenant.as_deref(), Some("a1"));
        std::future::pending().await
    });
    let slow = slow.with(CallOptions::new().deadline(Duration::from_secs(2)).metadata("tenant", "a1"));
    let error = slow.fetch(get("http://a/")).await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
}

#[tokio::test]
async fn a_request_can_be_sent_from_any_thread() {
    let echo = by(async |request| {
        tokio::task::yield_now().await;
        Ok(Response::new(request.into_body()))
    });
    let request = http::Request::post("http://a/").body(Body::from("there and back")).unwrap();
    let answer = tokio::spawn(async move { echo.fetch(request).await }).await.unwrap().unwrap();
    assert_eq!(answer.into_body().text().await.unwrap(), "there and back");
}

trait ThenPieces {
    /// A body of one byte for each number, counted as they are made.
    fn then_pieces(self, made: Arc<AtomicUsize>) -> Body;
}

impl<S: futures_util::Stream<Item = u8> + Send + 'static> ThenPieces for S {
    fn then_pieces(self, made: Arc<AtomicUsize>) -> Body {
        Body::from_stream(futures_util::StreamExt::map(self, move |number| {
            made.fetch_add(1, Ordering::Relaxed);
            Ok::<_, BodyError>(Bytes::from(vec![number]))
        }))
    }
}
