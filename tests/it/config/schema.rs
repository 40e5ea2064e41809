//! The JSON Schema for editors, against the reader and against the examples; and the page that lists the keys.

use std::path::{Path, PathBuf};

use rpc_runtime::config::schema;
use serde_json::{Map, Value, json};
use toml::de::{DeTable, DeValue};

use super::*;

fn parsed() -> Value {
    serde_json::from_str(&schema()).unwrap()
}

/// A table that a schema describes: where it is, such as `services[0]`, and what it may have.
struct Table<'a> {
    path: String,
    properties: &'a Map<String, Value>,
}

/// The file itself and every table in it whose keys are known.
fn tables(schema: &Value) -> Vec<Table<'_>> {
    let mut found = Vec::new();
    collect(String::new(), schema, &mut found);
    found
}

fn collect<'a>(path: String, schema: &'a Value, found: &mut Vec<Table<'a>>) {
    if let Some(items) = schema.get("items") {
        return collect(format!("{path}[0]"), items, found);
    }
    if let Some(named) = schema.get("additionalProperties").filter(|named| named.is_object()) {
        return collect(format!("{path}.x"), named, found);
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (key, value) in properties {
        let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        collect(inner, value, found);
    }
    found.push(Table { path, properties });
}

/// A file with nothing but `value` at that path.
fn with(path: &str, value: Value) -> String {
    let mut whole = value;
    for part in path.split('.').rev() {
        whole = match part.strip_suffix("[0]") {
            Some(list) => json!({ list: [whole] }),
            None => json!({ part: whole }),
        };
    }
    whole.to_string()
}

fn within(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The path of a field as a fault writes it.
fn written(path: &str) -> String {
    path.replace("$schema", "\"$schema\"")
}

#[test]
fn the_reader_reads_every_key_that_the_schema_knows() {
    let schema = parsed();
    let mut keys = 0;
    for Table { path, properties } in tables(&schema) {
        for key in properties.keys() {
            let path = within(&path, key);
            // Nothing is allowed to be that.
            let faults = Config::parse("w.json", with(&path, json!(5.5))).unwrap_err();
            let told = faults.iter().find(|fault| fault.place().field() == written(&path));
            let told = told.unwrap_or_else(|| panic!("{path} is not read: {faults}"));
            assert_eq!((told.problem(), told.received()), ("wrong type", Some("the number 5.5")), "{path}");
            keys += 1;
        }
    }
    assert!(keys > 15, "{keys}");
}

#[test]
fn the_schema_knows_every_key_that_the_reader_reads() {
    let schema = parsed();
    for Table { path, properties } in tables(&schema) {
        let faults = Config::parse("w.json", with(&within(&path, "no-key"), json!(1))).unwrap_err();
        let told = faults.iter().find(|fault| fault.problem() == "unknown key").unwrap();
        let mut known: Vec<_> = told.expected().unwrap().split('`').skip(1).step_by(2).collect();
        known.sort_unstable();
        assert_eq!(known, properties.keys().collect::<Vec<_>>(), "{path}");
    }
}

#[test]
fn every_key_is_explained_in_a_sentence() {
    let schema = parsed();
    for Table { path, properties } in tables(&schema) {
        for (key, value) in properties {
            let text = value["description"].as_str().unwrap();
            assert!(text.ends_with('.') && text.len() > 15, "{}: {text}", within(&path, key));
        }
    }
    assert!(schema["title"].is_string() && schema["$id"].is_string() && schema["description"].is_string());
}

#[test]
fn the_configurations_of_the_examples_are_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let files = configurations(&folder);
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let table = DeTable::parse(&text).unwrap().into_inner();
        let faults = mistakes(&parsed(), &json_of_table(table), String::new());
        assert_eq!(faults, [""; 0], "{}", file.display());
    }
}

#[test]
fn what_the_reader_refuses_the_schema_refuses_too() {
    let cases = [
        (r#"{ "main": "a" }"#, ": no `name`"),
        (r#"{ "name": "A", "main": "a" }"#, ".name: \"A\" does not match"),
        (r#"{ "name": "a", "main": "" }"#, ".main: too short"),
        (r#"{ "name": "a", "main": "a", "nam": 1 }"#, ": no key `nam`"),
        (r#"{ "name": "a", "main": "a", "services": {} }"#, ".services: no array"),
        (r#"{ "name": "a", "main": "a", "services": [{ "binding": "A" }] }"#, ".services[0]: no `service`"),
        (r#"{ "name": "a", "main": "a", "limits": { "depth": 129 } }"#, ".limits.depth: more than 128"),
        (r#"{ "name": "a", "main": "a", "limits": { "profile": "x" } }"#, ".limits.profile: \"x\" is none"),
        (r#"{ "name": "a", "main": "a", "vars": { "1": 1 } }"#, ".vars.1: \"1\" does not match"),
        (r#"{ "name": "a", "main": "a", "listen": ["tls:a:1"] }"#, ".listen[0]: \"tls:a:1\" does not match"),
        (
            r#"{ "name": "a", "main": "a", "dev": { "address": "localhost" } }"#,
            ".dev.address: \"localhost\" does not match",
        ),
        (r#"{ "name": "a", "main": "a", "sandbox": { "ports": [0] } }"#, ".sandbox.ports[0]: less than 1"),
        (r#"{ "name": "a", "main": "a", "sandbox": { "read": [""] } }"#, ".sandbox.read[0]: too short"),
        (r#"{ "name": "a", "main": "a", "sandbox": { "run": 1 } }"#, ".sandbox.run: no boolean"),
    ];
    for (text, expected) in cases {
        assert!(Config::parse("w.json", text).is_err(), "{text}");
        let value = serde_json::from_str(text).unwrap();
        assert_eq!(mistakes(&parsed(), &value, String::new()), [expected], "{text}");
    }
    let right = json!({ "name": "a", "main": "a", "dev": { "address": "::1" }, "vars": { "A": null } });
    assert_eq!(mistakes(&parsed(), &right, String::new()), [""; 0]);
    Config::parse("w.json", right.to_string()).unwrap();
}

/// `BLESS=1` writes the page again, to be read in review.
#[test]
fn the_page_of_keys_lists_what_the_schema_knows() {
    let mut page = "| key | value | default | |\n| --- | --- | --- | --- |\n".to_owned();
    let schema = parsed();
    rows("", &schema, &mut page);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../rpc-runtime/src/config/keys.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(file, &page).unwrap();
    }
    assert_eq!(page, std::fs::read_to_string(file).unwrap());
}

/// A row for each key, a table's own keys below it.
fn rows(path: &str, schema: &Value, page: &mut String) {
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
    let mut properties: Vec<_> = schema["properties"].as_object().unwrap().iter().collect();
    properties.sort_by_key(|(key, _)| (key.starts_with('$'), !required.contains(&&json!(key))));
    for (key, value) in properties {
        let path = within(path, key);
        let default = match &value["default"] {
            Value::Null if required.contains(&&json!(key)) => "required".to_owned(),
            Value::Null => String::new(),
            default => format!("`{default}`"),
        };
        let doc = value["description"].as_str().unwrap();
        *page += &format!("| `{path}` | {} | {default} | {doc} |\n", kind(value));
        let (below, inner) = match (value.get("items"), &value["additionalProperties"]) {
            (Some(items), _) => (format!("{path}[]"), items),
            (None, named @ Value::Object(_)) => (format!("{path}.*"), named),
            _ => (path, value),
        };
        // The keys of an environment are those of the file.
        if inner.get("properties").is_some() && key != "env" {
            rows(&below, inner, page);
        }
    }
}

fn kind(schema: &Value) -> String {
    let text = |name: &str| schema[name].as_str().unwrap_or_default().to_owned();
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
    }
    match (&*text("type"), schema.get("items")) {
        ("integer", _) => format!("{} to {}", schema["minimum"], schema["maximum"]),
        ("array", Some(items)) if items["type"] == "object" => "tables".to_owned(),
        ("array", Some(items)) if items["type"] == "integer" => "numbers".to_owned(),
        ("boolean", _) => "`true` or `false`".to_owned(),
        ("array", _) => "strings".to_owned(),
        ("object", _) => "a table".to_owned(),
        ("string", _) => "a string".to_owned(),
        other => panic!("{other:?}"),
    }
}

fn configurations(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            found.extend(configurations(&path));
        } else if name.starts_with("worker.") && name.ends_with(".toml") {
            found.push(path);
        }
    }
    found
}

fn json_of_table(table: DeTable<'_>) -> Value {
    table
        .into_iter()
        .map(|(key, value)| (key.into_inner().into_owned(), json_of(value.into_inner())))
        .collect()
}

fn json_of(value: DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => json!(number.as_str().parse::<i64>().unwrap()),
        DeValue::Float(number) => json!(number.as_str().parse::<f64>().unwrap()),
        DeValue::Boolean(value) => json!(value),
        DeValue::Datetime(value) => json!(value.to_string()),
        DeValue::Array(list) => list.into_iter().map(|value| json_of(value.into_inner())).collect(),
        DeValue::Table(table) => json_of_table(table),
    }
}

/// What is wrong with a value, for the words of JSON Schema that ours uses; any other one is a failure.
fn mistakes(schema: &Value, value: &Value, path: String) -> Vec<String> {
    let mut found = Vec::new();
    for (word, rule) in schema.as_object().unwrap() {
        match (word.as_str(), value) {
            ("$schema" | "$id" | "title" | "description" | "default" | "examples" | "anyOf", _) => {}
            ("type", _) => {
                let right = match rule.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_i64(),
                    "boolean" => value.is_boolean(),
                    other => panic!("{other}"),
                };
                if !right {
                    found.push(format!("{path}: no {}", rule.as_str().unwrap()));
                }
            }
            ("required", Value::Object(object)) => {
                for key in rule.as_array().unwrap().iter().map(|key| key.as_str().unwrap()) {
                    if !object.contains_key(key) {
                        found.push(format!("{path}: no `{key}`"));
                    }
                }
            }
            ("properties", Value::Object(object)) => {
                for (key, value) in object {
                    if let Some(schema) = rule.get(key) {
                        found.extend(mistakes(schema, value, format!("{path}.{key}")));
                    }
                }
            }
            ("additionalProperties", Value::Object(object)) => {
                for (key, value) in object {
                    if schema["properties"].get(key).is_some() {
                    } else if rule == false {
                        found.push(format!("{path}: no key `{key}`"));
                    } else {
                        found.extend(mistakes(rule, value, format!("{path}.{key}")));
                    }
                }
            }
            ("propertyNames", Value::Object(object)) => {
                for key in object.keys() {
                    found.extend(mistakes(rule, &json!(key), format!("{path}.{key}")));
                }
            }
            ("items", Value::Array(list)) => {
                for (at, value) in list.iter().enumerate() {
                    found.extend(mistakes(rule, value, format!("{path}[{at}]")));
                }
            }
            ("enum", _) if !rule.as_array().unwrap().contains(value) => {
                found.push(format!("{path}: {value} is none"));
            }
            ("minimum", Value::Number(number)) if number.as_i64() < rule.as_i64() => {
                found.push(format!("{path}: less than {rule}"));
            }
            ("maximum", Value::Number(number)) if number.as_i64() > rule.as_i64() => {
                found.push(format!("{path}: more than {rule}"));
            }
            ("minLength", Value::String(text)) if text.is_empty() => found.push(format!("{path}: too short")),
            ("pattern", Value::String(text)) if !matches(rule.as_str().unwrap(), text) => {
                found.push(format!("{path}: {value} does not match"));
            }
            ("enum" | "minimum" | "maximum" | "minLength" | "pattern", _) => {}
            ("required" | "properties" | "additionalProperties" | "propertyNames" | "items", _) => {}
            (other, _) => panic!("{other} is new"),
        }
    }
    found
}

/// The few regular expressions there are, by hand.
fn matches(pattern: &str, text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    match pattern {
        "^[a-z0-9_][a-z0-9_-]{0,62}$" => {
            text.bytes().all(|b| b == b'-' || word(b) && !b.is_ascii_uppercase())
                && !text.starts_with('-')
                && (1..=63).contains(&text.len())
        }
        "^[A-Za-z_][A-Za-z0-9_]*$" => {
            text.bytes().all(word) && text.bytes().next().is_some_and(|b| !b.is_ascii_digit())
        }
        "^(unix|tcp):.+$" => text
            .strip_prefix("unix:")
            .or_else(|| text.strip_prefix("tcp:"))
            .is_some_and(|rest| !rest.is_empty()),
        "^[0-9A-Fa-f:]*[.:][0-9A-Fa-f.:]*$" => {
            let of_address = |b: u8| b.is_ascii_hexdigit() || b == b'.' || b == b':';
            text.bytes().all(of_address) && text.contains(['.', ':'])
        }
        other => panic!("{other} is new"),
    }
}
