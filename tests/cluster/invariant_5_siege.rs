//! Invariant 5, against a kubelet that makes its own Node hard to read or to write.

use anyhow::ensure;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use trustpool::api::keys::TRUST;
use trustpool_harness::{SOON, Setup, Slot, World, eventually};

use crate::support::{INTERVAL, attested_again, trusted_nodes, writes};

/// So few of them are lost that no breaker opens.
const NODES: [&str; 5] = ["bad", "a", "b", "c", "d"];

/// Kubelet `bad`, as itself.
async fn kubelet(world: &World) -> Api<Node> {
    let bad = world.plane.kubelet("bad").unwrap();
    Api::all(bad.client().await.unwrap())
}

async fn patch(nodes: &Api<Node>, patch: Value) -> kube::Result<()> {
    let params = PatchParams::default();
    nodes.patch("bad", &params, &Patch::Merge(patch)).await?;
    Ok(())
}

/// As kubectl sees it: Go reads whatever a kubelet writes.
async fn is_trusted(world: &World) -> anyhow::Result<bool> {
    let labels = "--output=jsonpath={.metadata.labels}";
    let labels = world.plane.kubectl(&["get", "node", "bad", labels]).await?;
    Ok(labels.contains(r#"/trust":"trusted""#))
}

/// The service turns against `bad`, and its label goes.
async fn evidence_costs_the_label(world: &World) -> anyhow::Result<()> {
    ensure!(is_trusted(world).await?, "nothing to lose");
    world.simulator.play("bad", "untrusted").await?;
    attested_again(world, "bad", INTERVAL).await?;
    eventually(SOON, "bad is not labelled trusted", async || {
        ensure!(!is_trusted(world).await?);
        Ok(())
    })
    .await
}

/// A time that Go reads and few others do, in a field that is the kubelet's own.
async fn write_unreadable_time(world: &World) -> anyhow::Result<()> {
    let bad = world.plane.kubelet("bad")?.client().await?;
    let path = "/api/v1/nodes/bad";
    patch(
        &kubelet(world).await,
        json!({"metadata": {"annotations": {"x": "y"}}}),
    )
    .await?;
    let mut node: Value = bad.request(http::Request::get(path).body(vec![])?).await?;
    let entry = json!({
        "manager": "bad", "operation": "Update", "apiVersion": "v1",
        "time": "9999-12-31T23:59:59Z", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:annotations": {"f:x": {}}}},
    });
    let fields = node
        .pointer_mut("/metadata/managedFields")
        .and_then(Value::as_array_mut);
    fields
        .ok_or_else(|| anyhow::anyhow!("no managedFields"))?
        .push(entry);
    let put = http::Request::put(path).header("content-type", "application/json");
    let written: Value = bad.request(put.body(serde_json::to_vec(&node)?)?).await?;
    ensure!(
        written.to_string().contains("9999-12-31"),
        "it was not kept: {written}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_5_a_kubelet_that_writes_what_cannot_be_read_stops_nobody() {
    let _slot = Slot::take().await.unwrap();
    let world = Setup::default().start().await.unwrap();
    trusted_nodes(&world, &NODES).await.unwrap();
    write_unreadable_time(&world).await.unwrap();

    trusted_nodes(&world, &["late"]).await.unwrap();
    evidence_costs_the_label(&world).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_5_a_kubelet_that_writes_its_node_without_rest_keeps_no_label() {
    let _slot = Slot::take().await.unwrap();
    let world = Setup::default().start().await.unwrap();
    trusted_nodes(&world, &NODES).await.unwrap();
    // What guards the patch that such a Node loses its label by.
    let another = json!({"metadata": {"uid": "another", "labels": {TRUST: "untrusted"}}});
    assert!(world.patch_node("a", another).await.is_err());
    let nodes = kubelet(&world).await;
    let over = CancellationToken::new();
    let hammer = async |number: usize| {
        for turn in 0.. {
            if over.is_cancelled() {
                break;
            }
            let key = format!("example.com/{number}");
            let annotations = json!({"metadata": {"annotations": {key: turn.to_string()}}});
            // The API server gives a patch up that met too many others.
            drop(patch(&nodes, annotations).await);
        }
    };
    let siege = futures::future::join_all((0..12).map(hammer));
    let ours = async {
        let _over = over.clone().drop_guard();
        evidence_costs_the_label(&world).await
    };
    let (_, lost) = tokio::join!(siege, ours);
    lost.unwrap();
}

/// A second after the labels: Trustpool writes nothing more.
async fn conditions_are_written(world: &World) -> anyhow::Result<()> {
    let log = world.plane.audit();
    eventually(SOON, "every condition is written", async || {
        let written = writes(&log, "nodes", "status")?.len();
        ensure!(written >= NODES.len(), "{written}");
        Ok(())
    })
    .await
}

/// As much as etcd holds: found by halving.
async fn fill(nodes: &Api<Node>) -> usize {
    let (mut fits, mut too_much) = (0, 1_700_000);
    while too_much - fits > 1 {
        let bytes = usize::midpoint(fits, too_much);
        let images = json!({"status": {"images": [{"names": ["x".repeat(bytes)]}]}});
        let params = PatchParams::default();
        let written = nodes
            .patch_status("bad", &params, &Patch::Merge(images))
            .await;
        *if written.is_ok() {
            &mut fits
        } else {
            &mut too_much
        } = bytes;
    }
    fits
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_5_a_kubelet_that_fills_its_node_to_the_limit_keeps_no_label() {
    let _slot = Slot::take().await.unwrap();
    let world = Setup::default().start().await.unwrap();
    trusted_nodes(&world, &NODES).await.unwrap();
    conditions_are_written(&world).await.unwrap();
    let filled = fill(&kubelet(&world).await).await;
    assert!(filled > 1_000_000, "{filled} bytes");

    evidence_costs_the_label(&world).await.unwrap();
}
