//! What a binding says to its target.

use serde::Deserialize;

use super::value::Node;
use super::vars::{Absent, Reading};
use super::{Fault, Located, Place};

/// What a binding says to the Worker it leads to, which reads it with [`Ctx::props`](crate::Ctx::props).
///
/// It is set by the configuration alone: no code, neither of the caller nor of anybody else, can change it.
#[derive(Clone, Debug)]
pub struct Props {
    /// The table, or the entry of `services` that has none.
    place: Place,
    node: Option<Node>,
    binding: String,
}

impl Props {
    pub(crate) fn new(place: Place, node: Option<Node>, binding: &Located<String>) -> Self {
        Self { place, node, binding: binding.to_string() }
    }

    /// What is read where there are none, for want of a binding.
    pub(crate) fn read_absent<'a, T: Deserialize<'a>>() -> Result<T, Fault> {
        T::deserialize(Absent).map_err(|mismatch| mismatch.into_fault(&Place::nowhere("props")))
    }

    /// Whether the configuration has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.node.is_none()
    }

    /// Where they stand; without any, where the binding does.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The name of the binding.
    pub(crate) fn binding(&self) -> &str {
        &self.binding
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
                fault.with_help(format_args!("the binding `{}` has no `props`", self.binding))
            }),
        }
    }
}
