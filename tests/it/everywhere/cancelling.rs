//! A call that is dropped ends its handler, and what that has begun.

use futures_util::{FutureExt as _, future::FusedFuture as _};
use rpc_tests_workers::{End, Values as _, Walk as _, Way, Work as _};

use super::*;
use crate::drive::poll_now;

everywhere! {
    a_dropped_call_ends_its_handler
    a_dropped_call_ends_all_hops_below_it
    a_call_that_is_not_polled_does_nothing
    a_call_that_is_dropped_after_one_poll_is_not_counted_for_ever
    a_call_may_be_dropped_after_any_poll
    long_arguments_may_be_dropped_after_any_poll
    work_that_is_waited_for_outlives_a_cancelled_call
    spawned_work_ends_with_its_call
    a_parent_that_returns_ends_the_calls_it_did_not_wait_for
}

async fn a_dropped_call_ends_its_handler(there: &There) {
    let work = there.place.work.clone();
    let call = tokio::spawn(async move { tokio::join!(work.wait("it"), work.wait_spawned("spawned")) });
    there.until("it.entered", 1).await;
    there.until("spawned.entered", 1).await;
    assert_eq!(there.count("it.dropped").await, 0);
    call.abort();
    there.until("it.dropped", 1).await;
    there.until("spawned.dropped", 1).await;
    there.place.values.nothing().await.unwrap();
}

async fn a_dropped_call_ends_all_hops_below_it(there: &There) {
    for (dropped, ways) in (1..).zip([[Way::Near; 3], [Way::Far; 3], [Way::Far, Way::Near, Way::Far]]) {
        let walk = there.place.walk.clone();
        let call = tokio::spawn(async move { walk.walk(&ways, &End::Wait("it".into())).await });
        there.until("it.entered", dropped).await;
        call.abort();
        there.until("it.dropped", dropped).await;
    }
}

async fn a_call_that_is_not_polled_does_nothing(there: &There) {
    drop(there.place.work.wait("it"));
    there.place.values.nothing().await.unwrap();
    assert_eq!(there.count("it.entered").await, 0);
}

async fn a_call_that_is_dropped_after_one_poll_is_not_counted_for_ever(there: &There) {
    // More than may be in flight on a session.
    for _ in 0..100 {
        let calls: Vec<_> = (0..100).map(|_| there.place.values.text("a").now_or_never()).collect();
        assert!(calls.iter().all(|ended| !matches!(ended, Some(Err(_)))));
    }
    assert_eq!(there.place.values.text("b").await.unwrap(), "b");
}

async fn a_call_may_be_dropped_after_any_poll(there: &There) {
    for polls in 0..20 {
        for ways in [&[][..], &[Way::Far], &[Way::Near, Way::Far]] {
            let end = End::Wait("it".into());
            let mut call = Box::pin(there.place.walk.walk(ways, &end));
            for _ in 0..polls {
                assert!(poll_now(call.as_mut()).await.is_pending());
                tokio::task::yield_now().await;
            }
        }
    }
    there.until_all_dropped("it").await;
}

async fn long_arguments_may_be_dropped_after_any_poll(there: &There) {
    let values = &there.place.values;
    let long = vec![7; 1 << 20];
    for polls in 0..15 {
        let mut calls: Vec<_> = (0..3).map(|_| Box::pin(values.run(&long).fuse())).collect();
        for _ in 0..polls {
            for call in &mut calls {
                // One that has answered is dropped with the others.
                if !call.as_mut().is_terminated() {
                    let _ = poll_now(call.as_mut()).await;
                }
            }
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(values.run(&long).await.unwrap().len(), long.len());
    values.nothing().await.unwrap();
}

async fn work_that_is_waited_for_outlives_a_cancelled_call(there: &There) {
    let work = there.place.work.clone();
    let call = tokio::spawn(async move { work.keep("it").await });
    there.until("it.entered", 1).await;
    call.abort();
    there.until("it.dropped", 1).await;
    there.until("it.kept", 1).await;
}

async fn spawned_work_ends_with_its_call(there: &There) {
    there.place.work.child("it").await.unwrap();
    there.until("it.dropped", 1).await;
}

/// As many as a pipeline may make, each of which goes three hops further.
async fn a_parent_that_returns_ends_the_calls_it_did_not_wait_for(there: &There) {
    for ways in [[Way::Near; 3], [Way::Far; 3], [Way::Far, Way::Near, Way::Far]] {
        let name = format!("{ways:?}");
        there.place.walk.leave(300, &ways, &name).await.unwrap();
        there.until(&format!("{name}.dropped"), 300).await;
        assert_eq!(there.count(&format!("{name}.entered")).await, 300);
    }
}
