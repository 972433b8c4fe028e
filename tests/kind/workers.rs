//! Nodes that stop and come back.

use anyhow::ensure;
use trustpool_harness::eventually;

use crate::support::{Cluster, Install, LONG, TRUSTED};

#[tokio::test]
async fn a_worker_that_stops_loses_its_label_and_is_attested_anew_when_it_is_back() {
    let cluster = Cluster::take(Install::Default).await.unwrap();
    let asked = async || {
        let trust = cluster.get(&["nodetrust", TRUSTED]).await?;
        anyhow::Ok(
            trust["status"]["requestedAt"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    };

    cluster.docker(&["stop", TRUSTED]).await.unwrap();
    cluster.labelled(TRUSTED, Some("unknown")).await.unwrap();
    let before = asked().await.unwrap();
    cluster.docker(&["start", TRUSTED]).await.unwrap();

    cluster.labelled(TRUSTED, Some("trusted")).await.unwrap();
    eventually(LONG, "its verdict is of a later question", async || {
        let now = asked().await?;
        ensure!(now > before, "{now}, {before} before");
        Ok(())
    })
    .await
    .unwrap();
}
