//! Invariant 2: only an answer grants. Whatever is restarted, deleted, re-created or edited, each
//! grant matches a question that was asked after the loss.

use anyhow::{Context as _, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use trustpool::api::keys;
use trustpool::domain::Verdict;
use trustpool_harness::{NodeBuilder, SOON, Setup, Slot, World, eventually};

use crate::support::{
    INTERVAL, MIN_INTERVAL, all_become, filter_says, impatient, questions, refusals, requested_at,
    trusted_nodes,
};

#[tokio::test(flavor = "multi_thread")]
async fn invariant_2_no_restart_deletion_recreation_or_edit_makes_a_node_trusted() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({"breaker": {"maxUntrusted": "100%"}});
    let setup = Setup::default().service(impatient()).pool(pool);
    let mut world = setup.start().await.unwrap();
    trusted_nodes(&world, &["a", "b", "c"]).await.unwrap();
    world.node("bad", "untrusted").await.unwrap();
    world.labelled("bad", Some("untrusted")).await.unwrap();

    edits_of_labels_and_taints_are_undone(&world).await.unwrap();
    a_deleted_record_is_trust_lost(&world).await.unwrap();
    a_reboot_in_a_restart_is_seen(&mut world).await.unwrap();
    another_host_or_service_is_another_incarnation(&world)
        .await
        .unwrap();
    a_pool_made_again_starts_anew(&world).await.unwrap();
    let bad = world.verdict("bad").await.unwrap();
    assert_ne!(bad, "trusted/Attested");
}

/// Lifts the fault that kept good answers away, and checks that the trust of `nodes`, which was lost, is
/// then of an answer to a question asked since.
async fn granted_by_answers(world: &World, nodes: &[&str]) -> anyhow::Result<()> {
    for node in nodes {
        let verdict = world.verdict(node).await.ok();
        ensure!(verdict.as_deref() != Some("trusted/Attested"), "{node}");
        let said = refusals(world, &[node]).await?;
        ensure!(said.values().all(|why| !why.is_empty()), "{said:?}");
        world.simulator.play(node, "trusted").await?;
    }
    let lifted = world.clock.wall();
    world.simulator.fault(&json!({"kind": "none"})).await?;
    world.pass(INTERVAL);
    for node in nodes {
        granted_since(world, node, lifted).await?;
    }
    Ok(())
}

async fn granted_since(world: &World, node: &str, lifted: Timestamp) -> anyhow::Result<()> {
    world.becomes(node, "trusted/Attested").await?;
    world.labelled(node, Some("trusted")).await?;
    let granted = requested_at(world, node).await?.context("no question")?;
    // The record's times are whole seconds.
    ensure!(granted + SignedDuration::from_secs(1) > lifted);
    let questions = questions(world, node).await?;
    let asked = questions.iter().any(|entry| {
        let says = |host: &&trustpool::simulator::journal::Asked| host.name.as_str() == node;
        let host = entry.hosts.iter().find(says);
        entry.asked > lifted && host.is_some_and(|host| host.verdict == Some(Verdict::Trusted))
    });
    ensure!(asked, "no trusted answer to a question after {lifted}");
    Ok(())
}

async fn edits_of_labels_and_taints_are_undone(world: &World) -> anyhow::Result<()> {
    let forged = json!({
        "metadata": {"labels": {keys::TRUST: "trusted", keys::POOL: "default"}},
        "spec": {"taints": null},
    });
    world.patch_node("bad", forged).await?;
    filter_says(world, "bad", "node(s) failed attestation").await?;
    world.labelled("bad", Some("untrusted")).await?;
    eventually(SOON, "the taint is back", async || {
        ensure!(world.taints("bad").await? == ["untrusted"]);
        Ok(())
    })
    .await?;
    let condition = json!({"status": {"conditions": [
        {"type": keys::TRUSTED_CONDITION, "status": "True", "reason": "Attested"},
    ]}});
    let patch = kube::api::Patch::Strategic(condition);
    let params = kube::api::PatchParams::default();
    world
        .nodes
        .api()
        .patch_status("bad", &params, &patch)
        .await?;
    filter_says(world, "bad", "node(s) failed attestation").await
}

async fn a_deleted_record_is_trust_lost(world: &World) -> anyhow::Result<()> {
    let hang = json!({"kind": "hang"});
    world.simulator.fault(&hang).await?;
    for node in ["a", "bad"] {
        world.plane.kubectl(&["delete", "nodetrust", node]).await?;
        filter_says(world, node, "node(s) were never attested").await?;
    }
    world.labelled("a", None).await?;
    let in_vain = questions(world, "a").await?.len();
    world.pass(MIN_INTERVAL * 4);
    eventually(SOON, "a is asked about in vain", async || {
        ensure!(questions(world, "a").await?.len() > in_vain);
        Ok(())
    })
    .await?;
    granted_by_answers(world, &["a"]).await?;
    world.becomes("bad", "untrusted/FailedAttestation").await
}

/// What happened while nobody looked is seen at the first look.
async fn a_reboot_in_a_restart_is_seen(world: &mut World) -> anyhow::Result<()> {
    let running = world.trustpool.take().context("it runs")?;
    running.stop().await?;
    world.nodes.reboot("a", "boot-a-2").await?;
    world.nodes.delete("b").await?;
    world.nodes.create(&NodeBuilder::new("b")).await?;
    let forged = json!({"metadata": {"labels": {keys::TRUST: "trusted"}}});
    world.patch_node("b", forged).await?;
    world.simulator.fault(&json!({"kind": "down"})).await?;
    world.run().await?;

    world.becomes("a", "unknown/Rebooted").await?;
    world.becomes("b", "unknown/Recreated").await?;
    for node in ["a", "b"] {
        world.labelled(node, Some("unknown")).await?;
        let changed = "node(s) were rebooted or re-created after attestation";
        filter_says(world, node, changed).await?;
    }
    // What was known of a node that nothing happened to is known again.
    all_become(world, &["c"], "trusted/Attested").await?;
    filter_says(world, "c", "").await?;
    granted_by_answers(world, &["a", "b"]).await
}

async fn another_host_or_service_is_another_incarnation(world: &World) -> anyhow::Result<()> {
    let host = |host: &str| json!({"spec": {"host": host}});
    world.change("nodetrust", "a", host("elsewhere")).await?;
    world.becomes("a", "unknown/HostChanged").await?;
    world.labelled("a", Some("unknown")).await?;
    world.simulator.play("elsewhere", "untrusted").await?;
    world.pass(MIN_INTERVAL);
    world.becomes("a", "untrusted/FailedAttestation").await?;
    world.change("nodetrust", "a", host("a")).await?;
    // Distrust outlives the host that earned it.
    eventually(SOON, "a is asked about", async || {
        let trust = crate::support::status(world, "a").await?;
        ensure!(trust.host.as_deref() == Some("a"), "{:?}", trust.host);
        ensure!(trust.verdict == Verdict::Untrusted);
        Ok(())
    })
    .await
}

async fn a_pool_made_again_starts_anew(world: &World) -> anyhow::Result<()> {
    world.simulator.fault(&json!({"kind": "down"})).await?;
    world.plane.kubectl(&["delete", "tp", "default"]).await?;
    world.becomes("c", "unknown/NotInPool").await?;
    world.labelled("c", None).await?;
    let spec = json!({"attestationServiceRef": {"name": "oat"}});
    let again = trustpool_harness::world::object("TrustPool", "default", spec);
    world.create(again).await?;
    world.becomes("c", "unknown/NeverAttested").await?;
    filter_says(world, "c", "node(s) were never attested").await?;
    granted_by_answers(world, &["c"]).await
}
