//! What a Worker knows of its invocation, wherever its caller is.

use rpc_runtime::CallOptions;
use rpc_tests_workers::{Inside as _, LookFrom, Work as _};

use super::*;

everywhere! {
    a_worker_sees_its_invocation_from_wherever_it_looks
    a_child_that_panics_is_an_error_for_who_awaits_it
    a_child_ends_with_the_deadline_of_its_invocation
    work_that_is_waited_for_has_no_deadline
}

async fn a_worker_sees_its_invocation_from_wherever_it_looks(there: &There) {
    let options = CallOptions::new().metadata("tenant", "a1").propagate("request", "7f").deadline(PATIENCE);
    let inside = there.place.inside.with(options);
    for from in
        [LookFrom::Handler, LookFrom::AfterAwait, LookFrom::Kept, LookFrom::Child, LookFrom::Background]
    {
        let seen = inside.look(from).await.unwrap();
        assert_eq!(seen.worker.as_deref(), Some("Insider"), "{from:?}");
        assert_eq!((seen.tenant.as_deref(), seen.request.as_deref()), (Some("a1"), Some("7f")), "{from:?}");
        assert_eq!(seen.depth, 1, "{from:?}");
        // Work that goes on when its invocation has ended has a time of its own.
        assert_eq!(seen.has_deadline, from != LookFrom::Background, "{from:?}");
        let bare = there.place.inside.look(from).await.unwrap();
        assert_eq!((bare.tenant, bare.request, bare.has_deadline), (None, None, false), "{from:?}");
    }
}

async fn a_child_that_panics_is_an_error_for_who_awaits_it(there: &There) {
    let told = there.place.inside.child_panics().await.unwrap();
    assert!(told.contains("in the child"), "{told}");
}

async fn a_child_ends_with_the_deadline_of_its_invocation(there: &There) {
    let hasty = there.place.inside.with(CallOptions::new().deadline(Duration::from_millis(300)));
    let error = hasty.waits_for_child("it").await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    there.until("it.dropped", 1).await;
    assert_eq!(there.count("it.entered").await, 1);
}

async fn work_that_is_waited_for_has_no_deadline(there: &There) {
    // The work takes 20 ms, and most likely begins when less is left.
    let hasty = there.place.work.with(CallOptions::new().deadline(Duration::from_millis(300)));
    let error = hasty.keep("it").await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    there.until("it.dropped", 1).await;
    there.until("it.kept", 1).await;
}
