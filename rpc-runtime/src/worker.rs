//! Workers: what a host makes, and what a binding points to.

use std::{
    any::{Any, TypeId},
    fmt,
    future::Future,
    sync::Arc,
};

use crate::{
    client::{Binding, Inner},
    error::{Error, Kind},
    fetch::{Fetch, Fetcher, GivenRequest, LocalFetch, Response},
    instances::Instances,
    local::{FetchFn, Hold, Local},
    raw::{Flavour, SameThread, Slot, Started, Threaded},
    service::{Serves, Service, ServiceInfo},
    session::Served,
};

/// A type that implements services, or answers requests, and is made from what it may reach.
///
/// ```
/// use rpc_runtime::{Entrypoint, Error, Result, Worker, service};
///
/// #[service]
/// trait Counter {
///     async fn next(&self) -> Result<u64>;
/// }
///
/// #[derive(Default)]
/// struct Count(std::sync::atomic::AtomicU64);
///
/// impl Worker for Count {
///     type Env = ();
///     async fn new((): ()) -> Result<Self, Error> {
///         Ok(Self::default())
///     }
///     fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
///         entrypoint.service::<CounterClient>()
///     }
/// }
///
/// impl Counter for Count {
///     async fn next(&self) -> Result<u64> {
///         Ok(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let counter = CounterClient::from_worker(Count::new(()).await?);
/// assert_eq!(counter.next().await?, 0);
/// assert_eq!(counter.next().await?, 1);
/// # Ok(()) }
/// ```
pub trait Worker: Sized + 'static {
    /// What it may reach: its bindings, variables and secrets. `()` for a Worker that needs nothing.
    type Env;

    /// What becomes of an instance when one of its handlers has panicked. Default [`OnPanic::Keep`].
    const ON_PANIC: OnPanic = OnPanic::Keep;

    /// Makes the Worker. A host makes one for each of its threads; `Host` says when, and
    /// when they are dropped.
    ///
    /// # Errors
    ///
    /// A Worker that cannot be made keeps its host from starting; the host names it, with the error.
    fn new(env: Self::Env) -> impl Future<Output = Result<Self, Error>>;

    /// Says what callers may reach.
    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self>;
}

/// What becomes of an instance of a Worker when a handler of it has panicked, or what the handler has left behind: a body
/// that streams, work of `wait_until`, the drop of what was cancelled. (A panic in `Ctx::spawn` is for whoever awaits that.)
/// See [`Worker::ON_PANIC`].
///
/// The call fails with [`is_panic`](crate::Error::is_panic) in any case, and calls beside it go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnPanic {
    /// It goes on. A Worker whose fields a panic can leave half changed, or which has a `Mutex` that a panic poisons,
    /// is not one for this.
    #[default]
    Keep,
    /// A host makes a new one for this thread, with an `Env` of its own, by [`Worker::new`]. Until that is made, calls
    /// go to the old one; what state it has in its fields is not taken over.
    ///
    /// A call that began earlier ends where it began, so a replaced instance is dropped with its host and not before.
    /// Therefore the next one is made 1 s after the last at the soonest, then twice as late each time up to 1 minute,
    /// and at most 64 of them; after that, and if `new` fails, the host goes on with the last one and the log says so.
    /// A Worker that no host made is kept.
    ///
    /// ```
    /// # use rpc_runtime::{Entrypoint, Error, Worker};
    /// use std::{collections::HashMap, sync::Mutex};
    /// use rpc_runtime::OnPanic;
    ///
    /// struct Cache(Mutex<HashMap<u64, String>>);
    ///
    /// impl Worker for Cache {
    ///     type Env = ();
    ///     const ON_PANIC: OnPanic = OnPanic::Rebuild;
    ///     async fn new((): ()) -> Result<Self, Error> {
    ///         Ok(Self(Mutex::default()))
    ///     }
    /// #   fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> { entrypoint }
    /// }
    /// ```
    Rebuild,
}

/// What a binding points to: the services and the `fetch` that a Worker offers there.
///
/// Nothing else of a Worker can be reached: not its fields, not its `Env`, not a service that it implements
/// without offering it. See [`Worker`] for an example.
pub struct Entrypoint<W> {
    offers: Vec<Offer<W>>,
    fetch: Option<FetchFn<W, Threaded>>,
    local_fetch: Option<FetchFn<W, SameThread>>,
    named: Vec<(&'static str, Self)>,
}

type MakeTwin<W> = fn(Arc<Instances<W>>, &Entrypoint<W>) -> Box<dyn Any>;

/// A service that an entrypoint offers.
struct Offer<W> {
    service: Offered,
    /// Makes the twin for a Worker in a cell: a `Box<C::Dyn>`, boxed once more to forget its type.
    #[cfg_attr(not(feature = "host"), expect(dead_code, reason = "a host alone asks for it"))]
    twin: MakeTwin<W>,
    /// Makes what serves callers elsewhere, if the service can leave its thread.
    served: MakeServed<W>,
}

type MakeServed<W> = fn(Arc<Instances<W>>, &Entrypoint<W>, Binding) -> Option<Served>;

/// A service on offer, whoever offers it.
#[derive(Clone, Copy)]
pub(crate) struct Offered {
    pub(crate) info: &'static ServiceInfo,
    pub(crate) client: TypeId,
    /// The path of the client's type, for the fault.
    #[cfg_attr(not(feature = "host"), expect(dead_code, reason = "a host alone asks for it"))]
    pub(crate) client_name: fn() -> &'static str,
    /// Whether it can be asked for over a boundary.
    #[cfg_attr(not(feature = "host"), expect(dead_code, reason = "a host alone asks for it"))]
    pub(crate) is_on_wire: bool,
}

impl Offered {
    fn of<C: Service>() -> Self {
        Self {
            info: C::INFO,
            client: TypeId::of::<C>(),
            client_name: std::any::type_name::<C>,
            is_on_wire: TypeId::of::<C::Flavour>() == TypeId::of::<Threaded>(),
        }
    }
}

impl<W: 'static> Entrypoint<W> {
    pub(crate) fn new() -> Self {
        Self { offers: Vec::new(), fetch: None, local_fetch: None, named: Vec::new() }
    }

    /// Offers a service, named by its client: `.service::<AuthClient>()`.
    #[must_use]
    pub fn service<C: Serves<W>>(mut self) -> Self {
        self.offers.push(Offer {
            service: Offered::of::<C>(),
            twin: twin_in_cell::<C, W>,
            served: served_in_cell::<C, W>,
        });
        self
    }

    /// Offers the Worker's `fetch`.
    #[must_use]
    pub fn fetch(mut self) -> Self
    where
        W: Fetch,
    {
        self.fetch = Some(fetch::<W>);
        self.local_fetch = Some(fetch_here::<W>);
        self.service::<Fetcher>()
    }

    /// Offers the `fetch` of a Worker that does not leave its thread, to callers on that thread.
    #[must_use]
    pub fn local_fetch(mut self) -> Self
    where
        W: LocalFetch,
    {
        self.local_fetch = Some(local_fetch::<W>);
        self
    }

    /// Adds an entrypoint of its own name, which callers reach by `entrypoint = ".."` in their binding, with what
    /// `declare` offers there and nothing else.
    ///
    /// ```
    /// # use rpc_runtime::{Entrypoint, Result, service};
    /// # #[service] trait Auth { async fn verify(&self, token: &str) -> Result<bool>; }
    /// # #[service] trait Admin { async fn revoke(&self, token: &str) -> Result<()>; }
    /// # fn entrypoint<W: Auth + Admin + 'static>(entrypoint: Entrypoint<W>) -> Entrypoint<W> {
    /// entrypoint.service::<AuthClient>().named("Admin", |admin| admin.service::<AdminClient>())
    /// # }
    /// ```
    #[must_use]
    pub fn named(mut self, name: &'static str, declare: impl FnOnce(Self) -> Self) -> Self {
        self.named.push((name, declare(Self::new())));
        self
    }

    #[cfg(feature = "host")]
    /// The entrypoint of this name, or the default one.
    pub(crate) fn select(&self, name: Option<&str>) -> Option<&Self> {
        let Some(name) = name else { return Some(self) };
        self.named.iter().find(|(known, _)| *known == name).map(|(_, entrypoint)| entrypoint)
    }

    #[cfg(feature = "host")]
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.named.iter().map(|(name, _)| *name)
    }

    #[cfg(feature = "host")]
    /// The twin that a client of this type needs, for a Worker in a cell: a `Box<C::Dyn>` in the box.
    pub(crate) fn twin(&self, client: TypeId, cell: &Arc<Instances<W>>) -> Option<Box<dyn Any>> {
        let offer = self.offers.iter().find(|offer| offer.service.client == client)?;
        Some((offer.twin)(Arc::clone(cell), self))
    }

    /// A client that owns a Worker, for what this entrypoint declares.
    pub(crate) fn own<C: Serves<W>>(&self, worker: W) -> Inner<C> {
        let mut binding = Binding::of_type::<W>();
        if !self.offers.iter().any(|offer| offer.service.client == TypeId::of::<C>()) {
            refuse_undeclared::<C>(&mut binding);
        }
        Inner::new(C::twin(Local::new(Hold::Owned(worker), C::Flavour::fetch_of(self))), binding)
    }

    /// All that is served to callers elsewhere, by entrypoint; the default one has no name. Their calls are made over
    /// `binding`.
    pub(crate) fn served(&self, cell: &Arc<Instances<W>>, binding: &Binding) -> Vec<(&'static str, Served)> {
        let all = std::iter::once(("", self)).chain(self.named.iter().map(|(name, named)| (*name, named)));
        all.flat_map(|(name, entrypoint)| {
            let offers = entrypoint.offers.iter();
            offers.filter_map(move |offer| {
                Some((name, (offer.served)(Arc::clone(cell), entrypoint, binding.clone())?))
            })
        })
        .collect()
    }

    /// The names of the services on offer, in declared order, `fetch` among them.
    pub(crate) fn services(&self) -> impl Iterator<Item = &'static str> {
        let name = |offer: &Offer<W>| offer.service.info.name;
        self.offers.iter().map(name).map(|name| if name.is_empty() { "fetch" } else { name })
    }

    #[cfg(feature = "host")]
    /// The services on offer here and at the named entrypoints.
    pub(crate) fn all_services(&self) -> Vec<Offered> {
        let named = self.named.iter().flat_map(|(_, entrypoint)| entrypoint.all_services());
        self.offers.iter().map(|offer| offer.service).chain(named).collect()
    }

    pub(crate) fn threaded_fetch(&self) -> Option<FetchFn<W, Threaded>> {
        self.fetch
    }

    pub(crate) fn same_thread_fetch(&self) -> Option<FetchFn<W, SameThread>> {
        self.local_fetch
    }
}

fn refuse_undeclared<C: Service>(binding: &mut Binding) {
    if C::INFO.name.is_empty() {
        return binding.refuse(Kind::NoFetch);
    }
    let why = format!(
        "the entrypoint of `{}` does not declare the service `{}`: add `.service::<{}>()` to it",
        binding.worker,
        C::INFO.name,
        crate::client::short_name(std::any::type_name::<C>()),
    );
    binding.refuse_service(Kind::NotFound(why.into()));
}

fn twin_in_cell<C: Serves<W>, W: 'static>(
    cell: Arc<Instances<W>>,
    entrypoint: &Entrypoint<W>,
) -> Box<dyn Any> {
    let local = Local::new(Hold::Cell(cell), C::Flavour::fetch_of(entrypoint));
    Box::new(C::twin(local))
}

fn served_in_cell<C: Serves<W>, W: 'static>(
    cell: Arc<Instances<W>>,
    entrypoint: &Entrypoint<W>,
    binding: Binding,
) -> Option<Served> {
    let local = Local::new(Hold::Cell(cell), C::Flavour::fetch_of(entrypoint));
    C::__from_inner(Inner::new(C::twin(local), binding)).served()
}

/// Polls the `fetch` of a Worker in the slot of a call.
pub(crate) fn fetch<'k, W: Fetch>(
    worker: &'k W,
    request: GivenRequest<'_, '_, Threaded>,
    slot: Slot<'k, Result<Response, Error>, Threaded>,
) -> Started<'k, Result<Response, Error>> {
    slot.run(Some(worker), |worker| worker.fetch(request.take()))
}

/// The same for callers that stay on their thread.
fn fetch_here<'k, W: Fetch>(
    worker: &'k W,
    request: GivenRequest<'_, '_, SameThread>,
    slot: Slot<'k, Result<Response, Error>, SameThread>,
) -> Started<'k, Result<Response, Error>> {
    slot.run(Some(worker), |worker| worker.fetch(request.take()))
}

fn local_fetch<'k, W: LocalFetch>(
    worker: &'k W,
    request: GivenRequest<'_, '_, SameThread>,
    slot: Slot<'k, Result<Response, Error>, SameThread>,
) -> Started<'k, Result<Response, Error>> {
    slot.run(Some(worker), |worker| worker.fetch(request.take()))
}

impl<W: 'static> fmt::Debug for Entrypoint<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entrypoint").field("services", &self.services().collect::<Vec<_>>()).finish()
    }
}
