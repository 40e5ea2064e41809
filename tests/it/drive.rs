//! Driving futures by hand.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// Drives a future that never waits for anything outside of it.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = poll_once(future.as_mut()) {
            return output;
        }
    }
}

/// Polls a future once, with a waker that does nothing.
pub(crate) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls a future once, for the task that this is called in.
pub(crate) async fn poll_now<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Suspends once.
pub(crate) async fn pause() {
    let mut is_done = false;
    poll_fn(|cx| {
        if is_done {
            return Poll::Ready(());
        }
        is_done = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
