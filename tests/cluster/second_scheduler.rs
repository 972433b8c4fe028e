//! A second kube-scheduler, as the manifest has it: its configuration, its account's roles, its Lease. It asks the
//! extender about pods that name it, beside a first one that asks nobody.

use std::path::Path;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use trustpool::api::keys;
use trustpool_harness::install::project;
use trustpool_harness::{Home, Role, SOON, Scheduler, Setup, Slot, World, eventually};

use crate::attack::create;
use crate::chart::field;
use crate::extender_tls::{asked, pki};
use crate::support::{lands_on, trusted_nodes};

const MANIFEST: &str = "manifests/optional/second-scheduler.yaml";

/// What the manifest calls it, its account and its Lease.
const NAME: &str = "trustpool-scheduler";

/// Its configuration, but for where the extender listens and where the certificates are.
fn configuration(url: &str, folder: &str) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(project(MANIFEST))?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text)?;
    let file = documents
        .iter()
        .find_map(|it| it.pointer("/data/scheduler.yaml")?.as_str());
    let file = file.context("there is no configuration")?;
    let file = file.replace("https://127.0.0.1:9470", url);
    Ok(serde_saphyr::from_str(
        &file.replace("/etc/kubernetes/trustpool", folder),
    )?)
}

/// Two kube-schedulers, of which the second asks.
struct Beside {
    gate: Role,
    _controller: Role,
    world: World,
}

impl Beside {
    async fn start() -> anyhow::Result<Self> {
        let mut world = Setup::default().prepare().await?;
        for file in ["manifests/optional/extender.yaml", MANIFEST] {
            world.plane.apply(&project(file)).await?;
        }
        let folder = world.plane.directory().join("pki");
        let dir = folder.to_str().context("not a path")?;
        pki(&["init", "--dir", dir])?;
        let (controller, gate) = roles(&world, &folder).await?;
        world.plane.start_scheduler(&Scheduler::default()).await?;
        let url = format!("https://{}", world.addresses.extender);
        let account = format!("system:serviceaccount:trustpool-system:{NAME}");
        let second = Scheduler::deployed(&account, configuration(&url, dir)?);
        world.plane.start_scheduler(&second).await?;
        trusted_nodes(&world, &["a"]).await?;
        world.node("b", "untrusted").await?;
        world.labelled("b", Some("untrusted")).await?;
        Ok(Self {
            gate,
            _controller: controller,
            world,
        })
    }

    /// Creates a pod that asks, and says how often the gate was asked until it is where it may be.
    async fn place(&self, name: &str, scheduler: Option<&str>) -> anyhow::Result<f64> {
        let before = asked(&self.gate).await?;
        let pod = json!({
            "metadata": {"name": name, "annotations": {keys::REQUIRE: "trusted"}},
            "spec": {"schedulerName": scheduler, "containers": [{"name": "main", "image": "none"}]},
        });
        create(&self.world, "default", pod).await?;
        lands_on(&self.world, "default", name, "a").await?;
        Ok(asked(&self.gate).await? - before)
    }
}

async fn roles(world: &World, folder: &Path) -> anyhow::Result<(Role, Role)> {
    let home = Home::Process(env!("CARGO_BIN_EXE_trustpool").into());
    let (at, directory) = (world.addresses, world.plane.directory());
    let user = &world.users.controller;
    let mut controller = Role::controller("controller", user, at, &home, directory)?;
    let mut gate = Role::secured_gate(&world.users.gate, at, folder, &home, directory)?;
    controller.ready().await?;
    gate.ready().await?;
    Ok((controller, gate))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_scheduler_asks_about_the_pods_that_name_it() {
    let _slot = Slot::take().await.unwrap();
    let beside = Beside::start().await.unwrap();

    assert!(beside.place("named", Some(NAME)).await.unwrap() > 0.0);
    let other = beside.place("other", None).await.unwrap();
    assert!(other.abs() < f64::EPSILON, "the first one asks, too");

    // Which its account may write, and that of the first one it need not.
    eventually(SOON, "the Lease is held", async || {
        let holder = field(
            &beside.world.plane,
            &["lease", NAME],
            "{.spec.holderIdentity}",
        )
        .await?;
        ensure!(!holder.is_empty(), "nobody holds it");
        Ok(())
    })
    .await
    .unwrap();
}
