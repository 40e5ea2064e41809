//! The command `serve`.

use std::thread;

use clap::ArgMatches;

use super::{Signals, checked_configs, http, say};
use crate::{
    config::Faults,
    host::{
        Host, Running,
        directory::Advice,
        registered,
        server::{self, Plan},
    },
};

pub(super) fn serve(mut host: Host, matches: &ArgMatches) -> Result<(), Faults> {
    let configs = checked_configs(&host, matches, Advice::Give, true)?;
    // No more than there are cores: nobody has to see here that a Worker has an instance for each.
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    host.threads.get_or_insert(cores);
    let mut http = http::requests(configs.first(), matches, None, None);
    if let Some(requests) = &mut http {
        // Whoever sends requests expects them at this one.
        requests.any_port = false;
    }
    let wanted = http.as_ref().map(|requests| requests.address);
    // Declared first, and so removed last.
    let (_folder, registry) = registered::private(&configs)?.unzip();
    let plan = Plan { http, registry, ..Plan::default() };
    let running = server::start(host, configs, plan)?;
    // Whoever reads that it serves may tell it to stop.
    let signals = Signals::listen();
    say(&(listening(&running) + &http::told(&running, wanted)));
    Signals::stop_when_told(signals, running);
    Ok(())
}

/// A line for each address at which a Worker listens.
fn listening(running: &Running) -> String {
    let of = |config: &crate::config::Config| vec![config.name.to_string(); config.listen.len()];
    let names = running.configs().iter().flat_map(of);
    names.zip(running.listening()).map(|(name, address)| format!("{name} listens at {address}\n")).collect()
}
