//! The commands of a program that is a host.

mod alone;
mod dev;
mod http;
mod line;
mod serve;
mod signals;

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::ArgMatches;

use self::signals::Signals;
pub(super) use self::{dev::start_dev, signals::wait_for_signal};
#[cfg(feature = "watch")]
pub(super) use self::{line::arguments_of_watched, signals::tell_signals};
use super::{
    Host, apart, directory,
    graph::{Format, graph},
    log, registered, reload, sandbox,
};
use crate::config::{self, Config, Faults};

pub(super) fn run(host: Host, args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match line::command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => {
            // A closed terminal is no reason to fail differently.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let (name, matches) = matches.subcommand().expect("clap asks for a command");
    if name == sandbox::COMMAND {
        return alone::confine(matches);
    }
    log::install();
    if name == apart::COMMAND {
        return alone::alone(host, matches);
    }
    if name == reload::COMMAND {
        return reload::watched(host, matches);
    }
    if name == "dev" && matches.get_flag("watch") {
        // Nothing of it is needed by who only watches.
        drop(host);
        return reload::run(matches);
    }
    if name == "schema" {
        say(&config::schema());
        return ExitCode::SUCCESS;
    }
    let done = match name {
        "check" => checked_configs(&host, matches).and_then(|configs| check(&host, &configs, matches)),
        "graph" => drawn(&host, matches),
        "serve" => serve::serve(host, matches),
        _ => dev::dev(host, matches),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(faults) => {
            faults.eprint();
            ExitCode::FAILURE
        }
    }
}

/// The files, if nothing is wrong with any of them. What can be checked of some of them is, where others cannot be read.
fn checked_configs(host: &Host, matches: &ArgMatches) -> Result<Vec<Config>, Faults> {
    let (configs, mut faults) = configs(matches);
    if !faults.is_empty() {
        faults.extend(directory::check_some(&host.workers, &host.shared, &configs));
    }
    faults.result(configs)
}

/// All files are read, so that all faults are told.
fn configs(matches: &ArgMatches) -> (Vec<Config>, Faults) {
    let mut faults = Faults::new();
    let mut configs = Vec::new();
    let environment = matches.get_one::<String>("env");
    for path in matches.get_many::<PathBuf>("config").into_iter().flatten() {
        let loaded = match environment {
            Some(environment) => Config::load_environment(path, environment),
            None => Config::load(path),
        };
        match loaded {
            Ok(config) => configs.push(config),
            Err(more) => faults.extend(more),
        }
    }
    (configs, faults)
}

fn check(host: &Host, configs: &[Config], matches: &ArgMatches) -> Result<(), Faults> {
    let registry = match matches.get_one::<PathBuf>("registry") {
        Some(folder) => Some(registered::look(folder.clone(), configs)?),
        None => None,
    };
    host.check_with(configs, registry.as_ref())?;
    say(&no_faults(configs));
    Ok(())
}

fn drawn(host: &Host, matches: &ArgMatches) -> Result<(), Faults> {
    let (configs, faults) = configs(matches);
    let configs = faults.result(configs)?;
    let format = matches.get_one::<String>("format").map_or(Format::Text, |name| Format::of(name));
    say(&graph(&host.workers, &configs, format));
    Ok(())
}

fn no_faults(configs: &[Config]) -> String {
    let names: Vec<_> = configs
        .iter()
        .map(|config| match config.sandbox {
            Some(_) => format!("{} (in a sandbox)", *config.name),
            None => config.name.to_string(),
        })
        .collect();
    format!("no faults: {}\n", names.join(", "))
}

fn say(text: &str) {
    // A closed pipe is no reason to stop serving.
    let _ = io::stdout().lock().write_all(text.as_bytes());
}
