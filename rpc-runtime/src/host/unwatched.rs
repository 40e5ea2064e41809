//! `dev --watch` in a program that is built without it.

use std::process::ExitCode;

use clap::ArgMatches;

use super::Host;
use crate::config::{Faults, Place};

pub(super) const COMMAND: &str = "watched";

pub(super) fn run(_: &ArgMatches) -> ExitCode {
    let fault = Place::nowhere("dev --watch").fault("a program that cannot watch its sources");
    let fault = fault.with_expected("a program built with the feature `watch` of rpc-runtime");
    let help = "say `rpc-runtime = { .., features = [\"watch\"] }` in its Cargo.toml, or leave `--watch` out";
    Faults::from(fault.with_received("one without it").with_help(help)).eprint();
    ExitCode::FAILURE
}

pub(super) fn watched(_: Host, matches: &ArgMatches) -> ExitCode {
    run(matches)
}
