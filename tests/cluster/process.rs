//! The process: how it ends, and what it may do.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use jiff::SignedDuration;
use serde_json::json;
use trustpool_harness::install::{GATE, NAMESPACE, USER, project};
use trustpool_harness::{NodeBuilder, SOON, Setup, Signal, Slot, Trustpool, World, eventually};

use crate::roles::{all_used_and_no_more, granted};
use crate::support::{
    INTERVAL, attested, attested_again, bind, passing, trusted_nodes, unattested, writes,
};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_it_well_and_a_killed_one_goes_on_where_it_was() {
    let _slot = Slot::take().await.unwrap();
    let mut world = Setup::default().prepare().await.unwrap();
    start(&mut world).await.unwrap();
    trusted_nodes(&world, &["a"]).await.unwrap();
    let requests = world.simulator.requests().await.unwrap().len();

    for process in world.trustpool.as_mut().unwrap().processes() {
        process.kill().unwrap();
    }
    start(&mut world).await.unwrap();
    crate::support::filter_says(&world, "a", "").await.unwrap();
    assert_eq!(world.label("a").await.unwrap().as_deref(), Some("trusted"));
    let asked = world.simulator.requests().await.unwrap().len();
    assert_eq!(asked, requests, "a start is no reason to ask");

    for process in world.trustpool.as_mut().unwrap().processes() {
        process.signal(Signal::Terminate).unwrap();
        let ended = process.wait(Duration::from_secs(12)).await.unwrap();
        assert!(ended.success(), "{ended}");
        let log = std::fs::read_to_string(process.log()).unwrap();
        assert!(log.contains("told to stop"), "{log}");
        assert!(!log.contains("panicked"), "{log}");
    }
}

async fn start(world: &mut World) -> anyhow::Result<()> {
    let binary = Path::new(env!("CARGO_BIN_EXE_trustpool"));
    let started = Trustpool::process(binary, &world.plane, &world.users, world.addresses);
    world.trustpool = Some(started.await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_granted_verb_is_used_and_nothing_is_refused() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({"breaker": {"maxUntrusted": "100%"}, "trustAgain": {"verdicts": 1}});
    let world = Setup::default().pool(pool).start().await.unwrap();
    trusted_nodes(&world, &["a", "b"]).await.unwrap();
    world.asking_pod("waits").await.unwrap();
    conditions_are_written(&world).await.unwrap();
    the_same_is_told_twice(&world).await.unwrap();
    both_kinds_of_writes_meet_conflicts(&world).await.unwrap();
    let pools = ["delete", "configmap", "trustpool-pools", "-n", NAMESPACE];
    world.plane.kubectl(&pools).await.unwrap();
    a_record_is_forgotten(&world).await.unwrap();

    let pools = ["get", "configmap", "trustpool-pools", "-n", NAMESPACE];
    eventually(SOON, "what was deleted is there again", async || {
        world.plane.kubectl(&pools).await.map(drop)
    })
    .await
    .unwrap();
    a_pod_is_bound(&world).await.unwrap();
    a_certificate_is_made_anew(&world).await.unwrap();

    let roles = std::fs::read_to_string(project("manifests/rbac.yaml")).unwrap();
    let log = world.plane.audit();
    for user in [USER, GATE] {
        let granted = granted(&roles, user).unwrap();
        all_used_and_no_more(&log, user, &granted).await.unwrap();
    }
}

/// The gate has to ask what it asks for.
async fn a_pod_is_bound(world: &World) -> anyhow::Result<()> {
    let label = ["label", "namespace", "default", "trustpool.dev/gate=strict"];
    world.plane.kubectl(&label).await?;
    world.nodes.create(&NodeBuilder::new("c")).await?;
    bind(world, "default", "waits", "c")
        .await
        .expect_err("bound to a node that nobody attested");
    Ok(())
}

async fn a_certificate_is_made_anew(world: &World) -> anyhow::Result<()> {
    let spoilt = r#"{"data": {"tls.crt": "bm90aGluZw=="}}"#;
    let patch = [
        "patch",
        "secret",
        "trustpool-gate-tls",
        "-n",
        NAMESPACE,
        "-p",
        spoilt,
    ];
    world.plane.kubectl(&patch).await.map(drop)
}

/// About a second after the label, if nothing happens to the node meanwhile.
async fn conditions_are_written(world: &World) -> anyhow::Result<()> {
    let log = world.plane.audit();
    eventually(SOON, "a condition is written", async || {
        ensure!(!writes(&log, "nodes", "status")?.is_empty());
        Ok(())
    })
    .await
}

/// Two equal events become one with a count.
async fn the_same_is_told_twice(world: &World) -> anyhow::Result<()> {
    for boot in 0..2 {
        // Else it may be attested anew before anybody has looked.
        unattested(world).await?;
        world.nodes.reboot("a", &format!("boot-a-{boot}")).await?;
        world.becomes("a", "unknown/Rebooted").await?;
        attested(world, "a").await?;
    }
    Ok(())
}

/// Somebody else writes a Node and its NodeTrust without rest, until Trustpool had to read both again.
async fn both_kinds_of_writes_meet_conflicts(world: &World) -> anyhow::Result<()> {
    tokio::select! {
        failed = keep_annotating(world, "b") => failed.map(|never| match never {}),
        met = flip_until_conflicts(world, "b") => met,
    }
}

async fn keep_annotating(world: &World, node: &str) -> anyhow::Result<Infallible> {
    for number in 0_u64.. {
        let value = json!({"metadata": {"annotations": {"example.com/x": number.to_string()}}});
        world.patch_node(node, value.clone()).await?;
        annotate(world, node, value).await?;
    }
    unreachable!("there is always another number")
}

async fn flip_until_conflicts(world: &World, node: &str) -> anyhow::Result<()> {
    let log = world.plane.audit();
    let met = |resource: &str, sub: &str| -> anyhow::Result<bool> {
        let writes = writes(&log, resource, sub)?;
        Ok(writes.iter().any(|event| event.response_status.code == 409))
    };
    for verdict in ["untrusted", "trusted"].iter().cycle().take(60) {
        world.simulator.play(node, verdict).await?;
        attested_again(world, node, INTERVAL).await?;
        world.labelled(node, Some(verdict)).await?;
        if met("nodes", "")? && met("nodetrusts", "status")? {
            return Ok(());
        }
    }
    bail!("no conflict")
}

async fn annotate(world: &World, node: &str, patch: serde_json::Value) -> anyhow::Result<()> {
    let trusts: kube::Api<trustpool::api::NodeTrust> = kube::Api::all(world.client.clone());
    let patch = kube::api::Patch::Merge(patch);
    let params = kube::api::PatchParams::default();
    trusts
        .patch(node, &params, &patch)
        .await
        .context("failed to annotate")?;
    Ok(())
}

async fn a_record_is_forgotten(world: &World) -> anyhow::Result<()> {
    world.nodes.delete("a").await?;
    world.nodes.delete("b").await?;
    let day = SignedDuration::from_hours(25);
    passing(world, day, "the record of a is deleted", async || {
        ensure!(world.trust("a").await?.is_none());
        Ok(())
    })
    .await
}
