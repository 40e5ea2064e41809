//! What a session serves.

use std::{collections::HashMap, fmt, sync::Arc};

use super::{
    arrival::{Arrival, Handler},
    contracts::Digest,
    explain, fetch,
};
use crate::{
    boundary::Boundary,
    client::{Binding, Client},
    fetch::{FETCH, Fetcher},
    instances::Instances,
    limits::Limits,
    options::CallOptions,
    service::{MethodInfo, Service, ServiceInfo},
    worker::{Entrypoint, Worker},
};

/// One service that a session serves.
pub struct Served {
    info: &'static ServiceInfo,
    /// By their ids, ascending: of a few, this is found sooner than by a hash.
    methods: Vec<(u64, &'static MethodInfo)>,
    digest: Digest,
    /// What a caller may use here, whatever it has left.
    limits: Limits,
    serve: Box<ServeCall>,
    /// Makes the same for callers of whom this is known; `None` for what no Worker serves.
    #[cfg(feature = "host")]
    bind: Option<Box<BindServed>>,
}

#[cfg(feature = "host")]
type BindServed = dyn Fn(Arc<crate::config::Props>) -> Served + Send + Sync;

type ServeCall = dyn Fn(Arrival, Option<CallOptions>) -> Handler + Send + Sync;

/// All services that a session serves, by entrypoint and name.
#[derive(Clone, Default)]
pub struct Services(HashMap<(String, String), Arc<Served>>);

impl Served {
    /// What a client of `C` calls, for callers elsewhere.
    pub fn of<C: Boundary + Clone + Send + Sync>(client: C) -> Option<Self> {
        Some(Self::new(C::INFO, C::INFO.methods, client, C::serve))
    }

    /// The `fetch` that a client calls.
    pub(crate) fn fetch<C: Boundary + Clone + Send + Sync>(client: C) -> Self {
        static METHODS: [&MethodInfo; 1] = [&FETCH];
        Self::new(Fetcher::INFO, &METHODS, client, fetch::serve)
    }

    /// A service that no trait states.
    pub(super) fn by_hand(
        info: &'static ServiceInfo,
        methods: &[&'static MethodInfo],
        serve: impl Fn(Arrival, Option<CallOptions>) -> Handler + Send + Sync + 'static,
    ) -> Self {
        let mut methods: Vec<_> = methods.iter().map(|method| (method.id.get(), *method)).collect();
        methods.sort_unstable_by_key(|(id, _)| *id);
        Self {
            info,
            methods,
            digest: Digest::of(info),
            limits: Limits::new(),
            serve: Box::new(serve),
            #[cfg(feature = "host")]
            bind: None,
        }
    }

    fn new<C: Client + Clone + Send + Sync>(
        info: &'static ServiceInfo,
        methods: &'static [&'static MethodInfo],
        client: C,
        serve: fn(C, Arrival) -> Handler,
    ) -> Self {
        #[cfg(feature = "host")]
        let bind = {
            let client = client.clone();
            move |props| Self::new(info, methods, C::__from_inner(client.__inner().with_props(props)), serve)
        };
        let served = Self::by_hand(info, methods, move |call, options| {
            let client = match options {
                Some(options) => client.with(options),
                None => client.clone(),
            };
            serve(client, call)
        });
        #[cfg(feature = "host")]
        let served = Self { bind: Some(Box::new(bind)), ..served };
        served
    }

    /// The same for callers of whom this is known.
    #[cfg(feature = "host")]
    pub(super) fn with_props(&self, props: Arc<crate::config::Props>) -> Option<Self> {
        Some(self.bind.as_ref()?(props).limited(self.limits))
    }

    #[cfg(feature = "host")]
    pub(crate) fn limited(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    pub(super) fn name(&self) -> &'static str {
        self.info.name
    }

    pub(super) fn info(&self) -> &'static ServiceInfo {
        self.info
    }

    pub(super) fn digest(&self) -> Digest {
        self.digest
    }

    pub(super) fn method(&self, id: u64) -> Option<&'static MethodInfo> {
        let at = self.methods.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(self.methods[at].1)
    }

    /// Begins to serve a call, which `options` say more about.
    pub(super) fn serve(&self, call: Arrival, options: Option<CallOptions>) -> Handler {
        (self.serve)(call.limited(self.limits), options)
    }
}

/// What a session can serve: a Worker, with all that its entrypoint declares, or what a client calls.
///
/// `M` tells the two apart, and is found by rustc.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be served",
    label = "expected a `Worker`, or the client of a service such as `AuthClient`",
    note = "`AuthClient::new(worker)` is a client of anything that implements `Auth`; a `#[service(local)]` stays in its thread"
)]
pub trait Serve<M> {
    #[doc(hidden)]
    fn add_to(self, services: &mut Services);
}

/// [`Serve`] for a [`Worker`].
#[derive(Debug)]
#[expect(unnameable_types, reason = "rustc finds it, nobody names it")]
pub struct ByWorker(());

/// [`Serve`] for what a client calls.
#[derive(Debug)]
#[expect(unnameable_types, reason = "rustc finds it, nobody names it")]
pub struct ByClient(());

impl<W: Worker> Serve<ByWorker> for W {
    fn add_to(self, services: &mut Services) {
        let cell = Arc::new(Instances::from(self));
        let binding = Binding::of_type::<W>();
        for (entrypoint, served) in W::entrypoint(Entrypoint::new()).served(&cell, &binding) {
            services.add(entrypoint, served);
        }
    }
}

impl<C: Boundary + Clone + Send + Sync> Serve<ByClient> for C {
    fn add_to(self, services: &mut Services) {
        services.add("", Served::fetch(self.clone()));
        if let Some(served) = Served::of(self) {
            services.add("", served);
        }
    }
}

impl Services {
    pub(crate) fn add(&mut self, entrypoint: &str, served: Served) {
        let name = (entrypoint.to_owned(), served.name().to_owned());
        self.0.insert(name, Arc::new(served));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Entrypoint, service and the digest of its contract, in hexadecimal digits; in the order of their names.
    #[cfg(feature = "host")]
    pub(crate) fn list(&self) -> Vec<(&str, &str, String)> {
        let digits = |digest: Digest| digest.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut list: Vec<_> = (self.0.iter())
            .map(|((entrypoint, service), served)| (&**entrypoint, &**service, digits(served.digest)))
            .collect();
        list.sort_unstable();
        list
    }

    /// With the contracts of all of them, for who has other ones.
    pub(super) fn with_contracts(mut self) -> Self {
        let infos: Vec<_> = self.0.values().map(|served| served.info).collect();
        if !infos.is_empty() {
            self.add("", explain::served(infos));
        }
        self
    }

    pub(super) fn find(&self, entrypoint: &str, service: &str) -> Option<&Arc<Served>> {
        self.0.get(&(entrypoint.to_owned(), service.to_owned()))
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("service", &self.info.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
