//! The pods of a sample: made all before, deleted all after.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};
use tokio::time::Instant;
use trustpool::api::keys;

use crate::eventually;

/// How many are made or deleted at the same time.
pub const CONCURRENCY: usize = 32;

/// The namespace of pods that the bind gate is asked about.
pub const COVERED: &str = "covered";

/// The namespace of all others.
const UNCOVERED: &str = "default";

/// How long all may take to be gone.
const GONE: Duration = Duration::from_secs(60);

/// What the pods of a sample say about trust: written out, so that no policy has to add anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Nothing.
    Plain,
    /// That they ask, and the selector.
    Selecting,
    /// And the resource that routes them to an extender.
    Routed,
}

impl Kind {
    /// Where they are.
    const fn namespace(self) -> &'static str {
        match self {
            Self::Plain | Self::Routed => UNCOVERED,
            Self::Selecting => COVERED,
        }
    }

    /// One of them.
    fn pod(self, name: &str) -> Value {
        let asks = self != Self::Plain;
        let says = asks.then(|| json!({keys::REQUIRE: "trusted"}));
        let selector = asks.then(|| json!({keys::TRUST: "trusted"}));
        let amounts = match self {
            Self::Plain | Self::Selecting => json!({"cpu": "10m", "memory": "16Mi"}),
            Self::Routed => json!({"cpu": "10m", "memory": "16Mi", keys::RESOURCE: "0"}),
        };
        let resources = json!({"limits": amounts, "requests": amounts});
        json!({
            "metadata": {"name": name, "annotations": says, "labels": says},
            "spec": {
                "nodeSelector": selector,
                "containers": [{"name": "main", "image": "none", "resources": resources}],
            },
        })
    }
}

/// The pods of one sample.
#[derive(Debug)]
pub struct Pods {
    api: Api<Pod>,
    names: Vec<String>,
}

impl Pods {
    /// Makes `count` of them. Returns how many were made in a second, too.
    ///
    /// # Errors
    ///
    /// If one is refused.
    pub async fn make(client: Client, kind: Kind, count: usize) -> anyhow::Result<(Self, f64)> {
        let api: Api<Pod> = Api::namespaced(client, kind.namespace());
        let names: Vec<String> = (0..count).map(|index| format!("pod-{index:05}")).collect();
        let params = PostParams::default();
        let started = Instant::now();
        let made = names.iter().map(async |name| {
            let pod = serde_json::from_value(kind.pod(name))?;
            let made = api.create(&params, &pod).await;
            made.map(drop)
                .with_context(|| format!("failed to make pod `{name}`"))
        });
        let made = stream::iter(made).buffer_unordered(CONCURRENCY);
        made.try_for_each(async |()| Ok(())).await?;
        let rate = count as f64 / started.elapsed().as_secs_f64();
        Ok((Self { api, names }, rate))
    }

    /// Deletes them, at once: no kubelet is there to be waited for.
    ///
    /// # Errors
    ///
    /// If one stays.
    pub async fn delete(self) -> anyhow::Result<()> {
        let at_once = DeleteParams::default().grace_period(0);
        let deleted = self.names.iter().map(async |name| {
            let deleted = self.api.delete(name, &at_once).await;
            deleted
                .map(drop)
                .with_context(|| format!("failed to delete pod `{name}`"))
        });
        let deleted = stream::iter(deleted).buffer_unordered(CONCURRENCY);
        deleted.try_for_each(async |()| Ok(())).await?;
        eventually(GONE, "the pods are gone", async || {
            let left = self
                .api
                .list_metadata(&ListParams::default().limit(1))
                .await?;
            ensure!(left.items.is_empty(), "some are left");
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pod_says_is_written_out() {
        let said = |kind: Kind| {
            let pod = kind.pod("a");
            let selects = pod["spec"]["nodeSelector"][keys::TRUST] == "trusted";
            let amount = &pod["spec"]["containers"][0]["resources"]["limits"][keys::RESOURCE];
            [selects, amount == "0"]
        };

        assert_eq!(said(Kind::Plain), [false, false]);
        assert_eq!(said(Kind::Selecting), [true, false]);
        assert_eq!(said(Kind::Routed), [true, true]);
    }
}
