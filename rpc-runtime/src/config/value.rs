//! Values with their spans, whatever language the file was written in.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::place::{self, Place, Source};
use super::{Fault, Faults};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    String(String),
    Integer(i128),
    Float(f64),
    /// A number that fits no type; as written.
    Oversized(String),
    Boolean(bool),
    /// Date, time or both, as written.
    Datetime(String),
    Array(Vec<Node>),
    Table(Table),
}

impl Value {
    /// What it is, for a message: "the integer 5".
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::String(text) => format!("the string {:?}", place::shortened(text)),
            Self::Integer(number) => format!("the integer {number}"),
            Self::Float(number) => format!("the number {number:?}"),
            Self::Oversized(text) => format!("the number {}", place::shortened(text)),
            Self::Boolean(value) => format!("the boolean {value}"),
            Self::Datetime(text) => format!("the date or time {text}"),
            Self::Array(_) => "an array".to_owned(),
            Self::Table(_) => "a table".to_owned(),
        }
    }
}

/// The entries of a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: Node,
}

impl Table {
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

/// Parses TOML, as far as it is TOML.
///
/// After a mistake against the grammar the parser goes on behind it. The table then holds what it
/// could read, which is enough to find an unknown key elsewhere, but not to say that one is
/// missing; the second value tells the two apart.
pub(crate) fn parse(source: &Arc<Source>, faults: &mut Faults) -> (Table, bool) {
    // Nested deeper than 80 levels is an error of this parser, so that walking the tree is safe.
    let (table, errors) = DeTable::parse_recoverable(source.text());
    let whole = Place::whole(source);
    for error in &errors {
        if faults.is_full() {
            faults.omit();
        } else {
            let at = whole.at(error.span().unwrap_or_default());
            faults.push(syntax_fault(&at, error.message()));
        }
    }
    let complete = errors.is_empty();
    (lower_table(table.into_inner()), complete)
}

/// The parser's words, in the form that all faults have.
fn syntax_fault(at: &Place, message: &str) -> Fault {
    let (problem, expected) = message.split_once(", expected ").unwrap_or(match message {
        "duplicate key" => (message, "each key once"),
        _ => (message, "TOML"),
    });
    let received = match at.text()[at.span().start..].chars().next() {
        Some('\n' | '\r') => "the end of the line".to_owned(),
        Some(first) => format!("`{}`", first.escape_debug()),
        None => "the end of the file".to_owned(),
    };
    at.fault(problem).with_expected(expected).with_received(received)
}

fn lower_table(table: DeTable<'_>) -> Table {
    let mut entries: Vec<_> = table
        .into_iter()
        .map(|(key, value)| Entry {
            key_span: key.span(),
            key: key.into_inner().into_owned(),
            node: lower(value),
        })
        .collect();
    // The parser sorts by name; faults and bindings are told in the order of the file.
    entries.sort_by_key(|entry| entry.key_span.start);
    Table { entries }
}

fn lower(value: Spanned<DeValue<'_>>) -> Node {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Oversized(number.to_string()),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => Value::Float(number),
            Err(_) => Value::Oversized(number.to_string()),
        },
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Datetime(value) => Value::Datetime(value.to_string()),
        DeValue::Array(list) => Value::Array(list.into_iter().map(lower).collect()),
        DeValue::Table(table) => Value::Table(lower_table(table)),
    };
    Node { span, value }
}
