//! Sees nodes being marked, as anybody could who watches the API server.

use std::collections::HashSet;

use anyhow::Context as _;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ListParams, PartialObjectMeta, WatchEvent, WatchParams};
use kube::{Client, ResourceExt as _};
use tokio::time::Instant;
use trustpool::api::keys;

/// A watch of the metadata of marked nodes.
pub struct Observer {
    events: BoxStream<'static, kube::Result<WatchEvent<PartialObjectMeta<Node>>>>,
}

impl Observer {
    /// Begins to watch. No node may be marked yet.
    ///
    /// # Errors
    ///
    /// If the API server refuses.
    pub async fn open(client: Client) -> anyhow::Result<Self> {
        let nodes: Api<Node> = Api::all(client);
        let marked = format!("{}=trusted", keys::TRUST);
        let list = ListParams::default().labels(&marked);
        let list = nodes.list_metadata(&list).await?;
        anyhow::ensure!(list.items.is_empty(), "some nodes are marked already");
        let version = list.metadata.resource_version.unwrap_or_default();
        let params = WatchParams::default().labels(&marked);
        let events = nodes.watch_metadata(&params, &version).await?;
        Ok(Self {
            events: events.boxed(),
        })
    }

    /// Waits until `count` nodes were seen marked. Returns when each was, in seconds since `started`.
    ///
    /// # Errors
    ///
    /// If the watch ends before.
    pub async fn all(mut self, count: usize, started: Instant) -> anyhow::Result<Vec<f64>> {
        let mut seen = HashSet::with_capacity(count);
        let mut times = Vec::with_capacity(count);
        while times.len() < count {
            let event = self.events.try_next().await?;
            let of = || format!("the watch ended after {} of {count} nodes", times.len());
            let event = event.with_context(of)?;
            if let WatchEvent::Added(node) | WatchEvent::Modified(node) = event
                && seen.insert(node.name_any())
            {
                times.push(started.elapsed().as_secs_f64());
            }
        }
        Ok(times)
    }
}
