//! What kubelets do to Nodes: register, report, reboot, leave. Done as an administrator, with or
//! without kwok and the controller manager.

use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{Node, Taint};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::{NodeBuilder, Readiness, eventually};

/// How many nodes register at the same time.
const CONCURRENCY: usize = 32;

/// The taint that the API server gives every new Node, until something says that it is Ready.
const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// How long to try again while others write the same Node.
const CONFLICTS: Duration = Duration::from_secs(10);

/// The nodes of a control plane.
#[derive(Clone, Debug)]
pub struct Nodes {
    api: Api<Node>,
}

impl Nodes {
    /// The nodes that a client sees.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            api: Api::all(client),
        }
    }

    /// The API that they are written through.
    #[must_use]
    pub const fn api(&self) -> &Api<Node> {
        &self.api
    }

    /// Registers a node. When this returns it can be scheduled to, if it is Ready.
    ///
    /// # Errors
    ///
    /// If the API server refuses.
    pub async fn create(&self, node: &NodeBuilder) -> anyhow::Result<Node> {
        let created = self.api.create(&PostParams::default(), &node.build()).await;
        let created =
            created.with_context(|| format!("failed to create node `{}`", node.name()))?;
        if node.is_ready() {
            self.admit(created).await
        } else {
            Ok(created)
        }
    }

    /// Registers many nodes, 32 at a time.
    ///
    /// # Errors
    ///
    /// If the API server refuses one; others may have been registered.
    pub async fn create_all(&self, nodes: &[NodeBuilder]) -> anyhow::Result<()> {
        let creations = nodes.iter().map(|node| self.create(node));
        let all = stream::iter(creations).buffer_unordered(CONCURRENCY);
        all.try_for_each(async |_| Ok(())).await
    }

    /// Gets a node.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub async fn get(&self, name: &str) -> anyhow::Result<Node> {
        self.api
            .get(name)
            .await
            .with_context(|| format!("failed to get node `{name}`"))
    }

    /// Gives a node another boot ID, as after a reboot.
    ///
    /// # Errors
    ///
    /// If the API server refuses.
    pub async fn reboot(&self, name: &str, boot_id: &str) -> anyhow::Result<Node> {
        let status = json!({"nodeInfo": {"bootID": boot_id}});
        self.patch_status(name, &status).await
    }

    /// Sets what a node's Ready condition says. Where a controller manager runs, taints follow.
    ///
    /// # Errors
    ///
    /// If the API server refuses.
    pub async fn set_ready(&self, name: &str, readiness: Readiness) -> anyhow::Result<Node> {
        let status = json!({"conditions": [readiness.condition()]});
        self.patch_status(name, &status).await
    }

    /// Sets a label, or takes it off.
    ///
    /// # Errors
    ///
    /// If the API server refuses.
    pub async fn label(&self, name: &str, key: &str, value: Option<&str>) -> anyhow::Result<Node> {
        let patch = Patch::Merge(json!({"metadata": {"labels": {key: value}}}));
        let patched = self.api.patch(name, &PatchParams::default(), &patch).await;
        patched.with_context(|| format!("failed to label node `{name}` with `{key}`"))
    }

    /// Deletes a node.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub async fn delete(&self, name: &str) -> anyhow::Result<()> {
        let deleted = self.api.delete(name, &DeleteParams::default()).await;
        deleted
            .map(drop)
            .with_context(|| format!("failed to delete node `{name}`"))
    }

    /// Patches a node's status; conditions are merged by type.
    async fn patch_status(&self, name: &str, status: &Value) -> anyhow::Result<Node> {
        let patch = Patch::Strategic(json!({"status": status}));
        let patched = self
            .api
            .patch_status(name, &PatchParams::default(), &patch)
            .await;
        patched.with_context(|| format!("failed to patch the status of node `{name}`"))
    }

    /// Takes off the taint of a new Node. The controller manager would too, where one runs, but
    /// later.
    async fn admit(&self, created: Node) -> anyhow::Result<Node> {
        let name = created.name_any();
        let what = format!("the taint `{NOT_READY}` to come off node `{name}`");
        let mut node = created;
        eventually(CONFLICTS, &what, async || {
            match self.replace_taints(&name, &node).await {
                Err(kube::Error::Api(status)) if status.is_conflict() => {
                    node = self.get(&name).await?;
                    bail!("someone else wrote the node meanwhile")
                }
                outcome => Ok(outcome),
            }
        })
        .await?
        .with_context(|| format!("failed to take the taint off node `{name}`"))
    }

    /// Writes a node's taints but for the one, if the node is still the same.
    async fn replace_taints(&self, name: &str, node: &Node) -> kube::Result<Node> {
        let taints = node
            .spec
            .iter()
            .flat_map(|spec| spec.taints.iter().flatten());
        let kept: Vec<&Taint> = taints.filter(|taint| taint.key != NOT_READY).collect();
        let patch = json!({
            "metadata": {"resourceVersion": node.resource_version()},
            "spec": {"taints": kept},
        });
        self.api
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
    }
}
