//! Steps 9 and 10: the service stops, and comes back.

use std::collections::BTreeMap;

use anyhow::ensure;

use crate::demo::cast;
use crate::demo::evidence::Evidence;
use crate::demo::numbers::{counts, seconds, within};
use crate::demo::scene::Scene;
use crate::demo::screen::Screen;
use crate::demo::story::opening::BOUND;
use crate::{SOON, eventually};

/// What kube-scheduler calls nodes that are labelled trusted, and all others.
const HISTOGRAM: [&str; 2] = [
    "node(s) had an expired attestation",
    "node(s) didn't match Pod's node affinity/selector",
];

/// The marks of every node, by its name.
pub(super) type Marks = BTreeMap<String, Vec<String>>;

/// The pods that wait in the lapse.
const WAITING: [&str; 2] = ["patient", "tolerant"];

/// While the service is down nothing changes, until what is known expires; then pods wait. Returns
/// the marks that every node had, and has.
pub(super) async fn stopped(scene: &mut Scene, screen: &mut Screen) -> anyhow::Result<Marks> {
    screen.step("The service stops");
    let marks = scene.marks().await?;
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
        evidence.since() < until && evidence.writes_before(until)? == 0,
        "no node was written as long as every verdict lasted",
        format_args!("{:.1} s", seconds(evidence.since(), until)),
    )?;
    let table = "get attestationservices,trustpools";
    scene.show(screen, table).await?;
    screen.claim(
        scene.marks().await? == marks,
        "an outage is no evidence: verdicts are unknown now, labels and taints are as they were",
        format_args!("{expired} expired"),
    )?;
    refused(scene, screen).await?;
    Ok(marks)
}

/// A pod that asks is placed while verdicts last.
async fn placed(scene: &Scene, screen: &mut Screen, evidence: &Evidence) -> anyhow::Result<()> {
    scene.write("meanwhile.yaml", &cast::asking("meanwhile"))?;
    scene.show(screen, "apply -f meanwhile.yaml").await?;
    let bound = eventually(SOON, "pod meanwhile to be bound", async || {
        evidence.bound("meanwhile")
    });
    let (stopped, bound) = (evidence.since(), bound.await?);
    screen.claim(
        within(BOUND, stopped, bound),
        "verdicts outlast it: a pod that asks is placed as before",
        format_args!("{:.1} s after the stop", seconds(stopped, bound)),
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
    let [patient, tolerant] = WAITING;
    scene.write("patient.yaml", &cast::asking(patient))?;
    scene.write("tolerant.yaml", &cast::tolerant(tolerant))?;
    scene
        .show(screen, "apply -f patient.yaml -f tolerant.yaml")
        .await?;
    let verdicts = scene.verdicts().await?;
    let look = eventually(SOON, "the events", async || {
        Ok((
            scene.event(patient, "NoTrustedNode").await?,
            scene.event(tolerant, "FailedScheduling").await?,
        ))
    });
    let (note, histogram) = screen.wait("what pods are told", look).await?;
    show_event(scene, screen, patient, "NoTrustedNode").await?;
    let numbers = numbers(&verdicts, ["expired", "untrusted", "never attested"]);
    let told = note.strip_prefix("0 of 60 nodes of pool default are trusted: ");
    screen.claim(
        is_all(&numbers, told),
        "a pod that asks while nothing is trusted is told why",
        format_args!("the numbers are those of the NodeTrusts: {}", sum(&numbers)),
    )?;
    screen.say("Another one, which tolerates every taint; the labels are as they were:");
    show_event(scene, screen, tolerant, "FailedScheduling").await?;
    let told = histogram.strip_prefix("0/60 nodes are available: ");
    // What follows the first sentence is about preemption.
    let told = told.and_then(|told| told.split('.').next());
    let labelled = scene.labels().await?;
    let labelled = labelled
        .values()
        .filter(|label| *label == "trusted")
        .count();
    let numbers = HISTOGRAM
        .map(str::to_owned)
        .into_iter()
        .zip([labelled, cast::NODES - labelled]);
    let numbers = numbers.collect();
    screen.claim(
        is_all(&numbers, told),
        "the filter refuses every node by the clock, whatever its label says",
        format_args!("no node is forgotten: {}", sum(&numbers)),
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

/// Shows the events of a pod that have this reason.
async fn show_event(scene: &Scene, screen: &Screen, pod: &str, reason: &str) -> anyhow::Result<()> {
    let line = format!(
        "get events --field-selector involvedObject.name={pod},reason={reason} -o custom-columns=REASON:.reason,MESSAGE:.message"
    );
    scene.show(screen, &line).await
}

/// How many verdicts have lapsed, are untrusted, and were never given, under these names.
fn numbers(verdicts: &BTreeMap<String, String>, names: [&str; 3]) -> BTreeMap<String, usize> {
    let numbers = [
        count(verdicts, "unknown/Expired") + count(verdicts, "unknown/HostSilent"),
        count(verdicts, "untrusted/FailedAttestation"),
        count(verdicts, "unknown/NeverAttested"),
    ];
    names.map(str::to_owned).into_iter().zip(numbers).collect()
}

/// Says whether these very numbers were told, and leave no node out.
fn is_all(numbers: &BTreeMap<String, usize>, told: Option<&str>) -> bool {
    told.and_then(counts).as_ref() == Some(numbers)
        && numbers.values().sum::<usize>() == cast::NODES
}

/// The numbers, added up.
fn sum(numbers: &BTreeMap<String, usize>) -> String {
    let parts: Vec<String> = numbers.values().map(usize::to_string).collect();
    let sum: usize = numbers.values().sum();
    format!("{} = {sum}", parts.join(" + "))
}

/// The service answers again: pods that wait are bound, and everything is as before.
pub(super) async fn back(
    scene: &mut Scene,
    screen: &mut Screen,
    marks_before: &Marks,
) -> anyhow::Result<()> {
    screen.step("The service is back");
    let evidence = scene.evidence()?;
    screen.command(&format!("{} &", scene.service.line()));
    scene.service.restart().await?;
    let look = eventually(SOON, "both pods to be bound", async || {
        let answered = scene.service.first_trusted().await?;
        let [one, other] = WAITING.map(|pod| evidence.bound(pod));
        Ok((answered, [one?, other?]))
    });
    let (answered, bound) = screen
        .wait("until the service is asked again", look)
        .await?;
    scene
        .show(screen, "get pods patient tolerant -o wide")
        .await?;
    let took = bound.map(|bound| format!("{:.2} s", seconds(answered, bound)));
    screen.claim(
        bound.iter().all(|bound| within(BOUND, answered, *bound)),
        "both pods were bound within 2 s of the first good answer",
        format_args!(
            "{}; the service answered {:.1} s after its start",
            took.join(" and "),
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
        scene.marks().await? == *marks_before,
        "every node is what it was before, without anybody's help",
        format_args!("{attested} trusted"),
    )
}

/// How many nodes have this.
fn count(nodes: &BTreeMap<String, String>, this: &str) -> usize {
    nodes.values().filter(|found| *found == this).count()
}
