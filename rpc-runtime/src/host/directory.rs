//! The Workers of one thread by name: what bindings are resolved against.

mod collisions;
mod export;
mod faults;
mod rebuild;

use std::{any::Any, any::TypeId, cell::RefCell, fmt, sync::Arc};

use self::faults::{
    linked_twice, list, listened_twice, listens_apart, missing_elsewhere, named_twice, needs_dev,
    nobody_listens, not_executable, not_offered, not_served, nothing_to_run, nothing_to_serve, shared_twice,
    unknown_entrypoint, unknown_main,
};
use super::{
    Linked,
    instance::{Instance, Making},
    requests::Need,
    sandbox,
    shared::Shared,
};
use crate::{
    boundary::Boundary as _,
    client::{Binding, Broken, INVOCATION, Inner},
    config::{Config, Fault, Faults, Located, Place, ServiceBinding, nearest},
    env::{Bindings, SecretSource, Unread, Wanted, WantedExport},
    fetch::Fetcher,
    registry,
    service::Service,
    session::{Dialer, Port, Services},
    transport::Address,
    worker::Offered,
};

/// Resolves a binding to the twin of its target.
pub(crate) trait Directory: fmt::Debug {
    /// A `Box<C::Dyn>` in the box, for the client that is wanted. Without a fault if the binding itself leads
    /// nowhere, which is told once and not for each field.
    fn twin(&self, wanted: &Wanted<'_>) -> Result<Box<dyn Any>, Option<Fault>>;

    /// The same for a client of the Worker itself, and what its panics are told to, if it wants to know.
    fn export(&self, wanted: &WantedExport<'_>) -> Result<Own, Option<Fault>>;

    /// What the panics of the target are told to, if it is a Worker here that wants to know.
    fn broken(&self, binding: &ServiceBinding) -> Option<Arc<Broken>>;

    /// The `Arc` of that type that the host shares.
    fn shared(&self, of: TypeId) -> Option<&(dyn Any + Send + Sync)>;

    /// The names of the types it shares.
    fn shared_names(&self) -> Vec<&'static str>;

    /// Whether a binding of this Worker leads out of its process.
    fn leaves(&self, caller: &Config, binding: &ServiceBinding) -> bool;

    /// The way to a Worker of another process; `None` if the binding leads to one of this host, or nowhere.
    fn dialer(&self, binding: &ServiceBinding) -> Option<Dialer>;
}

/// The twin of a Worker for itself, and what is told of its panics.
pub(crate) type Own = (Box<dyn Any>, Option<Arc<Broken>>);

/// The Workers of one thread.
pub(super) struct Workers<'a> {
    /// In the order of their configurations.
    entries: Vec<Entry<'a>>,
    shared: &'a Shared,
    /// Whether these are all: only then one that is not there is missing.
    is_whole: bool,
    /// What to say of a Worker that is missing.
    advice: Advice,
    /// Whether they run, and are not only looked at: then those with a process of their own are not here.
    runs: bool,
    /// Where other processes are found, if they are.
    registry: Option<Arc<registry::Shared>>,
    /// The ways to other processes, by what they lead to, so that all bindings that lead there share their session.
    dialers: RefCell<Vec<(Way, Dialer)>>,
}

/// What there is to be done about a Worker that is missing.
#[derive(Clone, Copy, Default)]
pub(super) enum Advice {
    /// To give its configuration, or say its address.
    #[default]
    Give,
    /// To look for it in a registry, too.
    Look,
}

/// What a way to another process leads to.
#[derive(PartialEq)]
enum Way {
    Address(String),
    Worker(String),
}

/// A Worker that others find through the registry.
pub(super) struct Published {
    pub(super) place: Place,
    pub(super) address: Address,
    pub(super) entry: registry::Entry,
}

struct Entry<'a> {
    config: &'a Config,
    /// `None` for a configuration whose Worker there is no telling, which is a fault of its own.
    instance: Option<Box<dyn Instance>>,
    /// Whether another one has the same name, so that there is no telling which one a binding means.
    is_ambiguous: bool,
}

impl<'a> Workers<'a> {
    /// A cell for every configuration.
    pub(super) fn new(
        linked: &[Linked],
        shared: &'a Shared,
        configs: &'a [Config],
        registry: Option<&Arc<registry::Shared>>,
        faults: &mut Faults,
    ) -> Self {
        let mut entries: Vec<Entry<'a>> = Vec::with_capacity(configs.len());
        for config in configs {
            let earlier = entries.iter_mut().find(|earlier| *earlier.config.name == *config.name);
            let is_ambiguous = earlier.is_some();
            if let Some(earlier) = earlier {
                earlier.is_ambiguous = true;
                faults.push(named_twice(config, earlier.config));
            }
            let linked = match linked.iter().find(|linked| linked.main == *config.main) {
                _ if config.executable().is_some() => {
                    faults.extend(not_executable(config));
                    None
                }
                Some(linked) => Some((linked.instance)()),
                None => {
                    faults.push(unknown_main(&config.main, linked));
                    None
                }
            };
            entries.push(Entry { config, instance: linked, is_ambiguous });
        }
        let (registry, dialers) = (registry.cloned(), RefCell::default());
        let advice = Advice::default();
        Self { entries, shared, is_whole: true, advice, runs: false, registry, dialers }
    }

    /// The same, to be run: without those that have a process of their own.
    pub(super) fn running(self) -> Self {
        Self { runs: true, ..self }
    }

    /// Makes every `Env`, and gives what makes the Workers: those that others are bound to first. Tells what each was
    /// made of.
    pub(super) fn bind(
        &self,
        faults: &mut Faults,
        mut made: impl FnMut(&'a Config, &Bindings<'_>),
    ) -> Vec<(&'a Config, Making)> {
        for entry in &self.entries {
            faults.extend(
                entry.config.services.iter().filter_map(|binding| self.astray(entry.config, binding)),
            );
        }
        let mut makings: Vec<_> = (self.entries.iter())
            .filter(|Entry { config, .. }| !(self.runs && config.is_apart()))
            .filter_map(|Entry { config, instance, .. }| {
                let mut bindings = Bindings::new(config, self, faults);
                let making = instance.as_ref()?.bind(&mut bindings)?;
                made(config, &bindings);
                Some((*config, Some(making)))
            })
            .collect();
        let mut ordered = Vec::with_capacity(makings.len());
        for at in 0..makings.len() {
            visit(at, &mut makings, &mut ordered);
        }
        ordered
    }

    /// Every service on offer, with who offers it.
    fn services(&self) -> impl Iterator<Item = (&'a Config, Offered)> {
        self.entries.iter().flat_map(|Entry { config, instance, .. }| {
            let services = instance.as_ref().map(|worker| worker.services()).unwrap_or_default();
            services.into_iter().map(|service| (*config, service))
        })
    }

    /// A client for the requests to the Worker that is served over HTTP: that of the first configuration, if it
    /// answers requests.
    pub(super) fn primary(&self) -> Option<Fetcher> {
        let Entry { config, instance, .. } = self.entries.first()?;
        let twin = if config.is_apart() && (self.runs || instance.is_none()) {
            let sought = self.registry.as_ref()?.find(&config.name)?;
            Box::new(Fetcher::proxy(Port::to(Dialer::sought(sought.clone()), Fetcher::INFO)))
        } else {
            let twin = instance.as_ref()?.twin(None, TypeId::of::<Fetcher>())?;
            twin.downcast::<Box<<Fetcher as Service>::Dyn>>().ok()?
        };
        let binding = Binding {
            worker: config.name.to_string().into(),
            cost: INVOCATION,
            // Every request is to be seen by who watches, not those alone that wait for something.
            special: true,
            broken: instance.as_ref().and_then(|instance| instance.broken()),
            ..Binding::of_type::<Fetcher>().limited(config.limits)
        };
        let binding = binding.watched(&[]);
        Some(Fetcher::__from_inner(Inner::new(*twin, binding)))
    }

    /// What is served to the sessions of each listener, in the order of the configurations and of `listen` in each, and
    /// then of the Workers that are published, if they are.
    pub(super) fn served(&self, publishes: bool) -> Vec<Services> {
        let (mut all, mut published) = (Vec::new(), Vec::new());
        for Entry { config, instance, .. } in self.entries.iter().filter(|entry| !entry.config.is_apart()) {
            let services = instance.as_ref().map(|worker| worker.served(config)).unwrap_or_default();
            all.extend(config.listen.iter().map(|_| services.clone()));
            published.extend(Some(services).filter(|services| publishes && !services.is_empty()));
        }
        all.extend(published);
        all
    }

    /// The Workers that others may find: those that serve anything that can leave its thread.
    fn published(&self, registry: &registry::Shared, faults: &mut Faults) -> Vec<Published> {
        let mut published = Vec::new();
        for Entry { config, instance, .. } in self.entries.iter().filter(|entry| !entry.config.is_apart()) {
            let services = instance.as_ref().map(|worker| worker.served(config)).unwrap_or_default();
            if services.is_empty() {
                continue;
            }
            let place = config.name.place().clone();
            match registry.address_of(&config.name) {
                Ok(address) => {
                    let entry = registry.entry(&config.name, &services);
                    published.push(Published { place, address, entry });
                }
                Err(error) => faults.push(
                    (place.fault("a Worker that the registry has no room for"))
                        .with_received(error)
                        .with_help("choose another folder with `--registry`"),
                ),
            }
        }
        published
    }

    /// What is wrong with the ways in from outside: `need` says whether requests are to be served.
    fn unreachable(&self, need: Option<Need>, publishes: bool) -> Vec<Fault> {
        let mut faults = listened_twice(self.entries.iter().map(|entry| entry.config));
        let mut can_be_called = false;
        for Entry { config, instance, .. } in &self.entries {
            let apart = config.is_apart().then(|| config.main.place());
            let place = config.listen.first().map(Located::place).or(apart);
            let Some(worker) = instance else {
                can_be_called |= config.is_apart();
                continue;
            };
            match place {
                _ if !worker.served(config).is_empty() => can_be_called = true,
                Some(place) => faults.push(nothing_to_serve(config, place)),
                None => {}
            }
        }
        let is_found = can_be_called && publishes;
        let listens = self.entries.iter().any(|entry| !entry.config.listen.is_empty());
        let Some(first) = self.entries.first() else { return faults };
        let Some(need) = need else {
            faults.extend((!is_found && !listens).then(|| nobody_listens(first.config)));
            return faults;
        };
        let lacks = match need {
            Need::IfAnswered => !can_be_called,
            Need::UnlessListening => first.config.listen.is_empty(),
            Need::Asked => true,
        };
        if let Some(worker) = first.instance.as_deref().filter(|_| lacks && self.primary().is_none()) {
            faults.push(not_served(first.config, worker, need));
        }
        faults
    }

    /// What is wrong with a binding whatever it is used for.
    fn astray(&self, caller: &Config, binding: &ServiceBinding) -> Option<Fault> {
        if self.leaves(caller, binding)
            && let Err(fault) = binding.props.on_wire()
        {
            return Some(fault);
        }
        if binding.address.is_some() {
            // The process that serves it knows what there is.
            return None;
        }
        if let Some(sought) = self.sought(binding) {
            return missing_elsewhere(caller, binding, sought);
        }
        let Some(target) = self.find(binding.target()) else {
            return self.is_whole.then(|| self.unknown_service(caller, binding));
        };
        if target.is_ambiguous {
            return None;
        }
        let known = target.instance.as_ref()?.entrypoint(entrypoint(binding)).err()?;
        Some(unknown_entrypoint(caller, binding, &known))
    }

    /// The Worker of another process that a binding leads to through the registry.
    fn sought(&self, binding: &ServiceBinding) -> Option<&Arc<registry::Sought>> {
        if binding.address.is_some() || self.find(binding.target()).is_some() {
            return None;
        }
        self.registry.as_ref()?.find(binding.target())
    }

    /// The Worker with a process of its own that a binding leads to. While they are only looked at, it is looked at too.
    fn apart(&self, binding: &ServiceBinding) -> Option<Arc<registry::Sought>> {
        let Entry { config, instance, .. } = self.find(binding.target())?;
        if binding.address.is_some() || !config.is_apart() || !(self.runs || instance.is_none()) {
            return None;
        }
        let sought = self.registry.as_ref().and_then(|registry| registry.find(&config.name));
        Some(sought.cloned().unwrap_or_else(|| Arc::new(registry::Sought::nowhere(config.name.to_string()))))
    }

    /// A binding that leads to another process may have meant a Worker of this one.
    fn warn_of_likeness(&self, config: &Config) {
        let names = || self.entries.iter().map(|entry| entry.config.name.as_str());
        for binding in config.services.iter().filter(|binding| self.sought(binding).is_some()) {
            if let Some(near) = nearest(binding.target(), names()) {
                tracing::warn!(
                    binding = %*binding.binding,
                    target = binding.target(),
                    place = %binding.service.place(),
                    nearest = near,
                    "a binding leads to a Worker of another process"
                );
            }
        }
    }

    fn find(&self, name: &str) -> Option<&Entry<'a>> {
        self.entries.iter().find(|entry| *entry.config.name == name)
    }
}

fn entrypoint(binding: &ServiceBinding) -> Option<&str> {
    binding.entrypoint.as_deref().map(String::as_str)
}

/// Depth first along the bindings. A Worker that is being visited is taken already, so a circle ends.
fn visit<'a>(
    at: usize,
    makings: &mut Vec<(&'a Config, Option<Making>)>,
    ordered: &mut Vec<(&'a Config, Making)>,
) {
    let config = makings[at].0;
    let Some(making) = makings[at].1.take() else { return };
    for binding in config.services.iter().filter(|binding| binding.address.is_none()) {
        if let Some(target) = makings.iter().position(|(target, _)| *target.name == binding.target()) {
            visit(target, makings, ordered);
        }
    }
    ordered.push((config, making));
}

impl Directory for Workers<'_> {
    fn twin(&self, wanted: &Wanted<'_>) -> Result<Box<dyn Any>, Option<Fault>> {
        let binding = wanted.binding;
        let Some(Entry { config, instance: Some(worker), is_ambiguous: false }) = self.find(binding.target())
        else {
            return Err(None);
        };
        let Ok(offers) = worker.entrypoint(entrypoint(binding)) else { return Err(None) };
        let twin = worker.twin(entrypoint(binding), wanted.client);
        twin.ok_or_else(|| Some(not_offered(wanted, config, &offers)))
    }

    fn export(&self, wanted: &WantedExport<'_>) -> Result<Own, Option<Fault>> {
        // That very one, whoever else has its name.
        let own = self.entries.iter().find(|entry| std::ptr::eq(entry.config, wanted.worker));
        let worker = own.and_then(|entry| entry.instance.as_deref());
        worker.map_or(Err(None), |worker| export::of(worker, wanted).map_err(Some))
    }

    fn broken(&self, binding: &ServiceBinding) -> Option<Arc<Broken>> {
        let is_here = binding.address.is_none();
        self.find(binding.target()).filter(|_| is_here)?.instance.as_ref()?.broken()
    }

    fn shared(&self, of: TypeId) -> Option<&(dyn Any + Send + Sync)> {
        self.shared.find(of)
    }

    fn shared_names(&self) -> Vec<&'static str> {
        self.shared.names().collect()
    }

    fn leaves(&self, caller: &Config, binding: &ServiceBinding) -> bool {
        match self.find(binding.target()) {
            _ if binding.address.is_some() => true,
            None => self.sought(binding).is_some(),
            Some(target) => {
                *target.config.name != *caller.name && (target.config.is_apart() || caller.is_apart())
            }
        }
    }

    fn dialer(&self, binding: &ServiceBinding) -> Option<Dialer> {
        let sought = self.sought(binding).cloned().or_else(|| self.apart(binding));
        let way = match (&binding.address, &sought) {
            (Some(address), _) => Way::Address(address.to_string()),
            (None, Some(sought)) => Way::Worker(sought.name().to_owned()),
            (None, None) => return None,
        };
        let mut dialers = self.dialers.borrow_mut();
        if let Some((_, known)) = dialers.iter().find(|(known, _)| *known == way) {
            return Some(known.clone());
        }
        let dialer = match (&binding.address, sought) {
            (Some(address), _) => Dialer::new((**address).clone()),
            (None, sought) => Dialer::sought(sought?),
        };
        dialers.push((way, dialer.clone()));
        Some(dialer)
    }
}

impl Workers<'_> {
    fn unknown_service(&self, caller: &Config, binding: &ServiceBinding) -> Fault {
        let target = binding.target();
        let place = binding.environment.as_ref().unwrap_or(&binding.service).place();
        let fault = (place.fault("a binding to a Worker that is not there"))
            .with_expected("the `name` of a Worker whose configuration is given")
            .with_received(format_args!(
                "`{target}`, for the binding `{}` of `{}`",
                *binding.binding, *caller.name,
            ));
        let known: Vec<_> = self.entries.iter().map(|entry| entry.config.name.as_str()).collect();
        if let (Some(environment), None) = (&caller.environment, &binding.environment)
            && known.contains(&&*format!("{target}-{}", **environment))
        {
            let key = place.language().entry("environment", &format!("\"{}\"", **environment));
            return fault.with_help(format_args!(
                "there is a Worker `{target}-{}`: say `{key}` in the binding",
                **environment
            ));
        }
        match (nearest(target, known.iter().copied()), self.advice) {
            (Some(near), _) => fault.with_help(format_args!("there is a Worker `{near}`")),
            (None, Advice::Give) => fault.with_help(format_args!(
                "add its `worker.toml` with `-c`, or say the `address` where it listens; there are: {}",
                known.join(", ")
            )),
            (None, Advice::Look) => fault.with_help(format_args!(
                "add its `worker.toml` with `-c`, say the `address` where it listens, or name a `--registry` where it \
                 is now; there are: {}",
                known.join(", ")
            )),
        }
    }
}

impl fmt::Debug for Workers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|entry| &*entry.config.name)).finish()
    }
}

/// What a check has found out.
pub(super) struct Checked {
    /// Whether requests are served.
    pub(super) answers: bool,
    pub(super) taken: Vec<Taken>,
    pub(super) published: Vec<Published>,
}

/// What is to be served, and how others are found.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    /// Whether requests are to be served, and what if the first Worker answers none.
    pub(super) http: Option<Need>,
    pub(super) registry: Option<&'a Arc<registry::Shared>>,
    /// Whether others are to find the Workers through the registry.
    pub(super) publishes: bool,
    pub(super) advice: Advice,
}

/// The secrets that a Worker has taken.
pub(super) struct Taken {
    pub(super) worker: String,
    pub(super) secrets: Vec<(&'static str, SecretSource)>,
}

/// Everything that is wrong with these configurations. What is only strange goes to the log.
pub(super) fn check(
    linked: &[Linked],
    shared: &Shared,
    configs: &[Config],
    wish: Wish<'_>,
) -> Result<Checked, Faults> {
    let mut faults = Faults::new();
    faults.extend(linked_twice(linked));
    faults.extend(shared.twice().map(shared_twice));
    if configs.is_empty() {
        faults.push(nothing_to_run());
    }
    let mut workers = Workers::new(linked, shared, configs, wish.registry, &mut faults);
    workers.advice = wish.advice;
    faults.extend(collisions::faults(workers.services()));
    let (mut unread, mut taken) = (Vec::new(), Vec::new());
    workers.bind(&mut faults, |config, bindings| {
        unread.extend(bindings.unread(config));
        taken.push(Taken { worker: config.name.to_string(), secrets: bindings.secrets().to_vec() });
    });
    let registry = wish.registry.filter(|_| wish.publishes);
    let published = registry.map(|registry| workers.published(registry, &mut faults)).unwrap_or_default();
    let apart = configs.iter().filter(|config| config.is_apart());
    if wish.publishes && wish.registry.is_none() {
        faults.extend(apart.clone().map(needs_dev));
    }
    faults.extend(apart.clone().filter_map(listens_apart));
    faults.extend(configs.iter().flat_map(sandbox::faults));
    faults.extend(workers.unreachable(wish.http, registry.is_some()));
    faults.result(())?;
    // An `Env` that is not complete may not have come to them.
    unread.iter().for_each(warn_of);
    configs.iter().for_each(warn_of_environment);
    configs.iter().for_each(sandbox::warn_of_lack);
    configs.iter().for_each(|config| workers.warn_of_likeness(config));
    Ok(Checked { answers: wish.http.is_some() && workers.primary().is_some(), taken, published })
}

/// What is wrong with these configurations, beside what could not be read of them, and others that could not be.
/// `knows_all` says whether every Worker would have to be one of them.
pub(super) fn check_some(
    linked: &[Linked],
    shared: &Shared,
    configs: &[Config],
    knows_all: bool,
    advice: Advice,
) -> Faults {
    let mut faults = Faults::new();
    let mut workers = Workers::new(linked, shared, configs, None, &mut faults);
    workers.advice = advice;
    workers.is_whole = knows_all && !configs.iter().any(Config::is_nameless);
    faults.extend(collisions::faults(workers.services()));
    workers.bind(&mut faults, |_, _| {});
    let whole = || configs.iter().filter(|config| config.is_whole());
    faults.extend(whole().filter_map(listens_apart));
    faults.extend(whole().flat_map(sandbox::faults));
    faults
}

/// No fault: what an environment lacks, it may well not need.
fn warn_of_environment(config: &Config) {
    if let (Some(environment), [_, ..]) = (&config.environment, config.not_inherited()) {
        tracing::warn!(
            environment = %**environment,
            place = %environment.place(),
            lacks = %config.not_inherited().join(", "),
            "the top level has what an environment lacks, which inherits no bindings"
        );
    }
}

/// No fault: a file may be shared, or be ahead of the program.
fn warn_of(Unread { name, nearest }: &Unread<'_>) {
    tracing::warn!(
        variable = name.place().field(),
        place = %name.place(),
        nearest = *nearest,
        "no field of the `Env` takes a variable"
    );
}
