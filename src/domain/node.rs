//! A node, reduced to the few facts that decisions need.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a Kubernetes Node. Cheap to clone; looks itself up by `&str`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for NodeName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for NodeName {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl Borrow<str> for NodeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a verdict is about: one boot of one machine under one Node object, as one service knows it.
/// A change of any part is another incarnation, and no verdict carries over.
///
/// `uid` is the API server's; the three identifiers are the kubelet's own claims, so they only ever
/// revoke.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Incarnation {
    /// Where the service is.
    pub url: String,
    /// The name under which the service knows the node.
    pub host: String,
    /// `metadata.uid` of the Node.
    pub uid: String,
    /// `status.nodeInfo.bootID`; never empty.
    pub boot_id: String,
    /// `status.nodeInfo.machineID`.
    pub machine_id: String,
    /// `status.nodeInfo.systemUUID`.
    pub system_uuid: String,
}

/// What the Node's `Ready` condition says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Readiness {
    /// `True`.
    Ready,
    /// `False`, or no condition yet: the kubelet speaks, and says that it is not ready.
    NotReady,
    /// `Unknown`: no heartbeat for about 50 s (kube-controller-manager's grace period).
    Silent,
}

/// Our own marks as a Node carries them at this moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Carried {
    /// Value of the trust label.
    pub trust: Option<String>,
    /// Value of the pool label.
    pub pool: Option<String>,
    /// Value of the taint `trustpool.dev/not-trusted`, if it is there with effect `NoSchedule`.
    pub taint: Option<String>,
    /// Whether it is tainted as not attested since it was created.
    pub unattested: bool,
    /// Status and reason of the condition `trustpool.dev/Trusted`; read only to leave a write out.
    pub condition: Option<(String, String)>,
}

/// A Node, trimmed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// `metadata.name`.
    pub name: NodeName,
    /// `metadata.uid`.
    pub uid: String,
    /// Only labels that a pool may select by, and the host label: none that a kubelet can write.
    pub labels: BTreeMap<String, String>,
    /// The `Ready` condition.
    pub readiness: Readiness,
    /// `status.nodeInfo.bootID`, possibly empty.
    pub boot_id: String,
    /// `status.nodeInfo.machineID`, possibly empty.
    pub machine_id: String,
    /// `status.nodeInfo.systemUUID`, possibly empty.
    pub system_uuid: String,
    /// Our marks.
    pub carried: Carried,
}

impl Node {
    /// Says whether `incarnation` is this very Node object in this very boot.
    ///
    /// Service and host are not compared: the reader of a record does not know them better.
    #[must_use]
    pub fn is(&self, incarnation: &Incarnation) -> bool {
        !self.boot_id.is_empty()
            && self.uid == incarnation.uid
            && self.boot_id == incarnation.boot_id
            && self.machine_id == incarnation.machine_id
            && self.system_uuid == incarnation.system_uuid
    }
}
