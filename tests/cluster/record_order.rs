//! What is written, in which order, and how rarely: read from the API server's audit log.

use anyhow::{Context as _, ensure};
use jiff::SignedDuration;
use serde_json::json;
use trustpool::api::keys;
use trustpool_harness::{AuditEvent, Setup, Slot, World};

use crate::support::{
    INTERVAL, all_become, all_labelled, attested_again, status, steps, trusted_nodes, writes,
    written,
};

/// Trustpool writes so many Nodes at a time.
const CONCURRENCY: usize = trustpool::controller::marker::CONCURRENCY;

/// How many rounds a steady state is watched for.
const ROUNDS: usize = 4;

const NODES: [&str; 4] = ["a", "b", "c", "d"];

#[tokio::test(flavor = "multi_thread")]
async fn the_record_is_written_first_then_the_marks_then_the_condition_and_then_nothing() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({"breaker": {"maxUntrusted": "100%"}});
    let world = Setup::default().pool(pool).start().await.unwrap();
    trusted_nodes(&world, &NODES).await.unwrap();
    each_node_is_written_in_order(&world).await.unwrap();

    world.simulator.play("a", "untrusted").await.unwrap();
    let log = world.plane.audit().from_now().unwrap();
    world.pass(INTERVAL);
    world.labelled("a", Some("untrusted")).await.unwrap();
    assert_eq!(world.taints("a").await.unwrap(), ["untrusted"]);
    // The condition is the last that is written of it.
    written(&log, ("nodes", "status"), 1).await.unwrap();
    let marks = writes(&log, "nodes", "").unwrap();
    assert_eq!(marks.len(), 1, "label and taint in one patch: {marks:?}");

    a_steady_state_writes_one_record_a_round_and_no_node(&world)
        .await
        .unwrap();
}

/// For each node: NodeTrust, its status, the Node, and its condition a second later. How much later
/// than a second is the machine's affair, and printed.
async fn each_node_is_written_in_order(world: &World) -> anyhow::Result<()> {
    let log = world.plane.audit();
    let conditions = written(&log, ("nodes", "status"), NODES.len()).await?;
    let records = written(&log, ("nodetrusts", "status"), NODES.len()).await?;
    let marks = written(&log, ("nodes", ""), NODES.len()).await?;
    for node in NODES {
        let record = of(&records, node)?;
        let mark = of(&marks, node)?;
        let condition = of(&conditions, node)?;
        // The record's watch event may overtake the answer to its write.
        let recorded = record.request_received_timestamp;
        let marked = mark.request_received_timestamp;
        ensure!(
            recorded < marked,
            "the record of {node} came after its mark"
        );
        let pause = condition.request_received_timestamp.duration_since(marked);
        println!("the condition of {node} was written {pause:?} after its mark");
        ensure!(
            pause >= SignedDuration::from_millis(900),
            "the condition of {node} came after {pause:?}"
        );
    }
    Ok(())
}

/// The only write to `node`.
fn of<'a>(events: &'a [AuditEvent], node: &str) -> anyhow::Result<&'a AuditEvent> {
    let mut of_node = events.iter().filter(|event| event.object_ref.name == node);
    let first = of_node
        .next()
        .with_context(|| format!("no write to {node}"))?;
    let more = of_node.count();
    ensure!(more == 0, "{} writes to {node}", more + 1);
    Ok(first)
}

async fn a_steady_state_writes_one_record_a_round_and_no_node(world: &World) -> anyhow::Result<()> {
    let rounds = steps(ROUNDS);
    let log = world.plane.audit().from_now()?;
    for _ in 0..rounds {
        attested_again(world, "b", INTERVAL).await?;
    }
    all_become(world, &["b", "c", "d"], "trusted/Attested").await?;
    let records = writes(&log, "nodetrusts", "status")?;
    ensure!(
        records.len() <= rounds * NODES.len(),
        "{} records",
        records.len()
    );
    ensure!(writes(&log, "nodes", "")?.is_empty());
    ensure!(writes(&log, "nodes", "status")?.is_empty());
    ensure!(writes(&log, "nodetrusts", "")?.is_empty());
    Ok(())
}

/// So many nodes gain, and as many lose.
const HALF: usize = 30;

#[tokio::test(flavor = "multi_thread")]
async fn losses_are_written_before_gains() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({"breaker": {"maxUntrusted": "100%"}});
    let mut world = Setup::default().pool(pool).start().await.unwrap();
    let names: Vec<String> = (0..2 * HALF).map(|node| format!("n{node:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (gains, losses) = names.split_at(HALF);
    for name in gains {
        world.node(name, "trusted").await.unwrap();
    }
    for name in losses {
        world.node(name, "untrusted").await.unwrap();
    }
    all_labelled(&world, gains, "trusted").await.unwrap();
    all_labelled(&world, losses, "untrusted").await.unwrap();
    world.trustpool.take().unwrap().stop().await.unwrap();
    for (name, label) in gains.iter().zip([None; HALF]) {
        world.nodes.label(name, keys::TRUST, label).await.unwrap();
    }
    for name in losses {
        let label = Some("trusted");
        world.nodes.label(name, keys::TRUST, label).await.unwrap();
    }
    let log = world.plane.audit().from_now().unwrap();
    world.run().await.unwrap();
    all_labelled(&world, gains, "trusted").await.unwrap();

    let mut marks = written(&log, ("nodes", ""), 2 * HALF).await.unwrap();
    marks.sort_by_key(|event| event.request_received_timestamp);
    let first = marks.iter().take(HALF + 1 - CONCURRENCY);
    let early: Vec<&str> = first
        .map(|event| event.object_ref.name.as_str())
        .filter(|name| gains.contains(name))
        .collect();
    assert!(early.is_empty(), "gains before losses: {early:?}");
    for name in losses {
        assert_eq!(
            status(&world, name).await.unwrap().verdict.as_str(),
            "untrusted"
        );
    }
}
