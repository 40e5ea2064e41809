//! Reading the keys of a table by their rules, recording what is wrong.

use std::path::{Component, Path, PathBuf};

use super::place::nearest;
use super::value::{Entry, Table, Value};
use super::vars::Vars;
use super::{Fault, Faults, Located, Place};
use crate::transport::Address;

/// One table, being read.
pub(crate) struct Reader<'a> {
    place: Place,
    table: &'a Table,
    /// Whether all of the file could be parsed: only then a key that is not there is missing.
    complete: bool,
    faults: &'a mut Faults,
}

/// What a string may be.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    /// A name that fits a label of a host name (RFC 1035, 2.3.4: 63 bytes), as wrangler wants it.
    Name,
    /// A name that can be a field: letters, digits, `_`, no digit first.
    Identifier,
    /// Anything but nothing.
    Text,
}

impl Rule {
    fn expected(self) -> &'static str {
        match self {
            Self::Name => "lower case letters, digits, `-` and `_`, 1 to 63 of them, no `-` first",
            Self::Identifier => "letters, digits and `_`, no digit first",
            Self::Text => "a string that is not empty",
        }
    }

    fn allows(self, text: &str) -> bool {
        let first = text.bytes().next();
        match self {
            Self::Name => {
                let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
                text.len() <= 63 && text.bytes().all(inner) && first.is_some_and(|b| b != b'-')
            }
            Self::Identifier => {
                let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
                text.bytes().all(inner) && first.is_some_and(|b| !b.is_ascii_digit())
            }
            Self::Text => first.is_some(),
        }
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(place: &Place, table: &'a Table, complete: bool, faults: &'a mut Faults) -> Self {
        Self { place: place.clone(), table, complete, faults }
    }

    /// Every key that is not known is a fault, with the known one that was probably meant.
    pub(crate) fn refuse_unknown(&mut self, known: &[&'static str]) {
        for entry in self.table.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            if self.faults.is_full() {
                self.faults.omit();
                continue;
            }
            let list: Vec<_> = known.iter().map(|key| format!("`{key}`")).collect();
            let fault = (self.key_place(entry).fault("unknown key"))
                .with_expected(format_args!("one of {}", list.join(", ")))
                .with_received(format_args!("`{}`", super::place::shortened(&entry.key)));
            self.faults.push(match nearest(&entry.key, known.iter().copied()) {
                Some(near) => fault.with_help(format_args!("did you mean `{near}`?")),
                None => fault,
            });
        }
    }

    /// A string that must be there. `None` where that was recorded as a fault.
    pub(crate) fn string(&mut self, key: &str, rule: Rule) -> Option<Located<String>> {
        let read = self.optional_string(key, rule)?;
        if read.is_none() && self.complete {
            self.faults.push(
                (self.place.key(key).fault("missing key"))
                    .with_expected(format_args!("`{key} = \"..\"`"))
                    .with_received("nothing"),
            );
        }
        read
    }

    /// A string that may be there. The outer `None` says that a fault was recorded.
    pub(crate) fn optional_string(&mut self, key: &str, rule: Rule) -> Option<Option<Located<String>>> {
        let Some(entry) = self.table.get(key) else { return Some(None) };
        let place = self.value_place(entry);
        let Value::String(text) = &entry.node.value else {
            self.faults.push(wrong_type(&place, "a string", &entry.node.value));
            return None;
        };
        if !rule.allows(text) {
            self.faults.push(
                (place.fault(if text.is_empty() { "empty" } else { "not a valid name" }))
                    .with_expected(rule.expected())
                    .with_received(entry.node.value.describe()),
            );
            return None;
        }
        Some(Some(Located::new(text.clone(), place)))
    }

    /// An address that may be there, as [`optional_string`](Self::optional_string).
    pub(crate) fn optional_address(
        &mut self,
        key: &str,
        folder: Option<&Path>,
    ) -> Option<Option<Located<Address>>> {
        let Some(entry) = self.table.get(key) else { return Some(None) };
        match address(&entry.node.value, self.value_place(entry), folder) {
            Ok(address) => Some(Some(address)),
            Err(fault) => {
                self.faults.push(fault);
                None
            }
        }
    }

    /// An array of addresses that may be absent; those that are none are left out.
    pub(crate) fn addresses(&mut self, key: &str, folder: Option<&Path>) -> Vec<Located<Address>> {
        let Some(entry) = self.table.get(key) else { return Vec::new() };
        let place = self.value_place(entry);
        let Value::Array(list) = &entry.node.value else {
            let fault = wrong_type(&place, "an array of addresses", &entry.node.value);
            self.faults
                .push(fault.with_help(format_args!("write `{key} = [ \"unix:/run/auth/auth.sock\" ]`")));
            return Vec::new();
        };
        let mut all = Vec::with_capacity(list.len());
        for (index, node) in list.iter().enumerate() {
            match address(&node.value, place.index(index).at(node.span.clone()), folder) {
                Ok(address) => all.push(address),
                Err(fault) => self.faults.push(fault),
            }
        }
        all
    }

    /// An array of tables that may be absent; each is read on its own, and those that fail are
    /// left out.
    pub(crate) fn tables<T>(&mut self, key: &str, read: impl Fn(Reader<'_>) -> Option<T>) -> Vec<T> {
        let Some(entry) = self.table.get(key) else { return Vec::new() };
        let place = self.value_place(entry);
        let Value::Array(list) = &entry.node.value else {
            let fault = wrong_type(&place, "an array of tables", &entry.node.value);
            self.faults.push(fault.with_help(format_args!("write `[[{key}]]`, or `{key} = [ {{ .. }} ]`")));
            return Vec::new();
        };
        let mut all = Vec::new();
        for (index, node) in list.iter().enumerate() {
            let place = place.index(index).at(node.span.clone());
            match &node.value {
                Value::Table(table) => {
                    all.extend(read(Reader::new(&place, table, self.complete, self.faults)));
                }
                other => self.faults.push(wrong_type(&place, "a table", other)),
            }
        }
        all
    }

    /// A table of variables that may be absent.
    pub(crate) fn vars(&mut self, key: &str) -> Vars {
        let place = self.place.key(key);
        let Some(entry) = self.table.get(key) else { return Vars::new(place, Vec::new()) };
        let place = place.at(entry.node.span.clone());
        let Value::Table(table) = &entry.node.value else {
            self.faults.push(wrong_type(&place, "a table", &entry.node.value));
            return Vars::new(place, Vec::new());
        };
        for entry in table.entries.iter().filter(|entry| !Rule::Identifier.allows(&entry.key)) {
            if self.faults.is_full() {
                self.faults.omit();
                continue;
            }
            self.faults.push(
                (place.key(&entry.key).at(entry.key_span.clone()).fault("not a valid name"))
                    .with_expected(Rule::Identifier.expected())
                    .with_received(format_args!("`{}`", super::place::shortened(&entry.key))),
            );
        }
        Vars::new(place, table.entries.clone())
    }

    /// Where a key stands, or would have to.
    pub(crate) fn place_of(&self, key: &str) -> Place {
        self.table.get(key).map_or_else(|| self.place.key(key), |entry| self.key_place(entry))
    }

    fn key_place(&self, entry: &Entry) -> Place {
        self.place.key(&entry.key).at(entry.key_span.clone())
    }

    fn value_place(&self, entry: &Entry) -> Place {
        self.place.key(&entry.key).at(entry.node.span.clone())
    }
}

fn address(value: &Value, place: Place, folder: Option<&Path>) -> Result<Located<Address>, Fault> {
    const EXPECTED: &str = "an address: `unix:/path/to.sock`, `unix:` and a path from the folder of this file, or \
                            `tcp:host:port`";
    let Value::String(text) = value else { return Err(wrong_type(&place, EXPECTED, value)) };
    let read = match text.strip_prefix("unix:") {
        Some(path) if is_relative(path) => {
            from_folder(path, folder).and_then(|path| Address::unix(path).map_err(|error| error.to_string()))
        }
        _ => text.parse::<Address>().map_err(|error| error.to_string()),
    };
    let wrong = |why: String| {
        place
            .fault("not a valid address")
            .with_expected(EXPECTED)
            .with_received(value.describe())
            .with_help(why)
    };
    match read {
        Ok(address) if address.is_tls() => {
            Err(wrong("a file has no place yet for the certificates that `tls:` needs".to_owned()))
        }
        Ok(address) => Ok(Located::new(address, place)),
        Err(why) => Err(wrong(why)),
    }
}

/// Neither absolute nor a name of the abstract namespace, of which the address itself has to say something.
fn is_relative(path: &str) -> bool {
    !path.is_empty() && !path.starts_with(['/', '@', '\0'])
}

/// A path that begins in the folder of the file, which is where whoever reads the file looks for it; where the program
/// was started would be another folder each time.
fn from_folder(path: &str, folder: Option<&Path>) -> Result<PathBuf, String> {
    let Some(folder) = folder else {
        return Err("this text was not read from a file, so there is no folder for a path to begin in: write one that \
                    begins with `/`"
            .to_owned());
    };
    // No part of it is a link, so a `..` leads where it seems to.
    let mut whole = folder.canonicalize().map_err(|error| format!("the folder of this file: {error}"))?;
    let mut parts = Path::new(path).components().filter(|part| *part != Component::CurDir).peekable();
    while parts.next_if_eq(&Component::ParentDir).is_some() {
        whole.pop();
    }
    whole.extend(parts);
    Ok(whole)
}

fn wrong_type(place: &Place, expected: &str, received: &Value) -> Fault {
    place.fault("wrong type").with_expected(expected).with_received(received.describe())
}
