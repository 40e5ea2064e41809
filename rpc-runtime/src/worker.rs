//! Workers: what a host makes, and what a binding points to.

use std::{fmt, future::Future, marker::PhantomData};

use crate::{
    error::{Error, Kind},
    fetch::{Fetch, Request, Response},
    local::FetchFn,
    raw::{Flavour, Slot, Started, Threaded},
    service::{Serves, ServiceInfo},
};

/// A type that implements services, or answers requests, and is made from what it may reach.
pub trait Worker: Sized + 'static {
    /// What it may reach: its bindings, variables and secrets.
    type Env;

    /// Makes the Worker.
    ///
    /// # Errors
    ///
    /// A Worker that cannot be made keeps its host from starting.
    fn new(env: Self::Env) -> impl Future<Output = Result<Self, Error>> + Send;

    /// Says what callers may reach.
    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self>;
}

/// What a binding points to: the services and the `fetch` that a Worker offers there.
pub struct Entrypoint<W> {
    services: Vec<&'static ServiceInfo>,
    fetch: Option<FetchFn<W, Threaded>>,
    worker: PhantomData<fn() -> W>,
}

impl<W: 'static> Entrypoint<W> {
    pub(crate) fn new() -> Self {
        Self { services: Vec::new(), fetch: None, worker: PhantomData }
    }

    /// Offers a service, named by its client: `.service::<AuthClient>()`.
    #[must_use]
    pub fn service<C: Serves<W>>(mut self) -> Self {
        self.services.push(C::INFO);
        self
    }

    /// Offers the Worker's `fetch`.
    #[must_use]
    pub fn fetch(mut self) -> Self
    where
        W: Fetch,
    {
        self.fetch = Some(fetch::<W>);
        self
    }

    pub(crate) fn declares(&self, service: &ServiceInfo) -> bool {
        self.services.iter().any(|declared| std::ptr::eq(*declared, service))
    }

    pub(crate) fn undeclared(&self, service: &ServiceInfo) -> Kind {
        Kind::NotFound(
            format!(
                "the entrypoint does not declare the service `{0}`: add `.service::<{0}Client>()`",
                service.name
            )
            .into(),
        )
    }

    pub(crate) fn fetch_of<L: Flavour>(&self) -> Option<FetchFn<W, L>> {
        None
    }
}

/// Polls the `fetch` of a Worker in the slot of a call.
pub(crate) fn fetch<'k, W: Fetch>(
    worker: &'k W,
    request: Request,
    slot: Slot<'k, Result<Response, Error>, Threaded>,
) -> Started<'k, Result<Response, Error>> {
    slot.run(Some(worker), move |worker| worker.fetch(request))
}

impl<W> fmt::Debug for Entrypoint<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entrypoint").field("services", &self.services).finish_non_exhaustive()
    }
}
