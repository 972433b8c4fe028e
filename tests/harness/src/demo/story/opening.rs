//! Steps 1 to 3: what there is, the first pod that asks, what is known of the nodes.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, anyhow, ensure};
use jiff::Timestamp;
use trustpool::api::keys;
use trustpool::domain::Verdict;
use trustpool::simulator::journal::Entry;

use crate::demo::cast;
use crate::demo::evidence::Evidence;
use crate::demo::look::tainted;
use crate::demo::numbers::{seconds, sent_at_once};
use crate::demo::scene::Scene;
use crate::demo::screen::Screen;
use crate::demo::service::{asks, gives};
use crate::demo::text::brief;
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
    let answered = scene.service.first_trusted().await?;
    // Listing is seen a moment after it is over, and may be seen too late.
    let soon = seconds(listed, bound) <= BOUND;
    screen.claim(
        soon && answered <= bound,
        "bound within 2 s of all watches having listed",
        format_args!(
            "{:.2} s; {:.2} s after the first good answer",
            seconds(listed, bound),
            seconds(answered, bound)
        ),
    )?;
    stages(scene, screen, &evidence).await
}

/// The requests of the first round.
struct Round {
    /// When each was asked.
    asked: [Timestamp; STAGES.len()],
    /// When all but the last were answered.
    answered: [Timestamp; STAGES.len() - 1],
    /// Whether the last is about the host that hangs, and was not answered when the others were.
    hangs: bool,
}

/// The requests of the first round: sent together, each published as it is answered.
async fn stages(scene: &Scene, screen: &mut Screen, evidence: &Evidence) -> anyhow::Result<()> {
    let look = eventually(SOON, "three stages to be answered", async || {
        let round = first_round(scene).await?;
        let labelled = labelled(evidence, round.answered[0])?;
        Ok((round, labelled))
    });
    let (round, labelled) = screen.wait("later stages follow", look).await?;
    let Round {
        asked,
        answered,
        hangs,
    } = round;
    let [_, slow, last] = answered;
    let [first, ..] = asked;
    let after = answered.map(|answered| format!("{:.1}", seconds(first, answered)));
    let hanging = if hangs {
        "the last one hangs"
    } else {
        "the last one does not hang"
    };
    screen.claim(
        answered.is_sorted() && sent_at_once(&asked, slow) && hangs,
        "60 hosts in 4 requests, sent at once: 10, 20, 20 and 10 hosts",
        format_args!("answered after {} s; {hanging}", after.join(", ")),
    )?;
    screen.claim(
        labelled < last,
        "the first ten nodes were labelled while others were still being attested",
        format_args!("after {:.2} s", seconds(first, labelled)),
    )
}

/// The requests of the first round, in the order of the hosts, once all but the last were answered.
async fn first_round(scene: &Scene) -> anyhow::Result<Round> {
    let requests = scene.service.requests().await?;
    let mut first: Vec<Entry> = requests.into_iter().take(STAGES.len()).collect();
    // Sent at once, so whichever connection was made first comes first.
    first.sort_by_key(|entry| entry.hosts.first().map(|asked| asked.name.clone()));
    let sizes: Vec<usize> = first.iter().map(|entry| entry.hosts.len()).collect();
    let first: [Entry; STAGES.len()] = first
        .try_into()
        .ok()
        .filter(|_| sizes == STAGES)
        .with_context(|| format!("the first requests were about {sizes:?} hosts"))?;
    let answered: Vec<Timestamp> = first.iter().take(3).filter_map(|it| it.answered).collect();
    let answered = answered
        .try_into()
        .map_err(|found: Vec<_>| anyhow!("{} requests were answered", found.len()))?;
    let [.., last] = &first;
    let hangs = last.answered.is_none() && asks(last, &cast::name(cast::HANGING));
    let asked = first.map(|entry| entry.asked);
    Ok(Round {
        asked,
        answered,
        hangs,
    })
}

/// When the last of the first ten nodes was labelled, since their hosts were vouched for.
fn labelled(evidence: &Evidence, answered: Timestamp) -> anyhow::Result<Timestamp> {
    let mut last = answered;
    for number in 1..=STAGES[0] {
        last = last.max(evidence.marked(&cast::name(number), answered)?);
    }
    Ok(last)
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
    let untrusted = cast::UNTRUSTED.map(|number| (cast::name(number), cast::taint()));
    let untrusted: BTreeMap<String, String> = untrusted.into();
    let tainted = tainted(&scene.nodes().await?);
    let taints: BTreeSet<&str> = tainted.values().map(String::as_str).collect();
    screen.claim(
        tainted == untrusted,
        "every node has what the service says of its host, and only untrusted ones are tainted",
        format_args!(
            "{} trusted, {} untrusted, 3 unknown; {}",
            cast::trusted(),
            untrusted.len(),
            taints.into_iter().collect::<Vec<_>>().join(" and ")
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
