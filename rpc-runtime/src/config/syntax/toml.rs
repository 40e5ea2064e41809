//! TOML.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::Faults;
use crate::config::place::{Place, Source};
use crate::config::value::{Entry, Node, Table, Value};

pub(super) fn parse(source: &Arc<Source>, faults: &mut Faults) -> (Table, bool) {
    // Nested deeper than 80 levels is an error of this parser, so that walking the tree is safe.
    let (table, errors) = DeTable::parse_recoverable(source.text());
    let whole = Place::whole(source);
    for error in &errors {
        if faults.is_full() {
            faults.omit();
        } else {
            let at = whole.at(error.span().unwrap_or_default());
            let (problem, expected) = words(error.message());
            let fault = super::fault(&at, problem, expected);
            let fault = match problem {
                DUPLICATE => fault.with_received(format_args!("`{}` again", key_at(&at))),
                _ => fault,
            };
            faults.push(fault);
        }
    }
    let complete = errors.is_empty();
    (lower_table(table.into_inner()), complete)
}

/// The parser's message: the problem, and what it expected.
fn words(message: &str) -> (&str, &str) {
    message.split_once(", expected ").unwrap_or(match message {
        DUPLICATE => (message, "each key once"),
        _ => (message, "TOML"),
    })
}

const DUPLICATE: &str = "duplicate key";

/// The key that stands there, as it is written.
fn key_at(at: &Place) -> &str {
    let text = &at.text()[at.span().start..];
    let ends = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '"' | '\''));
    text.find(ends).map_or(text, |end| &text[..end])
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
