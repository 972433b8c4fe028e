//! Every part together: scheduler with an extender, controller manager, kwok.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::time::Duration;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, PostParams};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use trustpool_harness::{
    ControlPlane, Extender, NodeBuilder, Part, Readiness, Scheduler, Slot, eventually,
};

const LONG: Duration = Duration::from_secs(30);

/// An answer of an extender that refuses every node.
const REFUSAL: &str = r#"{"NodeNames":[],"FailedNodes":{"n1":"not today"}}"#;

#[tokio::test]
async fn with_all_parts_a_pod_runs_and_a_node_keeps_what_the_test_said_of_it() {
    let _slot = Slot::take().await.unwrap();
    let builder = ControlPlane::builder().scheduler(Scheduler::default());
    let control_plane = builder.controller_manager().kwok().start().await.unwrap();
    let nodes = control_plane.nodes().await.unwrap();
    nodes
        .create(&NodeBuilder::new("n1").boot_id("first"))
        .await
        .unwrap();

    let pod = create(&control_plane, &pod("plain", &json!({}))).await;
    eventually(LONG, "the pod to run", async || {
        let phase = pod
            .get("plain")
            .await?
            .status
            .and_then(|status| status.phase);
        ensure!(phase.as_deref() == Some("Running"), "{phase:?}");
        Ok(())
    })
    .await
    .unwrap();

    nodes.set_ready("n1", Readiness::False).await.unwrap();
    let node = eventually(LONG, "the taint of a node that is not ready", async || {
        let node = nodes.get("n1").await?;
        ensure!(is_tainted(&node), "{:?}", node.spec);
        Ok(node)
    });
    let status = node.await.unwrap().status.unwrap();
    assert_eq!(status.node_info.unwrap().boot_id, "first");
    nodes.set_ready("n1", Readiness::True).await.unwrap();
    eventually(LONG, "the taint to go", async || {
        let node = nodes.get("n1").await?;
        ensure!(!is_tainted(&node), "{:?}", node.spec);
        Ok(())
    })
    .await
    .unwrap();
    control_plane.stop().await.unwrap();
}

#[tokio::test]
async fn kwok_makes_a_bare_node_ready() {
    let _slot = Slot::take().await.unwrap();
    let builder = ControlPlane::builder().controller_manager().kwok();
    let control_plane = builder.start().await.unwrap();
    let nodes = control_plane.nodes().await.unwrap();
    let mut bare = NodeBuilder::new("bare").build();
    bare.status = None;

    nodes
        .api()
        .create(&PostParams::default(), &bare)
        .await
        .unwrap();

    eventually(LONG, "the node to be ready", async || {
        let node = nodes.get("bare").await?;
        let conditions = node
            .status
            .and_then(|status| status.conditions)
            .context("none")?;
        let ready = conditions
            .iter()
            .find(|condition| condition.type_ == "Ready");
        ensure!(
            ready.is_some_and(|ready| ready.status == "True"),
            "{conditions:?}"
        );
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn the_extender_is_asked_about_pods_that_ask_for_trust() {
    let _slot = Slot::take().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/scheduler", listener.local_addr().unwrap());
    let scheduler = Scheduler::default().extender(Extender::new(&url));
    let mut control_plane = ControlPlane::builder().start().await.unwrap();
    control_plane.start_scheduler(&scheduler).await.unwrap();
    control_plane
        .nodes()
        .await
        .unwrap()
        .create(&NodeBuilder::new("n1"))
        .await
        .unwrap();

    let limits = json!({"limits": {"trustpool.dev/trust": "1"}});
    create(&control_plane, &pod("plain", &json!({}))).await;
    let pods = create(&control_plane, &pod("trusting", &limits)).await;
    let request = refuse_one(&listener).await;

    assert!(request.starts_with("POST /scheduler/filter "), "{request}");
    assert!(
        request.contains(r#""Nodes":null"#) && request.contains("trusting"),
        "{request}"
    );
    eventually(LONG, "the pod to be refused", async || {
        let status = pods.get("trusting").await?.status.context("no status")?;
        let refused = format!("{:?}", status.conditions);
        ensure!(refused.contains("1 not today"), "{refused}");
        Ok(())
    })
    .await
    .unwrap();
    let plain = pods.get("plain").await.unwrap().spec.unwrap();
    assert_eq!(plain.node_name.as_deref(), Some("n1"));
    let metrics = control_plane.scheduler_metrics().await.unwrap();
    assert!(metrics.contains("scheduler_pod_scheduling_attempts"));
    assert!(control_plane.part(Part::Kwok).is_err());
}

async fn create(control_plane: &ControlPlane, pod: &Pod) -> Api<Pod> {
    let pods = Api::namespaced(control_plane.client().await.unwrap(), "default");
    pods.create(&PostParams::default(), pod).await.unwrap();
    pods
}

fn pod(name: &str, resources: &serde_json::Value) -> Pod {
    let container = json!({"name": "main", "image": "pause", "resources": resources});
    let pod = json!({"metadata": {"name": name}, "spec": {"containers": [container]}});
    serde_json::from_value(pod).unwrap()
}

fn is_tainted(node: &Node) -> bool {
    let taints = node
        .spec
        .iter()
        .flat_map(|spec| spec.taints.iter().flatten());
    taints
        .into_iter()
        .any(|taint| taint.key == "node.kubernetes.io/not-ready")
}

/// Refuses the first request of the first connection, and returns it.
async fn refuse_one(listener: &TcpListener) -> String {
    let (mut connection, _) = listener.accept().await.unwrap();
    let request = read_request(&mut connection).await;
    let length = REFUSAL.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}");
    let answer = format!("{head}\r\nConnection: close\r\n\r\n{REFUSAL}");
    connection.write_all(answer.as_bytes()).await.unwrap();
    request
}

/// Reads a request up to the end of its body, which is JSON's last brace and a line feed.
async fn read_request(connection: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    while !request.ends_with(b"}") && !request.ends_with(b"}\n") {
        let read = connection.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "the request ended early");
        request.extend_from_slice(buffer.get(..read).unwrap());
    }
    String::from_utf8(request).unwrap()
}
