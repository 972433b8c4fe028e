//! Nodes: what their kubelets report, what these try, and what administrators do to them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use trustpool::api::{NodeTrust, keys};
use trustpool_harness::{NodeBuilder, Nodes, Readiness, World};

use super::plan::NODES;
use super::step::Deed;

/// The nodes of a walk.
pub struct Machines {
    admin: Nodes,
    client: Client,
    kubelets: BTreeMap<&'static str, Kubelet>,
    /// Counts boots, so that none comes back: one that does is held.
    boots: usize,
}

struct Kubelet {
    nodes: Nodes,
    trusts: Api<NodeTrust>,
    /// The boot ID.
    boot: String,
}

impl Machines {
    /// Registers every node, in its first boot.
    pub async fn new(world: &World) -> anyhow::Result<Self> {
        let mut machines = Self {
            admin: world.nodes.clone(),
            client: world.client.clone(),
            kubelets: BTreeMap::new(),
            boots: 0,
        };
        for node in NODES {
            let client = world.plane.kubelet(node)?.client().await?;
            let kubelet = Kubelet {
                nodes: Nodes::new(client.clone()),
                trusts: Api::all(client),
                boot: format!("{node}-0"),
            };
            machines.kubelets.insert(node, kubelet);
            world.simulator.play(node, "trusted").await?;
            machines.register(node).await?;
        }
        Ok(machines)
    }

    /// Registers a node, unless it is there.
    pub async fn register(&self, node: &'static str) -> anyhow::Result<()> {
        let boot = &self.kubelets[node].boot;
        let builder = NodeBuilder::new(node).boot_id(boot);
        tolerated(self.admin.create(&builder).await)
    }

    /// Deletes a node, if it is there.
    pub async fn remove(&self, node: &str) -> anyhow::Result<()> {
        tolerated(self.admin.delete(node).await)
    }

    /// Has a kubelet report another boot, if its Node is there.
    pub async fn reboot(&mut self, node: &'static str) -> anyhow::Result<()> {
        let boot = self.another_boot(node);
        tolerated(self.kubelets[node].nodes.reboot(node, &boot).await)
    }

    /// Lets the machine start anew; its Node does not say so yet.
    pub fn another_boot(&mut self, node: &'static str) -> String {
        self.boots += 1;
        let boot = format!("{node}-{}", self.boots);
        let kubelet = self.kubelets.get_mut(node).unwrap();
        kubelet.boot.clone_from(&boot);
        boot
    }

    /// Writes the Ready condition as the node controller does.
    pub async fn heartbeats(&self, node: &str, heard: bool) -> anyhow::Result<()> {
        let readiness = if heard {
            Readiness::True
        } else {
            Readiness::Unknown
        };
        tolerated(self.admin.set_ready(node, readiness).await)
    }

    /// Deletes what is known of a node.
    pub async fn forget(&self, node: &str) -> anyhow::Result<()> {
        let trusts: Api<NodeTrust> = Api::all(self.client.clone());
        let deleted = trusts.delete(node, &DeleteParams::default()).await;
        tolerated(deleted.map_err(anyhow::Error::from))
    }

    /// An administrator's deed: nobody keeps him from it.
    pub async fn vandal(&self, node: &str, deed: Deed) -> anyhow::Result<()> {
        let done = patch(self.admin.api(), node, &change(deed)).await;
        tolerated(done.map_err(anyhow::Error::from))
    }

    /// A kubelet's heartbeat, and its attempt at a deed: whether it may is in the log.
    pub async fn kubelet(&self, node: &str, deed: Deed) -> anyhow::Result<()> {
        let kubelet = &self.kubelets[node];
        tolerated(kubelet.nodes.set_ready(node, Readiness::True).await)?;
        if deed == Deed::Verdict {
            let verdict = json!({"status": {"verdict": "trusted", "reason": "Attested"}});
            let patch = Patch::Merge(&verdict);
            let params = PatchParams::default();
            drop(kubelet.trusts.patch_status(node, &params, &patch).await);
        } else {
            drop(patch(kubelet.nodes.api(), node, &change(deed)).await);
        }
        Ok(())
    }
}

async fn patch(api: &Api<Node>, node: &str, change: &Value) -> kube::Result<Node> {
    let params = PatchParams::default();
    api.patch(node, &params, &Patch::Merge(change)).await
}

/// The deed as a merge patch of a Node.
fn change(deed: Deed) -> Value {
    match deed {
        Deed::Label(value) => json!({"metadata": {"labels": {keys::TRUST: value}}}),
        Deed::Pool => json!({"metadata": {"labels": {keys::POOL: null}}}),
        Deed::Taint => json!({"spec": {"taints": [
            {"key": keys::NOT_TRUSTED, "value": "untrusted", "effect": "NoSchedule"},
        ]}}),
        Deed::Untaint => json!({"spec": {"taints": null}}),
        Deed::Verdict => json!({}),
    }
}

/// Whoever comes too late, or second, does no harm.
fn tolerated<T>(outcome: anyhow::Result<T>) -> anyhow::Result<()> {
    match outcome {
        Ok(_) => Ok(()),
        Err(error) => match error.downcast_ref::<kube::Error>() {
            Some(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            _ => Err(error),
        },
    }
}
