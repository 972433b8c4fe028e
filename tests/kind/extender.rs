//! With the filter: kube-scheduler asks over mutual TLS on its own machine.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use serde_json::Value;
use trustpool_harness::eventually;

use crate::support::{Cluster, Install, LONG, NAMESPACE, TRUSTED, deployment};

#[tokio::test]
async fn kube_scheduler_asks_the_filter_and_waits_with_pods_that_ask_while_it_is_away() {
    let cluster = Cluster::take(Install::Extender).await.unwrap();
    cluster.asking_namespace("vault").await.unwrap();
    let image = cluster.idle_image().await.unwrap();

    cluster
        .apply(&deployment("first", "vault", 2, &image))
        .await
        .unwrap();
    cluster.rolled_out("first", "vault").await.unwrap();
    let placed = cluster.placed("vault").await.unwrap();
    assert!(
        placed.iter().all(|[_, node, _]| node == TRUSTED),
        "{placed:?}"
    );

    away(&cluster, true).await.unwrap();
    cluster
        .apply(&deployment("waits", "vault", 1, &image))
        .await
        .unwrap();
    cluster
        .apply(&deployment("plain", "default", 1, &image))
        .await
        .unwrap();
    cluster.rolled_out("plain", "default").await.unwrap();
    eventually(LONG, "the scheduler says why it waits", async || {
        let waiting = cluster
            .get(&["pods", "--namespace=vault", "--selector=app=waits"])
            .await?;
        let said = &waiting["items"][0]["status"]["conditions"][0]["message"];
        ensure!(
            said.as_str()
                .is_some_and(|said| said.contains("127.0.0.1:9470")),
            "{said}"
        );
        Ok(())
    })
    .await
    .unwrap();

    away(&cluster, false).await.unwrap();
    cluster.rolled_out("waits", "vault").await.unwrap();
    cluster
        .kubectl(&["delete", "deployment", "plain"])
        .await
        .unwrap();
    cluster.drop_namespace("vault").await.unwrap();
}

/// Takes the filter away, or lets it come back.
async fn away(cluster: &Cluster, is_away: bool) -> anyhow::Result<()> {
    let selector = if is_away {
        "\"nowhere\": \"at-all\""
    } else {
        "\"nowhere\": null"
    };
    let patch =
        format!(r#"{{"spec": {{"template": {{"spec": {{"nodeSelector": {{{selector}}}}}}}}}}}"#);
    let daemon_set = ["daemonset", "trustpool-extender", "--namespace", NAMESPACE];
    cluster
        .kubectl(&[&["patch"], &daemon_set[..], &["-p", &patch]].concat())
        .await?;
    eventually(LONG, "the filter follows", async || {
        let status = cluster.get(&daemon_set).await?["status"].clone();
        let number = |field: &str| status[field].as_u64().unwrap_or_default();
        ensure!(
            number("currentNumberScheduled") == u64::from(!is_away),
            "{status}"
        );
        ensure!(is_away || number("numberReady") == 1, "{status}");
        let pods = [
            "pods",
            "--namespace",
            NAMESPACE,
            "--selector=app.kubernetes.io/component=extender",
        ];
        let left = cluster.get(&pods).await?["items"]
            .as_array()
            .map_or(0, Vec::len);
        ensure!(left == usize::from(!is_away), "{left} pods");
        Ok(())
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(())
}

/// The pods of the bind gate.
async fn gates(cluster: &Cluster) -> anyhow::Result<BTreeSet<String>> {
    let pods = [
        "pods",
        "--namespace",
        NAMESPACE,
        "--selector=app.kubernetes.io/component=gate",
    ];
    let pods = cluster.get(&pods).await?;
    let pods = pods["items"].as_array().into_iter().flatten();
    let names = pods.filter_map(|pod| pod["metadata"]["name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

#[tokio::test]
async fn the_filter_comes_and_goes_beside_bind_gates_that_stay() {
    let cluster = Cluster::take(Install::Default).await.unwrap();
    let before = gates(&cluster).await.unwrap();
    assert!(!before.is_empty(), "this counts nothing");
    for install in [Install::Extender, Install::Default] {
        cluster.install(install, &[]).await.unwrap();
        assert_eq!(gates(&cluster).await.unwrap(), before, "{install:?}");
    }
}

#[tokio::test]
async fn nobody_without_the_schedulers_certificate_is_answered() {
    let cluster = Cluster::take(Install::Extender).await.unwrap();
    let curl = [
        "exec",
        "trustpool-control-plane",
        "curl",
        "--silent",
        "--show-error",
        "--insecure",
    ];
    let url = ["https://127.0.0.1:9470/filter", "--data", "{}"];
    let folder = "/etc/kubernetes/trustpool";
    let (cert, key) = (
        format!("{folder}/scheduler.crt"),
        format!("{folder}/scheduler.key"),
    );

    let nobody = cluster.docker(&[&curl[..], &url].concat()).await;
    assert!(nobody.is_err(), "{nobody:?}");
    let shown = ["--cert", &cert, "--key", &key];
    let answer = cluster
        .docker(&[&curl[..], &shown, &url].concat())
        .await
        .unwrap();
    let answer: Result<Value, _> = serde_json::from_str(&answer);
    assert!(answer.is_ok(), "{answer:?}");
}
