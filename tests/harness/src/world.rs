//! Everything at once: a control plane, the simulator, one pool, and Trustpool in this process.

mod setup;

use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use serde_json::{Value, json};
use trustpool::api::{AttestationService, NodeTrust, TrustPool};
use trustpool::clock::Clock;

use crate::install::Users;
use crate::trustpool::Addresses;
use crate::{ControlPlane, NodeBuilder, Nodes, Simulator, Trustpool, eventually};
pub use setup::Setup;

/// How long anything may take that should take a second or two.
pub const SOON: Duration = Duration::from_secs(60);

/// A world of a test.
pub struct World {
    /// Trustpool; stopped and started by tests that must.
    pub trustpool: Option<Trustpool>,
    /// The attestation service.
    pub simulator: Simulator,
    /// Kubernetes.
    pub plane: ControlPlane,
    /// Its nodes.
    pub nodes: Nodes,
    /// An administrator.
    pub client: Client,
    /// The users that Trustpool runs as.
    pub users: Users,
    /// Where Trustpool listens.
    pub addresses: Addresses,
    /// The time of Trustpool and of the service.
    pub clock: Clock,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl World {
    /// Starts Trustpool.
    ///
    /// # Errors
    ///
    /// If it does not get ready.
    pub async fn run(&mut self) -> anyhow::Result<()> {
        let started =
            Trustpool::here(&self.plane, &self.users, self.addresses, self.clock.clone()).await?;
        self.trustpool = Some(started);
        Ok(())
    }

    /// Trustpool.
    ///
    /// # Panics
    ///
    /// If it does not run.
    #[expect(
        clippy::expect_used,
        reason = "a test that forgot to start it must fail"
    )]
    #[must_use]
    pub const fn trustpool(&self) -> &Trustpool {
        self.trustpool.as_ref().expect("Trustpool runs")
    }

    /// Moves the clock of Trustpool and of the service.
    pub fn pass(&self, time: SignedDuration) {
        self.clock.shift(time);
    }

    /// Registers a node, whose host is played with `verdict`.
    ///
    /// # Errors
    ///
    /// If anybody refuses.
    pub async fn node(&self, name: &str, verdict: &str) -> anyhow::Result<()> {
        self.simulator.play(name, verdict).await?;
        self.nodes.create(&NodeBuilder::new(name)).await?;
        Ok(())
    }

    /// Creates an object of `trustpool.dev/v1alpha1`.
    ///
    /// # Errors
    ///
    /// If the API server refuses it.
    pub async fn create(&self, object: Value) -> anyhow::Result<DynamicObject> {
        let object: DynamicObject = serde_json::from_value(object)?;
        let kind = object
            .types
            .clone()
            .map(|types| types.kind)
            .unwrap_or_default();
        let resource = match kind.as_str() {
            "AttestationService" => ApiResource::erase::<AttestationService>(&()),
            "NodeTrust" => ApiResource::erase::<NodeTrust>(&()),
            _ => ApiResource::erase::<TrustPool>(&()),
        };
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        Ok(api.create(&PostParams::default(), &object).await?)
    }

    /// Changes an object of `trustpool.dev/v1alpha1` by a merge patch.
    ///
    /// # Errors
    ///
    /// If the API server refuses it.
    pub async fn change(&self, kind: &str, name: &str, patch: Value) -> anyhow::Result<()> {
        let text = patch.to_string();
        self.plane
            .kubectl(&["patch", kind, name, "--type=merge", "-p", &text])
            .await?;
        Ok(())
    }

    /// The NodeTrust of a node, if there is one.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub async fn trust(&self, node: &str) -> anyhow::Result<Option<NodeTrust>> {
        Ok(Api::<NodeTrust>::all(self.client.clone())
            .get_opt(node)
            .await?)
    }

    /// `verdict/Reason` of a node as its NodeTrust has it.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub async fn verdict(&self, node: &str) -> anyhow::Result<String> {
        let trust = self.trust(node).await?;
        let status = trust.and_then(|trust| trust.status);
        let status = status.ok_or_else(|| anyhow::anyhow!("`{node}` has no verdict"))?;
        Ok(format!("{}/{}", status.verdict, status.reason))
    }

    /// Waits until the NodeTrust of a node says `verdict/Reason`.
    ///
    /// # Errors
    ///
    /// If it does not in time.
    pub async fn becomes(&self, node: &str, expected: &str) -> anyhow::Result<()> {
        eventually(SOON, &format!("{node} is {expected}"), async || {
            let verdict = self.verdict(node).await?;
            anyhow::ensure!(verdict == expected, "it is {verdict}");
            Ok(())
        })
        .await
    }

    /// The trust label of a Node.
    ///
    /// # Errors
    ///
    /// If there is no such Node.
    pub async fn label(&self, node: &str) -> anyhow::Result<Option<String>> {
        let node = self.nodes.get(node).await?;
        Ok(node
            .metadata
            .labels
            .unwrap_or_default()
            .get(trustpool::api::keys::TRUST)
            .cloned())
    }

    /// Waits until a Node carries the trust label `expected`.
    ///
    /// # Errors
    ///
    /// If it does not in time.
    pub async fn labelled(&self, node: &str, expected: Option<&str>) -> anyhow::Result<()> {
        eventually(
            SOON,
            &format!("{node} is labelled {expected:?}"),
            async || {
                let label = self.label(node).await?;
                anyhow::ensure!(label.as_deref() == expected, "it is labelled {label:?}");
                Ok(())
            },
        )
        .await
    }

    /// Values of our taint on a Node.
    ///
    /// # Errors
    ///
    /// If there is no such Node.
    pub async fn taints(&self, node: &str) -> anyhow::Result<Vec<String>> {
        let node: Node = self.nodes.get(node).await?;
        let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
        let ours = taints
            .into_iter()
            .filter(|taint| taint.key == trustpool::api::keys::NOT_TRUSTED);
        Ok(ours.map(|taint| taint.value.unwrap_or_default()).collect())
    }

    /// Creates a pod in `default` that asks for trust, by selector, label and managed resource.
    ///
    /// # Errors
    ///
    /// If the API server refuses it.
    pub async fn asking_pod(&self, name: &str) -> anyhow::Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), "default");
        let pod = serde_json::from_value(asking_pod(name))?;
        pods.create(&PostParams::default(), &pod).await?;
        Ok(())
    }

    /// The node that a pod of `default` is bound to.
    ///
    /// # Errors
    ///
    /// If there is no such pod.
    pub async fn bound_to(&self, pod: &str) -> anyhow::Result<Option<String>> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), "default");
        Ok(pods.get(pod).await?.spec.and_then(|spec| spec.node_name))
    }

    /// Applies a merge patch to a Node as somebody else would.
    ///
    /// # Errors
    ///
    /// If the API server refuses it.
    pub async fn patch_node(&self, name: &str, patch: Value) -> anyhow::Result<()> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        nodes
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }
}

/// An object of `trustpool.dev/v1alpha1`.
#[expect(clippy::needless_pass_by_value, reason = "callers write it in place")]
#[must_use]
pub fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "trustpool.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// A pod that asks for trust.
#[must_use]
pub fn asking_pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"trustpool.dev/require": "trusted"}},
        "spec": {
            "nodeSelector": {trustpool::api::keys::TRUST: "trusted"},
            "containers": [{
                "name": "main",
                "image": "none",
                "resources": {"limits": {"trustpool.dev/trust": "0"}},
            }],
        },
    })
}
