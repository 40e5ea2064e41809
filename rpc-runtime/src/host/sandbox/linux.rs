//! The sandbox of Linux: Landlock for files, ports, signals and abstract sockets, seccomp for system calls.

mod calls;
mod files;

use std::{
    convert::Infallible,
    ffi::OsString,
    fmt, io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::{Resource, Rlimit, setrlimit};

use super::{
    super::{apart, registered},
    CONFINED, changed,
};
use crate::{
    config::{Config, Fault, Sandbox},
    registry,
};

/// Why this kernel cannot make it, unless it need not.
pub(in crate::host) fn unsupported(sandbox: &Sandbox) -> Option<Fault> {
    let missing = missing();
    if sandbox.best_effort || missing.is_empty() {
        return None;
    }
    let place = sandbox.place();
    let entry = place.language().entry("best_effort", "true");
    Some(
        (place.fault("a sandbox that this kernel cannot make"))
            .with_expected("seccomp, and Landlock of ABI 6: Linux 6.12 or newer with both switched on")
            .with_received(format_args!("a kernel without {}", missing.join(", ")))
            .with_help(format_args!("take another kernel, or say `{entry}` to run it without these")),
    )
}

/// What this kernel lacks, in words.
pub(in crate::host) fn missing() -> Vec<&'static str> {
    let calls = (!calls::are_filtered()).then_some("seccomp: any system call may be made");
    files::missing().into_iter().chain(calls).collect()
}

/// Restricts this process to the sandbox of a Worker, and becomes that Worker's program. Returns only what is wrong.
///
/// The thread that calls is the one that is restricted, and the only one that is left.
pub(in crate::host) fn confine(config: &Config, registry: Option<&Path>) -> Result<Infallible, Fault> {
    let Some(sandbox) = &config.sandbox else { return Err(changed(config, None)) };
    let failed = |error: &dyn fmt::Display| {
        sandbox.place().fault("a sandbox that cannot be made").with_received(error)
    };
    let home = Home::of(config, registry)?;
    let executable = match config.executable() {
        Some(path) => path.to_owned(),
        None => std::env::current_exe().map_err(|error| failed(&error))?,
    };
    // What a crash leaves behind may have secrets in it, and nobody has allowed to write it.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(|error| failed(&io::Error::from(error)))?;
    files::restrict(config, sandbox, &home, &executable).map_err(|error| failed(&error))?;
    calls::restrict(config, sandbox).map_err(|error| failed(&error))?;
    let mut arguments: Vec<OsString> = vec![apart::COMMAND.into(), format!("--{CONFINED}").into()];
    arguments.extend(apart::arguments(config, &home.registry).into_iter().map(OsString::from));
    let error = Command::new(&executable).args(arguments).exec();
    Err(failed(&format_args!("`{}` cannot be started: {error}", executable.display())))
}

/// Takes from the Worker's process what it needed to become that: the right to become another program.
pub(in crate::host) fn seal(sandbox: &Sandbox) -> Result<(), Fault> {
    let sealed = if sandbox.run { Ok(()) } else { calls::refuse_exec(sandbox) };
    sealed.map_err(|error| sandbox.place().fault("a sandbox that cannot be made").with_received(error))
}

/// Where a Worker meets the others.
struct Home {
    registry: PathBuf,
    /// The folder in it that is its own.
    own: PathBuf,
}

impl Home {
    /// Made while it still can be.
    fn of(config: &Config, registry: Option<&Path>) -> Result<Self, Fault> {
        let path = registered::asked_for(registry.map(Path::to_owned).as_ref());
        let path = path.unwrap_or_else(registry::default_path);
        let made = registry::make_home(path, &config.name);
        match made.map_err(|error| registered::unusable(&error))? {
            (registry, own, None) => Ok(Self { registry, own }),
            (_, _, Some(who)) => Err(registered::taken(config.name.place(), &config.name, &who)),
        }
    }
}
