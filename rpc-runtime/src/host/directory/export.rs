//! What a Worker wants of itself, for the clients that it hands out.

use super::{Own, list};
use crate::{config::Fault, config::nearest, env::WantedExport, host::instance::Instance};

/// The twin of an entrypoint of the Worker itself.
pub(super) fn of(worker: &dyn Instance, wanted: &WantedExport<'_>) -> Result<Own, Fault> {
    let offers = worker.entrypoint(wanted.entrypoint).map_err(|known| unknown_entrypoint(wanted, &known))?;
    match worker.twin(wanted.entrypoint, wanted.client) {
        Some(twin) => Ok((twin, worker.broken())),
        None => Err(not_offered(worker, wanted, &offers)),
    }
}

fn unknown_entrypoint(wanted: &WantedExport<'_>, known: &[&str]) -> Fault {
    let WantedExport { worker, field, client_name, .. } = wanted;
    let name = wanted.entrypoint.unwrap_or_default();
    let fault = (worker.main.place().fault("an export of an entrypoint that the Worker does not have"))
        .with_expected(format_args!("the name of an entrypoint of `{}`", *worker.main))
        .with_received(format_args!("`{name}`, for the field `{field}` of type `Export<{client_name}>`"));
    match nearest(name, known.iter().copied()) {
        Some(near) => fault.with_help(format_args!("there is `{near}`")),
        None if known.is_empty() => {
            fault.with_help("it has the default one alone: leave `#[env(entrypoint = \"..\")]` out")
        }
        None => fault.with_help(format_args!("there are: {}", known.join(", "))),
    }
}

fn not_offered(worker: &dyn Instance, wanted: &WantedExport<'_>, offers: &[&str]) -> Fault {
    let WantedExport { worker: config, field, client_name, .. } = wanted;
    let (service, declaration) = match wanted.service {
        "" => ("fetch", ".fetch()".to_owned()),
        service => (service, format!(".service::<{client_name}>()")),
    };
    let entrypoint = match wanted.entrypoint {
        Some(name) => format!("the entrypoint `{name}`"),
        None => "the default entrypoint".to_owned(),
    };
    let elsewhere = worker.entrypoints().into_iter().find(|(_, offers)| offers.contains(&service));
    let help = match elsewhere {
        Some(("", _)) => {
            "the default entrypoint offers it: leave `#[env(entrypoint = \"..\")]` out".to_owned()
        }
        Some((name, _)) => format!("`{name}` offers it: mark the field `#[env(entrypoint = \"{name}\")]`"),
        None => format!("add `{declaration}` to {entrypoint} of `{}`", *config.main),
    };
    (config.main.place().fault("an export of what the Worker does not offer"))
        .with_expected(format_args!(
            "an entrypoint that offers `{service}`, for the field `{field}` of type `Export<{client_name}>`"
        ))
        .with_received(format_args!("{entrypoint} of `{}`, which offers {}", *config.name, list(offers)))
        .with_help(help)
}
