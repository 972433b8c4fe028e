//! What an administrator does before Trustpool starts: definitions, policies, roles, users.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::api::PostParams;
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use trustpool::api::keys;

use crate::{ControlPlane, Identity, SOON, eventually};

/// The user that attests and marks, bound to the roles of that name in `manifests`.
pub const USER: &str = "trustpool-controller";

/// The user that answers, bound to the roles of that name in `manifests`.
pub const GATE: &str = "trustpool-gate";

/// A user with both, for `trustpool run`.
pub const BOTH: &str = "trustpool";

/// The users that Trustpool runs as.
#[derive(Clone, Debug)]
pub struct Users {
    /// The role that writes.
    pub controller: Identity,
    /// The role that answers.
    pub gate: Identity,
    /// Both in one.
    pub both: Identity,
}

/// The namespace that Trustpool reads.
pub const NAMESPACE: &str = "trustpool-system";

/// The admission policies, in `manifests`.
pub const POLICIES: [&str; 7] = [
    "mutating-nodes.yaml",
    "mutating-pods.yaml",
    "namespaces.yaml",
    "nodes.yaml",
    "pods.yaml",
    "service.yaml",
    "warnings.yaml",
];

/// A file or folder of the project.
#[must_use]
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// Creates Trustpool's definitions, roles and users in a control plane.
///
/// # Errors
///
/// If the API server refuses any of it.
pub async fn install(plane: &ControlPlane) -> anyhow::Result<Users> {
    plane.apply(&project("crds")).await?;
    plane.apply(&project("manifests/rbac.yaml")).await?;
    for (user, role) in [(USER, USER), (GATE, GATE), (BOTH, USER), (BOTH, GATE)] {
        bind(plane, user, role).await?;
    }
    Ok(Users {
        controller: plane.user(USER, &[])?,
        gate: plane.user(GATE, &[])?,
        both: plane.user(BOTH, &[])?,
    })
}

/// Creates the admission policies in a control plane, and waits until they are in force.
///
/// # Errors
///
/// If the API server refuses any of it.
pub async fn install_policies(plane: &ControlPlane) -> anyhow::Result<()> {
    for file in POLICIES {
        plane.apply(&project("manifests").join(file)).await?;
    }
    Box::pin(in_force(&plane.client().await?)).await
}

/// Has the API server ask the bind gate at `address` about Bindings.
///
/// # Errors
///
/// If the API server refuses it.
pub async fn install_webhook(plane: &ControlPlane, address: SocketAddr) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(project("manifests/webhook.yaml"))?;
    let mut webhook: Value = serde_saphyr::from_str(&text)?;
    let webhooks = webhook.get_mut("webhooks").and_then(Value::as_array_mut);
    for entry in webhooks.context("no webhooks")? {
        let path = entry
            .pointer("/clientConfig/service/path")
            .and_then(Value::as_str);
        let url = format!(
            "https://{address}{}",
            path.context("a webhook without a path")?
        );
        if let Some(entry) = entry.as_object_mut() {
            entry.insert("clientConfig".to_owned(), json!({"url": url}));
        }
    }
    let file = plane.directory().join("webhook.json");
    std::fs::write(&file, webhook.to_string())?;
    plane.apply(&file).await
}

/// Binds a user to the cluster role and the role called `role`.
async fn bind(plane: &ControlPlane, user: &str, role: &str) -> anyhow::Result<()> {
    let (name, user) = (format!("{user}-{role}"), format!("--user={user}"));
    for (binding, kind) in [
        ("clusterrolebinding", "--clusterrole"),
        ("rolebinding", "--role"),
    ] {
        let role = format!("{kind}={role}");
        let arguments = ["create", binding, &name, &role, &user, "-n", NAMESPACE];
        plane.kubectl(&arguments).await?;
    }
    Ok(())
}

/// Waits until the policies of `manifests` are in force: the API server reads them about once a second.
///
/// # Errors
///
/// If they are not in time.
pub async fn in_force(client: &Client) -> anyhow::Result<()> {
    eventually(SOON, "the policies are in force", async || {
        let asks = json!({"annotations": {keys::REQUIRE: "trusted"}});
        let asks: Pod = try_out(client, Some("default"), pod(asks)).await?;
        let selector = asks.spec.and_then(|spec| spec.node_selector);
        ensure!(selector.is_some(), "a pod that asks gets no selector");
        let wrong = pod(json!({"annotations": {keys::REQUIRE: "wrong"}}));
        ensure!(
            try_out::<Pod>(client, Some("default"), wrong)
                .await
                .is_err(),
            "pods are not judged"
        );
        let labels = json!({"labels": {keys::REQUIRE: "wrong"}});
        let namespace = try_out::<Namespace>(client, None, named(labels)).await;
        ensure!(namespace.is_err(), "namespaces are not judged");
        let node: Node = try_out(
            client,
            None,
            named(json!({"labels": {keys::TRUST: "trusted"}})),
        )
        .await?;
        let labels = node.metadata.labels.unwrap_or_default();
        ensure!(!labels.contains_key(keys::TRUST), "a Node keeps its label");
        Ok(())
    })
    .await
}

/// What the API server would make of a new object.
///
/// # Errors
///
/// If it would refuse it.
pub async fn try_out<K>(
    client: &Client,
    namespace: Option<&str>,
    object: Value,
) -> anyhow::Result<K>
where
    K: DeserializeOwned + Resource<DynamicType = ()>,
{
    let url = K::url_path(&(), namespace);
    let body = serde_json::to_vec(&object)?;
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let request = kube::core::Request::new(url).create(&params, body)?;
    Ok(client.request(request).await?)
}

/// An object called `probe`.
fn named(mut metadata: Value) -> Value {
    if let Some(fields) = metadata.as_object_mut() {
        fields.insert("name".to_owned(), json!("probe"));
    }
    json!({"metadata": metadata})
}

fn pod(metadata: Value) -> Value {
    let mut pod = named(metadata);
    if let Some(fields) = pod.as_object_mut() {
        let spec = json!({"containers": [{"name": "main", "image": "none"}]});
        fields.insert("spec".to_owned(), spec);
    }
    pod
}
