//! A rolling update under load: gates are replaced as a `DaemonSet` with `maxSurge: 1` does it, controllers as a
//! Deployment does, while kube-scheduler, which asks over mutual TLS, places 50 pods a second that ask.

mod asker;
mod gate;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};
use tokio::time::sleep;
use trustpool::clock::Clock;
use trustpool_harness::install::project;
use trustpool_harness::{
    Addresses, AuditEvent, Home, NodeBuilder, Role, Scheduler, Setup, Signal, Slot, World,
    eventually,
};
use trustpool_observer::Gaps;

use crate::extender_tls::pki;
use crate::load::{Delays, Failures, Kind, Load, waits};
use crate::support::labelled_namespace;
use crate::walk::pulse::Pulse;

use asker::Asker;
use gate::Gate;

/// How often each role is replaced.
const TURNS: usize = 3;

/// How many nodes there are; every other one is trusted.
const NODES: usize = 20;

/// Room for every pod: none is deleted.
const ROOM: &str = "10000";

/// How long it is quiet before; and how long before that, so that everybody is warm.
const QUIET: Duration = Duration::from_secs(8);
const WARM: Duration = Duration::from_secs(3);

/// What no pod that asks should wait beyond. It is printed how many do.
const PROMPT: Duration = Duration::from_secs(2);

/// How much longer than in the quiet a pod may wait. Time fails nothing here, so it is beyond what a busy machine
/// does, and counts for nothing where the machine did not keep up.
const BEYOND: Duration = Duration::from_secs(20);

/// How long it may take until every pod is bound: on a slow machine kube-scheduler has tried some again and again.
const ALL: Duration = Duration::from_secs(150);

const KINDS: [Kind; 3] = [
    Kind::new("asks", "strict", true, 20),
    Kind::new("silent", "strict", false, 200),
    Kind::new("plain", "plain", false, 200),
];

/// Two controllers, and the gate that there is at the moment.
struct Rolling {
    controllers: [Role; 2],
    gate: Gate,
    /// Last: with it goes the folder of their logs.
    world: World,
}

impl Rolling {
    async fn start() -> anyhow::Result<Self> {
        let pool = json!({
            "validity": "1m",
            "refresh": {"interval": "2s", "minInterval": "1s"},
            "breaker": {"maxUntrusted": "100%"},
            "trustAgain": {"verdicts": 1},
        });
        let mut world = Setup::default().pool(pool).prepare().await?;
        let routes = project("manifests/optional/extender.yaml");
        world.plane.apply(&routes).await?;
        labelled_namespace(&world, "strict", &["trustpool.dev/gate=strict"]).await?;
        labelled_namespace(&world, "plain", &[]).await?;
        let folder = world.plane.directory().join("pki");
        let dir = folder.to_str().context("not a path")?;
        pki(&["init", "--dir", dir])?;
        let mut controllers = [controller(&world, 0)?, controller(&world, 1)?];
        for role in &mut controllers {
            role.ready().await?;
        }
        let gate = Gate::start(&world, 0)?;
        gate.ready().await?;
        nodes(&world).await?;
        let url = format!("https://{}", world.addresses.extender);
        let printed: Value =
            serde_saphyr::from_str(&pki(&["scheduler", "--dir", dir, "--url", &url])?)?;
        let scheduler = Scheduler::as_printed(printed);
        world.plane.start_scheduler(&scheduler).await?;
        Ok(Self {
            controllers,
            gate,
            world,
        })
    }

    /// The next one is started and ready before the old one is told to stop.
    async fn replace_gate(&mut self, turn: usize) -> anyhow::Result<()> {
        let next = Gate::start(&self.world, turn)?;
        next.ready().await?;
        let mut old = std::mem::replace(&mut self.gate, next);
        end(&mut old.process).await
    }

    /// One after the other.
    async fn replace_controllers(&mut self) -> anyhow::Result<()> {
        for role in &mut self.controllers {
            let process = role.as_process().context("it is no process")?;
            end(process).await?;
            process.restart()?;
            role.ready().await?;
        }
        Ok(())
    }

    async fn pods(&self) -> anyhow::Result<Vec<Pod>> {
        let pods: Api<Pod> = Api::all(self.world.client.clone());
        Ok(pods.list(&ListParams::default()).await?.items)
    }

    /// Waits until every pod is bound, and sees that each that asks is where it may be.
    async fn all_are_where_they_may_be(&self, made: usize) -> anyhow::Result<()> {
        let pods = eventually(ALL, "every pod is bound", async || {
            let pods = self.pods().await?;
            let waits = pods.iter().filter(|pod| node_of(pod).is_none());
            let waits: Vec<String> = waits.map(why).collect();
            ensure!(waits.is_empty(), "{} wait: {waits:#?}", waits.len());
            ensure!(pods.len() == made, "{} of {made}", pods.len());
            Ok(pods)
        })
        .await?;
        let asks = |pod: &&Pod| pod.name_any().starts_with("asks-");
        for pod in pods.iter().filter(asks) {
            let on = node_of(pod).unwrap_or_default();
            ensure!(
                trusted().any(|it| it == on),
                "{} is on {on}",
                pod.name_any()
            );
        }
        Ok(())
    }
}

fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_trustpool"))
}

fn controller(world: &World, number: usize) -> anyhow::Result<Role> {
    let at = Addresses {
        controller_admin: Addresses::free()?.controller_admin,
        ..world.addresses
    };
    let home = Home::Process(binary().to_owned());
    let name = format!("controller-{number}");
    let directory = world.plane.directory();
    Role::controller(&name, &world.users.controller, at, &home, directory)
}

async fn end(process: &mut trustpool_harness::Process) -> anyhow::Result<()> {
    process.signal(Signal::Terminate)?;
    let ended = process.wait(Duration::from_secs(15)).await?;
    ensure!(ended.success(), "{}: {ended}", process.name());
    Ok(())
}

fn trusted() -> impl Iterator<Item = String> {
    (0..NODES).step_by(2).map(|it| format!("node-{it:02}"))
}

async fn nodes(world: &World) -> anyhow::Result<()> {
    for number in 0..NODES {
        let name = format!("node-{number:02}");
        let verdict = ["trusted", "untrusted"][number % 2];
        world.simulator.play(&name, verdict).await?;
        let node = NodeBuilder::new(&name).capacity("pods", ROOM);
        world.nodes.create(&node).await?;
    }
    for number in 0..NODES {
        let verdict = ["trusted", "untrusted"][number % 2];
        world
            .labelled(&format!("node-{number:02}"), Some(verdict))
            .await?;
    }
    Ok(())
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

/// What kube-scheduler says of a pod that has no node.
fn why(pod: &Pod) -> String {
    let status = pod.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let says = conditions
        .into_iter()
        .flatten()
        .find_map(|it| it.message.clone());
    format!("{}: {}", pod.name_any(), says.unwrap_or_default())
}

fn now() -> Timestamp {
    Clock::system().wall()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_under_load_delays_no_pod_and_gives_no_wrong_answer() {
    // So many pods take a machine for themselves.
    let _slot = Slot::all().await.unwrap();
    let mut rolling = Rolling::start().await.unwrap();
    let asker = Asker::start(&rolling.world, &trusted().collect::<Vec<_>>()).unwrap();
    let pulse = Pulse::start(rolling.world.client.clone()).await.unwrap();
    let load = Load::start(&rolling.world.client, &KINDS, usize::MAX);
    sleep(WARM).await;
    let quiet = now();
    sleep(QUIET).await;

    let began = now();
    for turn in 1..=TURNS {
        rolling.replace_gate(turn).await.unwrap();
        rolling.replace_controllers().await.unwrap();
    }
    sleep(PROMPT).await;
    let ended = now();
    let made = load.end().await.unwrap();
    let answers = asker.end().await;

    rolling.all_are_where_they_may_be(made.pods).await.unwrap();
    let (client, at) = (&rolling.world.client, rolling.world.addresses.extender);
    let events = rolling.world.plane.audit().events().unwrap();
    let failures = Failures::read(client, &events, &at.to_string())
        .await
        .unwrap();
    println!("{made}; {answers}; {failures}");
    let longer = longer(&events, [quiet, began, ended]);
    answers.are_right().unwrap();
    let mut slow = Gaps::default();
    pulse.add_to(&mut slow);
    let slow = slow.length();
    println!("the machine was too slow for {slow:#}");
    assert_eq!(failures.outright(), BTreeSet::new());
    if slow.is_zero() {
        assert_eq!(failures.count(), 0, "nobody answered in time");
        assert_eq!(made.held, 0, "too many pods waited");
        assert!(longer < BEYOND, "a pod waited {longer:?} longer");
    }
}

/// Says how long pods waited, and by how much at most those that were made in the update waited longer.
fn longer(events: &[AuditEvent], [quiet, began, ended]: [Timestamp; 3]) -> Duration {
    let mut longer = Duration::ZERO;
    for kind in &KINDS {
        let waits = waits(events, kind);
        let before = Delays::of(&waits, (quiet, began));
        let during = Delays::of(&waits, (began, ended));
        let over = during.over(PROMPT);
        println!("`{}`, quiet: {before}", kind.name);
        println!("`{}`, rolled: {during}; {over} over {PROMPT:?}", kind.name);
        assert!(before.count() > 10 && during.count() > 10, "too few");
        longer = longer.max(during.longest().saturating_sub(before.longest()));
    }
    longer
}
