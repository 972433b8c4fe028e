//! The end of an installation: nothing of Trustpool is left on Nodes, but labels that running pods select.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};
use trustpool::app::cleanup::{self, Cleanup};
use trustpool::controller::cleanup::{Extent, Secrets};
use trustpool_harness::install::{NAMESPACE, project};
use trustpool_harness::{SOON, Setup, Slot, World, eventually};

use crate::roles::{all_used_and_no_more, granted, of_job};

const USER: &str = "cleaner";

const PREFIX: &str = "trustpool.dev.node-restriction.kubernetes.io";

const KEEP: Extent = Extent {
    every_label: false,
    secrets: Secrets::All,
};

const REMOVE: Extent = Extent {
    every_label: true,
    secrets: Secrets::All,
};

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

/// A pod that asks for nothing and requires a node with the label `key`, by affinity.
fn affine(name: &str, key: &str) -> Value {
    let expression = json!({"key": format!("{PREFIX}/{key}"), "operator": "Exists"});
    let terms = json!([{"matchExpressions": [expression]}]);
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "containers": [{"name": "main", "image": "none"}],
            "affinity": {"nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms},
            }},
        },
    })
}

/// Creates a pod and waits until it is bound.
async fn lands(world: &World, pod: Value, node: &str) -> anyhow::Result<()> {
    let name = pod["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let file = world.plane.directory().join("pod.json");
    std::fs::write(&file, pod.to_string())?;
    world.plane.apply(&file).await?;
    eventually(SOON, "the pod is bound", async || {
        let bound = world.bound_to(&name).await?;
        ensure!(bound.as_deref() == Some(node), "{bound:?}");
        Ok(())
    })
    .await
}

fn labels(names: &[&str]) -> BTreeSet<String> {
    names
        .iter()
        .map(|name| format!("{PREFIX}/{name}"))
        .collect()
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
    eventually(SOON, "the pod is bound", async || {
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
    let roles = of_job(&world, "cleanup.yaml", USER).await.unwrap();

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
    assert_eq!(left(&world, "good").await.unwrap(), labels(&["trust"]));
    assert_eq!(left(&world, "bad").await.unwrap(), BTreeSet::new());
    let ours = [
        "get",
        "secrets,configmaps,leases",
        "--output=name",
        "--namespace",
        NAMESPACE,
    ];
    let ours = world.plane.kubectl(&ours).await.unwrap();
    assert!(!ours.contains("trustpool-"), "{ours}");
    let granted = granted(&roles, "trustpool-cleanup").unwrap();
    let log = world.plane.audit();
    all_used_and_no_more(&log, USER, &granted).await.unwrap();

    clean(&world, REMOVE).await.unwrap();
    assert_eq!(left(&world, "good").await.unwrap(), BTreeSet::new());
}

/// Which label a pod requires by affinity alone: no policy puts a selector into a pod that does not ask.
#[tokio::test(flavor = "multi_thread")]
async fn a_label_stays_where_a_pod_requires_it_by_affinity() {
    let _slot = Slot::take().await.unwrap();
    let mut world = Setup::default().scheduler().start().await.unwrap();
    world.node("trust", "trusted").await.unwrap();
    world.labelled("trust", Some("trusted")).await.unwrap();
    lands(&world, affine("of-trust", "trust"), "trust")
        .await
        .unwrap();
    world.plane.kubectl(&["cordon", "trust"]).await.unwrap();
    for node in ["pool", "none"] {
        world.node(node, "trusted").await.unwrap();
        world.labelled(node, Some("trusted")).await.unwrap();
        if node == "pool" {
            lands(&world, affine("of-pool", "pool"), node)
                .await
                .unwrap();
        }
    }
    let trustpool = world.trustpool.take().unwrap();
    trustpool.controller.stop().await.unwrap();
    of_job(&world, "cleanup.yaml", USER).await.unwrap();

    clean(&world, KEEP).await.unwrap();

    assert_eq!(left(&world, "trust").await.unwrap(), labels(&["trust"]));
    assert_eq!(left(&world, "pool").await.unwrap(), labels(&["pool"]));
    assert_eq!(left(&world, "none").await.unwrap(), BTreeSet::new());
}
