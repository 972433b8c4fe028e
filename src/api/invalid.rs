//! Objects that cannot be used: which field, what it holds, and why that will not do.

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

/// How much of a bad value is shown.
const SHOWN: usize = 100;

/// An object that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field}: {why} (given: {value})")]
pub struct Invalid {
    /// The path of the field, as in `spec.refresh.interval`.
    pub field: String,
    /// What the field holds, cut to 100 characters.
    pub value: String,
    /// Why that will not do, and what would.
    pub why: String,
}

impl Invalid {
    /// Says that `field` cannot hold `value`.
    #[must_use]
    pub fn new(field: impl Into<String>, value: impl Display, why: impl Display) -> Self {
        Self {
            field: field.into(),
            value: value.to_string().chars().take(SHOWN).collect(),
            why: why.to_string(),
        }
    }
}

/// Reads an object of kind `K` from what a watch of `DynamicObject` gave.
///
/// A typed watch fails as a whole over one bad object, and relists for ever.
///
/// # Errors
///
/// The first field that cannot be read.
pub fn decode<K: DeserializeOwned>(object: &impl Serialize) -> Result<K, Invalid> {
    let json = serde_json::to_value(object).map_err(|error| Invalid::new(".", "", error))?;
    serde_path_to_error::deserialize(&json).map_err(|error| {
        let value = at(&json, error.path());
        Invalid::new(error.path().to_string(), value, error.inner())
    })
}

/// The value at `path`; `null` where there is none.
fn at<'a>(object: &'a Value, path: &Path) -> &'a Value {
    path.iter().fold(object, |value, segment| match segment {
        Segment::Map { key } => value.get(key).unwrap_or(&Value::Null),
        Segment::Seq { index } => value.get(index).unwrap_or(&Value::Null),
        Segment::Enum { .. } | Segment::Unknown => value,
    })
}
