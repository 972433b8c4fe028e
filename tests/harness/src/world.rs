//! Everything at once: a control plane, the simulator, one pool, and Trustpool in this process.

use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use serde_json::{Value, json};
use trustpool::api::{AttestationService, NodeTrust, TrustPool};
use trustpool::clock::Clock;

use crate::simulator::AUTH_BLOB;
use crate::trustpool::{Addresses, NAMESPACE, install};
use crate::{
    Builder, ControlPlane, Extender, Identity, NodeBuilder, Nodes, Scheduler, Simulator, Trustpool,
    eventually,
};

/// How long anything may take that should take a second or two.
pub const SOON: Duration = Duration::from_secs(30);

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
    /// The user that Trustpool runs as.
    pub user: Identity,
    /// Where Trustpool listens.
    pub addresses: Addresses,
    /// The time of Trustpool and of the service.
    pub clock: Clock,
}

/// What a world is made of.
#[derive(Debug)]
pub struct Setup {
    plane: Builder,
    scheduler: bool,
    pool: Value,
    service: Value,
}

impl Default for Setup {
    fn default() -> Self {
        let (pool, service) = (json!({}), json!({}));
        Self {
            plane: ControlPlane::builder(),
            scheduler: false,
            pool,
            service,
        }
    }
}

impl Setup {
    /// With kube-scheduler, which asks Trustpool about pods that ask for trust.
    #[must_use]
    pub const fn scheduler(mut self) -> Self {
        self.scheduler = true;
        self
    }

    /// With kube-controller-manager.
    #[must_use]
    pub fn controller_manager(mut self) -> Self {
        self.plane = self.plane.controller_manager();
        self
    }

    /// With kwok, which plays every node's kubelet.
    #[must_use]
    pub fn kwok(mut self) -> Self {
        self.plane = self.plane.kwok();
        self
    }

    /// Changes the pool's `spec`.
    #[must_use]
    pub fn pool(mut self, spec: Value) -> Self {
        self.pool = spec;
        self
    }

    /// Changes the service's `spec`.
    #[must_use]
    pub fn service(mut self, spec: Value) -> Self {
        self.service = spec;
        self
    }

    /// Starts everything but Trustpool; nodes and hosts can be made before it looks.
    ///
    /// # Errors
    ///
    /// If any part does not start.
    pub async fn prepare(self) -> anyhow::Result<World> {
        let addresses = Addresses::free()?;
        let mut builder = self.plane;
        if self.scheduler {
            let extender = Extender::new(&addresses.url_prefix());
            builder = builder.scheduler(Scheduler::default().extender(extender));
        }
        let plane = builder.start().await?;
        let clock = Clock::system();
        let simulator = Simulator::start(plane.directory(), clock.clone()).await?;
        let user = install(&plane).await?;
        let (client, nodes) = (plane.client().await?, plane.nodes().await?);
        let world = World {
            trustpool: None,
            simulator,
            plane,
            nodes,
            client,
            user,
            addresses,
            clock,
        };
        world.configure(&self.service, &self.pool).await?;
        Ok(world)
    }

    /// Starts everything.
    ///
    /// # Errors
    ///
    /// If any part does not start.
    pub async fn start(self) -> anyhow::Result<World> {
        let mut world = self.prepare().await?;
        world.run().await?;
        Ok(world)
    }
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
        let started = Trustpool::here(&self.user, self.addresses, self.clock.clone()).await?;
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

    /// Creates CA, secret, service `oat` and pool `default`.
    async fn configure(&self, service: &Value, pool: &Value) -> anyhow::Result<()> {
        let named = |name: &str| json!({"name": name, "namespace": NAMESPACE, "labels": {"trustpool.dev/service": "oat"}});
        let ca = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": named("oat-ca"),
            "data": {"ca.crt": self.simulator.ca()}});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": named("oat-auth"),
            "stringData": {"auth-blob": AUTH_BLOB}});
        for (file, object) in [("ca.json", ca), ("auth.json", secret)] {
            let path = self.plane.directory().join(file);
            std::fs::write(&path, object.to_string())?;
            self.plane.apply(&path).await?;
        }
        let mut spec = json!({"openAttestation": {
            "url": self.simulator.service(),
            "auth": {"secretRef": {"name": "oat-auth"}},
            "tls": {"caRef": {"kind": "ConfigMap", "name": "oat-ca"}},
        }});
        merge(&mut spec, service);
        self.create(object("AttestationService", "oat", spec))
            .await?;
        let mut spec = json!({"attestationServiceRef": {"name": "oat"}});
        merge(&mut spec, pool);
        self.create(object("TrustPool", "default", spec)).await?;
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

/// Puts `change` into `base`, field by field.
fn merge(base: &mut Value, change: &Value) {
    match (base, change) {
        (Value::Object(base), Value::Object(change)) => {
            for (key, value) in change {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, change) => *base = change.clone(),
    }
}
