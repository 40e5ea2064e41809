//! Behaviour through the public interface, a module for each.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod body;
mod config;
mod edge;
mod fetch;
mod hygiene;
mod lints;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Drives a future that never waits for anything outside of it.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}
