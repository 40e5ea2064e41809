//! One Worker on one thread, whatever its type.

use std::{
    any::{Any, TypeId},
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::Poll,
};

use crate::{
    client::{Binding, Broken},
    config::Config,
    env::{Bindings, Env},
    error::{Error, Kind},
    instances::{Instances, LATER_MAX},
    limits::Limits,
    options::CallOptions,
    raw::Payload,
    session::Services,
    worker::{Entrypoint, Offered, OnPanic, Worker},
};

/// One Worker on one thread. Its cell is there before the Worker is, so bindings can lead in a circle.
pub(super) trait Instance {
    /// What an entrypoint offers; `Err` with the names there are.
    fn entrypoint(&self, name: Option<&str>) -> Result<Vec<&'static str>, Vec<&'static str>>;

    /// The entrypoints, and what each offers; the default one has no name.
    fn entrypoints(&self) -> Vec<(&'static str, Vec<&'static str>)>;

    /// Every service on offer, at whatever entrypoint.
    fn services(&self) -> Vec<Offered>;

    /// The twin for a client of this type: a `Box<C::Dyn>` in the box.
    fn twin(&self, entrypoint: Option<&str>, client: TypeId) -> Option<Box<dyn Any>>;

    /// What callers elsewhere may reach, at whatever entrypoint, of a Worker that is configured so.
    fn served(&self, config: &Config) -> Services;

    /// What is told of the panics of its handlers, if it is to be made again after one.
    fn broken(&self) -> Option<Arc<Broken>>;

    /// Makes the `Env`; `None` if there are faults. What comes back makes the Worker.
    fn bind(&self, bindings: &mut Bindings<'_>) -> Option<Making>;
}

fn panicked(payload: Payload) -> Error {
    Error::new(Kind::Setup(format!("its `new` panicked: {}", crate::panics::describe(payload)).into()))
}

/// Makes a Worker and puts it into its cell.
pub(super) type Making = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

pub(super) struct Of<W> {
    cell: Arc<Instances<W>>,
    broken: Option<Arc<Broken>>,
    entrypoint: Entrypoint<W>,
}

impl<W: Worker> Of<W> {
    pub(super) fn new() -> Self {
        let broken = matches!(W::ON_PANIC, OnPanic::Rebuild).then(Arc::default);
        Self { cell: Arc::default(), broken, entrypoint: W::entrypoint(Entrypoint::new()) }
    }
}

impl<W> Instance for Of<W>
where
    W: Worker,
    W::Env: Env,
{
    fn entrypoint(&self, name: Option<&str>) -> Result<Vec<&'static str>, Vec<&'static str>> {
        match self.entrypoint.select(name) {
            Some(entrypoint) => Ok(entrypoint.services().collect()),
            None => Err(self.entrypoint.names().collect()),
        }
    }

    fn entrypoints(&self) -> Vec<(&'static str, Vec<&'static str>)> {
        let offers = |name| self.entrypoint.select(name).into_iter().flat_map(Entrypoint::services).collect();
        let named = self.entrypoint.names().map(|name| (name, offers(Some(name))));
        std::iter::once(("", offers(None))).chain(named).collect()
    }

    fn services(&self) -> Vec<Offered> {
        self.entrypoint.all_services()
    }

    fn twin(&self, entrypoint: Option<&str>, client: TypeId) -> Option<Box<dyn Any>> {
        self.entrypoint.select(entrypoint)?.twin(client, &self.cell)
    }

    fn served(&self, config: &Config) -> Services {
        let mut services = Services::default();
        let offered = self.entrypoint.all_services();
        let methods: Vec<_> = offered.iter().flat_map(|offered| offered.info.methods).copied().collect();
        let worker = config.name.to_string().into();
        // As for requests: all calls from elsewhere are to be seen by who watches.
        let mut binding = Binding { worker, special: true, broken: self.broken(), ..Binding::of_type::<W>() }
            .watched(&methods);
        if config.limits != Limits::new() {
            // Counted beside what the caller has left, so that the error names these limits.
            binding.set_options(CallOptions::new().limits(config.limits));
        }
        for (entrypoint, served) in self.entrypoint.served(&self.cell, &binding) {
            services.add(entrypoint, served.limited(config.limits));
        }
        services
    }

    fn broken(&self) -> Option<Arc<Broken>> {
        self.broken.clone()
    }

    fn bind(&self, bindings: &mut Bindings<'_>) -> Option<Making> {
        let env = W::Env::from_bindings(bindings)?;
        let cell = Arc::clone(&self.cell);
        let mut made = Box::pin(async move { W::new(env).await });
        Some(Box::pin(async move {
            // A panic is one more way in which a Worker cannot be made.
            let worker = poll_fn(|cx| {
                catch_unwind(AssertUnwindSafe(|| made.as_mut().poll(cx)))
                    .unwrap_or_else(|payload| Poll::Ready(Err(panicked(payload))))
            });
            let worker = worker.await?;
            cell.put(worker).map_err(|_| {
                let why = format!("it was made again {LATER_MAX} times, which is the most");
                Error::new(Kind::Setup(why.into()))
            })
        }))
    }
}
