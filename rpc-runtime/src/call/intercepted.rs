//! A call with interceptors around it.

use std::{
    cell::Cell,
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    delivery::Passed,
    stage::{Callee, Stage},
};
use crate::{
    client::Binding,
    clock::Deadline,
    error::{Error, Kind},
    interceptor::{Around, Gate, Outcome, Outgoing, Rest, Stage as Passage},
    invocation::{Frame, OwnDeadline, Timer, too_deep, with_current},
    observe,
    service::{Answers, MethodInfo},
    session::Failure,
};

/// The chain of interceptors, and the call it stands around.
///
/// The chain asks for the call through the gate and never holds it. So the typed answer stays here, and the
/// chain is one `Send` future whatever the service.
pub(crate) struct Intercepted<'s, A, D: ?Sized + Future> {
    method: &'static MethodInfo,
    binding: Arc<Binding>,
    /// Gone when this is dropped.
    parts: Option<(Around, Arc<Gate>)>,
    /// Ended when it is ready, or when the chain has left it.
    call: Stage<'s, A, D>,
    answer: Option<D::Output>,
    has_passed: bool,
    /// Of the call: what the chain waits for counts.
    deadline: Deadline,
    timer: Timer,
}

/// Nothing in it is pinned in place.
impl<A, D: ?Sized + Future> Unpin for Intercepted<'_, A, D> {}

impl<'s, A, D> Intercepted<'s, A, D>
where
    D: ?Sized + Future,
{
    /// `None` if there is no interceptor to stand around the call.
    pub(super) fn new(
        call: Stage<'s, A, D>,
        method: &'static MethodInfo,
        binding: &Arc<Binding>,
        own: Option<OwnDeadline>,
    ) -> Option<Self> {
        let interceptors = Arc::clone(binding.interceptors()?);
        let gate = Gate::take();
        let chain = Rest::new(interceptors, Outgoing::new(method, Arc::clone(binding))).ask(&gate)?;
        let mut timer = Timer::default();
        let deadline = own.map_or(Deadline::NONE, |own| {
            timer.arm(Some(own.given));
            own.at
        });
        Some(Self {
            method,
            binding: Arc::clone(binding),
            parts: Some((chain, gate)),
            call,
            answer: None,
            has_passed: false,
            deadline,
            timer,
        })
    }

    pub(super) fn poll(
        &mut self,
        callee: &mut Callee<'s, '_, A, D>,
        cx: &mut Context<'_>,
    ) -> Poll<D::Output> {
        if let Poll::Ready(outcome) = self.poll_chain(callee, cx) {
            self.call = Stage::Ended;
            return Poll::Ready(self.settle(outcome, callee.answers));
        }
        let why = match self.timer.poll(self.deadline, cx) {
            Poll::Ready(why) => why,
            Poll::Pending => return Poll::Pending,
        };
        self.end();
        Poll::Ready(self.failed(self.error(why), callee.answers))
    }

    /// Polls the chain, and the call whenever the chain waits for it.
    fn poll_chain(&mut self, callee: &mut Callee<'s, '_, A, D>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let Some((chain, gate)) = &mut self.parts else { return Poll::Pending };
        let nested = Nested::enter();
        if let Err(why) = nested.check(&self.binding) {
            return Poll::Ready(Outcome::refused(error(why, self.method, &self.binding)));
        }
        // What the chain does while it is polled here is seen below, without a wake-up.
        gate.lock().call = None;
        loop {
            match catch_unwind(AssertUnwindSafe(|| chain.as_mut().poll(cx))) {
                Ok(Poll::Ready(outcome)) => return Poll::Ready(outcome),
                Ok(Poll::Pending) => {}
                Err(payload) => {
                    let why = Kind::panicked("an interceptor", payload);
                    return Poll::Ready(Outcome::refused(error(why, self.method, &self.binding)));
                }
            }
            let mut passage = gate.lock();
            if matches!(passage.stage, Passage::Left) {
                drop(passage);
                self.call = Stage::Ended;
                return Poll::Pending;
            }
            if !matches!(passage.stage, Passage::Open) {
                passage.call = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let added = mem::take(&mut passage.added);
            drop(passage);
            if matches!(self.call, Stage::Ended) {
                return Poll::Pending;
            }
            let passed = (!mem::replace(&mut self.has_passed, true))
                .then_some(Passed { added, deadline: Some(self.deadline) });
            let Poll::Ready(answer) = self.call.poll_passed(passed, callee, cx) else {
                let mut passage = gate.lock();
                if matches!(passage.stage, Passage::Left) {
                    drop(passage);
                    self.call = Stage::Ended;
                } else {
                    passage.call = Some(cx.waker().clone());
                }
                return Poll::Pending;
            };
            self.call = Stage::Ended;
            gate.answer(Outcome::of(&answer, callee.answers));
            self.answer = Some(answer);
        }
    }

    fn settle(&mut self, outcome: Outcome, answers: Answers<D::Output>) -> D::Output {
        match (outcome.into_refusal(), self.answer.take()) {
            (Some(error), answer) => {
                // Nobody gets it, so nobody is told of a panic of its drop but the log.
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(answer))) {
                    observe::panic_in_drop("a refused answer", self.method, &self.binding, payload);
                }
                let error = with_current(|caller| error.refusing(caller, self.method, &self.binding));
                self.failed(error, answers)
            }
            (None, Some(answer)) => answer,
            (None, None) => {
                let why = "an interceptor returned the outcome of another call: return that of `next.run()`, or refuse";
                self.failed(self.error(Kind::Setup(why.into())), answers)
            }
        }
    }
}

impl<A, D: ?Sized + Future> Intercepted<'_, A, D> {
    /// Cancels the callee if it runs, and then the interceptors around it. A panic of theirs goes to the log.
    fn end(&mut self) {
        self.call = Stage::Ended;
        let Some((chain, gate)) = self.parts.take() else { return };
        gate.lock().call = None;
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(chain))) {
            observe::panic_in_drop("an interceptor", self.method, &self.binding, payload);
        }
        Gate::give(gate);
    }

    /// The answer of the interceptors. Whoever serves the call for a caller elsewhere must know whether it got past them.
    #[cold]
    fn failed(&self, error: Error, answers: Answers<D::Output>) -> D::Output {
        with_current(|caller| Failure::keep(&error, self.has_passed, caller));
        (answers.failed)(error)
    }

    fn error(&self, why: Kind) -> Error {
        error(why, self.method, &self.binding)
    }
}

/// A chain being polled. One that calls through its own client is polled inside of itself, and no call is delivered that
/// would count how deep.
struct Nested(u32);

thread_local! {
    static NESTED: Cell<u32> = const { Cell::new(0) };
}

impl Nested {
    fn enter() -> Self {
        let now = NESTED.get() + 1;
        NESTED.set(now);
        Self(now)
    }

    /// Each Worker of a pipeline makes one call at a time on the way down, so there are at most as many chains as the
    /// limit of its depth, and the one of the call that is refused for it. Chains of another pipeline that polls this one
    /// count too: they lie on the same stack.
    fn check(&self, binding: &Binding) -> Result<(), Kind> {
        let limit = with_current(|caller| match caller {
            Some(caller) => caller.state.depth.now() + caller.state.depth.left(),
            None => binding.limits_of_first().depth,
        });
        if self.0 <= limit + 1 { Ok(()) } else { Err(Kind::Limit(too_deep(limit, limit + 1))) }
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        NESTED.set(self.0 - 1);
    }
}

fn error(why: Kind, method: &'static MethodInfo, binding: &Binding) -> Error {
    with_current(|caller: Option<&Frame<'_>>| Error::of_call(why, caller, method, binding))
}

impl<A, D: ?Sized + Future> Drop for Intercepted<'_, A, D> {
    fn drop(&mut self) {
        self.end();
    }
}
