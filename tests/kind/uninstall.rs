//! What is left when Trustpool is gone.

use anyhow::ensure;
use serde_json::Value;
use trustpool_harness::eventually;

use crate::support::{Cluster, Install, LONG, NAMESPACE, TRUST, TRUSTED, UNTRUSTED, deployment};

#[tokio::test]
async fn what_is_left_is_what_the_operator_chose_to_keep() {
    let cluster = Cluster::take(Install::Default).await.unwrap();
    cluster.asking_namespace("vault").await.unwrap();
    let image = cluster.idle_image().await.unwrap();
    cluster
        .apply(&deployment("asks", "vault", 1, &image))
        .await
        .unwrap();
    cluster.rolled_out("asks", "vault").await.unwrap();

    assert!(ours(&cluster).await.unwrap() > 20, "this counts nothing");
    let uninstall = [
        "uninstall",
        "trustpool",
        "--namespace",
        NAMESPACE,
        "--wait",
        "--timeout=5m",
    ];
    cluster.helm(&uninstall).await.unwrap();

    // Nobody refuses anything any more, and pods run on.
    cluster
        .apply(&deployment("later", "vault", 1, &image))
        .await
        .unwrap();
    cluster.rolled_out("later", "vault").await.unwrap();
    eventually(LONG, "no object of the release is left", async || {
        let left = ours(&cluster).await?;
        ensure!(left == 0, "{left}");
        Ok(())
    })
    .await
    .unwrap();
    eventually(LONG, "nodes are clean", async || clean(&cluster).await)
        .await
        .unwrap();
    let kept = cluster.get(&["trustpool,nodetrust"]).await.unwrap();
    assert!(
        kept["items"].as_array().is_some_and(|kept| kept.len() >= 3),
        "{kept}"
    );
    // A kubelet that restarts would fail the pod without it.
    cluster.labelled(TRUSTED, Some("trusted")).await.unwrap();
    cluster.drop_namespace("vault").await.unwrap();
}

/// How many objects of the whole cluster, but for what is kept, are of the release.
async fn ours(cluster: &Cluster) -> anyhow::Result<usize> {
    const KINDS: &str = "validatingadmissionpolicies,validatingadmissionpolicybindings,\
        mutatingadmissionpolicies,mutatingadmissionpolicybindings,validatingwebhookconfigurations,\
        clusterroles,clusterrolebindings,flowschemas,prioritylevelconfigurations";
    let left = cluster.get(&[KINDS, "--selector=app.kubernetes.io/instance=trustpool"]);
    Ok(left.await?["items"].as_array().map_or(0, Vec::len))
}

/// No node has a taint of ours, nor the untrusted one a label.
async fn clean(cluster: &Cluster) -> anyhow::Result<()> {
    let nodes = cluster.get(&["nodes"]).await?;
    for node in nodes["items"].as_array().into_iter().flatten() {
        let taints = node["spec"]["taints"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let ours = |taint: &Value| {
            taint["key"]
                .as_str()
                .is_some_and(|key| key.starts_with("trustpool.dev/"))
        };
        ensure!(!taints.iter().any(ours), "{taints:?}");
    }
    let untrusted = cluster.get(&["node", UNTRUSTED]).await?;
    let label = &untrusted["metadata"]["labels"][TRUST];
    ensure!(label.is_null(), "{label}");
    Ok(())
}
