//! A control plane whose nodes Trustpool has attested, with as much of Trustpool as a case wants.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::api::{Api, ListParams, PostParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::time::sleep;
use trustpool::api::keys;

use crate::bench::cluster::binary;
use crate::bench::progress::Progress;
use crate::bench::requests::name;
use crate::install::{POLICIES, install_policies, install_webhook, project, try_out};
use crate::{NodeBuilder, Process, SOON, Setup, Slot, World, eventually};

use super::case::Installed;
use super::cost::metric;
use super::pods::{CONCURRENCY, COVERED};
use super::prepared;
use super::roles::Roles;

/// How long a program may take to start.
pub const START: Duration = Duration::from_secs(60);

/// How long the first attestation of every node may take.
const ATTESTED: Duration = Duration::from_secs(280);

/// How long after a change nothing is begun: caches are filled, policies compiled.
const SETTLE: Duration = Duration::from_secs(5);

/// How often to look at every node meanwhile.
const LOOK: Duration = Duration::from_secs(2);

/// The policies that route pods to an extender.
const ROUTE: &str = "optional/extender.yaml";

/// How long the service takes for a batch: 20 hosts at a time in 4 batches make 17 a second, as many
/// as a pool of 5,000 has with an interval of 5 minutes.
const BATCH: &str = "4800ms";

/// The control plane, and what is installed in it.
#[derive(Debug)]
pub struct Arena {
    pub(super) world: World,
    binary: PathBuf,
    /// The extender with prepared answers, and its URL.
    pub(super) prepared: (Process, String),
    /// Trustpool, where it is installed.
    pub(super) roles: Option<Roles>,
    installed: Installed,
    _slot: Slot,
}

impl Arena {
    /// Starts one with so many nodes, of which every other one is trusted, once it has the machine for
    /// itself.
    ///
    /// # Errors
    ///
    /// If a part does not start, or the nodes are not attested.
    pub async fn start(nodes: usize, progress: &Progress) -> anyhow::Result<Self> {
        let binary = binary()?;
        progress.say("schedule: waiting for the machine");
        let slot = Slot::all().await?;
        progress.say("schedule: starting a control plane");
        let world = setup().prepare().await?;
        let prepared = prepared::start(world.plane.directory()).await?;
        let mut arena = Self {
            world,
            binary,
            prepared,
            roles: None,
            installed: Installed::Nothing,
            _slot: slot,
        };
        progress.say(&format!("schedule: attesting {nodes} nodes"));
        arena.cover().await?;
        arena.populate(nodes).await?;
        Ok(arena)
    }

    /// An administrator.
    #[must_use]
    pub fn admin(&self) -> Client {
        self.world.client.clone()
    }

    /// Sees to it that just `wanted` is there.
    ///
    /// # Errors
    ///
    /// If it does not come, or go, in time.
    pub async fn install(&mut self, wanted: Installed) -> anyhow::Result<()> {
        if self.installed == wanted {
            return Ok(());
        }
        if self.installed != Installed::Nothing {
            self.remove().await?;
        }
        if wanted != Installed::Nothing {
            self.add(wanted).await?;
        }
        self.installed = wanted;
        sleep(SETTLE).await;
        Ok(())
    }

    async fn add(&mut self, wanted: Installed) -> anyhow::Result<()> {
        let plane = &self.world.plane;
        if wanted == Installed::GatesAndExtender {
            plane.apply(&project("manifests").join(ROUTE)).await?;
        }
        install_webhook(plane, self.world.addresses.bind).await?;
        self.roles = Some(Roles::start(&self.binary, &self.world).await?);
        install_policies(plane).await?;
        asked(self.admin()).await
    }

    async fn remove(&mut self) -> anyhow::Result<()> {
        if let Some(mut roles) = self.roles.take() {
            roles.stop().await?;
        }
        let files = POLICIES.into_iter().chain(["webhook.yaml", ROUTE]);
        let files = files.map(|file| project("manifests").join(file).canonicalize());
        let files: Vec<PathBuf> = files.collect::<Result<_, _>>()?;
        let files = files
            .iter()
            .map(|file| format!("--filename={}", file.display()));
        let files: Vec<String> = files.collect();
        let mut arguments = vec!["delete", "--ignore-not-found"];
        arguments.extend(files.iter().map(String::as_str));
        self.world.plane.kubectl(&arguments).await?;
        gone(&self.admin()).await
    }

    /// How many questions Trustpool has answered: filter, bind.
    ///
    /// # Errors
    ///
    /// If its metrics cannot be read.
    pub async fn answered(&self) -> anyhow::Result<[f64; 2]> {
        let Some(roles) = &self.roles else {
            return Ok([0.0, 0.0]);
        };
        let metrics = roles.metrics().await?;
        let of = |what| format!("trustpool_{what}_duration_seconds_count");
        Ok(["filter", "bind"].map(|what| metric(&metrics, &of(what))))
    }

    /// Registers the nodes, and has each attested once; from then on the service is as slow as a real
    /// one.
    async fn populate(&mut self, count: usize) -> anyhow::Result<()> {
        let node = NodeBuilder::new("");
        let nodes: Vec<_> = (0..count).map(|index| node.named(&name(index))).collect();
        self.world.nodes.create_all(&nodes).await?;
        self.play(count, "0s").await?;
        self.install(Installed::GatesAndExtender).await?;
        self.marked(count).await?;
        self.play(count, BATCH).await
    }

    /// Waits until every node has its label, and the condition that follows: writing it is no part of
    /// any sample.
    async fn marked(&self, count: usize) -> anyhow::Result<()> {
        let nodes: Api<Node> = Api::all(self.admin());
        let is_marked = |node: &Node| {
            let conditions = node.status.iter().flat_map(|status| &status.conditions);
            let mut types = conditions.flatten().map(|condition| &condition.type_);
            node.labels().contains_key(keys::TRUST) && types.any(|it| it == keys::TRUSTED_CONDITION)
        };
        eventually(ATTESTED, "every node is marked", async || {
            sleep(LOOK).await;
            let nodes = nodes.list(&ListParams::default()).await?;
            let marked = nodes.iter().filter(|node| is_marked(node)).count();
            ensure!(marked == count, "{marked} of {count} are");
            Ok(())
        })
        .await
    }

    /// Has the service say of every other host that it is trusted, after so long.
    async fn play(&self, count: usize, delay: &str) -> anyhow::Result<()> {
        let simulator = &self.world.simulator;
        let played = (0..count).map(async |index| {
            let verdict = match index % 2 {
                0 => "trusted",
                _ => "untrusted",
            };
            simulator.play_slowly(&name(index), verdict, delay).await
        });
        let played = stream::iter(played).buffer_unordered(CONCURRENCY);
        played.try_for_each(async |()| Ok(())).await
    }

    /// Makes the namespace that the bind gate covers.
    async fn cover(&self) -> anyhow::Result<()> {
        self.world.plane.create_namespace(COVERED).await?;
        let label = ["label", "namespace", COVERED, "trustpool.dev/gate=strict"];
        self.world.plane.kubectl(&label).await.map(drop)
    }
}

/// Without policies, which come and go; untrusted nodes are not tainted, so that pods that do not ask
/// have all nodes. The interval is so short that the service is asked all the time. The API server
/// takes as many requests at a time as there are: with its own limits, it sends some of
/// kube-scheduler's away for a second, and that would be the time that is measured.
fn setup() -> Setup {
    let pool = json!({"onUntrusted": {"taint": "None"}, "refresh": {"interval": "1m"}});
    Setup::default()
        .without_policies()
        .pool(pool)
        .api_server_flag("--max-requests-inflight=4000")
        .api_server_flag("--max-mutating-requests-inflight=4000")
}

/// Waits until no policy is in force any more.
async fn gone(client: &Client) -> anyhow::Result<()> {
    let wrong = |key: &str| json!({"name": "probe", key: {keys::REQUIRE: "wrong"}});
    eventually(SOON, "the policies are gone", async || {
        let containers = json!([{"name": "main", "image": "none"}]);
        let pod = json!({"metadata": wrong("annotations"), "spec": {"containers": containers}});
        try_out::<Pod>(client, Some("default"), pod).await?;
        let namespace = json!({"metadata": wrong("labels")});
        try_out::<Namespace>(client, None, namespace).await?;
        Ok(())
    })
    .await
}

/// Waits until the API server asks the bind gate about a Binding, and understands what it says.
async fn asked(client: Client) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(client, COVERED);
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let binding = json!({
        "metadata": {"name": "probe", "uid": "probe"},
        "target": {"kind": "Node", "name": "none"},
    });
    eventually(SOON, "the bind gate is asked", async || {
        let answer = pods.create_subresource::<_, Value>("binding", "probe", &dry, &binding);
        let refused = answer
            .await
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        ensure!(refused.contains("there is no such pod"), "{refused}");
        Ok(())
    })
    .await
}
