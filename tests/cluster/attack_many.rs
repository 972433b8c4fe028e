//! One trusted node among many: kube-scheduler looks at a sample, and the sample is of trusted nodes.

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use serde_json::json;
use trustpool_harness::{NodeBuilder, SOON, Setup, Slot, World, eventually};

use crate::attack::create;
use crate::support::labelled_namespace;

/// Pods that are to find the one node.
const PODS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn the_one_trusted_node_of_100_is_found() {
    the_only_one_of(100).await.unwrap();
}

/// kube-scheduler looks at 38 % of 1,500 nodes: 570 that pass its own filters.
#[tokio::test(flavor = "multi_thread")]
async fn the_one_trusted_node_of_1500_is_found_outside_the_sample_too() {
    the_only_one_of(1_500).await.unwrap();
}

async fn the_only_one_of(count: usize) -> anyhow::Result<()> {
    let _slot = Slot::take().await?;
    let pool = json!({"breaker": {"maxUntrusted": "100%"}, "nodeSelector": {"matchLabels": {
        "trustpool.node-restriction.kubernetes.io/attested": "yes"}}});
    let world = Setup::default().scheduler().pool(pool).start().await?;
    let names: Vec<String> = (0..count)
        .map(|number| format!("node-{number:04}"))
        .collect();
    let nodes: Vec<_> = names.iter().map(|name| NodeBuilder::new(name)).collect();
    world.nodes.create_all(&nodes).await?;
    let only = names.last().context("no node")?;
    world.simulator.play(only, "trusted").await?;
    world
        .nodes
        .label(
            only,
            "trustpool.node-restriction.kubernetes.io/attested",
            Some("yes"),
        )
        .await?;
    world.labelled(only, Some("trusted")).await?;
    labelled_namespace(&world, "required", &["trustpool.dev/require=trusted"]).await?;

    for number in 0..PODS {
        let pod = json!({"metadata": {"name": format!("asks-{number}")},
            "spec": {"containers": [{"name": "main", "image": "none"}]}});
        create(&world, "required", pod).await?;
    }
    all_on(&world, only).await
}

async fn all_on(world: &World, node: &str) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), "required");
    eventually(SOON, "every pod is on the only trusted node", async || {
        for number in 0..PODS {
            let pod = pods.get(&format!("asks-{number}")).await?;
            let on = pod.spec.and_then(|spec| spec.node_name);
            ensure!(on.as_deref() == Some(node), "{number} is on {on:?}");
        }
        Ok(())
    })
    .await
}
