//! Reading the keys of a table by their rules, recording what is wrong.

mod paths;

use std::net::IpAddr;

use super::keys::{Key, Keys, Kind, Rule};
use super::place::nearest;
use super::syntax::Language;
use super::value::{Entry, Node, Table, Value};
use super::vars::Vars;
use super::{Fault, Faults, Located, Place};

/// One table, being read.
pub(crate) struct Reader<'a> {
    place: Place,
    table: &'a Table,
    keys: &'static Keys,
    /// Whether all of the file could be parsed: only then a key that is not there is missing.
    complete: bool,
    faults: &'a mut Faults,
}

impl<'a> Reader<'a> {
    /// Of a table that may have these keys.
    pub(crate) fn new(
        place: &Place,
        table: &'a Table,
        keys: &'static Keys,
        complete: bool,
        faults: &'a mut Faults,
    ) -> Self {
        let mut reader = Self { place: place.clone(), table, keys, complete, faults };
        reader.refuse_unknown();
        reader
    }

    /// Every key that is not known is a fault, with the known one that was probably meant.
    fn refuse_unknown(&mut self) {
        for entry in self.table.entries.iter().filter(|entry| self.keys.find(&entry.key).is_none()) {
            if self.faults.is_full() {
                self.faults.omit();
                continue;
            }
            let known: Vec<_> = self.keys.names().collect();
            let fault = (self.key_place(entry).fault("unknown key"))
                .with_expected(one_of(&known))
                .with_received(format_args!("`{}`", super::place::shortened(&entry.key)));
            self.faults.push(match self.keys.nearest(&entry.key) {
                Some(near) => fault.with_help(format_args!("did you mean `{near}`?")),
                None => fault,
            });
        }
    }

    fn key(&self, name: &str) -> &'static Key {
        self.keys.find(name).expect("whoever reads a table reads the keys it may have")
    }

    /// A string that must be there. `None` where that was recorded as a fault.
    pub(crate) fn string(&mut self, key: &str) -> Option<Located<String>> {
        let read = self.optional_string(key)?;
        if read.is_none() && self.complete && self.key(key).is_required {
            self.faults.push(
                (self.place.key(key).fault("missing key"))
                    .with_expected(format_args!("`{}`", self.place.language().entry(key, "\"..\"")))
                    .with_received("nothing"),
            );
        }
        read
    }

    /// A string that may be there. The outer `None` says that a fault was recorded.
    pub(crate) fn optional_string(&mut self, key: &str) -> Option<Option<Located<String>>> {
        let Kind::Text(rule) = self.key(key).kind else { unreachable!("`{key}` is no text") };
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
                    .with_received(entry.node.value.describe(place.language())),
            );
            return None;
        }
        Some(Some(Located::new(text.clone(), place)))
    }

    /// An integer that may be there. Also `None` where a fault was recorded, as for what follows.
    pub(crate) fn integer(&mut self, key: &str) -> Option<Located<u32>> {
        let Kind::Integer(least, most) = self.key(key).kind else { unreachable!("`{key}` is no integer") };
        let entry = self.table.get(key)?;
        let place = self.value_place(entry);
        let expected = format!("an integer from {least} to {most}");
        let Value::Integer(number) = &entry.node.value else {
            self.faults.push(wrong_type(&place, &expected, &entry.node.value));
            return None;
        };
        match u32::try_from(*number).ok().filter(|number| (least..=most).contains(number)) {
            Some(number) => Some(Located::new(number, place)),
            None => {
                let fault = place.fault("out of range").with_expected(expected);
                self.faults.push(fault.with_received(entry.node.value.describe(place.language())));
                None
            }
        }
    }

    /// One of a few words.
    pub(crate) fn one_of(&mut self, key: &str) -> Option<&'static str> {
        let Kind::OneOf(words) = self.key(key).kind else { unreachable!("`{key}` is no choice") };
        let word = |text: &str| words.iter().find(|word| **word == text).copied();
        let near = |text: &str| nearest(text, words.iter().copied());
        self.parsed(key, &one_of(words), word, near).map(|word| *word)
    }

    /// Whether something holds. Also `None` where a fault was recorded.
    pub(crate) fn flag(&mut self, key: &str) -> Option<bool> {
        let entry = self.table.get(key)?;
        if let Value::Boolean(flag) = &entry.node.value {
            return Some(*flag);
        }
        self.faults.push(wrong_type(&self.value_place(entry), "`true` or `false`", &entry.node.value));
        None
    }

    /// An array of the numbers of ports.
    pub(crate) fn ports(&mut self, key: &str) -> Vec<Located<u16>> {
        self.list(key, "an array of ports", "[ 5432 ]", |value, place| {
            let expected = "a port, from 1 to 65535";
            let Value::Integer(number) = value else { return Err(wrong_type(&place, expected, value)) };
            match u16::try_from(*number) {
                Ok(port) if port > 0 => Ok(Located::new(port, place)),
                _ => Err((place.fault("out of range").with_expected(expected))
                    .with_received(value.describe(place.language()))),
            }
        })
    }

    /// An array that may be absent; what is none of its values is left out.
    fn list<T>(
        &mut self,
        key: &str,
        expected: &str,
        example: &str,
        read: impl Fn(&Value, Place) -> Result<T, Fault>,
    ) -> Vec<T> {
        let Some(entry) = self.table.get(key) else { return Vec::new() };
        let place = self.value_place(entry);
        let Value::Array(list) = &entry.node.value else {
            let fault = wrong_type(&place, expected, &entry.node.value);
            let example = place.language().entry(key, example);
            self.faults.push(fault.with_help(format_args!("write `{example}`")));
            return Vec::new();
        };
        let mut all = Vec::with_capacity(list.len());
        for (index, node) in list.iter().enumerate() {
            match read(&node.value, place.index(index).at(node.span.clone())) {
                Ok(value) => all.push(value),
                Err(fault) => self.faults.push(fault),
            }
        }
        all
    }

    /// The address of a network interface.
    pub(crate) fn ip(&mut self, key: &str) -> Option<Located<IpAddr>> {
        self.parsed(key, "an IP address, such as `127.0.0.1` or `::1`", |text| text.parse().ok(), |_| None)
    }

    /// A string that means something else; where it does not, what was probably meant.
    fn parsed<T>(
        &mut self,
        key: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
        near: impl FnOnce(&str) -> Option<&'static str>,
    ) -> Option<Located<T>> {
        let entry = self.table.get(key)?;
        let place = self.value_place(entry);
        let Value::String(text) = &entry.node.value else {
            self.faults.push(wrong_type(&place, expected, &entry.node.value));
            return None;
        };
        let parsed = parse(text);
        if parsed.is_none() {
            let fault = (place.fault("not a valid value").with_expected(expected))
                .with_received(entry.node.value.describe(place.language()));
            self.faults.push(match near(text) {
                Some(near) => fault.with_help(format_args!("did you mean `{near}`?")),
                None => fault,
            });
        }
        Some(Located::new(parsed?, place))
    }

    /// A table that may be absent.
    pub(crate) fn table<T>(&mut self, key: &str, read: impl FnOnce(Reader<'_>) -> T) -> Option<T> {
        let Kind::Table(keys) = self.key(key).kind else { unreachable!("`{key}` is no table") };
        let entry = self.table.get(key)?;
        let place = self.value_place(entry);
        let Value::Table(table) = &entry.node.value else {
            self.faults.push(wrong_type(&place, place.language().table(), &entry.node.value));
            return None;
        };
        Some(read(Reader::new(&place, table, keys, self.complete, self.faults)))
    }

    /// Tables by names that the user chooses; none where it is absent.
    pub(crate) fn named<T>(
        &mut self,
        key: &str,
        mut read: impl FnMut(Located<String>, Reader<'_>) -> T,
    ) -> Vec<T> {
        let Kind::Named(keys) = self.key(key).kind else { unreachable!("`{key}` is no table of tables") };
        let Some(entry) = self.table.get(key) else { return Vec::new() };
        let place = self.value_place(entry);
        let Value::Table(table) = &entry.node.value else {
            self.faults.push(wrong_type(&place, place.language().table(), &entry.node.value));
            return Vec::new();
        };
        self.refuse_names(&place, table, Rule::Name);
        let mut all = Vec::new();
        for entry in &table.entries {
            let place = place.key(&entry.key);
            let name = Located::new(entry.key.clone(), place.at(entry.key_span.clone()));
            let place = place.at(entry.node.span.clone());
            match &entry.node.value {
                Value::Table(inner) => {
                    all.push(read(name, Reader::new(&place, inner, keys, self.complete, self.faults)));
                }
                other => self.faults.push(wrong_type(&place, place.language().table(), other)),
            }
        }
        all
    }

    /// What a binding says to its target: a table of any kind.
    pub(crate) fn props(&mut self, key: &str) -> Option<(Node, Place)> {
        let entry = self.table.get(key)?;
        let place = self.value_place(entry);
        if !matches!(entry.node.value, Value::Table(_)) {
            self.faults.push(wrong_type(&place, place.language().table(), &entry.node.value));
            return None;
        }
        Some((entry.node.clone(), place))
    }

    /// Records something that is wrong with what was read.
    pub(crate) fn refuse(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Where the table stands.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Where a value stands, if there is one.
    pub(crate) fn place_of_value(&self, key: &str) -> Option<Place> {
        Some(self.value_place(self.table.get(key)?))
    }

    /// An array of tables that may be absent; each is read on its own, and those that fail are
    /// left out.
    pub(crate) fn tables<T>(&mut self, key: &str, read: impl Fn(Reader<'_>) -> Option<T>) -> Vec<T> {
        let Some(entry) = self.table.get(key) else { return Vec::new() };
        let place = self.value_place(entry);
        let Value::Array(list) = &entry.node.value else {
            let (expected, help) = match place.language() {
                Language::Toml => {
                    ("an array of tables", format!("write `[[{key}]]`, or `{key} = [ {{ .. }} ]`"))
                }
                Language::Json => ("an array of objects", format!("write `\"{key}\": [ {{ .. }} ]`")),
            };
            self.faults.push(wrong_type(&place, expected, &entry.node.value).with_help(help));
            return Vec::new();
        };
        let Kind::Tables(keys) = self.key(key).kind else { unreachable!("`{key}` is no array of tables") };
        let mut all = Vec::new();
        for (index, node) in list.iter().enumerate() {
            let place = place.index(index).at(node.span.clone());
            match &node.value {
                Value::Table(table) => {
                    all.extend(read(Reader::new(&place, table, keys, self.complete, self.faults)));
                }
                other => self.faults.push(wrong_type(&place, place.language().table(), other)),
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
            self.faults.push(wrong_type(&place, place.language().table(), &entry.node.value));
            return Vars::new(place, Vec::new());
        };
        self.refuse_names(&place, table, Rule::Identifier);
        Vars::new(place, table.entries.clone())
    }

    /// The names in a table that are none.
    fn refuse_names(&mut self, place: &Place, table: &Table, rule: Rule) {
        for entry in table.entries.iter().filter(|entry| !rule.allows(&entry.key)) {
            if self.faults.is_full() {
                self.faults.omit();
                continue;
            }
            self.faults.push(
                (place.key(&entry.key).at(entry.key_span.clone()).fault("not a valid name"))
                    .with_expected(rule.expected())
                    .with_received(format_args!("`{}`", super::place::shortened(&entry.key))),
            );
        }
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

pub(crate) fn one_of(words: &[&str]) -> String {
    let list: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    if list.is_empty() { "nothing here".to_owned() } else { format!("one of {}", list.join(", ")) }
}

fn wrong_type(place: &Place, expected: &str, received: &Value) -> Fault {
    place.fault("wrong type").with_expected(expected).with_received(received.describe(place.language()))
}
