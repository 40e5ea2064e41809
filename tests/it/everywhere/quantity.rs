//! Much at once, long values, and the order of calls.

use std::sync::Arc;

use futures_util::future::join_all;
use rpc_runtime::CallOptions;
use rpc_tests_workers::{Values as _, Work as _};

use super::*;

everywhere! {
    a_thousand_calls_at_once_get_each_its_own_answer
    calls_start_in_the_order_in_which_they_were_made
    values_of_any_length_are_whole_on_both_ends
    a_value_may_be_as_long_as_its_limit_and_no_longer
    long_values_do_not_hold_up_short_ones
    more_long_values_than_fit_at_once_take_turns
    handlers_with_long_arguments_may_wait_for_a_later_call
}

async fn a_thousand_calls_at_once_get_each_its_own_answer(there: &There) {
    let texts: Vec<_> = (0..1000).map(|number| format!("call {number}")).collect();
    let answers = join_all(texts.iter().map(|text| there.place.values.text(text))).await;
    for (answer, text) in answers.into_iter().zip(&texts) {
        assert_eq!(answer.unwrap(), *text);
    }
}

async fn calls_start_in_the_order_in_which_they_were_made(there: &There) {
    // Those that wait for a connection are made in any order.
    there.place.work.note(0).await.unwrap();
    let made = join_all((1..500).map(|number| there.place.work.note(number))).await;
    assert!(made.iter().all(Result::is_ok));
    assert!(there.place.work.notes().await.unwrap().into_iter().eq(0..500));
}

async fn values_of_any_length_are_whole_on_both_ends(there: &There) {
    let values = &there.place.values;
    // Around a piece, and around what is handed on instead of copied.
    for around in [16 << 10, 64 << 10, 1 << 20] {
        for length in [around - 6, around - 1, around, around + 1] {
            let run: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            assert!(values.vector(run.clone()).await.unwrap() == run, "{length}");
            assert!(values.bytes(run.clone().into()).await.unwrap() == run, "{length}");
            assert!(values.run(&run).await.unwrap() == run, "{length}");
        }
    }
    for length in [0, 1] {
        let run = vec![7; length];
        assert!(values.vector(run.clone()).await.unwrap() == run, "{length}");
        assert!(values.run(&run).await.unwrap() == run, "{length}");
    }
}

/// What a value of a call may take on its way.
const VALUE_BYTES_MAX: usize = 32 << 20;

/// What stands before a run: its length.
const LENGTH_BYTES: usize = 4;

async fn a_value_may_be_as_long_as_its_limit_and_no_longer(there: &There) {
    let values = &there.place.values;
    let mut run = vec![1; VALUE_BYTES_MAX - LENGTH_BYTES];
    assert_eq!(values.length(&run).await.unwrap(), run.len() as u64);
    // Before the answer stands whether it is one.
    let longest = (run.len() - 1) as u64;
    assert_eq!(values.zeros(longest).await.unwrap().len() as u64, longest);
    run.push(1);
    if !there.is_remote() {
        assert_eq!(values.length(&run).await.unwrap(), run.len() as u64, "what is not sent may be longer");
        return;
    }
    for error in [values.length(&run).await.unwrap_err(), values.zeros(longest + 1).await.unwrap_err()] {
        assert!(error.is_limit() && !error.is_retryable(), "{error}");
        assert!(error.to_string().contains("33554432"), "{error}");
    }
    values.nothing().await.unwrap();
}

async fn long_values_do_not_hold_up_short_ones(there: &There) {
    let long = vec![1; 4 << 20];
    let values = &there.place.values;
    let long = join_all((0..4).map(|_| values.run(&long)));
    let short = async {
        for _ in 0..50 {
            values.nothing().await.unwrap();
        }
    };
    let (long, ()) = tokio::join!(long, short);
    for run in long {
        assert_eq!(run.unwrap().len(), 4 << 20);
    }
}

/// Arguments are held until the answer is there, and both are longer than what a session grants in all.
async fn more_long_values_than_fit_at_once_take_turns(there: &There) {
    let values = &there.place.values;
    for (length, times) in [(256 << 10, 100), (10 << 20, 8)] {
        let run = vec![3; length];
        for answer in join_all((0..times).map(|_| values.run(&run))).await {
            assert_eq!(answer.unwrap().len(), length);
        }
    }
}

async fn handlers_with_long_arguments_may_wait_for_a_later_call(there: &There) {
    let (work, name) = (&there.place.work, "w".repeat(64 << 10));
    let waiting = join_all((0..300).map(|_| work.wait(&name)));
    tokio::select! {
        biased;
        _ = waiting => panic!("they wait for ever"),
        noted = work.note(1) => noted.unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_client_is_shared_by_threads() {
    for path in [Path::Local, Path::Wire, Path::Tls, Path::Process] {
        hold(path, share).await;
    }
}

async fn share(there: &There) {
    let place = Arc::new(there.place.clone());
    let tasks = (0..8).map(|task| {
        let place = Arc::clone(&place);
        tokio::spawn(async move {
            let hasty = place.work.with(CallOptions::new().deadline(Duration::from_millis(2)));
            for round in 0..60_usize {
                let text = format!("{task} {round}");
                let run = vec![task; round * 1999 % 100_000];
                let (one, other, dropped, late) = tokio::join!(
                    place.values.text(&text),
                    place.values.vector(run.clone()),
                    timeout(Duration::from_millis(1), place.work.wait("it")),
                    hasty.wait("it"),
                );
                assert_eq!(one.unwrap(), text);
                assert!(other.unwrap() == run);
                assert!(dropped.is_err(), "it waits for ever");
                let error = late.unwrap_err();
                assert!(error.is_deadline(), "{error}");
            }
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
    there.until_all_dropped("it").await;
}
