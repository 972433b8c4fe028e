//! A cluster that comes up with every new node tainted until it is attested.

use anyhow::ensure;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use trustpool::api::keys;
use trustpool_harness::install::{project, try_out};
use trustpool_harness::{NodeBuilder, SOON, Setup, Slot, World, eventually};

/// The label that the pool of this test selects by.
const POOLED: &str = "trustpool.node-restriction.kubernetes.io/pooled";

#[tokio::test(flavor = "multi_thread")]
async fn new_nodes_hold_off_everybody_until_they_are_attested_or_no_pool_wants_it() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({"startupTaint": true, "breaker": {"maxUntrusted": "100%"},
        "nodeSelector": {"matchLabels": {POOLED: "yes"}}});
    let setup = Setup::default()
        .scheduler()
        .controller_manager()
        .kwok()
        .pool(pool);
    let mut world = setup.prepare().await.unwrap();
    world
        .plane
        .apply(&project("manifests/optional/startup-taint.yaml"))
        .await
        .unwrap();
    tainted_from_the_first(&world).await.unwrap();

    // Before Trustpool runs: nothing lands but what tolerates the taint, which a node needs to come up.
    for (node, verdict) in [
        ("good", "trusted"),
        ("bad", "untrusted"),
        ("odd", "unknown"),
    ] {
        world.simulator.play(node, verdict).await.unwrap();
        let node = NodeBuilder::new(node).label(POOLED, "yes");
        world.nodes.create(&node).await.unwrap();
    }
    world
        .nodes
        .create(&NodeBuilder::new("elsewhere"))
        .await
        .unwrap();
    create(
        &world,
        "cni",
        json!({"tolerations": [{"key": keys::UNATTESTED, "operator": "Exists"}]}),
    )
    .await;
    create(&world, "plain", json!({})).await;
    on(&world, "cni", None).await.unwrap();
    waits(&world, "plain").await.unwrap();
    all_tainted(&world, &["good", "bad", "odd", "elsewhere"])
        .await
        .unwrap();

    world.run().await.unwrap();
    lifted(&world, "elsewhere").await.unwrap();
    lifted(&world, "good").await.unwrap();
    lifted(&world, "bad").await.unwrap();
    assert_eq!(world.taints("bad").await.unwrap(), ["untrusted"]);
    world.labelled("odd", Some("unknown")).await.unwrap();
    all_tainted(&world, &["odd"]).await.unwrap();
    on(&world, "plain", Some(&["good", "elsewhere"]))
        .await
        .unwrap();
    with_the_label(&world).unwrap();
}

async fn tainted_from_the_first(world: &World) -> anyhow::Result<()> {
    eventually(SOON, "new nodes are tainted", async || {
        let node = json!({"metadata": {"name": "probe"}, "spec": {"taints": [{"key": "a", "effect": "NoExecute"}]}});
        let node: k8s_openapi::api::core::v1::Node = try_out(&world.client, None, node).await?;
        let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
        ensure!(taints.iter().any(|taint| taint.key == keys::UNATTESTED), "{taints:?}");
        ensure!(taints.iter().any(|taint| taint.key == "a"), "{taints:?}");
        Ok(())
    })
    .await
}

async fn create(world: &World, name: &str, spec: Value) {
    let mut pod = json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": "none"}]}});
    let fields = pod["spec"].as_object_mut().unwrap();
    fields.extend(spec.as_object().cloned().unwrap_or_default());
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), "default");
    pods.create(
        &PostParams::default(),
        &serde_json::from_value(pod).unwrap(),
    )
    .await
    .unwrap();
}

async fn on(world: &World, pod: &str, nodes: Option<&[&str]>) -> anyhow::Result<()> {
    eventually(SOON, &format!("{pod} is placed"), async || {
        let node = world.bound_to(pod).await?;
        let node = node.ok_or_else(|| anyhow::anyhow!("it waits"))?;
        ensure!(
            nodes.is_none_or(|nodes| nodes.contains(&node.as_str())),
            "it is on {node}"
        );
        Ok(())
    })
    .await
}

async fn waits(world: &World, pod: &str) -> anyhow::Result<()> {
    crate::support::told(
        world,
        pod,
        "FailedScheduling",
        &["4 node(s) had untolerated taint(s)"],
    )
    .await?;
    ensure!(world.bound_to(pod).await?.is_none());
    Ok(())
}

async fn is_tainted(world: &World, node: &str) -> anyhow::Result<bool> {
    let node = world.nodes.get(node).await?;
    let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
    Ok(taints.iter().any(|taint| taint.key == keys::UNATTESTED))
}

async fn all_tainted(world: &World, nodes: &[&str]) -> anyhow::Result<()> {
    for node in nodes {
        ensure!(is_tainted(world, node).await?, "{node} is not tainted");
    }
    Ok(())
}

async fn lifted(world: &World, node: &str) -> anyhow::Result<()> {
    eventually(
        SOON,
        &format!("the taint of {node} is lifted"),
        async || {
            ensure!(!is_tainted(world, node).await?);
            Ok(())
        },
    )
    .await
}

/// One patch each made the label and lifted the taint.
fn with_the_label(world: &World) -> anyhow::Result<()> {
    let writes = crate::support::writes(&world.plane.audit(), "nodes", "")?;
    for node in ["good", "bad"] {
        let of = writes
            .iter()
            .filter(|event| event.object_ref.name == node && event.response_status.code == 200);
        ensure!(of.count() == 1, "{node} was patched more than once");
    }
    Ok(())
}
