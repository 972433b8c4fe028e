//! Step 4: twenty pods that ask, twenty that do not.

use std::collections::{BTreeMap, BTreeSet};

use crate::demo::cast;
use crate::demo::scene::Scene;
use crate::demo::screen::Screen;
use crate::demo::text::brief;
use crate::{SOON, eventually};

/// How many of each.
const TWENTY: usize = 20;

/// Where pods land.
pub(super) async fn twenty_and_twenty(scene: &Scene, screen: &mut Screen) -> anyhow::Result<()> {
    screen.step("Twenty pods that do not ask, and twenty that do");
    let labels = scene.labels().await?;
    let before = scene.asked().await?;
    scene
        .show(screen, "create deployment plain --image=app --replicas=20")
        .await?;
    let places = places(scene, screen, "plain").await?;
    let after = scene.asked().await?;
    screen.claim(
        after == before,
        "pods that do not ask never reach Trustpool",
        format_args!(
            "kube-scheduler placed {}: {}",
            places.len(),
            tally(&places, &labels)
        ),
    )?;
    scene.write("asking.yaml", &cast::twenty("asking"))?;
    scene.show(screen, "apply -f asking.yaml").await?;
    let places = self::places(scene, screen, "asking").await?;
    let table = scene
        .kubectl(screen, "get pods -l app=asking -o wide")
        .await?;
    screen.output(&brief(&table, |_| false));
    let elsewhere = places
        .iter()
        .filter(|node| labels.get(*node).is_none_or(|label| label != "trusted"));
    screen.claim(
        elsewhere.count() == 0,
        "pods that ask run on trusted nodes only",
        format_args!(
            "20 pods on {}; Trustpool was asked {} times",
            tally(&places, &labels),
            scene.asked().await? - after
        ),
    )
}

/// Waits until all twenty pods are bound.
async fn places(scene: &Scene, screen: &Screen, app: &str) -> anyhow::Result<Vec<String>> {
    let look = async || scene.places(app, TWENTY).await;
    let bound = eventually(SOON, "20 pods to be bound", look);
    screen.wait("placing 20 pods", bound).await
}

/// How many nodes with which label were used.
fn tally(places: &[String], labels: &BTreeMap<String, String>) -> String {
    let nodes: BTreeSet<&String> = places.iter().collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for node in nodes {
        let label = labels.get(node).map_or("unlabelled", String::as_str);
        *counts.entry(label).or_default() += 1;
    }
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(label, count)| format!("{count} {label}"))
        .collect();
    format!("{} nodes", counts.join(" and "))
}
