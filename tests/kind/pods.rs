//! What the whole is for: pods that ask run on attested nodes, and nowhere else.

use anyhow::ensure;
use serde_json::json;
use trustpool_harness::eventually;

use crate::support::{Cluster, Install, LONG, TRUSTED, UNTRUSTED, deployment};

#[tokio::test]
async fn pods_that_ask_run_on_attested_nodes_alone_and_can_be_worked_with() {
    let cluster = Cluster::take(Install::Default).await.unwrap();
    cluster.asking_namespace("vault").await.unwrap();
    let image = cluster.idle_image().await.unwrap();

    let asks = deployment("asks", "vault", 3, &image);
    cluster.apply(&asks).await.unwrap();
    cluster.rolled_out("asks", "vault").await.unwrap();

    let placed = cluster.placed("vault").await.unwrap();
    assert_eq!(placed.len(), 3, "{placed:?}");
    for [name, node, phase] in &placed {
        assert_eq!(
            (node.as_str(), phase.as_str()),
            (TRUSTED, "Running"),
            "{name}"
        );
        let version = ["exec", "--namespace=vault", name, "--", "/pause", "-v"];
        let said = cluster.kubectl(&version).await.unwrap();
        assert!(said.contains("pause"), "{said}");
    }
    cluster.drop_namespace("vault").await.unwrap();
}

#[tokio::test]
async fn a_pod_that_names_an_untrusted_node_waits_and_a_hand_written_binding_is_refused() {
    let cluster = Cluster::take(Install::Default).await.unwrap();
    cluster.asking_namespace("vault").await.unwrap();
    let image = cluster.idle_image().await.unwrap();
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "stubborn", "namespace": "vault"},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": UNTRUSTED},
            "containers": [{"name": "main", "image": image, "imagePullPolicy": "Never"}],
        },
    });
    cluster.apply(&pod).await.unwrap();

    eventually(LONG, "the scheduler finds no node", async || {
        let pod = cluster
            .get(&["pod", "stubborn", "--namespace=vault"])
            .await?;
        let reason = pod["status"]["conditions"][0]["reason"].as_str();
        ensure!(reason == Some("Unschedulable"), "{}", pod["status"]);
        Ok(())
    })
    .await
    .unwrap();
    let uid = cluster
        .get(&["pod", "stubborn", "--namespace=vault"])
        .await
        .unwrap();
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "stubborn", "namespace": "vault", "uid": uid["metadata"]["uid"]},
        "target": {"kind": "Node", "name": UNTRUSTED},
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), binding.to_string()).unwrap();
    let path = "--raw=/api/v1/namespaces/vault/pods/stubborn/binding";
    let from = format!("--filename={}", file.path().display());
    let refused = cluster.kubectl(&["create", path, &from]).await.unwrap_err();

    let refused = format!("{refused:#}");
    assert!(
        refused.contains("failed attestation") && refused.contains(UNTRUSTED),
        "{refused}"
    );
    cluster.drop_namespace("vault").await.unwrap();
}

#[tokio::test]
async fn the_service_is_reached_by_its_name_and_every_host_is_attested() {
    let cluster = Cluster::take(Install::Default).await.unwrap();

    let service = cluster
        .get(&["attestationservice", "simulator"])
        .await
        .unwrap();
    let url = service["spec"]["openAttestation"]["url"].as_str().unwrap();
    assert_eq!(url, "https://trustpool-simulator.trustpool-system.svc:8443");
    for (node, verdict) in [(TRUSTED, "trusted"), (UNTRUSTED, "untrusted")] {
        let trust = cluster.get(&["nodetrust", node]).await.unwrap();
        assert_eq!(trust["status"]["verdict"], verdict, "{node}");
        assert_eq!(trust["status"]["incarnation"]["host"], node);
        assert!(
            trust["status"]["expiresAt"].is_string() || verdict != "trusted",
            "{node}"
        );
    }
}
