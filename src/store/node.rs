//! The few fields of a Node that are kept. Everything else is dropped as it arrives: 50 images a
//! node make up most of what the API server sends.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node as FullNode;
use kube::Resource;
use kube::api::ObjectMeta;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::api::keys;
use crate::api::trust_pool::is_selectable;
use crate::domain::{Carried, Node, Readiness};

/// The longest identifier that the schema of a `NodeTrust` takes; a real one has 36 characters.
const LONGEST_ID: usize = 1_024;

/// A Node as it is read from the API server.
#[derive(Clone, Debug, Deserialize, Resource)]
#[resource(inherit = FullNode)]
pub struct PartialNode {
    /// The part of `metadata` that is read.
    #[serde(default, deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    /// The part of `spec` that is read.
    #[serde(default)]
    pub spec: Spec,
    /// The part of `status` that is read.
    #[serde(default)]
    pub status: Status,
}

/// Nothing else: whoever may write a Node may write times into `managedFields` that no type here holds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let read = Metadata::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: read.name,
        uid: read.uid,
        resource_version: read.resource_version,
        labels: read.labels,
        ..ObjectMeta::default()
    })
}

/// The part of `spec` that is read.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Spec {
    /// Every taint, whole: the list can only be written as a whole.
    #[serde(default)]
    pub taints: Vec<Map<String, Value>>,
}

/// The part of `status` that is read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
    #[serde(default)]
    node_info: NodeInfo,
}

#[derive(Clone, Debug, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    reason: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct NodeInfo {
    #[serde(default, rename = "bootID")]
    boot_id: String,
    #[serde(default, rename = "machineID")]
    machine_id: String,
    #[serde(default, rename = "systemUUID")]
    system_uuid: String,
}

impl NodeInfo {
    /// The identifiers, or none of them if one is longer than a record can hold: a kubelet that reports
    /// such a thing has no identity, and must not keep its record from being written.
    fn bounded(self) -> Self {
        let ids = [&self.boot_id, &self.machine_id, &self.system_uuid];
        if ids.iter().all(|id| id.len() <= LONGEST_ID) {
            self
        } else {
            Self::default()
        }
    }
}

/// A Node, trimmed, with what a write to it needs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tracked {
    /// What decisions need.
    pub node: Node,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// Every taint as it is, other people's fields included.
    pub taints: Vec<Map<String, Value>>,
}

impl From<PartialNode> for Tracked {
    fn from(mut partial: PartialNode) -> Self {
        let carried = carried(&partial);
        let labels = partial.metadata.labels.take().unwrap_or_default();
        let info = partial.status.node_info.bounded();
        let node = Node {
            name: partial.metadata.name.unwrap_or_default().into(),
            uid: partial.metadata.uid.unwrap_or_default(),
            labels: labels.into_iter().filter(|(key, _)| is_kept(key)).collect(),
            readiness: readiness(&partial.status.conditions),
            boot_id: info.boot_id,
            machine_id: info.machine_id,
            system_uuid: info.system_uuid,
            carried,
        };
        let version = partial.metadata.resource_version.unwrap_or_default();
        Self {
            node,
            version,
            taints: partial.spec.taints,
        }
    }
}

/// A label that a pool may select by, or that names the host; our own marks are kept elsewhere.
fn is_kept(key: &str) -> bool {
    is_selectable(key) && key != keys::TRUST && key != keys::POOL
}

fn readiness(conditions: &[Condition]) -> Readiness {
    let ready = conditions
        .iter()
        .find(|condition| condition.kind == "Ready");
    match ready.map(|condition| condition.status.as_str()) {
        Some("True") => Readiness::Ready,
        Some("Unknown") => Readiness::Silent,
        _ => Readiness::NotReady,
    }
}

fn carried(partial: &PartialNode) -> Carried {
    let label = |key| label(partial.metadata.labels.as_ref(), key);
    let condition = partial
        .status
        .conditions
        .iter()
        .find(|each| each.kind == keys::TRUSTED_CONDITION);
    Carried {
        trust: label(keys::TRUST),
        pool: label(keys::POOL),
        taint: partial
            .spec
            .taints
            .iter()
            .find(|taint| is_ours(taint))
            .map(value),
        unattested: partial.spec.taints.iter().any(is_startup),
        condition: condition.map(|each| (each.status.clone(), each.reason.clone())),
    }
}

fn label(labels: Option<&BTreeMap<String, String>>, key: &str) -> Option<String> {
    labels.and_then(|labels| labels.get(key)).cloned()
}

/// Says whether a taint is the one that Trustpool writes.
#[must_use]
pub fn is_ours(taint: &Map<String, Value>) -> bool {
    is(taint, keys::NOT_TRUSTED)
}

/// Says whether a taint is the one that a new Node is given.
#[must_use]
pub fn is_startup(taint: &Map<String, Value>) -> bool {
    is(taint, keys::UNATTESTED)
}

fn is(taint: &Map<String, Value>, key: &str) -> bool {
    let is = |field: &str, value: &str| taint.get(field).and_then(Value::as_str) == Some(value);
    is("key", key) && is("effect", "NoSchedule")
}

fn value(taint: &Map<String, Value>) -> String {
    taint
        .get("value")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_kubelet_writes_into_managed_fields_is_not_read() {
        let object = json!({"metadata": {
            "name": "a", "uid": "u", "resourceVersion": "7", "labels": {"x": "y"},
            "managedFields": [{"manager": "m", "time": "9999-12-31T23:59:59Z"}],
        }});

        let read: PartialNode = serde_json::from_value(object).unwrap();

        assert_eq!(read.metadata.resource_version.as_deref(), Some("7"));
        assert_eq!(read.metadata.uid.as_deref(), Some("u"));
        assert_eq!(read.metadata.labels.unwrap()["x"], "y");
    }

    #[test]
    fn invariant_5_an_identifier_that_no_record_could_hold_is_no_identity() {
        for (field, length, identified) in [
            ("bootID", LONGEST_ID, true),
            ("bootID", LONGEST_ID + 1, false),
            ("machineID", LONGEST_ID + 1, false),
            ("systemUUID", LONGEST_ID + 1, false),
        ] {
            let mut info = json!({"bootID": "b", "machineID": "m", "systemUUID": "s"});
            info[field] = json!("x".repeat(length));
            let object = json!({"metadata": {"name": "a"}, "status": {"nodeInfo": info}});

            let tracked = Tracked::from(serde_json::from_value::<PartialNode>(object).unwrap());

            let has_boot = !tracked.node.boot_id.is_empty();
            assert_eq!(has_boot, identified, "{length} bytes of {field}");
        }
    }
}
