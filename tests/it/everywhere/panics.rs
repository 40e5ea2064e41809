//! A panic fails its own call, and nothing else.

use rpc_runtime::CallOptions;
use rpc_tests_workers::{Brittle, End, Failing as _, Moment, Values as _, Walk as _, Way, Work as _};

use super::{errors::hops, *};

everywhere! {
    a_panic_at_any_moment_is_the_error_of_its_call
    a_panic_in_the_drop_of_a_cancelled_handler_reaches_nobody
    a_panic_five_deep_is_the_error_of_the_call_that_led_there
    a_value_that_cannot_be_written_or_read_fails_its_call
    many_panics_leave_nothing_behind
    a_payload_that_is_no_text_is_a_panic_as_well
    a_panic_in_the_drop_at_the_deadline_leaves_the_deadline
    the_siblings_of_a_call_that_panicked_go_on
}

async fn a_panic_at_any_moment_is_the_error_of_its_call(there: &There) {
    let failing = &there.place.failing;
    let moments =
        [(Moment::BeforeAwait, "before"), (Moment::AfterAwait, "after"), (Moment::DropOfFinished, "dropped")];
    for (moment, message) in moments {
        let (plain, spawned) = tokio::join!(failing.panics(moment), failing.panics_spawned(moment));
        for (error, method) in [(plain, "Failing/panics"), (spawned, "Failing/panics_spawned")] {
            let error = error.unwrap_err();
            assert!(error.is_panic() && !error.is_retryable(), "{moment:?}: {error}");
            assert!(error.to_string().contains(message), "{moment:?}: {error}");
            assert_eq!(error.is_remote(), there.is_remote());
            assert_eq!(hops(&error), [method]);
        }
    }
    there.place.values.nothing().await.unwrap();
}

async fn a_panic_in_the_drop_of_a_cancelled_handler_reaches_nobody(there: &There) {
    for spawned in [false, true] {
        let failing = there.place.failing.clone();
        let call = tokio::spawn(async move {
            let moment = Moment::DropOfCancelled;
            if spawned { failing.panics_spawned(moment).await } else { failing.panics(moment).await }
        });
        there.until("panics", 1 + u64::from(spawned)).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        there.until("panics.dropped", 1 + u64::from(spawned)).await;
        there.place.values.nothing().await.unwrap();
    }
}

async fn a_panic_five_deep_is_the_error_of_the_call_that_led_there(there: &There) {
    for ways in [[Way::Near; 4], [Way::Far; 4], [Way::Near, Way::Far, Way::Near, Way::Far]] {
        let error = there.place.walk.walk(&ways, &End::Panic).await.unwrap_err();
        assert!(error.is_panic(), "{error}");
        assert!(error.to_string().contains("at the end"), "{error}");
        assert_eq!(hops(&error), ["Walk/walk"; 5], "{ways:?}");
    }
}

async fn a_value_that_cannot_be_written_or_read_fails_its_call(there: &There) {
    if !there.is_remote() {
        return;
    }
    let failing = &there.place.failing;
    for brittle in [Brittle::Unwritable, Brittle::Unreadable] {
        let error = failing.take(brittle).await.unwrap_err();
        assert!(error.is_panic() && !error.is_retryable(), "{brittle:?}: {error}");
        assert_eq!(hops(&error), ["Failing/take"]);
    }
    assert_eq!(there.count("take").await, 0, "no handler ran");
    for brittle in [1, 2] {
        let error = failing.give(brittle).await.unwrap_err();
        assert!(error.is_panic() && !error.is_retryable(), "{brittle}: {error}");
        assert_eq!(hops(&error), ["Failing/give"]);
    }
    assert_eq!(failing.give(0).await.unwrap(), Brittle::Sound);
    failing.take(Brittle::Sound).await.unwrap();
}

async fn many_panics_leave_nothing_behind(there: &There) {
    let failing = &there.place.failing;
    for _ in 0..5 {
        let calls = (0..40).map(|_| failing.panics(Moment::AfterAwait));
        for ended in futures_util::future::join_all(calls).await {
            assert!(ended.unwrap_err().is_panic());
        }
    }
    assert_eq!(there.count("panics").await, 200);
    assert_eq!(failing.own(0).await, Ok(0));
}

async fn a_payload_that_is_no_text_is_a_panic_as_well(there: &There) {
    let error = there.place.failing.panics(Moment::WithoutText).await.unwrap_err();
    assert!(error.is_panic() && !error.is_retryable(), "{error}");
    assert_eq!(hops(&error), ["Failing/panics"]);
}

async fn a_panic_in_the_drop_at_the_deadline_leaves_the_deadline(there: &There) {
    let hasty = there.place.failing.with(CallOptions::new().deadline(Duration::from_millis(300)));
    let error = hasty.panics(Moment::DropOfCancelled).await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    there.until("panics.dropped", 1).await;
    there.place.values.nothing().await.unwrap();
}

async fn the_siblings_of_a_call_that_panicked_go_on(there: &There) {
    let (failing, work) = (&there.place.failing, &there.place.work);
    let (slow, panicked, spawned, answered) = tokio::join!(
        work.sleep(100),
        failing.panics(Moment::AfterAwait),
        failing.panics_spawned(Moment::BeforeAwait),
        there.place.values.text("a"),
    );
    assert!(panicked.unwrap_err().is_panic() && spawned.unwrap_err().is_panic());
    slow.unwrap();
    assert_eq!(answered.unwrap(), "a");
}
