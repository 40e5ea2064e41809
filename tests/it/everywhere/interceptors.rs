//! Who stands around a call, at either end of its path.

use std::sync::{Arc, Mutex};

use http::Method;
use rpc_runtime::{Body, CallOptions, Error, Interceptor, Next, Outcome, Outgoing};
use rpc_tests_workers::{Failing as _, Guarded as _, Values as _, Walk as _, Work as _};
use tokio::time::sleep;

use super::*;

everywhere! {
    an_interceptor_sees_the_call_and_how_it_ended
    the_one_added_first_is_the_outermost
    an_interceptor_may_wait_on_both_sides
    dropping_the_run_cancels_the_callee
    what_interceptors_add_counts_with_what_the_client_does
    an_interceptor_may_make_calls_of_its_own
    a_panic_in_an_interceptor_is_the_error_of_the_call
    time_that_an_interceptor_waits_counts
    an_interceptor_stands_around_a_request
}

fn around(interceptor: impl Interceptor + 'static) -> CallOptions {
    CallOptions::new().interceptor(interceptor)
}

type Notes = Arc<Mutex<Vec<String>>>;

/// Notes what passes.
struct Observes(&'static str, Notes);

impl Interceptor for Observes {
    async fn around(&self, call: &Outgoing, next: Next) -> Outcome {
        let note = |note: String| self.1.lock().unwrap().push(note);
        note(format!("> {} {}/{}", self.0, call.service(), call.method()));
        let outcome = next.run().await;
        note(format!("< {} {} {:?}", self.0, outcome.is_ok(), outcome.error().map(Error::is_denied)));
        outcome
    }
}

fn taken(notes: &Notes) -> Vec<String> {
    std::mem::take(&mut notes.lock().unwrap())
}

async fn an_interceptor_sees_the_call_and_how_it_ended(there: &There) {
    let notes = Notes::default();
    let failing = there.place.failing.with(around(Observes("one", Arc::clone(&notes))));
    assert!(failing.own(0).await.is_ok());
    assert_eq!(taken(&notes), ["> one Failing/own", "< one true None"]);
    assert!(failing.own(1).await.is_err());
    assert_eq!(taken(&notes), ["> one Failing/own", "< one false None"]);
    assert!(failing.denied().await.is_err());
    assert_eq!(taken(&notes), ["> one Failing/denied", "< one false Some(true)"]);
    assert!(failing.panics(rpc_tests_workers::Moment::AfterAwait).await.is_err());
    assert_eq!(taken(&notes), ["> one Failing/panics", "< one false Some(false)"]);
}

async fn the_one_added_first_is_the_outermost(there: &There) {
    let notes = Notes::default();
    let observes = |name| Observes(name, Arc::clone(&notes));
    let values = there.place.values.with(around(observes("a")).interceptor(observes("b")));
    values.with(around(observes("c"))).nothing().await.unwrap();
    let order: Vec<_> = taken(&notes).iter().map(|note| note[..3].to_owned()).collect();
    assert_eq!(order, ["> a", "> b", "> c", "< c", "< b", "< a"]);
}

/// Waits on both sides of a call.
struct Waits(Duration);

impl Interceptor for Waits {
    async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
        sleep(self.0).await;
        let outcome = next.run().await;
        sleep(self.0).await;
        outcome
    }
}

async fn an_interceptor_may_wait_on_both_sides(there: &There) {
    let guarded = there.place.guarded.with(around(Waits(Duration::from_millis(2))));
    guarded.slow().await.unwrap();
    assert_eq!(guarded.open().await.unwrap().as_deref(), Some("was here"));
    assert!(guarded.closed().await.unwrap_err().is_denied());
}

/// Lets the callee run until it has begun, and then wants it no more.
struct Impatient(TalliedClient);

impl Interceptor for Impatient {
    async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
        tokio::select! {
            biased;
            outcome = next.run() => outcome,
            begun = self.0.until("it.entered", 1) => {
                begun.unwrap();
                Outcome::refused(Error::denied("too slow"))
            }
        }
    }
}

async fn dropping_the_run_cancels_the_callee(there: &There) {
    let work = there.place.work.with(around(Impatient(there.place.tally.clone())));
    let error = work.wait("it").await.unwrap_err();
    assert!(error.is_denied(), "{error}");
    there.until("it.dropped", 1).await;
}

/// Adds a word.
struct Adds(&'static str, String);

impl Interceptor for Adds {
    async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
        next.metadata(self.0, self.1.clone()).run().await
    }
}

async fn what_interceptors_add_counts_with_what_the_client_does(there: &There) {
    let half = || "x".repeat(4096);
    let walk = there.place.walk.with(around(Adds("tenant", half())));
    let stops = walk.walk(&[], &rpc_tests_workers::End::Answer).await.unwrap();
    assert_eq!(stops[0].tenant.as_deref(), Some(&*half()));
    for more in [around(Adds("other", half())), CallOptions::new().metadata("other", half())] {
        let error = walk.with(more).walk(&[], &rpc_tests_workers::End::Answer).await.unwrap_err();
        assert!(error.is_limit() && error.to_string().contains("8192 bytes of metadata"), "{error}");
    }
}

/// Asks another Worker before it lets a call pass.
struct Asks(rpc_tests_workers::GuardedClient);

impl Interceptor for Asks {
    async fn around(&self, call: &Outgoing, next: Next) -> Outcome {
        let asked =
            if call.method() == "text" { self.0.open().await.map(drop) } else { self.0.closed().await };
        match asked {
            Ok(()) => next.run().await,
            Err(error) => Outcome::refused(error),
        }
    }
}

async fn an_interceptor_may_make_calls_of_its_own(there: &There) {
    let values = there.place.values.with(around(Asks(there.place.guarded.clone())));
    assert_eq!(values.text("a").await.unwrap(), "a");
    let error = values.nothing().await.unwrap_err();
    assert!(error.is_denied() && error.to_string().contains("closed for all"), "{error}");
    assert_eq!(there.count("guard").await, 2);
}

/// Panics, before the call or after it.
struct Panics {
    after: bool,
}

impl Interceptor for Panics {
    async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
        if self.after {
            next.run().await;
        }
        panic!("around the call")
    }
}

async fn a_panic_in_an_interceptor_is_the_error_of_the_call(there: &There) {
    for after in [false, true] {
        let ledger = there.place.ledger.with(around(Panics { after }));
        let error = rpc_tests_workers::Ledger::add(&ledger, "it").await.unwrap_err();
        assert!(error.is_panic() && error.to_string().contains("around the call"), "{error}");
        assert!(!error.is_retryable() && !error.is_remote());
        assert_eq!(there.count("it").await, u64::from(after));
    }
    let error = there.place.guarded.mined().await.unwrap_err();
    assert!(error.is_panic() && error.to_string().contains("stepped on"), "{error}");
    assert_eq!(error.is_remote(), there.is_remote());
    there.place.guarded.open().await.unwrap();
}

async fn time_that_an_interceptor_waits_counts(there: &There) {
    let hasty = CallOptions::new().deadline(Duration::from_millis(100));
    let work = there.place.work.with(hasty.interceptor(Waits(Duration::from_secs(60))));
    let error = work.wait("it").await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    there.place.values.nothing().await.unwrap();
    assert_eq!(there.count("it.entered").await, 0);
}

async fn an_interceptor_stands_around_a_request(there: &There) {
    let notes = Notes::default();
    let site = there.place.site.with(around(Observes("web", Arc::clone(&notes))));
    let request = |path| {
        http::Request::builder().method(Method::GET).uri(format!("http://site{path}")).body(Body::none())
    };
    assert_eq!(site.fetch(request("/empty").unwrap()).await.unwrap().status(), 204);
    assert!(site.fetch(request("/denied").unwrap()).await.unwrap_err().is_denied());
    assert_eq!(taken(&notes), ["> web /fetch", "< web true None", "> web /fetch", "< web false Some(true)"]);
}
