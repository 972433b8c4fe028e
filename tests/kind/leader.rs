//! Several controllers on a real cluster.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use trustpool_harness::eventually;

use crate::support::{Cluster, Install, LONG, NAMESPACE, TRUSTED};

async fn holder(cluster: &Cluster) -> anyhow::Result<String> {
    let lease = cluster
        .get(&["lease", "trustpool-controller", "--namespace", NAMESPACE])
        .await?;
    let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
    Ok(holder.to_owned())
}

#[tokio::test]
async fn a_leader_that_is_killed_is_replaced() {
    let cluster = Cluster::take(Install::Default).await.unwrap();
    let before = holder(&cluster).await.unwrap();
    let (pod, _) = before.rsplit_once('_').context("no pod").unwrap();
    let asked = cluster.get(&["nodetrust", TRUSTED]).await.unwrap();

    #[expect(clippy::disallowed_methods, reason = "nothing is paused here")]
    let began = Instant::now();
    let kill = [
        "delete",
        "pod",
        pod,
        "--namespace",
        NAMESPACE,
        "--grace-period=0",
        "--force",
    ];
    cluster.kubectl(&kill).await.unwrap();

    eventually(LONG, "another one attests", async || {
        let now = holder(&cluster).await?;
        ensure!(now != before && !now.is_empty(), "{now} leads");
        let trust = cluster.get(&["nodetrust", TRUSTED]).await?;
        ensure!(trust["status"]["requestedAt"] != asked["status"]["requestedAt"]);
        Ok(())
    })
    .await
    .unwrap();
    println!(
        "the next round after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    cluster.labelled(TRUSTED, Some("trusted")).await.unwrap();
}
