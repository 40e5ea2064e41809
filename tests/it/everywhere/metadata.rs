//! What a caller says beside the arguments.

use rpc_runtime::CallOptions;
use rpc_tests_workers::{End, Walk as _, Way};

use super::*;

everywhere! {
    a_word_reaches_the_callee_and_one_that_propagates_all_below_it
    too_many_words_are_refused
}

async fn a_word_reaches_the_callee_and_one_that_propagates_all_below_it(there: &There) {
    let options = CallOptions::new().metadata("tenant", "a1").propagate("request", "7f");
    let walk = there.place.walk.with(options);
    for ways in [vec![], vec![Way::Near; 2], vec![Way::Far; 3], vec![Way::Near, Way::Far, Way::Near]] {
        let stops = walk.walk(&ways, &End::Answer).await.unwrap();
        let tenants: Vec<_> = stops.iter().map(|stop| stop.tenant.as_deref()).collect();
        let mut expected = vec![None; ways.len() + 1];
        expected[0] = Some("a1");
        assert_eq!(tenants, expected, "{ways:?}");
        let requests: Vec<_> = stops.iter().map(|stop| stop.request.as_deref()).collect();
        assert_eq!(requests, vec![Some("7f"); ways.len() + 1], "{ways:?}");
    }
    let stops = there.place.walk.walk(&[Way::Far], &End::Answer).await.unwrap();
    assert!(stops.iter().all(|stop| stop.tenant.is_none() && stop.request.is_none()));
}

async fn too_many_words_are_refused(there: &There) {
    let words = |length: usize| CallOptions::new().metadata("tenant", "a".repeat(length - "tenant".len()));
    let stops = there.place.walk.with(words(8 << 10)).walk(&[], &End::Answer).await.unwrap();
    assert_eq!(stops[0].tenant.as_ref().unwrap().len(), (8 << 10) - "tenant".len());
    let error = there.place.walk.with(words((8 << 10) + 1)).walk(&[], &End::Answer).await.unwrap_err();
    assert!(error.is_limit(), "{error}");
}
