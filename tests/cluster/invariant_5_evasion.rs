//! Invariant 5: a kubelet escapes nothing by what it reports while its host is asked about, or ever.

use anyhow::ensure;
use kube::Client;
use trustpool_harness::{Nodes, Readiness, SOON, Setup, Slot, World, eventually};

use crate::support::{INTERVAL, MIN_INTERVAL, filter_says, questions, trusted_nodes};

/// Longer than any record's schema takes.
const TOO_LONG: usize = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn invariant_5_a_kubelet_escapes_no_evidence_by_what_it_reports_of_itself() {
    let _slot = Slot::take().await.unwrap();
    let pool = serde_json::json!({"breaker": {"maxUntrusted": "100%"}});
    let world = Setup::default().pool(pool).start().await.unwrap();
    trusted_nodes(&world, &["good", "shy", "loud"])
        .await
        .unwrap();
    let kubelet = async |node| world.plane.kubelet(node).unwrap().client().await.unwrap();

    one_that_is_unready_while_it_is_judged(&world, &kubelet("shy").await)
        .await
        .unwrap();
    one_whose_boot_no_record_could_hold(&world, &kubelet("loud").await)
        .await
        .unwrap();
}

/// Ready again when the answer is there, as root on the node would have it.
async fn one_that_is_unready_while_it_is_judged(
    world: &World,
    kubelet: &Client,
) -> anyhow::Result<()> {
    let nodes = Nodes::new(kubelet.clone());
    let before = questions(world, "shy").await?.len();
    world
        .simulator
        .play_slowly("shy", "untrusted", "3s")
        .await?;
    world.pass(INTERVAL);
    eventually(SOON, "shy is asked about", async || {
        ensure!(questions(world, "shy").await?.len() > before);
        Ok(())
    })
    .await?;
    nodes.set_ready("shy", Readiness::False).await?;

    world.becomes("shy", "untrusted/FailedAttestation").await?;
    nodes.set_ready("shy", Readiness::True).await?;
    world.labelled("shy", Some("untrusted")).await?;
    filter_says(world, "shy", "node(s) failed attestation").await
}

async fn one_whose_boot_no_record_could_hold(
    world: &World,
    kubelet: &Client,
) -> anyhow::Result<()> {
    let nodes = Nodes::new(kubelet.clone());
    nodes.reboot("loud", &"x".repeat(TOO_LONG)).await?;
    world.becomes("loud", "unknown/NoBootID").await?;
    world.labelled("loud", Some("unknown")).await?;

    let distrust =
        serde_json::json!({"spec": {"distrust": {"reason": "a boot ID of that length"}}});
    world.change("nodetrust", "loud", distrust).await?;
    world.becomes("loud", "untrusted/Distrusted").await?;
    world.labelled("loud", Some("untrusted")).await?;
    world.pass(MIN_INTERVAL);
    filter_says(world, "loud", "node(s) were distrusted by an administrator").await
}
