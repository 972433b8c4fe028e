//! A release gets the filter and loses it again, and the bind gate is not touched.

use trustpool_harness::helm::chart;
use trustpool_harness::{ControlPlane, Slot};

use crate::chart::{field, helm, is_there};

/// What must stay the same object, and be asked to be the same.
const KEPT: [[&str; 2]; 4] = [
    ["deployment", "trustpool-gate"],
    ["service", "trustpool-gate"],
    ["networkpolicy", "trustpool-gate"],
    ["poddisruptionbudget", "trustpool-gate"],
];

/// Which objects these are, and how often what they are to be has changed.
async fn kept(plane: &ControlPlane) -> anyhow::Result<Vec<String>> {
    let mut kept = Vec::new();
    for object in KEPT {
        kept.push(field(plane, &object, "{.metadata.uid} {.metadata.generation}").await?);
        kept.push(field(plane, &object, "{.spec}").await?);
    }
    Ok(kept)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_is_added_and_removed_and_the_bind_gate_stays() {
    let _slot = Slot::take().await.unwrap();
    let plane = ControlPlane::builder().start().await.unwrap();
    let chart = chart().display().to_string();
    let told = async |verb: &str, is_enabled: bool| {
        // Nothing runs pods here, so no Job of the chart would end.
        let values = format!("check.enabled=false,extender.enabled={is_enabled}");
        let arguments = [verb, "trustpool", &chart, "--create-namespace", "--set"];
        let arguments = [&arguments[..], &[&values]].concat();
        helm(&plane, &arguments).await.unwrap();
        is_there(&plane, "daemonset", "trustpool-extender")
            .await
            .unwrap()
    };

    assert!(!told("install", false).await);
    let before = kept(&plane).await.unwrap();
    for is_enabled in [true, false] {
        assert_eq!(told("upgrade", is_enabled).await, is_enabled);
        assert_eq!(kept(&plane).await.unwrap(), before, "{is_enabled}");
    }
}
