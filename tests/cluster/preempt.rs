//! kube-scheduler asks `/preempt` before it evicts anybody for a pod that asks for trust.

use anyhow::ensure;
use serde_json::{Value, json};
use trustpool_harness::world::asking_pod;
use trustpool_harness::{NodeBuilder, Setup, Slot, World};

use crate::pods::{api, bound, create, forge, still_forged};
use crate::support::metric;

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_asks_preempts_on_trusted_nodes_only() {
    let _slot = Slot::take().await.unwrap();
    preempts_on_the_trusted_node(Setup::default().scheduler()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_asks_preempts_on_trusted_nodes_only_if_the_scheduler_sends_whole_nodes() {
    let _slot = Slot::take().await.unwrap();
    preempts_on_the_trusted_node(Setup::default().full_nodes()).await;
}

/// Two full nodes with the trust label, and only one is trusted. The other is the one to choose by all
/// that kube-scheduler itself knows: who would have to go there matters less.
async fn preempts_on_the_trusted_node(setup: Setup) {
    let pool = json!({"onUntrusted": {"taint": "None"}});
    let world = setup.pool(pool).start().await.unwrap();
    two_full_nodes(&world).await.unwrap();
    forge(&world, &["bad"], "good").await.unwrap();

    create(&world, important()).await.unwrap();
    bound(&world, "important", "good").await.unwrap();

    still_forged(&world, &["bad"]).await.unwrap();
    nobody_had_to_go_in_vain(&world).await.unwrap();
}

async fn two_full_nodes(world: &World) -> anyhow::Result<()> {
    for (class, value) in [("low", "10"), ("lowest", "1"), ("high", "1000")] {
        let value = format!("--value={value}");
        let arguments = ["create", "priorityclass", class, &value];
        world.plane.kubectl(&arguments).await?;
    }
    for (node, verdict, class) in [("good", "trusted", "low"), ("bad", "untrusted", "lowest")] {
        world.simulator.play(node, verdict).await?;
        let small = NodeBuilder::new(node).capacity("cpu", "1");
        world.nodes.create(&small).await?;
        world.labelled(node, Some(verdict)).await?;
        let filler = format!("fills-{node}");
        create(world, filling(&filler, node, class)).await?;
        bound(world, &filler, node).await?;
    }
    Ok(())
}

/// A pod that takes all of `node`, and goes at once when it must.
fn filling(name: &str, node: &str, class: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": node},
            "priorityClassName": class,
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "main",
                "image": "none",
                "resources": {"requests": {"cpu": "1"}},
            }],
        },
    })
}

/// A pod that asks for trust and all of a node.
fn important() -> Value {
    let mut pod = asking_pod("important");
    pod["spec"]["priorityClassName"] = json!("high");
    pod["spec"]["containers"][0]["resources"]["requests"] = json!({"cpu": "1"});
    pod
}

/// The trusted node's pod is gone, the other's is where it was, and Trustpool was asked.
async fn nobody_had_to_go_in_vain(world: &World) -> anyhow::Result<()> {
    let asked = "trustpool_filter_duration_seconds_count{mode=\"preempt\"}";
    ensure!(
        metric(world, asked).await? > 0.0,
        "`/preempt` was not asked"
    );
    let gone = api(world).get_opt("fills-good").await?;
    ensure!(gone.is_none(), "nobody had to go");
    let there = api(world).get_opt("fills-bad").await?;
    ensure!(there.is_some(), "somebody had to go in vain");
    Ok(())
}
