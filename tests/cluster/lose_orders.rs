//! What administrators say: distrust, pauses, dry runs, and which pool a node is in.

use anyhow::ensure;
use serde_json::json;
use trustpool::api::keys;
use trustpool_harness::{NodeBuilder, SOON, Setup, Slot, World, eventually};

use crate::support::{
    INTERVAL, MIN_INTERVAL, all_labelled, asked_again, filter_says, is_seen, passing, questions,
    told, trusted_nodes,
};

#[tokio::test(flavor = "multi_thread")]
async fn administrators_distrust_pause_and_rehearse() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({"breaker": {"maxUntrusted": "100%"}});
    let world = Setup::default().pool(pool).start().await.unwrap();
    trusted_nodes(&world, &["a", "b", "c"]).await.unwrap();

    a_question_can_be_ordered(&world).await.unwrap();
    distrust_counts_at_once_and_outlasts_good_answers(&world)
        .await
        .unwrap();
    a_paused_node_is_neither_asked_about_nor_marked(&world)
        .await
        .unwrap();
    a_dry_run_withholds_the_taint_alone(&world).await.unwrap();
    a_paused_pool_withholds_questions_and_marks(&world)
        .await
        .unwrap();
}

/// It is asked about at the time that the annotation names; what is no time is ignored, and says so.
async fn a_question_can_be_ordered(world: &World) -> anyhow::Result<()> {
    let annotate = |value: String| json!({"metadata": {"annotations": {keys::ATTEST: value}}});
    world
        .change("nodetrust", "b", annotate("now".to_owned()))
        .await?;
    let words = ["ignored: metadata.annotations", "RFC 3339", "now"];
    told(world, "b", "InvalidAnnotation", &words).await?;

    let before = questions(world, "b").await?.len();
    world.pass(MIN_INTERVAL);
    let now = world.clock.wall().to_string();
    world.change("nodetrust", "b", annotate(now)).await?;
    eventually(SOON, "b is asked about", async || {
        ensure!(questions(world, "b").await?.len() == before + 1);
        Ok(())
    })
    .await
}

async fn distrust_counts_at_once_and_outlasts_good_answers(world: &World) -> anyhow::Result<()> {
    let distrust = json!({"spec": {"distrust": {"reason": "seen with an open case"}}});
    world.change("nodetrust", "a", distrust).await?;

    world.becomes("a", "untrusted/Distrusted").await?;
    world.labelled("a", Some("untrusted")).await?;
    ensure!(world.taints("a").await? == ["untrusted"]);
    filter_says(world, "a", "node(s) were distrusted by an administrator").await?;
    for _ in 0..3 {
        asked_again(world, "a", INTERVAL).await?;
    }
    ensure!(world.verdict("a").await? == "untrusted/Distrusted");

    let lifted = json!({"spec": {"distrust": null}});
    world.change("nodetrust", "a", lifted).await?;
    asked_again(world, "a", INTERVAL).await?;
    passing(world, INTERVAL, "a is trusted again", async || {
        let verdict = world.verdict("a").await?;
        ensure!(verdict == "trusted/Attested", "{verdict}");
        Ok(())
    })
    .await?;
    world.labelled("a", Some("trusted")).await?;
    ensure!(world.taints("a").await?.is_empty());
    Ok(())
}

async fn a_paused_node_is_neither_asked_about_nor_marked(world: &World) -> anyhow::Result<()> {
    let paused = |paused: bool| json!({"spec": {"paused": paused}});
    world.change("nodetrust", "b", paused(true)).await?;
    // A round may have begun before the pause was seen.
    eventually(SOON, "a round without b", async || {
        without(world, "b").await
    })
    .await?;
    without(world, "b").await?;

    world.nodes.reboot("b", "boot-b-2").await?;
    world.becomes("b", "unknown/Rebooted").await?;
    filter_says(
        world,
        "b",
        "node(s) were rebooted or re-created after attestation",
    )
    .await?;
    asked_again(world, "c", INTERVAL).await?;
    ensure!(
        world.label("b").await?.as_deref() == Some("trusted"),
        "a paused node was marked"
    );
    world.change("nodetrust", "b", paused(false)).await?;
    world.becomes("b", "trusted/Attested").await?;
    world.labelled("b", Some("trusted")).await
}

/// A round in which `c` is asked about, and `node` is not.
async fn without(world: &World, node: &str) -> anyhow::Result<()> {
    let before = questions(world, node).await?.len();
    asked_again(world, "c", INTERVAL).await?;
    let asked = questions(world, node).await?.len() - before;
    ensure!(asked == 0, "a paused node was asked about");
    Ok(())
}

async fn a_dry_run_withholds_the_taint_alone(world: &World) -> anyhow::Result<()> {
    let dry_run = |dry: bool| json!({"spec": {"dryRun": dry}});
    world.change("trustpool", "default", dry_run(true)).await?;
    is_seen(world, "tp", "default").await?;
    world.simulator.play("a", "untrusted").await?;
    world.pass(INTERVAL);

    world.labelled("a", Some("untrusted")).await?;
    filter_says(world, "a", "node(s) failed attestation").await?;
    ensure!(world.taints("a").await?.is_empty(), "tainted in a dry run");
    world.change("trustpool", "default", dry_run(false)).await?;
    eventually(SOON, "a is tainted", async || {
        ensure!(world.taints("a").await? == ["untrusted"]);
        Ok(())
    })
    .await
}

async fn a_paused_pool_withholds_questions_and_marks(world: &World) -> anyhow::Result<()> {
    let paused = |paused: bool| json!({"spec": {"paused": paused}});
    world.change("trustpool", "default", paused(true)).await?;
    is_seen(world, "tp", "default").await?;
    let before = world.simulator.requests().await?.len();
    world.nodes.reboot("c", "boot-c-2").await?;
    world.becomes("c", "unknown/Rebooted").await?;
    world.pass(INTERVAL);
    filter_says(
        world,
        "c",
        "node(s) were rebooted or re-created after attestation",
    )
    .await?;
    world.change("trustpool", "default", paused(false)).await?;
    world.becomes("c", "trusted/Attested").await?;
    world.labelled("c", Some("trusted")).await?;
    let asked = world.simulator.requests().await?.len() - before;
    ensure!(asked == 1, "{asked} requests in and after the pause");
    Ok(())
}

/// A label that no kubelet can write.
const RACK: &str = "example.com.node-restriction.kubernetes.io/rack";

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_leaves_every_pool_loses_its_marks_unless_evidence_is_against_it() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({
        "nodeSelector": {"matchLabels": {RACK: "1"}},
        "breaker": {"maxUntrusted": "100%"},
    });
    let world = Setup::default().pool(pool).start().await.unwrap();
    for (name, verdict) in [("a", "trusted"), ("b", "untrusted"), ("c", "trusted")] {
        world.simulator.play(name, verdict).await.unwrap();
        let node = NodeBuilder::new(name).label(RACK, "1");
        world.nodes.create(&node).await.unwrap();
    }
    world.node("elsewhere", "trusted").await.unwrap();
    all_labelled(&world, &["a", "c"], "trusted").await.unwrap();
    world.labelled("b", Some("untrusted")).await.unwrap();

    for node in ["a", "b"] {
        world.nodes.label(node, RACK, Some("2")).await.unwrap();
    }
    world.labelled("a", None).await.unwrap();
    world.becomes("a", "unknown/NotInPool").await.unwrap();
    filter_says(&world, "a", "node(s) were in no trust pool")
        .await
        .unwrap();
    let labels = world.nodes.get("a").await.unwrap().metadata.labels.unwrap();
    assert!(!labels.contains_key(keys::POOL), "{labels:?}");

    asked_again(&world, "c", INTERVAL).await.unwrap();
    assert_eq!(
        world.label("b").await.unwrap().as_deref(),
        Some("untrusted")
    );
    assert_eq!(world.taints("b").await.unwrap(), ["untrusted"]);
    assert!(world.trust("elsewhere").await.unwrap().is_none());
    assert_eq!(world.label("elsewhere").await.unwrap(), None);

    world.nodes.label("a", RACK, Some("1")).await.unwrap();
    world.pass(MIN_INTERVAL);
    world.labelled("a", Some("trusted")).await.unwrap();
}
