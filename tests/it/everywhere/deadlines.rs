//! A deadline ends a call on both ends of its path, and all that it leads to.

use std::time::Instant;

use rpc_runtime::CallOptions;
use rpc_tests_workers::{End, Values as _, Walk as _, Way, Work as _};

use super::{errors::hops, *};

everywhere! {
    the_deadline_of_a_client_ends_the_handler
    the_deadline_of_a_method_ends_the_handler
    a_deadline_is_inherited_over_three_hops
    a_deadline_that_passes_three_hops_deep_ends_all_of_them
    a_shorter_deadline_on_the_way_ends_what_is_below_it
    a_deadline_that_has_passed_runs_no_handler
    many_deadlines_in_one_moment_end_their_calls_alone
    time_counts_from_the_first_poll_of_the_call
    a_deadline_is_never_made_longer
    a_method_has_the_deadline_of_its_attribute_unless_its_caller_says_otherwise
    time_without_end_is_no_deadline
    calls_beside_each_other_have_deadlines_of_their_own
}

/// In milliseconds: long enough for a call to get to its handler on a machine that is busy.
const SOON: u64 = 300;

fn within(millis: u64) -> CallOptions {
    CallOptions::new().deadline(Duration::from_millis(millis))
}

async fn the_deadline_of_a_client_ends_the_handler(there: &There) {
    let start = Instant::now();
    let work = there.place.work.with(within(SOON));
    let error = work.wait("it").await.unwrap_err();
    assert!(error.is_deadline() && !error.is_retryable(), "{error}");
    assert_eq!(hops(&error), ["Work/wait"]);
    assert!(start.elapsed() >= Duration::from_millis(SOON));
    there.until("it.dropped", 1).await;
    let error = work.wait_spawned("spawned").await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    there.until("spawned.dropped", 1).await;
    there.place.values.nothing().await.unwrap();
}

async fn the_deadline_of_a_method_ends_the_handler(there: &There) {
    let error = there.place.work.wait_briefly("it").await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    there.until("it.dropped", 1).await;
}

async fn a_deadline_is_inherited_over_three_hops(there: &There) {
    for ways in [[Way::Near; 3], [Way::Far; 3], [Way::Far, Way::Near, Way::Far]] {
        let walk = there.place.walk.with(within(8000));
        let stops = walk.walk(&ways, &End::Answer).await.unwrap();
        let left: Vec<_> = stops.iter().map(|stop| stop.micros_left.unwrap()).collect();
        assert_eq!(left.len(), 4);
        assert!(left.is_sorted_by(|one, next| one >= next), "{left:?}");
        assert!(left[0] <= 8_000_000 && left[3] > 4_000_000, "{left:?}");
    }
    let stops = there.place.walk.walk(&[Way::Far], &End::Answer).await.unwrap();
    assert!(stops.iter().all(|stop| stop.micros_left.is_none()));
}

async fn a_deadline_that_passes_three_hops_deep_ends_all_of_them(there: &There) {
    let mut dropped = 0;
    for ways in [[Way::Near; 3], [Way::Far; 3], [Way::Far, Way::Near, Way::Far]] {
        let error =
            there.place.walk.with(within(SOON)).walk(&ways, &End::Wait("it".into())).await.unwrap_err();
        assert!(error.is_deadline(), "{ways:?}: {error}");
        dropped += 1;
        there.until("it.dropped", dropped).await;
        assert_eq!(there.count("it.entered").await, dropped);
    }
}

async fn a_shorter_deadline_on_the_way_ends_what_is_below_it(there: &There) {
    for way in [Way::Near, Way::Far] {
        let walk = there.place.walk.with(within(20_000));
        let error = walk.hurry(SOON, &[way, way], &End::Wait(format!("{way:?}"))).await.unwrap_err();
        assert!(error.is_deadline(), "{way:?}: {error}");
        there.until(&format!("{way:?}.dropped"), 1).await;
        let stops = walk.hurry(5000, &[way, way], &End::Answer).await.unwrap();
        assert!(stops.iter().all(|stop| stop.micros_left.unwrap() <= 5_000_000), "{stops:?}");
    }
}

async fn a_deadline_that_has_passed_runs_no_handler(there: &There) {
    let error = there.place.work.with(within(0)).wait("it").await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    there.place.values.nothing().await.unwrap();
    assert_eq!(there.count("it.entered").await, 0);
}

/// More than a session lets its peer cancel within a second.
async fn many_deadlines_in_one_moment_end_their_calls_alone(there: &There) {
    let lasting = there.place.work.sleep(1500);
    let work = there.place.work.with(within(400));
    let calls = futures_util::future::join_all((0..3000).map(|_| work.wait("it")));
    let (lasting, calls) = tokio::join!(lasting, calls);
    for ended in calls {
        let error = ended.unwrap_err();
        assert!(error.is_deadline(), "{error}");
    }
    lasting.unwrap();
    there.until_all_dropped("it").await;
}

async fn time_counts_from_the_first_poll_of_the_call(there: &There) {
    let values = there.place.values.with(within(SOON));
    values.nothing().await.unwrap();
    let call = values.text("a");
    tokio::time::sleep(Duration::from_millis(SOON + 50)).await;
    assert_eq!(call.await.unwrap(), "a");
}

async fn a_deadline_is_never_made_longer(there: &There) {
    for way in [Way::Near, Way::Far] {
        let start = Instant::now();
        let walk = there.place.walk.with(within(SOON));
        let error = walk.hurry(60_000, &[way, way], &End::Wait(format!("{way:?}"))).await.unwrap_err();
        assert!(error.is_deadline(), "{way:?}: {error}");
        assert!(start.elapsed() < Duration::from_secs(30));
        there.until(&format!("{way:?}.dropped"), 1).await;
    }
}

async fn a_method_has_the_deadline_of_its_attribute_unless_its_caller_says_otherwise(there: &There) {
    let start = Instant::now();
    let error = there.place.work.with(within(1000)).wait_briefly("it").await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    assert!(start.elapsed() >= Duration::from_millis(1000), "300 ms are what the method says");
    there.until("it.dropped", 1).await;
}

async fn time_without_end_is_no_deadline(there: &There) {
    for limit in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_secs(600 * 365 * 24 * 3600)] {
        let walk = there.place.walk.with(CallOptions::new().deadline(limit));
        let stops = walk.walk(&[Way::Far, Way::Near], &End::Answer).await.unwrap();
        assert_eq!(stops.len(), 3, "{limit:?}");
        there.place.work.with(CallOptions::new().deadline(limit)).sleep(1).await.unwrap();
    }
}

async fn calls_beside_each_other_have_deadlines_of_their_own(there: &There) {
    let work = &there.place.work;
    let (hasty, patient) = (work.with(within(SOON)), work.with(within(20_000)));
    let (late, also_late, in_time, without) =
        tokio::join!(hasty.wait("it"), hasty.sleep(5000), patient.sleep(2 * SOON), work.sleep(2 * SOON));
    assert!(late.unwrap_err().is_deadline() && also_late.unwrap_err().is_deadline());
    in_time.unwrap();
    without.unwrap();
    there.until("it.dropped", 1).await;
    // Once more, over the same client.
    assert!(hasty.wait("it").await.unwrap_err().is_deadline());
}
