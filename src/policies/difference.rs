//! The first field in which an object is not what it should be.
//!
//! A field that is not expected counts as a difference too, as one more condition can switch a policy off: unless it is
//! what the API server writes where nothing is said.

use serde_json::{Map, Value, json};

/// The path of the first field of `live` that is not as `expected`.
pub fn first(expected: &Value, live: &Value) -> Option<String> {
    at("", expected, live)
}

fn at(path: &str, expected: &Value, live: &Value) -> Option<String> {
    match (expected, live) {
        (Value::Object(expected), Value::Object(live)) => within(path, expected, live),
        (Value::Array(expected), Value::Array(live)) if expected.len() == live.len() => {
            let mut pairs = expected.iter().zip(live).enumerate();
            pairs.find_map(|(number, (expected, live))| {
                at(&format!("{path}[{number}]"), expected, live)
            })
        }
        _ => (expected != live).then(|| path.to_owned()),
    }
}

fn within(path: &str, expected: &Map<String, Value>, live: &Map<String, Value>) -> Option<String> {
    let below = |key: &str| match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    let known = expected.iter().find_map(|(key, value)| {
        let found = live.get(key).unwrap_or(&Value::Null);
        at(&below(key), value, found)
    });
    let mut more = live.iter().filter(|(key, value)| {
        let known = expected.contains_key(*key);
        !known && !is_default(key, value) && !is_bundle(path, key)
    });
    known.or_else(|| more.next().map(|(key, _)| below(key)))
}

/// Says whether the field holds the CAs of a webhook, which are looked at apart.
fn is_bundle(path: &str, key: &str) -> bool {
    key == "caBundle" && path.ends_with(".clientConfig")
}

/// Says whether the API server writes this where nothing is said.
fn is_default(key: &str, value: &Value) -> bool {
    match key {
        "matchPolicy" => *value == json!("Equivalent"),
        "namespaceSelector" | "objectSelector" => *value == json!({}),
        "scope" => *value == json!("*"),
        _ => value.is_null(),
    }
}
