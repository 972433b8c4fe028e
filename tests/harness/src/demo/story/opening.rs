//! Steps 1 to 3: what there is, the first pod that asks, what is known of the nodes.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use trustpool::api::keys;
use trustpool::domain::Verdict;
use trustpool::simulator::journal::Entry;

use crate::demo::cast;
use crate::demo::evidence::Evidence;
use crate::demo::scene::Scene;
use crate::demo::screen::Screen;
use crate::demo::service::gives;
use crate::demo::text::{brief, seconds};
use crate::{SOON, eventually};

/// How soon a pod must be bound.
pub(super) const BOUND: f64 = 2.0;

/// How many hosts each request of the first round is about.
const STAGES: [usize; 4] = [10, 20, 20, 10];

/// Creates service and pool.
pub(super) async fn configure(scene: &Scene, screen: &Screen) -> anyhow::Result<()> {
    let version = scene.version().await?;
    screen.say(&format!(
        "Running: etcd, kube-apiserver, kube-scheduler, kube-controller-manager {version}, 60 nodes played\n\
         by kwok, and oat-simulator as the OpenAttestation service, with TLS and a secret.",
    ));
    scene.write("credentials.json", &cast::credentials(&scene.service))?;
    let credentials = scene.plane.directory().join("credentials.json");
    scene.plane.apply(&credentials).await?;
    let manifest = cast::trust(&scene.service);
    scene.write("oat.yaml", &manifest)?;
    screen.command("cat oat.yaml");
    screen.output(&manifest);
    scene.show(screen, "apply -f oat.yaml").await
}

/// A pod that asks is bound once the first ten hosts have answered.
pub(super) async fn first_pod(scene: &mut Scene, screen: &mut Screen) -> anyhow::Result<()> {
    screen.step("The first pod that asks");
    let manifest = cast::asking("first");
    scene.write("first.yaml", &manifest)?;
    screen.command("cat first.yaml");
    screen.output(&manifest);
    scene.show(screen, "apply -f first.yaml").await?;
    let waits = eventually(SOON, "the scheduler to refuse the pod", async || {
        scene.event("first", "FailedScheduling").await
    });
    screen
        .wait("the pod waits: no node is trusted yet", waits)
        .await?;
    let evidence = scene.evidence()?;
    let listed = scene.run_trustpool(screen).await?;
    let bound = eventually(SOON, "pod first to be bound", async || {
        evidence.bound("first")
    });
    let bound = screen
        .wait("Trustpool starts, and asks about 60 hosts", bound)
        .await?;
    scene.show(screen, "get pod first -o wide").await?;
    let took = seconds(listed, bound);
    screen.claim(
        took <= BOUND,
        "bound within 2 s of all watches having listed",
        format_args!("{took:.2} s"),
    )?;
    stages(scene, screen, &evidence).await
}

/// The requests of the first round: sent together, each published as it is answered.
async fn stages(scene: &Scene, screen: &mut Screen, evidence: &Evidence) -> anyhow::Result<()> {
    let look = async || {
        let requests = scene.service.requests().await?;
        let mut first: Vec<Entry> = requests.into_iter().take(STAGES.len()).collect();
        // Sent at once, so whichever connection was made first comes first.
        first.sort_by_key(|entry| entry.hosts.first().map(|asked| asked.name.clone()));
        let sizes: Vec<usize> = first.iter().map(|entry| entry.hosts.len()).collect();
        ensure!(
            sizes == STAGES,
            "the first requests were about {sizes:?} hosts"
        );
        let answered = first.iter().take(3).filter_map(|entry| entry.answered);
        let answered: Vec<Timestamp> = answered.collect();
        ensure!(
            answered.len() == 3,
            "{} requests were answered",
            answered.len()
        );
        let asked = first.first().context("no request")?.asked;
        Ok((asked, answered, evidence.marked("node-01", asked)?))
    };
    let look = eventually(SOON, "three stages to be answered", look);
    let (asked, answered, marked) = screen.wait("later stages follow", look).await?;
    let after: Vec<String> = answered
        .iter()
        .map(|answered| format!("{:.1}", seconds(asked, *answered)))
        .collect();
    screen.claim(
        answered.is_sorted(),
        "60 hosts in 4 requests, sent at once: 10, 20, 20 and 10 hosts",
        format_args!("answered after {} s; the last one hangs", after.join(", ")),
    )?;
    let last = answered.last().copied().unwrap_or(asked);
    screen.claim(
        marked < last,
        "the first ten nodes were labelled while others were still being attested",
        format_args!("after {:.2} s", seconds(asked, marked)),
    )
}

/// What is known of every node.
pub(super) async fn nodes(scene: &Scene, screen: &mut Screen) -> anyhow::Result<()> {
    screen.step("What is known of the nodes");
    let settled = eventually(SOON, "all nodes to be marked", async || {
        settled(scene).await
    });
    screen
        .wait("searching the batch that hangs for its culprit", settled)
        .await?;
    let worst = slowest(scene).await?;
    // From here on the delays of the first round would only cost time.
    scene.service.hurry().await?;
    let line = format!("get nodes -L {}", keys::TRUST);
    let table = scene.kubectl(screen, &line).await?;
    screen.output(&brief(&table, |row| !row.trim_end().ends_with(" trusted")));
    let table = scene.kubectl(screen, "get nodetrusts").await?;
    screen.output(&brief(&table, |row| {
        [14, 23, 60]
            .into_iter()
            .any(|number| row.starts_with(&cast::name(number)))
    }));
    scene
        .show(screen, "get attestationservices,trustpools")
        .await?;
    let untrusted: BTreeSet<String> = cast::UNTRUSTED.map(cast::name).into();
    let tainted = tainted(&scene.nodes().await?);
    screen.claim(
        tainted == untrusted,
        "every node has what the service says of its host, and only untrusted ones are tainted",
        format_args!(
            "{} trusted, {} untrusted, 3 unknown",
            cast::trusted(),
            untrusted.len()
        ),
    )?;
    screen.claim(
        worst <= 2.0 * cast::TOTAL.as_secs_f64(),
        "node-60, whose host never answers, cost no other more than two timeouts",
        format_args!("the last verdict came after {worst:.1} s"),
    )
}

/// Checks that each node's record and label are what its host deserves.
async fn settled(scene: &Scene) -> anyhow::Result<()> {
    let (verdicts, labels) = (scene.verdicts().await?, scene.labels().await?);
    for number in 1..=cast::NODES {
        let name = cast::name(number);
        let (expected, label) = match number {
            _ if cast::UNTRUSTED.contains(&number) => ("untrusted/FailedAttestation", "untrusted"),
            _ if cast::STRANGERS.contains(&number) => ("unknown/NeverAttested", "unknown"),
            cast::HANGING => ("unknown/NeverAttested", "unknown"),
            _ => ("trusted/Attested", "trusted"),
        };
        let verdict = verdicts.get(&name).map(String::as_str);
        ensure!(
            verdict == Some(expected),
            "{name} is {verdict:?}, not {expected}"
        );
        let found = labels.get(&name).map(String::as_str);
        ensure!(
            found == Some(label),
            "{name} is labelled {found:?}, not {label}"
        );
    }
    let said = scene.pool_says().await?;
    ensure!(
        said.is_some_and(|said| said as usize == cast::trusted()),
        "the pool says that {said:?} are trusted"
    );
    Ok(())
}

/// How long after the first question the last host had its first verdict.
async fn slowest(scene: &Scene) -> anyhow::Result<f64> {
    let requests = scene.service.requests().await?;
    let asked = requests.first().context("nothing was asked")?.asked;
    let mut slowest = 0.0_f64;
    for number in (1..cast::HANGING).filter(|number| !cast::STRANGERS.contains(number)) {
        let host = cast::name(number);
        let has_verdict = |entry: &&Entry| {
            gives(entry, &host, Verdict::Trusted) || gives(entry, &host, Verdict::Untrusted)
        };
        let first = requests
            .iter()
            .filter(has_verdict)
            .find_map(|entry| entry.answered);
        let first = first.with_context(|| format!("no verdict was given on {host}"))?;
        slowest = slowest.max(seconds(asked, first));
    }
    Ok(slowest)
}

/// The nodes that carry Trustpool's taint.
pub(super) fn tainted(nodes: &[Node]) -> BTreeSet<String> {
    let is_tainted = |node: &&Node| {
        let taints = node.spec.iter().filter_map(|spec| spec.taints.as_ref());
        taints.flatten().any(|taint| taint.key == keys::NOT_TRUSTED)
    };
    nodes
        .iter()
        .filter(is_tainted)
        .map(ResourceExt::name_any)
        .collect()
}
