//! What a world is made of, and its making.

use serde_json::{Value, json};
use trustpool::clock::Clock;

use super::{World, object};
use crate::install::{NAMESPACE, install, install_policies, install_webhook, project};
use crate::json::merge;
use crate::simulator::AUTH_BLOB;
use crate::trustpool::Addresses;
use crate::{Builder, ControlPlane, Extender, Scheduler, Simulator};

/// What a world is made of.
#[derive(Debug)]
pub struct Setup {
    plane: Builder,
    scheduler: bool,
    full_nodes: bool,
    policies: bool,
    pool: Value,
    service: Value,
}

impl Default for Setup {
    fn default() -> Self {
        let (pool, service) = (json!({}), json!({}));
        Self {
            plane: ControlPlane::builder(),
            scheduler: false,
            full_nodes: false,
            policies: true,
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

    /// With a kube-scheduler that sends whole Nodes instead of names.
    #[must_use]
    pub const fn full_nodes(mut self) -> Self {
        self.full_nodes = true;
        self.scheduler()
    }

    /// With a second kube-scheduler, for pods that name it: it has no extender.
    #[must_use]
    pub fn second_scheduler(mut self, name: &str) -> Self {
        self.plane = self.plane.scheduler(Scheduler::second(name));
        self
    }

    /// With the objects in the audit log that `trustpool-observer` needs.
    #[must_use]
    pub fn observed(mut self) -> Self {
        self.plane = self.plane.observed();
        self
    }

    /// Without admission policies and bind gate: a pod asks as it is written, and nothing guards the Nodes.
    #[must_use]
    pub const fn without_policies(mut self) -> Self {
        self.policies = false;
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

    /// Adds a flag to kube-apiserver's own.
    #[must_use]
    pub fn api_server_flag(mut self, flag: &str) -> Self {
        self.plane = self.plane.api_server_flag(flag);
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
            let extender = if self.full_nodes {
                extender.full_nodes()
            } else {
                extender
            };
            builder = builder.scheduler(Scheduler::default().extender(extender));
        }
        let plane = builder.start().await?;
        let clock = Clock::system();
        let simulator = Simulator::start(plane.directory(), clock.clone()).await?;
        let users = install(&plane).await?;
        if self.policies {
            install_policies(&plane).await?;
            install_webhook(&plane, addresses.bind).await?;
        }
        if self.policies && self.scheduler {
            plane
                .apply(&project("manifests/optional/extender.yaml"))
                .await?;
        }
        let (client, nodes) = (plane.client().await?, plane.nodes().await?);
        let world = World {
            trustpool: None,
            simulator,
            plane,
            nodes,
            client,
            users,
            addresses,
            clock,
        };
        configure(&world, &self.service, &self.pool).await?;
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

/// Creates CA, secret, service `oat` and pool `default`.
async fn configure(world: &World, service: &Value, pool: &Value) -> anyhow::Result<()> {
    let named = |name: &str| json!({"name": name, "namespace": NAMESPACE, "labels": {"trustpool.dev/service": "oat"}});
    let ca = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": named("oat-ca"),
        "data": {"ca.crt": world.simulator.ca()}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": named("oat-auth"),
        "stringData": {"auth-blob": AUTH_BLOB}});
    for (file, object) in [("ca.json", ca), ("auth.json", secret)] {
        let path = world.plane.directory().join(file);
        std::fs::write(&path, object.to_string())?;
        world.plane.apply(&path).await?;
    }
    let mut spec = json!({"openAttestation": {
        "url": world.simulator.service(),
        "auth": {"secretRef": {"name": "oat-auth"}},
        "tls": {"caRef": {"kind": "ConfigMap", "name": "oat-ca"}},
    }});
    merge(&mut spec, service);
    world
        .create(object("AttestationService", "oat", spec))
        .await?;
    let mut spec = json!({"attestationServiceRef": {"name": "oat"}});
    merge(&mut spec, pool);
    world.create(object("TrustPool", "default", spec)).await?;
    Ok(())
}
