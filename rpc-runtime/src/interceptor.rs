//! What can stand around a call.

mod gate;

use std::{borrow::Cow, fmt, future::Future, pin::Pin, sync::Arc};

pub(crate) use self::gate::{Gate, Stage};
use crate::{
    client::Binding,
    error::Error,
    metadata::{self, Entry},
    service::{Answers, MethodInfo},
};

/// Something that stands around the calls of a client: it observes, refuses, waits, or adds metadata.
///
/// It runs in the caller's invocation, under the deadline of the call. A client without one pays nothing; each
/// costs an allocation for each call, and one more if it adds metadata. It cannot repeat a call, because the
/// arguments were moved into it: repeating is the binding's business, for methods marked `idempotent`.
///
/// A panic in it is the error of the call, [`is_panic`](Error::is_panic).
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
    /// `next` is owned: it may be run, or dropped, in another task too.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped with the call; dropping the future of `next.run()` cancels the callee.
    fn around(&self, call: &Outgoing, next: Next) -> impl Future<Output = Outcome> + Send;
}

/// The call that an interceptor stands around.
#[derive(Clone)]
pub struct Outgoing {
    method: &'static MethodInfo,
    binding: Arc<Binding>,
}

impl Outgoing {
    pub(crate) fn new(method: &'static MethodInfo, binding: Arc<Binding>) -> Self {
        Self { method, binding }
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
        &self.binding.worker
    }

    /// Whether the method is marked `idempotent`.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.method.idempotent
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("worker", &self.worker())
            .field("service", &self.service())
            .field("method", &self.method())
            .finish()
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

    pub(crate) fn of<T>(answer: &T, answers: Answers<T>) -> Self {
        Self(match (answers.cause)(answer) {
            _ if (answers.is_ok)(answer) => Ending::Answered,
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

impl Next {
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
        let Self { gate, added, rest } = self;
        gate.add(added);
        match rest.ask(&gate) {
            Some(around) => around.await,
            None => gate.pass().await,
        }
    }
}

/// The interceptors that are left.
pub(crate) struct Rest {
    interceptors: Arc<[Arc<dyn DynInterceptor>]>,
    at: usize,
    call: Outgoing,
}

/// What an interceptor does around a call.
pub(crate) type Around = Pin<Box<dyn Future<Output = Outcome> + Send>>;

impl Rest {
    pub(crate) fn new(interceptors: Arc<[Arc<dyn DynInterceptor>]>, call: Outgoing) -> Self {
        Self { interceptors, at: 0, call }
    }

    /// What the next interceptor does, or nothing if all of them have been asked.
    pub(crate) fn ask(self, gate: &Arc<Gate>) -> Option<Around> {
        let interceptor = Arc::clone(self.interceptors.get(self.at)?);
        let call = self.call.clone();
        let rest = Self { at: self.at + 1, ..self };
        Some(interceptor.around_boxed(call, Next { gate: Arc::clone(gate), added: Vec::new(), rest }))
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").field("left", &(self.interceptors.len() - self.at)).finish_non_exhaustive()
    }
}

/// The object-safe form of an [`Interceptor`]. The future owns what it needs, so that it is one allocation.
pub(crate) trait DynInterceptor: Send + Sync {
    fn around_boxed(self: Arc<Self>, call: Outgoing, next: Next) -> Around;
}

impl<I: Interceptor + 'static> DynInterceptor for I {
    fn around_boxed(self: Arc<Self>, call: Outgoing, next: Next) -> Around {
        Box::pin(async move { self.around(&call, next).await })
    }
}
