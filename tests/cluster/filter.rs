//! kube-scheduler asks the extender: where pods go, what those that wait are told, and how soon they
//! go on.

use anyhow::{Context as _, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trustpool::api::keys;
use trustpool::clock::Clock;
use trustpool::domain::Verdict;
use trustpool::simulator::journal::Entry;
use trustpool_harness::{AuditLog, SOON, Setup, Slot, World, eventually};

use crate::pods::{bound, create};
use crate::support::{INTERVAL, all_labelled, expire, filter_says, questions, told};

/// Within this long after the end of a lapse, the first good answer, a pod that was refused in it is
/// bound.
const PROMPT: SignedDuration = SignedDuration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_ask_land_on_trusted_nodes_only_and_are_told_why_they_wait() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({"onUntrusted": {"taint": "None"}});
    let world = Setup::default()
        .without_policies()
        .scheduler()
        .pool(pool)
        .start()
        .await
        .unwrap();
    for (node, verdict) in [
        ("good", "trusted"),
        ("bad", "untrusted"),
        ("odd", "unknown"),
    ] {
        world.node(node, verdict).await.unwrap();
    }
    all_labelled(&world, &["good"], "trusted").await.unwrap();
    all_labelled(&world, &["bad"], "untrusted").await.unwrap();
    all_labelled(&world, &["odd"], "unknown").await.unwrap();

    who_asks_lands_on_trusted_nodes_and_others_anywhere(&world)
        .await
        .unwrap();
    expire(&world, "good").await.unwrap();
    the_label_says_trusted_and_the_filter_refuses(&world)
        .await
        .unwrap();
    waiting_pods_are_told_why(&world).await.unwrap();
    they_go_on_as_soon_as_the_lapse_ends(&world).await.unwrap();
}

/// A pod that wants `node`, and does not ask for trust.
fn plain_pod(name: &str, node: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": node},
            "containers": [{"name": "main", "image": "none"}],
        },
    })
}

/// A pod that asks by annotation and managed resource alone.
fn annotated_pod(name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": {keys::REQUIRE: value}},
        "spec": {"containers": [{
            "name": "main",
            "image": "none",
            "resources": {"limits": {keys::RESOURCE: "0"}},
        }]},
    })
}

async fn who_asks_lands_on_trusted_nodes_and_others_anywhere(world: &World) -> anyhow::Result<()> {
    for number in 0..6 {
        world.asking_pod(&format!("selects-{number}")).await?;
        let annotated = annotated_pod(&format!("annotated-{number}"), "trusted");
        create(world, annotated).await?;
    }
    for node in ["good", "bad", "odd"] {
        create(world, plain_pod(&format!("plain-{node}"), node)).await?;
    }
    create(world, annotated_pod("strange", "somewhat")).await?;
    for number in 0..6 {
        bound(world, &format!("selects-{number}"), "good").await?;
        bound(world, &format!("annotated-{number}"), "good").await?;
    }
    for node in ["good", "bad", "odd"] {
        bound(world, &format!("plain-{node}"), node).await?;
    }
    told(
        world,
        "strange",
        "FailedScheduling",
        &["3 pod asks for trust with an unknown value"],
    )
    .await
}

async fn the_label_says_trusted_and_the_filter_refuses(world: &World) -> anyhow::Result<()> {
    filter_says(world, "good", "node(s) had an expired attestation").await?;
    ensure!(world.label("good").await?.as_deref() == Some("trusted"));
    Ok(())
}

async fn waiting_pods_are_told_why(world: &World) -> anyhow::Result<()> {
    world.asking_pod("waits").await?;
    create(world, annotated_pod("waits-too", "trusted")).await?;
    let histogram = [
        "1 node(s) had an expired attestation",
        "1 node(s) failed attestation",
        "1 node(s) were never attested",
    ];
    told(world, "waits-too", "FailedScheduling", &histogram).await?;
    told(world, "waits", "FailedScheduling", &histogram[..1]).await?;
    let none = "0 of 3 nodes of pool default are trusted: 1 expired, 1 never attested, 1 untrusted";
    told(world, "waits", "NoTrustedNode", &[none]).await
}

async fn they_go_on_as_soon_as_the_lapse_ends(world: &World) -> anyhow::Result<()> {
    let log = world.plane.audit().from_now()?;
    let before = questions(world, "good").await?.len();
    world.pass(INTERVAL + SignedDuration::from_secs(10));
    world.simulator.fault(&json!({"kind": "none"})).await?;
    world.becomes("good", "trusted/Attested").await?;
    for pod in ["waits", "waits-too"] {
        bound(world, pod, "good").await?;
    }
    let ended = end_of_lapse(world, before).await?;
    for pod in ["waits", "waits-too"] {
        let took = bound_at(&log, pod).await?.duration_since(ended);
        println!("{pod} was bound {took:?} after the end of the lapse");
        ensure!(took <= PROMPT, "{took:?}");
    }
    Ok(())
}

/// When the service first said that `good` is trusted, after so many questions: by the machine's clock,
/// which the API server's audit log goes by too.
async fn end_of_lapse(world: &World, before: usize) -> anyhow::Result<Timestamp> {
    let moved = world.clock.wall().duration_since(Clock::system().wall());
    let mut since = questions(world, "good").await?.into_iter().skip(before);
    let good = |entry: &Entry| {
        let good = entry.hosts.iter().find(|it| it.name.as_str() == "good");
        good.is_some_and(|it| it.verdict == Some(Verdict::Trusted))
    };
    let first = since.find(good).and_then(|entry| entry.answered);
    Ok(first.context("no good answer")? - moved)
}

/// When the API server had bound a pod.
async fn bound_at(log: &AuditLog, pod: &str) -> anyhow::Result<Timestamp> {
    eventually(
        SOON,
        &format!("{pod}'s binding in the audit log"),
        async || {
            let events = log.events()?;
            let binding = events
                .iter()
                .find(|event| event.is_for("pods", "binding") && event.object_ref.name == pod);
            Ok(binding.context("it is not there")?.stage_timestamp)
        },
    )
    .await
}
