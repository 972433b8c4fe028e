//! Nodes whose host fails: what is recorded, marked and tainted, on how many, and the way back.

use anyhow::ensure;
use trustpool_harness::{SOON, Setup, Slot, World, eventually};

use crate::support::{
    INTERVAL, asked_again, attested_again, condition_becomes, filter_says, status, told,
    trusted_nodes,
};

/// The breaker lets one of them be lost: a fifth, rounded down, and at least one.
const NODES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_fails_costs_its_node_label_and_taint_as_far_as_the_breaker_allows() {
    let _slot = Slot::take().await.unwrap();
    let world = Setup::default().start().await.unwrap();
    trusted_nodes(&world, &NODES).await.unwrap();

    one_is_recorded_labelled_and_tainted(&world).await.unwrap();
    two_open_the_breaker(&world).await.unwrap();
    it_takes_two_verdicts_to_be_trusted_again(&world)
        .await
        .unwrap();
    a_pool_that_may_lose_more_taints_more(&world).await.unwrap();
}

async fn one_is_recorded_labelled_and_tainted(world: &World) -> anyhow::Result<()> {
    world.simulator.play("a", "untrusted").await?;
    world.pass(INTERVAL);

    world.becomes("a", "untrusted/FailedAttestation").await?;
    world.labelled("a", Some("untrusted")).await?;
    ensure!(world.taints("a").await? == ["untrusted"]);
    filter_says(world, "a", "node(s) failed attestation").await?;
    let pool = ("trustpool", "default", "BreakerOpen");
    condition_becomes(world, pool, "False/AsExpected", "").await
}

/// The verdict is true and the gate refuses, but no second node is tainted.
async fn two_open_the_breaker(world: &World) -> anyhow::Result<()> {
    world.simulator.play("b", "untrusted").await?;
    world.pass(INTERVAL);

    world.becomes("b", "untrusted/FailedAttestation").await?;
    world.labelled("b", Some("untrusted")).await?;
    filter_says(world, "b", "node(s) failed attestation").await?;
    let pool = ("trustpool", "default", "BreakerOpen");
    condition_becomes(world, pool, "True/TooMuchLost", "").await?;
    ensure!(
        world.taints("b").await?.is_empty(),
        "tainted behind an open breaker"
    );
    ensure!(
        world.taints("a").await? == ["untrusted"],
        "a taint that was there is gone"
    );
    let metrics = world.trustpool().metrics().await?;
    ensure!(
        metrics.contains("trustpool_breaker_open{pool=\"default\"} 1"),
        "{metrics}"
    );
    told(world, "default", "BreakerOpen", &["breaker.maxUntrusted"]).await
}

async fn it_takes_two_verdicts_to_be_trusted_again(world: &World) -> anyhow::Result<()> {
    world.simulator.play("b", "trusted").await?;
    asked_again(world, "b", INTERVAL).await?;
    eventually(SOON, "one good answer is counted", async || {
        let b = status(world, "b").await?;
        ensure!(
            (b.streak, b.verdict.as_str()) == (1, "untrusted"),
            "{:?}",
            b.streak
        );
        Ok(())
    })
    .await?;

    world.pass(INTERVAL);
    world.becomes("b", "trusted/Attested").await?;
    world.labelled("b", Some("trusted")).await?;
    filter_says(world, "b", "").await?;
    let pool = ("trustpool", "default", "BreakerOpen");
    condition_becomes(world, pool, "False/AsExpected", "").await?;
    told(world, "default", "BreakerClosed", &["follow the verdicts"]).await
}

async fn a_pool_that_may_lose_more_taints_more(world: &World) -> anyhow::Result<()> {
    let patch = serde_json::json!({"spec": {"breaker": {"maxUntrusted": 3}}});
    world.change("trustpool", "default", patch).await?;
    for host in ["b", "c"] {
        world.simulator.play(host, "untrusted").await?;
    }
    attested_again(world, "d", INTERVAL).await?;
    for host in ["a", "b", "c"] {
        eventually(SOON, &format!("{host} is tainted"), async || {
            let taints = world.taints(host).await?;
            ensure!(taints == ["untrusted"], "{taints:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}
