//! An actor: a task that owns the Worker, a bounded tokio channel to it, a oneshot for each reply.

use std::{hint::black_box, mem::take, rc::Rc};

use tokio::{
    runtime::Runtime,
    sync::{mpsc, oneshot},
};

use super::{Error, InTurn, TEXT_BYTES};
use crate::{
    calls,
    harness::{Executor, Run},
};

enum Message {
    Add { a: u64, b: u64, reply: oneshot::Sender<u64> },
    Text { text: String, reply: oneshot::Sender<u64> },
    Echo { bytes: Vec<u8>, reply: oneshot::Sender<Vec<u8>> },
}

struct Handle(mpsc::Sender<Message>);

impl Handle {
    async fn add(&self, a: u64, b: u64) -> Result<u64, Error> {
        self.ask(|reply| Message::Add { a, b, reply }).await
    }

    async fn text(&self, text: &str) -> Result<u64, Error> {
        let text = text.to_owned();
        self.ask(|reply| Message::Text { text, reply }).await
    }

    async fn echo(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        self.ask(|reply| Message::Echo { bytes, reply }).await
    }

    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.0.send(message(reply)).await.map_err(|_| Error::application("the actor is gone"))?;
        answer.await.map_err(|_| Error::application("the actor dropped the reply"))
    }
}

/// Messages that wait at most; one call is in flight at a time.
const QUEUE_MESSAGES_MAX: usize = 64;

fn spawn(runtime: &Runtime, next: Option<Handle>) -> Handle {
    let (sender, mut messages) = mpsc::channel(QUEUE_MESSAGES_MAX);
    runtime.spawn(async move {
        while let Some(message) = messages.recv().await {
            // A reply nobody waits for is not the actor's concern.
            let _ = match message {
                Message::Add { a, b, reply } => reply.send(add_or_forward(next.as_ref(), a, b).await).is_ok(),
                Message::Text { text, reply } => reply.send(text.len() as u64).is_ok(),
                Message::Echo { bytes, reply } => reply.send(bytes).is_ok(),
            };
        }
    });
    Handle(sender)
}

async fn add_or_forward(next: Option<&Handle>, a: u64, b: u64) -> u64 {
    match next {
        None => a.wrapping_add(b),
        Some(next) => next.add(a, b).await.expect("the next actor runs as long as this one"),
    }
}

fn chain(executor: &Executor, depth: usize) -> Handle {
    let leaf = spawn(&executor.runtime, None);
    (1..depth).fold(leaf, |next, _| spawn(&executor.runtime, Some(next)))
}

/// `depth` calls, each inside the one before.
pub fn add(executor: &Rc<Executor>, depth: usize) -> Run {
    let calc = chain(executor, depth);
    calls!(executor, calc.add(black_box(1), black_box(2)).await?)
}

/// Copies the text: a message owns what it carries.
pub fn text(executor: &Rc<Executor>) -> Run {
    let (calc, text) = (chain(executor, 1), "x".repeat(TEXT_BYTES));
    calls!(executor, calc.text(black_box(&text)).await?)
}

/// Moves the vector there and back.
pub fn echo(executor: &Rc<Executor>) -> Run {
    let (calc, mut values) = (chain(executor, 1), InTurn::new());
    calls!(executor, {
        let bytes = values.other();
        *bytes = calc.echo(black_box(take(bytes))).await?;
    })
}
