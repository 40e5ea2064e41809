//! What a client is made of, and what can be done to one.

pub mod passing;

use std::{borrow::Cow, fmt, sync::Arc};

use crate::{
    error::Kind,
    fetch::{Fetching, IntoRequest},
    invocation::FirstCounts,
    limits::Limits,
    local::{Hold, Local},
    metadata::{self, Entry, Travelling},
    options::CallOptions,
    raw::Flavour,
    service::{MethodInfo, Serves, Service, Target as _},
    watch::Watched,
    worker::{Entrypoint, Worker},
};

/// What every client can do beside the methods of its service.
///
/// ```
/// use std::time::Duration;
/// use rpc_runtime::{CallOptions, Client, Result, service};
///
/// #[service]
/// trait Clock {
///     async fn now(&self) -> Result<u64>;
/// }
///
/// struct Stopped;
///
/// impl Clock for Stopped {
///     async fn now(&self) -> Result<u64> {
///         Ok(0)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let clock = ClockClient::new(Stopped);
/// let hasty = clock.with(CallOptions::new().deadline(Duration::from_millis(5)));
/// assert_eq!(hasty.now().await?, 0);
/// # Ok(()) }
/// ```
///
/// # Many calls at once
///
/// Calls stand in `join!`, `select!`, `join_all` and streams as any future does. One form rustc refuses inside of a
/// spawned task, for every `async fn` that borrows: `.map(|key| client.get(key)).buffered(n)` ("implementation of
/// `FnOnce` is not general enough"), because that closure would have to be general over the lifetime of its argument.
/// An `async` block that owns the key says the same, and so does a vector of calls:
///
/// ```
/// use futures_util::stream::{self, StreamExt};
/// # use rpc_runtime::{Client, Result, service};
/// # #[service] trait Store { async fn get(&self, key: &str) -> Result<usize>; }
/// # struct Lengths;
/// # impl Store for Lengths { async fn get(&self, key: &str) -> Result<usize> { Ok(key.len()) } }
///
/// # #[tokio::main] async fn main() -> Result<()> {
/// let store = StoreClient::new(Lengths);
/// let task = tokio::spawn(async move {
///     let (store, keys) = (&store, ["a", "bc", "def"].map(String::from));
///     let blocks = stream::iter(keys.clone()).map(|key| async move { store.get(&key).await });
///     let calls = stream::iter(keys.iter().map(|key| store.get(key)).collect::<Vec<_>>());
///     blocks.buffered(2).count().await + calls.buffered(2).count().await
/// });
/// assert_eq!(task.await.map_err(rpc_runtime::Error::application)?, 6);
/// # Ok(()) }
/// ```
pub trait Client: Service {
    /// A client of the same target whose calls carry `options` too: what they say replaces what this client
    /// says, interceptors are added inside of its own. The client itself stays as it is.
    #[must_use]
    fn with(&self, options: CallOptions) -> Self {
        Self::__from_inner(self.__inner().with(options))
    }

    /// Hands a request to the target's `fetch`, with no network in between: it is moved, not parsed, and its
    /// URL reaches the Worker as it is and resolves nothing.
    ///
    /// A URL alone is a request too; see [`IntoRequest`]. A redirect is the answer of a [`Request`](crate::Request)
    /// unless it says otherwise, and is followed for a URL; see [`Redirect`](crate::Redirect).
    ///
    /// # Errors
    ///
    /// What the Worker's `fetch` returns, [`is_not_found`](crate::Error::is_not_found) if it has none, and whatever
    /// can befall a call. An answer 204, 205 or 304 with a body is an error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the Worker's `fetch` where it awaits.
    fn fetch(&self, request: impl IntoRequest) -> Fetching<'_, Self> {
        Fetching::new(self.__inner(), request)
    }
}

impl<C: Service> Client for C {}

/// What a client is made of.
pub struct Inner<C: Service> {
    binding: Arc<Binding>,
    /// A box in an `Arc`, because the data of an `Arc<dyn Trait>` lies at an offset that depends on the type behind
    /// it, which is five instructions a call. For a local service, an `Rc`.
    twin: <C::Flavour as Flavour>::Shared<Box<C::Dyn>>,
}

/// What a client knows of its target, and what it adds to each call.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    /// The name of the callee.
    pub(crate) worker: Cow<'static, str>,
    pub(crate) limits: Limits,
    /// What a pipeline that begins with this call counts from.
    pub(crate) first: FirstCounts,
    /// What a call costs: an invocation in the low half, a subrequest in the high one.
    pub(crate) cost: u64,
    /// The Worker, if a host watches its handlers.
    pub(crate) watched: Watched,
    /// Whether the target is in another process, for who watches.
    pub(crate) is_elsewhere: bool,
    /// Whether there is more to a call than its arguments. Read by every call, instead of all of `options`.
    pub(crate) special: bool,
    pub(crate) options: Option<Arc<Options>>,
    /// Why calls are refused, if they are.
    pub(crate) refusal: Option<Refusal>,
    /// What the target learns of its calls, if it is a binding of a configuration.
    #[cfg(feature = "host")]
    pub(crate) props: Option<Arc<crate::config::Props>>,
    /// Who is to know that a handler of the target has panicked.
    #[cfg(feature = "host")]
    pub(crate) broken: Option<Arc<Broken>>,
}

/// What is told of the panics of a Worker's handlers.
#[cfg(feature = "host")]
#[derive(Debug, Default)]
pub(crate) struct Broken(pub(crate) tokio::sync::Notify);

/// Why calls are refused.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    why: Kind,
    /// Whether `fetch` is none of them.
    spares_fetch: bool,
}

/// [`CallOptions`], ready for use.
pub(crate) struct Options {
    pub(crate) given: CallOptions,
    pub(crate) travelling: Option<Arc<Travelling>>,
    pub(crate) interceptors: Option<Arc<[Arc<dyn crate::interceptor::DynInterceptor>]>>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.given.fmt(f)
    }
}

impl<C: Service> Inner<C> {
    /// A client that owns `implementation`.
    #[must_use]
    pub fn owned<W: 'static>(implementation: W) -> Self
    where
        C: Serves<W>,
    {
        Self::new(C::twin(Local::new(Hold::Owned(implementation), None)), Binding::of_type::<W>())
    }

    /// A client of an implementation that the caller keeps.
    #[must_use]
    pub fn shared<W: 'static>(implementation: Arc<W>) -> Self
    where
        C: Serves<W>,
    {
        Self::new(C::twin(Local::new(Hold::Shared(implementation), None)), Binding::of_type::<W>())
    }

    /// A client of all that the default entrypoint of a Worker declares.
    #[must_use]
    pub fn worker<W: Worker>(worker: W) -> Self
    where
        C: Serves<W>,
    {
        W::entrypoint(Entrypoint::new()).own(worker)
    }

    pub(crate) fn new(twin: Box<C::Dyn>, mut binding: Binding) -> Self {
        binding.is_elsewhere = twin.__port().is_some();
        Self { binding: Arc::new(binding), twin: C::Flavour::share(twin) }
    }

    fn with(&self, options: CallOptions) -> Self {
        let mut binding = Binding::clone(&self.binding);
        binding.set_options(options);
        Self { binding: Arc::new(binding), twin: self.twin.clone() }
    }

    /// A client of the same target that says this to it, whatever it said.
    #[cfg(feature = "host")]
    pub(crate) fn with_props(&self, props: Arc<crate::config::Props>) -> Self {
        let binding = Binding { props: Some(props), ..Binding::clone(&self.binding) };
        Self { binding: Arc::new(binding), twin: self.twin.clone() }
    }

    #[inline]
    pub(crate) fn binding(&self) -> &Arc<Binding> {
        &self.binding
    }

    #[inline]
    pub(crate) fn twin(&self) -> &C::Dyn {
        &self.twin
    }
}

impl<C: Service> Clone for Inner<C> {
    #[inline]
    fn clone(&self) -> Self {
        Self { binding: Arc::clone(&self.binding), twin: self.twin.clone() }
    }
}

impl<C: Service> fmt::Debug for Inner<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Client");
        debug.field("service", &C::INFO.name).field("worker", &self.binding().worker);
        if let Some(options) = &self.binding().options {
            debug.field("options", &options.given);
        }
        debug.finish()
    }
}

impl Binding {
    /// Of a client that the program made itself, to something that has no name but that of its type.
    pub(crate) fn of_type<W>() -> Self {
        Self { worker: Cow::Borrowed(short_name(std::any::type_name::<W>())), ..Self::peer() }
    }

    /// Of a client whose target is not in this process.
    pub(crate) fn elsewhere(target: impl Into<Cow<'static, str>>) -> Self {
        Self { worker: target.into(), ..Self::peer() }
    }

    /// Of a caller that is not in this process.
    pub(crate) const fn peer() -> Self {
        Self {
            worker: Cow::Borrowed("a caller elsewhere"),
            limits: Limits::new(),
            first: FirstCounts::of(&Limits::new()),
            cost: INVOCATION,
            watched: Watched::NOT,
            is_elsewhere: false,
            special: false,
            options: None,
            refusal: None,
            #[cfg(feature = "host")]
            props: None,
            #[cfg(feature = "host")]
            broken: None,
        }
    }

    /// With the limits of the pipelines that calls over it start.
    #[cfg(feature = "host")]
    pub(crate) fn limited(self, limits: Limits) -> Self {
        Self { limits, first: FirstCounts::of(&limits), ..self }
    }

    /// With handlers of these methods that a host watches.
    #[cfg(feature = "host")]
    pub(crate) fn watched(self, methods: &[&'static MethodInfo]) -> Self {
        Self { watched: Watched::new(&self.worker, methods), ..self }
    }

    /// A handler of the target has panicked.
    #[cold]
    pub(crate) fn note_panic(&self) {
        #[cfg(feature = "host")]
        if let Some(broken) = &self.broken {
            broken.0.notify_one();
        }
    }

    /// Refuses every call.
    pub(crate) fn refuse(&mut self, why: Kind) {
        self.refusal = Some(Refusal { why, spares_fetch: false });
        self.special = true;
    }

    /// Refuses the methods of the service.
    pub(crate) fn refuse_service(&mut self, why: Kind) {
        self.refusal = Some(Refusal { why, spares_fetch: true });
        self.special = true;
    }

    pub(crate) fn set_options(&mut self, newer: CallOptions) {
        let given = match &self.options {
            Some(options) => options.given.merged(newer),
            None => newer,
        };
        let travelling = Travelling::of(&given.travelling);
        let interceptors = (!given.interceptors.is_empty()).then(|| given.interceptors.clone().into());
        self.special |= given.deadline.is_some() || given.limits.is_some();
        self.special |= travelling.is_some() || interceptors.is_some();
        self.special |= metadata::excess(given.metadata.iter().chain(&given.travelling)).is_some();
        self.options = Some(Arc::new(Options { given, travelling, interceptors }));
    }

    /// Why a call is refused, if it is.
    pub(crate) fn refusal(&self, method: &MethodInfo) -> Option<&Kind> {
        let Refusal { why, spares_fetch } = self.refusal.as_ref()?;
        (!(*spares_fetch && method.service.is_empty())).then_some(why)
    }

    pub(crate) fn metadata(&self) -> &[Entry] {
        self.options.as_ref().map_or(&[], |options| &options.given.metadata)
    }

    pub(crate) fn travelling(&self) -> Option<&Arc<Travelling>> {
        self.options.as_ref()?.travelling.as_ref()
    }

    /// Those of a pipeline that begins with a call over it.
    pub(crate) fn limits_of_first(&self) -> Limits {
        self.options.as_ref().and_then(|options| options.given.limits).unwrap_or(self.limits)
    }

    pub(crate) fn interceptors(&self) -> Option<&Arc<[Arc<dyn crate::interceptor::DynInterceptor>]>> {
        self.options.as_ref()?.interceptors.as_ref()
    }
}

/// The cost of a call that is not made through a binding of a configuration.
pub(crate) const INVOCATION: u64 = 1;

/// `AuthWorker` of `auth::worker::AuthWorker`; type arguments stay as they are.
pub(crate) fn short_name(full: &'static str) -> &'static str {
    let path = full.find('<').unwrap_or(full.len());
    full[..path].rfind("::").map_or(full, |at| &full[at + 2..])
}
