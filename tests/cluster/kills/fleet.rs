//! The replicas: two controllers, each a user of its own, so that the audit log tells them apart, and three gates on
//! the same ports.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use serde_json::json;
use tokio::time::{Instant, sleep_until};
use trustpool::clock::Clock;
use trustpool_harness::install::{BOTH, USER};
use trustpool_harness::{Addresses, Home, NodeBuilder, Role, Setup, World};

use super::plan::{Deed, NEVER, NODES};
use crate::support::labelled_namespace;
use crate::walk::pulse::Pulse;
use crate::walk::step::Way;
use crate::walk::tenant::Tenant;

/// Who the controllers are. They are the first of the replicas.
pub const CONTROLLERS: [&str; 2] = [USER, BOTH];

/// How many replicas there are.
pub const ROLES: usize = 5;

/// For how long an answer counts: longer than nobody leads after a kill, but not much.
pub const VALIDITY: SignedDuration = SignedDuration::from_secs(15);

/// All of it.
pub struct Fleet {
    roles: Vec<Role>,
    /// After the replicas: with it goes the folder of their logs.
    pub world: World,
    tenant: Tenant,
    pub pulse: Pulse,
    /// Who was killed, and when.
    pub deaths: Vec<(Timestamp, usize)>,
    /// Who was started again, and when.
    pub starts: Vec<(Timestamp, usize)>,
    /// Counts boots, so that none comes back: one that does is held.
    boots: usize,
    real: Clock,
}

impl Fleet {
    /// Starts it, and waits until every node is known.
    pub async fn start() -> anyhow::Result<Self> {
        let pool = json!({
            "validity": "15s",
            "refresh": {"interval": "2s", "minInterval": "1s"},
            "breaker": {"maxUntrusted": "100%"},
            "trustAgain": {"verdicts": 1},
        });
        let service = json!({"timeouts": {"connect": "1s", "read": "2s", "total": "2s"}});
        let setup = Setup::default().scheduler().observed();
        let world = setup.pool(pool).service(service).prepare().await?;
        labelled_namespace(&world, "strict", &["trustpool.dev/gate=strict"]).await?;
        labelled_namespace(&world, "plain", &[]).await?;
        let mut roles = Vec::new();
        for number in 0..ROLES {
            roles.push(replica(&world, number)?);
        }
        for role in &mut roles {
            role.ready().await?;
        }
        nodes(&world).await?;
        Ok(Self {
            tenant: Tenant::new(&world).await?,
            pulse: Pulse::start(world.client.clone()).await?,
            world,
            roles,
            deaths: Vec::new(),
            starts: Vec::new(),
            boots: 0,
            real: Clock::system(),
        })
    }

    /// The time by which the audit log is written.
    pub fn now(&self) -> Timestamp {
        self.real.wall()
    }

    /// Does all that is planned, when it is time; then waits until every replica is ready.
    pub async fn run(&mut self, plan: Vec<(Duration, Deed)>) -> anyhow::Result<()> {
        let began = Instant::now();
        for (at, deed) in plan {
            sleep_until(began + at).await;
            let failed = format!("{deed:?} after {at:?}");
            self.perform(deed).await.context(failed)?;
        }
        for role in &mut self.roles {
            role.ready().await?;
        }
        self.tenant.settle().await;
        Ok(())
    }

    async fn perform(&mut self, deed: Deed) -> anyhow::Result<()> {
        match deed {
            Deed::Kill(who) => self.kill(who),
            Deed::Start(who) => self.restart(who),
            Deed::Play(node, verdict) => self.world.simulator.play(node, verdict).await,
            Deed::Reboot(node) => {
                self.boots += 1;
                let boot = format!("boot-{node}-{}", self.boots);
                self.world.nodes.reboot(node, &boot).await.map(drop)
            }
            Deed::Trap(node) => {
                self.tenant.hand_bind("strict", true, node, Way::Pod);
                Ok(())
            }
        }
    }

    fn kill(&mut self, who: usize) -> anyhow::Result<()> {
        let now = self.now();
        let process = self.roles[who].as_process().context("it is no process")?;
        let ended = process.ended()?;
        ensure!(ended.is_none(), "{} ended: {ended:?}", process.name());
        process.kill()?;
        self.deaths.push((now, who));
        Ok(())
    }

    fn restart(&mut self, who: usize) -> anyhow::Result<()> {
        let process = self.roles[who].as_process().context("it is no process")?;
        process.restart()?;
        self.starts.push((self.now(), who));
        Ok(())
    }

    /// Every pod there is, and its node.
    pub async fn placed(&self) -> anyhow::Result<Vec<(String, Option<String>)>> {
        let pods: Api<Pod> = Api::all(self.world.client.clone());
        let pods = pods.list(&ListParams::default()).await?;
        let placed = pods.items.into_iter().map(|pod| {
            let name = pod.name_any();
            (name, pod.spec.and_then(|spec| spec.node_name))
        });
        Ok(placed.collect())
    }
}

fn replica(world: &World, number: usize) -> anyhow::Result<Role> {
    let free = Addresses::free()?;
    let at = Addresses {
        admin: free.admin,
        controller_admin: free.controller_admin,
        ..world.addresses
    };
    let home = Home::Process(Path::new(env!("CARGO_BIN_EXE_trustpool")).to_owned());
    let (users, directory) = (&world.users, world.plane.directory());
    let name = |role: &str| format!("{role}-{number}");
    match number {
        0 => Role::controller(&name("controller"), &users.controller, at, &home, directory),
        1 => Role::controller(&name("controller"), &users.both, at, &home, directory),
        _ => Role::gate(&name("gate"), &users.gate, at, &home, directory),
    }
}

async fn nodes(world: &World) -> anyhow::Result<()> {
    let good = NODES.map(|node| (node, "trusted"));
    let bad = NEVER.map(|node| (node, "untrusted"));
    let all = || good.iter().chain(&bad);
    for (node, verdict) in all() {
        world.simulator.play(node, verdict).await?;
        let node = NodeBuilder::new(node).capacity("pods", "100000");
        world.nodes.create(&node).await?;
    }
    for (node, verdict) in all() {
        world.labelled(node, Some(verdict)).await?;
    }
    Ok(())
}
