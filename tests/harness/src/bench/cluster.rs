//! A real control plane with thousands of nodes, a simulator that trusts each of them and answers at
//! once, and Trustpool as a process.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::json;
use trustpool::api::{NodeTrust, keys};

use crate::{NodeBuilder, Process, Program, Setup, Slot, World, eventually};

use super::progress::Progress;
use super::requests;

/// How much is done at the same time where nothing is measured.
const CONCURRENCY: usize = 32;

/// How long Trustpool may take to be ready.
const READY: Duration = Duration::from_secs(60);

/// The control plane and what belongs to it.
#[derive(Debug)]
pub struct Cluster {
    world: World,
    binary: PathBuf,
    /// The names of its nodes.
    pub nodes: Vec<String>,
    _slot: Slot,
}

/// The program `trustpool`, which was built together with this one.
///
/// # Errors
///
/// If it was not.
pub fn binary() -> anyhow::Result<PathBuf> {
    let binary = std::env::current_exe()?.with_file_name("trustpool");
    let missing = || format!("`{}` is missing: build it too", binary.display());
    ensure!(binary.exists(), missing());
    Ok(binary)
}

impl Cluster {
    /// Starts one without nodes, once it has the machine for itself.
    ///
    /// # Errors
    ///
    /// If a part does not start, or `trustpool` was not built.
    pub async fn start(progress: &Progress) -> anyhow::Result<Self> {
        let binary = binary()?;
        progress.say("control plane: waiting for the machine");
        let slot = Slot::all().await?;
        progress.say("control plane: starting");
        Ok(Self {
            world: Setup::default().prepare().await?,
            binary,
            nodes: Vec::new(),
            _slot: slot,
        })
    }

    /// Registers so many nodes with 50 images each, and plays their hosts as trusted.
    ///
    /// # Errors
    ///
    /// If the API server or the simulator refuses one.
    pub async fn populate(&mut self, count: usize, progress: &Progress) -> anyhow::Result<()> {
        progress.say(&format!("control plane: registering {count} nodes"));
        let images = serde_json::from_value(json!(requests::images()))?;
        let node = NodeBuilder::new("").images(images);
        self.nodes = (0..count).map(requests::name).collect();
        let nodes: Vec<_> = self.nodes.iter().map(|name| node.named(name)).collect();
        self.world.nodes.create_all(&nodes).await?;
        let played = self.nodes.iter();
        let played = played.map(|name| self.world.simulator.play(name, "trusted"));
        let played = stream::iter(played).buffer_unordered(CONCURRENCY);
        played.try_for_each(async |()| Ok(())).await
    }

    /// The user that Trustpool is.
    #[must_use]
    pub const fn user(&self) -> &crate::Identity {
        &self.world.users.both
    }

    /// An administrator.
    #[must_use]
    pub fn admin(&self) -> Client {
        self.world.client.clone()
    }

    /// The world of all this.
    #[must_use]
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// Starts Trustpool, as it is installed.
    ///
    /// # Errors
    ///
    /// If there is no process to be had.
    pub fn trustpool(&self) -> anyhow::Result<Process> {
        let at = self.world.addresses;
        let program = Program::new("trustpool", &self.binary)
            .arg("run")
            .arg(format!(
                "--kubeconfig={}",
                self.world.users.both.kubeconfig().display()
            ))
            .arg(format!("--bind-url=https://{}", at.bind))
            .args(at.gate_flags());
        program.start(self.world.plane.directory())
    }

    /// Starts Trustpool and waits until it is ready.
    ///
    /// # Errors
    ///
    /// If it does not get ready: with its last log lines.
    pub async fn ready_trustpool(&self) -> anyhow::Result<Process> {
        let mut process = self.trustpool()?;
        let url = format!("http://{}/readyz", self.world.addresses.admin);
        let http = reqwest::Client::builder().no_proxy().build()?;
        let look = async || {
            http.get(&url).send().await?.error_for_status()?;
            Ok(())
        };
        process.ready(READY, look).await?;
        Ok(process)
    }

    /// Takes every mark and every record away.
    ///
    /// # Errors
    ///
    /// If the API server refuses.
    pub async fn reset(&self) -> anyhow::Result<()> {
        let trusts: Api<NodeTrust> = Api::all(self.admin());
        let (how, which) = (DeleteParams::default(), ListParams::default());
        let deleted = trusts.delete_collection(&how, &which).await;
        deleted.context("failed to delete every NodeTrust")?;
        let nodes: Api<Node> = Api::all(self.admin());
        let clean = Patch::Strategic(json!({
            "metadata": {"labels": {keys::TRUST: null, keys::POOL: null}},
            "status": {"conditions": [{"$patch": "delete", "type": keys::TRUSTED_CONDITION}]},
        }));
        let params = PatchParams::default();
        let cleaned = self.nodes.iter().map(async |name| {
            let node = nodes.patch_status(name, &params, &clean).await?;
            let marked = node.labels().contains_key(keys::TRUST);
            ensure!(!marked, "`{name}` kept its mark");
            Ok(())
        });
        let cleaned = stream::iter(cleaned).buffer_unordered(CONCURRENCY);
        cleaned.try_for_each(async |()| Ok(())).await?;
        eventually(READY, "no NodeTrust is left", async || {
            let left = trusts
                .list_metadata(&ListParams::default().limit(1))
                .await?;
            ensure!(left.items.is_empty(), "there are some");
            Ok(())
        })
        .await
    }
}
