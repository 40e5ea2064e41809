//! A call is a span where it is made, wherever it is served.

use rpc_tests_workers::{Failing as _, Moment, Values as _, Work as _};

use super::*;
use crate::recorder::{Recorder, Span};

everywhere! {
    a_call_is_a_span_at_its_caller_and_says_how_it_ended
    the_span_of_a_call_that_is_dropped_is_closed
}

/// Of calls that were made on this thread.
fn made(recorder: &Recorder) -> Vec<Span> {
    let heard = recorder.heard();
    heard.spans.iter().filter(|span| span.fields["otel.kind"] == "client").cloned().collect()
}

async fn a_call_is_a_span_at_its_caller_and_says_how_it_ended(there: &There) {
    there.place.failing.own(0).await.unwrap();
    let (recorder, _listening) = Recorder::listen();
    assert!(there.place.failing.own(0).await.is_ok());
    assert!(there.place.failing.own(1).await.is_err());
    assert!(there.place.failing.denied().await.is_err());
    assert!(there.place.failing.panics(Moment::AfterAwait).await.is_err());
    let local = if there.is_remote() { "false" } else { "true" };
    let spans = made(&recorder);
    assert!(spans.iter().all(|span| span.fields["rpc.local"] == local && span.is_closed), "{spans:?}");
    let told: Vec<_> = spans
        .iter()
        .map(|span| (&*span.fields["rpc.method"], span.fields.get("error.type").map(String::as_str)))
        .collect();
    assert_eq!(
        told,
        [
            ("Failing/own", None),
            ("Failing/own", Some("Refusal")),
            ("Failing/denied", Some("denied")),
            ("Failing/panics", Some("panic")),
        ]
    );
}

async fn the_span_of_a_call_that_is_dropped_is_closed(there: &There) {
    there.place.values.nothing().await.unwrap();
    let (recorder, listening) = Recorder::listen();
    let mut call = Box::pin(there.place.work.wait("it"));
    assert!(crate::drive::poll_now(call.as_mut()).await.is_pending());
    assert!(made(&recorder).iter().any(|span| !span.is_closed));
    drop(call);
    assert!(made(&recorder).iter().all(|span| span.is_closed && span.entered == span.exited));
    drop(listening);
}
