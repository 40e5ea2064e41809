//! The Workers of one thread by name: what bindings are resolved against.

use std::{any::Any, any::TypeId, fmt};

use super::{
    Linked,
    instance::{Instance, Making},
};
use crate::{
    client::{Binding, INVOCATION, Inner},
    config::{Config, Fault, Faults, Located, nearest},
    env::{Bindings, Wanted},
    fetch::Fetcher,
    service::Service,
};

/// Resolves a binding to the twin of its target.
pub(crate) trait Directory: fmt::Debug {
    /// A `Box<C::Dyn>` in the box, for the client that is wanted.
    fn twin(&self, wanted: &Wanted<'_>) -> Result<Box<dyn Any>, Fault>;
}

/// The Workers of one thread, in the order of their configurations.
pub(super) struct Workers<'a> {
    workers: Vec<(&'a Config, Box<dyn Instance>)>,
}

impl<'a> Workers<'a> {
    /// A cell for every configuration.
    pub(super) fn new(linked: &[Linked], configs: &'a [Config], faults: &mut Faults) -> Self {
        let mut workers: Vec<(&Config, Box<dyn Instance>)> = Vec::with_capacity(configs.len());
        for config in configs {
            if let Some((earlier, _)) = workers.iter().find(|(earlier, _)| *earlier.name == *config.name) {
                faults.push(
                    (config.name.place().fault("two Workers of one name"))
                        .with_expected("a name that no other Worker has")
                        .with_received(format_args!("`{}` again", *config.name))
                        .with_related(earlier.name.place(), "the first one is here"),
                );
                continue;
            }
            match linked.iter().find(|linked| linked.main == *config.main) {
                Some(linked) => workers.push((config, (linked.instance)())),
                None => faults.push(unknown_main(&config.main, linked)),
            }
        }
        Self { workers }
    }

    /// Makes every `Env`, and gives what makes the Workers: those that others are bound to first.
    pub(super) fn bind(&self, faults: &mut Faults) -> Vec<(&'a Config, Making)> {
        let mut makings: Vec<_> = (self.workers.iter())
            .filter_map(|(config, worker)| {
                let making = worker.bind(&mut Bindings::new(config, self, faults))?;
                Some((*config, Some(making)))
            })
            .collect();
        let mut ordered = Vec::with_capacity(makings.len());
        for at in 0..makings.len() {
            visit(at, &mut makings, &mut ordered);
        }
        ordered
    }

    /// A client for the requests to the Worker that is served.
    pub(super) fn primary(&self) -> Result<Fetcher, Fault> {
        let Some((config, worker)) = self.workers.first() else {
            unreachable!("a host starts with at least one configuration, or with faults");
        };
        let twin = worker.twin(None, TypeId::of::<Fetcher>());
        let twin = twin.and_then(|twin| twin.downcast::<Box<<Fetcher as Service>::Dyn>>().ok());
        match twin {
            Some(twin) => {
                let mut binding = Binding::of_type::<Fetcher>();
                binding.worker = config.name.to_string().into();
                binding.cost = INVOCATION;
                Ok(Fetcher::from_inner(Inner::new(*twin, binding)))
            }
            None => Err((config.main.place().fault("a Worker that does not answer requests"))
                .with_expected(
                    "an entrypoint that declares `.fetch()`, for the Worker of the first configuration",
                )
                .with_received(format_args!(
                    "`{}`, which declares {}",
                    *config.main,
                    list(worker.entrypoint(None))
                ))
                .with_help("give the configuration of the Worker to be served first")),
        }
    }
}

/// Depth first along the bindings. A Worker that is being visited is taken already, so a circle ends.
fn visit<'a>(
    at: usize,
    makings: &mut Vec<(&'a Config, Option<Making>)>,
    ordered: &mut Vec<(&'a Config, Making)>,
) {
    let config = makings[at].0;
    let Some(making) = makings[at].1.take() else { return };
    for binding in &config.services {
        if let Some(target) = makings.iter().position(|(target, _)| *target.name == *binding.service) {
            visit(target, makings, ordered);
        }
    }
    ordered.push((config, making));
}

impl Directory for Workers<'_> {
    fn twin(&self, wanted: &Wanted<'_>) -> Result<Box<dyn Any>, Fault> {
        let binding = wanted.binding;
        let target = self.workers.iter().find(|(config, _)| *config.name == *binding.service);
        let Some((config, worker)) = target else { return Err(self.unknown_service(wanted)) };
        let entrypoint = binding.entrypoint.as_deref().map(String::as_str);
        let offers = match worker.entrypoint(entrypoint) {
            Ok(offers) => offers,
            Err(known) => return Err(unknown_entrypoint(wanted, &known)),
        };
        worker.twin(entrypoint, wanted.client).ok_or_else(|| {
            let service = if wanted.service.is_empty() { "`fetch`" } else { wanted.service };
            (binding.service.place().fault("a binding to a Worker that does not offer what is wanted"))
                .with_expected(format_args!(
                    "a Worker that offers {service}, for the field of type `{}` in the `Env` of `{}`",
                    wanted.client_name, **wanted.caller,
                ))
                .with_received(format_args!("`{}`, which offers {}", *config.name, list(Ok(offers))))
                .with_help(format_args!(
                    "add `.service::<{}>()` to the entrypoint of `{}`, or bind to another Worker",
                    wanted.client_name, *config.main,
                ))
        })
    }
}

impl Workers<'_> {
    fn unknown_service(&self, wanted: &Wanted<'_>) -> Fault {
        let service = &wanted.binding.service;
        let fault = (service.place().fault("a binding to a Worker that is not there"))
            .with_expected("the `name` of a Worker whose configuration is given")
            .with_received(format_args!(
                "`{}`, for the binding `{}` of `{}`",
                **service, *wanted.binding.binding, **wanted.caller,
            ));
        let known: Vec<_> = self.workers.iter().map(|(config, _)| config.name.as_str()).collect();
        match nearest(service, known.iter().copied()) {
            Some(near) => fault.with_help(format_args!("there is a Worker `{near}`")),
            None => fault
                .with_help(format_args!("add its `worker.toml` with `-c`; there are: {}", known.join(", "))),
        }
    }
}

impl fmt::Debug for Workers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.workers.iter().map(|(config, _)| &*config.name)).finish()
    }
}

/// Everything that is wrong with these configurations.
pub(super) fn check(linked: &[Linked], configs: &[Config]) -> Result<(), Faults> {
    let mut faults = Faults::new();
    let workers = Workers::new(linked, configs, &mut faults);
    workers.bind(&mut faults);
    if !workers.workers.is_empty()
        && let Err(fault) = workers.primary()
    {
        faults.push(fault);
    }
    faults.result(())
}

fn unknown_main(main: &Located<String>, linked: &[Linked]) -> Fault {
    let fault = (main.place().fault("an entrypoint that is not in this program"))
        .with_expected("a name given to `Host::worker`")
        .with_received(format_args!("`{}`", **main));
    match nearest(main, linked.iter().map(|linked| linked.main)) {
        Some(near) => fault.with_help(format_args!("there is `{near}`")),
        None => {
            let known: Vec<_> = linked.iter().map(|linked| linked.main).collect();
            fault.with_help(format_args!("there are: {}", known.join(", ")))
        }
    }
}

fn unknown_entrypoint(wanted: &Wanted<'_>, known: &[&str]) -> Fault {
    let binding = wanted.binding;
    let place = binding.entrypoint.as_ref().map_or_else(|| binding.service.place(), Located::place);
    let name = binding.entrypoint.as_deref().map_or("", String::as_str);
    let fault = (place.fault("an entrypoint that the Worker does not have"))
        .with_expected(format_args!("the name of an entrypoint of `{}`", *binding.service))
        .with_received(format_args!("`{name}`"));
    match nearest(name, known.iter().copied()) {
        Some(near) => fault.with_help(format_args!("there is `{near}`")),
        None if known.is_empty() => fault.with_help("it has the default one alone: leave `entrypoint` out"),
        None => fault.with_help(format_args!("there are: {}", known.join(", "))),
    }
}

fn list(offers: Result<Vec<&'static str>, Vec<&'static str>>) -> String {
    match offers {
        Ok(offers) if !offers.is_empty() => offers.join(", "),
        _ => "nothing".to_owned(),
    }
}
