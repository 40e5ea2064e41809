//! Dropping a call cancels its callee, wherever that waits.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use rpc_runtime::{CallOptions, Client, Ctx, Result, service};

use crate::drive::{block_on, pause, poll_now, poll_once};
use crate::step::{Step, StepClient, chain, relay, step};

/// What was noted, in order.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: impl Into<String>) {
        self.0.lock().unwrap().push(note.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn on_drop(&self, name: &'static str) -> OnDrop {
        OnDrop(self.clone(), name)
    }
}

/// Notes its name and the invocation that it is dropped in.
struct OnDrop(Notes, &'static str);

impl Drop for OnDrop {
    fn drop(&mut self) {
        let seen = Ctx::with(|ctx| {
            format!("{} of {:?} at {}", self.1, ctx.metadata("name").unwrap_or("nobody"), ctx.depth())
        });
        self.0.add(seen);
    }
}

/// A Worker of three suspensions, noting each and the drop of what it holds.
fn waiting(notes: &Notes) -> StepClient {
    let notes = notes.clone();
    step(move |input| {
        let notes = notes.clone();
        async move {
            let _guard = notes.on_drop("guard");
            for at in 0..3 {
                notes.add(format!("wait {at}"));
                pause().await;
            }
            notes.add("end");
            Ok(input)
        }
    })
}

#[test]
fn a_call_may_be_dropped_at_every_point_where_it_waits() {
    let notes = Notes::default();
    let client = waiting(&notes).with(CallOptions::new().metadata("name", "callee"));
    let all = ["wait 0", "wait 1", "wait 2", "end"];
    for polls in 0..=4 {
        let mut call = Box::pin(client.run(1));
        for poll in 1..=polls {
            assert_eq!(poll_once(call.as_mut()).is_ready(), poll == 4);
        }
        let ran = polls > 0;
        if polls < 4 {
            assert_eq!(notes.0.lock().unwrap().len(), polls);
        }
        drop(call);
        let noted = notes.take();
        assert_eq!(noted[..polls], all[..polls]);
        assert_eq!(noted[polls..], ["guard of \"callee\" at 1"][..usize::from(ran)]);
    }
}

#[test]
fn dropping_a_call_cascades_through_three_workers() {
    let notes = Notes::default();
    let named =
        |client: StepClient, name: &'static str| client.with(CallOptions::new().metadata("name", name));
    let holding = |next: StepClient| {
        let notes = notes.clone();
        step(move |input| {
            let (notes, next) = (notes.clone(), next.clone());
            async move {
                let _guard = notes.on_drop("guard");
                next.run(input).await
            }
        })
    };
    let third = named(waiting(&notes), "third");
    let client = named(holding(named(holding(third), "second")), "first");
    for polls in 1..4 {
        let mut call = Box::pin(client.run(1));
        for _ in 0..polls {
            assert!(poll_once(call.as_mut()).is_pending());
        }
        notes.take();
        drop(call);
        let mut dropped = notes.take();
        dropped.sort_unstable();
        assert_eq!(
            dropped,
            ["guard of \"first\" at 1", "guard of \"second\" at 2", "guard of \"third\" at 3"]
        );
    }
}

#[test]
fn whoever_drops_a_call_is_itself_again_afterwards() {
    let notes = Notes::default();
    let inner = waiting(&notes).with(CallOptions::new().metadata("name", "inner"));
    let kept = notes.clone();
    let client = step(move |input| {
        let (inner, notes) = (inner.clone(), kept.clone());
        async move {
            let mut call = Box::pin(inner.run(input));
            assert!(poll_now(call.as_mut()).await.is_pending());
            pause().await;
            drop(call);
            notes.add(Ctx::with(|ctx| format!("{:?} at {}", ctx.metadata("name"), ctx.depth())));
            Ok(0)
        }
    });
    let client = client.with(CallOptions::new().metadata("name", "outer"));
    block_on(client.run(0)).unwrap();
    assert_eq!(notes.take(), ["wait 0", "guard of \"inner\" at 2", "Some(\"outer\") at 1"]);
    assert!(Ctx::with(|ctx| ctx.worker().is_none()));
}

#[test]
fn a_call_that_the_handler_does_not_wait_for_is_dropped_with_the_handler() {
    let notes = Notes::default();
    let inner = waiting(&notes);
    let client = step(move |input| {
        let inner = inner.clone();
        async move {
            let mut call = Box::pin(inner.run(input));
            assert!(poll_now(call.as_mut()).await.is_pending());
            Ok(7)
        }
    });
    assert_eq!(block_on(client.run(0)).unwrap(), 7);
    assert_eq!(notes.take(), ["wait 0", "guard of \"nobody\" at 2"]);
}

#[test]
fn the_loser_of_a_race_is_cancelled_before_the_winner_is_returned() {
    let notes = Notes::default();
    let (slow, soon) = (chain(2, waiting(&notes)), step(|input| async move { Ok(input) }));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let won = runtime.block_on(async {
        let won = tokio::select! {
            biased;
            answer = slow.run(1) => answer,
            answer = soon.run(2) => answer,
        };
        notes.add("won");
        won
    });
    assert_eq!(won.unwrap(), 2);
    assert_eq!(notes.take(), ["wait 0", "guard of \"nobody\" at 3", "won"]);
}

#[service]
trait Lends {
    async fn hold(&self, text: &str, owned: Vec<String>) -> Result<()>;
}

struct Holds(Notes);

impl Lends for Holds {
    async fn hold(&self, text: &str, owned: Vec<String>) -> Result<()> {
        /// Reads what it borrows when it is dropped.
        struct Reads<'a>(&'a Notes, &'a str, &'a [String]);

        impl Drop for Reads<'_> {
            fn drop(&mut self) {
                self.0.add(format!("{} {:?}", self.1, self.2));
            }
        }

        let _reads = Reads(&self.0, text, &owned);
        pending().await
    }
}

#[test]
fn a_cancelled_handler_still_has_what_it_was_lent() {
    let notes = Notes::default();
    let client = LendsClient::new(Holds(notes.clone()));
    let text = "lent".to_owned();
    let mut call = Box::pin(client.hold(&text, vec!["given".into()]));
    assert!(poll_once(call.as_mut()).is_pending());
    drop(call);
    assert_eq!(notes.take(), ["lent [\"given\"]"]);
}

#[test]
fn arguments_of_a_call_that_was_never_polled_are_dropped_with_it() {
    #[service(local)]
    trait Takes {
        async fn take(&self, what: std::rc::Rc<()>) -> Result<()>;
    }

    struct Taker;

    impl Takes for Taker {
        async fn take(&self, _: std::rc::Rc<()>) -> Result<()> {
            pending().await
        }
    }

    let (client, counted) = (TakesClient::new(Taker), std::rc::Rc::new(()));
    let mut call = Box::pin(client.take(counted.clone()));
    assert_eq!(std::rc::Rc::strong_count(&counted), 2);
    drop(call);
    assert_eq!(std::rc::Rc::strong_count(&counted), 1);
    call = Box::pin(client.take(counted.clone()));
    assert!(poll_once(call.as_mut()).is_pending());
    drop(call);
    assert_eq!(std::rc::Rc::strong_count(&counted), 1);
}

#[test]
fn forgetting_a_call_harms_no_other() {
    let notes = Notes::default();
    let client = relay(waiting(&notes));
    let outer = step(move |input| {
        let client = client.clone();
        async move {
            let mut call = Box::pin({
                let client = client.clone();
                async move { client.run(input).await }
            });
            assert!(poll_now(call.as_mut()).await.is_pending());
            std::mem::forget(call);
            client.run(input).await
        }
    });
    for _ in 0..3 {
        assert_eq!(block_on(outer.run(1)).unwrap(), 2);
        assert_eq!(notes.take().iter().filter(|note| note.starts_with("guard")).count(), 1);
    }
    let left = step(|_| async { Ok(Ctx::with(|ctx| ctx.remaining()).unwrap().invocations) });
    assert_eq!(block_on(left.run(0)).unwrap(), 999);
}

#[test]
fn a_callee_may_be_cancelled_while_its_caller_unwinds() {
    let notes = Notes::default();
    let client = chain(2, waiting(&notes));
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let mut call = Box::pin(client.run(1));
        assert!(poll_once(call.as_mut()).is_pending());
        std::panic::resume_unwind(Box::new("on purpose"));
    }));
    assert!(unwound.is_err());
    assert_eq!(notes.take(), ["wait 0", "guard of \"nobody\" at 3"]);
    assert!(Ctx::with(|ctx| ctx.worker().is_none()));
}

#[tokio::test]
async fn aborting_a_task_cancels_its_calls() {
    let notes = Notes::default();
    let client = chain(2, {
        let notes = notes.clone();
        step(move |_| {
            let guard = notes.on_drop("guard");
            async move {
                let _guard = guard;
                pending().await
            }
        })
    });
    let task = tokio::spawn(async move { client.run(0).await });
    tokio::task::yield_now().await;
    assert!(notes.take().is_empty());
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(notes.take(), ["guard of \"nobody\" at 3"]);
}
