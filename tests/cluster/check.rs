//! The check of an installation, as the chart runs it: it waits until pods and Bindings are really refused.

use std::time::Duration;

use trustpool::app::check::{self, Check};
use trustpool_harness::install::project;
use trustpool_harness::{SOON, Setup, Slot, World, eventually};

use crate::roles::{all_used_and_no_more, granted, of_job};

const USER: &str = "checker";

/// The namespace that the chart's Job asks in.
const CHECKED: &str = "trustpool-check";

fn check(world: &World, timeout: Duration) -> Check {
    let user = world.plane.user(USER, &[]).unwrap();
    Check {
        kubeconfig: Some(user.kubeconfig().to_owned()),
        namespace: CHECKED.to_owned(),
        timeout,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_passes_while_refusals_work_and_says_what_does_not() {
    let _slot = Slot::take().await.unwrap();
    let mut world = Setup::default().start().await.unwrap();
    world.plane.create_namespace(CHECKED).await.unwrap();
    let roles = of_job(&world, "check.yaml", USER).await.unwrap();

    check::run(check(&world, Duration::from_secs(30)))
        .await
        .unwrap();
    let granted = granted(&roles, CHECKED).unwrap();
    let log = world.plane.audit();
    all_used_and_no_more(&log, USER, &granted).await.unwrap();

    let trustpool = world.trustpool.take().unwrap();
    trustpool.gate.stop().await.unwrap();
    let error = check::run(check(&world, Duration::from_secs(5)))
        .await
        .unwrap_err();
    let said = format!("{error:#}");
    assert!(
        said.starts_with("a Binding of a pod that is not there was not refused within 5 s"),
        "{said}"
    );
    assert!(said.contains("failed calling webhook"), "{said}");

    world
        .plane
        .kubectl(&[
            "delete",
            "validatingadmissionpolicybinding",
            "pods.trustpool.dev",
        ])
        .await
        .unwrap();
    it_comes_to_say(&world, "a pod that asks for trust with a wrong value")
        .await
        .unwrap();
}

/// Waits until the check fails with these words.
async fn it_comes_to_say(world: &World, words: &str) -> anyhow::Result<()> {
    eventually(SOON, words, async || {
        let error = check::run(check(world, Duration::from_secs(2))).await.err();
        let said = error.map(|error| format!("{error:#}")).unwrap_or_default();
        anyhow::ensure!(said.contains(words), "{said}");
        Ok(())
    })
    .await
}

/// As below Kubernetes 1.36, where a pod in a namespace that asks must bring its selector.
#[tokio::test(flavor = "multi_thread")]
async fn the_check_passes_without_mutating_policies() {
    let _slot = Slot::take().await.unwrap();
    let world = Setup::default().start().await.unwrap();
    let plane = &world.plane;
    plane.create_namespace(CHECKED).await.unwrap();
    of_job(&world, "check.yaml", USER).await.unwrap();
    for kind in ["mutatingadmissionpolicybinding", "mutatingadmissionpolicy"] {
        plane.kubectl(&["delete", kind, "--all"]).await.unwrap();
    }
    let instead = project("manifests/optional/without-mutating-policies.yaml");
    plane.apply(&instead).await.unwrap();
    let label = [
        "label",
        "namespace",
        CHECKED,
        "trustpool.dev/require=trusted",
    ];
    plane.kubectl(&label).await.unwrap();
    eventually(SOON, "pods get no selector any more", async || {
        let run = ["run", "a", "--image=a", "-n", CHECKED, "--dry-run=server"];
        let said = plane.kubectl(&run).await.err();
        let said = said.map(|error| format!("{error:#}")).unwrap_or_default();
        anyhow::ensure!(said.contains("has no nodeSelector"), "{said}");
        Ok(())
    })
    .await
    .unwrap();

    check::run(check(&world, Duration::from_secs(30)))
        .await
        .unwrap();

    // Nothing else refuses that pod: the API server names one refusal of several, whichever.
    let ours = "validatingadmissionpolicybinding/pods.trustpool.dev";
    plane.kubectl(&["delete", ours]).await.unwrap();
    it_comes_to_say(&world, "it was allowed").await.unwrap();
}
