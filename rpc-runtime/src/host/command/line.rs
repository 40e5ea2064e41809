//! The command line.

use std::{ffi::OsString, io, net::IpAddr, path::PathBuf};

#[cfg(feature = "watch")]
use clap::ArgMatches;
use clap::{
    Arg, ArgAction, Command,
    builder::{OsStringValueParser, TypedValueParser as _},
    value_parser,
};

use crate::host::{apart, graph::Format, reload, sandbox};

pub(super) fn command() -> Command {
    Command::new("host")
        .about("Runs the Workers that are linked into this program")
        .after_help(
            "Ends with 0, with 1 if something is wrong with a configuration or the start, and with 2 for a wrong command \
             line.",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([dev(), serve()])
        .subcommands(told_to_nobody())
        .subcommand(
            Command::new("check")
                .about("Tells every fault of the configuration, and starts nothing")
                .after_help(
                    "A binding to a Worker of none of the FILEs is a fault, as for `serve`, unless a `--registry` is named \
                     where that Worker is now.",
                )
                .args([config(), environment()])
                .arg(registry("The folder where to look for Workers of other hosts [default: none]")),
        )
        .subcommand(
            Command::new("graph")
                .about("Prints who is bound to whom")
                .after_help("It draws what the files say, also what `check` would refuse, as far as they can be read. What cannot be \
                     is told, and then it ends with 1.")
                .args([config(), environment(), format()]),
        )
        .subcommand(
            Command::new("schema")
                .about("Prints the JSON Schema of a configuration file, for editors")
                .after_help(
                    "Keep it in a file, and name that file in each configuration: by the key \"$schema\" in JSON, in the \
                     first line of TOML by `#:schema ./worker.schema.json`.",
                ),
        )
}

fn dev() -> Command {
    Command::new("dev")
        .about("Serves the first Worker over HTTP, the others to its bindings alone")
        .after_help(
            "A binding to a Worker of none of the FILEs leads to the `dev` of another terminal, which may start \
             later. A first Worker that listens is served over HTTP only if `--port`, `--address` or its `dev` \
             asks for it. One that answers no requests is there for the bindings of others; with `--port` or \
             `--address` it is a fault. SIGINT or SIGTERM stops it, the second one at once.\n\n\
             With `--watch` another process serves, which is exchanged for a new one when that is ready. It keeps \
             its listening sockets, so no connection is refused; requests that run in the old one have 5 s. When \
             the build or the start fails, the old one goes on. What features it was built with `--watch` cannot \
             know: say `--build 'cargo build -p .. --features ..'` if there were any.",
        )
        .args([config(), environment()])
        .arg(address("[default: `dev.address` of the first FILE, or 127.0.0.1]"))
        .arg(port("[default: `dev.port` of the first FILE, or 8787]"))
        .args([registry(MEETING), watch(), build(), watch_path()])
}

fn serve() -> Command {
    Command::new("serve")
        .about("Serves as `dev` does, but for real: it looks for no Workers in other terminals")
        .after_help(
            "Each binding leads to a Worker of the FILEs or has an `address`: everything else is a fault, as for `check`. \
             The `dev` of a FILE says nothing here. A first Worker that listens is served over HTTP only if `--port` or \
             `--address` asks for it; one that answers no requests has to listen. There is a thread for each core. A \
             Worker that is not there is told to outside clients as 503 with a reference into the log, and no more.\n\n\
             The first SIGINT or SIGTERM lets requests, calls and background work come to their end for 30 s and ends with \
             0, the second one ends at once with 128 and its number.",
        )
        .args([config(), environment(), address("[default: 127.0.0.1]"), port("[default: 8787]")])
}

/// What the processes are told that a host starts.
fn told_to_nobody() -> [Command; 3] {
    let common = || [config(), environment(), registry(MEETING)];
    [
        Command::new(sandbox::COMMAND).hide(true).args(common()),
        Command::new(reload::COMMAND).hide(true).args(common()).args([address(""), port("")]),
        Command::new(apart::COMMAND).hide(true).args(common()).arg(
            Arg::new(sandbox::CONFINED)
                .long(sandbox::CONFINED)
                .help("Whether this process is in the sandbox of the Worker by now")
                .action(ArgAction::SetTrue),
        ),
    ]
}

fn config() -> Arg {
    Arg::new("config")
        .short('c')
        .long("config")
        .value_name("FILE")
        .help("The configuration of a Worker: a worker.toml, .json or .jsonc. May be given again")
        .value_parser(value_parser!(PathBuf))
        .action(ArgAction::Append)
        .default_value("worker.toml")
}

fn environment() -> Arg {
    Arg::new("env")
        .short('e')
        .long("env")
        .value_name("NAME")
        .help("The environment to use, which each FILE must have: `[env.NAME]`. It inherits no bindings. Its Worker is called \
             WORKER-NAME, to which a binding leads by `environment = \"NAME\"`")
}

fn port(default: &str) -> Arg {
    Arg::new("port")
        .long("port")
        .value_name("PORT")
        .help(format!("The port to serve on; 0 takes a free one {default}"))
        .value_parser(value_parser!(u16))
}

fn address(default: &str) -> Arg {
    Arg::new("address")
        .long("address")
        .value_name("IP")
        .help(format!("The address to serve on {default}"))
        .value_parser(value_parser!(IpAddr))
}

fn format() -> Arg {
    Arg::new("format")
        .long("format")
        .value_name("FORMAT")
        .help("How to write it: for people, for Mermaid or for Graphviz")
        .value_parser(Format::NAMES)
        .default_value("text")
}

/// What a registry is for those who run Workers.
const MEETING: &str =
    "The folder where hosts find each other's Workers [default: RPC_REGISTRY, or one of the user]";

fn registry(help: &'static str) -> Arg {
    Arg::new("registry").long("registry").value_name("FOLDER").help(help).value_parser(value_parser!(PathBuf))
}

fn watch() -> Arg {
    Arg::new("watch")
        .long("watch")
        .help("Builds and starts the program again when its sources change, and starts it again when its FILEs do")
        .action(ArgAction::SetTrue)
}

fn build() -> Arg {
    Arg::new("build").long("build").value_name("COMMAND").requires("watch").help(
        "What builds the program, for the shell [default: the `cargo build` of the `cargo run` that started it]",
    )
}

fn watch_path() -> Arg {
    Arg::new("watch-path")
        .long("watch-path")
        .value_name("PATH")
        .requires("watch")
        .help(
            "A file or folder that the program is built from, beside what cargo knows of. May be given again",
        )
        .value_parser(OsStringValueParser::new().try_map(there))
        .action(ArgAction::Append)
}

/// A path that leads somewhere.
fn there(path: OsString) -> io::Result<PathBuf> {
    std::fs::metadata(&path)?;
    Ok(path.into())
}

/// The command line of the process that serves under `dev --watch`.
#[cfg(feature = "watch")]
pub(in crate::host) fn arguments_of_watched(matches: &ArgMatches) -> Vec<OsString> {
    let mut arguments = Vec::new();
    for file in matches.get_many::<PathBuf>("config").into_iter().flatten() {
        arguments.extend(["-c".into(), file.into()]);
    }
    let mut add = |name: &str, value: Option<OsString>| {
        arguments.extend(value.into_iter().flat_map(|value| [format!("--{name}").into(), value]));
    };
    add("env", matches.get_one::<String>("env").map(Into::into));
    add("port", matches.get_one::<u16>("port").map(|port| port.to_string().into()));
    add("address", matches.get_one::<IpAddr>("address").map(|address| address.to_string().into()));
    add("registry", matches.get_one::<PathBuf>("registry").map(Into::into));
    arguments
}
