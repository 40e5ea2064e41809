//! The JSON Schema of a configuration file, for editors.

use serde_json::{Map, Value, json};

use super::keys::{self, Default, Key, Keys, Kind, Rule};

/// The JSON Schema of a configuration file, as the command `schema` prints it: JSON, draft 7, which editors understand.
///
/// It is made of the table of keys that the reader itself asks, so the two agree. It says less than the reader does:
/// nothing of what one value has to do with another one.
///
/// ```
/// let schema = rpc_runtime::config::schema();
/// assert!(schema.starts_with("{\n") && schema.contains("\"subrequests\""));
/// ```
///
/// An editor is told of it by the key `$schema` in a file in JSON, and by the comment `#:schema ./worker.schema.json` in
/// one in TOML.
#[must_use]
pub fn schema() -> String {
    let mut schema = table(&keys::FILE);
    let about = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "urn:rpc-runtime:worker",
        "title": "The configuration of a Worker",
        "description": "What a Worker is called, what it may reach, and its variables.",
    });
    for (key, value) in about.as_object().into_iter().flatten() {
        schema.insert(key.clone(), value.clone());
    }
    format!("{:#}\n", Value::Object(schema))
}

fn table(keys: &Keys) -> Map<String, Value> {
    let properties: Map<_, _> = keys.0.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<_> = keys.0.iter().filter(|key| key.is_required).map(|key| key.name).collect();
    let mut schema = object(json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    }));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

fn property(key: &Key) -> Value {
    let mut schema = value(&key.kind);
    schema.insert("description".to_owned(), json!(key.doc));
    if let Some(default) = key.default {
        schema.insert(
            "default".to_owned(),
            match default {
                Default::Flag(flag) => json!(flag),
                Default::Integer(number) => json!(number),
                Default::Text(text) => json!(text),
            },
        );
    }
    Value::Object(schema)
}

fn value(kind: &Kind) -> Map<String, Value> {
    match kind {
        Kind::Text(rule) => text(*rule),
        Kind::Integer(least, most) => object(json!({ "type": "integer", "minimum": least, "maximum": most })),
        Kind::OneOf(words) => object(json!({ "enum": words })),
        Kind::Flag => object(json!({ "type": "boolean" })),
        Kind::Ip => {
            // What says which format it is, many editors do not look at.
            object(json!({ "type": "string", "pattern": "^[0-9A-Fa-f:]*[.:][0-9A-Fa-f.:]*$" }))
        }
        Kind::Address => address(),
        Kind::Addresses => object(json!({ "type": "array", "items": address() })),
        Kind::Paths => object(json!({ "type": "array", "items": text(Rule::Text) })),
        Kind::Ports => object(json!({
            "type": "array",
            "items": { "type": "integer", "minimum": 1, "maximum": u16::MAX },
        })),
        Kind::Table(keys) => table(keys),
        Kind::Tables(keys) => object(json!({ "type": "array", "items": table(keys) })),
        Kind::Named(keys) => object(json!({
            "type": "object",
            "propertyNames": text(Rule::Name),
            "additionalProperties": table(keys),
        })),
        Kind::Props => object(json!({ "type": "object" })),
        Kind::Variables => object(json!({ "type": "object", "propertyNames": text(Rule::Identifier) })),
    }
}

fn text(rule: Rule) -> Map<String, Value> {
    object(match rule.pattern() {
        Some(pattern) => json!({ "type": "string", "pattern": pattern }),
        None => json!({ "type": "string", "minLength": 1 }),
    })
}

fn address() -> Map<String, Value> {
    object(json!({
        "type": "string",
        "pattern": "^(unix|tcp):.+$",
        "examples": ["unix:run/auth.sock", "tcp:127.0.0.1:4000"],
    }))
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else { unreachable!("a schema is written as an object") };
    object
}
