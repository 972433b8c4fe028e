//! What kube-scheduler sends, made up as real clusters have it.

use bytes::Bytes;
use serde_json::{Value, json};

/// How many images a node reports: a kubelet's default.
pub const IMAGES: usize = 50;

/// The name of a node, as a cloud gives it.
#[must_use]
pub fn name(index: usize) -> String {
    let (high, low) = (index / 250, index % 250);
    format!("ip-10-0-{high}-{low}.eu-central-1.compute.internal")
}

/// A pod of a few containers that asks for trust.
fn pod() -> Value {
    let container = |name: &str| {
        json!({
            "name": name,
            "image": format!("registry.example.org/shop/{name}:v4.11.2"),
            "args": ["--listen=:8080", "--log-format=json", "--shutdown-delay=15s"],
            "env": [
                {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "DATABASE", "value": "postgres://db.shop.svc.cluster.local:5432/orders"},
            ],
            "resources": {
                "limits": {"cpu": "1", "memory": "512Mi", "trustpool.dev/trust": "0"},
                "requests": {"cpu": "250m", "memory": "256Mi", "trustpool.dev/trust": "0"},
            },
            "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets", "readOnly": true}],
            "livenessProbe": {"httpGet": {"path": "/livez", "port": 8080}, "periodSeconds": 10},
            "imagePullPolicy": "IfNotPresent",
        })
    };
    json!({
        "metadata": {
            "name": "orders-7f6c9d5b8-x2x9k",
            "namespace": "shop",
            "uid": "0b9f5a7e-3a43-4b4e-9d53-5d8f3c0a9f11",
            "labels": {"app": "orders", "pod-template-hash": "7f6c9d5b8"},
            "annotations": {"trustpool.dev/require": "trusted"},
        },
        "spec": {
            "containers": [container("orders"), container("proxy")],
            "nodeSelector": {trustpool::api::keys::TRUST: "trusted"},
            "serviceAccountName": "orders",
            "schedulerName": "default-scheduler",
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists",
                "effect": "NoExecute", "tolerationSeconds": 300}],
            "volumes": [{"name": "token", "projected": {"sources": []}}],
        },
        "status": {"phase": "Pending", "qosClass": "Burstable"},
    })
}

/// A request in names mode, with the first `count` nodes.
#[must_use]
pub fn names(count: usize) -> Bytes {
    let names: Vec<String> = (0..count).map(name).collect();
    let request = json!({"Pod": pod(), "Nodes": null, "NodeNames": names});
    request.to_string().into()
}

/// A request with whole Nodes, the first `count` ones. One after the other: as values they would
/// take a gigabyte.
#[must_use]
pub fn nodes(count: usize) -> Bytes {
    let mut request = format!(r#"{{"Pod":{},"Nodes":{{"metadata":{{}},"items":["#, pod());
    for index in 0..count {
        if index > 0 {
            request.push(',');
        }
        request.push_str(&node(index).to_string());
    }
    request.push_str("]},\"NodeNames\":null}");
    request.into()
}

/// A Node as an informer has it.
fn node(index: usize) -> Value {
    let name = name(index);
    let condition = |kind: &str, status: &str, reason: &str| {
        json!({
            "type": kind,
            "status": status,
            "reason": reason,
            "message": format!("kubelet: {reason}"),
            "lastHeartbeatTime": "2026-01-01T00:00:00Z",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    json!({
        "metadata": {
            "name": name,
            "uid": format!("5d8f3c0a-3a43-4b4e-9d53-{index:012}"),
            "resourceVersion": index.to_string(),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "node.kubernetes.io/instance-type": "m7i.4xlarge",
                "topology.kubernetes.io/region": "eu-central-1",
                "topology.kubernetes.io/zone": "eu-central-1a",
                trustpool::api::keys::TRUST: "trusted",
                trustpool::api::keys::POOL: "default",
            },
        },
        "spec": {"podCIDR": "10.244.0.0/24", "providerID": format!("aws:///eu-central-1a/i-{index:017x}")},
        "status": {
            "allocatable": {"cpu": "15890m", "memory": "60Gi", "pods": "234"},
            "capacity": {"cpu": "16", "memory": "64Gi", "pods": "234"},
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID"),
                condition("Ready", "True", "KubeletReady"),
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "images": images(),
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": format!("b-{index}"),
                "containerRuntimeVersion": "containerd://2.2.0",
                "kernelVersion": "6.12.0",
                "kubeProxyVersion": "",
                "kubeletVersion": "v1.37.1",
                "machineID": format!("m-{index}"),
                "operatingSystem": "linux",
                "osImage": "Linux",
                "systemUUID": format!("s-{index}"),
            },
        },
    })
}

/// The images that a node reports.
#[must_use]
pub fn images() -> Vec<Value> {
    let image = |index: usize| {
        let repository = format!("registry.example.org/team-{index}/app-{index}");
        json!({
            "names": [format!("{repository}@sha256:{index:064x}"), format!("{repository}:v1.2.{index}")],
            "sizeBytes": 10_000_000 + index,
        })
    };
    (0..IMAGES).map(image).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_nodes_are_as_large_as_those_of_real_clusters() {
        let five_hundred = nodes(500).len();

        assert!(
            (5_600_000..5_800_000).contains(&five_hundred),
            "{five_hundred}"
        );
        assert!(serde_json::from_slice::<Value>(&nodes(3)).is_ok());
    }
}
