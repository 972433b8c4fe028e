//! The check of an installation, as the chart runs it: it waits until pods and Bindings are really refused.

use std::time::Duration;

use trustpool::app::check::{self, Check};
use trustpool_harness::{Setup, Slot, World};

use crate::support::labelled_namespace;

/// What the chart grants to whoever checks.
const ROLE: [&str; 4] = [
    "--verb=create",
    "--resource=pods",
    "--resource=pods/binding",
    "--namespace=checked",
];

fn check(world: &World, timeout: Duration) -> Check {
    let user = world.plane.user("checker", &[]).unwrap();
    Check {
        kubeconfig: Some(user.kubeconfig().to_owned()),
        namespace: "checked".to_owned(),
        timeout,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_passes_while_refusals_work_and_says_what_does_not() {
    let _slot = Slot::take().await.unwrap();
    let mut world = Setup::default().start().await.unwrap();
    labelled_namespace(&world, "checked", &["trustpool.dev/require=trusted"])
        .await
        .unwrap();
    world
        .plane
        .kubectl(&[&["create", "role", "checker"], &ROLE[..]].concat())
        .await
        .unwrap();
    let bind = [
        "create",
        "rolebinding",
        "checker",
        "--role=checker",
        "--user=checker",
        "--namespace=checked",
    ];
    world.plane.kubectl(&bind).await.unwrap();

    check::run(check(&world, Duration::from_secs(30)))
        .await
        .unwrap();

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
    trustpool_harness::eventually(
        trustpool_harness::SOON,
        "the policy is missed",
        async || {
            let error = check::run(check(&world, Duration::from_secs(2)))
                .await
                .err();
            let said = error.map(|error| format!("{error:#}")).unwrap_or_default();
            anyhow::ensure!(
                said.contains("a pod that asks for trust with a wrong value"),
                "{said}"
            );
            Ok(())
        },
    )
    .await
    .unwrap();
}
