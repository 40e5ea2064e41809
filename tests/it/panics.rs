//! A panic in a handler fails its own call.

use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use rpc_runtime::{
    CallOptions, Client, Ctx, Error, Interceptor, Next, Outcome, Outgoing, Result, install_panic_hook,
};
use tracing::Level;

use crate::drive::{block_on, pause, poll_now, poll_once};
use crate::recorder::Recorder;
use crate::step::{Step, StepClient, chain, step};

/// Panics with this after so many suspensions.
fn panicking(pauses: u32, message: &'static str) -> StepClient {
    step(move |_| async move {
        for _ in 0..pauses {
            pause().await;
        }
        panic!("{message}")
    })
}

fn is_outside() -> bool {
    Ctx::with(|ctx| ctx.worker().is_none() && ctx.depth() == 0) && Ctx::current().worker().is_none()
}

#[test]
fn a_panic_at_any_point_is_the_error_of_the_call() {
    for pauses in 0..3 {
        let error = block_on(panicking(pauses, "boom").run(0)).unwrap_err();
        assert!(error.is_panic() && !error.is_retryable() && !error.is_application());
        assert!(error.to_string().starts_with("the handler panicked: boom"), "{error}");
        assert_eq!(error.hops().len(), 1);
        assert!(is_outside());
    }
}

#[test]
fn a_panic_five_deep_is_an_error_for_the_fourth() {
    for pauses in 0..2 {
        let client = chain(4, panicking(pauses, "deep"));
        let error = block_on(client.run(0)).unwrap_err();
        assert!(error.is_panic());
        // It was made at the fifth, and handed up by `?`.
        assert_eq!(error.hops().len(), 5);
        assert!(is_outside());
    }
}

#[test]
fn the_text_has_the_place_once_the_hook_is_installed() {
    install_panic_hook();
    install_panic_hook();
    let place = Arc::new(OnceLock::new());
    let told = Arc::clone(&place);
    let client = step(move |pauses| {
        let told = Arc::clone(&told);
        async move {
            for _ in 0..pauses {
                pause().await;
            }
            told.set(Location::caller().line() + 1).ok();
            panic!("boom {pauses}")
        }
    });
    for pauses in 0..2 {
        let error = block_on(client.run(pauses)).unwrap_err();
        let line = place.get().unwrap();
        let expected = format!("the handler panicked: boom {pauses}, at tests/it/panics.rs:{line}:");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}

#[test]
fn the_place_of_one_panic_is_not_told_of_another() {
    install_panic_hook();
    // One that the handler caught itself, and one that comes without a hook.
    let client = step(|_| async {
        let caught = catch_unwind(|| panic!("caught"));
        assert!(caught.is_err());
        resume_unwind(Box::new("resumed"))
    });
    let error = block_on(client.run(0)).unwrap_err();
    assert!(error.to_string().starts_with("the handler panicked: resumed (Acting<"), "{error}");
}

#[test]
fn the_first_of_two_panics_is_told_with_its_place() {
    struct Twice;

    impl Future for Twice {
        type Output = Result<u32>;

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<u32>> {
            panic!("first")
        }
    }

    impl Drop for Twice {
        fn drop(&mut self) {
            panic!("second")
        }
    }

    struct Worker;

    impl Step for Worker {
        fn run(&self, _: u32) -> impl Future<Output = Result<u32>> + Send {
            Twice
        }
    }

    install_panic_hook();
    let error = block_on(StepClient::new(Worker).run(0)).unwrap_err();
    assert!(error.to_string().starts_with("the handler panicked: first, at tests/it/panics.rs:"), "{error}");
}

#[test]
fn a_payload_that_is_no_text_is_a_panic_as_well() {
    let client = step(|_| async { std::panic::panic_any(7) });
    let error = block_on(client.run(0)).unwrap_err();
    assert!(error.to_string().starts_with("the handler panicked: its payload is not a text"), "{error}");
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn a_panic_in_the_drop_of_a_finished_handler_is_the_error_of_the_call() {
    for pauses in 0..2 {
        let client = step(move |input| async move {
            let _bomb = Bomb;
            for _ in 0..pauses {
                pause().await;
            }
            Ok(input)
        });
        let error = block_on(chain(1, client).run(0)).unwrap_err();
        assert!(error.is_panic());
        assert!(error.to_string().starts_with("the handler panicked: dropped"), "{error}");
        assert!(is_outside());
    }
}

#[test]
fn a_panic_in_the_drop_of_a_cancelled_handler_is_logged() {
    let (recorder, _listening) = Recorder::listen();
    let client = step(|_| async {
        let _bomb = Bomb;
        pending().await
    });
    let outer = chain(2, client.clone());
    for client in [client, outer] {
        let mut call = Box::pin(client.run(0));
        assert!(poll_once(call.as_mut()).is_pending());
        drop(call);
        assert!(is_outside());
    }
    let messages = recorder.messages(Level::ERROR);
    assert_eq!(messages.len(), 2);
    for message in messages {
        assert!(
            message.starts_with("a cancelled handler panicked while it was dropped: dropped"),
            "{message}"
        );
    }
    let heard = recorder.heard();
    assert_eq!((&*heard.events[0].1["service"], &*heard.events[0].1["method"]), ("Step", "run"));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_drop_at_the_deadline_leaves_the_deadline() {
    let (recorder, _listening) = Recorder::listen();
    let client = step(|_| async {
        let _bomb = Bomb;
        pending().await
    });
    let error = client.with(CallOptions::new().deadline(Duration::from_secs(1))).run(0).await.unwrap_err();
    assert!(error.is_deadline());
    assert_eq!(recorder.messages(Level::ERROR).len(), 1);
}

#[test]
fn a_panic_where_a_future_is_made_by_hand_is_the_error_of_the_call() {
    struct ByHand;

    impl Step for ByHand {
        fn run(&self, input: u32) -> impl Future<Output = Result<u32>> + Send {
            assert!(input > 0, "nothing to do");
            ready(Ok(input))
        }
    }

    let client = StepClient::new(ByHand);
    assert_eq!(block_on(client.run(1)).unwrap(), 1);
    let error = block_on(client.run(0)).unwrap_err();
    assert!(error.to_string().starts_with("the handler panicked: nothing to do"), "{error}");
    assert!(is_outside());
}

#[test]
fn a_callee_that_panics_in_its_drop_while_its_caller_unwinds_ends_nobody() {
    let inner = step(|_| async {
        let _bomb = Bomb;
        pending().await
    });
    let client = step(move |_| {
        let inner = inner.clone();
        async move {
            let mut call = Box::pin(inner.run(0));
            assert!(poll_now(call.as_mut()).await.is_pending());
            panic!("caller");
        }
    });
    let error = block_on(chain(1, client).run(0)).unwrap_err();
    assert!(error.to_string().starts_with("the handler panicked: caller"), "{error}");
}

#[test]
fn a_call_may_be_made_while_a_handler_unwinds() {
    struct Calls(StepClient, Arc<AtomicU32>);

    impl Drop for Calls {
        fn drop(&mut self) {
            let answer = block_on(self.0.run(41)).unwrap();
            assert!(block_on(panicking(0, "nested").run(0)).unwrap_err().is_panic());
            self.1.store(answer, Ordering::SeqCst);
        }
    }

    let answer = Arc::<AtomicU32>::default();
    let (other, told) = (step(|input| async move { Ok(input + 1) }), Arc::clone(&answer));
    let client = step(move |_| {
        let calls = Calls(other.clone(), Arc::clone(&told));
        async move {
            let _calls = calls;
            panic!("outer")
        }
    });
    let error = block_on(client.run(0)).unwrap_err();
    assert!(error.to_string().starts_with("the handler panicked: outer"), "{error}");
    assert_eq!(answer.load(Ordering::SeqCst), 42);
}

#[tokio::test]
async fn the_siblings_of_a_call_that_panicked_go_on() {
    let (good, bad) = (
        step(|input| async move {
            tokio::task::yield_now().await;
            Ok(input)
        }),
        panicking(1, "boom"),
    );
    let client = step(move |_| {
        let (good, bad) = (good.clone(), bad.clone());
        async move {
            let (one, two, three) = tokio::join!(good.run(1), bad.run(0), good.run(2));
            assert!(two.unwrap_err().is_panic());
            assert_eq!(Ctx::with(|ctx| ctx.depth()), 1);
            Ok(one? + three?)
        }
    });
    assert_eq!(client.run(0).await.unwrap(), 3);
}

#[test]
fn ten_thousand_panics_leave_nothing_behind() {
    // As `panic!` does it, without the hook, which would print each.
    let silent = |pauses: u32| {
        step(move |_| async move {
            for _ in 0..pauses {
                pause().await;
            }
            resume_unwind(Box::new("boom"))
        })
    };
    let client = chain(2, silent(1));
    for _ in 0..10_000 {
        assert!(block_on(client.run(0)).unwrap_err().is_panic());
    }
    assert!(is_outside());
    let left = step(|_| async { Ok(Ctx::with(|ctx| ctx.remaining()).unwrap().invocations) });
    assert_eq!(block_on(left.run(0)).unwrap(), 999);

    // Inside of one pipeline they count as calls that were made, and their depth is given back.
    let inner = silent(0);
    let many = step(move |_| {
        let inner = inner.clone();
        async move {
            for _ in 0..500 {
                assert!(inner.run(0).await.unwrap_err().is_panic());
            }
            let left = Ctx::with(|ctx| ctx.remaining()).unwrap();
            assert_eq!((left.depth, left.invocations), (31, 499));
            Ok(0)
        }
    });
    block_on(many.run(0)).unwrap();
}

/// Panics at one of the points where an interceptor can.
#[derive(Clone, Copy)]
enum Panics {
    Before,
    After,
    InDrop,
}

impl Interceptor for Panics {
    async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
        assert!(!matches!(self, Self::Before), "before");
        let _bomb = matches!(self, Self::InDrop).then(|| Bomb);
        let _outcome = next.run().await;
        panic!("after");
    }
}

#[test]
fn a_panic_in_an_interceptor_is_the_error_of_the_call() {
    let callee = step(|input| async move {
        pause().await;
        Ok(input)
    });
    for (panics, text) in [(Panics::Before, "before"), (Panics::After, "after")] {
        let client = callee.with(CallOptions::new().interceptor(panics));
        let error: Error = block_on(chain(1, client).run(0)).unwrap_err();
        assert!(error.is_panic());
        let text = format!("an interceptor panicked: {text}");
        assert!(error.to_string().starts_with(&text), "{error}");
        assert_eq!(error.hops().len(), 2);
        assert!(is_outside());
    }
}

#[test]
fn a_panic_in_the_drop_of_a_cancelled_interceptor_is_logged() {
    let (recorder, _listening) = Recorder::listen();
    let client = step(|_| pending()).with(CallOptions::new().interceptor(Panics::InDrop));
    let mut call = Box::pin(client.run(0));
    assert!(poll_once(call.as_mut()).is_pending());
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(call)));
    assert!(dropped.is_ok());
    let messages = recorder.messages(Level::ERROR);
    assert_eq!(messages.len(), 1);
    assert!(
        messages[0].starts_with("an interceptor panicked while it was dropped: dropped"),
        "{}",
        messages[0]
    );
}
