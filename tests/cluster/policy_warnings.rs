//! What is said to whoever writes something that is allowed and will not do what they want; and to nobody else.

use anyhow::ensure;
use serde_json::{Value, json};
use trustpool::api::keys;
use trustpool_harness::{SOON, Setup, Slot, World, eventually};

use crate::support::{INTERVAL, labelled_namespace, passing};

/// What every warning of ours begins with.
const OURS: &str = "'warn-";

#[tokio::test(flavor = "multi_thread")]
async fn warnings_are_said_when_they_are_true_and_never_else() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({"breaker": {"maxUntrusted": "100%"}, "trustAgain": {"verdicts": 1}});
    let world = Setup::default().pool(pool).start().await.unwrap();
    labelled_namespace(&world, "required", &["trustpool.dev/require=trusted"])
        .await
        .unwrap();
    labelled_namespace(&world, "strict", &["trustpool.dev/gate=strict"])
        .await
        .unwrap();
    world.node("a", "untrusted").await.unwrap();
    world.labelled("a", Some("untrusted")).await.unwrap();

    nobody_else_is_warned(&world).await.unwrap();
    a_pod_that_will_wait(&world).await.unwrap();
    a_namespace_that_is_not_covered(&world).await.unwrap();
    templates(&world).await.unwrap();
    once_a_node_is_trusted_nobody_is_warned(&world)
        .await
        .unwrap();
}

/// The warnings of ours that kubectl prints when it creates `object`, which is admitted.
async fn warned(world: &World, namespace: &str, object: &Value) -> anyhow::Result<String> {
    let file = world.plane.directory().join("warned.json");
    std::fs::write(&file, object.to_string())?;
    let mut command = world.plane.kubectl_command(world.plane.admin());
    let command = command
        .args(["create", "--dry-run=server", "-n", namespace, "-f"])
        .arg(&file);
    let output = command.output().await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{said}");
    Ok(said
        .lines()
        .filter(|line| line.contains(OURS))
        .collect::<Vec<_>>()
        .join("\n"))
}

async fn says(
    world: &World,
    namespace: &str,
    object: &Value,
    words: &[&str],
) -> anyhow::Result<()> {
    eventually(SOON, "a warning", async || {
        let said = warned(world, namespace, object).await?;
        for word in words {
            ensure!(said.contains(word), "`{word}` is not in `{said}`");
        }
        Ok(())
    })
    .await
}

fn pod(metadata: Value) -> Value {
    let mut metadata = metadata;
    metadata["name"] = json!("probe");
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {"containers": [{"name": "main", "image": "none"}]}})
}

fn asks() -> Value {
    json!({"annotations": {keys::REQUIRE: "trusted"}})
}

/// A workload of `kind`, whose template has `metadata` and `spec` besides.
fn workload(kind: &str, metadata: &Value, spec: &Value) -> Value {
    let mut template = json!({"metadata": {"labels": {"app": "probe"}},
        "spec": {"containers": [{"name": "main", "image": "none"}]}});
    for (part, more) in [("metadata", metadata), ("spec", spec)] {
        let fields = template[part].as_object_mut();
        fields
            .unwrap()
            .extend(more.as_object().cloned().unwrap_or_default());
    }
    let name = json!({"name": "probe"});
    let selector = json!({"matchLabels": {"app": "probe"}});
    match kind {
        "Job" | "CronJob" => {
            template["spec"]["restartPolicy"] = json!("Never");
            let job = json!({"template": template});
            let spec = if kind == "Job" {
                job
            } else {
                json!({"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job}})
            };
            json!({"apiVersion": "batch/v1", "kind": kind, "metadata": name, "spec": spec})
        }
        _ => {
            let mut spec = json!({"selector": selector, "template": template});
            if kind == "StatefulSet" {
                spec["serviceName"] = json!("x");
            }
            json!({"apiVersion": "apps/v1", "kind": kind, "metadata": name, "spec": spec})
        }
    }
}

const KINDS: [&str; 6] = [
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "ReplicaSet",
    "StatefulSet",
];

async fn nobody_else_is_warned(world: &World) -> anyhow::Result<()> {
    let nothing = json!({});
    let mut plain = vec![pod(json!({}))];
    plain.extend(KINDS.map(|kind| workload(kind, &nothing, &nothing)));
    for object in &plain {
        for namespace in ["default", "strict"] {
            let said = warned(world, namespace, object).await?;
            ensure!(said.is_empty(), "{namespace}: {said}");
        }
    }
    Ok(())
}

async fn a_pod_that_will_wait(world: &World) -> anyhow::Result<()> {
    says(
        world,
        "strict",
        &pod(asks()),
        &["no TrustPool has a trusted node just now"],
    )
    .await?;
    says(
        world,
        "required",
        &pod(json!({})),
        &["no TrustPool has a trusted node just now"],
    )
    .await?;
    let pinned = |pool: &str| {
        let mut metadata = asks();
        metadata["annotations"][keys::REQUIRE_POOL] = json!(pool);
        pod(metadata)
    };
    says(
        world,
        "strict",
        &pinned("default"),
        &["TrustPool `default` has no trusted node just now, so"],
    )
    .await?;
    says(
        world,
        "strict",
        &pinned("gold"),
        &["`gold`", "there is no such TrustPool"],
    )
    .await
}

async fn a_namespace_that_is_not_covered(world: &World) -> anyhow::Result<()> {
    says(
        world,
        "default",
        &pod(asks()),
        &[
            "namespace `default` is not covered by the bind gate",
            "gate: strict",
        ],
    )
    .await?;
    for (namespace, metadata) in [("strict", asks()), ("required", json!({}))] {
        let said = warned(world, namespace, &pod(metadata)).await?;
        ensure!(!said.contains("not covered"), "{namespace}: {said}");
    }
    // No label covers these, so none is recommended.
    let account = ["create", "serviceaccount", "default", "-n", "kube-system"];
    let label = [
        "label",
        "namespace",
        "kube-system",
        "trustpool.dev/gate=strict",
    ];
    world.plane.kubectl(&account).await?;
    world.plane.kubectl(&label).await?;
    says(
        world,
        "kube-system",
        &pod(asks()),
        &["not covered", "take another namespace"],
    )
    .await
}

async fn templates(world: &World) -> anyhow::Result<()> {
    let nothing = json!({});
    let selector = json!({"nodeSelector": {keys::TRUST: "trusted"}});
    for kind in KINDS {
        let wrong = json!({"annotations": {keys::REQUIRE: "yes"}});
        says(
            world,
            "default",
            &workload(kind, &wrong, &nothing),
            &["must be `trusted` or"],
        )
        .await?;
        let named = json!({"nodeName": "a"});
        says(
            world,
            "default",
            &workload(kind, &asks(), &named),
            &["spec.nodeName"],
        )
        .await?;
        let said = warned(world, "default", &workload(kind, &asks(), &selector)).await?;
        ensure!(said.is_empty(), "{kind}: {said}");
        // What is added to a pod comes in time for every controller but one.
        let bare = warned(world, "default", &workload(kind, &asks(), &nothing)).await?;
        ensure!(
            bare.contains("waits for ever") == (kind == "DaemonSet"),
            "{kind}: {bare}"
        );
    }
    of_a_pool(world, &selector).await?;
    let ruled = workload("DaemonSet", &nothing, &nothing);
    says(
        world,
        "required",
        &ruled,
        &["waits for ever", "add nodeSelector"],
    )
    .await
}

/// A `DaemonSet` whose template selects trusted nodes of any pool, and whose pods will be of one.
async fn of_a_pool(world: &World, selector: &Value) -> anyhow::Result<()> {
    let mut metadata = asks();
    metadata["annotations"][keys::REQUIRE_POOL] = json!("gold");
    let mut set = workload("DaemonSet", &metadata, selector);
    let words = [
        "is for TrustPool `gold`",
        "trustpool.dev.node-restriction.kubernetes.io/pool: gold",
    ];
    says(world, "strict", &set, &words).await?;
    set["spec"]["template"]["spec"]["nodeSelector"][keys::POOL] = json!("gold");
    let said = warned(world, "strict", &set).await?;
    ensure!(said.is_empty(), "{said}");
    Ok(())
}

async fn once_a_node_is_trusted_nobody_is_warned(world: &World) -> anyhow::Result<()> {
    world.simulator.play("a", "trusted").await?;
    passing(world, INTERVAL, "a is trusted", async || {
        ensure!(world.label("a").await?.as_deref() == Some("trusted"));
        Ok(())
    })
    .await?;
    eventually(SOON, "no warning", async || {
        for (namespace, metadata) in [("strict", asks()), ("required", json!({}))] {
            let said = warned(world, namespace, &pod(metadata)).await?;
            ensure!(said.is_empty(), "{namespace}: {said}");
        }
        Ok(())
    })
    .await
}
