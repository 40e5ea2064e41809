//! The command `dev`.

use std::sync::Arc;

use clap::ArgMatches;

use super::{Signals, checked_configs, http, say};
use crate::{
    config::{Config, Faults},
    host::{
        Host, Running,
        directory::Advice,
        registered,
        requests::{Need, Requests},
        server::{self, Plan},
        sockets::Sockets,
        table::table,
    },
};

pub(super) fn dev(host: Host, matches: &ArgMatches) -> Result<(), Faults> {
    let (running, said) = start_dev(host, matches, Arc::default())?;
    // Whoever reads that it serves may tell it to stop.
    let signals = Signals::listen();
    say(&said);
    if let Some(registry) = running.registry() {
        registered::tell(registry, running.configs(), say);
    }
    Signals::stop_when_told(signals, running);
    Ok(())
}

/// Starts what the command line says, and gives what there is to be said of it.
pub(in crate::host) fn start_dev(
    host: Host,
    matches: &ArgMatches,
    sockets: Arc<Sockets>,
) -> Result<(Running, String), Faults> {
    let configs = checked_configs(&host, matches, Advice::Give, false)?;
    let folder = registered::asked_for(matches.get_one("registry"));
    let registry = Some(registered::open(folder, &configs, None)?);
    let http = requests(&configs, matches);
    let wanted = http.as_ref().map(|requests| requests.address);
    let plan = Plan { http, registry, is_development: true, sockets };
    let running = server::start(host, configs, plan)?;
    let configs = running.configs();
    let shared = running.registry().map(|registry| &**registry.shared());
    let mut said = table(configs, running.listening(), running.taken(), shared);
    if let (Some(wanted), Some(got)) = (wanted, running.address())
        && wanted.port() != 0
        && wanted.port() != got.port()
    {
        said += &format!("port {} is taken by another program, so it is another one\n", wanted.port());
    }
    said += &http::told(&running, wanted);
    Ok((running, said))
}

/// Where HTTP is wanted: as the command line says, else as `dev` of the first configuration does. A Worker that says
/// itself where it is served gets no port beside that, unless one of them asks for it: a Worker that is moved to a
/// process of its own does not become reachable from outside by that. Where nobody asks for a port, another one does as
/// well.
fn requests(configs: &[Config], matches: &ArgMatches) -> Option<Requests> {
    let first = configs.first();
    let dev = first.map(|config| &config.dev);
    let (ip, port) = (
        dev.and_then(|dev| dev.address.as_ref()).map(|ip| (**ip, ip.place())),
        dev.and_then(|dev| dev.port.as_ref()).map(|port| (**port, port.place())),
    );
    let mut requests = http::requests(first, matches, ip, port)?;
    if requests.need == Need::UnlessListening {
        requests.need = Need::IfAnswered;
    }
    Some(requests)
}
