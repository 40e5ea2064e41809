//! What is wrong with configurations, in words.

use super::entrypoint;
use crate::{
    config::{Config, Fault, Located, Place, ServiceBinding, nearest},
    env::Wanted,
    host::{Linked, instance::Instance, requests::Need},
    registry,
    transport::Address,
};

pub(super) fn nothing_to_run() -> Fault {
    Place::nowhere("the command line")
        .fault("nothing to run")
        .with_expected("the configuration of at least one Worker")
        .with_help("name it with `-c worker.toml`")
}

/// The first of two Workers would run for both.
pub(super) fn linked_twice(linked: &[Linked]) -> impl Iterator<Item = Fault> {
    let twice = |(at, one): (usize, &Linked)| linked[..at].iter().any(|other| other.main == one.main);
    linked.iter().enumerate().filter(move |entry| twice(*entry)).map(|(_, one)| {
        (Place::nowhere("the program").fault("two Workers are linked under one name"))
            .with_expected("a name of its own for each `Host::worker`")
            .with_received(format_args!("`{}` again", one.main))
    })
}

pub(super) fn shared_twice(name: &str) -> Fault {
    (Place::nowhere("the program").fault("two shared values of one type"))
        .with_expected("one `Host::shared` for each type")
        .with_received(format_args!("`{name}` again"))
        .with_help("wrap one of them into a type of its own")
}

pub(super) fn named_twice(config: &Config, earlier: &Config) -> Fault {
    (config.name.place().fault("two Workers of one name"))
        .with_expected("a name that no other Worker has")
        .with_received(format_args!("`{}` again", *config.name))
        .with_related(earlier.name.place(), "the first one is here")
}

pub(super) fn not_served(config: &Config, worker: &dyn Instance, need: Need) -> Fault {
    (config.main.place().fault("a Worker that does not answer requests"))
        .with_expected("an entrypoint that declares `.fetch()`, for the Worker of the first configuration")
        .with_received(format_args!(
            "`{}`, which declares {}",
            *config.main,
            list(&worker.entrypoint(None).unwrap_or_default())
        ))
        .with_help(match need {
            Need::Asked => {
                "give the configuration of the Worker to be served first, or leave `--port` and `--address` out"
            }
            Need::IfAnswered | Need::UnlessListening => {
                "give the configuration of the Worker to be served first, or say in this one where it is to `listen`"
            }
        })
}

pub(super) fn listened_twice<'a>(configs: impl Iterator<Item = &'a Config>) -> Vec<Fault> {
    let mut known: Vec<&Located<Address>> = Vec::new();
    let mut faults = Vec::new();
    // A port that the system chooses is another one each time.
    for address in configs.flat_map(|config| &config.listen).filter(|address| !address.is_any()) {
        match known.iter().find(|earlier| earlier.to_string() == address.to_string()) {
            Some(earlier) => faults.push(
                (address.place().fault("two listeners at one address"))
                    .with_expected("an address of its own for each")
                    .with_received(format_args!("`{}` again", **address))
                    .with_related(earlier.place(), "the first one is here"),
            ),
            None => known.push(address),
        }
    }
    faults
}

pub(super) fn nothing_to_serve(config: &Config, place: &Place) -> Fault {
    let problem = match config.listen.first() {
        Some(_) => "a listener with nothing to serve",
        None => "a process with nothing to serve",
    };
    (place.fault(problem))
        .with_expected("a Worker whose entrypoint offers `fetch`, or a service that is not local")
        .with_received(format_args!("`{}`, which offers nothing that leaves its thread", *config.main))
}

pub(super) fn nobody_listens(config: &Config) -> Fault {
    (config.place().fault("a host that nobody can reach"))
        .with_expected("a Worker that listens: `listen = [ \"unix:/run/auth/auth.sock\" ]`")
        .with_received("no `listen` in any configuration, and no address for HTTP")
}

pub(super) fn not_offered(wanted: &Wanted<'_>, target: &Config, offers: &[&str]) -> Fault {
    let (service, declaration) = match wanted.service {
        "" => ("`fetch`", ".fetch()".to_owned()),
        service => (service, format!(".service::<{}>()", wanted.client_name)),
    };
    (wanted.binding.service.place().fault("a binding to a Worker that does not offer what is wanted"))
        .with_expected(format_args!(
            "a Worker that offers {service}, for the field of type `{}` in the `Env` of `{}`",
            wanted.client_name, **wanted.caller,
        ))
        .with_received(format_args!("{}, which offers {}", shown(wanted.binding), list(offers)))
        .with_help(match entrypoint(wanted.binding) {
            Some(name) => format!("add `{declaration}` to the entrypoint `{name}` of `{}`", *target.main),
            None => format!("add `{declaration}` to the entrypoint of `{}`", *target.main),
        })
}

/// The target of a binding, as in the summary of `dev`.
fn shown(binding: &ServiceBinding) -> String {
    match entrypoint(binding) {
        Some(entrypoint) => format!("`{}#{entrypoint}`", binding.target()),
        None => format!("`{}`", binding.target()),
    }
}

pub(super) fn unknown_main(main: &Located<String>, linked: &[Linked]) -> Fault {
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

pub(super) fn unknown_entrypoint(caller: &Config, binding: &ServiceBinding, known: &[&str]) -> Fault {
    let place = binding.entrypoint.as_ref().map_or_else(|| binding.service.place(), Located::place);
    let name = entrypoint(binding).unwrap_or_default();
    let fault = (place.fault("an entrypoint that the Worker does not have"))
        .with_expected(format_args!("the name of an entrypoint of `{}`", binding.target()))
        .with_received(format_args!(
            "`{name}`, for the binding `{}` of `{}`",
            *binding.binding, *caller.name,
        ));
    match nearest(name, known.iter().copied()) {
        Some(near) => fault.with_help(format_args!("there is `{near}`")),
        None if known.is_empty() => fault.with_help("it has the default one alone: leave `entrypoint` out"),
        None => fault.with_help(format_args!("there are: {}", known.join(", "))),
    }
}

/// A program that embeds a host may have no command to start itself with.
pub(super) fn needs_dev(config: &Config) -> Fault {
    (config.main.place().fault("a Worker with a process of its own"))
        .with_expected("the command `dev` or `serve` of `Host::run`, which starts and watches such processes")
        .with_received(format_args!("`{}` in a host that is started otherwise", *config.name))
}

/// Its process is served in the registry, and nowhere else.
pub(super) fn listens_apart(config: &Config) -> Option<Fault> {
    let place = config.listen.first()?.place();
    let fault = place.fault("a Worker with a process of its own that listens");
    Some(fault.with_expected("no `listen`").with_help(
        "give the `worker.toml` without `isolation` to a `dev` of its own to have it served at an address",
    ))
}

pub(super) fn not_executable(config: &Config) -> Option<Fault> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = config.executable()?;
    let why = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 => return None,
        Ok(_) => "which cannot be executed".to_owned(),
        Err(error) => error.to_string(),
    };
    Some(
        (config.main.place().fault("a program that cannot be started"))
            .with_expected("the path of a program, which begins in the folder of this file or with `/`")
            .with_received(format_args!("`{}`: {why}", path.display())),
    )
}

/// One that is there, and has no such entrypoint.
pub(super) fn missing_elsewhere(
    caller: &Config,
    binding: &ServiceBinding,
    sought: &registry::Sought,
) -> Option<Fault> {
    let registry::State::Connected { entrypoints, .. } = sought.state() else { return None };
    let name = entrypoint(binding)?;
    let known: Vec<_> = entrypoints.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    (!known.contains(&name)).then(|| unknown_entrypoint(caller, binding, &known))
}

pub(super) fn list(offers: &[&str]) -> String {
    if offers.is_empty() { "nothing".to_owned() } else { offers.join(", ") }
}
