//! What few calls need.

use std::{cell::OnceCell, sync::Arc};

use tracing::Span;

use super::{
    budget::{Budget, SharedBudget},
    excess::Excess,
    timer::Timer,
};
use crate::{
    context::Ctx,
    error::Hop,
    metadata::{Entry, Inherited},
};

/// Made on demand, in a pooled block of its own.
#[derive(Default)]
pub(crate) struct Extras {
    /// Metadata from further up.
    pub(super) inherited: Inherited,
    /// Metadata that interceptors added to this call.
    pub(super) added: Vec<Entry>,
    pub(crate) timer: Timer,
    pub(super) span: OptionalSpan,
    kept: Kept,
    /// Counters that have moved to where they outlive the call.
    pub(super) shared_budget: OnceCell<Arc<SharedBudget>>,
    /// Counters of a call with lower limits than its caller's.
    pub(super) own_budget: Option<Budget>,
    pub(super) hops: Box<[Hop]>,
    pub(super) excess: Excess,
}

/// A span that is disabled by default.
pub(super) struct OptionalSpan(Span);

impl Default for OptionalSpan {
    fn default() -> Self {
        Self(Span::none())
    }
}

impl From<Span> for OptionalSpan {
    fn from(span: Span) -> Self {
        Self(span)
    }
}

impl Extras {
    pub(super) fn of_task(ctx: &Ctx) -> Self {
        Self {
            inherited: ctx.inherited().clone(),
            added: ctx.added().to_vec(),
            kept: Kept { ctx: OnceCell::from(ctx.clone()), is_task: true },
            shared_budget: OnceCell::from(Arc::clone(ctx.budget())),
            hops: ctx.hops_before().into(),
            ..Self::default()
        }
    }

    /// The context of the invocation, made by `keep` when it is first asked for.
    pub(crate) fn kept(&self, keep: impl FnOnce() -> Ctx) -> &Ctx {
        self.kept.ctx.get_or_init(keep)
    }

    pub(super) fn enter_span(&self) {
        self.span.0.with_subscriber(|(id, subscriber)| subscriber.enter(id));
    }

    pub(super) fn leave_span(&self) {
        self.span.0.with_subscriber(|(id, subscriber)| subscriber.exit(id));
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span.0
    }

    pub(crate) fn inherited(&self) -> &Inherited {
        &self.inherited
    }

    pub(crate) fn added(&self) -> &[Entry] {
        &self.added
    }
}

/// The context that somebody keeps of an invocation, which is told when the invocation ends.
#[derive(Default)]
struct Kept {
    ctx: OnceCell<Ctx>,
    /// Whether the invocation is another one's, and does not end with this.
    is_task: bool,
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let (Some(ctx), false) = (self.ctx.get(), self.is_task) {
            ctx.end();
        }
    }
}
