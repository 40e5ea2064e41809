//! What can stand around a call.

use std::{
    borrow::Cow,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use crate::{
    error::Error,
    metadata::{self, Entry},
    service::{MethodInfo, Reply},
};

/// Something that stands around the calls of a client: it observes, refuses, waits, or adds metadata.
///
/// It runs in the caller's invocation. A client without one pays nothing; one costs an allocation for each
/// call. It cannot repeat a call, because the arguments were moved into it: repeating is the binding's
/// business, for methods marked `idempotent`.
///
/// ```
/// use rpc_runtime::{CallOptions, Error, Interceptor, Next, Outcome, Outgoing};
///
/// struct OnlyReads;
///
/// impl Interceptor for OnlyReads {
///     async fn around(&self, call: &Outgoing, next: Next) -> Outcome {
///         if call.method() != "read" {
///             return Outcome::refused(Error::denied("this client only reads"));
///         }
///         next.run().await
///     }
/// }
///
/// let options = CallOptions::new().interceptor(OnlyReads);
/// # let _ = options;
/// ```
pub trait Interceptor: Send + Sync {
    /// Around one call. What it returns stands for the call: the outcome of `next.run()`, or a refusal.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped with the call; dropping the future of `next.run()` cancels the callee.
    fn around(&self, call: &Outgoing, next: Next) -> impl Future<Output = Outcome> + Send;
}

/// The call that an interceptor stands around.
#[derive(Clone, Debug)]
pub struct Outgoing {
    method: &'static MethodInfo,
    worker: Cow<'static, str>,
}

impl Outgoing {
    pub(crate) fn new(method: &'static MethodInfo, worker: Cow<'static, str>) -> Self {
        Self { method, worker }
    }

    /// The name of the service; empty for a `fetch`.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.method.service
    }

    /// The name of the method; `fetch` for a request.
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.method.name
    }

    /// The name of the callee.
    #[must_use]
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// Whether the method is marked `idempotent`.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.method.idempotent
    }
}

/// How a call ended.
#[derive(Clone, Debug)]
pub struct Outcome(Ending);

#[derive(Clone, Debug)]
enum Ending {
    Answered,
    /// The service's own error.
    Failed,
    Rpc(Error),
    Refused(Error),
}

impl Outcome {
    /// The call fails with this error. If the callee has run, its answer is dropped.
    #[must_use]
    pub fn refused(error: Error) -> Self {
        Self(Ending::Refused(error))
    }

    pub(crate) fn of(answer: &impl Reply, rpc: Option<&Error>) -> Self {
        Self(match rpc {
            _ if answer.is_ok() => Ending::Answered,
            Some(error) => Ending::Rpc(error.clone()),
            None => Ending::Failed,
        })
    }

    /// The callee answered with a value.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self.0, Ending::Answered)
    }

    /// Why the call failed on the way, if it did; `None` for a value and for the service's own error.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        match &self.0 {
            Ending::Rpc(error) | Ending::Refused(error) => Some(error),
            Ending::Answered | Ending::Failed => None,
        }
    }

    /// The error to put in the place of the answer.
    pub(crate) fn into_refusal(self) -> Option<Error> {
        match self.0 {
            Ending::Refused(error) => Some(error),
            _ => None,
        }
    }
}

/// The rest of a call: the next interceptor, or the callee.
///
/// It does not hold the callee's future. It asks the call, which polls this interceptor, to poll the callee
/// too; so an interceptor is `Send` around any service, and the typed answer never leaves the call.
#[derive(Debug)]
pub struct Next {
    gate: Arc<Gate>,
    added: Vec<Entry>,
    rest: Rest,
}

/// The interceptors that are left.
#[derive(Clone)]
pub(crate) struct Rest {
    pub(crate) interceptors: Arc<[Arc<dyn DynInterceptor>]>,
    pub(crate) at: usize,
    pub(crate) call: Outgoing,
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").field("left", &(self.interceptors.len() - self.at)).finish_non_exhaustive()
    }
}

impl Next {
    pub(crate) fn new(gate: Arc<Gate>, rest: Rest) -> Self {
        Self { gate, added: Vec::new(), rest }
    }

    /// Adds a word for the callee alone, in the place of one of the same key.
    #[must_use]
    pub fn metadata(
        mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Self {
        metadata::set(&mut self.added, key.into(), value.into());
        self
    }

    /// Makes the call.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the callee.
    pub async fn run(self) -> Outcome {
        let Self { gate, added, mut rest } = self;
        gate.lock().added.extend(added);
        let Some(interceptor) = rest.interceptors.get(rest.at).cloned() else {
            return Passing { gate: &gate }.await;
        };
        rest.at += 1;
        let call = rest.call.clone();
        interceptor.around_boxed(&call, Self { gate, added: Vec::new(), rest }).await
    }
}

/// The object-safe form of an [`Interceptor`].
pub(crate) trait DynInterceptor: Send + Sync {
    fn around_boxed<'a>(
        &'a self,
        call: &'a Outgoing,
        next: Next,
    ) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;
}

impl<I: Interceptor> DynInterceptor for I {
    fn around_boxed<'a>(
        &'a self,
        call: &'a Outgoing,
        next: Next,
    ) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>> {
        Box::pin(self.around(call, next))
    }
}

/// Where the innermost interceptor and the call meet.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<Passage>);

#[derive(Debug, Default)]
pub(crate) struct Passage {
    pub(crate) stage: Stage,
    /// What the interceptors added to the metadata.
    pub(crate) added: Vec<Entry>,
    /// Who waits for the callee.
    waker: Option<Waker>,
}

#[derive(Debug, Default)]
pub(crate) enum Stage {
    /// No interceptor has asked for the callee yet.
    #[default]
    Closed,
    /// The callee is to be polled.
    Open,
    /// The callee is ready.
    Answered(Outcome),
    /// The interceptor wants the callee no more.
    Left,
}

impl Gate {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Passage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The callee is ready: whoever waits for it is woken, in case it is not polled by the call itself.
    pub(crate) fn answer(&self, outcome: Outcome) {
        let mut passage = self.lock();
        passage.stage = Stage::Answered(outcome);
        let waker = passage.waker.take();
        drop(passage);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Waits at the gate until the call has polled the callee to its end.
struct Passing<'a> {
    gate: &'a Gate,
}

impl Future for Passing<'_> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut passage = self.gate.lock();
        if let Stage::Answered(outcome) = &passage.stage {
            return Poll::Ready(outcome.clone());
        }
        passage.stage = Stage::Open;
        passage.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        let mut passage = self.gate.lock();
        if !matches!(passage.stage, Stage::Answered(_)) {
            passage.stage = Stage::Left;
        }
    }
}
