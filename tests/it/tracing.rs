//! Whoever listens sees each call as a span.

use std::future::pending;
use std::time::Duration;

use rpc_runtime::{
    Body, CallOptions, Client, Ctx, Error, Fetch, Fetcher, Request, Response, Result, serve, service,
};

use crate::calls::AuthError;
use crate::drive::{block_on, pause, poll_once};
use crate::recorder::{Recorder, Span};
use crate::step::{Step, relay, step};

#[service(rename = "acme.auth")]
trait Auth {
    async fn verify(&self, token: &str) -> Result<u32, AuthError>;
}

struct AuthWorker;

impl Auth for AuthWorker {
    async fn verify(&self, token: &str) -> Result<u32, AuthError> {
        pause().await;
        match token {
            "t0ken" => Ok(7),
            "panic" => std::panic::resume_unwind(Box::new("boom")),
            "denied" => Err(Error::denied("no"))?,
            _ => Err(AuthError::Refused),
        }
    }
}

fn only(recorder: &Recorder) -> Span {
    let heard = recorder.heard();
    assert_eq!(heard.spans.len(), 1);
    heard.spans[0].clone()
}

#[test]
fn a_call_is_a_span_under_the_names_of_opentelemetry() {
    let (recorder, _listening) = Recorder::listen();
    assert_eq!(block_on(AuthClient::new(AuthWorker).verify("t0ken")), Ok(7));
    let span = only(&recorder);
    assert_eq!(span.name, "call");
    let fields: Vec<_> = span.fields.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(
        fields,
        [
            ("otel.kind", "client"),
            ("otel.name", "acme.auth/verify"),
            ("rpc.local", "true"),
            ("rpc.method", "acme.auth/verify"),
            ("rpc.system.name", "rpc_runtime"),
            ("rpc.worker", "AuthWorker"),
        ]
    );
    assert!(span.is_closed);
    // Once for each of two polls, and once more for the drop of the handler.
    assert_eq!(span.entered, span.exited);
    assert!(span.entered >= 2);
}

#[tokio::test]
async fn a_call_elsewhere_is_a_span_at_each_end() {
    let (here, there) = tokio::io::duplex(1024);
    tokio::spawn(serve(AuthClient::new(AuthWorker), there));
    let auth = AuthClient::connect(here).await.unwrap();
    let (recorder, _listening) = Recorder::listen();
    assert_eq!(auth.verify("t0ken").await, Ok(7));
    let heard = recorder.heard();
    let spans = &heard.spans;
    let ends: Vec<_> =
        spans.iter().map(|span| (&*span.fields["otel.kind"], &*span.fields["rpc.local"])).collect();
    assert_eq!(ends, [("client", "false"), ("server", "false")]);
    assert!(spans.iter().all(|span| span.fields["rpc.method"] == "acme.auth/verify" && span.is_closed));
}

#[test]
fn a_call_that_fails_says_how() {
    for (token, kind) in [("", "AuthError"), ("denied", "denied"), ("panic", "panic")] {
        let (recorder, _listening) = Recorder::listen();
        assert!(block_on(AuthClient::new(AuthWorker).verify(token)).is_err());
        let span = only(&recorder);
        assert_eq!(span.fields.get("error.type").map(String::as_str), Some(kind));
        assert!(span.is_closed);
    }
    let (recorder, _listening) = Recorder::listen();
    let ready = step(|_| async { Err(Error::application("no")) });
    assert!(block_on(ready.run(0)).is_err());
    assert_eq!(only(&recorder).fields["error.type"], "application");
}

#[test]
fn spans_stand_inside_of_each_other() {
    let (recorder, _listening) = Recorder::listen();
    let inner = step(|input| async move {
        pause().await;
        tracing::info!("inside");
        Ok(input)
    });
    let client = relay(inner);
    block_on(client.run(0)).unwrap();
    block_on(client.run(0)).unwrap();
    let heard = recorder.heard();
    let parents: Vec<_> = heard.spans.iter().map(|span| span.parent).collect();
    assert_eq!(parents, [None, Some(0), None, Some(2)]);
    assert!(heard.spans.iter().all(|span| span.is_closed && span.entered == span.exited));
    assert_eq!(heard.events.len(), 2);
}

#[test]
fn the_span_of_a_call_that_is_dropped_is_closed() {
    let (recorder, _listening) = Recorder::listen();
    let client = relay(step(|_| pending()));
    let mut call = Box::pin(client.run(0));
    assert!(poll_once(call.as_mut()).is_pending());
    assert!(recorder.heard().spans.iter().all(|span| !span.is_closed));
    drop(call);
    assert!(recorder.heard().spans.iter().all(|span| span.is_closed && span.entered == span.exited));
}

#[tokio::test(start_paused = true)]
async fn the_span_of_a_call_whose_deadline_passes_says_so() {
    let (recorder, _listening) = Recorder::listen();
    let client = step(|_| pending()).with(CallOptions::new().deadline(Duration::from_secs(1)));
    assert!(client.run(0).await.unwrap_err().is_deadline());
    let span = only(&recorder);
    assert_eq!(span.fields["error.type"], "deadline");
    assert!(span.is_closed);
}

#[test]
fn a_panic_leaves_its_span() {
    let (recorder, _listening) = Recorder::listen();
    for pauses in 0..2 {
        let client = relay(step(move |_| async move {
            for _ in 0..pauses {
                pause().await;
            }
            std::panic::resume_unwind(Box::new("boom"))
        }));
        assert!(block_on(client.run(0)).unwrap_err().is_panic());
    }
    // The recorder itself asserts that spans are left in order.
    let heard = recorder.heard();
    assert_eq!(heard.spans.len(), 4);
    assert!(heard.spans.iter().all(|span| span.is_closed && span.fields["error.type"] == "panic"));
}

#[test]
fn a_fetch_is_a_span_too() {
    struct Hello;

    impl Fetch for Hello {
        async fn fetch(&self, _: Request) -> Result<Response> {
            Ok(Response::new(Body::from("hello")))
        }
    }

    let (recorder, _listening) = Recorder::listen();
    let request = http::Request::get("http://hello/").body(Body::none()).unwrap();
    block_on(Fetcher::new(Hello).fetch(request)).unwrap();
    let span = only(&recorder);
    assert_eq!((&*span.fields["rpc.method"], &*span.fields["rpc.worker"]), ("fetch", "Hello"));
}

#[tokio::test]
async fn calls_of_tasks_stand_inside_of_their_invocation() {
    let (recorder, _listening) = Recorder::listen();
    let inner = step(|input| async move { Ok(input) });
    let client = step(move |_| {
        let (one, two) = (inner.clone(), inner.clone());
        async move {
            let ctx = Ctx::current();
            assert!(!ctx.trace().is_disabled());
            let (told, asked) = tokio::sync::oneshot::channel();
            ctx.wait_until(async move { told.send(one.run(1).await.is_ok()).unwrap() })?;
            ctx.spawn(async move { two.run(2).await })?.await??;
            assert!(asked.await.unwrap());
            Ok(0)
        }
    });
    client.run(0).await.unwrap();
    let parents: Vec<_> = recorder.heard().spans.iter().map(|span| span.parent).collect();
    assert_eq!(parents, [None, Some(0), Some(0)]);
}

#[test]
fn where_nobody_listens_there_is_no_span() {
    let client = step(|_| async {
        assert!(Ctx::current().trace().is_disabled());
        Ok(0)
    });
    block_on(client.run(0)).unwrap();
}

#[test]
fn what_is_said_outside_of_a_call_is_outside_of_its_span() {
    let (recorder, _listening) = Recorder::listen();
    let client = relay(step(|input| async move {
        pause().await;
        Ok(input)
    }));
    let mut call = Box::pin(client.run(0));
    assert!(poll_once(call.as_mut()).is_pending());
    // Made between two polls, so no part of the call.
    block_on(step(|input| async move { Ok(input) }).run(0)).unwrap();
    assert!(poll_once(call.as_mut()).is_ready());
    assert_eq!(recorder.heard().spans[2].parent, None);
}
