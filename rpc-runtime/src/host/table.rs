//! What each Worker may reach, as `dev` tells it when it starts.

use super::{directory::Taken, registered, sandbox};
use crate::{
    config::{Config, ServiceBinding},
    registry,
    transport::Address,
};

/// Each Worker, where it listens, and a table of its bindings, variables and secrets: `listening` has each address that
/// a configuration says, in their order, `taken` the secrets of each, and `registry` those that are elsewhere.
pub(super) fn table<'a>(
    configs: &[Config],
    listening: impl IntoIterator<Item = &'a Address>,
    taken: &[Taken],
    registry: Option<&registry::Shared>,
) -> String {
    let mut listening = listening.into_iter();
    let mut text = String::new();
    for config in configs {
        text += &format!("{}\n", *config.name);
        for address in listening.by_ref().take(config.listen.len()) {
            text += &format!("  listens at {address}\n");
        }
        if config.is_apart() {
            text += "  runs in a process of its own\n";
        }
        if let Some(sandbox) = &config.sandbox {
            text += &format!("  in a sandbox: {}\n", sandbox::described(sandbox));
        }
        text += &aligned(&rows(config, configs, taken, registry));
    }
    text
}

/// A binding, its kind, what it leads to, and where that is.
type Row = [String; 4];

fn rows(
    config: &Config,
    configs: &[Config],
    taken: &[Taken],
    registry: Option<&registry::Shared>,
) -> Vec<Row> {
    let services = config.services.iter().map(|binding| {
        let at = match (&binding.address, registry.and_then(|registry| registry.find(binding.target()))) {
            (Some(address), _) => address.to_string(),
            (None, Some(sought)) if registered::leads_elsewhere(binding, configs) => {
                // What is told here is news no longer.
                registered::described(binding, &sought.news().unwrap_or_else(|| sought.state()))
            }
            _ if config.is_apart() => "its host".to_owned(),
            _ => "local".to_owned(),
        };
        [binding.binding.to_string(), "Worker".to_owned(), target(binding), at]
    });
    let vars = config.vars.iter().map(|variable| {
        let place = variable.place();
        let at = format!("{}:{}", place.file(), place.line());
        [variable.name().to_string(), "variable".to_owned(), variable.brief(), at]
    });
    let secrets = taken.iter().filter(|taken| taken.worker == *config.name).flat_map(|taken| &taken.secrets);
    let secrets = secrets.map(|(name, source)| {
        [(*name).to_owned(), "secret".to_owned(), "(hidden)".to_owned(), source.to_string()]
    });
    services.chain(vars).chain(secrets).collect()
}

/// `auth`, or `auth#Admin` for an entrypoint.
pub(super) fn target(binding: &ServiceBinding) -> String {
    match &binding.entrypoint {
        Some(entrypoint) => format!("{}#{}", binding.target(), **entrypoint),
        None => binding.target().to_owned(),
    }
}

/// The rows below their head, each column as wide as its widest.
fn aligned(rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head = ["binding", "kind", "target", "where"].map(str::to_owned);
    let all = || std::iter::once(&head).chain(rows);
    let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [0, 1, 2].map(width);
    all()
        .map(|[binding, kind, target, at]| {
            let [first, second, third] = widths;
            format!("  {binding:first$}  {kind:second$}  {target:third$}  {at}\n")
        })
        .collect()
}
