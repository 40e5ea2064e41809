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

use clap::{ArgMatches, parser::ValueSource};

use self::signals::Signals;
pub(super) use self::signals::wait_for_signal;
#[cfg(feature = "watch")]
pub(super) use self::{dev::start_dev, line::arguments_of_watched, signals::tell_signals};
use super::{
    Host, apart,
    directory::{self, Advice},
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
        "check" => check(&host, matches),
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

/// The files, if nothing is wrong with any of them. What can be checked of them is, where others, or parts of them, cannot
/// be read.
fn checked_configs(
    host: &Host,
    matches: &ArgMatches,
    advice: Advice,
    knows_all: bool,
) -> Result<Vec<Config>, Faults> {
    let (configs, mut faults) = configs(matches);
    if !faults.is_empty() {
        let knows_all = knows_all && configs.len() == files(matches).count();
        faults.extend(directory::check_some(&host.workers, &host.shared, &configs, knows_all, advice));
    }
    faults.result(configs)
}

/// All files are read, as far as they can be, so that all faults are told.
fn configs(matches: &ArgMatches) -> (Vec<Config>, Faults) {
    let mut faults = Faults::new();
    let mut configs = Vec::new();
    let environment = matches.get_one::<String>("env").map(String::as_str);
    let is_asked = matches.value_source("config") == Some(ValueSource::CommandLine);
    for path in files(matches) {
        let (config, more) = Config::read(path, environment);
        configs.extend(config);
        faults.extend(more.into_iter().map(|fault| match fault.problem() {
            config::UNREADABLE if !is_asked => fault.with_help("name the configuration with `-c FILE`"),
            _ => fault,
        }));
    }
    (configs, faults)
}

fn files(matches: &ArgMatches) -> impl Iterator<Item = &PathBuf> {
    matches.get_many::<PathBuf>("config").into_iter().flatten()
}

fn check(host: &Host, matches: &ArgMatches) -> Result<(), Faults> {
    let folder = matches.get_one::<PathBuf>("registry");
    let configs = checked_configs(host, matches, Advice::Look, folder.is_none())?;
    let registry = match folder {
        Some(folder) => Some(registered::look(folder.clone(), &configs)?),
        None => None,
    };
    host.check_with(&configs, registry.as_ref(), Advice::Look)?;
    say(&no_faults(&configs));
    Ok(())
}

/// What could be read is drawn, whatever is wrong with the rest.
fn drawn(host: &Host, matches: &ArgMatches) -> Result<(), Faults> {
    let (configs, faults) = configs(matches);
    let format = matches.get_one::<String>("format").map_or(Format::Text, |name| Format::of(name));
    if !configs.is_empty() {
        say(&graph(&host.workers, &configs, format));
    }
    faults.result(())
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
