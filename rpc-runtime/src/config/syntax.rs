//! From text to values, in the language that the name of the file says.

mod jsonc;
mod toml;

use std::path::Path;
use std::sync::Arc;

use super::place::{Place, Source};
use super::value::Table;
use super::{Fault, Faults};

/// What a file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Toml,
    /// With comments, and commas after the last element.
    Json,
}

impl Language {
    /// By the ending of its name; `None` for one that says something else.
    pub(crate) fn of(file: &str) -> Option<Self> {
        match Path::new(file).extension().and_then(|ending| ending.to_str()) {
            None | Some("toml") => Some(Self::Toml),
            Some("json" | "jsonc") => Some(Self::Json),
            Some(_) => None,
        }
    }

    /// What the language calls keys with their values.
    pub(crate) const fn table(self) -> &'static str {
        match self {
            Self::Toml => "a table",
            Self::Json => "an object",
        }
    }

    /// A key with its value, as one writes it.
    pub(crate) fn entry(self, key: &str, value: &str) -> String {
        match self {
            Self::Toml => format!("{key} = {value}"),
            Self::Json => format!("\"{key}\": {value}"),
        }
    }

    /// An entry of `services`, as one writes it.
    pub(crate) fn binding(self, name: &str) -> String {
        let (binding, service) =
            (self.entry("binding", &format!("\"{name}\"")), self.entry("service", "\"..\""));
        format!("{{ {binding}, {service} }}")
    }
}

/// Parses as far as it can.
///
/// After a mistake against the grammar the table holds what could be read, which is enough to find an unknown key
/// elsewhere, but not to say that one is missing; the second value tells the two apart.
pub(crate) fn parse(source: &Arc<Source>, faults: &mut Faults) -> (Table, bool) {
    match source.language() {
        Language::Toml => toml::parse(source, faults),
        Language::Json => jsonc::parse(source, faults),
    }
}

/// A mistake against the grammar, in the form that all faults have.
fn fault(at: &Place, problem: &str, expected: &str) -> Fault {
    let received = match at.text()[at.span().start..].chars().next() {
        Some('\n' | '\r') => "the end of the line".to_owned(),
        Some(quote @ ('"' | '\'')) => format!("`{quote}`"),
        Some(first) => format!("`{}`", first.escape_debug()),
        None => "the end of the file".to_owned(),
    };
    at.fault(problem).with_expected(expected).with_received(received)
}
