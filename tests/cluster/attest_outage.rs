//! A service that fails, in every way that it can: nothing changes until what is known expires, and
//! everything comes right by itself.

use anyhow::ensure;
use jiff::SignedDuration;
use serde_json::{Value, json};
use trustpool_harness::{AuditLog, SOON, Setup, Slot, World, eventually};

use crate::support::{
    INTERVAL, VALIDITY, all_become, condition_becomes, filter_says, impatient, metric, status,
    steps, trusted_nodes, version, writes, written,
};

const NODES: [&str; 3] = ["a", "b", "c"];

/// How often something goes wrong: each of [`faults`] once.
const FAULTS: usize = 6;

fn faults() -> [Value; FAULTS] {
    [
        json!({"kind": "down"}),
        json!({"kind": "garbage"}),
        json!({"kind": "truncate"}),
        json!({"kind": "hang"}),
        json!({"kind": "status", "status": 401}),
        json!({"kind": "status", "status": 500}),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_no_failure_of_a_service_taints_and_invariant_8_it_comes_right_by_itself() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({"validity": "4h"});
    let setup = Setup::default().service(impatient()).pool(pool);
    let mut world = setup.start().await.unwrap();
    trusted_nodes(&world, &NODES).await.unwrap();
    let log = world.plane.audit();
    // The last writes that new verdicts cause.
    let conditions = ("nodes", "status");
    written(&log, conditions, NODES.len()).await.unwrap();
    let log = log.from_now().unwrap();

    for fault in faults().iter().cycle().take(steps(FAULTS)) {
        a_fault_changes_nothing(&world, fault).await.unwrap();
    }
    world
        .simulator
        .fault(&json!({"kind": "none"}))
        .await
        .unwrap();
    a_service_that_is_gone_changes_nothing(&mut world)
        .await
        .unwrap();
    assert_eq!(writes(&log, "nodes", "").unwrap(), []);
    assert_eq!(writes(&log, "nodes", "status").unwrap(), []);

    expired_nodes_are_unknown_and_keep_their_label(&world, &log)
        .await
        .unwrap();
    it_comes_right_by_itself(&mut world).await.unwrap();
    assert_eq!(writes(&log, "nodes", "").unwrap(), [], "no taint, no label");
}

/// How many requests have failed.
async fn failures(world: &World) -> anyhow::Result<f64> {
    metric(world, "trustpool_service_errors_total").await
}

async fn a_fault_changes_nothing(world: &World, fault: &Value) -> anyhow::Result<()> {
    let mut before = Vec::new();
    for node in NODES {
        before.push(status(world, node).await?);
    }
    world.simulator.fault(fault).await?;
    let failed = failures(world).await?;
    world.pass(INTERVAL);
    eventually(SOON, &format!("a request fails: {fault}"), async || {
        ensure!(failures(world).await? > failed);
        Ok(())
    })
    .await?;
    for (node, before) in NODES.into_iter().zip(before) {
        let now = status(world, node).await?;
        let kept = (now.verdict, now.expires_at, now.requested_at);
        ensure!(kept == (before.verdict, before.expires_at, before.requested_at));
        ensure!(world.label(node).await?.as_deref() == Some("trusted"));
        filter_says(world, node, "").await?;
    }
    world.simulator.fault(&json!({"kind": "none"})).await?;
    recovers(world, INTERVAL).await
}

/// The next good answers count, without anybody's help, within `time` and 10 s.
async fn recovers(world: &World, time: SignedDuration) -> anyhow::Result<()> {
    let began = world.clock.wall();
    world.pass(time + SignedDuration::from_secs(10));
    let floor = began.round(jiff::Unit::Second)? - SignedDuration::from_secs(1);
    for node in NODES {
        eventually(SOON, &format!("{node} is attested again"), async || {
            let at = status(world, node).await?.requested_at;
            ensure!(at.as_ref().is_some_and(|at| at.0 >= floor), "{at:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn a_service_that_is_gone_changes_nothing(world: &mut World) -> anyhow::Result<()> {
    world.simulator.down().await?;
    world.pass(INTERVAL);
    let service = ("ats", "oat", "Ready");
    condition_becomes(world, service, "False/RequestFailed", "").await?;
    // While a service stays away, nothing is written round after round.
    let before = version(world, "a").await?;
    for _ in 0..3 {
        let failed = failures(world).await?;
        world.pass(INTERVAL);
        eventually(SOON, "another request fails", async || {
            ensure!(failures(world).await? > failed);
            Ok(())
        })
        .await?;
    }
    ensure!(version(world, "a").await? == before, "a record was written");
    all_become(world, &NODES, "trusted/Attested").await
}

async fn expired_nodes_are_unknown_and_keep_their_label(
    world: &World,
    log: &AuditLog,
) -> anyhow::Result<()> {
    world.pass(VALIDITY * 8);
    all_become(world, &NODES, "unknown/Expired").await?;
    for node in NODES {
        ensure!(world.label(node).await?.as_deref() == Some("trusted"));
        ensure!(world.taints(node).await?.is_empty());
        filter_says(world, node, "node(s) had an expired attestation").await?;
    }
    let conditions = ("nodes", "status");
    written(log, conditions, NODES.len()).await?;
    Ok(())
}

async fn it_comes_right_by_itself(world: &mut World) -> anyhow::Result<()> {
    world.simulator.up().await?;
    for node in NODES {
        world.simulator.play(node, "trusted").await?;
    }
    recovers(world, INTERVAL).await?;
    all_become(world, &NODES, "trusted/Attested").await?;
    for node in NODES {
        filter_says(world, node, "").await?;
    }
    condition_becomes(world, ("ats", "oat", "Ready"), "True/AsExpected", "").await
}
