//! The sections of a file: its top level, and the environments, of which one may be chosen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::keys::{self, Rule};
use super::place::{Source, nearest};
use super::reader::Reader;
use super::secrets::Secrets;
use super::value::Table;
use super::{
    Config, Dev, Extent, Fault, Faults, Isolation, Located, Origin, Place, Props, Sandbox, ServiceBinding,
    Variable, Vars, sandbox,
};
use crate::limits::{LimitMode, Limits};
use crate::transport::Address;

/// What the top level and each environment may have.
struct Section {
    name: Option<Located<String>>,
    main: Option<Located<String>>,
    isolation: Option<Isolation>,
    sandbox: Option<Sandbox>,
    /// Where the path begins that `main` may be.
    folder: Option<PathBuf>,
    services: Vec<ServiceBinding>,
    services_place: Place,
    listen: Vec<Located<Address>>,
    vars: Vars,
    secrets: Option<Secrets>,
    limits: Option<Limits>,
}

/// The keys of a file, each read by its rule. `None` only where a fault was recorded.
pub(super) fn read(
    source: &Arc<Source>,
    root: &Table,
    complete: bool,
    origin: Origin<'_>,
    faults: &mut Faults,
) -> Option<Config> {
    let place = Place::whole(source);
    let mut reader = Reader::new(&place, root, &keys::FILE, complete, faults);
    let top = Section::read(&mut reader, origin.folder, origin.environment.is_none());
    let environments = reader.named("env", |name, mut reader| {
        let is_chosen = origin.environment == Some(name.as_str());
        (name, Section::read(&mut reader, origin.folder, is_chosen))
    });
    let environments_place = reader.place_of("env");
    let dev = reader.table("dev", dev).unwrap_or_default();
    // Editors read it, so it is a string all the same.
    reader.optional_string("$schema");
    top.refuse_duplicates(faults);
    environments.iter().for_each(|(_, section)| section.refuse_duplicates(faults));
    let Some(wanted) = origin.environment else { return top.config(place, dev) };
    let known: Vec<_> = environments.iter().map(|(name, _)| name.to_string()).collect();
    let Some((name, section)) = environments.into_iter().find(|(name, _)| **name == wanted) else {
        if complete {
            faults.push(unknown_environment(&environments_place, wanted, &known));
        }
        return None;
    };
    let not_inherited = section.lacks(&top);
    let own_name = top.name.as_ref().and_then(|worker| environment_name(worker, &name, faults));
    let section = Section {
        name: section.name.or(own_name),
        main: section.main.or(top.main),
        isolation: section.isolation.or(top.isolation),
        sandbox: section.sandbox.or(top.sandbox),
        limits: section.limits.or(top.limits),
        ..section
    };
    let config = section.config(place, dev)?;
    Some(Config { environment: Some(name), not_inherited, ..config })
}

impl Section {
    /// The file of secrets is read only if it is `wanted`: that of another environment may be elsewhere.
    fn read(reader: &mut Reader<'_>, folder: Option<&Path>, wanted: bool) -> Self {
        Self {
            name: reader.string("name"),
            main: reader.string("main"),
            isolation: reader.one_of("isolation").map(|word| match word {
                "process" => Isolation::Process,
                _ => Isolation::Thread,
            }),
            sandbox: reader.table("sandbox", |table| sandbox::read(table, folder)),
            folder: folder.map(Path::to_owned),
            services: reader.tables("services", |entry| binding(entry, folder)),
            services_place: reader.place_of("services"),
            listen: reader.addresses("listen", folder),
            vars: reader.vars("vars"),
            secrets: reader.table("secrets", |table| secrets(table, folder, wanted)),
            limits: reader.table("limits", limits),
        }
    }

    /// `None` only where `main` is not known, without which there is nothing to be said of the rest.
    fn config(self, place: Place, dev: Dev) -> Option<Config> {
        let main = self.main?;
        let is_path = main.contains('/');
        // Without the parts of a path that say nothing: `././child.sh`.
        let executable = |folder: PathBuf| folder.join(main.as_str()).components().collect();
        Some(Config {
            executable: is_path.then(|| executable(self.folder.unwrap_or_default())),
            name: self.name.unwrap_or_else(|| Located::new(place.file().to_owned(), place.clone())),
            main,
            isolation: self.isolation.unwrap_or_default(),
            sandbox: self.sandbox,
            services: self.services,
            listen: self.listen,
            vars: self.vars,
            limits: self.limits.unwrap_or_default(),
            dev,
            environment: None,
            secrets: self.secrets.unwrap_or_default(),
            not_inherited: Vec::new(),
            services_place: self.services_place,
            extent: Extent::Whole,
            place,
        })
    }

    /// The names of all that is a field of the `Env`.
    fn names(&self) -> impl Iterator<Item = &Located<String>> {
        let services = self.services.iter().map(|service| &service.binding);
        services.chain(self.vars.iter().map(Variable::name)).filter(|name| Rule::Identifier.allows(name))
    }

    /// What the top level has, and this environment has not.
    fn lacks(&self, top: &Self) -> Vec<String> {
        let has = |name: &str| self.names().any(|own| own.as_str() == name);
        let services = top.services.iter().map(|service| ("services", &service.binding));
        let vars = top.vars.iter().map(|variable| ("vars", variable.name()));
        let names = services.chain(vars).filter(|(_, name)| !has(name));
        let mut lacking: Vec<_> = names.map(|(kind, name)| format!("{kind}.{}", **name)).collect();
        if self.listen.is_empty() && !top.listen.is_empty() {
            lacking.push("listen".to_owned());
        }
        if self.secrets.is_none() && top.secrets.is_some() {
            lacking.push("secrets.file".to_owned());
        }
        lacking
    }

    /// Bindings and variables share one namespace: both are fields of the Worker's `Env`.
    fn refuse_duplicates(&self, faults: &mut Faults) {
        let mut first = BTreeMap::<&str, &Place>::new();
        for name in self.names() {
            if let Some(earlier) = first.get(name.as_str()) {
                faults.push(
                    name.place()
                        .fault("duplicate binding")
                        .with_expected("a name that no other binding or variable has")
                        .with_received(format_args!("`{}` again", **name))
                        .with_related(earlier, "the first one is here"),
                );
            } else {
                first.insert(name, name.place());
            }
        }
    }
}

fn binding(mut entry: Reader<'_>, folder: Option<&Path>) -> Option<ServiceBinding> {
    let binding = entry.string("binding");
    let service = entry.string("service");
    let entrypoint = entry.optional_string("entrypoint");
    let environment = entry.optional_string("environment");
    let address = entry.optional_address("address", folder);
    let props = entry.props("props");
    if let (Some((_, place)), Some(Some(address))) = (&props, &address)
        && !address.is_unix()
    {
        entry.refuse(props_over_a_network(place, address));
    }
    // What the entry leads to can be told also where it is called by nothing; no name has a question mark.
    let binding = binding.unwrap_or_else(|| Located::new("?".to_owned(), entry.place().clone()));
    let (service, environment) = (service?, environment?);
    let target = match &environment {
        Some(environment) => format!("{}-{}", *service, **environment),
        None => service.to_string(),
    };
    let (node, place) =
        props.map_or_else(|| (None, entry.place().clone()), |(node, place)| (Some(node), place));
    let props = Arc::new(Props::new(place, node, &binding));
    Some(ServiceBinding {
        binding,
        service,
        entrypoint: entrypoint?,
        environment,
        props,
        address: address?,
        target,
    })
}

fn props_over_a_network(place: &Place, address: &Located<Address>) -> Fault {
    (place.fault("props over a network"))
        .with_expected("the address of a Unix socket, which tells the Worker that a process of its own user calls")
        .with_received(format_args!("`{}`, where whoever connects could say anything", **address))
        .with_help(
            "leave `props` out, or let the Worker listen at a Unix socket: who serves a Worker says what its callers \
             are, and never a caller",
        )
}

fn secrets(mut table: Reader<'_>, folder: Option<&Path>, wanted: bool) -> Secrets {
    match table.path("file", folder) {
        Some(file) if wanted => {
            let mut faults = Faults::new();
            let secrets = Secrets::load(&file, file.place(), &mut faults);
            faults.into_iter().for_each(|fault| table.refuse(fault));
            secrets
        }
        _ => Secrets::default(),
    }
}

fn limits(mut table: Reader<'_>) -> Limits {
    let mut limits = match table.one_of("profile") {
        Some("cloudflare") => Limits::cloudflare(),
        _ => Limits::new(),
    };
    if let Some(depth) = table.integer("depth") {
        limits = limits.depth(*depth);
    }
    if let Some(invocations) = table.integer("invocations") {
        limits = limits.invocations(*invocations);
    }
    if let Some(subrequests) = table.integer("subrequests") {
        limits = limits.subrequests(*subrequests);
    }
    if let Some(connections) = table.integer("connections") {
        limits = limits.connections(*connections);
    }
    if let Some(bytes) = table.integer("value_bytes") {
        limits = limits.value_bytes(*bytes);
    }
    if table.one_of("mode") == Some("warn") {
        limits = limits.mode(LimitMode::Warn);
    }
    limits
}

fn dev(mut table: Reader<'_>) -> Dev {
    let port = table.integer("port").and_then(|port| {
        let number = u16::try_from(*port).ok()?;
        Some(Located::new(number, port.place().clone()))
    });
    Dev { port, address: table.ip("address") }
}

/// What the environment of a Worker is called that does not say so itself.
fn environment_name(
    worker: &Located<String>,
    environment: &Located<String>,
    faults: &mut Faults,
) -> Option<Located<String>> {
    let name = format!("{}-{}", **worker, **environment);
    if !Rule::Name.allows(&name) {
        let fault = environment.place().fault("not a valid name").with_expected(Rule::Name.expected());
        faults.push(fault.with_received(format_args!("`{name}`")).with_help("give it a `name` of its own"));
        return None;
    }
    Some(Located::new(name, environment.place().clone()))
}

fn unknown_environment(place: &Place, wanted: &str, known: &[String]) -> Fault {
    let fault = (place.fault("no such environment"))
        .with_expected(format_args!("an environment `{wanted}`, which `--env` asks for"))
        .with_received(match known {
            [] => "a file without environments".to_owned(),
            _ => format!("`{}`", known.join("`, `")),
        });
    match nearest(wanted, known.iter().map(String::as_str)) {
        Some(near) => fault.with_help(format_args!("there is `{near}`")),
        None => fault.with_help(match place.language() {
            super::Language::Toml => {
                format!("add `[env.{wanted}]` with its bindings, which it does not inherit")
            }
            super::Language::Json => {
                format!(
                    "add `\"env\": {{ \"{wanted}\": {{ .. }} }}` with its bindings, which it does not inherit"
                )
            }
        }),
    }
}
