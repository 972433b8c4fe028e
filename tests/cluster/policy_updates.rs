//! A requirement lasts as long as its pod, and a pod from before the policies ends in peace.

use anyhow::{Context as _, ensure};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use trustpool::api::keys;
use trustpool_harness::install::{install, install_policies};
use trustpool_harness::{ControlPlane, NodeBuilder, Part, SOON, Signal, Slot, eventually};

use crate::policy::{annotated, pod, policed, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_requirement_cannot_be_taken_off_a_pod_or_put_on_it() {
    let _slot = Slot::take().await.unwrap();
    let plane = policed().await.unwrap();
    let client = plane.client().await.unwrap();

    no_way_to_change_it(&client).await.unwrap();
    a_pod_that_ends_is_left_alone(&client).await.unwrap();
    bindings_carry_nothing_of_ours(&plane, &client)
        .await
        .unwrap();
}

async fn create(pods: &Api<Pod>, metadata: Value, spec: Value) -> anyhow::Result<Pod> {
    let object = serde_json::from_value(pod(metadata, spec))?;
    Ok(pods.create(&PostParams::default(), &object).await?)
}

/// By `pods` and by `pods/status`, each key in each map, taken off, changed and put on.
async fn no_way_to_change_it(client: &Client) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), "plain");
    let both = json!({"name": "asks", "annotations": {keys::REQUIRE: "trusted", keys::REQUIRE_POOL: "p"},
        "labels": {keys::REQUIRE_POOL: "p"}});
    create(&pods, both, json!({})).await?;
    create(&pods, json!({"name": "silent"}), json!({})).await?;
    let params = PatchParams::default();
    for key in [keys::REQUIRE, keys::REQUIRE_POOL] {
        for map in ["annotations", "labels"] {
            for (name, value) in [
                ("asks", json!(null)),
                ("asks", json!("audit")),
                ("silent", json!("trusted")),
            ] {
                let patch = Patch::Merge(json!({"metadata": {map: {key: value}}}));
                let main = pods.patch(name, &params, &patch).await;
                let status = pods.patch_status(name, &params, &patch).await;
                for written in [main, status] {
                    let error = written
                        .err()
                        .with_context(|| format!("{name}: {map} {key}={value}"))?;
                    ensure!(
                        error.to_string().contains("is settled when it is created"),
                        "{error}"
                    );
                }
            }
        }
    }
    // Everything else of it goes on.
    let patch =
        Patch::Merge(json!({"metadata": {"labels": {"a": "b"}}, "status": {"phase": "Running"}}));
    for name in ["asks", "silent"] {
        pods.patch(name, &params, &patch).await?;
        pods.patch_status(name, &params, &patch).await?;
    }
    Ok(())
}

async fn a_pod_that_ends_is_left_alone(client: &Client) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), "asks");
    create(
        &pods,
        json!({"name": "ends", "finalizers": ["example.com/wait"]}),
        json!({}),
    )
    .await?;
    pods.delete("ends", &DeleteParams::default()).await?;
    let params = PatchParams::default();
    let freed =
        Patch::Merge(json!({"metadata": {"finalizers": null, "labels": {keys::REQUIRE: null}}}));
    pods.patch("ends", &params, &freed).await?;
    ensure!(pods.get_opt("ends").await?.is_none());
    Ok(())
}

async fn bindings_carry_nothing_of_ours(
    plane: &ControlPlane,
    client: &Client,
) -> anyhow::Result<()> {
    plane.nodes().await?.create(&NodeBuilder::new("n1")).await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), "plain");
    create(&pods, json!({"name": "bound"}), json!({})).await?;
    for map in ["annotations", "labels"] {
        for key in [keys::REQUIRE, keys::REQUIRE_POOL] {
            let metadata = json!({"name": "bound", map: {key: "audit"}});
            for path in ["pods/bound/binding", "bindings"] {
                let answer = bind(client, "plain", path, metadata.clone()).await;
                let error = answer
                    .err()
                    .with_context(|| format!("{path} carries {map} {key}"))?;
                ensure!(
                    error.to_string().contains("a Binding may not carry"),
                    "{error}"
                );
            }
        }
    }
    Ok(())
}

/// Posts a Binding to node `n1`.
async fn bind(
    client: &Client,
    namespace: &str,
    path: &str,
    metadata: Value,
) -> kube::Result<Value> {
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": metadata,
        "target": {"apiVersion": "v1", "kind": "Node", "name": "n1"}});
    let request = http::Request::post(format!("/api/v1/namespaces/{namespace}/{path}"));
    let request = request.header("content-type", "application/json");
    let request = request.body(binding.to_string().into_bytes());
    client
        .request(request.map_err(|error| {
            kube::Error::BuildRequest(kube::core::request::Error::BuildRequest(error))
        })?)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_and_jobs_from_before_the_policies_end_in_peace() {
    let _slot = Slot::take().await.unwrap();
    let mut plane = ControlPlane::builder()
        .controller_manager()
        .kwok()
        .start()
        .await
        .unwrap();
    let client = plane.client().await.unwrap();
    plane
        .nodes()
        .await
        .unwrap()
        .create(&NodeBuilder::new("n1"))
        .await
        .unwrap();
    plane.create_namespace("old").await.unwrap();
    let (pods, jobs) = (
        Api::<Pod>::namespaced(client.clone(), "old"),
        Api::<Job>::namespaced(client.clone(), "old"),
    );
    let asks = || json!({"annotations": {keys::REQUIRE: "trusted"}});
    let mut held = annotated("trusted");
    held["name"] = json!("held");
    held["finalizers"] = json!(["example.com/wait"]);
    create(&pods, held, json!({"nodeName": "n1"}))
        .await
        .unwrap();
    let spec = json!({"restartPolicy": "Never", "nodeName": "n1", "containers": [{"name": "main", "image": "none"}]});
    let job = json!({"metadata": {"name": "job"}, "spec": {"template": {"metadata": asks(), "spec": spec}}});
    plane
        .part(Part::Kwok)
        .unwrap()
        .signal(Signal::Stop)
        .unwrap();
    jobs.create(
        &PostParams::default(),
        &serde_json::from_value(job).unwrap(),
    )
    .await
    .unwrap();
    eventually(SOON, "the job's pod exists", async || {
        let selector = kube::api::ListParams::default().labels("job-name=job");
        ensure!(!pods.list(&selector).await?.items.is_empty());
        Ok(())
    })
    .await
    .unwrap();

    install(&plane).await.unwrap();
    install_policies(&plane).await.unwrap();
    let label = [
        "label",
        "namespace",
        "old",
        "trustpool.dev/require=trusted",
        "trustpool.dev/gate=strict",
    ];
    plane.kubectl(&label).await.unwrap();
    plane
        .part(Part::Kwok)
        .unwrap()
        .signal(Signal::Continue)
        .unwrap();

    eventually(SOON, "the job is complete", async || {
        let status = jobs.get("job").await?.status.unwrap_or_default();
        ensure!(status.succeeded == Some(1), "{status:?}");
        Ok(())
    })
    .await
    .unwrap();
    pods.delete("held", &DeleteParams::default()).await.unwrap();
    let freed = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    pods.patch("held", &PatchParams::default(), &freed)
        .await
        .unwrap();
    eventually(SOON, "the held pod is gone", async || {
        ensure!(pods.get_opt("held").await?.is_none());
        Ok(())
    })
    .await
    .unwrap();
    let admin = plane.admin().clone();
    let again = [
        "run",
        "late",
        "-n",
        "old",
        "--image=none",
        "--overrides",
        r#"{"spec": {"nodeName": "n1"}}"#,
    ];
    refused(&plane, &admin, &again, &["names its node itself"])
        .await
        .unwrap();
}
