//! The call future.
//!
//! What is written for every method of a service is compiled for every method, so as little as possible is: a
//! [`Call`] moves its arguments out and calls the twin. The policy of a call ([`delivery`]) has no types at all,
//! and what a call does besides ([`stage`]) is shared by the methods of one signature. In a release build all of
//! it is inlined into the method's own poll; in a debug build even that poll is shared ([`way`]).

mod delivery;
mod intercepted;
mod stage;
mod way;

use std::{
    fmt,
    future::Future,
    hint::cold_path,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

pub use self::way::{Chosen, Way, call};
pub(crate) use self::{delivery::Passed, stage::Stage, way::HandlerOf};
use self::{
    delivery::{Delivered, End, deliver},
    stage::{Callee, Otherwise},
};
use crate::{
    client::Inner,
    raw::{Beside, Given, Rest},
    service::Target,
};

/// A call: does nothing until it is polled, and cancels its callee when it is dropped.
///
/// In a release build 32 bytes for a method of two words. `Unpin`: a suspended handler lies in a block of its own.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<'s, W: Way<'s>> {
    client: &'s Inner<W::Service>,
    stage: Stage<'s, W::Args, HandlerOf<W::Service, W::Output>>,
    way: W,
}

impl<'s, W: Way<'s>> Call<'s, W> {
    #[inline]
    pub(crate) fn new(client: &'s Inner<W::Service>, args: W::Args, way: W) -> Self {
        Self { client, stage: Stage::Made(Beside::new(args)), way }
    }

    /// The arguments, before the first poll.
    #[inline]
    pub(crate) fn args(&self) -> Option<&W::Args> {
        if let Stage::Made(args) = &self.stage { Some(args) } else { None }
    }

    /// The same, to be changed.
    pub(crate) fn args_mut(&mut self) -> Option<&mut W::Args> {
        if let Stage::Made(args) = &mut self.stage { Some(args) } else { None }
    }

    pub(crate) const fn client(&self) -> &'s Inner<W::Service> {
        self.client
    }
}

/// Nothing of a call is pinned in place: arguments are moved out, and handlers have their own block.
impl<'s, W: Way<'s>> Unpin for Call<'s, W> {}

impl<'s, W: Way<'s>> Future for Call<'s, W> {
    type Output = W::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<W::Output> {
        let this = self.get_mut();
        let mut given = Given::of(&mut this.stage);
        if given.is_none() {
            cold_path();
            return this.otherwise(Otherwise::Again, cx);
        }
        let (client, way) = (this.client, this.way);
        let mut rest = Rest::new();
        let mut polled = Poll::Pending;
        // The arguments stay where they are until the twin takes them.
        let mut enter = || {
            if let Some(given) = given.take() {
                polled = way.start(client.twin(), given, cx, &mut rest);
            }
            polled.is_ready()
        };
        #[cfg(debug_assertions)]
        let enter: &mut dyn FnMut() -> bool = &mut enter;
        #[cfg(not(debug_assertions))]
        let enter = &mut enter;
        let (end, delivered) = deliver(client.binding(), way.method(), enter);
        match end {
            End::Plain => {
                mem::forget((delivered, rest));
                polled
            }
            End::Laden => {
                mem::forget(rest);
                end_laden(delivered, polled)
            }
            End::Special => {
                cold_path();
                mem::forget((delivered, rest));
                this.otherwise(Otherwise::Special, cx)
            }
            End::Unanswered => {
                cold_path();
                this.otherwise(Otherwise::Unanswered { delivered, rest }, cx)
            }
        }
    }
}

impl<'s, W: Way<'s>> Call<'s, W> {
    /// Everything but a first poll that is answered at once.
    #[cold]
    #[inline(never)]
    fn otherwise(
        &mut self,
        otherwise: Otherwise<'s, W::Args, HandlerOf<W::Service, W::Output>>,
        cx: &mut Context<'_>,
    ) -> Poll<W::Output> {
        let (client, way) = (self.client, self.way);
        let mut callee = Callee {
            binding: client.binding(),
            method: way.method(),
            answers: way.answers(),
            start: &mut |args, cx, rest| way.start(client.twin(), args, cx, rest),
            is_elsewhere: &|| client.twin().__port().is_some(),
        };
        self.stage.poll_otherwise(otherwise, &mut callee, cx)
    }
}

/// An answer of an invocation that has more to its end than going away.
#[cold]
#[inline(never)]
fn end_laden<T>(delivered: Delivered<'_>, polled: Poll<T>) -> Poll<T> {
    if let Delivered::Laden(state) = delivered {
        drop(state);
    }
    polled
}

impl<'s, W: Way<'s>> fmt::Debug for Call<'s, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &self.way.method().name).finish_non_exhaustive()
    }
}
