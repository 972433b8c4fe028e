//! What an administrator does before Trustpool starts: definitions, policies, roles, users.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::api::PostParams;
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use trustpool::api::keys;

use crate::{ControlPlane, Identity, SOON, eventually};

/// The user that Trustpool runs as, bound to the roles in `manifests`.
pub const USER: &str = "trustpool-controller";

/// The namespace that Trustpool reads.
pub const NAMESPACE: &str = "trustpool-system";

/// A file or folder of the project.
#[must_use]
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// Creates Trustpool's definitions, policies, roles and user in a control plane, and waits until the policies
/// are in force.
///
/// # Errors
///
/// If the API server refuses any of it.
pub async fn install(plane: &ControlPlane) -> anyhow::Result<Identity> {
    plane.apply(&project("crds")).await?;
    plane.apply(&project("manifests")).await?;
    let user = user(plane, USER).await?;
    Box::pin(in_force(&plane.client().await?)).await?;
    Ok(user)
}

/// A user with the cluster role and the role that have its name.
async fn user(plane: &ControlPlane, name: &str) -> anyhow::Result<Identity> {
    let user = format!("--user={name}");
    for (binding, role) in [
        ("clusterrolebinding", "--clusterrole"),
        ("rolebinding", "--role"),
    ] {
        let role = format!("{role}={name}");
        let named = format!("{name}-user");
        let arguments = ["create", binding, &named, &role, &user, "-n", NAMESPACE];
        plane
            .kubectl(&arguments)
            .await
            .with_context(|| format!("failed to bind user `{name}`"))?;
    }
    plane.user(name, &[])
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
