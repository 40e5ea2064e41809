//! The command `dev`.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use clap::ArgMatches;

use super::{Signals, checked_configs, say};
use crate::{
    config::{Config, Faults},
    host::{
        Host, Running, registered,
        server::{self, Plan},
        sockets::Sockets,
        table::table,
    },
};

/// The port that is served when nobody says otherwise: that of the model.
const PORT: u16 = 8787;

pub(super) fn dev(host: Host, matches: &ArgMatches) -> Result<(), Faults> {
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

/// Starts what the command line says, and gives what there is to be said of it.
pub(in crate::host) fn start_dev(
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

/// As people write it. Other addresses of the loopback interface are not what `localhost` stands for.
fn shown(address: SocketAddr) -> String {
    if address.ip() == Ipv4Addr::LOCALHOST {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}
