//! The commands of a program that is a host.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, mpsc::Sender},
};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use tokio::runtime::{Builder, Runtime};
#[cfg(unix)]
use tokio::signal::unix;

use super::{
    Host, Running, apart, directory,
    graph::{Format, graph},
    log, registered, reload, sandbox,
    server::{self, Plan},
    sockets::Sockets,
    table::table,
};
use crate::{
    config::{self, Config, Faults},
    registry::kin,
};

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
    if name == sandbox::COMMAND {
        return confine(matches);
    }
    log::install();
    if name == apart::COMMAND {
        return alone(host, matches);
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
        _ => dev(host, matches),
    };
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
        .help("The configuration of a Worker: a worker.toml, .json or .jsonc. May be given again")
        .value_parser(value_parser!(PathBuf))
        .action(ArgAction::Append)
        .default_value("worker.toml");
    let environment = Arg::new("env")
        .short('e')
        .long("env")
        .value_name("NAME")
        .help("The environment to use, which each FILE must have: `[env.NAME]`. It inherits no bindings");
    let port = Arg::new("port")
        .long("port")
        .value_name("PORT")
        .help("The port to serve on; 0 takes a free one [default: `dev.port` of the first FILE, or 8787]")
        .value_parser(value_parser!(u16));
    let address = Arg::new("address")
        .long("address")
        .value_name("IP")
        .help("The address to serve on [default: `dev.address` of the first FILE, or 127.0.0.1]")
        .value_parser(value_parser!(IpAddr));
    let format = Arg::new("format")
        .long("format")
        .value_name("FORMAT")
        .help("How to write it: for people, for Mermaid or for Graphviz")
        .value_parser(Format::NAMES)
        .default_value("text");
    let registry = Arg::new("registry")
        .long("registry")
        .value_name("FOLDER")
        .help("The folder where hosts find each other's Workers [default: RPC_REGISTRY, or one of the user]")
        .value_parser(value_parser!(PathBuf));
    let watch = Arg::new("watch")
        .long("watch")
        .help("Builds and starts the program again when its sources change, and starts it again when its FILEs do")
        .action(ArgAction::SetTrue);
    let build = Arg::new("build")
        .long("build")
        .value_name("COMMAND")
        .requires("watch")
        .help("What builds the program, for the shell [default: the `cargo build` of the `cargo run` that started it]");
    let watch_path = Arg::new("watch-path")
        .long("watch-path")
        .value_name("PATH")
        .requires("watch")
        .help(
            "A file or folder that the program is built from, beside what cargo knows of. May be given again",
        )
        .value_parser(value_parser!(PathBuf))
        .action(ArgAction::Append);
    Command::new("host")
        .about("Runs the Workers that are linked into this program")
        .after_help(
            "Ends with 0, with 1 if something is wrong with a configuration or the start, and with 2 for a wrong command \
             line.",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("dev")
                .about("Serves the first Worker over HTTP, the others to its bindings alone")
                .after_help(
                    "A binding to a Worker of none of the FILEs leads to the `dev` of another terminal, which may start \
                     later. A first Worker that listens is served over HTTP only if `--port`, `--address` or its `dev` \
                     asks for it. SIGINT or SIGTERM stops it, the second one at once.\n\n\
                     With `--watch` another process serves, which is exchanged for a new one when that is ready. It keeps \
                     its listening sockets, so no connection is refused; requests that run in the old one have 5 s. When \
                     the build or the start fails, the old one goes on. What features it was built with `--watch` cannot \
                     know: say `--build 'cargo build -p .. --features ..'` if there were any.",
                )
                .args([config.clone(), environment.clone(), address.clone(), port.clone(), registry.clone()])
                .args([watch, build, watch_path]),
        )
        .subcommand(Command::new(sandbox::COMMAND).hide(true).args([
            config.clone(),
            environment.clone(),
            registry.clone(),
        ]))
        .subcommand(Command::new(reload::COMMAND).hide(true).args([
            config.clone(),
            environment.clone(),
            address,
            port,
            registry.clone(),
        ]))
        .subcommand(Command::new(apart::COMMAND).hide(true).args([
            config.clone(),
            environment.clone(),
            registry.clone(),
            Arg::new(sandbox::CONFINED).long(sandbox::CONFINED).action(ArgAction::SetTrue),
        ]))
        .subcommand(
            Command::new("check")
                .about("Tells every fault of the configuration, and starts nothing")
                .after_help(
                    "A binding to a Worker of none of the FILEs is a fault, unless a `--registry` is named where that \
                     Worker is now.",
                )
                .args([config.clone(), environment.clone(), registry]),
        )
        .subcommand(
            Command::new("graph")
                .about("Prints who is bound to whom")
                .after_help("It draws what the files say, also what `check` would refuse.")
                .args([config, environment, format]),
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

fn dev(host: Host, matches: &ArgMatches) -> Result<(), Faults> {
    let (running, said) = start_dev(host, matches, Arc::default())?;
    // Whoever reads that it serves may tell it to stop.
    let signals = Signals::listen();
    say(&said);
    if let Some(registry) = running.registry() {
        registered::tell(registry, running.configs(), say);
    }
    match signals {
        Ok(signals) => signals.stop(running),
        Err(error) => {
            say(&format!("signals cannot be received, so it is ended and not stopped: {error}\n"));
            loop {
                std::thread::park();
            }
        }
    }
    Ok(())
}

/// Makes a sandbox of this process, which then becomes that of a Worker.
fn confine(matches: &ArgMatches) -> ExitCode {
    let (configs, faults) = configs(matches);
    let registry = matches.get_one::<PathBuf>("registry").map(PathBuf::as_path);
    let confined = faults.result(configs).and_then(|configs| Ok(sandbox::confine(&configs[0], registry)?));
    let Err(faults) = confined;
    faults.eprint();
    ExitCode::FAILURE
}

/// Starts what the command line says, and gives what there is to be said of it.
pub(super) fn start_dev(
    host: Host,
    matches: &ArgMatches,
    sockets: Arc<Sockets>,
) -> Result<(Running, String), Faults> {
    let configs = checked_configs(&host, matches)?;
    let folder = registered::asked_for(matches.get_one("registry"));
    let registry = Some(registered::open(folder, &configs, None)?);
    let (http, any_port) = http_address(&configs, matches).unzip();
    let plan = Plan { http, any_port: any_port == Some(true), registry, sockets };
    let running = server::start(host, configs, plan)?;
    let configs = running.configs();
    let shared = running.registry().map(|registry| &**registry.shared());
    let mut said = table(configs, running.listening(), running.taken(), shared);
    if let (Some(wanted), Some(got)) = (http, running.address())
        && wanted.port() != 0
        && wanted.port() != got.port()
    {
        said += &format!("port {} is taken by another program, so it is another one\n", wanted.port());
    }
    said += &match (configs.first(), running.address()) {
        (Some(first), Some(address)) => format!("{} is served on http://{}\n", *first.name, shown(address)),
        _ => "nothing is served over HTTP, only to the sessions of other processes\n".to_owned(),
    };
    Ok((running, said))
}

/// The command line of the process that serves under `dev --watch`.
#[cfg(feature = "watch")]
pub(super) fn arguments_of_watched(matches: &ArgMatches) -> Vec<OsString> {
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

/// Runs one Worker in the process that was started for it, until that is told to stop or whoever started it has ended.
fn alone(mut host: Host, matches: &ArgMatches) -> ExitCode {
    let mut patience = apart::DRAIN;
    if kin::of_this_process().is_some() {
        host.edge.drain = host.edge.drain.min(apart::DRAIN_WATCHED);
        patience = apart::DRAIN_WATCHED * 2;
    }
    let (configs, faults) = configs(matches);
    let started = faults.result(configs).and_then(|configs| {
        let is_confined = matches.get_flag(sandbox::CONFINED);
        // Before there is another thread, and anything that could want to start a program.
        configs.iter().try_for_each(|config| sandbox::enter(config, is_confined))?;
        let configs: Vec<_> = configs.into_iter().map(|config| host.linked_for(config)).collect();
        let folder = registered::asked_for(matches.get_one("registry"));
        let home = is_confined.then(|| configs[0].name.as_str());
        let registry = Some(registered::open(folder, &configs, home)?);
        server::start(host, configs, Plan { registry, ..Plan::default() })
    });
    let running = match started {
        Ok(running) => running,
        Err(faults) => {
            faults.eprint();
            return ExitCode::FAILURE;
        }
    };
    let (over, ended) = std::sync::mpsc::channel();
    let parent = over.clone();
    std::thread::spawn(move || {
        apart::wait_for_parent();
        let _ = parent.send(());
    });
    wait_for_signal(over);
    // Whichever comes first; nobody sends nothing.
    let _ = ended.recv();
    std::thread::spawn(move || {
        std::thread::sleep(patience);
        std::process::exit(1);
    });
    running.stop();
    ExitCode::SUCCESS
}

/// Says when the process is told to stop.
pub(super) fn wait_for_signal(over: Sender<()>) {
    tell_signals(move |_| {
        // Nobody waits for a second one.
        let _ = over.send(());
    });
}

/// Calls `tell` with the number of each signal that wants the process to stop.
pub(super) fn tell_signals(tell: impl Fn(i32) + Send + 'static) {
    // Where they cannot be had they do what they do.
    if let Ok(mut signals) = Signals::listen() {
        std::thread::spawn(move || {
            loop {
                tell(signals.wait());
            }
        });
    }
}

/// Where HTTP is wanted: as the command line says, else as `dev` of the first configuration does. A Worker that says
/// itself where it is served gets no port beside that, unless one of them asks for it: a Worker that is moved to a
/// process of its own does not become reachable from outside by that. Where nobody asks for a port, another one does as
/// well.
fn http_address(configs: &[Config], matches: &ArgMatches) -> Option<(SocketAddr, bool)> {
    let first = configs.first();
    let dev = first.map(|config| &config.dev);
    let ip = matches.get_one("address").copied().or_else(|| Some(**dev?.address.as_ref()?));
    let port = matches.get_one("port").copied().or_else(|| Some(**dev?.port.as_ref()?));
    let listens = first.is_some_and(|config| !config.listen.is_empty());
    if listens && ip.is_none() && port.is_none() {
        return None;
    }
    let address = SocketAddr::new(ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), port.unwrap_or(PORT));
    Some((address, port.is_none()))
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

/// As people write it. Other addresses of the loopback interface are not what `localhost` stands for.
fn shown(address: SocketAddr) -> String {
    if address.ip() == Ipv4Addr::LOCALHOST {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

fn say(text: &str) {
    // A closed pipe is no reason to stop serving.
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// What tells the process to stop.
struct Signals {
    runtime: Runtime,
    #[cfg(unix)]
    listened: [unix::Signal; 2],
}

impl Signals {
    /// From now on, signals are kept until they are asked for.
    #[cfg(unix)]
    fn listen() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listening = runtime.enter();
        let listened =
            [unix::signal(unix::SignalKind::interrupt())?, unix::signal(unix::SignalKind::terminate())?];
        drop(listening);
        Ok(Self { runtime, listened })
    }

    #[cfg(not(unix))]
    fn listen() -> io::Result<Self> {
        Ok(Self { runtime: Builder::new_current_thread().enable_all().build()? })
    }

    /// Waits until the process is told to stop, and stops; told a second time, it ends at once.
    fn stop(mut self, running: Running) {
        self.wait();
        say("stopping; once more to end at once\n");
        std::thread::spawn(move || std::process::exit(128 + self.wait()));
        running.stop();
    }

    /// Waits for a signal and gives its number.
    #[cfg(unix)]
    fn wait(&mut self) -> i32 {
        let [interrupt, terminate] = &mut self.listened;
        self.runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => unix::SignalKind::interrupt().as_raw_value(),
                _ = terminate.recv() => unix::SignalKind::terminate().as_raw_value(),
            }
        })
    }

    #[cfg(not(unix))]
    fn wait(&mut self) -> i32 {
        self.runtime.block_on(tokio::signal::ctrl_c()).unwrap_or_default();
        2
    }
}
