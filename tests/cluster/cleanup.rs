//! The end of an installation: nothing of Trustpool is left on Nodes, but labels that running pods select.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};
use trustpool::app::cleanup::{self, Cleanup};
use trustpool::controller::cleanup::Extent;
use trustpool_harness::helm::{chart, helm_command};
use trustpool_harness::install::{NAMESPACE, project};
use trustpool_harness::{Setup, Slot, World};

const USER: &str = "cleaner";

const KEEP: Extent = Extent {
    every_label: false,
    secrets: true,
};

const REMOVE: Extent = Extent {
    every_label: true,
    secrets: true,
};

/// The user that the chart's Job is, with what the chart grants it and nothing else.
async fn cleaner(world: &World) -> anyhow::Result<()> {
    let mut command = helm_command().await?;
    command.args(["template", "trustpool"]).arg(chart());
    command.args([
        "--namespace",
        NAMESPACE,
        "--show-only",
        "templates/cleanup.yaml",
    ]);
    let output = command.output().await?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let documents: Vec<Value> = serde_saphyr::from_multiple(&String::from_utf8(output.stdout)?)?;
    for mut document in documents {
        let kind = document["kind"].as_str().unwrap_or_default().to_owned();
        if kind.ends_with("Binding") {
            document["subjects"] =
                json!([{"kind": "User", "name": USER, "apiGroup": "rbac.authorization.k8s.io"}]);
        }
        if kind.contains("Role") {
            let file = world.plane.directory().join("cleaner.json");
            std::fs::write(&file, document.to_string())?;
            world.plane.apply(&file).await?;
        }
    }
    Ok(())
}

async fn clean(world: &World, extent: Extent) -> anyhow::Result<()> {
    let user = world.plane.user(USER, &[])?;
    cleanup::run(Cleanup {
        kubeconfig: Some(user.kubeconfig().to_owned()),
        namespace: NAMESPACE.to_owned(),
        extent,
    })
    .await
}

/// What of ours is on a Node.
async fn left(world: &World, node: &str) -> anyhow::Result<BTreeSet<String>> {
    let node = world
        .plane
        .kubectl(&["get", "node", node, "--output=json"])
        .await?;
    let node: Value = serde_json::from_str(&node)?;
    let empty = json!([]);
    let list = |path: &str| {
        node.pointer(path)
            .unwrap_or(&empty)
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    let labels = node["metadata"]["labels"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let labels = labels.into_iter().map(|(key, _)| key);
    let taints = list("/spec/taints")
        .into_iter()
        .map(|it| format!("taint {}", it["key"]));
    let conditions = list("/status/conditions")
        .into_iter()
        .map(|it| format!("condition {}", it["type"]));
    let all = labels.chain(taints).chain(conditions);
    Ok(all.filter(|it| it.contains("trustpool.dev")).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_labels_that_pods_need_and_then_nothing() {
    let _slot = Slot::take().await.unwrap();
    let mut world = Setup::default().scheduler().start().await.unwrap();
    for (node, verdict) in [("good", "trusted"), ("bad", "untrusted")] {
        world.node(node, verdict).await.unwrap();
        world.labelled(node, Some(verdict)).await.unwrap();
    }
    world.asking_pod("needs").await.unwrap();
    trustpool_harness::eventually(trustpool_harness::SOON, "the pod is bound", async || {
        ensure!(
            world.bound_to("needs").await?.as_deref() == Some("good"),
            "not yet"
        );
        ensure!(
            left(&world, "bad").await?.len() == 4,
            "not all marks are there"
        );
        Ok(())
    })
    .await
    .unwrap();
    let trustpool = world.trustpool.take().unwrap();
    trustpool.controller.stop().await.unwrap();
    cleaner(&world).await.unwrap();

    // What is still deployed would put everything back.
    let deployment = project("manifests/run-controller.yaml");
    world.plane.apply(&deployment).await.unwrap();
    let cleaning = clean(&world, KEEP);
    let early = tokio::time::timeout(Duration::from_secs(5), cleaning).await;
    assert!(early.is_err(), "it did not wait: {early:?}");
    assert_eq!(left(&world, "bad").await.unwrap().len(), 4);
    let delete = [
        "delete",
        "deployment",
        "trustpool-controller",
        "--namespace",
        NAMESPACE,
    ];
    world.plane.kubectl(&delete).await.unwrap();

    clean(&world, KEEP).await.unwrap();
    let labels =
        ["pool", "trust"].map(|it| format!("trustpool.dev.node-restriction.kubernetes.io/{it}"));
    assert_eq!(left(&world, "good").await.unwrap(), BTreeSet::from(labels));
    assert_eq!(left(&world, "bad").await.unwrap(), BTreeSet::new());
    let secrets = ["get", "secrets", "--output=name", "--namespace", NAMESPACE];
    let secrets = world.plane.kubectl(&secrets).await.unwrap();
    assert!(
        !secrets.contains("trustpool-ca") && !secrets.contains("trustpool-gate-tls"),
        "{secrets}"
    );

    clean(&world, REMOVE).await.unwrap();
    assert_eq!(left(&world, "good").await.unwrap(), BTreeSet::new());
}
