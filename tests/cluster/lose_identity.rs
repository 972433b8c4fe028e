//! Nodes that are not who they were: reboots, re-creations, lost heartbeats, borrowed identities.

use anyhow::{Context as _, ensure};
use serde_json::json;
use trustpool::api::keys;
use trustpool_harness::{NodeBuilder, Readiness, SOON, Setup, Slot, World, eventually};

use crate::support::{
    MIN_INTERVAL, all_become, asked_again, attested, filter_says, passing, questions, requested_at,
    status, trusted_nodes, unattested,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_not_who_it_was_is_unknown_until_it_is_attested_anew() {
    let _slot = Slot::take().await.unwrap();
    // So that a lost heartbeat is the node's fault and not the network's.
    let pool = json!({"breaker": {"maxUntrusted": "100%"}});
    let world = Setup::default().pool(pool).start().await.unwrap();
    trusted_nodes(&world, &["a", "b", "c", "d", "other"])
        .await
        .unwrap();

    a_reboot_revokes_at_once(&world).await.unwrap();
    a_node_object_of_the_same_name_starts_anew(&world)
        .await
        .unwrap();
    a_lost_heartbeat_revokes(&world).await.unwrap();
    a_boot_that_comes_back_is_held_until_accepted(&world)
        .await
        .unwrap();
    ensure_untouched(&world, "other").await.unwrap();
}

const CHANGED: &str = "node(s) were rebooted or re-created after attestation";

async fn a_reboot_revokes_at_once(world: &World) -> anyhow::Result<()> {
    unattested(world).await?;
    world.nodes.reboot("a", "boot-a-2").await?;

    world.becomes("a", "unknown/Rebooted").await?;
    world.labelled("a", Some("unknown")).await?;
    filter_says(world, "a", CHANGED).await?;
    ensure!(world.taints("a").await?.is_empty());
    let lost = world.clock.wall();
    attested(world, "a").await?;
    ensure!(requested_at(world, "a").await? > Some(lost));
    let incarnation = status(world, "a").await?.incarnation;
    ensure!(incarnation.is_some_and(|it| it.boot_id == "boot-a-2"));
    Ok(())
}

async fn a_node_object_of_the_same_name_starts_anew(world: &World) -> anyhow::Result<()> {
    unattested(world).await?;
    let before = world.nodes.get("b").await?.metadata.uid;
    world.nodes.delete("b").await?;
    let again = NodeBuilder::new("b").label(keys::TRUST, "trusted");
    world.nodes.create(&again).await?;
    what_is_meant_for_the_one_before_is_refused(world, before).await?;

    world.becomes("b", "unknown/Recreated").await?;
    world.labelled("b", Some("unknown")).await?;
    filter_says(world, "b", CHANGED).await?;
    attested(world, "b").await
}

/// Labels alone and conditions are guarded by nothing else.
async fn what_is_meant_for_the_one_before_is_refused(
    world: &World,
    before: Option<String>,
) -> anyhow::Result<()> {
    let patch = json!({"metadata": {"uid": before}}).to_string();
    for more in [&["--type=merge"][..], &["--subresource=status"]] {
        let patching = [&["patch", "node", "b", "--patch", &patch], more].concat();
        let refused = world.plane.kubectl(&patching).await.err();
        let error = format!("{:#}", refused.context("it is written")?);
        ensure!(error.to_lowercase().contains("uid"), "{error}");
    }
    Ok(())
}

async fn a_lost_heartbeat_revokes(world: &World) -> anyhow::Result<()> {
    world.nodes.set_ready("c", Readiness::False).await?;
    world.nodes.set_ready("d", Readiness::Unknown).await?;

    world.becomes("d", "unknown/NotReady").await?;
    world.labelled("d", Some("unknown")).await?;
    filter_says(world, "d", "node(s) had an expired attestation").await?;
    ensure!(world.taints("d").await?.is_empty());
    // A kubelet that speaks, and says that it is not ready, is no witness.
    ensure!(world.verdict("c").await? == "trusted/Attested");
    world.nodes.set_ready("c", Readiness::True).await?;
    world.nodes.set_ready("d", Readiness::True).await?;
    world.pass(MIN_INTERVAL);
    world.labelled("d", Some("trusted")).await?;
    world.becomes("d", "trusted/Attested").await
}

async fn a_boot_that_comes_back_is_held_until_accepted(world: &World) -> anyhow::Result<()> {
    let asked = questions(world, "a").await?.len();
    world.nodes.reboot("a", "boot-a").await?;
    world.becomes("a", "unknown/IdentityConflict").await?;
    world.labelled("a", Some("unknown")).await?;
    let hold = status(world, "a").await?.hold.context("no hold")?;
    ensure!(hold.reason.as_str() == "IdentityConflict");

    // It may have been asked about at once, if the last time was long ago.
    world.pass(MIN_INTERVAL);
    eventually(SOON, "a is asked about after the reboot", async || {
        ensure!(questions(world, "a").await?.len() > asked);
        Ok(())
    })
    .await?;
    asked_again(world, "a", crate::support::INTERVAL).await?;
    ensure!(world.verdict("a").await? == "unknown/IdentityConflict");
    let earlier = json!({"spec": {"accept": "2020-01-01T00:00:00Z"}});
    world.change("nodetrust", "a", earlier).await?;
    asked_again(world, "a", crate::support::INTERVAL).await?;
    ensure!(world.verdict("a").await? == "unknown/IdentityConflict");

    let accept = json!({"spec": {"accept": hold.since}});
    world.change("nodetrust", "a", accept).await?;
    passing(
        world,
        crate::support::INTERVAL,
        "it is accepted",
        async || {
            let verdict = world.verdict("a").await?;
            ensure!(verdict == "trusted/Attested", "it is {verdict}");
            Ok(())
        },
    )
    .await?;
    ensure!(status(world, "a").await?.hold.is_none());
    world.labelled("a", Some("trusted")).await
}

async fn ensure_untouched(world: &World, node: &str) -> anyhow::Result<()> {
    all_become(world, &[node], "trusted/Attested").await?;
    world.labelled(node, Some("trusted")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_claim_one_host_are_told_apart_by_an_administrator_only() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({"breaker": {"maxUntrusted": "100%"}});
    let world = Setup::default().pool(pool).start().await.unwrap();
    trusted_nodes(&world, &["a"]).await.unwrap();

    a_label_outranks_a_name(&world).await.unwrap();
    equal_claims_make_neither_trusted(&world).await.unwrap();
    an_order_outranks_both(&world).await.unwrap();
}

async fn a_label_outranks_a_name(world: &World) -> anyhow::Result<()> {
    // Case makes no other host.
    world.simulator.play("A", "trusted").await?;
    world.nodes.create(&NodeBuilder::new("b")).await?;
    world.nodes.label("b", keys::HOST, Some("A")).await?;

    world.becomes("a", "unknown/HostConflict").await?;
    world.labelled("a", Some("unknown")).await?;
    world.becomes("b", "trusted/Attested").await
}

async fn equal_claims_make_neither_trusted(world: &World) -> anyhow::Result<()> {
    world.nodes.label("a", keys::HOST, Some("a")).await?;

    world.becomes("b", "unknown/HostConflict").await?;
    world.labelled("b", Some("unknown")).await?;
    world.pass(crate::support::INTERVAL);
    world.becomes("a", "unknown/HostConflict").await
}

async fn an_order_outranks_both(world: &World) -> anyhow::Result<()> {
    let host = json!({"spec": {"host": "a"}});
    world.change("nodetrust", "a", host).await?;
    world.pass(MIN_INTERVAL);
    world.becomes("a", "trusted/Attested").await?;
    world.becomes("b", "unknown/HostConflict").await?;
    world.nodes.label("b", keys::HOST, None).await?;
    world.simulator.play("b", "trusted").await?;
    world.pass(MIN_INTERVAL);
    world.becomes("b", "trusted/Attested").await
}
