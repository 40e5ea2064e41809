//! Services of tower as fetch handlers, and bindings as services of tower.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http_body_util::Full;
use rpc_runtime::Tower;
use tower_service::Service;

use super::*;

/// Ready at its second asking, as a service with a queue may be; answers with how often it was asked.
#[derive(Clone, Default)]
struct Hesitant {
    asked: usize,
    clones_used: Arc<AtomicUsize>,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Service<Request> for Hesitant {
    type Response = http::Response<Full<&'static [u8]>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.asked += 1;
        if self.asked < 2 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        assert_eq!(self.asked, 2, "called once it was ready, on a clone of its own");
        self.clones_used.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            match request.uri().path() {
                "/own" => Err(BoxError::from(Error::denied("no"))),
                "/foreign" => Err(BoxError::from("out of paper")),
                _ => Ok(http::Response::new(Full::new(&b"printed"[..]))),
            }
        })
    }
}

#[test]
fn each_request_has_a_clone_of_the_service_that_is_ready() {
    let service = Hesitant::default();
    let printer = Fetcher::new(Tower::new(service.clone()));
    for _ in 0..3 {
        assert_eq!(text(block_on(printer.fetch(get("http://printer/"))).unwrap()), "printed");
    }
    assert_eq!(service.clones_used.load(Ordering::Relaxed), 3);
}

#[test]
fn an_error_of_ours_comes_out_of_its_box_and_another_is_an_application_error() {
    let printer = Fetcher::new(Tower::new(Hesitant::default()));
    let own = block_on(printer.fetch(get("http://printer/own"))).unwrap_err();
    assert_eq!(own, Error::denied("no"));
    let foreign = block_on(printer.fetch(get("http://printer/foreign"))).unwrap_err();
    assert!(foreign.is_application());
    assert!(foreign.to_string().starts_with("out of paper"), "{foreign}");
}

#[test]
fn a_service_that_fails_to_become_ready_fails_the_request() {
    #[derive(Clone)]
    struct Broken;

    impl Service<Request> for Broken {
        type Response = Response;
        type Error = std::io::Error;
        type Future = std::future::Ready<Result<Response, std::io::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
            Poll::Ready(Err(std::io::Error::other("the queue is closed")))
        }

        fn call(&mut self, _: Request) -> Self::Future {
            unreachable!("it is never ready")
        }
    }

    let error = block_on(Fetcher::new(Tower::new(Broken)).fetch(get("http://a/"))).unwrap_err();
    assert!(error.is_application());
    assert!(error.to_string().starts_with("the queue is closed"), "{error}");
}

#[test]
fn a_binding_is_a_service_of_tower_for_bodies_of_any_kind() {
    let mut echo = by(async |request| Ok(Response::new(request.into_body())));
    let request = http::Request::post("http://a/").body(Full::new(Bytes::from_static(b"foreign"))).unwrap();
    let ready = |service: &mut Fetcher| {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        Service::<Request>::poll_ready(service, &mut cx).is_ready()
    };
    assert!(ready(&mut echo));
    assert_eq!(text(block_on(echo.call(request)).unwrap()), "foreign");
}

#[test]
fn the_error_of_a_binding_passes_through_layers() {
    let denied = by(|_| std::future::ready(Err(Error::denied("no"))));
    // The layer of a user: a service that wraps one and boxes its error.
    #[derive(Clone)]
    struct Boxing(Fetcher);
    impl Service<Request> for Boxing {
        type Response = Response;
        type Error = BoxError;
        type Future = Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Service::<Request>::poll_ready(&mut self.0, cx).map_err(BoxError::from)
        }

        fn call(&mut self, request: Request) -> Self::Future {
            let called = self.0.call(request);
            Box::pin(async move { Ok(called.await?) })
        }
    }
    let layered = Fetcher::new(Tower::new(Boxing(denied)));
    assert!(block_on(layered.fetch(get("http://a/"))).unwrap_err().is_denied());
}
