//! How far a pipeline may go, counted the same over every mixture of paths.

use rpc_runtime::{CallOptions, Ctx, Error, Limits};
use rpc_tests_workers::{End, Walk as _, Way};

use super::{errors::hops, *};
use crate::step::{Step as _, step};

everywhere! {
    a_chain_may_be_as_deep_as_its_limit_and_no_deeper
    invocations_are_counted_wherever_they_are
    calls_at_once_share_what_is_left
    what_was_used_comes_back_to_the_caller
    work_in_tasks_of_the_invocation_counts_with_its_pipeline
    a_caller_can_make_limits_lower_and_not_higher
    a_caller_elsewhere_has_the_limits_of_its_callee
}

/// The hops of a chain that goes so far, over one path, the other, and both in turns.
fn mixtures(hops: usize) -> [Vec<Way>; 3] {
    let turns = [Way::Near, Way::Far].into_iter().cycle().take(hops);
    [vec![Way::Near; hops], vec![Way::Far; hops], turns.collect()]
}

async fn a_chain_may_be_as_deep_as_its_limit_and_no_deeper(there: &There) {
    for ways in mixtures(31) {
        let stops = there.place.walk.walk(&ways, &End::Answer).await.unwrap();
        let depths: Vec<_> = stops.iter().map(|stop| stop.depth).collect();
        assert!(depths.iter().copied().eq(1..=32), "{depths:?}");
    }
    for ways in mixtures(32) {
        let error = there.place.walk.walk(&ways, &End::Answer).await.unwrap_err();
        assert!(error.is_limit() && !error.is_retryable(), "{error}");
        assert!(error.to_string().starts_with("the limit of 32 Workers deep is reached"), "{error}");
        assert_eq!(hops(&error), ["Walk/walk"; 33], "the chain that led there");
    }
}

async fn invocations_are_counted_wherever_they_are(there: &There) {
    let ten = there.place.walk.with(CallOptions::new().limits(Limits::new().invocations(10)));
    for way in [Way::Near, Way::Far] {
        // Itself, and nine more.
        assert_eq!(ten.fan(9, way).await.unwrap(), (9, 0), "{way:?}");
        assert_eq!(ten.fan(100, way).await.unwrap(), (9, 0), "{way:?}");
        assert_eq!(ten.fan(3, way).await.unwrap(), (3, 6), "{way:?}");
        assert_eq!(there.place.walk.fan(2000, way).await.unwrap(), (999, 0), "{way:?}");
    }
    let stops = ten.walk(&[Way::Near, Way::Far, Way::Near], &End::Answer).await.unwrap();
    let left: Vec<_> = stops.iter().map(|stop| stop.invocations_left).collect();
    assert_eq!(left, [9, 8, 7, 6]);
}

async fn calls_at_once_share_what_is_left(there: &There) {
    let ten = there.place.walk.with(CallOptions::new().limits(Limits::new().invocations(10)));
    for way in [Way::Near, Way::Far] {
        assert_eq!(ten.fan_at_once(50, way).await.unwrap(), 9, "{way:?}");
    }
}

async fn what_was_used_comes_back_to_the_caller(there: &There) {
    let walk = there.place.walk.clone();
    let outer = step(move |_| {
        let walk = walk.clone();
        async move {
            let left = || Ctx::with(|ctx| ctx.remaining()).unwrap().invocations;
            assert_eq!(left(), 999);
            walk.fan(5, Way::Near).await?;
            assert_eq!(left(), 999 - 6);
            walk.fan(5, Way::Far).await?;
            assert_eq!(left(), 999 - 12);
            let (one, other) = tokio::join!(walk.fan(5, Way::Far), walk.fan(5, Way::Near));
            one?;
            other?;
            assert_eq!(left(), 999 - 24);
            let error = walk.walk(&[Way::Far; 3], &End::Deny).await.unwrap_err();
            assert!(error.is_denied(), "{error}");
            assert_eq!(left(), 999 - 28, "a call that fails has used as much");
            Ok(left())
        }
    });
    assert_eq!(outer.run(0).await.unwrap(), 999 - 28);
}

async fn a_caller_can_make_limits_lower_and_not_higher(there: &There) {
    let limited = |limits: Limits| there.place.walk.with(CallOptions::new().limits(limits));
    for ways in mixtures(3) {
        let deep = |depth| limited(Limits::new().depth(depth));
        assert_eq!(deep(4).walk(&ways, &End::Answer).await.unwrap().len(), 4);
        let error = deep(3).walk(&ways, &End::Answer).await.unwrap_err();
        assert!(error.is_limit(), "{error}");
        // It names the limit of who set it, wherever it was met.
        let text = error.to_string();
        assert!(text.starts_with("the limit of 3 Workers deep is reached: it would be 4 ("), "{text}");
        let three = limited(Limits::new().invocations(3));
        let text = three.walk(&ways, &End::Answer).await.unwrap_err().to_string();
        assert!(text.starts_with("the limit of 3 invocations is reached: it would be 4 ("), "{text}");
    }
    let inner = limited(Limits::new().invocations(100_000));
    let outer = step(move |_| {
        let inner = inner.clone();
        async move { Ok::<_, Error>(inner.fan(50, Way::Far).await?.0) }
    });
    let outer = outer.with(CallOptions::new().limits(Limits::new().invocations(12)));
    assert_eq!(outer.run(0).await.unwrap(), 10);
}

async fn a_caller_elsewhere_has_the_limits_of_its_callee(there: &There) {
    let limits = Limits::new().depth(128).invocations(100_000);
    let walk = there.place.walk.with(CallOptions::new().limits(limits));
    for way in [Way::Near, Way::Far] {
        // In process they are the caller's own pipeline's, and who starts one says how far it goes.
        let most = if there.is_remote() { 999 } else { 1200 };
        assert_eq!(walk.fan(1200, way).await.unwrap().0, most, "{way:?}");
    }
}

async fn work_in_tasks_of_the_invocation_counts_with_its_pipeline(there: &There) {
    let ten = there.place.walk.with(CallOptions::new().limits(Limits::new().invocations(10)));
    for way in [Way::Near, Way::Far] {
        // Itself, the one that the task calls, and eight more.
        assert_eq!(ten.fan_in_child(100, way).await.unwrap(), (8, 0), "{way:?}");
        assert_eq!(ten.fan_in_child(3, way).await.unwrap(), (3, 5), "{way:?}");
    }
}
