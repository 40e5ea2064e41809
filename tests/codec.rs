//! Bytes from a peer that nobody trusts: no panic, no deep stack, no memory beyond the budget, no long work.
//!
//! What is hostile is read on a thread with 256 KiB of stack, also without optimization.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

#[path = "codec/bombs.rs"]
mod bombs;
#[path = "codec/counting.rs"]
mod counting;
#[path = "codec/harmless.rs"]
mod harmless;
#[path = "codec/limit.rs"]
mod limit;
#[path = "codec/random.rs"]
mod random;
#[path = "codec/zoo.rs"]
mod zoo;

use std::thread;

use rpc_runtime::__private::{Decoder, Encoder, Unread};
use serde::{Deserialize, Serialize};

use self::counting::peak;

/// Runs on a thread with a small stack.
fn on_small_stack(act: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(256 << 10).spawn(act).unwrap().join().unwrap();
}

/// Reads one value, and nothing after it.
fn read<'f, T: Deserialize<'f>>(bytes: &'f [u8]) -> Result<T, Unread> {
    read_within(bytes, Decoder::BUDGET)
}

fn read_within<'f, T: Deserialize<'f>>(bytes: &'f [u8], budget: usize) -> Result<T, Unread> {
    let mut from = Decoder::new(bytes).within(budget);
    let value = from.value()?;
    from.finish()?;
    Ok(value)
}

fn write<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut to = Encoder::default();
    to.value(value).unwrap();
    to.finish().chunks().collect::<Vec<_>>().concat()
}
