//! A deadline holds for a call and for all that is called from there.

use std::future::{pending, ready};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rpc_runtime::{CallOptions, Client, Ctx, Error, Interceptor, Next, Outcome, Outgoing, Result, service};
use tokio::time::{Instant, sleep};

use crate::drive::{block_on, pause, poll_now};
use crate::step::{Step, StepClient, chain, relay, step};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn within(limit: Duration) -> CallOptions {
    CallOptions::new().deadline(limit)
}

/// A Worker that takes its input in seconds.
fn sleeper() -> StepClient {
    step(|input| async move {
        sleep(seconds(input.into())).await;
        Ok(input)
    })
}

const NONE: u32 = 1_000_000_000;

/// A Worker that answers with what is left of its time, in milliseconds; [`NONE`] if there is no deadline.
fn teller() -> StepClient {
    step(|_| async {
        let (owned, seen) = (Ctx::current().deadline(), Ctx::with(|ctx| ctx.deadline()));
        assert_eq!(owned, seen);
        let left = Ctx::with(|ctx| ctx.time_left());
        Ok(left.map_or(NONE, |left| left.as_millis().try_into().unwrap()))
    })
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_ends_with_is_deadline() {
    let client = sleeper().with(within(seconds(2)));
    let began = Instant::now();
    assert_eq!(client.run(1).await.unwrap(), 1);
    let error = client.run(3).await.unwrap_err();
    assert!(error.is_deadline() && !error.is_cancelled() && !error.is_retryable());
    assert!(error.to_string().starts_with("the deadline of 2s passed (Acting<"), "{error}");
    assert_eq!(began.elapsed().as_millis() / 10, 300);
}

#[tokio::test(start_paused = true)]
async fn time_counts_from_the_first_poll_of_the_call() {
    let client = sleeper().with(within(seconds(2)));
    let call = client.run(1);
    sleep(seconds(100)).await;
    assert_eq!(call.await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_inherited_however_deep() {
    let client = chain(3, teller());
    assert_eq!(client.run(0).await.unwrap(), NONE + 3);
    assert_eq!(client.with(within(seconds(2))).run(0).await.unwrap(), 2000 + 3);
}

#[tokio::test(start_paused = true)]
async fn a_nested_call_has_what_is_left() {
    let inner = teller();
    let client = step(move |_| {
        let inner = inner.clone();
        async move {
            sleep(seconds(1)).await;
            inner.run(0).await
        }
    });
    assert_eq!(client.with(within(seconds(5))).run(0).await.unwrap(), 4000);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_never_made_longer() {
    let patient = relay(teller().with(within(seconds(60))));
    assert_eq!(patient.with(within(seconds(2))).run(0).await.unwrap(), 2001);
    assert_eq!(patient.run(0).await.unwrap(), 60_001);

    let slow = relay(sleeper().with(within(seconds(60)))).with(within(seconds(2)));
    let began = Instant::now();
    assert!(slow.run(30).await.unwrap_err().is_deadline());
    assert_eq!(began.elapsed().as_millis() / 10, 200);
}

#[service]
trait Timed {
    #[rpc(deadline = "3s")]
    async fn left(&self) -> Result<u128>;
    #[rpc(deadline = "3s")]
    async fn never(&self) -> Result<()>;
}

struct Clock;

impl Timed for Clock {
    async fn left(&self) -> Result<u128> {
        Ok(Ctx::with(|ctx| ctx.time_left()).unwrap().as_millis())
    }

    async fn never(&self) -> Result<()> {
        pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_method_has_the_deadline_of_its_attribute_unless_its_caller_says_otherwise() {
    let client = TimedClient::new(Clock);
    assert_eq!(client.left().await.unwrap(), 3000);
    assert_eq!(client.with(within(seconds(1))).left().await.unwrap(), 1000);
    assert_eq!(client.with(within(seconds(10))).left().await.unwrap(), 10_000);
    let error = client.never().await.unwrap_err();
    assert_eq!(error.to_string(), "the deadline of 3s passed (Clock Timed/never)");
}

#[tokio::test(start_paused = true)]
async fn options_given_later_replace_the_deadline() {
    let client = teller().with(within(seconds(1)));
    assert_eq!(client.with(within(seconds(9))).run(0).await.unwrap(), 9000);
    assert_eq!(client.with(CallOptions::new().metadata("key", "value")).run(0).await.unwrap(), 1000);
    assert_eq!(client.run(0).await.unwrap(), 1000);
}

#[tokio::test(start_paused = true)]
async fn no_time_at_all_refuses_the_call_before_its_handler_runs() {
    let runs = Arc::<AtomicU32>::default();
    let counted = Arc::clone(&runs);
    let client = step(move |_| ready(Ok(counted.fetch_add(1, Ordering::SeqCst))));
    let error = client.with(within(Duration::ZERO)).run(0).await.unwrap_err();
    assert!(error.is_deadline());
    assert!(error.to_string().starts_with("the deadline of 0ns passed"), "{error}");
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn time_without_end_is_no_deadline() {
    for limit in [Duration::MAX, Duration::from_secs(u64::MAX), seconds(600 * 365 * 24 * 3600)] {
        assert_eq!(teller().with(within(limit)).run(0).await.unwrap(), NONE);
        assert_eq!(relay(sleeper()).with(within(limit)).run(5).await.unwrap(), 6);
    }
    let centuries = step(|input| async move {
        sleep(seconds(input.into())).await;
        Ok(Ctx::with(|ctx| ctx.time_left()).unwrap().as_secs().try_into().unwrap_or(u32::MAX))
    });
    let left = centuries.with(within(seconds(4_000_000_000))).run(3).await.unwrap();
    assert!((3_999_999_996..=3_999_999_997).contains(&left), "{left}");
}

/// Notes that it was dropped, by whom.
struct Note(&'static str, Arc<Mutex<Vec<&'static str>>>);

impl Drop for Note {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_call_that_made_the_deadline_returns_it_and_drops_all_below() {
    let notes = Arc::<Mutex<Vec<&'static str>>>::default();
    let noting = |name: &'static str, next: Option<StepClient>| {
        let notes = Arc::clone(&notes);
        step(move |input| {
            let (notes, next) = (Arc::clone(&notes), next.clone());
            async move {
                let _note = Note(name, Arc::clone(&notes));
                let answer = match next {
                    Some(next) => next.run(input).await,
                    None => pending().await,
                };
                // A handler in between is dropped where it waits: it is not told.
                notes.lock().unwrap().push("told");
                answer
            }
        })
    };
    let last = noting("last", None);
    let hasty = noting("first below", Some(noting("second", Some(last)))).with(within(seconds(2)));
    let inner = hasty.clone();
    let client = step(move |input| {
        let inner = inner.clone();
        async move {
            let error = inner.run(input).await.unwrap_err();
            assert!(error.is_deadline());
            assert_eq!(error.hops().len(), 2);
            Ok(7)
        }
    });
    assert_eq!(client.with(within(seconds(60))).run(0).await.unwrap(), 7);
    let mut dropped = notes.lock().unwrap().clone();
    dropped.sort_unstable();
    assert_eq!(dropped, ["first below", "last", "second"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_wins_over_a_deadline_that_passes_at_once() {
    let client = sleeper().with(within(seconds(2)));
    assert_eq!(client.run(2).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_can_be_made_again_after_its_deadline() {
    let client = sleeper().with(within(seconds(2)));
    for _ in 0..3 {
        assert!(client.run(9).await.unwrap_err().is_deadline());
        assert_eq!(client.run(1).await.unwrap(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_beside_each_other_have_deadlines_of_their_own() {
    let client = sleeper();
    let (short, long) = (client.with(within(seconds(1))), client.with(within(seconds(5))));
    let (one, two, three) = tokio::join!(short.run(3), long.run(3), short.run(0));
    assert!(one.unwrap_err().is_deadline());
    assert_eq!((two.unwrap(), three.unwrap()), (3, 0));
}

#[test]
fn a_deadline_needs_a_timer_once_the_callee_suspends() {
    let hasty = step(|input| async move {
        pause().await;
        Ok(input)
    })
    .with(within(seconds(60)));
    let says_so = |error: Error| {
        assert!(!error.is_deadline());
        assert_eq!(
            error.to_string().split(" (").next().unwrap(),
            "a call with a deadline suspended where there is no tokio timer: run it on a tokio runtime built with \
             `enable_time` or `enable_all`, or leave the deadline out"
        );
    };
    says_so(block_on(hasty.run(1)).unwrap_err());
    says_so(block_on(relay(hasty.clone()).run(1)).unwrap_err());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    says_so(runtime.block_on(hasty.run(1)).unwrap_err());
}

#[test]
fn a_callee_that_is_ready_at_once_needs_no_timer() {
    let client = step(|input| async move { Ok(input) }).with(within(seconds(60)));
    assert_eq!(block_on(client.run(1)).unwrap(), 1);
    assert_eq!(block_on(chain(3, client).run(1)).unwrap(), 4);
}

#[test]
fn a_deadline_that_is_inherited_needs_no_timer() {
    let client = step(|input| async move {
        pause().await;
        Ok(input)
    });
    assert_eq!(block_on(relay(client).run(1)).unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_moved_to_another_task_keeps_its_deadline() {
    let inner = relay(sleeper());
    let client = step(move |input| {
        let inner = inner.clone();
        async move {
            let mut call = Box::pin(async move { inner.run(input).await });
            assert!(poll_now(call.as_mut()).await.is_pending());
            let task = tokio::spawn(call);
            match task.await.unwrap() {
                Err(error) if error.is_deadline() => Ok(1000),
                other => other,
            }
        }
    });
    assert_eq!(client.with(within(seconds(2))).run(1).await.unwrap(), 2);
    // The caller's own deadline ends the caller; the call in its task ends by itself, at the same moment.
    let began = Instant::now();
    let ended = client.with(within(seconds(2))).run(9).await;
    assert!(ended.is_ok_and(|answer| answer == 1000) || began.elapsed() < seconds(3));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_outlives_its_caller_keeps_its_deadline() {
    let slot = Arc::<Mutex<Option<tokio::task::JoinHandle<Result<u32>>>>>::default();
    let (inner, out) = (relay(sleeper()), Arc::clone(&slot));
    let client = step(move |input| {
        let (inner, out) = (inner.clone(), Arc::clone(&out));
        async move {
            let mut call = Box::pin(async move { inner.run(input).await });
            assert!(poll_now(call.as_mut()).await.is_pending());
            *out.lock().unwrap() = Some(tokio::spawn(call));
            Ok(0)
        }
    });
    let began = Instant::now();
    client.with(within(seconds(2))).run(9).await.unwrap();
    let task = slot.lock().unwrap().take().unwrap();
    let error = task.await.unwrap().unwrap_err();
    assert!(error.is_deadline(), "{error}");
    assert!(error.to_string().starts_with("the deadline passed"), "{error}");
    assert_eq!(began.elapsed().as_millis() / 10, 200);
}

#[tokio::test(start_paused = true)]
async fn a_child_ends_with_its_invocations_deadline() {
    let notes = Arc::<Mutex<Vec<&'static str>>>::default();
    let noted = Arc::clone(&notes);
    let client = step(move |_| {
        let note = Note("child", Arc::clone(&noted));
        async move {
            let child = Ctx::current().spawn(async move {
                let _note = note;
                assert!(Ctx::with(|ctx| ctx.deadline()).is_some());
                pending::<()>().await;
            })?;
            child.await?;
            Ok(0)
        }
    });
    assert!(client.with(within(seconds(2))).run(0).await.unwrap_err().is_deadline());
    tokio::task::yield_now().await;
    assert_eq!(*notes.lock().unwrap(), ["child"]);
}

#[tokio::test(start_paused = true)]
async fn work_that_is_waited_for_has_no_deadline() {
    let (told, asked) = tokio::sync::oneshot::channel();
    let told = Arc::new(Mutex::new(Some(told)));
    let (sleeper, teller) = (sleeper(), teller());
    let client = step(move |_| {
        let (told, sleeper, teller) = (Arc::clone(&told), sleeper.clone(), teller.clone());
        async move {
            let ctx = Ctx::current();
            assert!(ctx.deadline().is_some());
            ctx.wait_until(async move {
                let slept = sleeper.run(20).await;
                let hasty = sleeper.with(within(seconds(1))).run(3).await;
                let child = Ctx::current().spawn(async move { teller.run(0).await }).unwrap().await;
                let seen = (Ctx::with(|ctx| ctx.deadline()), Ctx::current().deadline());
                let _ = told.lock().unwrap().take().unwrap().send((slept, hasty, child, seen));
            })?;
            pending().await
        }
    });
    assert!(client.with(within(seconds(2))).run(0).await.unwrap_err().is_deadline());
    let (slept, hasty, child, seen) = asked.await.unwrap();
    assert_eq!(slept.unwrap(), 20);
    assert!(hasty.unwrap_err().is_deadline());
    assert_eq!(child.unwrap().unwrap(), NONE);
    assert_eq!(seen, (None, None));
}

/// Waits before it lets a call pass.
struct Waits(Duration);

impl Interceptor for Waits {
    async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
        sleep(self.0).await;
        next.run().await
    }
}

#[tokio::test(start_paused = true)]
async fn time_that_an_interceptor_waits_counts() {
    let client = teller().with(within(seconds(5)).interceptor(Waits(seconds(2))));
    assert_eq!(client.run(0).await.unwrap(), 3000);
    let began = Instant::now();
    let hasty =
        sleeper().with(within(seconds(5)).interceptor(Waits(seconds(2))).interceptor(Waits(seconds(2))));
    assert!(hasty.run(3).await.unwrap_err().is_deadline());
    let blocked = sleeper().with(within(seconds(5)).interceptor(Waits(seconds(60))));
    let error = blocked.run(0).await.unwrap_err();
    assert!(error.to_string().starts_with("the deadline of 5s passed (Acting<"), "{error}");
    assert_eq!(began.elapsed().as_millis() / 10, 1000);
    let inherited = relay(sleeper().with(CallOptions::new().interceptor(Waits(seconds(60)))));
    assert!(inherited.with(within(seconds(1))).run(0).await.unwrap_err().is_deadline());
}
