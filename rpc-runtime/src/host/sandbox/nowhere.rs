//! Where there is no sandbox: why, and what to do.

use std::{convert::Infallible, path::Path};

use super::changed;
use crate::config::{Config, Fault, Sandbox};

/// Why this program cannot make it.
pub(in crate::host) fn unsupported(sandbox: &Sandbox) -> Option<Fault> {
    Some(refusal(sandbox))
}

pub(in crate::host) fn missing() -> Vec<&'static str> {
    Vec::new()
}

pub(in crate::host) fn confine(config: &Config, _: Option<&Path>) -> Result<Infallible, Fault> {
    Err(config.sandbox.as_ref().map_or_else(|| changed(config, None), refusal))
}

pub(in crate::host) fn seal(sandbox: &Sandbox) -> Result<(), Fault> {
    Err(refusal(sandbox))
}

fn refusal(sandbox: &Sandbox) -> Fault {
    let fault = sandbox.place().fault("a sandbox that this program cannot make");
    if cfg!(target_os = "linux") && !cfg!(feature = "sandbox") {
        fault
            .with_expected("a program that is built with the feature `sandbox` of rpc-runtime")
            .with_received("one that is built without it")
            .with_help(
                "add `features = [\"sandbox\"]` to the dependency `rpc-runtime`, or leave the sandbox out",
            )
    } else {
        fault
            .with_expected("Linux on x86_64, aarch64 or riscv64")
            .with_received(format_args!("{} on {}", std::env::consts::OS, std::env::consts::ARCH))
            .with_help("leave the sandbox out of the configuration that is used here")
    }
}
