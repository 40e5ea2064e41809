//! A boxed async trait through `Arc<dyn ..>`: the bar for a dynamic call, with our error type.

use std::{hint::black_box, mem::take, rc::Rc, sync::Arc};

use async_trait::async_trait;

use super::{Error, InTurn, LARGE_BYTES, TEXT_BYTES, pending_once};
use crate::{
    calls,
    harness::{Executor, Run},
};

#[async_trait]
trait Calc: Send + Sync {
    async fn add(&self, a: u64, b: u64) -> Result<u64, Error>;
    async fn text(&self, text: &str) -> Result<u64, Error>;
    async fn echo(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Error>;
    async fn suspend(&self, a: u64, b: u64) -> Result<u64, Error>;
    async fn large(&self, a: u64, b: u64) -> Result<u64, Error>;
}

struct Leaf;

#[async_trait]
impl Calc for Leaf {
    async fn add(&self, a: u64, b: u64) -> Result<u64, Error> {
        Ok(a.wrapping_add(b))
    }

    async fn text(&self, text: &str) -> Result<u64, Error> {
        Ok(text.len() as u64)
    }

    async fn echo(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        Ok(bytes)
    }

    async fn suspend(&self, a: u64, b: u64) -> Result<u64, Error> {
        pending_once().await;
        Ok(a.wrapping_add(b))
    }

    async fn large(&self, a: u64, b: u64) -> Result<u64, Error> {
        let mut kept = [0_u8; LARGE_BYTES];
        black_box(&mut kept);
        pending_once().await;
        Ok(a.wrapping_add(b).wrapping_add(u64::from(black_box(&kept)[0])))
    }
}

struct Link(Arc<dyn Calc>);

#[async_trait]
impl Calc for Link {
    async fn add(&self, a: u64, b: u64) -> Result<u64, Error> {
        self.0.add(a, b).await
    }

    async fn text(&self, text: &str) -> Result<u64, Error> {
        self.0.text(text).await
    }

    async fn echo(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        self.0.echo(bytes).await
    }

    async fn suspend(&self, a: u64, b: u64) -> Result<u64, Error> {
        self.0.suspend(a, b).await
    }

    async fn large(&self, a: u64, b: u64) -> Result<u64, Error> {
        self.0.large(a, b).await
    }
}

/// A chain of Workers, hidden from the optimizer so that the calls stay dynamic.
fn chain(depth: usize) -> Arc<dyn Calc> {
    black_box((1..depth).fold(Arc::new(Leaf), |next: Arc<dyn Calc>, _| Arc::new(Link(next))))
}

/// `depth` calls, each inside the one before.
pub fn add(executor: &Rc<Executor>, depth: usize) -> Run {
    let calc = chain(depth);
    calls!(executor, calc.add(black_box(1), black_box(2)).await?)
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

/// Keeps 2 KiB while it is pending once.
pub fn large(executor: &Rc<Executor>) -> Run {
    let calc = chain(1);
    calls!(executor, spin, calc.large(black_box(1), black_box(2)).await?)
}
