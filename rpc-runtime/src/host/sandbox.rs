//! Processes of Workers that may do what their configuration says, and nothing else.
//!
//! The host starts itself a second time; that process restricts itself and then becomes the Worker's program by
//! `exec`, so that no line of that runs unrestricted. The program, which is a host too, then gives up `exec` itself.
//! What the kernel is asked for is below `system`, which is another file where nothing can be asked.

#[cfg_attr(
    all(
        feature = "sandbox",
        target_os = "linux",
        any(target_arch = "aarch64", target_arch = "riscv64", target_arch = "x86_64")
    ),
    path = "sandbox/linux.rs"
)]
#[cfg_attr(
    not(all(
        feature = "sandbox",
        target_os = "linux",
        any(target_arch = "aarch64", target_arch = "riscv64", target_arch = "x86_64")
    )),
    path = "sandbox/nowhere.rs"
)]
mod system;

use std::path::PathBuf;

pub(super) use self::system::confine;
use crate::config::{Config, Fault, Located, Sandbox};

/// The name of the command that restricts its process and becomes the Worker's; it is told to nobody.
pub(super) const COMMAND: &str = "confine";

/// What tells the Worker's process that it was.
pub(super) const CONFINED: &str = "confined";

/// What is wrong with the sandbox of a Worker, if it has one.
pub(super) fn faults(config: &Config) -> Vec<Fault> {
    let Some(sandbox) = &config.sandbox else { return Vec::new() };
    if !config.is_apart() {
        return vec![without_process(sandbox)];
    }
    let mut faults: Vec<_> = system::unsupported(sandbox).into_iter().collect();
    faults.extend(sandbox.read.iter().chain(&sandbox.write).filter_map(not_there));
    faults
}

/// Says what the kernel lacks, where the configuration puts up with that.
pub(super) fn warn_of_lack(config: &Config) {
    let Some(sandbox) = config.sandbox.as_ref().filter(|sandbox| sandbox.best_effort) else { return };
    let missing = system::missing();
    if !missing.is_empty() {
        tracing::warn!(
            worker = %*config.name,
            place = %sandbox.place(),
            missing = %missing.join(", "),
            "the kernel lacks parts of a sandbox, which holds without them"
        );
    }
}

/// What it allows, in a line.
pub(super) fn described(sandbox: &Sandbox) -> String {
    let list = |verb: &str, paths: &[Located<PathBuf>]| {
        let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        (!paths.is_empty()).then(|| format!("{verb} {}", paths.join(", ")))
    };
    let ports: Vec<_> = sandbox.ports.iter().map(|port| port.to_string()).collect();
    let parts = [
        list("reads", &sandbox.read),
        list("writes", &sandbox.write),
        (!ports.is_empty()).then(|| format!("connects to TCP ports {}", ports.join(", "))),
        sandbox.network.then(|| "uses the network".to_owned()),
        sandbox.run.then(|| "starts programs".to_owned()),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "nothing more than it needs to run".to_owned() } else { parts.join("; ") }
}

/// Takes the last rights from the process of a Worker, if it `is_confined`; and lets none run unconfined that ought to be.
pub(super) fn enter(config: &Config, is_confined: bool) -> Result<(), Fault> {
    match &config.sandbox {
        Some(sandbox) if is_confined => system::seal(sandbox),
        None if !is_confined => Ok(()),
        sandbox => Err(changed(config, sandbox.as_ref())),
    }
}

/// The file says otherwise than when the host was started.
fn changed(config: &Config, sandbox: Option<&Sandbox>) -> Fault {
    let (place, what) = match sandbox {
        Some(sandbox) => (sandbox.place(), "a sandbox that was not there when the host started"),
        None => (config.name.place(), "a Worker without the sandbox that it had when the host started"),
    };
    place.fault(what).with_help("start the host again, which reads the file then")
}

fn without_process(sandbox: &Sandbox) -> Fault {
    let place = sandbox.place();
    let entry = place.language().entry("isolation", "\"process\"");
    (place.fault("a sandbox for a Worker without a process of its own"))
        .with_expected(format_args!("`{entry}`, or the path of a program as `main`"))
        .with_received("a Worker in a thread of its host, with whose others it shares all that there is")
}

/// What is allowed is what is there now, whatever has its name later.
fn not_there(path: &Located<PathBuf>) -> Option<Fault> {
    let error = std::fs::metadata(path.as_path()).err()?;
    Some(
        (path.place().fault("a path that a sandbox cannot allow"))
            .with_expected("a file or a folder that is there when the Worker starts")
            .with_received(format_args!("`{}`: {error}", path.display()))
            .with_help("make it first, or allow the folder that it is made in"),
    )
}
