//! A kubelet with its own certificate, and what becomes of pods when one restarts.

use std::time::Duration;

use anyhow::ensure;
use serde_json::json;
use tempfile::TempDir;
use trustpool_harness::eventually;

use crate::support::{Cluster, Install, LONG, TRUST, TRUSTED, UNTRUSTED, deployment};

/// A kubeconfig of the kubelet on `node`, from the certificate that it has there.
async fn kubelet(cluster: &Cluster, node: &str, directory: &TempDir) -> anyhow::Result<String> {
    let pem = [
        "exec",
        node,
        "cat",
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
    ];
    let file = directory.path().join("kubelet.pem");
    std::fs::write(&file, cluster.docker(&pem).await?)?;
    let ours = cluster
        .kubectl(&["config", "view", "--minify", "--raw", "--output=json"])
        .await?;
    let mut config: serde_json::Value = serde_json::from_str(&ours)?;
    config["users"][0]["user"] = json!({"client-certificate": file, "client-key": file});
    let path = directory.path().join("kubeconfig");
    std::fs::write(&path, config.to_string())?;
    Ok(format!("--kubeconfig={}", path.display()))
}

#[tokio::test]
async fn a_kubelet_cannot_call_itself_trusted() {
    let cluster = Cluster::take(Install::Default).await.unwrap();
    let directory = TempDir::new().unwrap();
    let who = kubelet(&cluster, UNTRUSTED, &directory).await.unwrap();
    let (trusted, removed) = (format!("{TRUST}=trusted"), format!("{TRUST}-"));

    // So it is who it says, and may write its Node.
    let annotate = [
        "annotate",
        "node",
        UNTRUSTED,
        "example.org/mine=yes",
        "--overwrite",
        &who,
    ];
    cluster.kubectl(&annotate).await.unwrap();
    for label in [&trusted, &removed] {
        let label = ["label", "node", UNTRUSTED, label, "--overwrite", &who];
        let refused = cluster.kubectl(&label).await.unwrap_err();
        assert!(
            format!("{refused:#}").contains("is not allowed to modify labels"),
            "{refused:#}"
        );
    }
    let taint = [
        "taint",
        "node",
        UNTRUSTED,
        "trustpool.dev/not-trusted-",
        &who,
    ];
    assert!(
        cluster.kubectl(&taint).await.is_err(),
        "it took its taint off"
    );
    let status = json!({"status": {"verdict": "trusted"}}).to_string();
    let patch = [
        "patch",
        "nodetrust",
        UNTRUSTED,
        "--subresource=status",
        "--type=merge",
        "-p",
        &status,
        &who,
    ];
    assert!(
        cluster.kubectl(&patch).await.is_err(),
        "it wrote its record"
    );
    cluster
        .labelled(UNTRUSTED, Some("untrusted"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_kubelet_that_restarts_while_its_label_is_off_ends_the_pods_that_ask() {
    let cluster = Cluster::take(Install::Default).await.unwrap();
    cluster.asking_namespace("vault").await.unwrap();
    let image = cluster.idle_image().await.unwrap();
    cluster
        .apply(&deployment("asks", "vault", 1, &image))
        .await
        .unwrap();
    cluster.rolled_out("asks", "vault").await.unwrap();
    let before = cluster.placed("vault").await.unwrap();

    cluster.distrust(Some("a test")).await.unwrap();
    cluster.labelled(TRUSTED, Some("untrusted")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(
        cluster.placed("vault").await.unwrap(),
        before,
        "it runs on, as long as nobody restarts"
    );
    let restart = ["exec", TRUSTED, "systemctl", "restart", "kubelet"];
    cluster.docker(&restart).await.unwrap();

    let [name, ..] = &before[0];
    // Failed, or Succeeded if its containers end well when they are told to.
    eventually(LONG, "the kubelet ends the pod", async || {
        let pod = cluster.get(&["pod", name, "--namespace=vault"]).await?;
        let phase = pod["status"]["phase"].as_str();
        ensure!(matches!(phase, Some("Failed" | "Succeeded")), "{phase:?}");
        Ok(())
    })
    .await
    .unwrap();
    let about = format!("--field-selector=reason=NodeAffinity,involvedObject.name={name}");
    let why = ["get", "events", "--namespace=vault", &about];
    let why = cluster.kubectl(&why).await.unwrap();
    assert!(why.contains("Predicate NodeAffinity failed"), "{why}");
    cluster.distrust(None).await.unwrap();
    cluster.labelled(TRUSTED, Some("trusted")).await.unwrap();
    cluster.rolled_out("asks", "vault").await.unwrap();
    cluster.drop_namespace("vault").await.unwrap();
}
