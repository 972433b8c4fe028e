//! What a pod of the scheduler asks, read from the few values that bear on it; the rest of the pod
//! is skipped.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::api::keys;
use crate::domain::Requirement;
use crate::domain::requirement::Words;

use super::wire::Text;

/// A pod, reduced to what it can ask with. Go omits empty maps, and writes a pod without
/// `apiVersion` and `kind`.
#[derive(Debug, Deserialize)]
pub struct Pod<'a> {
    #[serde(borrow)]
    metadata: Option<Metadata<'a>>,
    #[serde(borrow)]
    spec: Option<Spec<'a>>,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    annotations: Option<Ours<'a>>,
    #[serde(borrow)]
    labels: Option<Ours<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow)]
    node_selector: Option<Ours<'a>>,
}

impl Pod<'_> {
    /// What the pod asks of its node.
    pub fn requirement(&self) -> Requirement {
        let metadata = self.metadata.as_ref();
        let annotations = metadata.and_then(|metadata| metadata.annotations.as_ref());
        let labels = metadata.and_then(|metadata| metadata.labels.as_ref());
        let selector = self
            .spec
            .as_ref()
            .and_then(|spec| spec.node_selector.as_ref());
        Requirement::read(&Words {
            annotation: value(annotations, keys::REQUIRE),
            annotation_pool: value(annotations, keys::REQUIRE_POOL),
            label: value(labels, keys::REQUIRE),
            label_pool: value(labels, keys::REQUIRE_POOL),
            selector: value(selector, keys::TRUST),
            selector_pool: value(selector, keys::POOL),
        })
    }
}

/// The value of `key`, if there is one.
fn value<'a>(ours: Option<&'a Ours<'_>>, key: &str) -> Option<&'a str> {
    // The last of equal keys, as Go reads them.
    let mut pairs = ours?.0.iter().rev();
    pairs
        .find(|(other, _)| other == key)
        .map(|(_, value)| &**value)
}

/// The entries of a map of strings that have one of our keys.
#[derive(Debug, Default)]
struct Ours<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Ours<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Sieve).map(Self)
    }
}

/// Keeps the entries with our keys, skips all others unread.
struct Sieve;

impl<'de> Visitor<'de> for Sieve {
    type Value = Vec<(Cow<'de, str>, Cow<'de, str>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut ours = Vec::new();
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                keys::POOL | keys::REQUIRE | keys::REQUIRE_POOL | keys::TRUST => {
                    let Text(value) = map.next_value()?;
                    ours.push((key, value));
                }
                _ => {
                    let IgnoredAny = map.next_value()?;
                }
            }
        }
        Ok(ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirement(pod: &str) -> Requirement {
        serde_json::from_str::<Pod<'_>>(pod).unwrap().requirement()
    }

    #[test]
    fn a_pod_asks_by_selector_annotation_or_label_and_by_nothing_else() {
        let trusted = |pool: Option<&str>| Requirement::Trusted {
            pool: pool.map(Into::into),
        };
        let table = [
            ("{}", Requirement::Nothing),
            (r#"{"metadata":null,"spec":null}"#, Requirement::Nothing),
            (
                r#"{"metadata":{"labels":null},"spec":{"nodeSelector":null}}"#,
                Requirement::Nothing,
            ),
            (
                r#"{"metadata":{"annotations":{"trustpool.dev/require":"trusted"}}}"#,
                trusted(None),
            ),
            (
                r#"{"metadata":{"labels":{"trustpool.dev/require":"trusted"}}}"#,
                trusted(None),
            ),
            (
                r#"{"spec":{"nodeSelector":{"a":"b","trustpool.dev.node-restriction.kubernetes.io/trust":"trusted"}}}"#,
                trusted(None),
            ),
            (
                r#"{"spec":{"nodeSelector":{"trustpool.dev.node-restriction.kubernetes.io/pool":"p",
                 "trustpool.dev.node-restriction.kubernetes.io/trust":"trusted"}},
                 "metadata":{"annotations":{"trustpool.dev/pool":"p"}}}"#,
                trusted(Some("p")),
            ),
            (
                r#"{"metadata":{"labels":{"trustpool.dev/pool":"q","trustpool.dev/require":"trusted"},
                 "annotations":{"trustpool.dev/pool":"p"}}}"#,
                Requirement::Unknown,
            ),
            (
                r#"{"metadata":{"annotations":{"trustpool.dev/require":"yes"}}}"#,
                Requirement::Unknown,
            ),
            (
                r#"{"spec":{"nodeSelector":{"trustpool.dev/require":"trusted"}}}"#,
                Requirement::Nothing,
            ),
            (
                r#"{"metadata":{"labels":{"trustpool.dev.node-restriction.kubernetes.io/trust":"trusted"}}}"#,
                Requirement::Nothing,
            ),
        ];
        for (given, expected) in table {
            assert_eq!(requirement(given), expected, "{given}");
        }
    }

    #[test]
    fn keys_and_values_may_be_escaped() {
        let pod = r#"{"metadata":{"labels":{"trustpool.dev\/require":"\u0074rusted"}}}"#;

        assert_eq!(requirement(pod), Requirement::Trusted { pool: None });
    }

    #[test]
    fn of_equal_keys_the_last_counts_as_in_go() {
        let pod = r#"{"metadata":{"labels":{"trustpool.dev/require":"audit","trustpool.dev/require":"trusted"}}}"#;

        assert_eq!(requirement(pod), Requirement::Trusted { pool: None });
    }
}
