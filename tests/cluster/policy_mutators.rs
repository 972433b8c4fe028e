//! Other mutators, before ours and after: what a pod asks is whole in the end, or the pod is refused.

use anyhow::ensure;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use serde_json::json;
use trustpool::api::keys;
use trustpool_harness::install::try_out;
use trustpool_harness::{ControlPlane, SOON, Slot, eventually};

use crate::policy::{annotated, carried, pod, policed, routes};

/// Puts a container in front of all others, unless it is there.
const SIDECAR: &str = r#"object.spec.containers.exists(it, it.name == "sidecar") ? []
    : [JSONPatch{op: "add", path: "/spec/containers/0", value: Object.spec.containers{name: "sidecar", image: "none"}}]"#;

/// Takes the whole `nodeSelector` off.
const STRIP: &str =
    r#"has(object.spec.nodeSelector) ? [JSONPatch{op: "remove", path: "/spec/nodeSelector"}] : []"#;

/// Asks for a pod that did not.
const ASK: &str = r#"[JSONPatch{op: "add", path: "/metadata/annotations",
    value: {"trustpool.dev/require": "trusted"}}]"#;

/// How often policies come and go, to be called in another order each time.
const TIMES: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_other_mutators_do_a_requirement_is_whole_or_its_pod_is_refused() {
    let _slot = Slot::take().await.unwrap();
    let plane = policed().await.unwrap();
    let client = plane.client().await.unwrap();

    // Policies are called in any order, which changes whenever one comes, and ours once more after whoever changed
    // the pod.
    for _ in 0..TIMES {
        mutator(&plane, "sidecar", "Never", SIDECAR).await.unwrap();
        let sidecar = async || whole(&client, &["sidecar", "main"]).await;
        eventually(SOON, "a sidecar in front", sidecar)
            .await
            .unwrap();
        gone(&plane, "sidecar").await.unwrap();

        mutator(&plane, "strip", "Never", STRIP).await.unwrap();
        let back = async || put_back(&client).await;
        eventually(SOON, "what was stripped is put back", back)
            .await
            .unwrap();
        gone(&plane, "strip").await.unwrap();
    }
    // One that has the last word is called again after ours.
    mutator(&plane, "strip", "IfNeeded", STRIP).await.unwrap();
    let settled = async || put_back(&client).await.or_else(refused);
    eventually(SOON, "what was stripped is put back or missed", settled)
        .await
        .unwrap();
    gone(&plane, "strip").await.unwrap();
    // One that asks may do so after our policies have passed the pod by.
    mutator(&plane, "ask", "Never", ASK).await.unwrap();
    let settled = async || asked(&client).await.or_else(refused);
    eventually(SOON, "a pod that asks late asks or is refused", settled)
        .await
        .unwrap();
}

/// Somebody else's policy for pods, and its binding.
async fn mutator(
    plane: &ControlPlane,
    name: &str,
    again: &str,
    expression: &str,
) -> anyhow::Result<()> {
    let api = "admissionregistration.k8s.io/v1";
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]});
    let policy = json!({"apiVersion": api, "kind": "MutatingAdmissionPolicy", "metadata": {"name": name}, "spec": {
        "failurePolicy": "Fail", "reinvocationPolicy": again, "matchConstraints": {"resourceRules": [rule]},
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}]}});
    let binding = json!({"apiVersion": api, "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": name},
        "spec": {"policyName": name}});
    let file = plane.directory().join("mutator.json");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [policy, binding]});
    std::fs::write(&file, list.to_string())?;
    plane.apply(&file).await
}

async fn gone(plane: &ControlPlane, name: &str) -> anyhow::Result<()> {
    for kind in ["mutatingadmissionpolicybinding", "mutatingadmissionpolicy"] {
        plane.kubectl(&["delete", kind, name]).await?;
    }
    Ok(())
}

/// The pod has these containers, and everything that it asks with: routed once, whoever stands in front.
async fn whole(client: &Client, containers: &[&str]) -> anyhow::Result<()> {
    for (namespace, metadata) in [("plain", annotated("trusted")), ("asks", json!({}))] {
        let made: Pod = try_out(client, Some(namespace), pod(metadata, json!({}))).await?;
        let names = made
            .spec
            .iter()
            .flat_map(|spec| &spec.containers)
            .map(|it| it.name.as_str());
        ensure!(names.collect::<Vec<_>>() == containers, "{namespace}");
        ensure!(
            carried(&made).iter().all(|map| !map.is_empty()),
            "{:?}",
            carried(&made)
        );
        let routed = routes(&made).into_iter().filter(|routes| *routes).count();
        ensure!(routed == 1, "{namespace}: routed {routed} times");
    }
    Ok(())
}

/// The `nodeSelector` was stripped, as what somebody else had in it shows, and has what we put there.
async fn put_back(client: &Client) -> anyhow::Result<()> {
    let selector = json!({"nodeSelector": {"example.com/other": "gone"}});
    let made: Pod = try_out(client, Some("plain"), pod(annotated("trusted"), selector)).await?;
    let selector = made
        .spec
        .and_then(|spec| spec.node_selector)
        .unwrap_or_default();
    ensure!(
        selector.keys().collect::<Vec<_>>() == [keys::TRUST],
        "{selector:?}"
    );
    Ok(())
}

/// A pod that said nothing asks for trust in every place.
async fn asked(client: &Client) -> anyhow::Result<()> {
    let made: Pod = try_out(client, Some("plain"), pod(json!({}), json!({}))).await?;
    let carried = carried(&made);
    ensure!(carried.iter().all(|map| !map.is_empty()), "{carried:?}");
    Ok(())
}

/// The pod was not admitted, for want of the `nodeSelector`.
fn refused(error: anyhow::Error) -> anyhow::Result<()> {
    let words = ["asks for trust and has no nodeSelector", keys::TRUST];
    let said = format!("{error:#}");
    if words.iter().all(|word| said.contains(word)) {
        return Ok(());
    }
    Err(error)
}
