//! A call with interceptors around it.

use std::{
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    client::Binding,
    clock::Deadline,
    error::{Error, Kind},
    interceptor::{Around, Gate, Outcome, Outgoing, Rest, Stage},
    invocation::{Frame, OwnDeadline, Timer, with_current},
    metadata::Entry,
    observe,
    service::{MethodInfo, Reply},
};

/// The chain of interceptors, and the call it stands around.
///
/// The chain asks for the call through the gate and never holds it. So the typed answer stays here, and the
/// chain is one `Send` future whatever the service.
pub(super) struct Intercepted<C, T> {
    method: &'static MethodInfo,
    binding: Arc<Binding>,
    /// Gone when this is dropped.
    parts: Option<(Around, Arc<Gate>)>,
    /// Until it is ready, or the chain has left it.
    call: Option<C>,
    answer: Option<T>,
    has_passed: bool,
    /// Of the call: what the chain waits for counts.
    deadline: Deadline,
    timer: Timer,
}

/// What a call has got from its interceptors when they let it pass.
#[derive(Default)]
pub(crate) struct Passed {
    /// What they add to the metadata of the call.
    pub(crate) added: Vec<Entry>,
    /// The deadline that the interceptors and the call have in common, and whose timer is theirs. `None` for a
    /// call without interceptors.
    pub(crate) deadline: Option<Deadline>,
}

/// Nothing in it is pinned in place.
impl<C, T> Unpin for Intercepted<C, T> {}

impl<C, T> Intercepted<C, T>
where
    C: Future<Output = T> + Unpin,
    T: Reply,
{
    /// `None` if there is no interceptor to stand around the call.
    pub(super) fn new(
        call: C,
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
            call: Some(call),
            answer: None,
            has_passed: false,
            deadline,
            timer,
        })
    }

    /// `pass` marks the call as let through; `cause` finds the runtime's error in an answer.
    #[inline(never)]
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        pass: fn(&mut C, Passed),
        cause: fn(&T) -> Option<&Error>,
    ) -> Poll<T> {
        if let Poll::Ready(outcome) = self.poll_chain(cx, pass, cause) {
            self.call = None;
            return Poll::Ready(self.settle(outcome));
        }
        let why = match self.timer.poll(self.deadline, cx) {
            Poll::Ready(why) => why,
            Poll::Pending => return Poll::Pending,
        };
        self.end();
        Poll::Ready(T::failed(self.error(why)))
    }

    /// Polls the chain, and the call whenever the chain waits for it.
    fn poll_chain(
        &mut self,
        cx: &mut Context<'_>,
        pass: fn(&mut C, Passed),
        cause: fn(&T) -> Option<&Error>,
    ) -> Poll<Outcome> {
        let Some((chain, gate)) = &mut self.parts else { return Poll::Pending };
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
            if matches!(passage.stage, Stage::Left) {
                drop(passage);
                self.call = None;
                return Poll::Pending;
            }
            if !matches!(passage.stage, Stage::Open) {
                passage.call = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let added = mem::take(&mut passage.added);
            drop(passage);
            let Some(call) = &mut self.call else { return Poll::Pending };
            if !mem::replace(&mut self.has_passed, true) {
                pass(call, Passed { added, deadline: Some(self.deadline) });
            }
            let Poll::Ready(answer) = Pin::new(call).poll(cx) else {
                let mut passage = gate.lock();
                if matches!(passage.stage, Stage::Left) {
                    drop(passage);
                    self.call = None;
                } else {
                    passage.call = Some(cx.waker().clone());
                }
                return Poll::Pending;
            };
            self.call = None;
            gate.answer(Outcome::of(&answer, cause(&answer)));
            self.answer = Some(answer);
        }
    }

    fn settle(&mut self, outcome: Outcome) -> T {
        match (outcome.into_refusal(), self.answer.take()) {
            (Some(error), _) => T::failed(error),
            (None, Some(answer)) => answer,
            (None, None) => T::failed(self.error(Kind::Setup(
                "an interceptor returned the outcome of another call: return that of `next.run()`, or refuse"
                    .into(),
            ))),
        }
    }
}

impl<C, T> Intercepted<C, T> {
    /// Cancels the callee if it runs, and then the interceptors around it. A panic of theirs goes to the log.
    fn end(&mut self) {
        self.call = None;
        let Some((chain, gate)) = self.parts.take() else { return };
        gate.lock().call = None;
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(chain))) {
            observe::panic_in_drop("an interceptor", self.method, &self.binding, payload);
        }
        Gate::give(gate);
    }

    fn error(&self, why: Kind) -> Error {
        error(why, self.method, &self.binding)
    }
}

fn error(why: Kind, method: &'static MethodInfo, binding: &Binding) -> Error {
    with_current(|caller: Option<&Frame<'_>>| Error::of_call(why, caller, method, binding))
}

impl<C, T> Drop for Intercepted<C, T> {
    fn drop(&mut self) {
        self.end();
    }
}
