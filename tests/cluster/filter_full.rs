//! A kube-scheduler with `nodeCacheCapable: false` sends whole Nodes to the extender, and gets those back
//! that it may use.

use anyhow::ensure;
use serde_json::json;
use trustpool::api::keys;
use trustpool_harness::world::asking_pod;
use trustpool_harness::{Setup, Slot, World};

use crate::pods::{bound, create, forge, still_forged};
use crate::support::{metric, told, trusted_nodes};

/// Nodes that are labelled trusted, and are not.
const FORGED: [&str; 2] = ["bad", "odd"];

/// So many pods that no scheduler would put them all on one of three nodes by chance.
const PODS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_sends_whole_nodes_is_told_which_are_trusted_whatever_their_labels_say() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({"onUntrusted": {"taint": "None"}});
    let world = Setup::default()
        .full_nodes()
        .without_policies()
        .pool(pool)
        .start()
        .await;
    let world = world.unwrap();
    trusted_nodes(&world, &["good"]).await.unwrap();
    for (node, verdict) in FORGED.into_iter().zip(["untrusted", "unknown"]) {
        world.node(node, verdict).await.unwrap();
        world.labelled(node, Some(verdict)).await.unwrap();
    }
    forge(&world, &FORGED, "good").await.unwrap();

    pods_that_ask_land_on_the_trusted_node(&world)
        .await
        .unwrap();
    a_pod_that_asks_for_another_pool_is_told_why_it_waits(&world)
        .await
        .unwrap();
    still_forged(&world, &FORGED).await.unwrap();
    whole_nodes_were_sent(&world).await.unwrap();
}

async fn pods_that_ask_land_on_the_trusted_node(world: &World) -> anyhow::Result<()> {
    let names: Vec<String> = (0..PODS).map(|number| format!("asks-{number}")).collect();
    for name in &names {
        world.asking_pod(name).await?;
    }
    for name in &names {
        bound(world, name, "good").await?;
    }
    Ok(())
}

async fn a_pod_that_asks_for_another_pool_is_told_why_it_waits(
    world: &World,
) -> anyhow::Result<()> {
    let mut pod = asking_pod("choosy");
    pod["metadata"]["labels"][keys::REQUIRE_POOL] = json!("nowhere");
    create(world, pod).await?;

    let histogram = [
        "0/3 nodes are available",
        "1 node(s) failed attestation",
        "1 node(s) were in another trust pool",
        "1 node(s) were never attested",
    ];
    told(world, "choosy", "FailedScheduling", &histogram).await?;
    let node = world.bound_to("choosy").await?;
    ensure!(node.is_none(), "it is bound to {node:?}");
    Ok(())
}

async fn whole_nodes_were_sent(world: &World) -> anyhow::Result<()> {
    let asked = "trustpool_filter_duration_seconds_count{mode=";
    let full = metric(world, &format!("{asked}\"full\"}}")).await?;
    let names = metric(world, &format!("{asked}\"names\"}}")).await?;
    ensure!(full > 0.0 && names == 0.0, "{full} full, {names} of names");
    Ok(())
}
