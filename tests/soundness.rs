//! What only an interpreter can see: the storage of suspended handlers and the stack of invocations, used from
//! safe code in every way that could leave a dangling pointer, a second drop or a leak.
//!
//! ```text
//! MIRIFLAGS="-Zmiri-strict-provenance" cargo +nightly miri test -p rpc-tests --test soundness
//! MIRIFLAGS="-Zmiri-strict-provenance -Zmiri-tree-borrows" cargo +nightly miri test -p rpc-tests --test soundness
//! MIRIFLAGS="-Zmiri-ignore-leaks" cargo +nightly miri test -p rpc-tests --test soundness -- --ignored
//! ```

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

#[allow(dead_code, reason = "each binary uses a part")]
#[path = "it/drive.rs"]
mod drive;
#[path = "it/step.rs"]
mod step;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;

use rpc_runtime::{
    CallOptions, Client, Ctx, Error, Interceptor, Next, Outcome, Outgoing, Result, SessionOptions, service,
};

use self::drive::{block_on, pause, poll_now, poll_once};
use self::step::{Step, StepClient, chain, relay, step};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How many, where more only takes Miri longer.
const MANY: usize = if cfg!(miri) { 200 } else { 2000 };

/// A Worker whose future borrows from itself across two suspensions, and from what it was lent.
struct Borrowing;

#[service]
trait Borrow {
    async fn join(&self, left: &str, right: &[String]) -> Result<String>;
}

impl Borrow for Borrowing {
    async fn join(&self, left: &str, right: &[String]) -> Result<String> {
        let own = [left.to_owned(), left.to_uppercase()];
        let (first, last) = (&own[0], &own[1]);
        pause().await;
        let all: Vec<&str> = right.iter().map(String::as_str).chain([first.as_str(), last]).collect();
        pause().await;
        Ok(all.join(" "))
    }
}

/// Ready with what a call returns, its client kept with it.
fn owned(client: &StepClient, input: u32) -> Boxed<Result<u32>> {
    let client = client.clone();
    Box::pin(async move { client.run(input).await })
}

/// Waits twice, and answers with its input and its depth.
fn slow() -> StepClient {
    step(|input| async move {
        let kept = vec![input; 3];
        let borrowed = &kept;
        pause().await;
        pause().await;
        Ok(borrowed[2] * 100 + Ctx::with(|ctx| ctx.depth()))
    })
}

/// Counts how often it was dropped.
#[derive(Clone, Default)]
struct Drops(Arc<AtomicUsize>);

impl Drops {
    fn guard(&self) -> Guard {
        Guard(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

struct Guard(Drops);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

/// Keeps the messages of the panics that a test makes out of its output.
fn quietly<R>(act: impl FnOnce() -> R) -> R {
    thread_local! {
        static QUIET: Cell<bool> = const { Cell::new(false) };
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    QUIET.set(true);
    let result = act();
    QUIET.set(false);
    result
}

#[test]
fn a_future_that_borrows_from_itself_is_polled_to_its_end() {
    let right = ["a".to_owned(), "b".to_owned()];
    let client = BorrowClient::new(Borrowing);
    assert_eq!(block_on(client.join("c", &right)).unwrap(), "a b c C");
}

#[test]
fn a_future_that_borrows_from_itself_is_dropped_after_any_number_of_polls() {
    let right = ["a".to_owned(), "b".to_owned()];
    let client = BorrowClient::new(Borrowing);
    for polls in 0..3 {
        let mut call = Box::pin(client.join("c", &right));
        for _ in 0..polls {
            assert!(poll_once(call.as_mut()).is_pending());
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "leaks on purpose: run it with -Zmiri-ignore-leaks")]
fn a_call_may_be_forgotten() {
    let drops = Drops::default();
    let kept = drops.clone();
    let client = step(move |input| {
        let guard = kept.guard();
        async move {
            let _guard = guard;
            pause().await;
            Ok(input)
        }
    });
    let mut call = Box::pin(client.run(7));
    assert!(poll_once(call.as_mut()).is_pending());
    mem::forget(call);
    assert_eq!(drops.count(), 0);
    assert_eq!(block_on(client.run(8)).unwrap(), 8);
    drop(client);
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_call_may_end_on_another_thread_after_its_caller() {
    let escaped: Arc<Mutex<Option<Boxed<Result<u32>>>>> = Arc::default();
    let callee = relay(slow());
    let out = Arc::clone(&escaped);
    let caller = step(move |input| {
        let (callee, out) = (callee.clone(), Arc::clone(&out));
        async move {
            let mut call = owned(&callee, input);
            assert!(poll_now(call.as_mut()).await.is_pending());
            *out.lock().unwrap() = Some(call);
            Ok(0)
        }
    });
    assert_eq!(block_on(relay(caller).run(5)).unwrap(), 1);
    let call = escaped.lock().unwrap().take().unwrap();
    // Two Workers above it, one between: it keeps its depth.
    let answer = thread::spawn(move || block_on(call)).join().unwrap();
    assert_eq!(answer.unwrap(), 504 + 1);
}

#[test]
fn a_call_may_be_dropped_on_another_thread_after_its_caller() {
    let drops = Drops::default();
    let escaped: Arc<Mutex<Option<Boxed<Result<u32>>>>> = Arc::default();
    let (kept, out) = (drops.clone(), Arc::clone(&escaped));
    let callee = relay(step(move |input| {
        let guard = kept.guard();
        async move {
            let _guard = guard;
            loop {
                pause().await;
                assert!(input < 10, "never");
            }
        }
    }));
    let caller = step(move |input| {
        let (callee, out) = (callee.clone(), Arc::clone(&out));
        async move {
            let mut call = owned(&callee, input);
            assert!(poll_now(call.as_mut()).await.is_pending());
            *out.lock().unwrap() = Some(call);
            Ok(0)
        }
    });
    block_on(caller.run(5)).unwrap();
    let mut call = escaped.lock().unwrap().take().unwrap();
    thread::spawn(move || {
        assert!(poll_once(call.as_mut()).is_pending());
        drop(call);
    })
    .join()
    .unwrap();
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_call_may_go_on_elsewhere_while_its_caller_is_polled() {
    let (sender, receiver) = std::sync::mpsc::channel::<Boxed<Result<u32>>>();
    let callee = relay(slow());
    let caller = step(move |input| {
        let (callee, sender) = (callee.clone(), sender.clone());
        async move {
            let mut sum = 0;
            for _ in 0..4 {
                let mut call = owned(&callee, input);
                assert!(poll_now(call.as_mut()).await.is_pending());
                sender.send(call).unwrap();
                sum += callee.run(1).await?;
            }
            Ok(sum)
        }
    });
    let elsewhere =
        thread::spawn(move || receiver.into_iter().map(|call| block_on(call).unwrap()).sum::<u32>());
    assert_eq!(block_on(caller.run(2)).unwrap(), 4 * 104);
    drop(caller);
    assert_eq!(elsewhere.join().unwrap(), 4 * 204);
}

#[test]
fn a_call_may_go_on_inside_of_another_invocation() {
    let call = Arc::new(Mutex::new(None::<Boxed<Result<u32>>>));
    let inside = Arc::clone(&call);
    let other = relay(step(move |_| {
        let inside = Arc::clone(&inside);
        async move {
            let call = inside.lock().unwrap().take().unwrap();
            call.await
        }
    }));
    let (callee, out) = (relay(slow()), Arc::clone(&call));
    let caller = step(move |input| {
        let (callee, out) = (callee.clone(), Arc::clone(&out));
        async move {
            let mut call = owned(&callee, input);
            assert!(poll_now(call.as_mut()).await.is_pending());
            *out.lock().unwrap() = Some(call);
            Ok(0)
        }
    });
    block_on(caller.run(3)).unwrap();
    assert_eq!(block_on(other.run(0)).unwrap(), 303 + 2);
}

#[test]
fn a_panic_in_any_poll_drops_the_handler_once() {
    for polls in 0..3 {
        let drops = Drops::default();
        let kept = drops.clone();
        let client = relay(step(move |_| {
            let guard = kept.guard();
            async move {
                let _guard = guard;
                for _ in 0..polls {
                    pause().await;
                }
                panic!("at {polls}");
            }
        }));
        let error = quietly(|| block_on(client.run(0))).unwrap_err();
        assert!(error.is_panic(), "{error}");
        assert_eq!(drops.count(), 1);
    }
}

/// A future by hand: ready after so many polls, and dropped with a bang.
struct Exploding {
    polls: usize,
    panics: bool,
    _bomb: Bomb,
}

impl Future for Exploding {
    type Output = Result<u32>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<u32>> {
        if self.polls == 0 {
            assert!(!self.panics, "polled");
            return Poll::Ready(Ok(1));
        }
        self.polls -= 1;
        Poll::Pending
    }
}

/// A Worker whose methods are no `async fn`.
struct ByHand {
    polls: usize,
    panics: bool,
}

impl Step for ByHand {
    fn run(&self, _: u32) -> impl Future<Output = Result<u32>> + Send {
        Exploding { polls: self.polls, panics: self.panics, _bomb: Bomb }
    }
}

#[test]
fn a_panic_in_the_drop_of_a_finished_future_is_the_error_of_the_call() {
    for polls in 0..3 {
        for panics in [false, true] {
            let client = relay(StepClient::new(ByHand { polls, panics }));
            let error = quietly(|| block_on(client.run(0))).unwrap_err();
            assert!(error.is_panic(), "{error}");
        }
    }
}

#[test]
fn a_panic_in_the_drop_of_a_cancelled_future_goes_no_further() {
    let client = relay(StepClient::new(ByHand { polls: 9, panics: false }));
    for polls in 1..4 {
        let mut call = Box::pin(client.run(0));
        for _ in 0..polls {
            assert!(poll_once(call.as_mut()).is_pending());
        }
        quietly(|| drop(call));
    }
}

#[test]
fn a_panic_in_a_drop_while_the_caller_unwinds_goes_no_further() {
    let inner = StepClient::new(ByHand { polls: 9, panics: false });
    let client = step(move |_| {
        let inner = inner.clone();
        async move {
            let mut call = Box::pin(inner.run(0));
            assert!(poll_now(call.as_mut()).await.is_pending());
            panic!("with a suspended call in hand");
        }
    });
    let error = quietly(|| block_on(client.run(0))).unwrap_err();
    assert!(error.to_string().contains("with a suspended call in hand"), "{error}");
}

#[test]
fn a_panic_while_a_future_is_made_is_the_error_of_the_call() {
    struct Unmade;

    impl Step for Unmade {
        #[expect(unreachable_code, reason = "it panics before there is a future")]
        fn run(&self, _: u32) -> impl Future<Output = Result<u32>> + Send {
            panic!("unmade");
            async { Ok(0) }
        }
    }

    let error = quietly(|| block_on(relay(StepClient::new(Unmade)).run(0))).unwrap_err();
    assert!(error.to_string().contains("unmade"), "{error}");
}

#[test]
fn a_panic_whose_payload_panics_goes_no_further() {
    for polls in 0..2 {
        let client = step(move |_| async move {
            for _ in 0..polls {
                pause().await;
            }
            panic_any(Bomb)
        });
        let error = quietly(|| block_on(client.run(0))).unwrap_err();
        assert!(error.is_panic(), "{error}");
    }
}

#[test]
fn a_panic_in_a_drop_whose_payload_panics_goes_no_further() {
    struct Worse;

    impl Drop for Worse {
        fn drop(&mut self) {
            panic_any(Bomb);
        }
    }

    let client = step(|_| async {
        let _worse = Worse;
        loop {
            pause().await;
        }
    });
    let mut call = Box::pin(client.run(0));
    assert!(poll_once(call.as_mut()).is_pending());
    quietly(|| drop(call));
}

#[test]
fn two_suspended_calls_are_polled_in_turn() {
    let client = relay(slow());
    let both = step(move |input| {
        let client = client.clone();
        async move {
            let (mut one, mut two) = (pin!(client.run(input)), pin!(client.run(input + 1)));
            let (mut first, mut second) = (None, None);
            poll_fn(|cx| {
                if first.is_none()
                    && let Poll::Ready(ready) = one.as_mut().poll(cx)
                {
                    first = Some(ready);
                }
                if second.is_none()
                    && let Poll::Ready(ready) = two.as_mut().poll(cx)
                {
                    second = Some(ready);
                }
                if first.is_some() && second.is_some() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            Ok(first.unwrap()? + second.unwrap()?)
        }
    });
    assert_eq!(block_on(both.run(4)).unwrap(), 404 + 504);
}

#[test]
fn a_context_outlives_its_pipeline_on_another_thread() {
    let kept: Arc<Mutex<Vec<Ctx>>> = Arc::default();
    let out = Arc::clone(&kept);
    let last = step(move |input| {
        let out = Arc::clone(&out);
        async move {
            let ctx = Ctx::current();
            pause().await;
            out.lock().unwrap().push(ctx);
            out.lock().unwrap().push(Ctx::current());
            Ok(input)
        }
    });
    let client = chain(2, last).with(CallOptions::new().propagate("request-id", "7f3a"));
    assert_eq!(block_on(client.run(1)).unwrap(), 3);
    drop(client);
    let contexts = mem::take(&mut *kept.lock().unwrap());
    let reader = thread::spawn(move || {
        for ctx in &contexts {
            assert_eq!(ctx.metadata("request-id"), Some("7f3a"));
            assert_eq!(ctx.remaining().unwrap().invocations, 997);
            assert!(ctx.spawn(async {}).is_err());
        }
        contexts.len()
    });
    assert_eq!(reader.join().unwrap(), 2);
}

#[test]
fn other_threads_count_with_a_pipeline_that_goes_on() {
    let readers: Arc<Mutex<Vec<thread::JoinHandle<u32>>>> = Arc::default();
    let out = Arc::clone(&readers);
    let inner = step(|input| async move { Ok(input) });
    let client = step(move |_| {
        let (out, inner) = (Arc::clone(&out), inner.clone());
        async move {
            let ctx = Ctx::current();
            let reader =
                thread::spawn(move || (0..20).map(|_| ctx.remaining().unwrap().invocations).min().unwrap());
            for input in 0..20 {
                inner.run(input).await?;
                pause().await;
            }
            out.lock().unwrap().push(reader);
            Ok(0)
        }
    });
    block_on(client.run(0)).unwrap();
    let readers = mem::take(&mut *readers.lock().unwrap());
    assert!(readers.into_iter().all(|reader| reader.join().unwrap() >= 979));
}

/// So much of a future, so aligned, ready at once or after a pause.
#[repr(align(256))]
struct Aligned([u8; 256]);

async fn aligned(input: u32, pauses: u32) -> Result<u32> {
    let kept = Aligned([u8::try_from(input).unwrap(); 256]);
    let borrowed = &kept;
    assert_eq!(std::ptr::from_ref(borrowed).addr() % 256, 0);
    for _ in 0..pauses {
        pause().await;
    }
    Ok(borrowed.0.iter().map(|byte| u32::from(*byte)).sum())
}

#[test]
fn an_over_aligned_future_lies_where_it_must() {
    let (ready, paused) = (step(|input| aligned(input, 0)), step(|input| aligned(input, 2)));
    for _ in 0..3 {
        assert_eq!(block_on(ready.run(2)).unwrap(), 512);
        assert_eq!(block_on(relay(paused.clone()).run(3)).unwrap(), 769);
        let mut call = Box::pin(paused.run(1));
        assert!(poll_once(call.as_mut()).is_pending());
    }
}

async fn large<const BYTES: usize>(input: u32, pauses: u32) -> Result<u32> {
    let kept = [u8::try_from(input).unwrap(); BYTES];
    let borrowed = &kept;
    for _ in 0..pauses {
        pause().await;
    }
    Ok(borrowed.iter().map(|byte| u32::from(*byte)).sum())
}

#[test]
fn futures_of_any_size_come_and_go() {
    fn come_and_go<const BYTES: usize>() {
        let (ready, paused) =
            (step(|input| large::<BYTES>(input, 0)), step(|input| large::<BYTES>(input, 1)));
        let all = u32::try_from(BYTES).unwrap();
        for _ in 0..3 {
            assert_eq!(block_on(ready.run(2)).unwrap(), 2 * all);
            assert_eq!(block_on(paused.run(3)).unwrap(), 3 * all);
            let mut call = Box::pin(paused.run(1));
            assert!(poll_once(call.as_mut()).is_pending());
        }
    }
    come_and_go::<0>();
    come_and_go::<1000>();
    come_and_go::<2048>();
    come_and_go::<8000>();
    come_and_go::<8192>();
    come_and_go::<20_000>();
}

#[test]
fn blocks_taken_on_one_thread_are_given_back_on_another() {
    let client = relay(slow());
    for _ in 0..3 {
        let calls: Vec<_> = (0..10)
            .map(|input| {
                let mut call = owned(&client, input);
                assert!(poll_once(call.as_mut()).is_pending());
                call
            })
            .collect();
        // It only ever frees: its pool opens with the first block that comes back.
        thread::spawn(move || drop(calls)).join().unwrap();
    }
    thread::spawn(move || assert_eq!(block_on(client.run(1)).unwrap(), 103)).join().unwrap();
}

#[test]
fn two_thousand_suspended_calls_of_one_size_come_and_go() {
    let client = slow();
    let mut calls: Vec<_> = (0..MANY).map(|_| owned(&client, 1)).collect();
    for _ in 0..2 {
        for call in &mut calls {
            assert!(poll_once(call.as_mut()).is_pending());
        }
    }
    for (at, call) in calls.into_iter().enumerate() {
        if at % 3 == 0 {
            drop(call);
        } else {
            assert_eq!(block_on(call).unwrap(), 101);
        }
    }
    assert_eq!(block_on(client.run(2)).unwrap(), 201);
}

#[test]
fn a_call_may_be_made_and_dropped_at_the_end_of_a_thread() {
    struct AtEnd {
        suspended: Option<Boxed<Result<u32>>>,
        client: StepClient,
    }

    impl Drop for AtEnd {
        fn drop(&mut self) {
            drop(self.suspended.take());
            assert_eq!(block_on(self.client.run(1)).unwrap(), 101);
            let mut another = owned(&self.client, 2);
            assert!(poll_once(another.as_mut()).is_pending());
            self.suspended = Some(another);
            assert!(Ctx::with(|ctx| ctx.worker().is_none()));
            assert!(Ctx::current().remaining().is_none());
        }
    }

    thread_local! {
        static EARLY: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
        static LATE: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
    }

    fn at_end() -> AtEnd {
        let client = slow().with(CallOptions::new().propagate("key", "value"));
        let mut suspended = owned(&client, 1);
        assert!(poll_once(suspended.as_mut()).is_pending());
        AtEnd { suspended: Some(suspended), client }
    }

    thread::spawn(|| {
        // One is registered before the pool's own sweep, one after it; they are dropped in no promised order.
        EARLY.with(|_| ());
        LATE.set(Some(at_end()));
        EARLY.set(Some(at_end()));
    })
    .join()
    .unwrap();
}

#[test]
fn a_call_may_be_dropped_inside_of_its_callee() {
    let slot: Arc<Mutex<Option<Boxed<Result<u32>>>>> = Arc::default();
    let inside = Arc::clone(&slot);
    let drops = Drops::default();
    let (kept, other) = (drops.clone(), relay(slow()));
    let client = step(move |_| {
        let inside = Arc::clone(&inside);
        async move {
            // What is dropped here was made outside of this invocation, and is no part of it.
            drop(inside.lock().unwrap().take());
            Ok(Ctx::with(|ctx| ctx.depth()))
        }
    });
    let guarded = step(move |_| {
        let (guard, other) = (kept.guard(), other.clone());
        async move {
            let _guard = guard;
            other.run(1).await
        }
    });
    let mut call = owned(&guarded, 0);
    assert!(poll_once(call.as_mut()).is_pending());
    *slot.lock().unwrap() = Some(call);
    assert_eq!(block_on(client.run(0)).unwrap(), 1);
    assert_eq!(drops.count(), 1);
}

#[service(local)]
trait Near {
    async fn extend(&self, to: Rc<RefCell<Vec<u32>>>, each: &Cell<u32>) -> Result<Rc<str>>;
}

struct Here(Rc<str>);

impl Near for Here {
    async fn extend(&self, to: Rc<RefCell<Vec<u32>>>, each: &Cell<u32>) -> Result<Rc<str>> {
        for input in 0..3 {
            to.borrow_mut().push(input);
            each.set(each.get() + 1);
            pause().await;
        }
        Ok(Rc::clone(&self.0))
    }
}

#[test]
fn a_local_service_keeps_what_does_not_leave_its_thread() {
    let (client, list, count) = (NearClient::new(Here("here".into())), Rc::default(), Cell::new(0));
    let copy = client.clone();
    assert_eq!(&*block_on(client.extend(Rc::clone(&list), &count)).unwrap(), "here");
    let mut call = Box::pin(copy.extend(Rc::clone(&list), &count));
    assert!(poll_once(call.as_mut()).is_pending());
    assert_eq!(Rc::strong_count(&list), 2);
    drop(call);
    assert_eq!((Rc::strong_count(&list), count.get()), (1, 4));
    assert_eq!(*list.borrow(), [0, 1, 2, 0]);
}

#[test]
fn metadata_and_limits_go_with_a_call_to_another_thread() {
    let last = step(|_| async {
        pause().await;
        Ok(Ctx::with(|ctx| ctx.metadata("key").unwrap().len() as u32 + ctx.remaining().unwrap().depth))
    });
    let client = relay(last).with(
        CallOptions::new()
            .metadata("own", "value")
            .propagate("key", "12345")
            .limits(rpc_runtime::Limits::new().depth(4)),
    );
    let mut call = owned(&client, 0);
    assert!(poll_once(call.as_mut()).is_pending());
    assert_eq!(thread::spawn(move || block_on(call)).join().unwrap().unwrap(), 5 + 2 + 1);
}

/// Waits before the call and after it.
struct Waits;

impl Interceptor for Waits {
    async fn around(&self, call: &Outgoing, next: Next) -> Outcome {
        let method = call.method().to_owned();
        pause().await;
        let outcome = next.metadata("method", method).run().await;
        pause().await;
        outcome
    }
}

#[test]
fn a_call_with_interceptors_is_dropped_after_any_number_of_polls() {
    let drops = Drops::default();
    let kept = drops.clone();
    let client = step(move |input| {
        let guard = kept.guard();
        async move {
            let _guard = guard;
            pause().await;
            assert_eq!(Ctx::with(|ctx| ctx.metadata("method").map(str::to_owned)).unwrap(), "run");
            Ok(input)
        }
    });
    let client = relay(client.with(CallOptions::new().interceptor(Waits).interceptor(Waits)));
    let mut needed = 0;
    let mut call = owned(&client, 6);
    while poll_once(call.as_mut()).is_pending() {
        needed += 1;
    }
    assert_eq!(needed, 5);
    for polls in 0..needed {
        let mut call = owned(&client, 6);
        for _ in 0..polls {
            assert!(poll_once(call.as_mut()).is_pending());
        }
        if polls % 2 == 0 {
            drop(call);
        } else {
            thread::spawn(move || drop(call)).join().unwrap();
        }
    }
    // One for the whole call, and one for each that its interceptors had let pass.
    assert_eq!(drops.count(), 1 + 2);
}

/// The futures of handlers of a session lie in blocks of their own: made, polled, cancelled, panicking, and dropped
/// with the session on another thread.
#[test]
fn handlers_of_a_session_come_and_go_and_end_with_it_on_another_thread() {
    let drops = Drops::default();
    let kept = drops.clone();
    let served = step(move |input| {
        let guard = kept.guard();
        async move {
            let kept = [input; 3];
            let borrowed = &kept;
            let _guard = guard;
            match input {
                0 => std::future::pending().await,
                1 => panic!("one"),
                _ => pause().await,
            }
            Ok(borrowed[2])
        }
    });
    let (here, there) = tokio::io::duplex(4096);
    let (_, serving) = SessionOptions::new().serve(served).over(there);
    let (session, calling) = SessionOptions::new().over(here);
    let (mut serving, mut calling) = (Box::pin(serving), Box::pin(calling));
    let client: StepClient = session.client();
    let mut turn = |call: &mut Boxed<Result<u32>>| {
        let polled = poll_once(call.as_mut());
        assert!(poll_once(calling.as_mut()).is_pending() && poll_once(serving.as_mut()).is_pending());
        polled
    };
    let mut waiting: Vec<_> = (0..3).map(|_| owned(&client, 0)).collect();
    for round in 0..4 {
        let mut call = owned(&client, 2 + round);
        waiting.iter_mut().for_each(|waiting| assert!(turn(waiting).is_pending()));
        let output = std::iter::repeat_with(|| turn(&mut call)).find_map(|polled| match polled {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        });
        assert_eq!(output.unwrap().unwrap(), 2 + round);
    }
    let mut panicking = owned(&client, 1);
    let error = quietly(|| {
        loop {
            if let Poll::Ready(output) = turn(&mut panicking) {
                break output.unwrap_err();
            }
        }
    });
    assert!(error.is_panic(), "{error}");
    assert_eq!(drops.count(), 5, "those that have ended");
    drop(waiting.pop());
    let mut last = owned(&client, 2);
    while turn(&mut last).is_pending() {}
    assert_eq!(drops.count(), 7, "and the one that was cancelled");
    thread::spawn(move || drop(serving)).join().unwrap();
    assert_eq!(drops.count(), 9);
}

#[test]
fn a_deadline_without_a_timer_is_an_error_and_drops_the_callee() {
    let drops = Drops::default();
    let kept = drops.clone();
    let client = step(move |_| {
        let guard = kept.guard();
        async move {
            let _guard = guard;
            loop {
                pause().await;
            }
        }
    });
    let hasty = client.with(CallOptions::new().deadline(std::time::Duration::from_secs(60)));
    let error: Error = block_on(relay(hasty).run(0)).unwrap_err();
    assert!(error.to_string().contains("no tokio timer"), "{error}");
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_call_borrows_from_its_caller_across_threads() {
    let (client, text) = (BorrowClient::new(Borrowing), "x".to_owned());
    let more = ["y".to_owned()];
    thread::scope(|scope| {
        let mut call = Box::pin(client.join(&text, &more));
        assert!(poll_once(call.as_mut()).is_pending());
        let call = scope.spawn(move || {
            assert!(poll_once(call.as_mut()).is_pending());
            call
        });
        let call = call.join().unwrap();
        assert_eq!(block_on(call).unwrap(), "y x X");
    });
}

#[test]
fn polling_a_call_after_its_end_panics_and_touches_nothing() {
    let client = slow();
    let mut call = Box::pin(client.run(1));
    while poll_once(call.as_mut()).is_pending() {}
    let polled = quietly(|| catch_unwind(AssertUnwindSafe(|| poll_once(call.as_mut()).is_pending())));
    assert!(polled.is_err());
}
