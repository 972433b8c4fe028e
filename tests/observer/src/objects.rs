//! The few fields of Kubernetes objects that the judgement needs, and the names that Trustpool uses.
//! They are spelled out here, since the observer must not learn them from Trustpool.

mod wire;

use std::collections::BTreeMap;

use serde::Deserialize;

/// The label of a Node that opens it to pods that ask; and in pods, the selector that asks.
pub(crate) const TRUST: &str = "trustpool.dev.node-restriction.kubernetes.io/trust";
/// The label of a Node that names its pool.
const POOL: &str = "trustpool.dev.node-restriction.kubernetes.io/pool";
/// The label of a Node that names its host.
const HOST: &str = "trustpool.dev.node-restriction.kubernetes.io/host";
/// The annotation and label of a pod, and the label of a namespace, that asks.
pub(crate) const REQUIRE: &str = "trustpool.dev/require";
/// The label of a namespace that says what its bind gate does in doubt.
pub(crate) const GATE: &str = "trustpool.dev/gate";
/// What all names of Trustpool hold, and all domains of its webhooks.
pub(crate) const OURS: &str = "trustpool.dev";
/// What every word for a verdict, a label and an annotation says that matters here.
pub(crate) const TRUSTED: &str = "trusted";
/// The annotation of a pod that a kubelet read from a file of its own.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// `metadata`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Meta {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    deletion_timestamp: Option<String>,
    finalizers: Vec<String>,
}

/// Any object, and any list of objects.
#[derive(Debug, Deserialize)]
pub(crate) struct Any {
    #[serde(default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) metadata: Meta,
    #[serde(default)]
    pub(crate) items: Vec<Item>,
}

/// An object of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) metadata: Meta,
}

/// What of an object its history is made of.
pub(crate) trait Kept: for<'de> Deserialize<'de> + PartialEq {}

/// A Node.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize)]
#[serde(from = "wire::Node")]
pub(crate) struct Node {
    pub(crate) machine: Machine,
    /// Our labels: trust, pool and host.
    pub(crate) labels: BTreeMap<String, String>,
    /// Our taints: key, value, effect.
    pub(crate) taints: Vec<[String; 3]>,
}

/// One boot of one machine under one Node object.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Machine {
    /// The Node's UID.
    pub(crate) uid: String,
    /// Empty if the kubelet reports none.
    pub(crate) boot_id: String,
    pub(crate) machine_id: String,
    pub(crate) system_uuid: String,
}

/// A `NodeTrust`.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize)]
#[serde(from = "wire::Trust")]
pub(crate) struct Trust {
    /// `spec.host`.
    pub(crate) host: Option<String>,
    /// `status.verdict`; empty if there is no status.
    pub(crate) verdict: String,
}

/// A Namespace: its labels.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize)]
#[serde(from = "Any")]
pub(crate) struct Namespace(pub(crate) BTreeMap<String, String>);

/// A Pod.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Pod {
    pub(crate) metadata: Meta,
    pub(crate) spec: PodSpec,
}

/// A Pod's `spec`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct PodSpec {
    pub(crate) node_name: String,
    node_selector: BTreeMap<String, String>,
}

/// A Binding.
#[derive(Debug, Deserialize)]
pub(crate) struct Binding {
    pub(crate) metadata: Meta,
    pub(crate) target: Target,
}

/// What a Binding binds to.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Target {
    pub(crate) name: String,
}

impl Meta {
    /// Says whether the object is gone: deleted, and nobody holds it back.
    pub(crate) const fn is_gone(&self) -> bool {
        self.deletion_timestamp.is_some() && self.finalizers.is_empty()
    }
}

impl Pod {
    /// Says whether the pod asks for trust.
    pub(crate) fn asks(&self) -> bool {
        let Meta {
            labels,
            annotations,
            ..
        } = &self.metadata;
        let says = |pairs: &BTreeMap<String, String>| {
            pairs.get(REQUIRE).is_some_and(|value| value == TRUSTED)
        };
        self.spec.node_selector.contains_key(TRUST) || says(annotations) || says(labels)
    }

    /// Says whether a kubelet read the pod from a file: nobody bound it.
    pub(crate) fn is_mirror(&self) -> bool {
        self.metadata.annotations.contains_key(MIRROR)
    }
}

impl Node {
    /// The value of the trust label.
    pub(crate) fn trust(&self) -> Option<&str> {
        self.labels.get(TRUST).map(String::as_str)
    }

    /// The value of the host label.
    pub(crate) fn host(&self) -> Option<&str> {
        self.labels.get(HOST).map(String::as_str)
    }
}

impl From<Any> for Namespace {
    fn from(any: Any) -> Self {
        Self(any.metadata.labels)
    }
}

impl Kept for Node {}
impl Kept for Trust {}
impl Kept for Namespace {}
