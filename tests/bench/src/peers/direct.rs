//! A plain async call on a type known at compile time: what is left when nothing stands between.

use std::{hint::black_box, mem::take, rc::Rc};

use super::{Error, InTurn, LARGE_BYTES, TEXT_BYTES, pending_once};
use crate::{
    calls,
    harness::{Executor, Run},
};

trait Calc {
    fn add(&self, a: u64, b: u64) -> impl Future<Output = Result<u64, Error>>;
}

struct Leaf;

impl Calc for Leaf {
    async fn add(&self, a: u64, b: u64) -> Result<u64, Error> {
        Ok(a.wrapping_add(b))
    }
}

impl Leaf {
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

struct Link<T>(T);

impl<T: Calc> Calc for Link<T> {
    async fn add(&self, a: u64, b: u64) -> Result<u64, Error> {
        self.0.add(a, b).await
    }
}

fn two(next: impl Calc) -> impl Calc {
    Link(Link(next))
}

fn four(next: impl Calc) -> impl Calc {
    two(two(next))
}

fn eight(next: impl Calc) -> impl Calc {
    four(four(next))
}

/// `depth` calls, each inside the one before.
///
/// # Panics
///
/// For another depth than 1, 8 or 32: each is a type of its own.
pub fn add(executor: &Rc<Executor>, depth: usize) -> Run {
    match depth {
        1 => add_through(executor, Leaf),
        8 => add_through(executor, four(two(Link(Leaf)))),
        32 => add_through(executor, eight(eight(eight(four(two(Link(Leaf))))))),
        _ => panic!("expected a depth of 1, 8 or 32, got {depth}"),
    }
}

fn add_through(executor: &Rc<Executor>, calc: impl Calc + 'static) -> Run {
    calls!(executor, calc.add(black_box(1), black_box(2)).await?)
}

/// Lends the text.
pub fn text(executor: &Rc<Executor>) -> Run {
    let (calc, text) = (Leaf, "x".repeat(TEXT_BYTES));
    calls!(executor, calc.text(black_box(&text)).await?)
}

/// Moves the vector there and back.
pub fn echo(executor: &Rc<Executor>) -> Run {
    let (calc, mut values) = (Leaf, InTurn::new());
    calls!(executor, {
        let bytes = values.other();
        *bytes = calc.echo(black_box(take(bytes))).await?;
    })
}

/// Is pending once.
pub fn suspend(executor: &Rc<Executor>) -> Run {
    let calc = Leaf;
    calls!(executor, spin, calc.suspend(black_box(1), black_box(2)).await?)
}

/// Keeps 2 KiB while it is pending once.
pub fn large(executor: &Rc<Executor>) -> Run {
    let calc = Leaf;
    calls!(executor, spin, calc.large(black_box(1), black_box(2)).await?)
}
