//! What the tests of the admission policies share: namespaces with every rule, pods, and what is said to them.

use std::collections::BTreeMap;

use anyhow::ensure;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use trustpool::api::keys;
use trustpool_harness::install::{install, install_policies, project, try_out};
use trustpool_harness::{ControlPlane, Identity, SOON, eventually};

/// Namespaces, by their labels `trustpool.dev/require` and `trustpool.dev/pool`.
pub const NAMESPACES: [(&str, Option<&str>, Option<&str>); 6] = [
    ("plain", None, None),
    ("pinned", None, Some("p")),
    ("asks", Some("trusted"), None),
    ("asks-pinned", Some("trusted"), Some("p")),
    ("audits", Some("audit"), None),
    ("audits-pinned", Some("audit"), Some("p")),
];

/// A control plane with the policies of `manifests`, those for an extender too, and [`NAMESPACES`].
pub async fn policed() -> anyhow::Result<ControlPlane> {
    let plane = ControlPlane::builder().start().await?;
    install(&plane).await?;
    install_policies(&plane).await?;
    plane
        .apply(&project("manifests/optional/extender.yaml"))
        .await?;
    for (name, require, pool) in NAMESPACES {
        plane.create_namespace(name).await?;
        let labels = [(keys::REQUIRE, require), (keys::REQUIRE_POOL, pool)];
        for (key, value) in labels {
            if let Some(value) = value {
                let label = format!("{key}={value}");
                plane.kubectl(&["label", "namespace", name, &label]).await?;
            }
        }
    }
    routed(&plane).await?;
    Ok(plane)
}

/// Waits until pods are routed to the extender.
async fn routed(plane: &ControlPlane) -> anyhow::Result<()> {
    let client = plane.client().await?;
    eventually(SOON, "pods are routed", async || {
        let pod = try_out::<Pod>(&client, Some("asks-pinned"), pod(json!({}), json!({}))).await?;
        ensure!(serde_json::to_string(&pod)?.contains(keys::RESOURCE));
        Ok(())
    })
    .await
}

/// A pod called `probe`.
pub fn pod(metadata: Value, spec: Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "probe"},
        "spec": {"containers": [{"name": "main", "image": "none"}]},
    });
    for (path, change) in [("/metadata", metadata), ("/spec", spec)] {
        let fields = pod.pointer_mut(path).and_then(Value::as_object_mut);
        let change = change.as_object().cloned().unwrap_or_default();
        fields.unwrap().extend(change);
    }
    pod
}

/// `{"annotations": {trustpool.dev/require: value}}`.
pub fn annotated(value: &str) -> Value {
    json!({"annotations": {keys::REQUIRE: value}})
}

/// What a pod carries of ours: annotations, labels and nodeSelector, each without other people's entries.
pub fn carried(pod: &Pod) -> [BTreeMap<String, String>; 3] {
    let ours = |map: Option<&BTreeMap<String, String>>| {
        let mut map = map.cloned().unwrap_or_default();
        map.retain(|key, _| key.starts_with("trustpool.dev"));
        map
    };
    let selector = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.node_selector.as_ref());
    [
        ours(pod.metadata.annotations.as_ref()),
        ours(pod.metadata.labels.as_ref()),
        ours(selector),
    ]
}

/// How often a pod's containers name the managed resource, by container, init containers last.
pub fn routes(pod: &Pod) -> Vec<bool> {
    let spec = pod.spec.clone().unwrap_or_default();
    let init = spec.init_containers.unwrap_or_default();
    let names = |container: k8s_openapi::api::core::v1::Container| {
        let resources = container.resources.unwrap_or_default();
        let lists = [resources.limits, resources.requests];
        lists
            .into_iter()
            .flatten()
            .any(|list| list.contains_key(keys::RESOURCE))
    };
    spec.containers.into_iter().chain(init).map(names).collect()
}

/// Makes the `default` service account of a namespace, without which no pod is admitted.
pub async fn account(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let account = serde_json::from_value(json!({"metadata": {"name": "default"}}))?;
    accounts.create(&PostParams::default(), &account).await?;
    Ok(())
}

/// A user who may do `verbs` with `resources` (`nodes`, `nodes/status`, `nodetrusts.trustpool.dev`, …) everywhere.
pub async fn user(
    plane: &ControlPlane,
    name: &str,
    verbs: &str,
    resources: &str,
) -> anyhow::Result<Identity> {
    let (verbs, resources) = (format!("--verb={verbs}"), format!("--resource={resources}"));
    plane
        .kubectl(&["create", "clusterrole", name, &verbs, &resources])
        .await?;
    let (role, user) = (format!("--clusterrole={name}"), format!("--user={name}"));
    plane
        .kubectl(&["create", "clusterrolebinding", name, &role, &user])
        .await?;
    plane.user(name, &[])
}

/// Makes sure that a command of kubectl is refused, with every one of `words`.
pub async fn refused(
    plane: &ControlPlane,
    user: &Identity,
    arguments: &[&str],
    words: &[&str],
) -> anyhow::Result<()> {
    match plane.kubectl_as(user, arguments).await {
        Ok(said) => anyhow::bail!("{arguments:?} is allowed: {said}"),
        Err(error) => {
            let error = format!("{error:#}");
            for word in words {
                ensure!(error.contains(word), "`{word}` is not in {error}");
            }
            Ok(())
        }
    }
}
