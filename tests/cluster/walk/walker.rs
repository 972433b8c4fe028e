//! Takes the steps.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::sleep;
use trustpool::api::keys;
use trustpool::clock::Clock;
use trustpool_harness::{Setup, World, eventually};

use super::machines::Machines;
use super::plan::{NODES, SPACES};
use super::pulse::Pulse;
use super::roles::Roles;
use super::step::{Place, Rule, Scheduler, Step, Way, Who};
use super::tenant::{SECOND, Tenant};

/// For how long an answer counts.
pub const VALIDITY: SignedDuration = SignedDuration::from_secs(8);

/// How long it may take until all is well again.
const CALM: Duration = Duration::from_secs(150);

/// A pod that waits for longer then is worth a line.
const UNUSUAL: Duration = Duration::from_secs(10);

/// A world with somebody in it who walks.
pub struct Walker {
    pub world: World,
    pub roles: Roles,
    pub pulse: Pulse,
    pub tenant: Tenant,
    machines: Machines,
    /// By how much the world's clock is off.
    offset: SignedDuration,
    /// When it was moved, and how far off it was then.
    pub clock: Vec<(Timestamp, SignedDuration)>,
    /// The same of the gate's: it has its own where it is a process of its own.
    pub gate_clock: Vec<(Timestamp, SignedDuration)>,
    /// What was done, and when.
    pub done: Vec<(Timestamp, Step)>,
    /// Nobody moves it.
    real: Clock,
}

impl Walker {
    /// Makes the world; Trustpool does not run yet.
    pub async fn new() -> anyhow::Result<Self> {
        let pool = json!({
            "validity": "8s",
            "refresh": {"interval": "2s", "minInterval": "1s"},
            "breaker": {"maxUntrusted": "100%"},
            "trustAgain": {"verdicts": 1},
        });
        let service = json!({"timeouts": {"connect": "1s", "read": "2s", "total": "2s"}});
        let setup = Setup::default().scheduler().second_scheduler(SECOND);
        let setup = setup.observed().pool(pool).service(service);
        let world = setup.prepare().await?;
        for (space, rule) in SPACES {
            world.plane.create_namespace(space).await?;
            relabel(&world, space, rule).await?;
        }
        Ok(Self {
            roles: Roles::new(&world).await?,
            pulse: Pulse::start(world.client.clone()).await?,
            tenant: Tenant::new(&world).await?,
            machines: Machines::new(&world).await?,
            offset: SignedDuration::ZERO,
            clock: Vec::new(),
            gate_clock: Vec::new(),
            done: Vec::new(),
            real: Clock::system(),
            world,
        })
    }

    /// Takes a step, and pauses.
    pub async fn take(&mut self, step: Step, pause: Duration) -> anyhow::Result<()> {
        self.done.push((self.real.wall(), step.clone()));
        let failed = format!("step {} ({step:?})", self.done.len());
        self.perform(step).await.context(failed)?;
        sleep(pause).await;
        Ok(())
    }

    async fn perform(&mut self, step: Step) -> anyhow::Result<()> {
        match step {
            Step::Leg { controller, gate } => return self.leg(controller, gate).await,
            Step::Pod {
                space,
                asks,
                scheduler,
            } => self.tenant.pod(space, asks, scheduler),
            Step::HandBind {
                space,
                asks,
                node,
                way,
            } => {
                self.tenant.hand_bind(space, asks, node, way);
            }
            Step::Rebind { back, node } => self.tenant.rebind(back, node),
            Step::Play { node, verdict } => return self.world.simulator.play(node, verdict).await,
            Step::Fault(kind) => return self.world.simulator.fault(&json!({"kind": kind})).await,
            Step::Relabel { space, rule } => return relabel(&self.world, space, rule).await,
            Step::Kill(who) => return self.roles.kill(who).await,
            Step::Start(who) => return self.roles.start(who, &self.world),
            Step::Freeze(who) => return self.roles.freeze(who),
            Step::Thaw(who) => return self.roles.thaw(who),
            Step::FreezeWatches => self.roles.freeze_watches(),
            Step::ThawWatches => self.roles.thaw_watches(),
            Step::Clock(offset) => self.set_clock(offset),
            about_a_node => return self.at_machines(about_a_node).await,
        }
        Ok(())
    }

    async fn at_machines(&mut self, step: Step) -> anyhow::Result<()> {
        let machines = &mut self.machines;
        match step {
            Step::Reboot(node) => machines.reboot(node).await,
            Step::Recreate { node, rebooted } => {
                machines.remove(node).await?;
                if rebooted {
                    machines.another_boot(node);
                }
                machines.register(node).await
            }
            Step::Remove(node) => machines.remove(node).await,
            Step::Return(node) => machines.register(node).await,
            Step::Heartbeats { node, heard } => machines.heartbeats(node, heard).await,
            Step::Vandal { node, deed } => machines.vandal(node, deed).await,
            Step::Kubelet { node, deed } => machines.kubelet(node, deed).await,
            Step::Forget(node) => machines.forget(node).await,
            other => anyhow::bail!("{other:?} is not about a node"),
        }
    }

    async fn leg(&mut self, controller: Place, gate: Place) -> anyhow::Result<()> {
        self.set_clock(SignedDuration::ZERO);
        let places = [(Who::Controller, controller), (Who::Gate, gate)];
        self.roles.leg(&self.world, places).await
    }

    /// Moves the clock of the service and of what runs in this process.
    fn set_clock(&mut self, offset: SignedDuration) {
        if offset != self.offset {
            self.world.clock.shift(offset - self.offset);
            self.offset = offset;
            let step = (self.real.wall(), offset);
            self.clock.push(step);
            if self.roles.place(Who::Gate) == Place::Here {
                self.gate_clock.push(step);
            }
        }
    }

    /// Ends every trouble, and waits until every kind of pod finds its node again.
    pub async fn calm(&mut self) -> anyhow::Result<()> {
        self.leg(Place::Here, Place::Process).await?;
        self.world.simulator.fault(&json!({"kind": "none"})).await?;
        for (space, rule) in SPACES {
            relabel(&self.world, space, rule).await?;
        }
        for node in NODES {
            self.world.simulator.play(node, "trusted").await?;
            self.machines.register(node).await?;
            self.machines.heartbeats(node, true).await?;
            // Whoever comes new is asked about at once, however often the service failed before.
            self.machines.reboot(node).await?;
        }
        for (space, _) in SPACES {
            for scheduler in [Scheduler::Default, Scheduler::Second] {
                self.bound(space, true, scheduler).await?;
                self.bound(space, false, scheduler).await?;
            }
        }
        self.tenant.settle().await;
        Ok(())
    }

    /// Waits until a new pod is bound.
    async fn bound(
        &mut self,
        space: &'static str,
        asks: bool,
        scheduler: Scheduler,
    ) -> anyhow::Result<()> {
        self.tenant.pod(space, asks, scheduler);
        let (_, name) = self.tenant.last().context("no pod")?.clone();
        let pods: Api<Pod> = Api::namespaced(self.world.client.clone(), space);
        let what = format!("{space}/{name} of the {scheduler:?} scheduler is bound");
        let since = self.real.uptime();
        eventually(CALM, &what, async || {
            let spec = pods.get(&name).await?.spec.unwrap_or_default();
            ensure!(spec.node_name.is_some(), "it is not");
            Ok(())
        })
        .await?;
        let took = self.real.uptime().saturating_sub(since);
        if took > UNUSUAL {
            println!("{what} after {took:?}");
        }
        Ok(())
    }

    /// Binds a pod that asks to a node by hand, and waits for the answer.
    pub async fn bind_by_hand(&mut self, space: &'static str, node: &'static str) {
        self.tenant.hand_bind(space, true, node, Way::Pod);
        self.tenant.settle().await;
    }
}

/// Gives a namespace the labels of a rule.
async fn relabel(world: &World, space: &str, rule: Rule) -> anyhow::Result<()> {
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let patch = Patch::Merge(json!({"metadata": {"labels": labels(rule)}}));
    namespaces
        .patch(space, &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

fn labels(rule: Rule) -> Value {
    let (require, gate, pool) = match rule {
        Rule::Audit => (Some("audit"), None, None),
        Rule::Open => (None, Some("open"), None),
        Rule::Pinned => (Some("trusted"), None, Some("default")),
        Rule::Plain => (None, None, None),
        Rule::Required => (Some("trusted"), None, None),
        Rule::RequiredOpen => (Some("trusted"), Some("open"), None),
        Rule::Strict => (None, Some("strict"), None),
    };
    json!({keys::REQUIRE: require, "trustpool.dev/gate": gate, keys::REQUIRE_POOL: pool})
}
