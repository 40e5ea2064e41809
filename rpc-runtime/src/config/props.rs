//! What a binding says to its target.

mod json;
mod made;

use std::fmt;

use serde::Deserialize;

use super::value::Node;
use super::vars::{Absent, Reading};
use super::{Fault, Located, Place};

/// What a binding says to the Worker it leads to, which reads it with [`Ctx::props`](crate::Ctx::props).
///
/// It is set by the configuration of the caller's host, or by the Worker itself in an [`Export`](crate::Export): no code
/// of a caller can change it.
#[derive(Clone, Debug)]
pub struct Props {
    /// The table, or the entry of `services` that has none.
    place: Place,
    node: Option<Node>,
    origin: Origin,
}

/// Who says it.
#[derive(Clone, Debug)]
enum Origin {
    /// The binding of this name.
    Binding(String),
    /// The binding of this name in another process.
    Elsewhere(Box<str>),
    /// The Worker that is called.
    Export,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binding(name) => write!(f, "the binding `{name}`"),
            Self::Elsewhere(name) => write!(f, "the binding `{name}` of another process"),
            Self::Export => f.write_str("a client of an `Export`"),
        }
    }
}

impl Props {
    pub(crate) fn new(place: Place, node: Option<Node>, binding: &Located<String>) -> Self {
        Self { place, node, origin: Origin::Binding(binding.to_string()) }
    }

    /// What is read where there are none, for want of a binding.
    pub(crate) fn read_absent<'a, T: Deserialize<'a>>() -> Result<T, Fault> {
        T::deserialize(Absent).map_err(|mismatch| mismatch.into_fault(&Place::nowhere("props")))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.node.is_none()
    }

    /// Where they stand; without any, where the binding does.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Who says them, for people.
    pub(crate) fn origin(&self) -> impl fmt::Display {
        &self.origin
    }

    /// Reads them as a type, as [`Variable::read`](super::Variable::read) does. Where there are none, whatever needs
    /// nothing can be read: an `Option`, or a structure whose fields may all be absent.
    ///
    /// ```
    /// use rpc_runtime::config::Config;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Tenant { tenant: String }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = Config::parse(
    ///     "worker.toml",
    ///     "name = 'a'\nmain = 'a'\nservices = [ { binding = 'B', service = 'b', props = { tenant = 'a1' } } ]",
    /// )?;
    /// assert_eq!(config.service("B")?.props.read::<Tenant>()?.tenant, "a1");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// A fault at the value, or at the part of it, that is not what is wanted.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Fault> {
        match &self.node {
            Some(node) => T::deserialize(Reading::new(node))
                .map_err(|mismatch| mismatch.at(&node.span).into_fault(&self.place)),
            None => T::deserialize(Absent).map_err(|mismatch| {
                let fault = mismatch.into_fault(&self.place);
                fault.with_help(format_args!("{} has no `props`", self.origin))
            }),
        }
    }
}
