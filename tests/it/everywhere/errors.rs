//! What a caller is told, and that it is the same on every path.

use std::error::Error as _;

use rpc_runtime::{CallOptions, Error, Interceptor, Next, Outcome, Outgoing};
use rpc_tests_workers::{Failing as _, Guarded as _, Made, Moment, Refusal, Work as _};

use super::*;

everywhere! {
    a_services_own_error_is_the_same_variant
    an_error_in_an_own_error_keeps_its_kind
    an_error_keeps_its_text_its_hops_and_its_sources
    each_kind_of_error_answers_to_its_predicate_alone
    an_interceptor_of_the_caller_stands_around_the_call
    an_interceptor_of_the_callee_stands_around_the_call
}

async fn a_services_own_error_is_the_same_variant(there: &There) {
    let failing = &there.place.failing;
    assert_eq!(failing.own(0).await, Ok(0));
    assert_eq!(failing.own(1).await, Err(Refusal::Busy(255)));
    assert_eq!(failing.own(9).await, Err(Refusal::Denied { who: "eve".to_owned(), code: 9 }));
}

async fn an_error_in_an_own_error_keeps_its_kind(there: &There) {
    let Err(Refusal::Rpc(error)) = there.place.failing.up().await else { panic!("expected `Rpc`") };
    assert!(error.is_not_found() && !error.is_retryable(), "{error}");
    assert_eq!(error.is_remote(), there.is_remote());
    assert!(error.to_string().starts_with("not found: the key `k`"), "{error}");
    assert_eq!(hops(&error), ["Failing/up"]);
}

async fn an_error_keeps_its_text_its_hops_and_its_sources(there: &There) {
    let failing = &there.place.failing;
    let error = failing.denied().await.unwrap_err();
    assert!(error.is_denied() && !error.is_application());
    assert!(error.to_string().starts_with("denied: not on Sundays ("), "{error}");
    assert_eq!(hops(&error), ["Failing/denied"]);
    let error = failing.with_sources().await.unwrap_err();
    assert!(error.is_application(), "{error}");
    let messages: Vec<_> =
        std::iter::successors(error.source(), |below| (*below).source()).map(ToString::to_string).collect();
    assert_eq!(messages, ["middle", "bottom"]);
    assert_eq!(error.is_remote(), there.is_remote());
}

pub(super) fn hops(error: &Error) -> Vec<String> {
    error.hops().iter().map(|hop| format!("{}/{}", hop.service(), hop.method())).collect()
}

async fn each_kind_of_error_answers_to_its_predicate_alone(there: &There) {
    let failing = &there.place.failing;
    let made = |error| async move { failing.made(error).await.unwrap_err() };
    let at_once = CallOptions::new().deadline(Duration::ZERO);
    let too_deep = CallOptions::new().limits(rpc_runtime::Limits::new().invocations(1));
    let all = [
        (made(Made::Denied).await, vec!["denied"]),
        (made(Made::NotFound).await, vec!["not found"]),
        (made(Made::Application).await, vec!["application"]),
        (failing.panics(Moment::AfterAwait).await.unwrap_err(), vec!["panic"]),
        (there.place.work.with(at_once).sleep(0).await.unwrap_err(), vec!["deadline"]),
        (
            rpc_tests_workers::Walk::walk(
                &there.place.walk.with(too_deep),
                &[rpc_tests_workers::Way::Near],
                &rpc_tests_workers::End::Answer,
            )
            .await
            .unwrap_err(),
            vec!["limit"],
        ),
        // A handler that says so of itself has run.
        (made(Made::Overloaded).await, vec![]),
    ];
    for (error, expected) in all {
        assert_eq!(crate::errors::kinds(&error), expected, "{error}");
    }
}

/// Lets calls through unless they are to `closed`, and says a word to the callee.
struct Porter;

impl Interceptor for Porter {
    async fn around(&self, call: &Outgoing, next: Next) -> Outcome {
        if call.method() == "denied" {
            return Outcome::refused(Error::denied("by the porter"));
        }
        let outcome = next.metadata("guard", "the porter").run().await;
        assert!(outcome.is_ok() || outcome.error().is_some());
        outcome
    }
}

async fn an_interceptor_of_the_caller_stands_around_the_call(there: &There) {
    let failing = there.place.failing.with(CallOptions::new().interceptor(Porter));
    let error = failing.denied().await.unwrap_err();
    assert!(error.to_string().starts_with("denied: by the porter"), "{error}");
    assert!(!error.is_remote(), "it never left");
    let error = failing.with_sources().await.unwrap_err();
    assert!(error.is_application(), "{error}");
}

async fn an_interceptor_of_the_callee_stands_around_the_call(there: &There) {
    let guarded = &there.place.guarded;
    assert_eq!(guarded.open().await.unwrap().as_deref(), Some("was here"));
    let error = guarded.closed().await.unwrap_err();
    assert!(error.is_denied(), "{error}");
    let error = guarded.full().await.unwrap_err();
    assert!(error.is_overloaded() && !error.is_retryable(), "{error}");
    assert_eq!(there.count("guard").await, 3);
}
