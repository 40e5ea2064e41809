//! What a Worker may reach: its bindings, variables and secrets, each a field of its `Env`.

mod values;

use std::{
    any::TypeId,
    env::VarError,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;

pub use self::values::{Json, Secret};
use crate::{
    Export,
    boundary::Boundary,
    client::{Binding, INVOCATION, Inner, short_name},
    config::{Config, Fault, Faults, Located, ServiceBinding, Variable, nearest},
    host::Directory,
    invocation::SUBREQUEST,
    raw::Threaded,
    service::Service,
    session::Port,
};

/// What a Worker may reach. Derive it:
///
/// ```
/// use rpc_runtime::{Env, Export, Fetcher, Json, Secret};
/// # use rpc_runtime::{Result, service};
/// # #[service] pub trait Auth { async fn verify(&self, token: &str) -> Result<bool>; }
///
/// #[derive(serde::Deserialize)]
/// struct Rate {
///     per_second: u32,
/// }
///
/// #[derive(Env)]
/// struct GatewayEnv {
///     auth: AuthClient,              // services = [{ binding = "AUTH", service = "auth" }]
///     assets: Fetcher,               // the same, for `fetch` alone
///     greeting: String,              // vars = { GREETING = "hello" }
///     rate: Option<Json<Rate>>,      // [vars.RATE], which may be absent
///     #[env(secret)]
///     api_key: Secret,               // the environment variable API_KEY, or in the file that `secrets.file` names
///     #[env(name = "UPSTREAM")]
///     target: String,                // vars = { UPSTREAM = ".." }
///     own: Export<AuthClient>,       // the Worker itself, for clients that it hands out: nothing to be configured
/// }
/// ```
///
/// A field is named in the configuration by its own name in upper case, or by `#[env(name = "..")]`.
///
/// A field may be the client of a `#[service(local)]`. A Worker that keeps it is not `Send`, and thus cannot implement
/// [`Fetch`](crate::Fetch), nor a service that is not local: rustc says that the `Rc` in the client is not.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the `Env` of a Worker",
    note = "write `#[derive(Env)]` above it, or `type Env = ();` for a Worker that needs nothing"
)]
pub trait Env: Sized {
    /// Takes every field; `None` if one of them has a fault, which is recorded.
    fn from_bindings(bindings: &mut Bindings<'_>) -> Option<Self>;
}

/// A Worker that needs nothing.
impl Env for () {
    fn from_bindings(_: &mut Bindings<'_>) -> Option<Self> {
        Some(())
    }
}

/// A type that a field of an [`Env`] can have: strings, booleans, numbers, clients, [`Fetcher`](crate::Fetcher),
/// [`Json`], [`Secret`], [`Export`], `Arc` of what the host [shares](crate::Host::shared), and `Option` of these.
///
/// ```
/// use rpc_runtime::{Field, FromEnv};
///
/// /// A variable such as `"#3366ff"`.
/// struct Colour(u32);
///
/// impl FromEnv for Colour {
///     fn from_env(field: &mut Field<'_, '_>) -> Option<Self> {
///         let text: String = field.variable()?;
///         match text.strip_prefix('#').and_then(|hex| u32::from_str_radix(hex, 16).ok()) {
///             Some(colour) => Some(Self(colour)),
///             None => field.refuse("a colour such as \"#3366ff\"", format!("{text:?}")),
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a field of an `Env` cannot be a `{Self}`",
    note = "strings, booleans, numbers, clients, `Fetcher`, `Secret`, `Arc` of what the host shares and `Option` of these can; a structured variable is `Json<{Self}>`"
)]
pub trait FromEnv: Sized {
    /// The value for a field; `None` if there is a fault, which is recorded.
    fn from_env(field: &mut Field<'_, '_>) -> Option<Self>;

    /// Whether there is something to make the value of, right or wrong; asked for a field that may be absent.
    fn is_present(field: &Field<'_, '_>) -> bool {
        field.is_present()
    }
}

/// [`Secret`], and `Option<Secret>`: what a field marked `#[env(secret)]` can be.
#[diagnostic::on_unimplemented(
    message = "a field marked `#[env(secret)]` is a `Secret`",
    label = "expected `rpc_runtime::Secret`, which is never printed"
)]
pub trait IsSecret {}

impl IsSecret for Secret {}
impl IsSecret for Option<Secret> {}

/// [`Export`], and `Option<Export<_>>`: what a field marked `#[env(entrypoint = "..")]` can be.
#[diagnostic::on_unimplemented(
    message = "a field marked `#[env(entrypoint = \"..\")]` is an `Export`",
    label = "expected `rpc_runtime::Export`, which makes clients of the Worker itself",
    note = "the entrypoint of another Worker is named in the configuration: `services = [{{ binding = \"..\", service = \"..\", entrypoint = \"..\" }}]`"
)]
pub trait IsExport {}

impl<C: Service> IsExport for Export<C> {}
impl<C: Service> IsExport for Option<Export<C>> {}

/// The configuration of a Worker, and the Workers its bindings may lead to, for the making of its [`Env`].
#[derive(Debug)]
pub struct Bindings<'a> {
    config: &'a Config,
    directory: &'a dyn Directory,
    faults: &'a mut Faults,
    taken: Vec<&'static str>,
    secrets: Vec<(&'static str, SecretSource)>,
}

/// Where a secret came from.
#[derive(Clone, Debug)]
pub(crate) enum SecretSource {
    Environment,
    File(PathBuf),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("environment"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// One field of an [`Env`] being made.
#[derive(Debug)]
pub struct Field<'b, 'a> {
    name: &'static str,
    /// Which entrypoint of the Worker itself is wanted, if it is one and not the default one.
    entrypoint: Option<&'static str>,
    bindings: &'b mut Bindings<'a>,
}

impl<'a> Bindings<'a> {
    pub(crate) fn new(config: &'a Config, directory: &'a dyn Directory, faults: &'a mut Faults) -> Self {
        Self { config, directory, faults, taken: Vec::new(), secrets: Vec::new() }
    }

    /// The value for the field that the configuration calls `name`.
    pub fn take<T: FromEnv>(&mut self, name: &'static str) -> Option<T> {
        self.taken.push(name);
        T::from_env(&mut Field { name, entrypoint: None, bindings: self })
    }

    /// The value for a field that is marked `#[env(entrypoint = "..")]`.
    pub fn take_export<T: FromEnv + IsExport>(
        &mut self,
        name: &'static str,
        entrypoint: &'static str,
    ) -> Option<T> {
        T::from_env(&mut Field { name, entrypoint: Some(entrypoint), bindings: self })
    }

    /// The value for a field that is marked `#[env(secret)]`.
    pub fn take_secret<T: FromEnv + IsSecret>(&mut self, name: &'static str) -> Option<T> {
        self.take(name)
    }

    /// The secrets that fields have taken.
    pub(crate) fn secrets(&self) -> &[(&'static str, SecretSource)] {
        &self.secrets
    }

    /// The variables of `config` that no field has taken.
    pub(crate) fn unread<'c>(&self, config: &'c Config) -> Vec<Unread<'c>> {
        let names = config.vars.iter().map(Variable::name);
        let unread = names.filter(|name| !self.taken.contains(&name.as_str()));
        unread.map(|name| Unread { name, nearest: nearest(name, self.taken.iter().copied()) }).collect()
    }
}

impl<'a> Field<'_, 'a> {
    /// What the configuration calls the field.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The variable of this name, as the type that is wanted.
    pub fn variable<T: for<'de> Deserialize<'de>>(&mut self) -> Option<T> {
        match self.bindings.config.vars.read::<T>(self.name) {
            Ok(value) => Some(value),
            Err(fault) => self.lacking(self.bindings.config.vars.get(self.name).is_none(), fault),
        }
    }

    /// A client of the Worker that the binding of this name leads to, which must be one of this host: for the clients
    /// of services that stay in their thread.
    pub fn client<C: Service>(&mut self) -> Option<C> {
        let binding = self.binding()?;
        if self.bindings.directory.leaves(self.bindings.config, binding) {
            return self.fault(never_leaves::<C>(binding));
        }
        self.client_here(binding)
    }

    /// A client of the Worker that the binding of this name leads to: one of this host, or, where the binding has an
    /// `address`, the one that is served there. Under the command `dev` a Worker of neither is one of another process.
    /// What derives [`Env`] takes every client of a service that can leave its thread in this way.
    ///
    /// Nothing is connected before the first call; a connection that was lost is made again by the next one.
    pub fn client_anywhere<C: Boundary>(&mut self) -> Option<C> {
        let binding = self.binding()?;
        let Some(mut dialer) = self.bindings.directory.dialer(binding) else {
            return self.client_here(binding);
        };
        // A fault of theirs is told once, with the others of the binding itself.
        let props = binding.props.on_wire().ok()?;
        if binding.entrypoint.is_some() || props.is_some() {
            dialer = dialer.bound(binding.entrypoint.as_ref().map_or("", |name| name.as_str()), props);
        }
        Some(self.client_of(binding, C::proxy(Port::to(dialer, C::INFO))))
    }

    fn binding(&mut self) -> Option<&'a ServiceBinding> {
        match self.bindings.config.service(self.name) {
            Ok(binding) => Some(binding),
            Err(fault) => self.lacking(true, fault),
        }
    }

    fn client_here<C: Service>(&mut self, binding: &ServiceBinding) -> Option<C> {
        let (config, directory) = (self.bindings.config, self.bindings.directory);
        let twin = match directory.twin(&wanted::<C>(config, binding)) {
            Ok(twin) => twin.downcast::<Box<C::Dyn>>(),
            Err(fault) => {
                self.bindings.faults.extend(fault);
                return None;
            }
        };
        let Ok(twin) = twin else { unreachable!("a twin is found by the type of its client") };
        Some(self.client_of(binding, *twin))
    }

    /// The entrypoint of the Worker itself that the field is marked with, the default one if it is not.
    pub(crate) fn export<C: Service>(&mut self) -> Option<Export<C>> {
        let (config, directory) = (self.bindings.config, self.bindings.directory);
        let wanted = WantedExport {
            worker: config,
            field: self.name,
            entrypoint: self.entrypoint,
            service: C::INFO.name,
            client: TypeId::of::<C>(),
            client_name: short_name(std::any::type_name::<C>()),
        };
        let (twin, broken) = match directory.export(&wanted) {
            Ok(own) => own,
            Err(fault) => {
                self.bindings.faults.extend(fault);
                return None;
            }
        };
        let Ok(twin) = twin.downcast::<Box<C::Dyn>>() else {
            unreachable!("a twin is found by the type of its client")
        };
        let binding = Binding { broken, ..self.counted::<C>(&config.name) };
        Some(Export::of(Inner::new(*twin, binding.watched(C::INFO.methods))))
    }

    fn client_of<C: Service>(&self, binding: &ServiceBinding, twin: Box<C::Dyn>) -> C {
        let binding = Binding {
            props: Some(Arc::clone(&binding.props)),
            broken: self.bindings.directory.broken(binding),
            ..self.counted::<C>(binding.target())
        };
        let binding = binding.watched(C::INFO.methods);
        C::__from_inner(Inner::new(twin, binding))
    }

    /// A binding of the configuration: each call over it counts as a subrequest too.
    fn counted<C: Service>(&self, worker: &str) -> Binding {
        let limits = self.bindings.config.limits;
        let (worker, cost) = (worker.to_owned().into(), INVOCATION | SUBREQUEST);
        Binding { worker, cost, ..Binding::of_type::<C>().limited(limits) }
    }

    /// The secret of this name: the environment variable, or else what the file of `secrets.file` has. An empty one
    /// counts as none, in both.
    pub fn secret(&mut self) -> Option<Secret> {
        if let Some(variable) = self.bindings.config.vars.get(self.name) {
            let place = variable.name().place();
            let fault = place
                .fault("a secret among the variables")
                .with_expected(format_args!("the environment variable `{}`", self.name))
                .with_received("a value in the file, which everybody who reads it sees")
                .with_help(
                    "take it out of the file, and give it to the process that starts the host, or keep it in a file \
                     that `secrets.file` names",
                );
            return self.fault(fault.confidential());
        }
        let config = self.bindings.config;
        let secrets = config.secrets();
        let (received, is_there) = match std::env::var(self.name) {
            Ok(value) if !value.is_empty() => return self.found_secret(value, SecretSource::Environment),
            Ok(_) => ("an empty environment variable", false),
            Err(VarError::NotPresent) => ("no such environment variable", false),
            Err(VarError::NotUnicode(_)) => ("a value that is not UTF-8", true),
        };
        if let (Some(value), false) = (secrets.get(self.name), is_there) {
            let file = secrets.file().unwrap_or_else(|| Path::new("")).to_owned();
            return self.found_secret(value, SecretSource::File(file));
        }
        if !config.is_whole() {
            // Its file may be what could not be read.
            return None;
        }
        let place = secrets.place().unwrap_or_else(|| config.name.place());
        let fault = place.fault(format_args!("missing secret `{}`", self.name)).with_received(received);
        let fault = fault.with_expected(match secrets.file() {
            Some(file) => {
                format!("the environment variable `{}`, or that name in `{}`", self.name, file.display())
            }
            None => format!("the environment variable `{}`", self.name),
        });
        self.fault(match (secrets.nearest(self.name), secrets.file()) {
            (Some(near), _) => fault.with_help(format_args!("the file has `{near}`: did you mean that?")),
            (None, None) => fault.with_help(
                "give it to the process that starts the host, or keep it in a file: `secrets.file`",
            ),
            (None, Some(_)) => fault,
        })
    }

    fn found_secret(&mut self, value: impl Into<Box<str>>, source: SecretSource) -> Option<Secret> {
        self.bindings.secrets.push((self.name, source));
        Some(Secret::new(value))
    }

    /// Whether there is a secret of this name.
    pub(crate) fn has_secret(&self) -> bool {
        std::env::var_os(self.name).is_some_and(|value| !value.is_empty())
            || self.bindings.config.secrets().get(self.name).is_some()
    }

    /// Whether the configuration has a binding or a variable of this name.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.bindings.config.vars.get(self.name).is_some()
            || self.bindings.config.services.iter().any(|service| *service.binding == self.name)
    }

    /// The value of this type that the host shares; see [`Host::shared`](crate::Host::shared).
    pub fn shared<T: ?Sized + Send + Sync + 'static>(&mut self) -> Option<Arc<T>> {
        let Bindings { config, directory, .. } = &*self.bindings;
        if let Some(value) = self.shared_if_any() {
            return Some(value);
        }
        let name = std::any::type_name::<T>();
        let known = directory.shared_names();
        let fault = (config.main.place().fault("a value that is not shared"))
            .with_expected(format_args!("`Host::shared` with an `Arc<{name}>`"))
            .with_received(if known.is_empty() {
                "no shared values".to_owned()
            } else {
                format!("shared values of the types {}", known.join(", "))
            })
            .with_help(format_args!(
                "the field `{}` in the `Env` of `{}` takes it: share one where the host is made",
                self.name, *config.name,
            ));
        self.fault(fault)
    }

    pub(crate) fn shared_if_any<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.bindings.directory.shared(TypeId::of::<Arc<T>>())?.downcast_ref::<Arc<T>>().cloned()
    }

    /// Records that the variable of this name is not what is wanted.
    pub fn refuse<T>(&mut self, expected: impl fmt::Display, received: impl fmt::Display) -> Option<T> {
        let config = self.bindings.config;
        let place = config.vars.get(self.name).map_or_else(|| config.place(), |variable| variable.place());
        self.fault(
            place.fault("a variable that cannot be used").with_expected(expected).with_received(received),
        )
    }

    /// Records a fault of what may not be there: where a part of the file could not be read, it may be that.
    fn lacking<T>(&mut self, is_missing: bool, fault: Fault) -> Option<T> {
        if is_missing && !self.bindings.config.is_whole() {
            return None;
        }
        self.fault(self.confusion(fault))
    }

    fn fault<T>(&mut self, fault: Fault) -> Option<T> {
        self.bindings.faults.push(fault);
        None
    }

    /// A variable where a binding is wanted, or the other way round, is the likelier mistake.
    fn confusion(&self, fault: Fault) -> Fault {
        let config = self.bindings.config;
        if config.services.iter().any(|service| *service.binding == self.name)
            && fault.problem() == "missing variable"
        {
            return fault.with_help(format_args!(
                "`{}` is a binding in `services`; the field's type wants a variable",
                self.name
            ));
        }
        if config.vars.get(self.name).is_some() && fault.problem().starts_with("missing binding") {
            return fault.with_help(format_args!(
                "`{}` is a variable; the field's type wants a binding in `services`",
                self.name
            ));
        }
        if config.secrets().get(self.name).is_some() {
            return fault.with_help(format_args!(
                "`{}` is a secret: let the field be a `Secret`, marked `#[env(secret)]`",
                self.name
            ));
        }
        let is_this = |lacking: &&String| lacking.split_once('.').is_some_and(|(_, name)| name == self.name);
        if let (Some(lacking), Some(environment)) =
            (config.not_inherited().iter().find(is_this), &config.environment)
        {
            return fault.with_help(format_args!(
                "the top level has `{lacking}`, which the environment `{}` does not inherit: say it there again",
                **environment
            ));
        }
        fault
    }
}

fn never_leaves<C: Service>(binding: &ServiceBinding) -> Fault {
    let name = short_name(std::any::type_name::<C>());
    let problem = "a binding that leads to another process";
    let fault = match &binding.address {
        Some(address) => (address.place().fault(problem))
            .with_expected("a Worker of this host, without an `address`")
            .with_received(format_args!("`{}`", **address)),
        None => (binding.service.place().fault(problem))
            .with_expected("a Worker whose configuration is given")
            .with_received(format_args!("`{}`", binding.target())),
    };
    if TypeId::of::<C::Flavour>() == TypeId::of::<Threaded>() {
        return fault.with_help(format_args!("take the `{name}` of the field with `Field::client_anywhere`"));
    }
    fault.with_help(format_args!("`{name}` calls a `#[service(local)]`, which never leaves its thread"))
}

/// A variable that no field takes.
pub(crate) struct Unread<'a> {
    pub(crate) name: &'a Located<String>,
    /// The field that was probably meant.
    pub(crate) nearest: Option<&'static str>,
}

/// What a binding is asked for.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// The Worker that asks.
    pub(crate) caller: &'a Located<String>,
    pub(crate) binding: &'a ServiceBinding,
    /// The name of the service, empty for `fetch` alone.
    pub(crate) service: &'static str,
    pub(crate) client: TypeId,
    /// The name of the client's type, for the fault.
    pub(crate) client_name: &'static str,
}

/// What a Worker wants of itself.
#[derive(Debug)]
pub(crate) struct WantedExport<'a> {
    pub(crate) worker: &'a Config,
    /// The name of the field.
    pub(crate) field: &'static str,
    pub(crate) entrypoint: Option<&'static str>,
    /// As in [`Wanted`], and so are those below.
    pub(crate) service: &'static str,
    pub(crate) client: TypeId,
    pub(crate) client_name: &'static str,
}

fn wanted<'a, C: Service>(config: &'a Config, binding: &'a ServiceBinding) -> Wanted<'a> {
    Wanted {
        caller: &config.name,
        binding,
        service: C::INFO.name,
        client: TypeId::of::<C>(),
        client_name: short_name(std::any::type_name::<C>()),
    }
}
