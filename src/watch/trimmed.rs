//! An object of a watch, read without what others may make unreadable.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde_json::value::RawValue;

/// An object, read without its `metadata.managedFields` where it cannot be read with them.
///
/// Whoever may write an object may write any time there, also one that no type here holds, such as
/// the last day of the year 9999: one kubelet or tenant would break the watch of all.
///
/// It is read from the event's own bytes, so `type` must stand before `object`, as the API server's
/// `metav1.WatchEvent` has it.
#[derive(Clone, Debug)]
pub struct Trimmed<K>(pub K);

impl<'de, K: DeserializeOwned> Deserialize<'de> for Trimmed<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <Box<RawValue>>::deserialize(deserializer)?;
        serde_json::from_str(raw.get())
            .or_else(|_| serde_json::from_str(&trim(raw.get())?))
            .map(Self)
            .map_err(D::Error::custom)
    }
}

type Fields<'a> = BTreeMap<String, &'a RawValue>;

fn trim(object: &str) -> serde_json::Result<String> {
    let mut fields: Fields<'_> = serde_json::from_str(object)?;
    let metadata = fields.remove("metadata").map_or("{}", RawValue::get);
    let mut metadata: Fields<'_> = serde_json::from_str(metadata)?;
    metadata.remove("managedFields");
    let metadata = serde_json::value::to_raw_value(&metadata)?;
    fields.insert("metadata".to_owned(), &metadata);
    serde_json::to_string(&fields)
}

#[cfg(test)]
mod tests {
    use kube::api::DynamicObject;

    use super::*;

    fn read(time: &str, deep: usize) -> serde_json::Result<Trimmed<DynamicObject>> {
        let fields = format!("{}{{}}{}", r#"{"f:x":"#.repeat(deep), "}".repeat(deep));
        serde_json::from_str(&format!(
            r#"{{"apiVersion":"v1","kind":"Node","spec":{{"a":[1]}},"metadata":{{"name":"a",
            "managedFields":[{{"manager":"m","time":"{time}","fieldsV1":{fields}}}]}}}}"#
        ))
    }

    #[test]
    fn what_others_write_into_managed_fields_makes_no_object_unreadable() {
        let table = [
            ("2026-01-01T00:00:00Z", 1, true),
            ("9999-12-31T23:59:59Z", 1, false),
            ("2026-01-01T00:00:00Z", 200, false),
        ];
        for (time, deep, whole) in table {
            let Trimmed(object) = read(time, deep).unwrap();

            assert_eq!(object.metadata.name.as_deref(), Some("a"));
            assert_eq!(object.data["spec"]["a"][0], 1);
            assert_eq!(object.metadata.managed_fields.is_some(), whole, "{time}");
        }
    }
}
