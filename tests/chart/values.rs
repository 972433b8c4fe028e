//! `values.schema.json` is where values are described, and their defaults are; `values.yaml` is made from it.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use trustpool_harness::helm::chart;

use super::kept::kept;

/// One value, or a group of them.
pub struct Key {
    /// Its names, from the outermost.
    pub path: Vec<String>,
    pub description: String,
    /// `None`: a group.
    pub default: Option<Value>,
}

fn schema() -> Value {
    let text = std::fs::read_to_string(chart().join("values.schema.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Every value, groups before what is in them.
pub fn keys() -> Vec<Key> {
    let mut keys = Vec::new();
    collect(&schema(), &[], &mut keys);
    keys
}

fn collect(schema: &Value, outer: &[String], keys: &mut Vec<Key>) {
    for (name, value) in schema["properties"].as_object().unwrap() {
        let path = [outer, std::slice::from_ref(name)].concat();
        let default = value.get("default").cloned();
        let description = value["description"].as_str();
        let description =
            description.unwrap_or_else(|| panic!("{} is not described", path.join(".")));
        let group = default.is_none();
        keys.push(Key {
            path: path.clone(),
            description: description.to_owned(),
            default,
        });
        if group {
            collect(value, &path, keys);
        }
    }
}

/// A value in one line of YAML.
pub fn flow(value: &Value) -> String {
    match value {
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(flow).collect::<Vec<_>>().join(", ")
        ),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| format!("{key}: {}", flow(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// Quoted unless it can only be read as the text that it is.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-/.:".contains(c);
    let word = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain);
    let read: Value = serde_saphyr::from_str(text).unwrap_or_default();
    if word && read.is_string() {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

/// A text in comments of 120 columns.
fn comment(text: &str, indent: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().unwrap();
        if indent.len() + last.len() + word.len() + 3 > 120 {
            lines.push(word.to_owned());
        } else {
            last.push_str(if last.is_empty() { "" } else { " " });
            last.push_str(word);
        }
    }
    lines
        .iter()
        .map(|line| format!("{indent}# {line}\n"))
        .collect()
}

fn yaml() -> String {
    let mut text =
        "# Written from values.schema.json: change that, then UPDATE=1 cargo test --test chart.\n"
            .to_owned();
    for key in keys() {
        let depth = key.path.len() - 1;
        let (indent, name) = ("  ".repeat(depth), key.path.last().unwrap());
        text.push_str(if depth == 0 { "\n" } else { "" });
        text.push_str(&comment(&key.description, &indent));
        match key.default {
            None => writeln!(text, "{indent}{name}:").unwrap(),
            Some(Value::Array(items)) if items.iter().any(Value::is_object) => {
                writeln!(text, "{indent}{name}:").unwrap();
                for item in items {
                    writeln!(text, "{indent}- {}", flow(&item)).unwrap();
                }
            }
            Some(value) => writeln!(text, "{indent}{name}: {}", flow(&value)).unwrap(),
        }
    }
    text
}

#[test]
fn the_values_are_those_of_the_schema() {
    kept(&chart().join("values.yaml"), &yaml());
}

#[test]
fn values_yaml_means_the_defaults_of_the_schema() {
    let mut expected = Value::Object(Map::new());
    for key in keys() {
        let mut at = &mut expected;
        for name in &key.path {
            at = &mut at[name.as_str()];
        }
        *at = key.default.unwrap_or_else(|| Value::Object(Map::new()));
    }
    let found: Value = serde_saphyr::from_str(&yaml()).unwrap();
    assert_eq!(found, expected);
}

#[test]
fn nothing_that_is_not_in_the_schema_is_taken() {
    fn check(schema: &Value, path: &str) {
        // Where anything may stand, as in `labels`, what it must be is said.
        let others = &schema["additionalProperties"];
        let free = path == ".global" || schema.get("$ref").is_some();
        if schema.get("properties").is_some() {
            assert!(
                free || *others == Value::Bool(false),
                "{path} takes anything"
            );
        }
        for (name, value) in schema["properties"].as_object().into_iter().flatten() {
            check(value, &format!("{path}.{name}"));
        }
    }
    let schema = schema();
    check(&schema, "");
    for (name, definition) in schema["definitions"].as_object().unwrap() {
        check(definition, name);
    }
}
