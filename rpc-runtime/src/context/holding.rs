//! What keeps an invocation from ending after its handler has answered.

use super::{Ctx, Subject, background::inside};
use crate::clock::Deadline;

/// A part of an invocation that goes on when its handler has answered: a body that streams, an upgraded connection.
///
/// Until it is released, what the invocation has spawned goes on, and the time of `wait_until` does not begin.
pub(crate) struct Holding {
    ctx: Ctx,
    is_held: bool,
}

impl Holding {
    /// Of the invocation that this thread is inside of; `None` outside of any.
    pub(crate) fn current() -> Option<Self> {
        if !Ctx::with(|ctx| ctx.is_invocation()) {
            return None;
        }
        let ctx = Ctx::current();
        ctx.0.scope.hold();
        Some(Self { ctx, is_held: true })
    }

    /// Runs something as part of the invocation.
    pub(crate) fn enter<R>(&self, act: impl FnOnce(&Ctx) -> R) -> R {
        let deadline = match &self.ctx.0.subject {
            Subject::Invocation(invocation) => invocation.deadline,
            Subject::Work(_) | Subject::Nothing => Deadline::NONE,
        };
        inside(&self.ctx, deadline, || act(&self.ctx))
    }

    /// It has come to its end.
    pub(crate) fn release(&mut self) {
        if std::mem::take(&mut self.is_held) {
            self.ctx.0.scope.release();
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.release();
    }
}
