//! The peers, one file each, all with the same calls:
//!
//! - `add(a, b)`: two `u64`, their sum, through a chain of `depth` Workers each holding the next;
//! - `text(&str)`: 1 KiB lent (or copied, where a peer cannot lend), its length back;
//! - `echo(Vec<u8>)`: 1 MiB moved there and back;
//! - `suspend`: an `add` whose handler is pending once; `large` keeps 2 KiB meanwhile;
//! - `fetch`: one HTTP request with a header and 8 bytes, one response of the same size.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

pub mod actor;
pub mod async_trait;
pub mod axum;
pub mod direct;
pub mod http;
pub mod hyper;
pub mod rpc;
pub mod tarpc;

/// Bytes in the text that is lent.
pub const TEXT_BYTES: usize = 1 << 10;

/// Bytes in the vector that is moved.
pub const ECHO_BYTES: usize = 1 << 20;

/// Bytes a large handler keeps while it is suspended.
pub const LARGE_BYTES: usize = 2 << 10;

/// The error of every peer that lets its user choose.
pub type Error = rpc_runtime::Error;

/// Pending once, then ready.
pub fn pending_once() -> impl Future<Output = ()> {
    PendingOnce { polled: false }
}

struct PendingOnce {
    polled: bool,
}

impl Future for PendingOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.polled {
            return Poll::Ready(());
        }
        self.polled = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
