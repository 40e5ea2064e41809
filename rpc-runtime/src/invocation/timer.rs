//! The timer of a call that made its deadline shorter.

use std::{
    cell::Cell,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{runtime::Handle, time::Sleep};

use super::Frame;
use crate::{
    client::Binding,
    clock::Deadline,
    error::{Error, Kind},
    raw::Pooled,
    service::MethodInfo,
};

/// Armed when the deadline is set, made when the callee turns out to suspend: a callee that is ready at once
/// costs no timer.
#[derive(Default)]
pub(crate) struct Timer {
    keeper: Cell<Keeper>,
    /// How long the call was given, for the error.
    given: Option<Duration>,
    sleep: Option<Pooled<Sleep>>,
}

/// Who ends a call when its time is over.
#[derive(Clone, Copy, Default, PartialEq)]
enum Keeper {
    /// Whoever made the deadline, further up.
    #[default]
    Caller,
    Timer,
    /// The session that the call goes over, which has one timer for all of its calls: one for each would cost as
    /// much as the rest of a small call.
    Session,
}

/// A deadline that is shorter than what the caller is under.
pub(crate) struct OwnDeadline {
    pub(crate) at: Deadline,
    /// What it was made from, for the error.
    pub(crate) given: Duration,
}

impl OwnDeadline {
    /// What the client of a call says, or its method, if it makes the deadline of the call shorter.
    ///
    /// # Errors
    ///
    /// The deadline has passed.
    pub(crate) fn of_call(
        caller: Option<&Frame<'_>>,
        method: &'static MethodInfo,
        binding: &Binding,
    ) -> Result<Option<Self>, Error> {
        let options = binding.options.as_ref();
        // A call from elsewhere that has a deadline has the one that its maker chose, the method's own or another.
        let is_chosen =
            |caller: &Frame<'_>| caller.state.is_arrival() && caller.state.deadline != Deadline::NONE;
        let of_method = method.deadline.filter(|_| !caller.is_some_and(is_chosen));
        let given = options.and_then(|options| options.given.deadline).or(of_method);
        let Some(given) = given else { return Ok(None) };
        let (at, inherited) =
            (Deadline::after(given), caller.map_or(Deadline::NONE, |caller| caller.state.deadline));
        // What was just made from a duration has not passed, and the clock need not be read again to know it.
        let has_passed = if at <= inherited { given.is_zero() } else { inherited.has_passed() };
        if has_passed {
            return Err(Error::of_call(
                Kind::Deadline((at <= inherited).then_some(given)),
                caller,
                method,
                binding,
            ));
        }
        Ok((at < inherited).then_some(Self { at, given }))
    }
}

impl Timer {
    pub(crate) fn arm(&mut self, given: Option<Duration>) {
        self.keeper.set(Keeper::Timer);
        self.given = given;
    }

    pub(super) fn arm_if_unarmed(&self) {
        if self.keeper.get() == Keeper::Caller {
            self.keeper.set(Keeper::Timer);
        }
    }

    /// From here on a session keeps the time.
    pub(super) fn leave(&self) {
        if self.keeper.get() == Keeper::Timer {
            self.keeper.set(Keeper::Session);
        }
    }

    /// It does no longer.
    pub(super) fn take_back(&self) {
        if self.keeper.get() == Keeper::Session {
            self.keeper.set(Keeper::Timer);
        }
    }

    pub(super) fn given(&self) -> Option<Duration> {
        self.given
    }

    /// Ready with the reason to end the call.
    #[inline]
    pub(crate) fn poll(&mut self, at: Deadline, cx: &mut Context<'_>) -> Poll<Kind> {
        if self.keeper.get() != Keeper::Timer {
            return Poll::Pending;
        }
        self.poll_armed(at, cx)
    }

    fn poll_armed(&mut self, at: Deadline, cx: &mut Context<'_>) -> Poll<Kind> {
        let Some(at) = at.instant() else { return Poll::Pending };
        let sleep = match &mut self.sleep {
            Some(sleep) => sleep,
            none => {
                let Some(sleep) = sleep_until(at) else { return Poll::Ready(Kind::Setup(NO_TIMER.into())) };
                none.insert(Pooled::new(sleep))
            }
        };
        match sleep.as_pin().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Kind::Deadline(self.given)),
            Poll::Pending => Poll::Pending,
        }
    }
}

const NO_TIMER: &str = "a call with a deadline suspended where there is no tokio timer: run it on a tokio runtime \
                        built with `enable_time` or `enable_all`, or leave the deadline out";

/// A timer of the current tokio runtime. Tokio panics where there is none or where its timer is off, and offers
/// no way to ask for the second.
pub(crate) fn sleep_until(at: std::time::Instant) -> Option<Sleep> {
    Handle::try_current().ok()?;
    catch_unwind(AssertUnwindSafe(|| tokio::time::sleep_until(at.into()))).ok()
}
