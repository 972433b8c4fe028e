//! Pods that wait for their node.

use std::future::ready;
use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, watcher};
use kube::{Client, ResourceExt as _};
use tokio::task::JoinSet;

use super::Kind;

/// All that wait, until it is dropped.
pub struct Backlog {
    waiting: Store<PartialObjectMeta<Pod>>,
    _watch: JoinSet<()>,
}

impl Backlog {
    /// Begins to watch.
    pub fn start(client: Client) -> Self {
        let (waiting, writer) = reflector::store();
        let unbound = watcher::Config::default().fields("spec.nodeName=");
        let pods = Api::<PartialObjectMeta<Pod>>::all(client);
        let events = watcher(pods, unbound).default_backoff().reflect(writer);
        let mut watch = JoinSet::new();
        watch.spawn(events.for_each(|_| ready(())));
        Self {
            waiting,
            _watch: watch,
        }
    }

    /// How many of a kind wait.
    pub fn of(&self, kind: &Kind) -> usize {
        let all = self.waiting.state();
        let of_kind = |pod: &&Arc<PartialObjectMeta<Pod>>| {
            kind.is_of(&pod.namespace().unwrap_or_default(), &pod.name_any())
        };
        all.iter().filter(of_kind).count()
    }
}
