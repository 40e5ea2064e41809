//! Variables, read as the type that is wanted.

mod deserialize;

use serde::Deserialize;

use super::place::nearest;
use super::value::{Entry, Node};
use super::{Fault, Located, Place};

pub(crate) use self::deserialize::{Absent, Reading};

/// The table `vars`.
#[derive(Debug)]
pub struct Vars {
    place: Place,
    list: Vec<Variable>,
}

/// One variable: a name and any value.
#[derive(Debug)]
pub struct Variable {
    name: Located<String>,
    place: Place,
    node: Node,
}

impl Vars {
    pub(crate) fn new(place: Place, entries: Vec<Entry>) -> Self {
        let variable = |entry: Entry| {
            let field = place.key(&entry.key);
            Variable {
                place: field.at(entry.node.span.clone()),
                name: Located::new(entry.key, field.at(entry.key_span)),
                node: entry.node,
            }
        };
        let list = entries.into_iter().map(variable).collect();
        Self { place, list }
    }

    /// The variable of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Variable> {
        self.list.iter().find(|variable| *variable.name == name)
    }

    /// All of them, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Variable> {
        self.list.iter()
    }

    /// Reads a variable that must be there; see [`Variable::read`].
    ///
    /// ```
    /// use rpc_runtime::config::Config;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = Config::parse("worker.toml", "name = 'a'\nmain = 'a'\nvars = { GREETING = 'hi' }")?;
    /// assert_eq!(config.vars.read::<&str>("GREETING")?, "hi");
    ///
    /// let fault = config.vars.read::<&str>("GREETNG").unwrap_err();
    /// assert_eq!(fault.problem(), "missing variable");
    /// assert_eq!(fault.help(), Some("there is a variable `GREETING`"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// A fault at the value if it is not what is wanted, at the table if there is no such variable.
    pub fn read<'a, T: Deserialize<'a>>(&'a self, name: &str) -> Result<T, Fault> {
        if let Some(variable) = self.get(name) {
            return variable.read();
        }
        let fault = (self.place.key(name).fault("missing variable"))
            .with_expected(format_args!("`{}` in `vars`", self.place.language().entry(name, "..")))
            .with_received("no such variable");
        let known = self.list.iter().map(|variable| variable.name.as_str());
        Err(match nearest(name, known) {
            Some(near) => fault.with_help(format_args!("there is a variable `{near}`")),
            None => fault,
        })
    }
}

impl Variable {
    /// What it is called.
    #[must_use]
    pub const fn name(&self) -> &Located<String> {
        &self.name
    }

    /// Where its value stands.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// The value, in a few characters.
    pub(crate) fn brief(&self) -> String {
        self.node.value.brief()
    }

    /// Reads the value as a type: a string, a boolean, a number, or anything serde can read.
    ///
    /// A whole number is read as an integer of any width that holds it, or as a float. Nothing
    /// else is converted: `"5"` is not a number.
    ///
    /// ```
    /// use rpc_runtime::config::Config;
    ///
    /// #[derive(Debug, serde::Deserialize)]
    /// struct Rate { per_second: u32, burst: u8 }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let text = "name = 'a'\nmain = 'a'\n[vars.RATE]\nper_second = 100\nburst = -1";
    /// let config = Config::parse("worker.toml", text)?;
    /// let fault = config.vars.read::<Rate>("RATE").unwrap_err();
    /// assert_eq!(fault.place().to_string(), "worker.toml:5:9");
    /// assert_eq!(fault.place().field(), "vars.RATE.burst");
    /// assert_eq!(fault.expected(), Some("an integer from 0 to 255"));
    /// assert_eq!(fault.received(), Some("the integer -1"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// A fault at the value, or at the part of it, that is not what is wanted.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Fault> {
        T::deserialize(Reading::new(&self.node))
            .map_err(|mismatch| mismatch.at(&self.node.span).into_fault(&self.place))
    }
}
