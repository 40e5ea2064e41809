//! The call future.
//!
//! What is written for every method of a service is compiled for every method, so as little as possible is: a
//! [`Call`] moves its arguments out and calls the twin. The policy of a call ([`delivery`]) has no types at all,
//! and what a call does besides ([`stage`]) is shared by the methods of one signature. Where speed is what counts,
//! all of it is inlined into the method's poll again.

mod delivery;
mod intercepted;
mod stage;

use std::{
    fmt,
    future::Future,
    hint::cold_path,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

pub(crate) use self::delivery::Passed;
use self::{
    delivery::{Delivered, deliver},
    stage::{Callee, Otherwise, Stage},
};
use crate::{
    client::Inner,
    raw::{self, Flavour, Rest, Start, Started},
    service::{Method, Service},
};

/// A call: does nothing until it is polled, and cancels its callee when it is dropped.
///
/// 32 bytes for a method of two words, and `Unpin`: a suspended handler lies in a block of its own.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<'s, M: Method, A, F> {
    client: &'s Inner<M::Service>,
    stage: Stage<'s, A, Handler<M>>,
    start: F,
}

type FlavourOf<M> = <<M as Method>::Service as Service>::Flavour;
type Twin<M> = <<M as Method>::Service as Service>::Dyn;
type Handler<M> = <FlavourOf<M> as Flavour>::Handler<<M as Method>::Output>;

/// Makes the call of a client's method. `start` calls the twin.
#[inline]
pub fn call<'s, M, A, F>(client: &'s Inner<M::Service>, method: M, args: A, start: F) -> Call<'s, M, A, F>
where
    M: Method,
    F: for<'k> Fn(Start<'k, 's, Twin<M>, A, M::Output, FlavourOf<M>>) -> Started<'k, M::Output> + Copy,
{
    let _ = method;
    Call { client, stage: Stage::Made(args), start }
}

/// Nothing of a call is pinned in place: arguments are moved out, and handlers have their own block.
impl<M: Method, A, F> Unpin for Call<'_, M, A, F> {}

impl<'s, M, A, F> Future for Call<'s, M, A, F>
where
    M: Method,
    F: for<'k> Fn(Start<'k, 's, Twin<M>, A, M::Output, FlavourOf<M>>) -> Started<'k, M::Output> + Copy,
{
    type Output = M::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<M::Output> {
        let this = self.get_mut();
        let args = match mem::replace(&mut this.stage, Stage::Ended) {
            Stage::Made(args) => args,
            stage => {
                cold_path();
                return this.otherwise(Otherwise::Again(stage), cx);
            }
        };
        let (client, start) = (this.client, this.start);
        let mut args = Some(args);
        let mut rest = Rest::new();
        let mut value = None;
        let delivered = deliver(client.binding(), M::INFO, &mut || {
            if let Some(args) = args.take() {
                value = raw::start(client.twin(), args, cx.waker(), &mut rest, start);
            }
            value.is_some()
        });
        if let (Delivered::Answered, Some(value)) = (&delivered, value) {
            rest.forget();
            return Poll::Ready(value);
        }
        cold_path();
        this.otherwise(Otherwise::Unanswered { delivered, args, rest }, cx)
    }
}

impl<'s, M, A, F> Call<'s, M, A, F>
where
    M: Method,
    F: for<'k> Fn(Start<'k, 's, Twin<M>, A, M::Output, FlavourOf<M>>) -> Started<'k, M::Output> + Copy,
{
    /// Everything but a first poll that is answered at once.
    #[cold]
    #[inline(never)]
    fn otherwise(
        &mut self,
        otherwise: Otherwise<'s, A, Handler<M>>,
        cx: &mut Context<'_>,
    ) -> Poll<M::Output> {
        let (client, start) = (self.client, self.start);
        let mut callee = Callee {
            binding: client.binding(),
            method: M::INFO,
            cause: M::cause,
            start: &mut |args, waker, rest| raw::start(client.twin(), args, waker, rest, start),
        };
        self.stage.poll_otherwise(otherwise, &mut callee, cx)
    }
}

impl<M: Method, A, F> fmt::Debug for Call<'_, M, A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &M::INFO.name).finish_non_exhaustive()
    }
}
