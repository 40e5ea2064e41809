//! What a call asks of the allocator in the steady state: nothing.
//!
//! Counted per thread, so that tests beside each other do not disturb.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

#[allow(dead_code, reason = "each binary uses a part")]
#[path = "it/drive.rs"]
mod drive;
#[path = "it/step.rs"]
mod step;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rpc_runtime::{
    Body, CallOptions, Client, Ctx, Error, Fetch, Fetcher, Interceptor, Limits, Next, Outcome, Outgoing,
    Request, Response, Result,
};

use self::drive::{block_on, pause, poll_once};
use self::step::{Step, StepClient, chain, relay, step};

/// The system's allocator, and what this thread has asked of it.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // Threads allocate while they end, too.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + u64::from(bytes > 0)));
    let _ = BYTES.try_with(|held| held.set(held.get() + bytes));
}

#[expect(unsafe_code, reason = "an allocator is unsafe to be one; this one passes everything on")]
// SAFETY: every request goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

/// How often something is done while it is counted.
const TIMES: u64 = 100;

/// How many allocations one more `act` makes, when it has been done often before.
fn allocations<R>(mut act: impl FnMut() -> R) -> f64 {
    let mut count_all = || {
        let before = ALLOCATIONS.get();
        for _ in 0..TIMES {
            act();
        }
        ALLOCATIONS.get() - before
    };
    count_all();
    count_all() as f64 / TIMES as f64
}

/// The same for what needs an executor.
async fn allocations_within<R>(mut act: impl AsyncFnMut() -> R) -> f64 {
    let mut counted = 0;
    for _ in 0..2 {
        let before = ALLOCATIONS.get();
        for _ in 0..TIMES {
            act().await;
        }
        counted = ALLOCATIONS.get() - before;
    }
    counted as f64 / TIMES as f64
}

/// Runs on a thread of its own, whose pool nobody has filled.
fn on_fresh_thread<R: Send + 'static>(act: impl FnOnce() -> R + Send + 'static) -> R {
    std::thread::spawn(act).join().unwrap()
}

fn ready() -> StepClient {
    step(|input| async move { Ok(input + 1) })
}

fn pausing() -> StepClient {
    step(|input| async move {
        pause().await;
        Ok(input + 1)
    })
}

/// A handler whose future is so large.
fn large<const BYTES: usize>(pauses: u32) -> StepClient {
    step(move |input| async move {
        let mut kept = [1_u8; BYTES];
        for byte in kept.iter_mut().take(pauses as usize) {
            pause().await;
            *byte += 1;
        }
        std::hint::black_box(&mut kept);
        Ok(kept.iter().map(|byte| u32::from(*byte)).sum::<u32>() + input)
    })
}

#[test]
fn a_call_outside_of_any_pipeline_allocates_nothing() {
    let client = ready();
    assert_eq!(allocations(|| block_on(client.run(1)).unwrap()), 0.0);
}

#[test]
fn a_call_inside_of_a_pipeline_allocates_nothing() {
    let (inner, limits) = (ready(), Limits::new().invocations(1_000_000));
    let client = step(move |_| {
        let inner = inner.clone();
        async move {
            let mut before = 0;
            for at in 0..2 * TIMES {
                if at == TIMES {
                    before = ALLOCATIONS.get();
                }
                inner.run(1).await?;
            }
            assert_eq!(ALLOCATIONS.get() - before, 0);
            Ok(0)
        }
    });
    block_on(client.with(CallOptions::new().limits(limits)).run(0)).unwrap();
}

#[test]
fn a_handler_with_a_future_of_2_kib_allocates_nothing() {
    for pauses in 0..3 {
        let client = large::<2048>(pauses);
        assert_eq!(allocations(|| block_on(client.run(1)).unwrap()), 0.0, "{pauses} pauses");
    }
}

#[test]
fn a_chain_of_eight_workers_allocates_nothing() {
    for last in [ready(), pausing(), large::<500>(2)] {
        let client = chain(7, last);
        assert_eq!(allocations(|| block_on(client.run(1)).unwrap()), 0.0);
    }
}

#[test]
fn a_handler_that_suspends_first_allocates_nothing() {
    let client = pausing();
    assert_eq!(allocations(|| block_on(client.run(1)).unwrap()), 0.0);
    let yielding = step(|input| async move {
        tokio::task::yield_now().await;
        Ok(input)
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let counted = runtime.block_on(allocations_within(async || yielding.run(1).await.unwrap()));
    assert_eq!(counted, 0.0);
}

#[test]
fn calls_beside_each_other_allocate_nothing() {
    let client = large::<300>(2);
    // More of a size than there are slots for it.
    let mut calls: Vec<_> = (0..20).map(|_| Box::pin(None)).collect();
    let counted = allocations(|| {
        for call in &mut calls {
            call.set(Some(client.run(1)));
        }
        for _ in 0..2 {
            for call in &mut calls {
                assert!(poll_once(call.as_mut().as_pin_mut().unwrap()).is_pending());
            }
        }
        for call in &mut calls {
            assert!(poll_once(call.as_mut().as_pin_mut().unwrap()).is_ready());
        }
    });
    assert_eq!(counted, 0.0);
}

#[test]
fn a_call_that_is_dropped_while_it_is_suspended_allocates_nothing() {
    let client = chain(3, large::<300>(9));
    let counted = allocations(|| {
        let mut call = std::pin::pin!(client.run(1));
        for _ in 0..3 {
            assert!(poll_once(call.as_mut()).is_pending());
        }
    });
    assert_eq!(counted, 0.0);
}

/// Asks for the metadata, and answers with its length.
fn reading(pauses: u32) -> StepClient {
    step(move |_| async move {
        for _ in 0..pauses {
            pause().await;
        }
        Ok(Ctx::with(|ctx| ctx.metadata("tenant").unwrap().len() as u32))
    })
}

#[test]
fn a_call_with_metadata_allocates_nothing() {
    for pauses in 0..2 {
        let client = reading(pauses).with(CallOptions::new().metadata("tenant", "a1"));
        assert_eq!(allocations(|| block_on(client.run(1)).unwrap()), 0.0);
    }
}

#[test]
fn metadata_that_goes_further_allocates_nothing() {
    for pauses in 0..2 {
        let client = chain(3, reading(pauses)).with(CallOptions::new().propagate("tenant", "a1"));
        assert_eq!(allocations(|| block_on(client.run(1)).unwrap()), 0.0);
    }
}

#[test]
fn metadata_that_every_worker_adds_to_allocates_nothing() {
    let adding =
        |next: StepClient, key: &'static str| relay(next).with(CallOptions::new().propagate(key, "value"));
    let client = adding(adding(adding(reading(1), "third"), "second"), "first");
    let client = client.with(CallOptions::new().propagate("tenant", "a1"));
    assert_eq!(allocations(|| block_on(client.run(1)).unwrap()), 0.0);
}

#[test]
fn a_call_with_limits_allocates_nothing() {
    let inner = chain(2, pausing()).with(CallOptions::new().limits(Limits::new().invocations(9)));
    let client = relay(inner).with(CallOptions::new().limits(Limits::new().depth(9)));
    assert_eq!(allocations(|| block_on(client.run(1)).unwrap()), 0.0);
}

#[test]
fn a_call_with_a_deadline_allocates_nothing() {
    let hasty = CallOptions::new().deadline(Duration::from_secs(60));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for last in [ready(), pausing()] {
        let (client, far) = (last.with(hasty.clone()), chain(3, last).with(hasty.clone()));
        let counted = runtime.block_on(allocations_within(async || client.run(1).await.unwrap()));
        assert_eq!(counted, 0.0);
        // The three below it inherit the deadline.
        let counted = runtime.block_on(allocations_within(async || far.run(1).await.unwrap()));
        assert_eq!(counted, 0.0);
    }
}

#[test]
fn a_deadline_that_gets_shorter_at_every_worker_allocates_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let client = (1..5).fold(pausing(), |next, seconds| {
        relay(next).with(CallOptions::new().deadline(Duration::from_secs(60 * seconds)))
    });
    let counted = runtime.block_on(allocations_within(async || client.run(1).await.unwrap()));
    assert_eq!(counted, 0.0);
}

#[test]
fn a_call_that_is_cancelled_under_a_deadline_allocates_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let client = large::<100>(9).with(CallOptions::new().deadline(Duration::from_secs(60)));
    let counted = runtime.block_on(allocations_within(async || {
        tokio::select! {
            biased;
            _ = client.run(1) => unreachable!("it suspends"),
            () = std::future::ready(()) => {}
        }
    }));
    assert_eq!(counted, 0.0);
}

#[test]
fn looking_at_the_invocation_allocates_nothing() {
    let client = step(|_| async {
        Ok(Ctx::with(|ctx| {
            assert!(ctx.worker().is_some() && ctx.caller().is_none() && ctx.deadline().is_none());
            ctx.depth() + ctx.remaining().unwrap().depth
        }))
    });
    assert_eq!(allocations(|| block_on(client.run(1)).unwrap()), 0.0);
}

struct Through;

impl Interceptor for Through {
    async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
        next.run().await
    }
}

struct Adds;

impl Interceptor for Adds {
    async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
        next.metadata("tenant", "a1").run().await
    }
}

#[test]
fn an_interceptor_costs_one_allocation_a_call() {
    for client in [ready(), pausing(), chain(3, pausing())] {
        let one = client.with(CallOptions::new().interceptor(Through));
        assert_eq!(allocations(|| block_on(one.run(1)).unwrap()), 1.0);
        let three = one.with(CallOptions::new().interceptor(Through).interceptor(Through));
        assert_eq!(allocations(|| block_on(three.run(1)).unwrap()), 3.0);
    }
}

#[test]
fn metadata_of_an_interceptor_costs_one_more() {
    let client = reading(1).with(CallOptions::new().interceptor(Adds));
    assert_eq!(allocations(|| block_on(client.run(1)).unwrap()), 2.0);
}

struct Echo;

impl Fetch for Echo {
    async fn fetch(&self, request: Request) -> Result<Response> {
        pause().await;
        Ok(Response::new(request.into_body()))
    }
}

#[test]
fn a_fetch_allocates_what_its_request_does() {
    let request = || http::Request::new(Body::from("content"));
    let fetcher = Fetcher::new(Echo);
    let alone = allocations(request);
    assert_eq!(allocations(|| block_on(fetcher.fetch(request())).unwrap()), alone);
}

/// A handler whose future is known to the byte.
struct Waiting([u8; 1000]);

impl Future for Waiting {
    type Output = Result<u32>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<u32>> {
        std::hint::black_box(&self.0);
        Poll::Pending
    }
}

struct Waits;

impl Step for Waits {
    fn run(&self, _: u32) -> impl Future<Output = Result<u32>> + Send {
        Waiting([0; 1000])
    }
}

/// How many bytes a suspended call of `client` holds beside its handler's future, itself included.
fn bytes_held(client: &StepClient) -> isize {
    const CALLS: usize = 500;
    let mut calls = Vec::with_capacity(CALLS);
    let before = BYTES.get();
    for _ in 0..CALLS {
        let mut call = Box::pin(client.run(0));
        assert!(poll_once(call.as_mut()).is_pending());
        calls.push(call);
    }
    let held = (BYTES.get() - before).cast_unsigned() / CALLS;
    held.cast_signed() - size_of::<Waiting>().cast_signed()
}

#[test]
fn a_suspended_call_holds_few_bytes_beside_its_handlers_future() {
    let held = on_fresh_thread(|| bytes_held(&StepClient::new(Waits)));
    println!("plain: {held} bytes");
    assert!(held <= 256, "{held} bytes");
    let held = on_fresh_thread(|| {
        bytes_held(&StepClient::new(Waits).with(CallOptions::new().propagate("tenant", "a1")))
    });
    println!("with metadata: {held} bytes");
    assert!(held <= 512, "{held} bytes");
    let held = on_fresh_thread(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        bytes_held(&StepClient::new(Waits).with(CallOptions::new().deadline(Duration::from_secs(60))))
    });
    println!("with a deadline: {held} bytes");
    assert!(held <= 640, "{held} bytes");
}

#[test]
fn a_call_is_five_words_and_an_error_is_one() {
    let client = ready();
    // A debug build finds the method by three pointers beside them, so that fewer functions are compiled.
    let words = if cfg!(debug_assertions) { 8 } else { 5 };
    assert!(size_of_val(&client.run(1)) <= words * size_of::<usize>());
    assert_eq!(size_of::<Error>(), 8);
    assert_eq!(size_of::<Option<Error>>(), 8);
    assert_eq!(size_of::<Result<(), Error>>(), 8);
}
