//! The stage of the attacks: one world that they share, each with names of its own.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use trustpool::api::keys;
use trustpool_harness::{Setup, Slot, World};

use crate::support::{bind, labelled_namespace, trusted_nodes};

/// The namespaces of the stage, with their labels.
pub const NAMESPACES: [(&str, &[&str]); 4] = [
    ("open", &["trustpool.dev/gate=open"]),
    ("plain", &[]),
    ("required", &["trustpool.dev/require=trusted"]),
    ("strict", &["trustpool.dev/gate=strict"]),
];

/// A world that lasts as long as somebody plays in it, and what it runs on.
struct Stage {
    world: World,
    _slot: Slot,
    /// Last, so that the world is dropped in it.
    runtime: Runtime,
}

static STAGE: Mutex<Weak<Stage>> = Mutex::new(Weak::new());

/// Plays an attack on the stage: kube-scheduler with the extender, policies, bind gate; node `good` is trusted,
/// `bad` is untrusted, and nobody knows the host of `odd`. Every other name is the attack's own.
pub fn attack(play: impl AsyncFnOnce(&World) -> anyhow::Result<()>) {
    let stage = stage();
    stage.runtime.block_on(play(&stage.world)).unwrap();
}

fn stage() -> Arc<Stage> {
    let mut shared = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(stage) = shared.upgrade() {
        return stage;
    }
    let runtime = Runtime::new().unwrap();
    let (slot, world) = runtime.block_on(set()).unwrap();
    let stage = Arc::new(Stage {
        world,
        _slot: slot,
        runtime,
    });
    *shared = Arc::downgrade(&stage);
    stage
}

async fn set() -> anyhow::Result<(Slot, World)> {
    let slot = Slot::take().await?;
    // So that no attack on one node holds back what is done about another's.
    let pool = json!({
        "breaker": {"maxUntrusted": "100%"},
        "refresh": {"minInterval": "1s"},
        "trustAgain": {"verdicts": 1},
    });
    let world = Setup::default().scheduler().pool(pool).start().await?;
    trusted_nodes(&world, &["good"]).await?;
    world.node("bad", "untrusted").await?;
    world.node("odd", "unknown").await?;
    world.labelled("bad", Some("untrusted")).await?;
    world.labelled("odd", Some("unknown")).await?;
    for (name, labels) in NAMESPACES {
        labelled_namespace(&world, name, labels).await?;
    }
    // Until the gate is asked, and answers by what the namespaces say.
    create(&world, "strict", waits("stage")).await?;
    trustpool_harness::eventually(trustpool_harness::SOON, "the gate refuses", async || {
        let refused = bind(&world, "strict", "stage", "bad").await;
        let error = refused.err().context("it is bound")?.to_string();
        ensure!(error.contains("will not do"), "{error}");
        Ok(())
    })
    .await?;
    Ok((slot, world))
}

/// Creates a pod.
pub async fn create(world: &World, namespace: &str, pod: Value) -> anyhow::Result<Pod> {
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), namespace);
    Ok(pods
        .create(&PostParams::default(), &serde_json::from_value(pod)?)
        .await?)
}

/// A pod that asks, and that no scheduler looks at.
pub fn waits(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "annotations": {keys::REQUIRE: "trusted"}},
        "spec": {"schedulerName": "nobody", "containers": [{"name": "main", "image": "none"}]},
    })
}

/// A pod that asks for nothing, and that no scheduler looks at.
pub fn silent(name: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {"schedulerName": "nobody", "containers": [{"name": "main", "image": "none"}]},
    })
}

/// Makes sure that a request was refused, with every one of `words`.
pub fn refused<T>(outcome: anyhow::Result<T>, words: &[&str]) -> anyhow::Result<()> {
    let error = outcome.err().context("it is allowed")?;
    let error = format!("{error:#}");
    for word in words {
        ensure!(error.contains(word), "`{word}` is not in: {error}");
    }
    Ok(())
}

/// Makes sure that a pod is bound to no node, and stays so for a moment.
pub async fn unbound(world: &World, namespace: &str, pod: &str) -> anyhow::Result<()> {
    tokio::time::sleep(Duration::from_millis(500)).await;
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), namespace);
    let pod = pods.get(pod).await?;
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    ensure!(node.is_none(), "{} is bound to {node:?}", pod.name_any());
    Ok(())
}
