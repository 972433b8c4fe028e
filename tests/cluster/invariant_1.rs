//! Invariant 1: every pod that asks and is bound has an answer behind it that counted.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use serde_json::json;
use trustpool::api::keys;
use trustpool::domain::Verdict;
use trustpool::simulator::journal::Entry;
use trustpool_harness::{AuditEvent, NodeBuilder, SOON, Setup, Slot, World, eventually};

use crate::support::{all_labelled, steps, told};

const NODES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// `validity` of the pool: short, since here the clock is the real one.
const VALIDITY: SignedDuration = SignedDuration::from_secs(6);

/// How long after evidence against a node a pod may still be bound to it.
const LAG: SignedDuration = SignedDuration::from_secs(2);

/// How many steps of trouble there are, half a second each, before an outage that outlasts every verdict.
const STEPS: usize = 28;

/// When each node's current boot, and those before it, began: nothing older counts.
type Boots = BTreeMap<&'static str, Vec<Timestamp>>;

#[tokio::test(flavor = "multi_thread")]
async fn invariant_1_every_bound_pod_that_asks_has_an_answer_that_counted() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({
        "validity": "6s",
        "refresh": {"interval": "2s", "minInterval": "1s"},
        "onUntrusted": {"taint": "None"},
        "breaker": {"maxUntrusted": "100%"},
        "trustAgain": {"verdicts": 1},
    });
    let service = json!({"timeouts": {"connect": "1s", "read": "1s", "total": "1s"}});
    let setup = Setup::default().scheduler().pool(pool).service(service);
    let mut world = setup.start().await.unwrap();
    let mut boots = Boots::new();
    for node in NODES {
        boots.insert(node, vec![world.clock.wall()]);
        world.simulator.play(node, "trusted").await.unwrap();
        world.nodes.create(&machine(node, "first")).await.unwrap();
    }
    all_labelled(&world, &NODES, "trusted").await.unwrap();

    for step in 0..steps(STEPS) {
        world.asking_pod(&format!("asks-{step}")).await.unwrap();
        trouble(&mut world, step, &mut boots).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        if (step + 1) % STEPS == 0 {
            calm(&world).await.unwrap();
            an_outage_outlasts_every_verdict(&world, step)
                .await
                .unwrap();
            calm(&world).await.unwrap();
        }
    }

    let bound = bindings(&world).await.unwrap();
    let journal = world.simulator.requests().await.unwrap();
    for (pod, node, at) in bound {
        let boots = &boots[node.as_str()];
        let answer = answer(&journal, &node, boots, at);
        answer
            .with_context(|| format!("{pod} on {node} at {at}"))
            .unwrap();
    }
}

/// A node in some boot, with room for all pods of a long test.
fn machine(name: &str, boot: &str) -> NodeBuilder {
    NodeBuilder::new(name)
        .boot_id(boot)
        .capacity("pods", "10000")
}

/// Something that takes trust, gives it, or pretends to.
async fn trouble(world: &mut World, step: usize, boots: &mut Boots) -> anyhow::Result<()> {
    let node = NODES[step * 3 % NODES.len()];
    match step % 7 {
        0 => world.simulator.play(node, "untrusted").await,
        1 => {
            // The boot is another one from some moment after this on.
            let before = world.clock.wall();
            world.nodes.reboot(node, &format!("boot-{step}")).await?;
            boots.entry(node).or_default().push(before);
            Ok(())
        }
        2 => world.simulator.fault(&json!({"kind": "hang"})).await,
        3 => {
            // A label that says more than is known.
            let labels = json!({"metadata": {"labels": {keys::TRUST: "trusted"}}});
            world.patch_node(node, labels).await
        }
        4 => world.simulator.fault(&json!({"kind": "none"})).await,
        5 => {
            for node in NODES {
                world.simulator.play(node, "trusted").await?;
            }
            Ok(())
        }
        _ if step % STEPS == 13 => {
            let running = world.trustpool.take().context("it runs")?;
            running.stop().await?;
            world.run().await
        }
        _ => {
            let before = world.clock.wall();
            world.nodes.delete(node).await?;
            // A boot that came back would be held, and the node lost to the test.
            let boot = format!("boot-{step}");
            world.nodes.create(&machine(node, &boot)).await?;
            boots.entry(node).or_default().push(before);
            Ok(())
        }
    }
}

/// Everything is good again: every pod finds its node, and some node has its label. Not every one: one that
/// happened to be asked about alone while the service hung is asked again a minute later.
async fn calm(world: &World) -> anyhow::Result<()> {
    world.simulator.fault(&json!({"kind": "none"})).await?;
    for node in NODES {
        world.simulator.play(node, "trusted").await?;
    }
    eventually(SOON * 2, "every pod is bound", async || {
        let places = places(world).await?;
        let bound = places.values().flatten().count();
        ensure!(bound == places.len(), "{bound} of {}", places.len());
        Ok(())
    })
    .await?;
    eventually(SOON * 2, "some node is trusted", async || {
        let mut labels = Vec::new();
        for node in NODES {
            labels.push(world.label(node).await?);
        }
        ensure!(labels.contains(&Some("trusted".to_owned())), "{labels:?}");
        Ok(())
    })
    .await
}

/// The service is away for longer than any verdict counts. Pods that ask then are told that they wait;
/// none is bound, whatever the labels still say.
async fn an_outage_outlasts_every_verdict(world: &World, step: usize) -> anyhow::Result<()> {
    world.simulator.fault(&json!({"kind": "down"})).await?;
    eventually(SOON, "every verdict is too old", async || {
        let journal = world.simulator.requests().await?;
        let answered = journal.iter().filter(|entry| entry.answered.is_some());
        let newest = answered.map(|entry| entry.asked).max();
        let age = newest.map(|newest| world.clock.wall().duration_since(newest));
        ensure!(age > Some(VALIDITY), "{age:?}");
        Ok(())
    })
    .await?;
    let pods = ["late", "later"].map(|pod| format!("{pod}-{step}"));
    for pod in &pods {
        world.asking_pod(pod).await?;
    }
    for pod in &pods {
        let expired = ["node(s) had an expired attestation"];
        let refused = told(world, pod, "FailedScheduling", &expired).await;
        let node = world.bound_to(pod).await?;
        ensure!(node.is_none(), "{pod} is bound to {node:?} in an outage");
        refused?;
    }
    Ok(())
}

/// On which node each pod is, if on any.
async fn places(world: &World) -> anyhow::Result<BTreeMap<String, Option<String>>> {
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), "default");
    let pods = pods.list(&ListParams::default()).await?;
    let place = |pod: Pod| (pod.name_any(), pod.spec.and_then(|spec| spec.node_name));
    Ok(pods.into_iter().map(place).collect())
}

/// Which pod was bound to which node, and when, by the audit log: every pod, once.
async fn bindings(world: &World) -> anyhow::Result<Vec<(String, String, Timestamp)>> {
    let places = places(world).await?;
    eventually(SOON, "every binding in the audit log", async || {
        let mut events = world.plane.audit().events()?;
        events.retain(|it| it.is_for("pods", "binding") && it.response_status.code == 201);
        ensure!(events.len() == places.len(), "{}", events.len());
        let binding = |event: AuditEvent| {
            let pod = event.object_ref.name;
            let node = places.get(&pod).cloned().flatten().context("not bound")?;
            Ok((pod, node, event.request_received_timestamp))
        };
        events.into_iter().map(binding).collect()
    })
    .await
}

/// Finds the answer by which `node` was trusted at `at`, if there is one.
fn answer(
    journal: &[Entry],
    node: &str,
    boots: &[Timestamp],
    at: Timestamp,
) -> anyhow::Result<Timestamp> {
    let verdicts: Vec<(Timestamp, Timestamp, Verdict)> = journal
        .iter()
        .filter_map(|entry| {
            let host = entry.hosts.iter().find(|host| host.name.as_str() == node)?;
            Some((entry.asked, entry.answered?, host.verdict?))
        })
        .collect();
    let since = boots.iter().rfind(|boot| **boot + LAG < at);
    let since = since.copied().unwrap_or(Timestamp::MIN);
    let against = verdicts
        .iter()
        .filter(|(_, answered, verdict)| *verdict == Verdict::Untrusted && *answered + LAG < at)
        .map(|(asked, ..)| *asked)
        .max()
        .unwrap_or(Timestamp::MIN);
    let counts = |(asked, answered, verdict): &&(Timestamp, Timestamp, Verdict)| {
        *verdict == Verdict::Trusted
            && *answered <= at
            && at < *asked + VALIDITY
            && *asked >= since
            && *asked > against
    };
    let found = verdicts.iter().rfind(counts);
    found.map(|(asked, ..)| *asked).with_context(|| {
        format!("no answer: boot since {since}, against {against}, answers {verdicts:?}")
    })
}
