//! Invariant 6: other owners' fields are never lost.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use k8s_openapi::api::core::v1::Taint;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use trustpool_harness::{Nodes, SOON, Setup, Slot, World, eventually};

use crate::support::{INTERVAL, all_labelled, attested_again, steps, trusted_nodes, writes};

const NODES: [&str; 3] = ["a", "b", "c"];

/// How many taints and labels of others a node has: each is written again and again.
const KEYS: usize = 20;

/// How often Trustpool must change its mind meanwhile, at least.
const TURNS: usize = 4;

/// How often it may at most, until one of its patches met a conflict: almost every second does.
const MOST_TURNS: usize = 100;

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
        turn_until_conflicts(&world).await?;
        turn_to(&world, "untrusted").await
    };
    let (written, ()) = tokio::try_join!(others, ours).unwrap();
    for (node, written) in NODES.iter().zip(written) {
        everything_is_there(&world, node, written).await.unwrap();
    }
}

/// Has Trustpool write all nodes until one of its patches met a conflict: before, this test has tried
/// nothing.
async fn turn_until_conflicts(world: &World) -> anyhow::Result<()> {
    let log = world.plane.audit();
    for turn in 0..steps(MOST_TURNS) {
        turn_to(world, ["untrusted", "trusted"][turn % 2]).await?;
        let marks = writes(&log, "nodes", "")?;
        let conflict = marks.iter().any(|it| it.response_status.code == 409);
        if conflict && turn + 1 >= steps(TURNS) {
            return Ok(());
        }
    }
    bail!("no patch met a conflict")
}

async fn turn_to(world: &World, verdict: &str) -> anyhow::Result<()> {
    for node in NODES {
        world.simulator.play(node, verdict).await?;
    }
    attested_again(world, "a", INTERVAL).await?;
    all_labelled(world, &NODES, verdict).await
}

/// Writes taints and labels one by one without rest, each time to what it finds, as a good neighbour
/// does, until it is `over`. Returns how many.
async fn keep_tainting(
    nodes: &Nodes,
    name: &str,
    over: &CancellationToken,
) -> anyhow::Result<usize> {
    let mut number = 0;
    while !over.is_cancelled() {
        eventually(SOON, "a taint of another's is written", async || {
            write_taint(nodes, name, number).await
        })
        .await?;
        number += 1;
    }
    Ok(number)
}

/// The key and value that the write of this number leaves, of a taint and of a label.
fn mark(number: usize) -> (String, String) {
    (format!("example.com/{}", number % KEYS), number.to_string())
}

async fn write_taint(nodes: &Nodes, name: &str, number: usize) -> anyhow::Result<()> {
    let (key, value) = mark(number);
    let node = nodes.get(name).await?;
    let mut taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
    taints.retain(|taint| taint.key != key);
    taints.push(Taint {
        key: key.clone(),
        value: Some(value.clone()),
        effect: "NoSchedule".to_owned(),
        ..Taint::default()
    });
    let patch = Patch::Merge(json!({
        "metadata": {
            "resourceVersion": node.metadata.resource_version,
            "labels": {key: value},
        },
        "spec": {"taints": taints},
    }));
    let params = PatchParams::default();
    nodes.api().patch(name, &params, &patch).await?;
    Ok(())
}

/// The last that was written under each key is there, and so is what Trustpool wrote.
async fn everything_is_there(world: &World, name: &str, written: usize) -> anyhow::Result<()> {
    let node = world.nodes.get(name).await?;
    let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
    let by_key: BTreeMap<&str, Option<&str>> = taints
        .iter()
        .map(|taint| (taint.key.as_str(), taint.value.as_deref()))
        .collect();
    ensure!(by_key.len() == taints.len(), "a taint twice: {taints:?}");
    let labels = node.metadata.labels.unwrap_or_default();
    for (key, value) in (written.saturating_sub(KEYS)..written).map(mark) {
        let taint = by_key.get(key.as_str()).copied().flatten();
        let label = labels.get(&key);
        ensure!(
            taint == Some(&value),
            "{name} has the taint {key}={taint:?}, not {value}"
        );
        ensure!(
            label == Some(&value),
            "{name} has the label {key}={label:?}, not {value}"
        );
    }
    let ours = by_key.contains_key("trustpool.dev/not-trusted");
    ensure!(ours, "{name} lost ours");
    Ok(())
}
