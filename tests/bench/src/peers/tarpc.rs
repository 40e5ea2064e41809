//! tarpc without a network: over its in-process channel, with a task per request as its examples have
//! it, and through its direct stub, which skips deadline and limits.

use std::{hint::black_box, mem::take, rc::Rc};

use futures_util::{Stream, StreamExt};
use tarpc::{
    client,
    context::{self, Context},
    server::{BaseChannel, Channel},
    transport::channel::{self, UnboundedChannel},
};

use super::{InTurn, TEXT_BYTES};
use crate::{
    calls,
    harness::{Executor, Run},
};

#[tarpc::service]
trait Calc {
    async fn add(a: u64, b: u64) -> u64;
    async fn text(text: String) -> u64;
    async fn echo(bytes: Vec<u8>) -> Vec<u8>;
}

#[derive(Clone)]
struct Leaf;

impl Calc for Leaf {
    async fn add(self, _: Context, a: u64, b: u64) -> u64 {
        a.wrapping_add(b)
    }

    async fn text(self, _: Context, text: String) -> u64 {
        text.len() as u64
    }

    async fn echo(self, _: Context, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
}

#[derive(Clone)]
struct Link(CalcClient);

impl Calc for Link {
    async fn add(self, context: Context, a: u64, b: u64) -> u64 {
        self.0.add(context, a, b).await.expect(NEXT_RUNS)
    }

    async fn text(self, context: Context, text: String) -> u64 {
        self.0.text(context, text).await.expect(NEXT_RUNS)
    }

    async fn echo(self, context: Context, bytes: Vec<u8>) -> Vec<u8> {
        self.0.echo(context, bytes).await.expect(NEXT_RUNS)
    }
}

const NEXT_RUNS: &str = "the next Worker runs as long as this one";

fn leaf(executor: &Executor) -> CalcClient {
    let (near, far) = channel::unbounded();
    connect(executor, near, BaseChannel::with_defaults(far).execute(Leaf.serve()))
}

fn link(executor: &Executor, next: CalcClient) -> CalcClient {
    let (near, far) = channel::unbounded();
    connect(executor, near, BaseChannel::with_defaults(far).execute(Link(next).serve()))
}

fn connect<R>(
    executor: &Executor,
    near: Near,
    responses: impl Stream<Item = R> + Send + 'static,
) -> CalcClient
where
    R: Future<Output = ()> + Send + 'static,
{
    let _spawns = executor.runtime.enter();
    tokio::spawn(responses.for_each(|response| async {
        tokio::spawn(response);
    }));
    CalcClient::new(client::Config::default(), near).spawn()
}

type Near = UnboundedChannel<tarpc::Response<CalcResponse>, tarpc::ClientMessage<CalcRequest>>;

fn chain(executor: &Executor, depth: usize) -> CalcClient {
    (1..depth).fold(leaf(executor), |next, _| link(executor, next))
}

/// `depth` calls, each inside the one before; the context is made once per chain and handed on.
pub fn add(executor: &Rc<Executor>, depth: usize) -> Run {
    let calc = chain(executor, depth);
    calls!(executor, calc.add(context::current(), black_box(1), black_box(2)).await?)
}

/// Copies the text: a request owns what it carries.
pub fn text(executor: &Rc<Executor>) -> Run {
    let (calc, text) = (chain(executor, 1), "x".repeat(TEXT_BYTES));
    calls!(executor, calc.text(context::current(), black_box(&text).clone()).await?)
}

/// Moves the vector there and back.
pub fn echo(executor: &Rc<Executor>) -> Run {
    let (calc, mut values) = (chain(executor, 1), InTurn::new());
    calls!(executor, {
        let bytes = values.other();
        *bytes = calc.echo(context::current(), black_box(take(bytes))).await?;
    })
}

/// Calls without the channel. The context is made once, outside the clock: nothing on this path looks
/// at its deadline, and making one reads the clock and draws a random number.
pub mod direct {
    use super::*;

    /// One call.
    pub fn add(executor: &Rc<Executor>) -> Run {
        let (calc, context) = (CalcClient::from(Leaf.serve()), context::current());
        calls!(executor, calc.add(context, black_box(1), black_box(2)).await?)
    }

    /// Copies the text: a request owns what it carries.
    pub fn text(executor: &Rc<Executor>) -> Run {
        let (calc, context) = (CalcClient::from(Leaf.serve()), context::current());
        let text = "x".repeat(TEXT_BYTES);
        calls!(executor, calc.text(context, black_box(&text).clone()).await?)
    }

    /// Moves the vector there and back.
    pub fn echo(executor: &Rc<Executor>) -> Run {
        let (calc, context) = (CalcClient::from(Leaf.serve()), context::current());
        let mut values = InTurn::new();
        calls!(executor, {
            let bytes = values.other();
            *bytes = calc.echo(context, black_box(take(bytes))).await?;
        })
    }
}
