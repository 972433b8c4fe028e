//! The reference of fields is what the definitions say of them.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use trustpool::api::crds;

use super::reference::{file, kept::kept, line};

const HEAD: &str = "# Fields\n\nWritten from the definitions: UPDATE=1 cargo test --test integration every_field. `kubectl explain` says the same, \
and what each may be.\n";

/// Conditions have the same fields everywhere, and Kubernetes describes them.
const OF_KUBERNETES: &str = "conditions";

fn row(path: &str, schema: &Value) -> String {
    let of = |key: &str| schema[key].as_str().unwrap_or_default();
    let takes = match &schema["enum"] {
        Value::Array(words) => words
            .iter()
            .filter_map(Value::as_str)
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", "),
        _ => of("type").to_owned(),
    };
    let default = schema.get("default").filter(|it| !it.is_object());
    let default = default.map(|it| format!("`{it}`").replace('"', ""));
    let default = default.unwrap_or_default();
    let about = line(of("description"));
    format!("| `{path}` | {takes} | {default} | {about} |")
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"]
        .as_object()
        .into_iter()
        .flat_map(Map::iter)
}

fn describe(schema: &Value, path: &str, text: &mut String) {
    for (name, schema) in properties(schema) {
        let path = format!("{path}.{name}");
        writeln!(text, "{}", row(&path, schema)).unwrap();
        if name != OF_KUBERNETES {
            describe(schema, &path, text);
            describe(&schema["items"], &format!("{path}[]"), text);
        }
    }
}

#[test]
fn every_field_is_in_the_reference() {
    let mut text = HEAD.to_owned();
    for definition in crds() {
        let definition = serde_json::to_value(definition).unwrap();
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
        write!(
            text,
            "\n## {kind}\n\n| field | takes | default | |\n|---|---|---|---|\n"
        )
        .unwrap();
        for part in ["spec", "status"] {
            describe(&schema["properties"][part], part, &mut text);
        }
    }
    assert!(text.lines().count() > 80, "{text}");
    kept(&file("docs/reference/fields.md"), &text);
}
