//! What a caller can say about its calls.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use crate::{
    interceptor::{DynInterceptor, Interceptor},
    limits::Limits,
    metadata::{self, Entry},
};

/// What every call through a client carries beside its arguments. See [`Client::with`](crate::Client::with).
///
/// ```
/// use std::time::Duration;
/// use rpc_runtime::CallOptions;
///
/// let options = CallOptions::new()
///     .deadline(Duration::from_secs(2))
///     .metadata("tenant", "a1")
///     .propagate("request-id", "7f3a");
/// # let _ = options;
/// ```
#[derive(Clone, Default)]
pub struct CallOptions {
    pub(crate) deadline: Option<Duration>,
    /// Seen by the callee.
    pub(crate) metadata: Vec<Entry>,
    /// Seen by the callee and by whatever it calls.
    pub(crate) travelling: Vec<Entry>,
    pub(crate) interceptors: Vec<Arc<dyn DynInterceptor>>,
    pub(crate) limits: Option<Limits>,
}

impl CallOptions {
    /// Nothing beyond what is inherited.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long a call may take, counted from its first poll.
    ///
    /// It takes the place of the method's own `deadline = ".."`. A deadline that the caller itself is under is
    /// never made longer. When it passes, the call returns [`is_deadline`](crate::Error::is_deadline) and
    /// drops the callee with all that the callee waits for; work given to `wait_until` goes on. It acts where the
    /// callee awaits, and needs a tokio runtime with its timer on there. Default: none.
    #[must_use]
    pub fn deadline(mut self, after: Duration) -> Self {
        self.deadline = Some(after);
        self
    }

    /// A word for the callee alone. Setting a key again replaces its value.
    ///
    /// A call carries 64 entries at most, and 8 KiB of keys and values together: what its client and its interceptors
    /// add, and what was [propagated](Self::propagate) to it. One that carries more is refused with
    /// [`is_limit`](crate::Error::is_limit), in process and over a boundary alike.
    #[must_use]
    pub fn metadata(
        mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Self {
        let key = key.into();
        metadata::unset(&mut self.travelling, &key);
        metadata::set(&mut self.metadata, key, value.into());
        self
    }

    /// A word for the callee, for what it calls, and so on. It counts like [`metadata`](Self::metadata).
    #[must_use]
    pub fn propagate(
        mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Self {
        let key = key.into();
        metadata::unset(&mut self.metadata, &key);
        metadata::set(&mut self.travelling, key, value.into());
        self
    }

    /// Something that stands around each call. The one added first is the outermost.
    #[must_use]
    pub fn interceptor(mut self, interceptor: impl Interceptor + 'static) -> Self {
        self.interceptors.push(Arc::new(interceptor));
        self
    }

    /// The limits of the pipelines that calls through this client start. Inside of a pipeline they can make
    /// the limits of a call, and of what it calls, lower; never higher.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// These options, and what `newer` says in their place.
    pub(crate) fn merged(&self, newer: Self) -> Self {
        let mut merged = self.clone();
        merged.deadline = newer.deadline.or(merged.deadline);
        merged.limits = newer.limits.or(merged.limits);
        for entry in newer.metadata {
            merged = merged.metadata(entry.key, entry.value);
        }
        for entry in newer.travelling {
            merged = merged.propagate(entry.key, entry.value);
        }
        merged.interceptors.extend(newer.interceptors);
        merged
    }
}

/// Keys alone: the values may be tokens.
impl fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = |entries: &[Entry]| entries.iter().map(|entry| entry.key.clone()).collect::<Vec<_>>();
        f.debug_struct("CallOptions")
            .field("deadline", &self.deadline)
            .field("metadata", &keys(&self.metadata))
            .field("propagate", &keys(&self.travelling))
            .field("interceptors", &self.interceptors.len())
            .field("limits", &self.limits)
            .finish()
    }
}
