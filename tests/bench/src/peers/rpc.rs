//! Our own calls, with the whole policy on, in each situation that has a figure.

use std::{
    hint::black_box,
    mem::take,
    pin::Pin,
    rc::Rc,
    task::{Context, Waker},
    thread,
    time::Duration,
};

use rpc_runtime::{
    CallOptions, Client, Entrypoint, Fetch, Interceptor, Limits, Next, Outcome, Outgoing, Request, Response,
    Result, Worker, service,
};

use super::{
    InTurn, LARGE_BYTES, TEXT_BYTES,
    http::{handle, number, request},
    pending_once,
};
use crate::{
    calls,
    count::Allocations,
    harness::{Executor, Run},
};

#[service]
trait Calc {
    async fn add(&self, a: u64, b: u64) -> Result<u64>;
    async fn text(&self, text: &str) -> Result<u64>;
    async fn echo(&self, bytes: Vec<u8>) -> Result<Vec<u8>>;
    async fn suspend(&self, a: u64, b: u64) -> Result<u64>;
    async fn large(&self, a: u64, b: u64) -> Result<u64>;
}

struct Leaf;

impl Calc for Leaf {
    async fn add(&self, a: u64, b: u64) -> Result<u64> {
        Ok(a.wrapping_add(b))
    }

    async fn text(&self, text: &str) -> Result<u64> {
        Ok(text.len() as u64)
    }

    async fn echo(&self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        Ok(bytes)
    }

    async fn suspend(&self, a: u64, b: u64) -> Result<u64> {
        pending_once().await;
        Ok(a.wrapping_add(b))
    }

    async fn large(&self, a: u64, b: u64) -> Result<u64> {
        let mut kept = [0_u8; LARGE_BYTES];
        black_box(&mut kept);
        pending_once().await;
        Ok(a.wrapping_add(b).wrapping_add(u64::from(black_box(&kept)[0])))
    }
}

struct Link(CalcClient);

impl Calc for Link {
    async fn add(&self, a: u64, b: u64) -> Result<u64> {
        self.0.add(a, b).await
    }

    async fn text(&self, text: &str) -> Result<u64> {
        self.0.text(text).await
    }

    async fn echo(&self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        self.0.echo(bytes).await
    }

    async fn suspend(&self, a: u64, b: u64) -> Result<u64> {
        self.0.suspend(a, b).await
    }

    async fn large(&self, a: u64, b: u64) -> Result<u64> {
        self.0.large(a, b).await
    }
}

/// A Worker that makes many calls in one invocation: what a call costs inside a pipeline.
#[service]
trait Caller {
    async fn adds(&self, n: u64) -> Result<()>;
}

impl Caller for Link {
    async fn adds(&self, n: u64) -> Result<()> {
        for _ in 0..n {
            black_box(self.0.add(black_box(1), black_box(2)).await?);
        }
        Ok(())
    }
}

/// A chain of Workers, hidden from the optimizer so that the calls stay dynamic.
fn chain(depth: usize) -> CalcClient {
    black_box((1..depth).fold(CalcClient::new(Leaf), |next, _| CalcClient::new(Link(next))))
}

/// `depth` calls, each inside the one before; the first starts a pipeline.
pub fn add(executor: &Rc<Executor>, depth: usize) -> Run {
    let calc = chain(depth);
    calls!(executor, calc.add(black_box(1), black_box(2)).await?)
}

/// The same, called by a Worker: all calls of a run belong to one pipeline.
pub fn add_inside(executor: &Rc<Executor>, depth: usize) -> Run {
    from_worker(executor, depth, CallOptions::new())
}

/// Calls that inherit the deadline of the pipeline they are in.
pub fn add_inherited(executor: &Rc<Executor>) -> Run {
    from_worker(executor, 1, CallOptions::new().deadline(Duration::from_secs(3600)))
}

fn from_worker(executor: &Rc<Executor>, depth: usize, options: CallOptions) -> Run {
    // A run makes more calls than a pipeline may by default.
    let options = options.limits(Limits::new().invocations(1 << 30));
    let caller = CallerClient::new(Link(chain(depth))).with(options);
    let executor = Rc::clone(executor);
    Run::new(move |n| executor.block_on(async { Ok(caller.adds(n).await?) }))
}

/// One call with one pair of metadata.
pub fn add_metadata(executor: &Rc<Executor>) -> Run {
    add_with(executor, CallOptions::new().metadata("tenant", "a1"))
}

/// One call with a deadline of its own, which reads the clock; its callee is ready at once and needs no timer.
pub fn add_deadline(executor: &Rc<Executor>) -> Run {
    add_with(executor, CallOptions::new().deadline(Duration::from_secs(2)))
}

/// One call with an interceptor that lets it pass.
pub fn add_intercepted(executor: &Rc<Executor>) -> Run {
    add_with(executor, CallOptions::new().interceptor(Pass))
}

fn add_with(executor: &Rc<Executor>, options: CallOptions) -> Run {
    let calc = chain(1).with(options);
    calls!(executor, calc.add(black_box(1), black_box(2)).await?)
}

struct Pass;

impl Interceptor for Pass {
    async fn around(&self, _: &Outgoing, next: Next) -> Outcome {
        next.run().await
    }
}

/// Lends the text.
pub fn text(executor: &Rc<Executor>) -> Run {
    let (calc, text) = (chain(1), "x".repeat(TEXT_BYTES));
    calls!(executor, calc.text(black_box(&text)).await?)
}

/// Moves the vector there and back.
pub fn echo(executor: &Rc<Executor>) -> Run {
    let (calc, mut values) = (chain(1), InTurn::new());
    calls!(executor, {
        let bytes = values.other();
        *bytes = calc.echo(black_box(take(bytes))).await?;
    })
}

/// Is pending once.
pub fn suspend(executor: &Rc<Executor>) -> Run {
    let calc = chain(1);
    calls!(executor, spin, calc.suspend(black_box(1), black_box(2)).await?)
}

/// Is pending once, under a deadline of its own: a timer is armed and disarmed.
pub fn suspend_deadline(executor: &Rc<Executor>) -> Run {
    let calc = chain(1).with(CallOptions::new().deadline(Duration::from_secs(2)));
    calls!(executor, spin, calc.suspend(black_box(1), black_box(2)).await?)
}

/// Keeps 2 KiB while it is pending once.
pub fn large(executor: &Rc<Executor>) -> Run {
    let calc = chain(1);
    calls!(executor, spin, calc.large(black_box(1), black_box(2)).await?)
}

/// Bytes a suspended call holds beside the handler's own future: the call future and its pooled block.
///
/// # Panics
///
/// If the handler does not suspend, or its thread cannot be made.
pub fn held_beyond_handler() -> f64 {
    const CALLS: usize = 1_000;
    // On a thread of its own, whose pool is empty: each call takes a fresh block.
    let held = thread::spawn(|| {
        let calc = chain(1);
        let mut context = Context::from_waker(Waker::noop());
        let before = Allocations::so_far();
        let mut calls = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            calls.push(calc.suspend(1, 2));
        }
        for call in &mut calls {
            assert!(Pin::new(call).poll(&mut context).is_pending(), "the handler is pending once");
        }
        Allocations::so_far().since(before).bytes as f64 / CALLS as f64
    });
    held.join().expect("measuring does not panic") - size_of_val(&Leaf.suspend(1, 2)) as f64
}

impl Fetch for Leaf {
    async fn fetch(&self, request: Request) -> Result<Response> {
        handle(request).await
    }
}

impl Worker for Leaf {
    type Env = ();

    async fn new((): ()) -> Result<Self> {
        Ok(Self)
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch().service::<CalcClient>()
    }
}

/// One request through the client.
pub fn fetch(executor: &Rc<Executor>) -> Run {
    let calc = black_box(CalcClient::from_worker(Leaf));
    calls!(executor, {
        let response = calc.fetch(request(black_box(1))?).await?;
        number(response.into_body()).await?
    })
}

/// The same handler, called directly with the same request.
pub fn fetch_handler(executor: &Rc<Executor>) -> Run {
    calls!(executor, {
        let response = Leaf.fetch(request(black_box(1))?).await?;
        number(response.into_body()).await?
    })
}
