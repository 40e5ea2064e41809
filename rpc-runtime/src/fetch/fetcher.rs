//! A client for requests alone.

use std::fmt;

use super::Fetch;
use crate::{
    boundary::{Boundary, Far, Incoming, Proxy},
    client::{Binding, Inner},
    local::{Hold, Local},
    raw::Threaded,
    service::{Serves, Service, ServiceInfo, Target},
    session::Served,
    worker::Worker,
};

/// A client that is used for `fetch` alone, of anything that answers requests.
///
/// See [`Fetch`] for an example.
#[derive(Clone)]
pub struct Fetcher(Inner<Self>);

impl Fetcher {
    /// A client that owns `handler`.
    #[must_use]
    pub fn new<F: Fetch + 'static>(handler: F) -> Self {
        let local: Box<dyn DynFetcher> =
            Box::new(Local::new(Hold::Owned(handler), Some(crate::worker::fetch::<F>)));
        Self(Inner::new(local, Binding::of_type::<F>()))
    }

    /// A client that owns `worker`, for the `fetch` that its default entrypoint declares.
    #[must_use]
    pub fn from_worker<W: Worker + Fetch>(worker: W) -> Self {
        Self(Inner::worker(worker))
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The twin of a service without methods.
pub trait DynFetcher: Target<Threaded> + Send + Sync {}

impl<W: Send + Sync> DynFetcher for Local<W, Threaded> {}

impl<F: Far> DynFetcher for Proxy<F> {}

impl Boundary for Fetcher {
    fn proxy<F: Far>(far: F) -> Box<Self::Dyn> {
        Box::new(Proxy(far))
    }

    /// A service without methods; requests are served beside it.
    fn serve<C: Incoming>(self, call: C) -> C::Handler {
        call.__unknown()
    }
}

impl Service for Fetcher {
    type Dyn = dyn DynFetcher;
    type Flavour = Threaded;
    const INFO: &'static ServiceInfo = &ServiceInfo::new("", &[]);

    fn __from_inner(inner: Inner<Self>) -> Self {
        Self(inner)
    }

    fn __inner(&self) -> &Inner<Self> {
        &self.0
    }
}

impl<W: Fetch + 'static> Serves<W> for Fetcher {
    /// An entrypoint that offers `Fetcher` as a service offers `fetch`, whether or not it says so.
    fn twin(local: Local<W, Threaded>) -> Box<Self::Dyn> {
        Box::new(local.or_fetch(crate::worker::fetch::<W>))
    }

    fn served(self) -> Option<Served> {
        Some(Served::fetch(self))
    }
}
