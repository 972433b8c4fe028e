//! Invariant 6: other owners' fields are never lost.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use trustpool_harness::{Nodes, SOON, Setup, Slot, World, eventually};

use crate::support::{INTERVAL, all_labelled, attested_again, steps, trusted_nodes, writes};

const NODES: [&str; 3] = ["a", "b", "c"];

/// From one write of the others to the next: about as old as what Trustpool knows of a node.
const PACE: Duration = Duration::from_millis(25);

/// How often Trustpool must change its mind meanwhile: an even number.
const TURNS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn invariant_6_nobodys_fields_are_lost_however_many_write_the_same_node() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({
        "breaker": {"maxUntrusted": "100%"},
        "trustAgain": {"verdicts": 1},
    });
    let world = Setup::default().pool(pool).start().await.unwrap();
    trusted_nodes(&world, &NODES).await.unwrap();

    let over = CancellationToken::new();
    let others = NODES.map(|node| keep_tainting(&world.nodes, node, &over));
    let others = futures::future::try_join_all(others);
    let ours = async {
        let _over = over.clone().drop_guard();
        for turn in 0..steps(TURNS) {
            turn_to(&world, ["untrusted", "trusted"][turn % 2]).await?;
        }
        turn_to(&world, "untrusted").await
    };
    let (written, ()) = tokio::try_join!(others, ours).unwrap();
    for (node, written) in NODES.iter().zip(written) {
        everything_is_there(&world, node, written).await.unwrap();
    }
    conflicts_were_met(&world).await.unwrap();
}

async fn turn_to(world: &World, verdict: &str) -> anyhow::Result<()> {
    for node in NODES {
        world.simulator.play(node, verdict).await?;
    }
    attested_again(world, "a", INTERVAL).await?;
    all_labelled(world, &NODES, verdict).await
}

/// Adds taints and labels one by one, each time to what it finds, as a good neighbour does, until it is
/// `over`. Returns how many.
async fn keep_tainting(
    nodes: &Nodes,
    name: &str,
    over: &CancellationToken,
) -> anyhow::Result<usize> {
    let mut number = 0;
    while !over.is_cancelled() {
        eventually(SOON, "a taint of another's is written", async || {
            let node = nodes.get(name).await?;
            let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
            let mut taints: Vec<Value> = serde_json::from_value(serde_json::to_value(taints)?)?;
            taints.push(json!({"key": format!("example.com/{number}"), "effect": "NoSchedule"}));
            let patch = json!({
                "metadata": {
                    "resourceVersion": node.metadata.resource_version,
                    "labels": {format!("example.com/{number}"): "x"},
                },
                "spec": {"taints": taints},
            });
            let patch = kube::api::Patch::Merge(patch);
            nodes
                .api()
                .patch(name, &kube::api::PatchParams::default(), &patch)
                .await?;
            Ok(())
        })
        .await?;
        number += 1;
        tokio::time::sleep(PACE).await;
    }
    Ok(number)
}

async fn everything_is_there(world: &World, name: &str, written: usize) -> anyhow::Result<()> {
    let node = world.nodes.get(name).await?;
    let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
    let keys: BTreeSet<&str> = taints.iter().map(|taint| taint.key.as_str()).collect();
    ensure!(keys.len() == taints.len(), "a taint twice: {taints:?}");
    let labels = node.metadata.labels.unwrap_or_default();
    for number in 0..written {
        let key = format!("example.com/{number}");
        ensure!(keys.contains(key.as_str()), "{name} lost the taint {key}");
        ensure!(labels.contains_key(&key), "{name} lost the label {key}");
    }
    ensure!(
        keys.contains("trustpool.dev/not-trusted"),
        "{name} lost ours"
    );
    Ok(())
}

/// Some of our patches met a conflict: else this test has tried nothing.
async fn conflicts_were_met(world: &World) -> anyhow::Result<()> {
    let log = world.plane.audit();
    eventually(SOON, "a patch that met a conflict", async || {
        let marks = writes(&log, "nodes", "")?;
        let conflict = marks.iter().any(|it| it.response_status.code == 409);
        ensure!(conflict, "{} patches met no conflict", marks.len());
        Ok(())
    })
    .await
}
