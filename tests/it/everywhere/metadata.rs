//! What a caller says beside the arguments.

use rpc_runtime::CallOptions;
use rpc_tests_workers::{End, Inside as _, Walk as _, Way};

use super::*;
use crate::step::{Step as _, step};

everywhere! {
    a_word_reaches_the_callee_and_one_that_propagates_all_below_it
    too_many_words_are_refused
    as_many_words_as_the_protocol_takes_are_taken_and_no_more
    words_from_further_up_count
    the_nearest_word_counts
    a_key_that_is_set_again_has_its_last_value
    keys_and_values_may_be_anything
    a_clients_words_are_its_own
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

async fn the_nearest_word_counts(there: &There) {
    let near = there.place.walk.with(CallOptions::new().propagate("request", "near"));
    let caller = step(move |_| {
        let near = near.clone();
        async move {
            let stops = near.walk(&[Way::Near, Way::Far], &End::Answer).await?;
            assert!(stops.iter().all(|stop| stop.request.as_deref() == Some("near")), "{stops:?}");
            assert!(stops.iter().all(|stop| stop.tenant.as_deref() == Some("from afar")), "{stops:?}");
            Ok(1)
        }
    });
    let options = CallOptions::new().propagate("request", "far").propagate("tenant", "from afar");
    assert_eq!(caller.with(options).run(0).await.unwrap(), 1);
}

async fn a_key_that_is_set_again_has_its_last_value(there: &There) {
    let only = |value: &'static str| CallOptions::new().metadata("a", value);
    let further = |value: &'static str| CallOptions::new().propagate("a", value);
    for options in
        [only("1").metadata("a", "2"), only("1").propagate("a", "2"), further("1").metadata("a", "2")]
    {
        let words = there.place.inside.with(options).words("a", "b").await.unwrap();
        assert_eq!(words, (Some("2".to_owned()), None));
    }
    for (first, then) in [(only("1"), only("2")), (only("1"), further("2")), (further("1"), only("2"))] {
        let words = there.place.inside.with(first).with(then).words("a", "b").await.unwrap();
        assert_eq!(words, (Some("2".to_owned()), None));
    }
}

async fn keys_and_values_may_be_anything(there: &There) {
    let options = CallOptions::new().metadata("", "empty").metadata("größe\n", "").propagate("key", "\0");
    let inside = there.place.inside.with(options);
    assert_eq!(inside.words("", "größe\n").await.unwrap(), (Some("empty".to_owned()), Some(String::new())));
    assert_eq!(inside.words("key", "Key").await.unwrap(), (Some("\0".to_owned()), None));
}

async fn a_clients_words_are_its_own(there: &There) {
    let inside = &there.place.inside;
    let with = |value: &'static str| inside.with(CallOptions::new().metadata("a", value));
    let (one, other) = (with("1"), with("2"));
    let (first, none, second) = tokio::join!(one.words("a", ""), inside.words("a", ""), other.words("a", ""));
    let words = [first, none, second].map(|words| words.unwrap().0);
    assert_eq!(words, [Some("1".to_owned()), None, Some("2".to_owned())]);
}

async fn as_many_words_as_the_protocol_takes_are_taken_and_no_more(there: &There) {
    let words = |count: usize| {
        (0..count).fold(CallOptions::new(), |options, number| options.metadata(format!("key{number}"), "v"))
    };
    there.place.inside.with(words(64)).words("key0", "key63").await.unwrap();
    // Those that were set again are one.
    there.place.inside.with(words(64)).with(words(64)).words("key0", "key63").await.unwrap();
    let refused = [words(65), words(64).propagate("further", "v")];
    for options in refused {
        let error = there.place.inside.with(options).words("key0", "key63").await.unwrap_err();
        assert!(error.is_limit(), "{error}");
        let expected = "the limit of 64 entries of metadata is reached: it would be 65";
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

/// What a caller was told counts for what it calls.
async fn words_from_further_up_count(there: &There) {
    let words = |name: &'static str, count: usize| {
        (0..count)
            .fold(CallOptions::new(), |options, number| options.propagate(format!("{name}{number}"), "v"))
    };
    let asks = |near: CallOptions| {
        let inside = there.place.inside.with(near);
        step(move |_| {
            let inside = inside.clone();
            async move { inside.words("far0", "near0").await.map(|_| 1) }
        })
    };
    assert_eq!(asks(words("near", 32)).with(words("far", 32)).run(0).await.unwrap(), 1);
    // One of a key that a nearer one has goes no further.
    assert_eq!(asks(words("far", 64)).with(words("far", 64)).run(0).await.unwrap(), 1);
    let error = asks(words("near", 33)).with(words("far", 32)).run(0).await.unwrap_err();
    assert!(error.is_limit() && error.to_string().contains("64 entries of metadata"), "{error}");
}
