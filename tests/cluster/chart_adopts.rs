//! Whoever began with `manifests/` goes on with the chart, and no policy is gone meanwhile.

use trustpool_harness::helm::chart;
use trustpool_harness::install::{NAMESPACE, project};
use trustpool_harness::{ControlPlane, Slot};

use crate::chart::{field, helm};

/// What must stay the same object.
const KEPT: [[&str; 2]; 4] = [
    ["validatingadmissionpolicy", "pods.trustpool.dev"],
    ["validatingwebhookconfiguration", "bind.trustpool.dev"],
    ["crd", "nodetrusts.trustpool.dev"],
    ["deployment", "trustpool-gate"],
];

async fn uids(plane: &ControlPlane) -> anyhow::Result<Vec<String>> {
    let mut uids = Vec::new();
    for object in KEPT {
        uids.push(field(plane, &object, "{.metadata.uid}").await?);
    }
    Ok(uids)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chart_takes_over_what_was_applied_from_manifests() {
    let _slot = Slot::take().await.unwrap();
    let plane = ControlPlane::builder().start().await.unwrap();
    plane.create_namespace(NAMESPACE).await.unwrap();
    plane.apply(&project("crds")).await.unwrap();
    plane.apply(&project("manifests")).await.unwrap();
    let before = uids(&plane).await.unwrap();

    // As docs/upgrade.md says, but for the Jobs, as nothing runs pods here.
    let chart = chart().display().to_string();
    let install = [
        "install",
        "trustpool",
        &chart,
        "--take-ownership",
        "--force-conflicts",
    ];
    let without = ["--set", "check.enabled=false,cleanup.enabled=false"];
    helm(&plane, &[&install[..], &without].concat())
        .await
        .unwrap();

    assert_eq!(uids(&plane).await.unwrap(), before, "they were made anew");
    let manager = r"{.metadata.labels.app\.kubernetes\.io/managed-by}";
    for object in KEPT {
        let by = field(&plane, &object, manager).await.unwrap();
        assert_eq!(by, "Helm", "{object:?}");
    }
    helm(&plane, &["uninstall", "trustpool"]).await.unwrap();
    let policies = ["get", "validatingadmissionpolicies", "--output=name"];
    assert_eq!(plane.kubectl(&policies).await.unwrap(), "");
}
