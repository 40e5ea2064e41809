//! Props that code has made: values, as a configuration file would have them.

use serde::Serialize;
use serde_json::{Number, Value as Json};

use super::{Origin, Props};
use crate::config::{
    Language, Place,
    value::{Entry, Node, Table, Value},
};

impl Props {
    /// What a Worker says to itself. `Err` with why it cannot.
    pub(crate) fn made(value: &impl Serialize) -> Result<Self, String> {
        let value = serde_json::to_value(value).map_err(|error| error.to_string())?;
        let node = match value {
            Json::Null => None,
            Json::Object(_) => Some(node(value)),
            other => {
                let received = node(other).value.describe(Language::Toml);
                return Err(format!("expected a structure or a map, received {received}"));
            }
        };
        Ok(Self { place: Place::nowhere("props"), node, origin: Origin::Export })
    }
}

fn node(json: Json) -> Node {
    let value = match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(value),
        Json::Number(value) => number(&value),
        Json::String(text) => Value::String(text),
        Json::Array(list) => Value::Array(list.into_iter().map(node).collect()),
        Json::Object(map) => {
            let entry = |(key, value)| Entry { key, key_span: 0..0, node: node(value) };
            Value::Table(Table { entries: map.into_iter().map(entry).collect() })
        }
    };
    Node { span: 0..0, value }
}

fn number(number: &Number) -> Value {
    match (number.as_i128(), number.as_f64()) {
        (Some(integer), _) => Value::Integer(integer),
        (None, Some(float)) => Value::Float(float),
        (None, None) => Value::Oversized(number.to_string()),
    }
}
