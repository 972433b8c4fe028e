//! Invariant 5: a kubelet grants nothing and escapes nothing, as far as its own identity reaches.

use anyhow::ensure;
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use trustpool::api::{NodeTrust, keys};
use trustpool::domain::Verdict;
use trustpool_harness::{NodeBuilder, Nodes, Readiness, SOON, Setup, Slot, World, eventually};

use crate::support::{INTERVAL, asked_again, filter_says, questions, trusted_nodes};

#[tokio::test(flavor = "multi_thread")]
async fn invariant_5_a_kubelet_grants_nothing_and_escapes_nothing() {
    let _slot = Slot::take().await.unwrap();
    let world = Setup::default().start().await.unwrap();
    trusted_nodes(&world, &["good", "other"]).await.unwrap();
    world.node("bad", "untrusted").await.unwrap();
    world.labelled("bad", Some("untrusted")).await.unwrap();
    let kubelet = world.plane.kubelet("bad").unwrap().client().await.unwrap();

    it_may_not_write_marks_or_records(&world, &kubelet)
        .await
        .unwrap();
    what_it_may_write_grants_nothing(&world, &kubelet)
        .await
        .unwrap();
    other_boots_and_no_boot_leave_it_untrusted(&world, &kubelet)
        .await
        .unwrap();
    another_node_object_leaves_it_untrusted(&world, &kubelet)
        .await
        .unwrap();
    another_name_is_unknown(&world).await.unwrap();
}

async fn it_may_not_write_marks_or_records(world: &World, kubelet: &Client) -> anyhow::Result<()> {
    let nodes = Nodes::new(kubelet.clone());
    for key in [keys::TRUST, keys::POOL, keys::HOST] {
        for value in [Some("trusted"), None] {
            let written = nodes.label("bad", key, value).await;
            ensure!(
                written.is_err() || value.is_none() && key == keys::HOST,
                "wrote {key}={value:?}"
            );
        }
        ensure!(nodes.label("good", key, Some("x")).await.is_err());
    }
    let untainted = Patch::Merge(json!({"spec": {"taints": null}}));
    let params = PatchParams::default();
    ensure!(nodes.api().patch("bad", &params, &untainted).await.is_err());
    let trusts: Api<NodeTrust> = Api::all(kubelet.clone());
    let trusted = json!({"status": {"verdict": "trusted", "reason": "Attested"}});
    let trusted = Patch::Merge(trusted);
    ensure!(trusts.patch_status("bad", &params, &trusted).await.is_err());
    ensure!(
        trusts
            .delete("bad", &DeleteParams::default())
            .await
            .is_err()
    );
    ensure!(world.label("bad").await?.as_deref() == Some("untrusted"));
    ensure!(world.taints("bad").await? == ["untrusted"]);
    Ok(())
}

/// Everything that NodeRestriction lets a kubelet write on its own Node.
fn allowed() -> [(bool, Value); 5] {
    [
        (
            false,
            json!({"metadata": {"annotations": {
                keys::TRUST: "trusted", keys::HOST: "good", keys::REQUIRE: "trusted",
                keys::ATTEST: "2100-01-01T00:00:00Z",
            }}}),
        ),
        (
            false,
            json!({"metadata": {"labels": {
                "trustpool.dev/trust": "trusted", "trustpool.dev/pool": "default",
                "trustpool.dev/host": "good", "node.kubernetes.io/trust": "trusted",
            }}}),
        ),
        (
            true,
            json!({"status": {"conditions": [
                {"type": keys::TRUSTED_CONDITION, "status": "True", "reason": "Attested"},
            ]}}),
        ),
        (
            true,
            json!({"status": {"capacity": {keys::RESOURCE: "100"},
            "allocatable": {keys::RESOURCE: "100"}}}),
        ),
        (
            true,
            json!({"status": {"addresses": [{"type": "Hostname", "address": "good"}]}}),
        ),
    ]
}

async fn what_it_may_write_grants_nothing(world: &World, kubelet: &Client) -> anyhow::Result<()> {
    let nodes = Nodes::new(kubelet.clone());
    let params = PatchParams::default();
    for (of_status, patch) in allowed() {
        let patch = Patch::Strategic(patch);
        if of_status {
            nodes.api().patch_status("bad", &params, &patch).await?;
        } else {
            nodes.api().patch("bad", &params, &patch).await?;
        }
    }
    asked_again(world, "bad", INTERVAL).await?;
    still_untrusted(world).await?;
    eventually(SOON, "the condition is put right", async || {
        let status = world.nodes.get("bad").await?.status.unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let ours = conditions
            .iter()
            .find(|it| it.type_ == keys::TRUSTED_CONDITION);
        ensure!(ours.is_some_and(|it| it.status == "False"), "{ours:?}");
        Ok(())
    })
    .await
}

async fn still_untrusted(world: &World) -> anyhow::Result<()> {
    world.becomes("bad", "untrusted/FailedAttestation").await?;
    filter_says(world, "bad", "node(s) failed attestation").await?;
    world.labelled("bad", Some("untrusted")).await?;
    eventually(SOON, "it is tainted", async || {
        ensure!(world.taints("bad").await? == ["untrusted"]);
        Ok(())
    })
    .await
}

async fn other_boots_and_no_boot_leave_it_untrusted(
    world: &World,
    kubelet: &Client,
) -> anyhow::Result<()> {
    let nodes = Nodes::new(kubelet.clone());
    for boot in ["boot-bad-2", "", "boot-good"] {
        nodes.reboot("bad", boot).await?;
        if !boot.is_empty() {
            asked_again(world, "bad", INTERVAL).await?;
        }
        still_untrusted(world).await?;
    }
    Ok(())
}

/// Whether a kubelet may delete its Node is the cluster's affair; a new one changes nothing.
async fn another_node_object_leaves_it_untrusted(
    world: &World,
    kubelet: &Client,
) -> anyhow::Result<()> {
    let nodes = Nodes::new(kubelet.clone());
    if nodes.delete("bad").await.is_err() {
        world.nodes.delete("bad").await?;
    }
    let node = NodeBuilder::new("bad").readiness(Readiness::False);
    let marked = node.clone().label(keys::TRUST, "trusted");
    ensure!(nodes.create(&marked).await.is_err(), "it marked itself");
    nodes.create(&node).await?;
    still_untrusted(world).await
}

/// A kubelet that comes under a new name is asked about at once, and is nobody whom the service knows.
async fn another_name_is_unknown(world: &World) -> anyhow::Result<()> {
    let kubelet = Nodes::new(world.plane.kubelet("fresh")?.client().await?);
    let node = NodeBuilder::new("fresh").readiness(Readiness::False);
    kubelet.create(&node).await?;
    kubelet.set_ready("fresh", Readiness::True).await?;

    // The label follows the answer.
    world.labelled("fresh", Some("unknown")).await?;
    let questions = questions(world, "fresh").await?;
    let answers = questions.iter().flat_map(|entry| &entry.hosts);
    let about: Vec<_> = answers.filter(|it| it.name.as_str() == "fresh").collect();
    ensure!(!about.is_empty(), "it was never asked about");
    for host in about {
        ensure!(host.verdict == Some(Verdict::Unknown), "{host:?}");
    }
    world.becomes("fresh", "unknown/NeverAttested").await?;
    filter_says(world, "fresh", "node(s) were never attested").await
}
