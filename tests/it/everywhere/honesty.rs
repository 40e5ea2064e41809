//! What an error says of the call that it came from: whether a handler ran, and whether it may run again.

use rpc_runtime::{Error, transport::Address};
use rpc_tests_workers::{Failing as _, Guarded as _, Ledger as _, Moment, Refusal};

use super::{errors::hops, *};
use crate::step::{Step as _, step};

everywhere! {
    a_callee_whose_own_dependency_is_away_runs_once
    a_call_that_ended_is_not_made_again
    a_call_that_was_refused_may_be_made_again
    an_idempotent_method_runs_once_unless_its_answer_is_lost
}

/// Neither of the three that invite a caller to call again.
fn says_that_it_ran(error: &Error) {
    assert!(!error.is_unavailable() && !error.is_retryable() && !error.is_overloaded(), "{error}");
}

async fn a_callee_whose_own_dependency_is_away_runs_once(there: &There) {
    let ledger = &there.place.ledger;
    let Err(Refusal::Rpc(inside)) = ledger.add_and_ask("inside").await else { panic!("expected `Rpc`") };
    let alone = ledger.add_and_pass_up("alone").await.unwrap_err();
    let of = |own: &str, below: &str| vec![format!("Ledger/{own}"), format!("Failing/{below}")];
    for (error, path) in [(&inside, of("add_and_ask", "up")), (&alone, of("add_and_pass_up", "denied"))] {
        says_that_it_ran(error);
        assert!(error.to_string().starts_with("unavailable: "), "the kind is kept: {error}");
        assert_eq!(hops(error), path);
        assert_eq!(error.is_remote(), there.is_remote());
    }
    assert_eq!(there.count("inside").await, there.runs());
    assert_eq!(there.count("alone").await, there.runs());
}

async fn a_call_that_ended_is_not_made_again(there: &There) {
    let failing = &there.place.failing;
    says_that_it_ran(&failing.denied().await.unwrap_err());
    says_that_it_ran(&failing.panics(Moment::AfterAwait).await.unwrap_err());
    assert_eq!(there.count("panics").await, 1);
    let Err(Refusal::Rpc(error)) = failing.up().await else { panic!("expected `Rpc`") };
    says_that_it_ran(&error);
    assert_eq!(there.count("up").await, 1);
}

/// The other half of the truth.
async fn a_call_that_was_refused_may_be_made_again(there: &There) {
    let nowhere = Place::at(&Address::unix("/nowhere/nobody.sock").unwrap());
    let error = nowhere.ledger.add("it").await.unwrap_err();
    assert!(error.is_unavailable() && error.is_retryable() && !error.is_remote(), "{error}");
    assert_eq!(hops(&error), ["Ledger/add"]);
    // A queue that is full is no reason to come back at once.
    let error = there.place.guarded.full().await.unwrap_err();
    assert!(error.is_overloaded() && !error.is_retryable(), "{error}");
    let inner = there.place.guarded.clone();
    let handed_up = step(move |_| {
        let inner = inner.clone();
        async move {
            let error = inner.full().await.unwrap_err();
            assert!(error.is_overloaded(), "{error}");
            Err(error)
        }
    });
    says_that_it_ran(&handed_up.run(0).await.unwrap_err());
}

async fn an_idempotent_method_runs_once_unless_its_answer_is_lost(there: &There) {
    assert_eq!(there.place.ledger.add("once").await.unwrap(), 1);
    assert_eq!(there.place.ledger.add_again("again").await.unwrap(), there.runs());
    assert_eq!(there.count("again").await, there.runs());
}
