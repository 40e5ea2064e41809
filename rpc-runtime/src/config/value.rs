//! Values with their spans, whatever language the file was written in.

use std::ops::Range;

use super::place;
use super::syntax::Language;

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
    /// Of JSON alone.
    Null,
    Array(Vec<Node>),
    Table(Table),
}

impl Value {
    /// What it is, for a message: "the integer 5".
    pub(crate) fn describe(&self, language: Language) -> String {
        match self {
            Self::String(text) => format!("the string {:?}", place::shortened(text)),
            Self::Integer(number) => format!("the integer {number}"),
            Self::Float(number) => format!("the number {number:?}"),
            Self::Oversized(text) => format!("the number {}", place::shortened(text)),
            Self::Boolean(value) => format!("the boolean {value}"),
            Self::Datetime(text) => format!("the date or time {text}"),
            Self::Null => "null".to_owned(),
            Self::Array(_) => "an array".to_owned(),
            Self::Table(_) => language.table().to_owned(),
        }
    }
}

impl Value {
    /// What it says, in a few characters: "5".
    pub(crate) fn brief(&self) -> String {
        let several = |count: usize| if count == 1 { "" } else { "s" };
        match self {
            Self::String(text) => format!("{:?}", place::shortened(text)),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => format!("{number:?}"),
            Self::Oversized(text) | Self::Datetime(text) => place::shortened(text),
            Self::Boolean(value) => value.to_string(),
            Self::Null => "null".to_owned(),
            Self::Array(list) => format!("[ {} value{} ]", list.len(), several(list.len())),
            Self::Table(Table { entries }) => {
                format!("{{ {} key{} }}", entries.len(), several(entries.len()))
            }
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
