//! The first field in which an object is not what it should be.
//!
//! A field that is not expected counts as a difference too, as one more condition can switch a policy off: unless it is
//! what the API server writes where nothing is said.

use http::Uri;
use serde_json::{Map, Value, json};

/// What may be otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Exempt<'a> {
    /// Hosts by which a webhook may be reached instead of by its Service.
    pub hosts: &'a [String],
    /// A field that is the installer's choice.
    pub path: Option<&'a str>,
}

/// A walk through two objects.
#[derive(Debug)]
pub struct Difference<'a>(Exempt<'a>);

impl<'a> Difference<'a> {
    /// A walk that passes by what is `exempt`.
    pub const fn new(exempt: Exempt<'a>) -> Self {
        Self(exempt)
    }

    /// The path of the first field of `live` that is not as `expected`.
    pub fn first(&self, expected: &Value, live: &Value) -> Option<String> {
        self.value("", expected, live)
    }

    fn value(&self, path: &str, expected: &Value, live: &Value) -> Option<String> {
        if self.0.path == Some(path) {
            return None;
        }
        match (expected, live) {
            (Value::Object(expected), Value::Object(live)) => self.fields(path, expected, live),
            (Value::Array(expected), Value::Array(live)) if expected.len() == live.len() => {
                let mut pairs = expected.iter().zip(live).enumerate();
                pairs.find_map(|(at, (expected, live))| {
                    self.value(&format!("{path}[{at}]"), expected, live)
                })
            }
            _ => (expected != live).then(|| path.to_owned()),
        }
    }

    fn fields(
        &self,
        path: &str,
        expected: &Map<String, Value>,
        live: &Map<String, Value>,
    ) -> Option<String> {
        let within = |key: &str| match path {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        };
        let known = expected.iter().find_map(|(key, value)| {
            let found = live.get(key).unwrap_or(&Value::Null);
            if key == "clientConfig" && self.reaches(value, found) {
                return None;
            }
            self.value(&within(key), value, found)
        });
        let mut more = live.iter().filter(|(key, value)| {
            let known = expected.contains_key(*key);
            !known && !is_default(key, value) && !is_authority(path, key)
        });
        known.or_else(|| more.next().map(|(key, _)| within(key)))
    }

    /// Says whether a webhook asks the bind gate by a URL of ours, at the path that it would ask by its Service.
    fn reaches(&self, expected: &Value, live: &Value) -> bool {
        let url = live.get("url").and_then(Value::as_str);
        let Some(Ok(url)) = url.map(str::parse::<Uri>) else {
            return false;
        };
        let path = expected.pointer("/service/path").and_then(Value::as_str);
        let host = url.host().unwrap_or_default();
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        url.scheme_str() == Some("https")
            && path == Some(url.path())
            && self
                .0
                .hosts
                .iter()
                .any(|known| known.to_ascii_lowercase() == host)
    }
}

/// Says whether the field is the CA by which a webhook is believed: whoever keeps the certificate writes it.
fn is_authority(path: &str, key: &str) -> bool {
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
