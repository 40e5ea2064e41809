//! Props as they go to another process: JSON.

use std::sync::Arc;

use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap as _},
};

use super::{Origin, Props};
use crate::{
    config::{
        Fault, Faults, Place,
        place::Source,
        syntax,
        value::{Node, Value},
    },
    proto::{self, PROPS_BYTES_MAX},
};

impl Props {
    /// What the Worker is told, if there is anything. The fault is at the table.
    pub(crate) fn on_wire(&self) -> Result<Option<proto::Props>, Fault> {
        let (Some(node), Origin::Binding(binding)) = (&self.node, &self.origin) else { return Ok(None) };
        let fault = || self.place.fault("props that cannot go to another process");
        let json = serde_json::to_string(&Written(node)).map_err(|error| fault().with_received(error))?;
        if json.len() > PROPS_BYTES_MAX {
            return Err((fault().with_expected(format_args!("at most {PROPS_BYTES_MAX} bytes of JSON")))
                .with_received(format_args!("{} bytes", json.len()))
                .with_help("let the Worker look up what is long, by a name that the props say"));
        }
        Ok(Some(proto::Props { binding: binding.as_str().into(), json: json.into() }))
    }

    /// What a binding of another process says. `Err` with why it says nothing.
    pub(crate) fn read_json(binding: &str, json: &str) -> Result<Self, String> {
        let source = Arc::new(Source::json("props".to_owned(), json.to_owned()));
        let mut faults = Faults::new();
        let (table, _) = syntax::parse(&source, &mut faults);
        if let Some(fault) = faults.iter().next() {
            return Err(fault.line());
        }
        let node = Node { span: 0..json.len(), value: Value::Table(table) };
        Ok(Self { place: Place::whole(&source), node: Some(node), origin: Origin::Elsewhere(binding.into()) })
    }
}

/// A value, being written.
struct Written<'a>(&'a Node);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.value {
            Value::String(text) | Value::Datetime(text) => serializer.serialize_str(text),
            Value::Integer(number) => serializer.serialize_i128(*number),
            Value::Float(number) if number.is_finite() => serializer.serialize_f64(*number),
            Value::Float(number) => Err(S::Error::custom(format_args!("{number}, which JSON cannot say"))),
            Value::Oversized(text) => Err(S::Error::custom(format_args!("{text}, which fits no number"))),
            Value::Boolean(value) => serializer.serialize_bool(*value),
            Value::Null => serializer.serialize_unit(),
            Value::Array(list) => serializer.collect_seq(list.iter().map(Written)),
            Value::Table(table) => {
                let mut map = serializer.serialize_map(Some(table.entries.len()))?;
                for entry in &table.entries {
                    map.serialize_entry(&entry.key, &Written(&entry.node))?;
                }
                map.end()
            }
        }
    }
}
