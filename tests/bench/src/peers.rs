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

/// Two values of that length, in turn: no call loads what the one before it has just stored.
///
/// The three words of a vector are stored one by one, and a processor that loads two of them at once soon after waits
/// for the stores: with one value the plain call took 13.3 ns instead of 6.7, of which nothing was the call's.
#[derive(Debug)]
pub struct InTurn {
    values: [Vec<u8>; 2],
    turn: usize,
}

impl InTurn {
    /// Zeros.
    #[expect(clippy::new_without_default, reason = "it is made in one way")]
    pub fn new() -> Self {
        Self { values: [vec![0; ECHO_BYTES], vec![0; ECHO_BYTES]], turn: 0 }
    }

    /// The one whose turn it is.
    pub fn other(&mut self) -> &mut Vec<u8> {
        self.turn ^= 1;
        &mut self.values[self.turn]
    }
}

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
