//! The commands of a program that is a host.

use std::{
    ffi::OsString,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::{Host, Running};
use crate::config::{Config, Faults};

/// The port that is served when nobody says otherwise: that of the model.
const PORT: u16 = 8787;

pub(super) fn run(host: Host, args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => {
            // A closed terminal is no reason to fail differently.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let (name, matches) = matches.subcommand().expect("clap asks for a command");
    let done = configs(matches).and_then(|configs| match name {
        "check" => host.check(&configs).map(|()| say(&summary(&configs))),
        _ => dev(host, configs, matches),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(faults) => {
            faults.eprint();
            ExitCode::FAILURE
        }
    }
}

fn command() -> Command {
    let config = Arg::new("config")
        .short('c')
        .long("config")
        .value_name("FILE")
        .help("A worker.toml; may be given again. The Worker of the first one is served")
        .value_parser(value_parser!(PathBuf))
        .action(ArgAction::Append)
        .default_value("worker.toml");
    let port = Arg::new("port")
        .long("port")
        .value_name("PORT")
        .help("The port to serve on; 0 takes a free one")
        .value_parser(value_parser!(u16))
        .default_value("8787");
    let address = Arg::new("address")
        .long("address")
        .value_name("IP")
        .help("The address to serve on")
        .value_parser(value_parser!(IpAddr))
        .default_value("127.0.0.1");
    Command::new("host")
        .about("Runs the Workers that are linked into this program")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("dev")
                .about("Serves the first Worker over HTTP, the others to its bindings alone")
                .args([config.clone(), address, port]),
        )
        .subcommand(
            Command::new("check")
                .about("Tells every fault of the configuration, and starts nothing")
                .arg(config),
        )
}

/// All files are read, so that all faults are told.
fn configs(matches: &ArgMatches) -> Result<Vec<Config>, Faults> {
    let mut faults = Faults::new();
    let mut configs = Vec::new();
    for path in matches.get_many::<PathBuf>("config").into_iter().flatten() {
        match Config::load(path) {
            Ok(config) => configs.push(config),
            Err(more) => faults.extend(more),
        }
    }
    faults.result(configs)
}

fn dev(host: Host, configs: Vec<Config>, matches: &ArgMatches) -> Result<(), Faults> {
    let ip = matches.get_one("address").copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let port = matches.get_one("port").copied().unwrap_or(PORT);
    let summary = summary(&configs);
    let name = configs.first().map(|config| config.name.to_string()).unwrap_or_default();
    let running = host.start(configs, SocketAddr::new(ip, port))?;
    say(&summary);
    say(&format!("{name} is served on http://{}\n", shown(running.address())));
    wait(running);
    Ok(())
}

/// Who is bound to whom.
fn summary(configs: &[Config]) -> String {
    let mut text = String::new();
    for config in configs {
        text += &format!("{}\n", *config.name);
        for binding in &config.services {
            let entrypoint =
                binding.entrypoint.as_ref().map(|name| format!("#{}", **name)).unwrap_or_default();
            text += &format!("  {} -> {}{entrypoint}\n", *binding.binding, *binding.service);
        }
    }
    text
}

fn shown(address: SocketAddr) -> String {
    if address.ip().is_loopback() { format!("localhost:{}", address.port()) } else { address.to_string() }
}

fn say(text: &str) {
    // A closed pipe is no reason to stop serving.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Until the process is told to stop; a second time ends it at once.
fn wait(running: Running) {
    let signals = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(signals) = signals else { return running.stop() };
    signals.block_on(told_to_stop());
    say("stopping; once more to end at once\n");
    std::thread::spawn(move || {
        signals.block_on(told_to_stop());
        std::process::exit(130);
    });
    running.stop();
}

#[cfg(unix)]
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return tokio::signal::ctrl_c().await.unwrap_or_default();
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(not(unix))]
async fn told_to_stop() {
    tokio::signal::ctrl_c().await.unwrap_or_default();
}
