//! The invocation that code runs in.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rpc_runtime::{CallOptions, Client, Ctx, Result};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use tracing::Level;

use crate::drive::{block_on, pause, poll_once};
use crate::recorder::Recorder;
use crate::step::{Step, StepClient, relay, step};

type Notes = Arc<Mutex<Vec<&'static str>>>;

/// Notes that it was dropped.
struct OnDrop(Notes, &'static str);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(self.1);
    }
}

/// A Worker with a name.
struct Named(StepClient);

impl Step for Named {
    async fn run(&self, input: u32) -> Result<u32> {
        self.0.run(input).await
    }
}

fn kept(slot: &Arc<Mutex<Option<Ctx>>>) -> Ctx {
    slot.lock().unwrap().take().unwrap()
}

/// Keeps the context of an invocation after it has ended.
fn keeping() -> (StepClient, Arc<Mutex<Option<Ctx>>>) {
    let slot = Arc::<Mutex<Option<Ctx>>>::default();
    let out = Arc::clone(&slot);
    let client = step(move |input| {
        let out = Arc::clone(&out);
        async move {
            let ctx = Ctx::current();
            pause().await;
            *out.lock().unwrap() = Some(ctx);
            Ok(input)
        }
    });
    (client, slot)
}

#[test]
fn outside_of_any_invocation_there_is_a_detached_context() {
    let ctx = Ctx::current();
    assert!(ctx.deadline().is_none() && ctx.metadata("key").is_none());
    assert!(ctx.caller().is_none() && ctx.worker().is_none() && ctx.remaining().is_none());
    assert!(ctx.trace().is_disabled());
    assert_eq!(format!("{ctx:?}"), "Ctx(detached)");
    Ctx::with(|ctx| {
        assert!(ctx.deadline().is_none() && ctx.time_left().is_none() && ctx.metadata("key").is_none());
        assert!(ctx.caller().is_none() && ctx.worker().is_none() && ctx.remaining().is_none());
        assert_eq!(ctx.depth(), 0);
    });
    let says = |error: rpc_runtime::Error, what: &str| {
        let expected = format!("`{what}` needs an invocation, and this context was taken outside of any");
        assert_eq!(error.to_string(), expected);
    };
    says(ctx.spawn(async {}).unwrap_err(), "spawn");
    says(ctx.wait_until(async {}).unwrap_err(), "wait_until");
}

#[test]
fn an_implementation_that_is_called_as_itself_has_a_detached_context() {
    struct Looks;

    impl Step for Looks {
        async fn run(&self, _: u32) -> Result<u32> {
            Ok(Ctx::with(|ctx| ctx.depth()))
        }
    }

    assert_eq!(block_on(Looks.run(0)).unwrap(), 0);
    assert_eq!(block_on(StepClient::new(Looks).run(0)).unwrap(), 1);
}

#[test]
fn a_context_knows_its_worker_and_its_caller() {
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let out = Arc::clone(&seen);
    let last = step(move |_| {
        let out = Arc::clone(&out);
        async move {
            let look = |ctx: rpc_runtime::View<'_>| {
                format!(
                    "{:?} from {:?} at {}",
                    ctx.worker().map(|name| &name[..5]),
                    ctx.caller(),
                    ctx.depth()
                )
            };
            out.lock().unwrap().push(Ctx::with(look));
            let ctx = Ctx::current();
            pause().await;
            assert_eq!((ctx.worker(), ctx.caller()), (Ctx::current().worker(), Ctx::current().caller()));
            out.lock().unwrap().push(format!(
                "{:?} from {:?}",
                ctx.worker().map(|name| &name[..5]),
                ctx.caller()
            ));
            Ok(0)
        }
    });
    block_on(last.run(0)).unwrap();
    block_on(StepClient::new(Named(last)).run(0)).unwrap();
    assert_eq!(
        *seen.lock().unwrap(),
        [
            "Some(\"Actin\") from None at 1",
            "Some(\"Actin\") from None",
            "Some(\"Actin\") from Some(\"Named\") at 2",
            "Some(\"Actin\") from Some(\"Named\")",
        ]
    );
}

#[test]
fn a_context_may_be_kept_across_waiting_and_sent_to_another_thread() {
    fn is_value<T: Clone + Send + Sync + Unpin + 'static>(_: &T) {}

    let client = step(|_| async {
        let ctx = Ctx::current();
        is_value(&ctx);
        pause().await;
        let sent = ctx.clone();
        let elsewhere = std::thread::spawn(move || sent.metadata("key").map(str::to_owned));
        assert_eq!(elsewhere.join().unwrap(), ctx.metadata("key").map(str::to_owned));
        assert_eq!(ctx.remaining(), Ctx::with(|ctx| ctx.remaining()));
        Ok(ctx.metadata("key").unwrap().len() as u32)
    });
    let client = client.with(CallOptions::new().metadata("key", "four"));
    assert_eq!(block_on(relay(client).run(0)).unwrap(), 5);
}

#[test]
fn a_context_outlives_its_invocation() {
    let (client, slot) = keeping();
    let named = StepClient::new(Named(client.with(CallOptions::new().metadata("key", "value"))));
    block_on(named.run(0)).unwrap();
    drop(named);
    let ctx = kept(&slot);
    assert_eq!((ctx.metadata("key"), ctx.caller()), (Some("value"), Some("Named")));
    assert_eq!(ctx.remaining().unwrap().invocations, 998);
    let text = format!("{ctx:?}");
    assert!(
        text.starts_with("Ctx { worker: \"Acting<") && text.contains("method: Step/run, depth: 2"),
        "{text}"
    );
}

#[test]
fn tasks_need_a_runtime() {
    let client = step(|_| async {
        let ctx = Ctx::current();
        let text = "needs a tokio runtime, and there is none on this thread";
        assert!(ctx.spawn(async {}).unwrap_err().to_string().contains(text));
        assert!(ctx.wait_until(async {}).unwrap_err().to_string().contains(text));
        Ok(0)
    });
    block_on(client.run(0)).unwrap();
}

#[test]
fn work_that_outlives_its_invocation_needs_a_timer() {
    let client = step(|_| async {
        let error = Ctx::current().wait_until(async {}).unwrap_err();
        assert!(
            error.to_string().starts_with("`wait_until` needs the timer of its tokio runtime"),
            "{error}"
        );
        // A child needs none.
        Ctx::current().spawn(async { 7 })?.await
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(client.run(0)).unwrap(), 7);
}

#[tokio::test]
async fn a_child_gives_what_it_makes() {
    let other = step(|_| async { Ok(Ctx::with(|ctx| ctx.depth())) });
    let client = step(move |_| {
        let other = other.clone();
        async move {
            let child = Ctx::current().spawn(async move {
                let (worker, depth) = Ctx::with(|ctx| (ctx.worker().map(str::to_owned), ctx.depth()));
                assert_eq!(worker.as_deref(), Ctx::current().worker());
                assert_eq!(depth, 2);
                other.run(0).await
            })?;
            child.await?
        }
    });
    assert_eq!(StepClient::new(Named(client)).run(0).await.unwrap(), 3);
}

#[tokio::test]
async fn a_child_has_the_caller_of_its_invocation() {
    let client = step(|_| async {
        let child = Ctx::current().spawn(async {
            let seen = Ctx::with(|ctx| ctx.caller().map(str::to_owned));
            assert_eq!(seen.as_deref(), Ctx::current().caller());
            seen
        })?;
        assert_eq!(child.await?.as_deref(), Some("Named"));
        Ok(0)
    });
    StepClient::new(Named(client)).run(0).await.unwrap();
}

#[tokio::test]
async fn a_child_that_panics_is_an_error_for_who_awaits_it() {
    let client = step(|_| async {
        let child = Ctx::current().spawn(async { std::panic::resume_unwind(Box::new("boom")) })?;
        let () = child.await?;
        Ok(0)
    });
    let error = client.run(0).await.unwrap_err();
    assert!(error.is_panic());
    assert!(error.to_string().starts_with("the work of `spawn` panicked: boom (Acting<"), "{error}");
}

#[tokio::test]
async fn a_child_ends_with_the_invocation_that_spawned_it() {
    let notes = Notes::default();
    let out = Arc::clone(&notes);
    let client = step(move |input| {
        let guard = OnDrop(Arc::clone(&out), "child");
        async move {
            let child = Ctx::current().spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            })?;
            yield_now().await;
            // Its handle is dropped here, and the child goes on.
            drop(child);
            yield_now().await;
            if input > 0 {
                pending::<()>().await;
            }
            Ok(0)
        }
    });
    client.run(0).await.unwrap();
    yield_now().await;
    assert_eq!(std::mem::take(&mut *notes.lock().unwrap()), ["child"]);
    // Cancelled, the same.
    let mut call = Box::pin(client.run(1));
    for _ in 0..4 {
        assert!(crate::drive::poll_now(call.as_mut()).await.is_pending());
        yield_now().await;
    }
    assert!(notes.lock().unwrap().is_empty());
    drop(call);
    yield_now().await;
    assert_eq!(*notes.lock().unwrap(), ["child"]);
}

#[tokio::test]
async fn a_child_that_is_aborted_is_cancelled() {
    let client = step(|_| async {
        let child = Ctx::current().spawn(pending::<()>())?;
        child.abort();
        let error = child.await.unwrap_err();
        assert!(error.is_cancelled());
        assert!(error.to_string().starts_with("cancelled: the work of `spawn` was aborted"), "{error}");
        Ok(0)
    });
    client.run(0).await.unwrap();
}

#[tokio::test]
async fn a_child_spawned_after_the_end_is_aborted() {
    let (client, slot) = keeping();
    client.run(0).await.unwrap();
    let child = kept(&slot).spawn(pending::<()>()).unwrap();
    assert!(child.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn many_children_come_and_go() {
    let client = step(|_| async {
        let ctx = Ctx::current();
        let mut sum = 0;
        for input in 0..200_u32 {
            sum += ctx.spawn(async move { input })?.await?;
        }
        Ok(sum)
    });
    assert_eq!(client.run(0).await.unwrap(), 199 * 100);
}

#[tokio::test]
async fn what_a_child_holds_is_dropped_in_its_invocation() {
    struct Looks(Arc<Mutex<Option<String>>>);

    impl Drop for Looks {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = Ctx::with(|ctx| ctx.metadata("key").map(str::to_owned));
        }
    }

    let seen = Arc::<Mutex<Option<String>>>::default();
    let out = Arc::clone(&seen);
    let client = step(move |_| {
        let looks = Looks(Arc::clone(&out));
        async move {
            let _child = Ctx::current().spawn(async move {
                let _looks = looks;
                pending::<()>().await;
            })?;
            yield_now().await;
            Ok(0)
        }
    });
    client.with(CallOptions::new().metadata("key", "value")).run(0).await.unwrap();
    yield_now().await;
    assert_eq!(seen.lock().unwrap().as_deref(), Some("value"));
}

/// Waits so many seconds after its invocation, and says when it is dropped or done.
fn background(notes: &Notes, seconds: u64) -> StepClient {
    let notes = Arc::clone(notes);
    step(move |input| {
        let (notes, guard) = (Arc::clone(&notes), OnDrop(Arc::clone(&notes), "dropped"));
        async move {
            Ctx::current().wait_until(async move {
                let _guard = guard;
                sleep(Duration::from_secs(seconds)).await;
                notes.lock().unwrap().push("done");
            })?;
            if input > 0 {
                pending::<()>().await;
            }
            Ok(0)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn background_work_goes_on_after_the_call() {
    let notes = Notes::default();
    background(&notes, 29).run(0).await.unwrap();
    assert!(notes.lock().unwrap().is_empty());
    sleep(Duration::from_secs(40)).await;
    assert_eq!(*notes.lock().unwrap(), ["done", "dropped"]);
}

#[tokio::test(start_paused = true)]
async fn background_work_survives_the_cancellation_of_its_call() {
    let notes = Notes::default();
    let client = relay(background(&notes, 5));
    let mut call = Box::pin(client.run(1));
    assert!(crate::drive::poll_now(call.as_mut()).await.is_pending());
    drop(call);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(*notes.lock().unwrap(), ["done", "dropped"]);
}

#[tokio::test(start_paused = true)]
async fn background_work_is_cut_30_s_after_its_invocation_with_one_warning() {
    let (recorder, _listening) = Recorder::listen();
    let notes = Notes::default();
    let out = Arc::clone(&notes);
    let client = step(move |_| {
        let (notes, guard) = (Arc::clone(&out), OnDrop(Arc::clone(&out), "dropped"));
        async move {
            Ctx::current().wait_until(async move {
                let _guard = guard;
                sleep(Duration::from_secs(70)).await;
                notes.lock().unwrap().push("done");
            })?;
            // As long as the invocation goes on, nothing is counted.
            sleep(Duration::from_secs(35)).await;
            Ok(0)
        }
    });
    client.run(0).await.unwrap();
    sleep(Duration::from_millis(29_990)).await;
    assert!(notes.lock().unwrap().is_empty());
    sleep(Duration::from_millis(20)).await;
    assert_eq!(*notes.lock().unwrap(), ["dropped"]);
    sleep(Duration::from_secs(100)).await;
    let warnings = recorder.messages(Level::WARN);
    assert_eq!(warnings, ["work given to `wait_until` was dropped, 30s after its invocation ended"]);
    let fields = &recorder.heard().events[0].1;
    assert!(
        fields["worker"].starts_with("Acting<") && fields["invocation"].contains("Step/run"),
        "{fields:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn several_works_of_an_invocation_that_are_cut_are_one_warning() {
    let (recorder, _listening) = Recorder::listen();
    let client = step(|_| async {
        for _ in 0..5 {
            Ctx::current().wait_until(pending())?;
        }
        Ok(0)
    });
    client.run(0).await.unwrap();
    sleep(Duration::from_secs(31)).await;
    assert_eq!(recorder.messages(Level::WARN).len(), 1);
    client.run(0).await.unwrap();
    sleep(Duration::from_secs(31)).await;
    assert_eq!(recorder.messages(Level::WARN).len(), 2, "the next invocation is told of for itself");
}

#[tokio::test(start_paused = true)]
async fn background_work_of_a_callee_survives_its_caller_however_that_ends() {
    for is_cancelled in [false, true] {
        let notes = Notes::default();
        let below = background(&notes, 20);
        let parent = step(move |input| {
            let below = below.clone();
            async move {
                below.run(0).await?;
                if input > 0 {
                    pending::<()>().await;
                }
                Ok(0)
            }
        });
        let grandparent = relay(parent);
        if is_cancelled {
            let mut call = Box::pin(grandparent.run(1));
            assert!(poll_once(call.as_mut()).is_pending());
            drop(call);
        } else {
            grandparent.run(0).await.unwrap();
        }
        sleep(Duration::from_secs(19)).await;
        assert!(notes.lock().unwrap().is_empty());
        sleep(Duration::from_secs(2)).await;
        assert_eq!(*notes.lock().unwrap(), ["done", "dropped"]);
    }
}

#[tokio::test(start_paused = true)]
async fn background_work_cannot_prolong_itself() {
    /// Registers more, and waits for a while, for as long as it is let.
    fn again(rounds: Arc<Mutex<u32>>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            *rounds.lock().unwrap() += 1;
            sleep(Duration::from_secs(4)).await;
            Ctx::current().wait_until(again(rounds)).unwrap();
        })
    }

    let rounds = Arc::<Mutex<u32>>::default();
    let out = Arc::clone(&rounds);
    let client = step(move |_| {
        let rounds = Arc::clone(&out);
        async move {
            Ctx::current().wait_until(again(rounds))?;
            Ok(0)
        }
    });
    client.run(0).await.unwrap();
    sleep(Duration::from_secs(300)).await;
    assert_eq!(*rounds.lock().unwrap(), 8);
}

#[tokio::test(start_paused = true)]
async fn background_work_may_be_given_after_the_end() {
    let (client, slot) = keeping();
    client.run(0).await.unwrap();
    let (told, asked) = oneshot::channel();
    kept(&slot)
        .wait_until(async move {
            sleep(Duration::from_secs(1)).await;
            told.send(Ctx::with(|ctx| ctx.depth())).unwrap();
        })
        .unwrap();
    assert_eq!(asked.await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn background_work_that_panics_is_logged_and_stops_nothing_else() {
    let (recorder, _listening) = Recorder::listen();
    let (told, asked) = oneshot::channel();
    let told = Arc::new(Mutex::new(Some(told)));
    let client = step(move |_| {
        let told = told.lock().unwrap().take().unwrap();
        async move {
            let ctx = Ctx::current();
            ctx.wait_until(async { std::panic::resume_unwind(Box::new("boom")) })?;
            ctx.wait_until(async move {
                sleep(Duration::from_secs(1)).await;
                told.send(7).unwrap();
            })?;
            Ok(0)
        }
    });
    client.run(0).await.unwrap();
    assert_eq!(asked.await.unwrap(), 7);
    assert_eq!(recorder.messages(Level::ERROR), ["work given to `wait_until` panicked: boom"]);
}

#[tokio::test(start_paused = true)]
async fn what_background_work_spawns_ends_with_it() {
    let notes = Notes::default();
    let (told, asked) = oneshot::channel();
    let told = Arc::new(Mutex::new(Some(told)));
    let out = Arc::clone(&notes);
    let client = step(move |_| {
        let (told, guard) = (told.lock().unwrap().take().unwrap(), OnDrop(Arc::clone(&out), "child"));
        async move {
            Ctx::current().wait_until(async move {
                sleep(Duration::from_secs(1)).await;
                let ctx = Ctx::current();
                let child = ctx.spawn(async { 7 }).unwrap();
                let other = ctx.spawn(async move {
                    let _guard = guard;
                    pending::<()>().await;
                });
                told.send(child.await.unwrap()).unwrap();
                assert!(other.is_ok());
            })?;
            Ok(0)
        }
    });
    client.run(0).await.unwrap();
    assert_eq!(asked.await.unwrap(), 7);
    yield_now().await;
    yield_now().await;
    assert_eq!(*notes.lock().unwrap(), ["child"]);
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_waits_for_nothing_does_not_wait() {
    let notes = Notes::default();
    let began = Instant::now();
    for _ in 0..100 {
        background(&notes, 20).run(0).await.unwrap();
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    sleep(Duration::from_secs(21)).await;
    assert_eq!(notes.lock().unwrap().len(), 200);
}

#[test]
fn a_look_at_the_context_may_be_taken_inside_of_another() {
    let inner = step(|_| async { Ok(Ctx::with(|_| Ctx::with(|ctx| ctx.depth()))) });
    let client = step(move |_| {
        let inner = inner.clone();
        async move {
            Ok(Ctx::with(|ctx| {
                let below = block_on(inner.run(0)).unwrap();
                below * 10 + ctx.depth() + Ctx::current().remaining().unwrap().depth
            }))
        }
    });
    assert_eq!(block_on(client.run(0)).unwrap(), 20 + 1 + 31);
}

#[test]
fn a_call_that_is_polled_by_hand_inside_of_a_handler_is_part_of_its_invocation() {
    let slow = step(|_| async {
        pause().await;
        pause().await;
        Ok(Ctx::with(|ctx| ctx.depth()))
    });
    let client = step(move |_| {
        let slow = slow.clone();
        async move {
            let mut call = Box::pin(slow.run(0));
            // With a waker of its own, and in the middle of its caller's poll.
            assert!(poll_once(call.as_mut()).is_pending());
            pause().await;
            assert!(poll_once(call.as_mut()).is_pending());
            call.await
        }
    });
    assert_eq!(block_on(client.run(0)).unwrap(), 2);
}
