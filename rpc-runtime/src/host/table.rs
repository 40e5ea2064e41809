//! What each Worker may reach, as `dev` tells it when it starts.

use super::directory::Taken;
use crate::{
    config::{Config, ServiceBinding},
    transport::Address,
};

/// Each Worker, where it listens, and a table of its bindings, variables and secrets: `listening` has each address that
/// a configuration says, in their order, and `taken` the secrets of each.
pub(super) fn table<'a>(
    configs: &[Config],
    listening: impl IntoIterator<Item = &'a Address>,
    taken: &[Taken],
) -> String {
    let mut listening = listening.into_iter();
    let mut text = String::new();
    for config in configs {
        text += &format!("{}\n", *config.name);
        for address in listening.by_ref().take(config.listen.len()) {
            text += &format!("  listens at {address}\n");
        }
        text += &aligned(&rows(config, taken));
    }
    text
}

/// A binding, its kind, what it leads to, and where that is.
type Row = [String; 4];

fn rows(config: &Config, taken: &[Taken]) -> Vec<Row> {
    let services = config.services.iter().map(|binding| {
        let at = binding.address.as_ref().map_or_else(|| "local".to_owned(), |address| address.to_string());
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
