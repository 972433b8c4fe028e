//! The cluster lives without us: nothing that does not ask for trust depends on Trustpool, its definitions, or
//! the whole of its policies.

use anyhow::{Context as _, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use trustpool::api::keys;
use trustpool_harness::install::{in_force, project, try_out};
use trustpool_harness::{ControlPlane, SOON, Slot, eventually};

use crate::policy::{annotated, pod};

/// What of `manifests` an API server without mutating policies takes.
const VALIDATING: [&str; 4] = [
    "namespaces.yaml",
    "nodes.yaml",
    "pods.yaml",
    "warnings.yaml",
];

#[tokio::test(flavor = "multi_thread")]
async fn invariant_3_policies_without_definitions_hold_up_nobody() {
    let _slot = Slot::take().await.unwrap();
    let plane = ControlPlane::builder().start().await.unwrap();
    let client = plane.client().await.unwrap();

    // Policies first.
    plane.apply(&project("manifests")).await.unwrap();
    in_force(&client).await.unwrap();
    everybody_lives(&plane, "first").await.unwrap();

    // Definitions later, and away again, with Trustpool down all the time.
    plane.apply(&project("crds")).await.unwrap();
    everybody_lives(&plane, "defined").await.unwrap();
    let crds = project("crds").display().to_string();
    plane
        .kubectl(&["delete", "--wait=false", "-f", &crds])
        .await
        .unwrap();
    everybody_lives(&plane, "undefined").await.unwrap();

    let asks: Pod = try_out(
        &client,
        Some("default"),
        pod(annotated("trusted"), json!({})),
    )
    .await
    .unwrap();
    assert!(
        asks.spec
            .unwrap()
            .node_selector
            .unwrap()
            .contains_key(keys::TRUST)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_mutating_policies_a_pod_that_asks_is_never_admitted_without_the_selector() {
    let _slot = Slot::take().await.unwrap();
    let off = "--feature-gates=MutatingAdmissionPolicy=false";
    let plane = ControlPlane::builder()
        .api_server_flag(off)
        .start()
        .await
        .unwrap();
    let client = plane.client().await.unwrap();
    plane.create_namespace("asks").await.unwrap();
    let label = [
        "label",
        "namespace",
        "asks",
        "trustpool.dev/require=trusted",
    ];
    plane.kubectl(&label).await.unwrap();
    plane
        .kubectl(&["create", "namespace", "trustpool-system"])
        .await
        .unwrap();
    for file in VALIDATING {
        plane.apply(&project("manifests").join(file)).await.unwrap();
    }
    plane
        .apply(&project(
            "manifests/optional/without-mutating-policies.yaml",
        ))
        .await
        .unwrap();

    eventually(SOON, "a pod that asks is refused", async || {
        for (namespace, metadata) in [("default", annotated("trusted")), ("asks", json!({}))] {
            let refused = try_out::<Pod>(&client, Some(namespace), pod(metadata, json!({}))).await;
            let error = format!("{:#}", refused.err().context("it is admitted")?);
            for words in [
                "mutating admission policies are off",
                "add nodeSelector",
                keys::TRUST,
            ] {
                ensure!(error.contains(words), "{error}");
            }
        }
        Ok(())
    })
    .await
    .unwrap();
    let selector = json!({"nodeSelector": {keys::TRUST: "trusted"}});
    let both =
        json!({"annotations": {keys::REQUIRE: "trusted"}, "labels": {keys::REQUIRE: "trusted"}});
    for namespace in ["default", "asks"] {
        try_out::<Pod>(
            &client,
            Some(namespace),
            pod(both.clone(), selector.clone()),
        )
        .await
        .unwrap();
    }
    everybody_lives(&plane, "off").await.unwrap();
    authors_are_warned(&plane).await.unwrap();
}

async fn authors_are_warned(plane: &ControlPlane) -> anyhow::Result<()> {
    let deploy = "create deployment d --image=none -n asks --dry-run=server";
    let deploy: Vec<&str> = deploy.split(' ').collect();
    eventually(SOON, "a warning", async || {
        let said = plane
            .kubectl_command(plane.admin())
            .args(&deploy)
            .output()
            .await?;
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        ensure!(
            said.contains("no pod of this template will be admitted"),
            "{said}"
        );
        Ok(())
    })
    .await
}

/// Plain pods, heartbeats, and Nodes that come and change, each by whoever does it in a cluster.
async fn everybody_lives(plane: &ControlPlane, when: &str) -> anyhow::Result<()> {
    let client = plane.client().await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), "default");
    let plain = pod(
        json!({"name": format!("plain-{when}")}),
        json!({"nodeName": format!("bare-{when}")}),
    );
    pods.create(&PostParams::default(), &serde_json::from_value(plain)?)
        .await?;
    let tainted = json!([{"key": "example.com/starting", "effect": "NoSchedule"},
        {"key": "trustpool.dev/not-trusted", "value": "untrusted", "effect": "NoSchedule"}]);
    for (kind, taints) in [("bare", json!(null)), ("tainted", tainted)] {
        let name = format!("{kind}-{when}");
        let kubelet = plane.kubelet(&name)?.client().await?;
        a_kubelet_lives(&kubelet, &name, taints)
            .await
            .with_context(|| name.clone())?;
        let changed = Patch::Merge(
            json!({"metadata": {"labels": {"example.com/a": "b"}}, "spec": {"unschedulable": true}}),
        );
        Api::<Node>::all(client.clone())
            .patch(&name, &PatchParams::default(), &changed)
            .await?;
    }
    Ok(())
}

async fn a_kubelet_lives(kubelet: &Client, name: &str, taints: Value) -> anyhow::Result<()> {
    let nodes: Api<Node> = Api::all(kubelet.clone());
    let node = json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}, "spec": {"taints": taints}});
    nodes
        .create(&PostParams::default(), &serde_json::from_value(node)?)
        .await?;
    let ready = json!({"status": {"nodeInfo": {"bootID": "b"}, "conditions": [{"type": "Ready", "status": "True",
        "lastHeartbeatTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
    nodes
        .patch_status(name, &PatchParams::default(), &Patch::Strategic(ready))
        .await?;
    let leases: Api<Lease> = Api::namespaced(kubelet.clone(), "kube-node-lease");
    let lease = json!({"metadata": {"name": name}, "spec": {"holderIdentity": name}});
    leases
        .create(&PostParams::default(), &serde_json::from_value(lease)?)
        .await?;
    Ok(())
}
