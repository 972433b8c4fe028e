//! The body of `PollHosts`, read as Jackson 1.9 reads `OpenStackHostTrustLevelQuery`: field by field
//! in the order sent, the first that does not fit refuses the whole, in Jackson's own words.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Number, Value};

use crate::simulator::hosts::HostName;

/// The class that Jackson names in its messages.
const BEAN: &str = "com.intel.mtwilson.datatypes.OpenStackHostTrustLevelQuery";

/// Why a body is no query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// Jackson cannot make the bean, and says why.
    Bean(String),
    /// The bean, or its list of hosts, is null: found out inside the method.
    Null,
}

/// The hosts that a body asks about, as asked.
pub(super) fn hosts(body: &[u8]) -> Result<Vec<HostName>, Refusal> {
    let body = body.trim_ascii();
    if body.is_empty() {
        return Err(Refusal::Null);
    }
    let fields: Option<Fields> =
        serde_json::from_slice(body).map_err(|error| Refusal::Bean(malformed(body, &error)))?;
    let mut hosts = None;
    for (name, value) in fields.ok_or(Refusal::Null)?.0 {
        match name.as_str() {
            "count" => count(&value).map_err(Refusal::Bean)?,
            "hosts" => hosts = Some(names(value).map_err(Refusal::Bean)?),
            "pcrmask" => mask(&value).map_err(Refusal::Bean)?,
            _ => return Err(Refusal::Bean(unrecognized(&name))),
        }
    }
    hosts.ok_or(Refusal::Null)
}

/// The name of one host, by the rules of Mt. Wilson's `Hostname`: not empty, no comma.
pub(super) fn host(name: &str) -> Result<HostName, String> {
    match name.parse() {
        Ok(host) if !name.contains(',') => Ok(host),
        _ => Err(format!("Invalid hostname: {name}")),
    }
}

/// `hosts`: `String[]`, turned into `Hostname[]` by the bean's setter.
fn names(value: Value) -> Result<Vec<HostName>, String> {
    match value {
        Value::Array(items) => items.into_iter().map(item).collect(),
        // The setter is called with null, and fails on it.
        Value::Null => Err(through("N/A")),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) | Value::String(_) => {
            Err(cannot("java.lang.String[]", &value))
        }
    }
}

/// One element of `hosts`; Jackson takes the text of any scalar.
fn item(value: Value) -> Result<HostName, String> {
    let name = match value {
        Value::String(name) => name,
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Null => return Err(through("N/A")),
        Value::Array(_) | Value::Object(_) => return Err(cannot("java.lang.String", &value)),
    };
    host(&name).map_err(|reason| through(&reason))
}

/// `count`: a Java `int`, never used.
fn count(value: &Value) -> Result<(), String> {
    match value {
        Value::Null => Ok(()),
        Value::Number(number) if fits(number) => Ok(()),
        Value::Number(number) => Err(format!("Numeric value ({number}) out of range of int")),
        Value::String(text) if text.trim().is_empty() || text.trim().parse::<i32>().is_ok() => {
            Ok(())
        }
        Value::String(text) => Err(format!(
            "Can not construct instance of int from String value '{text}': not a valid int value"
        )),
        Value::Array(_) | Value::Bool(_) | Value::Object(_) => Err(cannot("int", value)),
    }
}

/// Says whether Jackson makes an `int` of a number; it cuts fractions off.
fn fits(number: &Number) -> bool {
    let range = f64::from(i32::MIN)..=f64::from(i32::MAX);
    number
        .as_f64()
        .is_some_and(|value| range.contains(&value.trunc()))
}

/// `pcrmask`: any scalar, never used.
fn mask(value: &Value) -> Result<(), String> {
    match value {
        Value::Array(_) | Value::Object(_) => Err(cannot("java.lang.String", value)),
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// A field the bean does not have.
fn unrecognized(name: &str) -> String {
    format!("Unrecognized field \"{name}\" (Class {BEAN}), not marked as ignorable")
}

/// A value of the wrong kind.
fn cannot(class: &str, value: &Value) -> String {
    let token = match value {
        Value::Array(_) => "START_ARRAY",
        Value::Bool(true) => "VALUE_TRUE",
        Value::Bool(false) => "VALUE_FALSE",
        Value::Null => "VALUE_NULL",
        Value::Number(number) if number.is_f64() => "VALUE_NUMBER_FLOAT",
        Value::Number(_) => "VALUE_NUMBER_INT",
        Value::Object(_) => "START_OBJECT",
        Value::String(_) => "VALUE_STRING",
    };
    format!("Can not deserialize instance of {class} out of {token} token")
}

/// What a setter threw.
fn through(reason: &str) -> String {
    format!("{reason} (through reference chain: {BEAN}[\"hosts\"])")
}

/// A body that is no JSON object.
fn malformed(body: &[u8], error: &serde_json::Error) -> String {
    match serde_json::from_slice::<Value>(body) {
        Ok(other) => cannot(BEAN, &other),
        Err(_) => format!(
            "Unexpected character or end-of-input at [line: {}, column: {}]",
            error.line(),
            error.column()
        ),
    }
}

/// The fields of a JSON object in the order sent, repeated ones too.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

/// Reads [`Fields`].
struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}
