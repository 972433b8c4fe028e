//! Steps 8 and 9: the service stops, and comes back.

use std::collections::BTreeMap;

use anyhow::ensure;
use jiff::Timestamp;
use trustpool::domain::Verdict;

use crate::demo::cast;
use crate::demo::evidence::Evidence;
use crate::demo::scene::Scene;
use crate::demo::screen::Screen;
use crate::demo::story::opening::{BOUND, tainted};
use crate::demo::text::seconds;
use crate::{SOON, eventually};

/// The pods that wait in the lapse.
const WAITING: [&str; 2] = ["patient", "annotated"];

/// While the service is down nothing changes, until what is known expires; then pods wait. Returns
/// the label that every node had, and has.
pub(super) async fn stopped(
    scene: &mut Scene,
    screen: &mut Screen,
) -> anyhow::Result<BTreeMap<String, String>> {
    screen.step("The service stops");
    let labels = scene.labels().await?;
    let taints = tainted(&scene.nodes().await?);
    let evidence = scene.evidence()?;
    screen.command(&format!("kill {}    # oat-simulator", scene.service.id()));
    scene.service.stop().await?;
    let until = scene.first_expiry().await?;
    placed(scene, screen, &evidence).await?;
    let lapsed = eventually(SOON, "every verdict to expire", async || {
        lapsed(scene).await
    });
    let expired = screen
        .wait("until every verdict has expired", lapsed)
        .await?;
    screen.claim(
        evidence.writes_before(until)? == 0,
        "no node was written as long as every verdict lasted",
        format_args!("{:.1} s", seconds(evidence.since(), until)),
    )?;
    let table = "get attestationservices,trustpools";
    scene.show(screen, table).await?;
    screen.claim(
        scene.labels().await? == labels && tainted(&scene.nodes().await?) == taints,
        "an outage is no evidence: verdicts are unknown now, labels and taints are as they were",
        format_args!("{expired} expired"),
    )?;
    refused(scene, screen).await?;
    Ok(labels)
}

/// A pod that asks is placed while verdicts last.
async fn placed(scene: &Scene, screen: &mut Screen, evidence: &Evidence) -> anyhow::Result<()> {
    scene.write("meanwhile.yaml", &cast::asking("meanwhile"))?;
    scene.show(screen, "apply -f meanwhile.yaml").await?;
    let bound = eventually(SOON, "pod meanwhile to be bound", async || {
        evidence.bound("meanwhile")
    });
    let bound = seconds(evidence.since(), bound.await?);
    screen.claim(
        bound <= BOUND,
        "verdicts outlast it: a pod that asks is placed as before",
        format_args!("{bound:.1} s after the stop"),
    )
}

/// Says how many verdicts have expired, once none is trusted any more and conditions and pool say so too.
async fn lapsed(scene: &Scene) -> anyhow::Result<usize> {
    let verdicts = scene.verdicts().await?;
    let trusted = count(&verdicts, "trusted/Attested");
    ensure!(trusted == 0, "{trusted} are trusted");
    let expired = count(&verdicts, "unknown/Expired");
    let conditions = scene.conditions().await?;
    let said = count(&conditions, "Expired");
    ensure!(said == expired, "{said} of {expired} conditions say so");
    let said = scene.pool_says().await?;
    ensure!(said == Some(0), "the pool says that {said:?} are trusted");
    Ok(expired)
}

/// Pods that ask wait, and are told why.
async fn refused(scene: &Scene, screen: &mut Screen) -> anyhow::Result<()> {
    let [patient, annotated] = WAITING;
    scene.write("patient.yaml", &cast::asking(patient))?;
    scene.write("annotated.yaml", &cast::annotated(annotated))?;
    scene
        .show(screen, "apply -f patient.yaml -f annotated.yaml")
        .await?;
    let verdicts = scene.verdicts().await?;
    let look = eventually(SOON, "the events", async || {
        Ok((
            scene.event(patient, "NoTrustedNode").await?,
            scene.event(annotated, "FailedScheduling").await?,
        ))
    });
    let (note, histogram) = screen.wait("what pods are told", look).await?;
    let columns = "-o custom-columns=REASON:.reason,MESSAGE:.message";
    scene.show(screen, &format!("get events --field-selector involvedObject.name={patient},reason=NoTrustedNode {columns}")).await?;
    let (expired, silent) = (
        count(&verdicts, "unknown/Expired"),
        count(&verdicts, "unknown/HostSilent"),
    );
    let (failed, never) = (
        count(&verdicts, "untrusted/FailedAttestation"),
        count(&verdicts, "unknown/NeverAttested"),
    );
    let lapsed = expired + silent;
    let says =
        |text: &str, parts: [String; 3]| parts.iter().all(|part| text.contains(part.as_str()));
    screen.claim(
        note.contains("0 of 60 nodes of pool default are trusted")
            && says(
                &note,
                [
                    format!("{lapsed} expired"),
                    format!("{failed} untrusted"),
                    format!("{never} never attested"),
                ],
            ),
        "a pod that asks while nothing is trusted is told why",
        "the numbers are those of the NodeTrusts",
    )?;
    screen.say("A pod with the annotation and the managed resource alone, no nodeSelector, every taint tolerated:");
    scene.show(screen, &format!("get events --field-selector involvedObject.name={annotated},reason=FailedScheduling {columns}")).await?;
    screen.claim(
        says(
            &histogram,
            [
                format!("{lapsed} node(s) had an expired attestation"),
                format!("{failed} node(s) failed attestation"),
                format!("{never} node(s) were never attested"),
            ],
        ),
        "the filter refuses every node by the clock, whatever its label says",
        "no node is forgotten",
    )?;
    for pod in WAITING {
        let place = scene.place(pod).await?;
        screen.claim(
            place.is_none(),
            &format!("pod {pod} waits"),
            format_args!("bound to {}", place.as_deref().unwrap_or("no node")),
        )?;
    }
    Ok(())
}

/// The service answers again: pods that wait are bound, and everything is as before.
pub(super) async fn back(
    scene: &mut Scene,
    screen: &mut Screen,
    labels_before: &BTreeMap<String, String>,
) -> anyhow::Result<()> {
    screen.step("The service is back");
    let evidence = scene.evidence()?;
    screen.command(&format!("{} &", scene.service.line()));
    scene.service.restart().await?;
    let look = eventually(SOON, "both pods to be bound", async || {
        let answered = first_trusted(scene).await?;
        let mut latest = answered;
        for pod in WAITING {
            latest = latest.max(evidence.bound(pod)?);
        }
        Ok((answered, latest))
    });
    let (answered, bound) = screen
        .wait("until the service is asked again", look)
        .await?;
    scene
        .show(screen, "get pods patient annotated -o wide")
        .await?;
    let took = seconds(answered, bound);
    screen.claim(
        took <= BOUND,
        "both pods were bound within 2 s of the first good answer",
        format_args!(
            "{took:.2} s; the service was asked {:.1} s after its start",
            seconds(evidence.since(), answered)
        ),
    )?;
    let labels = scene.labels().await?;
    for pod in WAITING {
        let place = scene.place(pod).await?.unwrap_or_default();
        let label = labels.get(&place).map_or("unlabelled", String::as_str);
        screen.claim(
            label == "trusted",
            &format!("pod {pod} is on a trusted node"),
            place,
        )?;
    }
    let trusted = labels.values().filter(|label| *label == "trusted").count();
    let restored = eventually(SOON, "every node to be attested again", async || {
        let verdicts = scene.verdicts().await?;
        let attested = count(&verdicts, "trusted/Attested");
        ensure!(attested == trusted, "{attested} of {trusted} are");
        Ok(attested)
    });
    let attested = screen.wait("the round ends", restored).await?;
    screen.claim(
        scene.labels().await? == *labels_before,
        "every node is what it was before, without anybody's help",
        format_args!("{attested} trusted"),
    )
}

/// When the service first called a host trusted since it was started again.
async fn first_trusted(scene: &Scene) -> anyhow::Result<Timestamp> {
    let requests = scene.service.requests().await?;
    let good = requests.iter().filter(|entry| {
        entry
            .hosts
            .iter()
            .any(|asked| asked.verdict == Some(Verdict::Trusted))
    });
    good.filter_map(|entry| entry.answered)
        .min()
        .ok_or_else(|| anyhow::anyhow!("the service has given no verdict yet"))
}

/// How many nodes have this.
fn count(nodes: &BTreeMap<String, String>, this: &str) -> usize {
    nodes.values().filter(|found| *found == this).count()
}
