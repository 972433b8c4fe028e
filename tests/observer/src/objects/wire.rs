//! Nodes and `NodeTrust`s as they are written down.

use serde::Deserialize;

use super::{HOST, Machine, Meta, POOL, TRUST};

#[derive(Deserialize)]
pub(super) struct Node {
    metadata: Meta,
    #[serde(default)]
    spec: NodeSpec,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeSpec {
    taints: Vec<Taint>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Taint {
    key: String,
    value: String,
    effect: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NodeStatus {
    node_info: NodeInfo,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeInfo {
    #[serde(rename = "bootID")]
    boot_id: String,
    #[serde(rename = "machineID")]
    machine_id: String,
    #[serde(rename = "systemUUID")]
    system_uuid: String,
}

#[derive(Deserialize)]
pub(super) struct Trust {
    #[serde(default)]
    spec: TrustSpec,
    #[serde(default)]
    status: TrustStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TrustSpec {
    host: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TrustStatus {
    verdict: String,
}

impl From<Node> for super::Node {
    fn from(wire: Node) -> Self {
        let info = wire.status.node_info;
        let mut labels = wire.metadata.labels;
        labels.retain(|key, _| [TRUST, POOL, HOST].contains(&key.as_str()));
        let taints = wire.spec.taints.into_iter();
        let ours = taints.filter(|taint| taint.key.starts_with("trustpool.dev/"));
        Self {
            machine: Machine {
                uid: wire.metadata.uid,
                boot_id: info.boot_id,
                machine_id: info.machine_id,
                system_uuid: info.system_uuid,
            },
            labels,
            taints: ours.map(|it| [it.key, it.value, it.effect]).collect(),
        }
    }
}

impl From<Trust> for super::Trust {
    fn from(wire: Trust) -> Self {
        Self {
            host: wire.spec.host,
            verdict: wire.status.verdict,
        }
    }
}
