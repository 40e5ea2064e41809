//! A pipeline goes only so far.

mod value_bytes;
mod warn;

use std::sync::{Arc, Mutex, OnceLock};

use rpc_runtime::{CallOptions, Client, Ctx, Limits, Result};

use crate::drive::{block_on, pause, poll_now};
use crate::step::{Step, StepClient, chain, relay, step};

fn limits(limits: Limits) -> CallOptions {
    CallOptions::new().limits(limits)
}

fn leaf() -> StepClient {
    step(|_| async { Ok(0) })
}

/// Calls another so often, one after the other, and answers with how often it could.
fn caller(next: StepClient) -> StepClient {
    step(move |times| {
        let next = next.clone();
        async move {
            for at in 0..times {
                match next.run(at).await {
                    Ok(_) => {}
                    Err(error) if error.is_limit() => return Ok(at),
                    Err(error) => return Err(error),
                }
            }
            Ok(times)
        }
    })
}

/// What is left in the invocation of a call: depth times ten thousand, and invocations.
fn left() -> StepClient {
    step(|_| async {
        let seen = Ctx::with(|ctx| ctx.remaining()).unwrap();
        Ok(seen.depth * 10_000 + seen.invocations)
    })
}

/// A Worker with a name for the chain of an error.
struct Itself(OnceLock<StepClient>);

impl Step for Itself {
    async fn run(&self, input: u32) -> Result<u32> {
        if input == 0 {
            return Ok(Ctx::with(|ctx| ctx.depth()));
        }
        self.0.get().unwrap().run(input - 1).await
    }
}

fn itself() -> StepClient {
    let worker = Arc::new(Itself(OnceLock::new()));
    let client = StepClient::shared(Arc::clone(&worker));
    worker.0.set(client.clone()).unwrap();
    client
}

#[test]
fn a_chain_of_thirty_two_workers_works_and_the_next_fails() {
    let client = itself();
    assert_eq!(block_on(client.run(31)).unwrap(), 32);
    let error = block_on(client.run(32)).unwrap_err();
    assert!(error.is_limit() && !error.is_retryable());
    assert_eq!(error.hops().len(), 33);
    assert!(
        error
            .hops()
            .iter()
            .all(|hop| (hop.worker(), hop.service(), hop.method()) == ("Itself", "Step", "run"))
    );
    let text = error.to_string();
    assert!(
        text.starts_with(
            "the limit of 32 Workers deep is reached: it would be 33 (Itself Step/run > Itself Step/run >"
        ),
        "{text}"
    );
}

#[test]
fn a_chain_that_suspends_goes_as_deep() {
    let paused = step(|_| async {
        pause().await;
        Ok(0)
    });
    assert_eq!(block_on(chain(31, paused.clone()).run(0)).unwrap(), 31);
    assert!(block_on(chain(32, paused).run(0)).unwrap_err().is_limit());
}

#[test]
fn depth_may_be_set_up_to_128() {
    let client = itself();
    for (depth, deepest) in [(0, 1), (1, 1), (2, 2), (100, 100), (128, 128), (u32::MAX, 128)] {
        let client = client.with(limits(Limits::new().depth(depth)));
        assert_eq!(block_on(client.run(deepest - 1)).unwrap(), deepest);
        let error = block_on(client.run(deepest)).unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("the limit of {deepest} Workers deep is reached")),
            "{error}"
        );
    }
}

#[test]
fn a_pipeline_makes_a_thousand_calls_in_all() {
    let client = caller(leaf());
    assert_eq!(block_on(client.run(2000)).unwrap(), 999);
    // The next pipeline has its own thousand.
    assert_eq!(block_on(client.run(999)).unwrap(), 999);
}

#[test]
fn calls_of_all_workers_of_a_pipeline_count_together() {
    let client = caller(caller(leaf()).with(CallOptions::new()));
    let inner = caller(leaf());
    let both = step(move |_| {
        let inner = inner.clone();
        async move { Ok(inner.run(600).await? * 1000 + inner.run(600).await?) }
    });
    // 1 + (1 + 600) + (1 + 397)
    assert_eq!(block_on(both.run(0)).unwrap(), 600_397);
    assert_eq!(block_on(client.run(0)).unwrap(), 0);
}

#[test]
fn calls_beside_each_other_count_together() {
    let inner = step(|_| async {
        pause().await;
        Ok(0)
    });
    let client = step(move |calls| {
        let inner = inner.clone();
        async move {
            let mut running: Vec<_> = (0..calls).map(|at| Box::pin(inner.run(at))).collect();
            let mut refused = 0;
            for call in &mut running {
                if let std::task::Poll::Ready(answer) = poll_now(call.as_mut()).await {
                    assert!(answer.unwrap_err().is_limit());
                    refused += 1;
                }
            }
            pause().await;
            Ok(refused)
        }
    });
    assert_eq!(block_on(client.run(999)).unwrap(), 0);
    assert_eq!(block_on(client.run(1010)).unwrap(), 11);
}

#[test]
fn the_error_names_the_limit_its_value_and_the_chain() {
    let refused = step(|_| async { Ok(0) }).with(CallOptions::new());
    let client = relay(relay(refused)).with(limits(Limits::new().invocations(2)));
    let error = block_on(client.run(0)).unwrap_err();
    assert!(error.is_limit());
    assert!(
        error.to_string().starts_with("the limit of 2 invocations is reached: it would be 3 (Acting<"),
        "{error}"
    );
    assert_eq!(error.hops().len(), 3);
}

#[test]
fn limits_of_the_first_call_hold_for_the_pipeline() {
    let client = caller(leaf());
    for count in [1, 2, 10, 5000] {
        let client = client.with(limits(Limits::new().invocations(count)));
        assert_eq!(block_on(client.run(6000)).unwrap(), count - 1);
    }
    assert_eq!(block_on(client.with(limits(Limits::new().invocations(0))).run(9)).unwrap(), 0);
    assert_eq!(block_on(client.with(limits(Limits::new().invocations(u32::MAX))).run(3000)).unwrap(), 3000);
}

#[test]
fn limits_inside_of_a_pipeline_are_never_higher() {
    let generous = caller(leaf().with(limits(Limits::new().invocations(1_000_000).depth(128))));
    assert_eq!(block_on(generous.with(limits(Limits::new().invocations(5))).run(100)).unwrap(), 4);
    let deep = itself();
    let client = relay(deep.with(limits(Limits::new().depth(128))));
    assert!(block_on(client.run(31)).unwrap_err().is_limit());
    assert_eq!(block_on(client.run(30)).unwrap(), 33);
}

#[test]
fn a_call_with_lower_limits_counts_with_its_pipeline_too() {
    let lower = caller(leaf()).with(limits(Limits::new().invocations(10)));
    let client = step(move |_| {
        let lower = lower.clone();
        async move {
            let mut made = Vec::new();
            for _ in 0..3 {
                made.push(lower.run(100).await?);
            }
            assert_eq!(made, [9, 9, 9]);
            Ok(Ctx::with(|ctx| ctx.remaining()).unwrap().invocations)
        }
    });
    assert_eq!(block_on(client.run(0)).unwrap(), 999 - 30);
    // What the pipeline has left is less than what the call is allowed.
    let tight = client.with(limits(Limits::new().invocations(100)));
    assert_eq!(block_on(tight.run(0)).unwrap(), 99 - 30);
    let lower = caller(leaf()).with(limits(Limits::new().invocations(10)));
    let tighter = relay(lower).with(limits(Limits::new().invocations(6)));
    assert_eq!(block_on(tighter.run(100)).unwrap(), 4 + 1);
}

#[test]
fn lower_limits_inside_of_lower_limits_all_count() {
    let innermost = caller(leaf()).with(limits(Limits::new().invocations(50)));
    let middle = relay(innermost).with(limits(Limits::new().invocations(20)));
    let client = relay(middle).with(limits(Limits::new().invocations(200)));
    // The 20 of the middle one are itself, the innermost, and eighteen calls of that.
    assert_eq!(block_on(client.run(100)).unwrap(), 18 + 2);
}

#[test]
fn a_lower_depth_stops_what_lies_below_at_once() {
    let deep = itself();
    for depth in 2..6 {
        let inner = deep.with(limits(Limits::new().depth(depth)));
        let client = relay(inner);
        assert_eq!(block_on(client.run(depth - 2)).unwrap(), depth + 1);
        let error = block_on(client.run(depth - 1)).unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("the limit of {depth} Workers deep is reached")),
            "{error}"
        );
    }
}

#[test]
fn a_call_that_is_deeper_than_its_own_limit_is_refused() {
    let client = chain(3, leaf().with(limits(Limits::new().depth(2))));
    let error = block_on(client.run(0)).unwrap_err();
    assert!(error.to_string().starts_with("the limit of 2 Workers deep is reached"), "{error}");
    assert_eq!(error.hops().len(), 4);
}

#[test]
fn what_remains_is_told() {
    assert_eq!(block_on(left().run(0)).unwrap(), 31 * 10_000 + 999);
    assert_eq!(block_on(chain(3, left()).run(0)).unwrap(), 28 * 10_000 + 996 + 3);
    let lower = left().with(limits(Limits::new().invocations(7).depth(9)));
    assert_eq!(block_on(lower.run(0)).unwrap(), 8 * 10_000 + 6);
    assert_eq!(block_on(relay(lower).run(0)).unwrap(), 7 * 10_000 + 6 + 1);
    // Of limits inside of each other the lowest remains.
    let higher = left().with(limits(Limits::new().invocations(500)));
    let outer = relay(higher).with(limits(Limits::new().invocations(5)));
    assert_eq!(block_on(outer.run(0)).unwrap(), 30 * 10_000 + 3 + 1);
}

#[test]
fn a_context_that_is_kept_leaves_the_counts_exact() {
    let inner = caller(leaf());
    let client = step(move |times| {
        let inner = inner.clone();
        async move {
            let before = inner.run(times).await?;
            let ctx = Ctx::current();
            assert_eq!(ctx.remaining(), Ctx::with(|ctx| ctx.remaining()));
            let after = inner.run(10_000).await?;
            assert_eq!(ctx.remaining().unwrap().invocations, 0);
            assert_eq!(Ctx::with(|ctx| ctx.remaining()), ctx.remaining());
            Ok(before + after)
        }
    });
    assert_eq!(block_on(client.run(100)).unwrap(), 1000 - 3);
    // Kept further below, the counters are those of the first call all the same.
    let keeping = step(|_| async {
        let kept = Ctx::current();
        pause().await;
        Ok(kept.remaining().unwrap().invocations)
    });
    let client = step(move |_| {
        let keeping = keeping.clone();
        async move {
            let first = keeping.run(0).await?;
            let second = keeping.run(0).await?;
            assert_eq!(Ctx::with(|ctx| ctx.remaining()).unwrap().invocations, second);
            Ok(first * 1000 + second)
        }
    });
    assert_eq!(block_on(client.run(0)).unwrap(), 998_997);
}

#[tokio::test]
async fn work_in_tasks_of_the_invocation_counts_with_its_pipeline() {
    let inner = caller(leaf());
    let client = step(move |_| {
        let inner = inner.clone();
        async move {
            let ctx = Ctx::current();
            let (one, two) = (inner.clone(), inner.clone());
            let child = ctx.spawn(async move { one.run(300).await })?;
            let (told, asked) = tokio::sync::oneshot::channel();
            ctx.wait_until(async move {
                told.send(two.run(300).await).unwrap();
            })?;
            let (child, waited) = (child.await??, asked.await.unwrap()?);
            assert_eq!((child, waited), (300, 300));
            // 1 for this, 1 + 300 for each.
            assert_eq!(ctx.remaining().unwrap().invocations, 1000 - 603);
            inner.run(1000).await
        }
    });
    assert_eq!(client.run(0).await.unwrap(), 1000 - 604);
}

#[tokio::test]
async fn tasks_count_with_every_limit_their_invocation_is_under() {
    let inner = caller(leaf());
    let spawning = step(move |times| {
        let inner = inner.clone();
        async move { Ctx::current().spawn(async move { inner.run(times).await })?.await? }
    });
    let lower = spawning.with(limits(Limits::new().invocations(50)));
    let client = step(move |_| {
        let lower = lower.clone();
        async move {
            // The lower one: itself, the caller, and 48 calls.
            assert_eq!(lower.run(100).await?, 48);
            assert_eq!(Ctx::with(|ctx| ctx.remaining()).unwrap().invocations, 949);
            assert_eq!(lower.run(20).await?, 20);
            Ok(Ctx::with(|ctx| ctx.remaining()).unwrap().invocations)
        }
    });
    assert_eq!(client.run(0).await.unwrap(), 949 - 22);
    // The outer one: the client, the spawning one, the caller, and 7 calls.
    let client = relay(spawning.with(limits(Limits::new().invocations(50))));
    assert_eq!(client.with(limits(Limits::new().invocations(10))).run(100).await.unwrap(), 7 + 1);
}

#[tokio::test]
async fn the_error_of_a_task_names_the_limit_of_its_pipeline() {
    let inner = leaf();
    let client = step(move |_| {
        let inner = inner.clone();
        async move {
            let work = async move {
                loop {
                    inner.run(0).await?;
                }
            };
            Ctx::current().spawn(work)?.await?
        }
    });
    let error = relay(client).with(limits(Limits::new().invocations(5))).run(0).await.unwrap_err();
    assert!(error.to_string().starts_with("the limit of 5 invocations is reached"), "{error}");
    assert_eq!(error.hops().len(), 3);
}

#[tokio::test]
async fn depth_goes_on_in_tasks() {
    let deep = itself();
    let client = step(move |input| {
        let deep = deep.clone();
        async move { Ctx::current().spawn(async move { deep.run(input).await })?.await? }
    });
    assert_eq!(client.run(30).await.unwrap(), 32);
    let error = client.run(31).await.unwrap_err();
    assert!(error.is_limit());
    assert_eq!(error.hops().len(), 33);
}

#[tokio::test]
async fn a_call_that_has_left_its_pipeline_counts_anew_and_keeps_its_depth() {
    let inner = step(|_| async {
        pause().await;
        Ok(0)
    });
    let counting = caller(leaf());
    let work = step(move |times| {
        let (inner, counting) = (inner.clone(), counting.clone());
        async move {
            inner.run(0).await?;
            assert_eq!(Ctx::with(|ctx| ctx.depth()), 2);
            counting.run(times).await
        }
    });
    let client = step(move |_| {
        let work = work.clone();
        async move {
            let mut call = Box::pin(async move { work.run(600).await });
            assert!(poll_now(call.as_mut()).await.is_pending());
            let elsewhere = tokio::spawn(call).await.unwrap()?;
            assert_eq!(elsewhere, 600);
            Ok(Ctx::with(|ctx| ctx.remaining()).unwrap().invocations)
        }
    });
    // This, the work, and what it called before it left.
    assert_eq!(client.run(0).await.unwrap(), 1000 - 3);
}

#[tokio::test]
async fn many_detached_calls_have_counters_of_their_own() {
    let inner = relay(step(|_| async {
        pause().await;
        Ok(0)
    }));
    let tasks = Arc::<Mutex<Vec<_>>>::default();
    let out = Arc::clone(&tasks);
    let client = step(move |_| {
        let (inner, out) = (inner.clone(), Arc::clone(&out));
        async move {
            for _ in 0..400 {
                let inner = inner.clone();
                let mut call = Box::pin(async move { inner.run(0).await });
                assert!(poll_now(call.as_mut()).await.is_pending());
                out.lock().unwrap().push(tokio::spawn(call));
            }
            Ok(0)
        }
    });
    for _ in 0..4 {
        client.run(0).await.unwrap();
    }
    let tasks = std::mem::take(&mut *tasks.lock().unwrap());
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), 1);
    }
}
