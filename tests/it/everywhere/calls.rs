//! What a caller does with calls, and with clients.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rpc_runtime::{CallOptions, Result};
use rpc_tests_workers::{
    Absent as _, Failing as _, Guarded as _, Ledger as _, Values as _, Walk as _, Way, Work as _,
};

use super::*;
use crate::{drive::poll_now, step::step};

everywhere! {
    calls_stand_in_select_and_join
    the_loser_of_a_race_is_cancelled
    polling_a_call_after_its_end_says_so
    whoever_takes_the_trait_takes_a_client
    a_decorator_stands_around_a_client_and_a_client_around_it
    a_service_that_is_not_offered_is_refused
    a_call_may_begin_in_one_task_and_end_in_another
    calls_of_many_callers_go_their_ways
}

async fn calls_stand_in_select_and_join(there: &There) {
    let values = &there.place.values;
    let winner = tokio::select! {
        never = there.place.work.wait("it") => panic!("it never ends: {never:?}"),
        answer = values.text("a") => answer.unwrap(),
    };
    assert_eq!(winner, "a");
    let (one, two, three) = tokio::join!(values.text("1"), values.again("2"), values.spawned("3"));
    assert_eq!([one.unwrap(), two.unwrap(), three.unwrap()], ["1", "2", "3"]);
    let error = tokio::try_join!(values.text("1"), async { there.place.failing.denied().await.map(|()| 0) });
    assert!(error.unwrap_err().is_denied());
}

async fn the_loser_of_a_race_is_cancelled(there: &There) {
    let begun = there.until("it.entered", 1);
    tokio::select! {
        biased;
        never = there.place.work.wait("it") => panic!("it never ends: {never:?}"),
        () = begun => {}
    }
    there.until("it.dropped", 1).await;
}

async fn polling_a_call_after_its_end_says_so(there: &There) {
    let mut call = Box::pin(there.place.values.text("a"));
    assert_eq!(call.as_mut().await.unwrap(), "a");
    let polled = catch_unwind(AssertUnwindSafe(|| crate::drive::poll_once(call.as_mut()).is_pending()));
    let payload = polled.unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"a call was polled after it had ended"));
    there.place.values.nothing().await.unwrap();
}

async fn count_of(tally: &impl rpc_tests_workers::Tallied, name: &str) -> Result<u64> {
    tally.count(name).await
}

async fn whoever_takes_the_trait_takes_a_client(there: &There) {
    there.place.ledger.add("a").await.unwrap();
    assert_eq!(count_of(&there.place.tally, "a").await.unwrap(), 1);
}

/// Counts everything twice.
struct Twice(TalliedClient);

impl rpc_tests_workers::Tallied for Twice {
    async fn count(&self, name: &str) -> Result<u64> {
        Ok(2 * self.0.count(name).await?)
    }

    async fn until(&self, name: &str, count: u64) -> Result<()> {
        self.0.until(name, count).await
    }

    async fn process(&self) -> Result<u32> {
        self.0.process().await
    }
}

async fn a_decorator_stands_around_a_client_and_a_client_around_it(there: &There) {
    there.place.ledger.add("a").await.unwrap();
    let twice = Twice(there.place.tally.clone());
    assert_eq!(count_of(&twice, "a").await.unwrap(), 2);
    let four_times = Twice(TalliedClient::new(twice));
    assert_eq!(count_of(&TalliedClient::new(four_times), "a").await.unwrap(), 4);
}

async fn a_service_that_is_not_offered_is_refused(there: &There) {
    let error = there.place.absent.reach().await.unwrap_err();
    assert!(error.is_not_found() && !error.is_retryable(), "{error}");
    assert_eq!(errors::hops(&error), ["Absent/reach"]);
    there.place.values.nothing().await.unwrap();
}

async fn a_call_may_begin_in_one_task_and_end_in_another(there: &There) {
    let values = there.place.values.clone();
    let mut call = Box::pin(async move { values.text("a").await });
    let first = poll_now(call.as_mut()).await;
    let answer = match first {
        std::task::Poll::Ready(answer) => answer,
        std::task::Poll::Pending => tokio::spawn(call).await.unwrap(),
    };
    assert_eq!(answer.unwrap(), "a");
}

/// A Worker here calls the Workers there for many callers at once; each has its own words, and its own deadline.
async fn calls_of_many_callers_go_their_ways(there: &There) {
    let (walk, work, guarded) =
        (there.place.walk.clone(), there.place.work.clone(), there.place.guarded.clone());
    let caller = step(move |input| {
        let (walk, work, guarded) = (walk.clone(), work.clone(), guarded.clone());
        async move {
            if input % 3 == 0 {
                work.wait("late").await?;
            }
            guarded.open().await?;
            let stops = walk.walk(&[Way::Far], &rpc_tests_workers::End::Answer).await?;
            assert!(stops.iter().all(|stop| stop.request == Some(input.to_string())), "{stops:?}");
            Ok(input)
        }
    });
    let calls = (0..30_u32).map(|input| {
        let mut options = CallOptions::new().propagate("request", input.to_string());
        if input % 3 == 0 {
            options = options.deadline(Duration::from_millis(50));
        }
        let caller = caller.with(options);
        async move { crate::step::Step::run(&caller, input).await }
    });
    for (answer, input) in futures_util::future::join_all(calls).await.into_iter().zip(0..) {
        match answer {
            Ok(answer) => assert_eq!(answer, input),
            Err(error) => assert!(error.is_deadline() && input % 3 == 0, "{input}: {error}"),
        }
    }
    there.until_all_dropped("late").await;
}
