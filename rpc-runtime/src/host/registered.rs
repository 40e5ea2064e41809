//! What a host says of the development registry: how it finds it, and what it tells of those who come and go.

use std::{path::PathBuf, sync::Arc};

use super::{directory::Published, table::target};
use crate::{
    chain::Chain,
    config::{Config, Fault, Faults, Place, ServiceBinding},
    registry::{self, Registry, Shared, State},
    transport,
};

/// The environment variable that names the folder.
pub(super) const VARIABLE: &str = "RPC_REGISTRY";

/// The folder, if the command line or the environment names one.
pub(super) fn asked_for(argument: Option<&PathBuf>) -> Option<PathBuf> {
    let variable = || std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    argument.cloned().or_else(variable)
}

/// Opens the registry for a host of these Workers, or of one that has a folder for its own in it.
pub(super) fn open(path: Option<PathBuf>, configs: &[Config], home: Option<&str>) -> Result<Registry, Fault> {
    let path = path.unwrap_or_else(registry::default_path);
    let opened = match home {
        Some(worker) => Registry::open_at_home(path, worker, wanted(configs)),
        None => Registry::open(path, wanted(configs)),
    };
    opened.map_err(|error| unusable(&error))
}

/// One that no other host knows of, for a host whose Workers have processes of their own; `None` if none of them has.
pub(super) fn private(configs: &[Config]) -> Result<Option<(Private, Registry)>, Fault> {
    let apart = configs.iter().filter(|config| config.is_apart()).map(|config| config.name.to_string());
    let names: Vec<_> = apart.collect();
    if names.is_empty() {
        return Ok(None);
    }
    let path = registry::private_path();
    let registry = Registry::open(path.clone(), names).map_err(|error| {
        let fault =
            Place::nowhere("the registry of the processes of Workers").fault("a folder that cannot be used");
        fault
            .with_received(error)
            .with_help("it is made in XDG_RUNTIME_DIR, or among the temporary files: TMPDIR")
    })?;
    Ok(Some((Private(path), registry)))
}

/// The folder of a private registry, which goes away with this.
pub(super) struct Private(PathBuf);

impl Drop for Private {
    fn drop(&mut self) {
        // What is left is in nobody's way.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Looks at the registry once, for a check.
pub(super) fn look(path: PathBuf, configs: &[Config]) -> Result<Arc<Shared>, Fault> {
    Shared::look_once(path, wanted(configs)).map_err(|error| unusable(&error))
}

/// The targets of bindings that are in another process, each once.
fn wanted(configs: &[Config]) -> Vec<String> {
    let mut names = Vec::new();
    names.extend(configs.iter().filter(|config| config.is_apart()).map(|config| config.name.to_string()));
    for binding in configs.iter().flat_map(|config| &config.services) {
        if leads_elsewhere(binding, configs) && !names.iter().any(|name| name == binding.target()) {
            names.push(binding.target().to_owned());
        }
    }
    names
}

pub(super) fn leads_elsewhere(binding: &ServiceBinding, configs: &[Config]) -> bool {
    let is_here = |config: &Config| *config.name == binding.target() && !config.is_apart();
    binding.address.is_none() && !configs.iter().any(is_here)
}

/// Lets others find the Workers of a host.
pub(super) fn publish(registry: &Registry, published: &[Published]) -> Result<(), Faults> {
    for Published { place, entry, .. } in published {
        registry.publish(entry.clone()).map_err(|error| match error.taken_by() {
            Some(pid) => taken(place, entry.name(), &format!("process {pid}")),
            None => unusable(&error),
        })?;
    }
    Ok(())
}

/// From now on, prints what changes for the bindings of these Workers.
pub(super) fn tell(registry: &Registry, configs: &Arc<Vec<Config>>, say: fn(&str)) {
    let configs = Arc::clone(configs);
    registry.shared().tell(Box::new(move |sought, state| {
        for config in configs.iter() {
            let leads_there = |binding: &&ServiceBinding| {
                leads_elsewhere(binding, &configs) && binding.target() == sought.name()
            };
            for binding in config.services.iter().filter(leads_there) {
                let (name, target) = (&*config.name, target(binding));
                say(&format!("{name} {}: {target} {}\n", *binding.binding, described(binding, state)));
            }
        }
    }));
}

/// Where the Worker of a binding is: `[connected] process 4711`.
pub(super) fn described(binding: &ServiceBinding, state: &State) -> String {
    match state {
        State::Absent => "[not connected]".to_owned(),
        State::Unusable(why) => format!("[not connected] {why}"),
        State::Connected { pid, entrypoints, .. } => {
            match binding.entrypoint.as_ref().filter(|name| !entrypoints.contains(name)) {
                Some(name) => format!("[connected] process {pid}, which has no entrypoint `{}`", **name),
                None => format!("[connected] process {pid}"),
            }
        }
    }
}

/// Somebody else runs a Worker of this name, or a socket cannot be had for another reason.
pub(super) fn not_bound(published: &Published, error: &transport::Error) -> Fault {
    let why = Chain(error);
    if error.is_in_use() {
        return taken(&published.place, published.entry.name(), &why.to_string());
    }
    published.place.fault("a Worker that cannot be put into the registry").with_received(why)
}

/// A Worker that writes to no folder but its own has its socket there, so that no other one is in its way.
pub(super) fn refuse_taken(registry: &Registry, published: &[Published]) -> Result<(), Faults> {
    let mut faults = Faults::new();
    for Published { place, entry, .. } in published {
        let pid = registry.shared().taken_at_home(entry.name());
        faults.extend(pid.map(|pid| taken(place, entry.name(), &format!("process {pid}"))));
    }
    faults.result(())
}

/// Two Workers of one name cannot both be found.
pub(super) fn taken(place: &Place, name: &str, by: &str) -> Fault {
    (place.fault("a Worker that another process has already"))
        .with_expected("a name that nobody else has in the registry")
        .with_received(format_args!("`{name}`: {by}"))
        .with_help("stop that process, or choose another registry with `--registry`")
}

pub(super) fn unusable(error: &registry::Error) -> Fault {
    (Place::nowhere("the registry").fault("a registry that cannot be used"))
        .with_expected("a folder of this user, closed to all others")
        .with_received(error)
        .with_help(format_args!("choose another one with `--registry`, or by the variable {VARIABLE}"))
}
