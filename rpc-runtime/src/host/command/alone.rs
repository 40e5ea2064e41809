//! The commands of the processes that a host starts, which are told to nobody.

use std::{path::PathBuf, process::ExitCode};

use clap::ArgMatches;

use super::{configs, wait_for_signal};
use crate::{
    host::{
        Host, apart, registered, sandbox,
        server::{self, Plan},
    },
    registry::kin,
};

/// Makes a sandbox of this process, which then becomes that of a Worker.
pub(super) fn confine(matches: &ArgMatches) -> ExitCode {
    let (configs, faults) = configs(matches);
    let registry = matches.get_one::<PathBuf>("registry").map(PathBuf::as_path);
    let confined = faults.result(configs).and_then(|configs| Ok(sandbox::confine(&configs[0], registry)?));
    let Err(faults) = confined;
    faults.eprint();
    ExitCode::FAILURE
}

/// Runs one Worker in the process that was started for it, until that is told to stop or whoever started it has ended.
pub(super) fn alone(mut host: Host, matches: &ArgMatches) -> ExitCode {
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
        apart::end_with_parent();
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
