//! An upgrade of the chart while pods are placed without rest.

use std::time::Duration;

use anyhow::ensure;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Cluster, Install, TRUSTED};

/// One pod in so long.
const PACE: Duration = Duration::from_millis(500);

#[tokio::test]
async fn pods_that_ask_are_placed_while_the_chart_is_upgraded() {
    for install in [Install::Default, Install::Extender] {
        let cluster = Cluster::take(install).await.unwrap();
        cluster.asking_namespace("load").await.unwrap();
        let image = cluster.idle_image().await.unwrap();
        let stop = CancellationToken::new();

        let load = place(&cluster, &image, &stop);
        let rolled = async {
            let anew = ["gate", "extender", "controller"]
                .map(|role| format!("{role}.podAnnotations.rolled={install:?}"));
            let more = ["--set", &anew.join(",")];
            let rolled = cluster.install(install, &more).await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            stop.cancel();
            rolled
        };
        let (made, rolled) = tokio::join!(load, rolled);
        rolled.unwrap();

        let waits = judge(&cluster, made.unwrap()).await.unwrap();
        let longest = waits.iter().max().copied().unwrap_or_default();
        println!(
            "{install:?}: {} pods, bound after {longest} s at most",
            waits.len()
        );
        cluster.drop_namespace("load").await.unwrap();
    }
}

/// Creates one pod after the other until told to stop, and deletes each when it has been placed for a while. Says how
/// many.
async fn place(cluster: &Cluster, image: &str, stop: &CancellationToken) -> anyhow::Result<usize> {
    let mut made = 0;
    while !stop.is_cancelled() {
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": format!("p{made}"), "namespace": "load"},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "main", "image": image, "imagePullPolicy": "Never"}],
            },
        });
        cluster.apply(&pod).await?;
        made += 1;
        tokio::time::sleep(PACE).await;
    }
    Ok(made)
}

/// Makes sure that every pod was placed where it may be. Says how long each waited, in seconds.
async fn judge(cluster: &Cluster, made: usize) -> anyhow::Result<Vec<i64>> {
    let wait = [
        "wait",
        "pods",
        "--all",
        "--namespace=load",
        "--for=condition=PodScheduled",
        "--timeout=2m",
    ];
    cluster.kubectl(&wait).await?;
    let pods = cluster.get(&["pods", "--namespace=load"]).await?;
    let pods = pods["items"].as_array().cloned().unwrap_or_default();
    ensure!(pods.len() == made, "{} of {made} pods", pods.len());
    let mut waits = Vec::new();
    for pod in &pods {
        ensure!(
            pod["spec"]["nodeName"] == TRUSTED,
            "{}",
            pod["spec"]["nodeName"]
        );
        let conditions = pod["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let placed = conditions.iter().find(|it| it["type"] == "PodScheduled");
        let at = |value: Option<&Value>| {
            value
                .and_then(Value::as_str)
                .and_then(|at| at.parse::<Timestamp>().ok())
        };
        let placed = at(placed.map(|it| &it["lastTransitionTime"]));
        let made = at(Some(&pod["metadata"]["creationTimestamp"]));
        if let (Some(placed), Some(made)) = (placed, made) {
            waits.push(placed.duration_since(made).as_secs());
        }
    }
    Ok(waits)
}
