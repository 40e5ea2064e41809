//! A call with interceptors around it.

use std::{
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use crate::{
    client::Binding,
    error::{Error, Kind},
    interceptor::{Gate, Next, Outcome, Outgoing, Rest, Stage},
    metadata::Entry,
    service::{MethodInfo, Reply},
};

/// The chain of interceptors, and the call it stands around.
///
/// The chain asks for the call through the gate and never holds it. So the typed answer stays here, and the
/// chain is one `Send` future whatever the service.
pub(super) struct Intercepted<C, T> {
    chain: Pin<Box<dyn Future<Output = Outcome> + Send>>,
    gate: Arc<Gate>,
    /// Until it is ready, or the chain has left it.
    call: Option<C>,
    answer: Option<T>,
    has_passed: bool,
}

/// What interceptors add to the metadata of a call.
pub(crate) type Added = Vec<Entry>;

/// Nothing in it is pinned in place.
impl<C, T> Unpin for Intercepted<C, T> {}

impl<C, T> Intercepted<C, T>
where
    C: Future<Output = T> + Unpin,
    T: Reply,
{
    pub(super) fn new(call: C, method: &'static MethodInfo, binding: &Binding) -> Self {
        let gate = Arc::new(Gate::default());
        let interceptors = binding.interceptors().map_or_else(|| Arc::from([]), Arc::clone);
        let rest = Rest { interceptors, at: 0, call: Outgoing::new(method, binding.worker.clone()) };
        let chain = Box::pin(Next::new(Arc::clone(&gate), rest).run());
        Self { chain, gate, call: Some(call), answer: None, has_passed: false }
    }

    /// Polls the chain, and the call whenever the chain waits for it.
    ///
    /// `pass` marks the call as let through; `cause` finds the runtime's error in an answer.
    #[inline(never)]
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        pass: fn(&mut C, Added),
        cause: fn(&T) -> Option<&Error>,
    ) -> Poll<T> {
        loop {
            let polled = catch_unwind(AssertUnwindSafe(|| self.chain.as_mut().poll(cx)));
            let outcome = match polled {
                Ok(Poll::Pending) => None,
                Ok(Poll::Ready(outcome)) => Some(outcome),
                Err(payload) => Some(Outcome::refused(Error::panicked(payload))),
            };
            if let Some(outcome) = outcome {
                self.call = None;
                return Poll::Ready(self.settle(outcome));
            }
            let added = {
                let mut passage = self.gate.lock();
                match passage.stage {
                    Stage::Open => mem::take(&mut passage.added),
                    Stage::Closed | Stage::Answered(_) => return Poll::Pending,
                    Stage::Left => {
                        drop(passage);
                        self.call = None;
                        return Poll::Pending;
                    }
                }
            };
            let Some(call) = &mut self.call else { return Poll::Pending };
            if !mem::replace(&mut self.has_passed, true) {
                pass(call, added);
            }
            let answer = ready!(Pin::new(call).poll(cx));
            self.call = None;
            self.gate.answer(Outcome::of(&answer, cause(&answer)));
            self.answer = Some(answer);
        }
    }

    fn settle(&mut self, outcome: Outcome) -> T {
        match (outcome.into_refusal(), self.answer.take()) {
            (Some(error), _) => T::failed(error),
            (None, Some(answer)) => answer,
            (None, None) => T::failed(Error::new(Kind::Setup(
                "an interceptor returned the outcome of another call: return that of `next.run()`, or refuse"
                    .into(),
            ))),
        }
    }
}
