//! What is left when Trustpool is uninstalled: on Nodes neither taints nor conditions of ours, and labels only where a
//! pod runs that selects them, because a kubelet that restarts without the label would fail it.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::{sleep, timeout};
use tracing::info;

use crate::api::keys;
use crate::call::{self, call};
use crate::domain::mark::Change;
use crate::store::{PartialNode, node::Tracked};

use super::marker::patch;

/// What makes controllers: while it is there, nothing is taken off.
const DEPLOYMENT: &str = "trustpool-controller";

/// Which pods would write again what is taken off.
const CONTROLLERS: &str = "app.kubernetes.io/name=trustpool,app.kubernetes.io/component=controller";

/// How many objects one answer of the API server holds.
const PAGE: u32 = 500;

/// How often a Node is read anew when others write it.
const CONFLICTS: u32 = 8;

/// How long to wait for controllers to end: longer than Kubernetes gives them.
const END: Duration = Duration::from_secs(90);

/// What is to be taken off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Extent {
    /// Labels of Nodes also where pods select them.
    pub every_label: bool,
    /// The Secrets that Trustpool made: its CA, and the bind gate's certificate.
    pub secrets: bool,
}

/// Why something is left.
#[derive(Debug, Error)]
pub enum Error {
    /// A controller would put everything back.
    #[error(
        "a controller, or its Deployment, is still in namespace `{namespace}` after {} s: uninstall first",
        END.as_secs()
    )]
    Controlled {
        /// Where.
        namespace: String,
    },
    /// The API server did not do it.
    #[error("failed to {what}")]
    Failed {
        /// What was to be done.
        what: String,
        /// Why not.
        source: call::Error,
    },
}

/// Takes off what `extent` says, and returns how many Nodes keep their labels.
///
/// # Errors
///
/// A controller runs, or the API server refuses: what was done until then is done.
pub async fn clean(client: &Client, namespace: &str, extent: Extent) -> Result<usize, Error> {
    let ended = timeout(END, controllers_ended(client, namespace)).await;
    ended.map_err(|_| Error::Controlled {
        namespace: namespace.to_owned(),
    })??;
    let used = if extent.every_label {
        BTreeSet::new()
    } else {
        nodes_in_use(client).await?
    };
    let nodes: Api<PartialNode> = Api::all(client.clone());
    let mut kept = 0;
    let mut pages = Pages::default();
    while let Some(page) = pages.next(&nodes, "list Nodes").await? {
        for node in page {
            let node = Tracked::from(node);
            let name = node.node.name.to_string();
            let labels = !used.contains(&name);
            kept += usize::from(!labels && node.node.carried.trust.is_some());
            bare(&nodes, &name, node, labels).await?;
        }
    }
    delete::<Lease>(client, namespace, keys::LEASE).await?;
    if extent.secrets {
        delete::<Secret>(client, namespace, keys::CA_SECRET).await?;
        delete::<Secret>(client, namespace, keys::GATE_SECRET).await?;
    }
    Ok(kept)
}

async fn controllers_ended(client: &Client, namespace: &str) -> Result<(), Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let params = ListParams::default().labels(CONTROLLERS).limit(1);
    loop {
        let found = call(pods.list(&params)).await;
        let found = found.map_err(failed("list pods of the controller"))?;
        let deployed = call(deployments.get_opt(DEPLOYMENT)).await;
        let deployed = deployed.map_err(failed("look for the controller's Deployment"))?;
        if found.items.is_empty() && deployed.is_none() {
            return Ok(());
        }
        info!("waiting for the controller to end, and its Deployment to go");
        sleep(Duration::from_secs(2)).await;
    }
}

/// The nodes on which a pod runs that selects our label.
async fn nodes_in_use(client: &Client) -> Result<BTreeSet<String>, Error> {
    let pods: Api<Pod> = Api::all(client.clone());
    let mut used = BTreeSet::new();
    let mut pages = Pages::default();
    while let Some(page) = pages.next(&pods, "list pods").await? {
        used.extend(page.iter().filter_map(needed_by));
    }
    Ok(used)
}

/// The node whose label a pod needs for as long as it runs.
fn needed_by(pod: &Pod) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let selects = spec.node_selector.as_ref()?.contains_key(keys::TRUST);
    let phase = pod.status.as_ref().and_then(|it| it.phase.as_deref());
    let over = matches!(phase, Some("Succeeded" | "Failed"));
    spec.node_name.clone().filter(|_| selects && !over)
}

/// What to take off a Node: taints always, labels if `labels`.
fn change(node: &Tracked, labels: bool) -> Change {
    let carried = &node.node.carried;
    Change {
        trust: (labels && carried.trust.is_some()).then_some(None),
        pool: (labels && carried.pool.is_some()).then_some(None),
        taint: carried.taint.is_some().then_some(None),
        lift: carried.unattested,
    }
}

async fn bare(
    nodes: &Api<PartialNode>,
    name: &str,
    mut node: Tracked,
    labels: bool,
) -> Result<(), Error> {
    let failed = failed(format!("clean Node `{name}`"));
    let params = PatchParams::default();
    for _ in 0..CONFLICTS {
        let change = change(&node, labels);
        if change.is_empty() {
            break;
        }
        let patch = Patch::Merge(patch::marks(&change, &node));
        match call(nodes.patch(name, &params, &patch)).await {
            Err(error) if error.is_missing() => return Ok(()),
            Err(error) if !error.is_conflict() => return Err(failed(error)),
            _ => {}
        }
        let fresh = call(nodes.get(name)).await.map_err(&failed)?;
        node = Tracked::from(fresh);
    }
    if node.node.carried.condition.is_some() {
        let patch = Patch::Strategic(no_condition());
        let written = call(nodes.patch_status(name, &params, &patch)).await;
        written.map(drop).or_else(gone).map_err(&failed)?;
    }
    Ok(())
}

fn no_condition() -> Value {
    json!({"status": {"conditions": [{"$patch": "delete", "type": keys::TRUSTED_CONDITION}]}})
}

async fn delete<K>(client: &Client, namespace: &str, name: &str) -> Result<(), Error>
where
    K: Clone + Debug + DeserializeOwned,
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let deleted = call(api.delete(name, &DeleteParams::default())).await;
    let what = format!("delete {} `{name}`", K::kind(&()));
    deleted.map(drop).or_else(gone).map_err(failed(what))
}

/// What is gone need not be cleaned.
fn gone(error: call::Error) -> Result<(), call::Error> {
    if error.is_missing() {
        Ok(())
    } else {
        Err(error)
    }
}

fn failed(what: impl Into<String>) -> impl Fn(call::Error) -> Error {
    let what = what.into();
    move |source| Error::Failed {
        what: what.clone(),
        source,
    }
}

/// A list, some at a time: nothing here grows with the cluster.
#[derive(Debug, Default)]
struct Pages {
    token: Option<String>,
    over: bool,
}

impl Pages {
    /// The next page; nothing after the last.
    async fn next<K>(&mut self, api: &Api<K>, what: &str) -> Result<Option<Vec<K>>, Error>
    where
        K: Clone + Debug + DeserializeOwned,
    {
        if self.over {
            return Ok(None);
        }
        let mut params = ListParams::default().limit(PAGE);
        params.continue_token = self.token.take();
        let page = call(api.list(&params)).await.map_err(failed(what))?;
        self.token = page.metadata.continue_.filter(|token| !token.is_empty());
        self.over = self.token.is_none();
        Ok(Some(page.items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(object: Value) -> Tracked {
        Tracked::from(serde_json::from_value::<PartialNode>(object).unwrap())
    }

    #[test]
    fn taints_go_and_labels_only_where_nobody_needs_them() {
        let node = node(json!({
            "metadata": {"name": "a", "labels": {keys::TRUST: "untrusted", keys::POOL: "p", "other": "x"}},
            "spec": {"taints": [{"key": keys::NOT_TRUSTED, "value": "untrusted", "effect": "NoSchedule"}]},
        }));
        let taint = Change {
            taint: Some(None),
            ..Change::default()
        };
        assert_eq!(change(&node, false), taint);
        let all = Change {
            trust: Some(None),
            pool: Some(None),
            ..taint
        };
        assert_eq!(change(&node, true), all);
    }

    #[test]
    fn a_node_without_anything_of_ours_is_not_written() {
        let taint = json!({"key": "other", "effect": "NoSchedule"});
        let node = node(json!({"metadata": {"name": "a"}, "spec": {"taints": [taint]}}));
        assert!(change(&node, true).is_empty());
    }

    #[test]
    fn a_pod_needs_the_label_while_it_runs() {
        let selects = json!({keys::TRUST: "trusted"});
        let table = [
            (
                json!({"nodeName": "a", "nodeSelector": selects, "containers": []}),
                "Running",
                Some("a"),
            ),
            (
                json!({"nodeName": "a", "nodeSelector": selects, "containers": []}),
                "Pending",
                Some("a"),
            ),
            (
                json!({"nodeName": "a", "nodeSelector": selects, "containers": []}),
                "Succeeded",
                None,
            ),
            (
                json!({"nodeSelector": selects, "containers": []}),
                "Pending",
                None,
            ),
            (
                json!({"nodeName": "a", "nodeSelector": {"x": "y"}, "containers": []}),
                "Running",
                None,
            ),
            (json!({"nodeName": "a", "containers": []}), "Running", None),
        ];
        for (spec, phase, expected) in table {
            let pod = json!({"metadata": {}, "spec": spec, "status": {"phase": phase}});
            let pod: Pod = serde_json::from_value(pod).unwrap();
            assert_eq!(needed_by(&pod).as_deref(), expected, "{pod:?}");
        }
    }
}
