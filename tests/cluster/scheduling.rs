//! Pods that ask do not wait for longer than their nodes do: what is lost is refused, what is gained wakes them.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams};
use serde_json::{Value, json};
use trustpool::api::keys;
use trustpool::clock::Clock;
use trustpool_harness::{
    Addresses, Home, NodeBuilder, Proxy, Role, SOON, Setup, Slot, World, eventually,
};

use crate::attack::create;
use crate::support::{
    INTERVAL, VALIDITY, expire, labelled_namespace, lands_on, passing, trusted_nodes, writes,
};

/// kube-scheduler's first back-off: after it, what wakes a pod does so at once.
const RESTED: Duration = Duration::from_secs(3);

/// How often a gain is tried, and how long each time.
const TURNS: usize = 6;
const PATIENCE: Duration = Duration::from_secs(15);

const GLANCE: Duration = Duration::from_millis(20);

/// From the record of a gain to the pod on its node.
const PROMPT: SignedDuration = SignedDuration::from_secs(2);

/// A world in which kube-scheduler asks one gate and the API server another, whose news the first may lack.
struct TwoGates {
    world: World,
    proxy: Proxy,
    /// The time of the gate that kube-scheduler asks.
    lagging: Clock,
    roles: [Role; 3],
}

impl TwoGates {
    async fn start(pool: Value) -> anyhow::Result<Self> {
        let world = Setup::default().scheduler().pool(pool).prepare().await?;
        labelled_namespace(&world, "strict", &["trustpool.dev/gate=strict"]).await?;
        let server = world
            .plane
            .server()
            .strip_prefix("https://")
            .context("no TLS")?;
        let proxy = Proxy::start(server.parse()?).await?;
        let lagging = Clock::system();
        let directory = world.plane.directory();
        let fresh = Home::Here(world.clock.clone());
        let controller = Role::controller(
            "controller",
            &world.users.controller,
            world.addresses,
            &fresh,
            directory,
        )?;
        let asked_by_scheduler = Addresses {
            extender: world.addresses.extender,
            ..Addresses::free()?
        };
        let asked_by_server = Addresses {
            extender: Addresses::free()?.extender,
            ..world.addresses
        };
        let user = world.users.gate.through(proxy.address())?;
        let late = Home::Here(lagging.clone());
        let filter = Role::gate("gate", &user, asked_by_scheduler, &late, directory)?;
        let bind = Role::gate(
            "gate-2",
            &world.users.gate,
            asked_by_server,
            &fresh,
            directory,
        )?;
        let mut roles = [controller, filter, bind];
        for role in &mut roles {
            role.ready().await?;
        }
        Ok(Self {
            world,
            proxy,
            lagging,
            roles,
        })
    }

    /// Waits until the gate that kube-scheduler asks knows a node as trusted.
    async fn knows(&self, node: &str) -> anyhow::Result<()> {
        let url = format!("http://{}/filter", self.world.addresses.extender);
        let body = json!({"Pod": trustpool_harness::world::asking_pod("x"), "NodeNames": [node]});
        let http = reqwest::Client::builder().no_proxy().build()?;
        eventually(SOON, "the gate knows it", async || {
            let answer = http.post(&url).json(&body).send().await?.text().await?;
            ensure!(
                answer.contains(&format!(r#""NodeNames":["{node}"]"#)),
                "{answer}"
            );
            Ok(())
        })
        .await
    }

    /// How often the gate that kube-scheduler asks has refused a node.
    async fn refusals(&self) -> anyhow::Result<f64> {
        let [_, filter, _] = &self.roles;
        let metrics = filter.metrics().await?;
        let lines = metrics
            .lines()
            .filter(|line| line.starts_with("trustpool_filter_refusals_total"));
        Ok(lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }
}

fn asks(name: &str) -> Value {
    json!({"metadata": {"name": name, "annotations": {keys::REQUIRE: "trusted"}},
        "spec": {"containers": [{"name": "main", "image": "none"}]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_lost_between_filter_and_bind_is_refused_and_the_pod_goes_elsewhere() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({"breaker": {"maxUntrusted": "100%"}, "onUntrusted": {"taint": "None"}});
    let gates = TwoGates::start(pool).await.unwrap();
    let world = &gates.world;
    trusted_nodes(world, &["a"]).await.unwrap();
    gates.knows("a").await.unwrap();

    // What is known expires, by every clock but that of the gate which hears nothing any more.
    gates.proxy.freeze();
    expire(world, "a").await.unwrap();
    create(world, "strict", asks("between")).await.unwrap();
    refused_at_its_bind(world, "between").await.unwrap();

    gates.proxy.thaw();
    world
        .simulator
        .fault(&json!({"kind": "none"}))
        .await
        .unwrap();
    world.simulator.play("a", "untrusted").await.unwrap();
    world.node("b", "trusted").await.unwrap();
    gates.lagging.shift(VALIDITY);
    passing(world, INTERVAL, "b is trusted", async || {
        gates
            .lagging
            .shift(world.clock.wall().duration_since(gates.lagging.wall()));
        ensure!(world.label("b").await?.as_deref() == Some("trusted"));
        Ok(())
    })
    .await
    .unwrap();
    lands_on(world, "strict", "between", "b").await.unwrap();
}

/// kube-scheduler chose a node, and was told no.
async fn refused_at_its_bind(world: &World, pod: &str) -> anyhow::Result<()> {
    eventually(SOON, "a refused bind", async || {
        let events = world.plane.audit().events()?;
        let refused = events.iter().find(|event| {
            event.is_for("pods", "binding")
                && event.object_ref.name == pod
                && event.response_status.code == 403
        });
        let message = &refused.context("not refused yet")?.response_status.message;
        ensure!(
            message.contains("expired") && message.contains("strict.bind.trustpool.dev"),
            "{message}"
        );
        Ok(())
    })
    .await?;
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), "strict");
    let on = pods.get(pod).await?.spec.and_then(|spec| spec.node_name);
    ensure!(on.is_none(), "it is on {on:?}");
    Ok(())
}

/// The gate that kube-scheduler asks hears of the gain only after kube-scheduler has asked: the label has woken the
/// pod in vain, and what is written to the Node a second later wakes it again.
#[tokio::test(flavor = "multi_thread")]
async fn trust_gained_wakes_a_pod_that_a_lagging_replica_refused() {
    let _slot = Slot::take().await.unwrap();
    let gates = TwoGates::start(
        json!({"trustAgain": {"verdicts": 1}, "breaker": {"maxUntrusted": "100%"}}),
    )
    .await
    .unwrap();
    let world = &gates.world;
    // Without any node kube-scheduler would try the pods again and again, for longer and longer.
    world.node("other", "unknown").await.unwrap();
    world.labelled("other", Some("unknown")).await.unwrap();
    let mut best = SignedDuration::MAX;
    // On a busy machine the gate may be asked so late that what wakes the pod has come before.
    for turn in 0..TURNS {
        let (node, pod) = (format!("n{turn}"), format!("waits-{turn}"));
        create(world, "strict", asks(&pod)).await.unwrap();
        tokio::time::sleep(RESTED).await;
        if let Ok(took) = tokio::time::timeout(PATIENCE, woken(&gates, &node, &pod)).await {
            let took = took.unwrap();
            println!("{pod} was bound {took:?} after the record of the gain");
            best = best.min(took);
        }
        if best <= PROMPT {
            return;
        }
        gates.proxy.thaw();
        world.nodes.delete(&node).await.unwrap();
        delete(world, &pod).await.unwrap();
    }
    panic!("the promptest was bound after {best:?}");
}

async fn delete(world: &World, pod: &str) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), "strict");
    pods.delete(pod, &DeleteParams::default().grace_period(0))
        .await?;
    Ok(())
}

async fn woken(gates: &TwoGates, node: &str, pod: &str) -> anyhow::Result<SignedDuration> {
    let world = &gates.world;
    let refused = gates.refusals().await?;
    gates.proxy.freeze();
    world.node(node, "trusted").await?;
    // Looked at more often than `eventually` does: the next event of the Node comes a second later.
    while gates.refusals().await? <= refused {
        tokio::time::sleep(GLANCE).await;
    }
    gates.proxy.thaw();
    lands_on(world, "strict", pod, node).await?;
    let log = world.plane.audit();
    let recorded: Vec<Timestamp> = writes(&log, "nodetrusts", "status")?
        .iter()
        .filter(|event| event.object_ref.name == node && event.response_status.code == 200)
        .map(|event| event.stage_timestamp)
        .collect();
    let recorded = *recorded.last().context("no record")?;
    let events = log.events()?;
    let bound = events.iter().find(|event| {
        event.is_for("pods", "binding")
            && event.object_ref.name == pod
            && event.response_status.code == 201
    });
    Ok(bound
        .context("not bound")?
        .stage_timestamp
        .duration_since(recorded))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nominated_node_that_lost_trust_does_not_hold_its_pod_up() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({"breaker": {"maxUntrusted": "100%"}});
    let world = Setup::default()
        .scheduler()
        .pool(pool)
        .start()
        .await
        .unwrap();
    labelled_namespace(&world, "strict", &["trustpool.dev/gate=strict"])
        .await
        .unwrap();
    for (class, value) in [("low", "--value=1"), ("high", "--value=1000")] {
        world
            .plane
            .kubectl(&["create", "priorityclass", class, value])
            .await
            .unwrap();
    }
    world.simulator.play("a", "trusted").await.unwrap();
    world
        .nodes
        .create(&NodeBuilder::new("a").capacity("cpu", "1"))
        .await
        .unwrap();
    world.labelled("a", Some("trusted")).await.unwrap();
    create(&world, "strict", all_of_a_node("fills", "low"))
        .await
        .unwrap();
    lands_on(&world, "strict", "fills", "a").await.unwrap();

    // No kubelet ends the victim, so the pod waits for its place on `a`.
    create(&world, "strict", all_of_a_node("important", "high"))
        .await
        .unwrap();
    nominated(&world, "important", "a").await.unwrap();
    let lost = json!({"spec": {"distrust": {"reason": "a test"}}});
    world.change("nodetrust", "a", lost).await.unwrap();
    world.labelled("a", Some("untrusted")).await.unwrap();
    trusted_nodes(&world, &["b"]).await.unwrap();

    lands_on(&world, "strict", "important", "b").await.unwrap();
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), "strict");
    pods.delete("fills", &DeleteParams::default().grace_period(0))
        .await
        .unwrap();
}

fn all_of_a_node(name: &str, class: &str) -> Value {
    let mut pod = asks(name);
    pod["spec"]["priorityClassName"] = json!(class);
    pod["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "1"}});
    pod
}

async fn nominated(world: &World, pod: &str, node: &str) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), "strict");
    eventually(SOON, "a nomination", async || {
        let status = pods.get(pod).await?.status.unwrap_or_default();
        ensure!(
            status.nominated_node_name.as_deref() == Some(node),
            "{status:?}"
        );
        Ok(())
    })
    .await
}
