//! Where a command serves requests, and what it says of that.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::ArgMatches;

use crate::{
    config::{Config, Place},
    host::{
        Running,
        requests::{Need, Requests, Said},
    },
};

/// The port that is served when nobody says otherwise: that of the model.
const PORT: u16 = 8787;

/// Where HTTP is wanted: as the command line says, else as a file does by `ip` and `port`. `None` for a first Worker that
/// listens, where neither says so.
pub(super) fn requests(
    first: Option<&Config>,
    matches: &ArgMatches,
    ip: Option<(IpAddr, &Place)>,
    port: Option<(u16, &Place)>,
) -> Option<Requests> {
    let line = Place::nowhere("the command line");
    let asked_ip = matches.get_one("address").copied();
    let asked_port = matches.get_one("port").copied();
    let ip = asked_ip.map(|ip| (ip, &line)).or(ip);
    let port = asked_port.map(|port| (port, &line)).or(port);
    let listens = first.is_some_and(|config| !config.listen.is_empty());
    if listens && ip.is_none() && port.is_none() {
        return None;
    }
    let is_asked = asked_ip.is_some() || asked_port.is_some();
    let (ip, ip_at) = ip.unwrap_or((IpAddr::V4(Ipv4Addr::LOCALHOST), &line));
    let any_port = port.is_none();
    let (port, port_at) = port.unwrap_or((PORT, &line));
    Some(Requests {
        address: SocketAddr::new(ip, port),
        any_port,
        need: if is_asked { Need::Asked } else { Need::UnlessListening },
        said: Some(Said { port: port_at.clone(), ip: ip_at.clone() }),
    })
}

/// Where the first Worker is served, or why it is not: `wanted` is where it was to be.
pub(super) fn told(running: &Running, wanted: Option<SocketAddr>) -> String {
    let first = running.configs().first().map_or("", |config| config.name.as_str());
    match (running.address(), wanted) {
        (Some(address), _) => format!("{first} is served on http://{}\n", shown(address)),
        (None, Some(_)) => format!(
            "nothing is served over HTTP: the first Worker, {first}, answers no requests; put one first that does\n"
        ),
        (None, None) => format!(
            "nothing is served over HTTP: the first Worker, {first}, listens; `--port` or `--address` serves it there too\n"
        ),
    }
}

/// As people write it. Other addresses of the loopback interface are not what `localhost` stands for.
fn shown(address: SocketAddr) -> String {
    if address.ip() == Ipv4Addr::LOCALHOST {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}
