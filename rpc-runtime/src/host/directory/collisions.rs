//! Services that a peer could not tell from each other.

use crate::{
    config::{Config, Fault},
    service::MethodInfo,
    worker::Offered,
};

/// Who offers a service.
type By<'a> = (&'a Config, Offered);

/// A call over a boundary names its method by a hash of `Service/method` alone, so no two services of a host may have
/// a name in common, nor, which is unlikely, two of their methods a hash.
///
/// One service may have many Workers. A local one has no wire, and whatever name it likes.
pub(super) fn faults<'a>(offered: impl Iterator<Item = By<'a>>) -> Vec<Fault> {
    let mut known: Vec<By<'a>> = Vec::new();
    let mut faults = Vec::new();
    for newer in offered.filter(|(_, service)| service.is_on_wire && !service.info.name.is_empty()) {
        if known.iter().any(|(_, earlier)| earlier.client == newer.1.client) {
            continue;
        }
        faults.extend(known.iter().find_map(|earlier| collision(*earlier, newer)));
        known.push(newer);
    }
    faults
}

fn collision(earlier: By<'_>, newer: By<'_>) -> Option<Fault> {
    let (one, other) = (earlier.1.info, newer.1.info);
    if one.name == other.name {
        return Some(
            told(earlier, newer, "two services of one name", one.name, other.name)
                .with_expected("a name on the wire that no other service of the host has")
                .with_help(
                    "give one of them `#[service(rename = \"..\")]`, or let both Workers use one trait",
                ),
        );
    }
    let (first, second) = (one.methods.iter())
        .find_map(|first| Some((first, other.methods.iter().find(|second| second.id == first.id)?)))?;
    Some(
        told(earlier, newer, "two methods of one identity", &path(first), &path(second))
            .with_expected("methods whose names have different hashes")
            .with_help("give one of them `#[rpc(rename = \"..\")]`"),
    )
}

/// At the one that came second; both are named.
fn told(earlier: By<'_>, newer: By<'_>, problem: &str, first: &str, second: &str) -> Fault {
    let shown = |(config, service): By<'_>, what: &str| {
        format!("`{what}` of `{}` (`{}`)", *config.name, (service.client_name)())
    };
    (newer.0.main.place().fault(problem))
        .with_received(format_args!("{} and {}", shown(earlier, first), shown(newer, second)))
        .with_related(earlier.0.main.place(), "the first one is here")
}

fn path(method: &MethodInfo) -> String {
    format!("{}/{}", method.service, method.name)
}

#[cfg(test)]
mod tests;
