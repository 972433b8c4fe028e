//! What the demo looks at: nodes, verdicts, pods, events, metrics.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Node, Pod, Taint};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use trustpool::api::{NodeTrust, TrustPool, keys};

use super::numbers::total;
use super::scene::Scene;

impl Scene {
    /// `verdict/Reason` of every node, as the NodeTrusts have it.
    pub(super) async fn verdicts(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let trusts: Api<NodeTrust> = Api::all(self.client.clone());
        let trusts = trusts.list(&ListParams::default()).await?;
        let verdict = |trust: NodeTrust| {
            let name = trust.name_any();
            let status = trust.status?;
            Some((name, format!("{}/{}", status.verdict, status.reason)))
        };
        Ok(trusts.items.into_iter().filter_map(verdict).collect())
    }

    /// How many nodes the pool itself says are trusted.
    pub(super) async fn pool_says(&self) -> anyhow::Result<Option<u32>> {
        let pools: Api<TrustPool> = Api::all(self.client.clone());
        let status = pools.get("default").await?.status;
        Ok(status.map(|status| status.nodes.trusted))
    }

    /// When the first verdict expires.
    pub(super) async fn first_expiry(&self) -> anyhow::Result<Timestamp> {
        let trusts: Api<NodeTrust> = Api::all(self.client.clone());
        let trusts = trusts.list(&ListParams::default()).await?;
        let expiries = trusts
            .iter()
            .filter_map(|trust| Some(trust.status.as_ref()?.expires_at.as_ref()?.0));
        expiries.min().context("no verdict expires")
    }

    /// The nodes.
    pub(super) async fn nodes(&self) -> anyhow::Result<Vec<Node>> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        Ok(nodes.list(&ListParams::default()).await?.items)
    }

    /// The trust label and all taints of every node.
    pub(super) async fn marks(&self) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
        let marks = |node: Node| {
            let mut marks: Vec<String> = taints(&node).map(written).collect();
            marks.sort_unstable();
            marks.extend(node.labels().get(keys::TRUST).cloned());
            (node.name_any(), marks)
        };
        Ok(self.nodes().await?.into_iter().map(marks).collect())
    }

    /// The trust label of every node that has one.
    pub(super) async fn labels(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let nodes = self.nodes().await?;
        let label = |node: Node| Some((node.name_any(), node.labels().get(keys::TRUST)?.clone()));
        Ok(nodes.into_iter().filter_map(label).collect())
    }

    /// What the node conditions of Trustpool give as their reason, for every node that has one.
    pub(super) async fn conditions(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let reason = |node: Node| {
            let name = node.name_any();
            let conditions = node.status?.conditions?;
            let ours = conditions
                .into_iter()
                .find(|it| it.type_ == keys::TRUSTED_CONDITION)?;
            Some((name, ours.reason?))
        };
        Ok(self.nodes().await?.into_iter().filter_map(reason).collect())
    }

    /// The nodes that pods with a label are bound to; an error while one of `count` is not.
    pub(super) async fn places(&self, app: &str, count: usize) -> anyhow::Result<Vec<String>> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), "default");
        let selector = ListParams::default().labels(&format!("app={app}"));
        let pods = pods.list(&selector).await?;
        let bound = pods
            .items
            .into_iter()
            .filter_map(|pod| pod.spec?.node_name)
            .collect::<Vec<_>>();
        ensure!(bound.len() == count, "{} of {count} are bound", bound.len());
        Ok(bound)
    }

    /// The node that a pod is bound to.
    pub(super) async fn place(&self, pod: &str) -> anyhow::Result<Option<String>> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), "default");
        Ok(pods.get(pod).await?.spec.and_then(|spec| spec.node_name))
    }

    /// The newest message of an event with this reason about a pod.
    pub(super) async fn event(&self, pod: &str, reason: &str) -> anyhow::Result<String> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), "default");
        let fields = format!("involvedObject.name={pod},reason={reason}");
        let events = events.list(&ListParams::default().fields(&fields)).await?;
        let messages = events.items.into_iter().rev();
        messages
            .filter_map(|event| event.message)
            .next()
            .with_context(|| format!("pod {pod} has no event {reason} yet"))
    }

    /// How often kube-scheduler has asked Trustpool, whatever it asked.
    pub(super) async fn asked(&self) -> anyhow::Result<u64> {
        let trustpool = self.trustpool.as_ref().context("Trustpool does not run")?;
        let metrics = trustpool.metrics().await?;
        let name = "trustpool_filter_duration_seconds_count";
        total(&metrics, name).with_context(|| format!("no metric {name}"))
    }
}

/// The taints that Trustpool gives, of every node that carries any.
pub(super) fn tainted(nodes: &[Node]) -> BTreeMap<String, String> {
    let ours = |node: &Node| {
        let ours = taints(node).filter(|taint| taint.key == keys::NOT_TRUSTED);
        let ours: Vec<String> = ours.map(written).collect();
        (!ours.is_empty()).then(|| (node.name_any(), ours.join(",")))
    };
    nodes.iter().filter_map(ours).collect()
}

/// The taints of a node.
fn taints(node: &Node) -> impl Iterator<Item = &Taint> {
    let taints = node.spec.iter().filter_map(|spec| spec.taints.as_ref());
    taints.flatten()
}

/// A taint as `key=value:effect`.
fn written(taint: &Taint) -> String {
    let value = taint.value.as_deref().unwrap_or_default();
    format!("{}={value}:{}", taint.key, taint.effect)
}
