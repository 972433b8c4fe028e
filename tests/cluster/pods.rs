//! What tests with kube-scheduler share: pods, and labels that say more than is known.

use anyhow::ensure;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use trustpool::api::keys;
use trustpool_harness::{SOON, World, eventually};

use crate::support::{INTERVAL, attested_again};

/// The pods of `default`.
pub fn api(world: &World) -> Api<Pod> {
    Api::namespaced(world.client.clone(), "default")
}

/// Creates a pod in `default`.
pub async fn create(world: &World, pod: Value) -> anyhow::Result<()> {
    let pod = serde_json::from_value(pod)?;
    api(world).create(&PostParams::default(), &pod).await?;
    Ok(())
}

/// Waits until a pod is bound to `node`.
pub async fn bound(world: &World, pod: &str, node: &str) -> anyhow::Result<()> {
    eventually(SOON, &format!("{pod} is bound to {node}"), async || {
        let to = world.bound_to(pod).await?;
        ensure!(to.as_deref() == Some(node), "{to:?}");
        Ok(())
    })
    .await
}

/// Labels `nodes` trusted, as an administrator can. They are paused first, else Trustpool would put their
/// labels right at once; a round of `other` is its chance to do so.
pub async fn forge(world: &World, nodes: &[&str], other: &str) -> anyhow::Result<()> {
    for node in nodes {
        let paused = json!({"spec": {"paused": true}});
        world.change("nodetrust", node, paused).await?;
    }
    eventually(SOON, "forged labels stay", async || {
        for node in nodes {
            let trusted = Some("trusted");
            world.nodes.label(node, keys::TRUST, trusted).await?;
        }
        attested_again(world, other, INTERVAL).await?;
        still_forged(world, nodes).await
    })
    .await
}

/// Makes sure that `nodes` still carry the label that they do not deserve: else a test has tried nothing.
pub async fn still_forged(world: &World, nodes: &[&str]) -> anyhow::Result<()> {
    for node in nodes {
        let label = world.label(node).await?;
        ensure!(label.as_deref() == Some("trusted"), "{node}: {label:?}");
        let verdict = world.verdict(node).await?;
        ensure!(verdict != "trusted/Attested", "{node} deserves it");
    }
    Ok(())
}
