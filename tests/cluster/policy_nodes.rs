//! Who may say that a node is trusted: by whichever request, whoever sends it.

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use trustpool::api::{NodeTrust, keys};
use trustpool_harness::install::{USER, try_out};
use trustpool_harness::{ControlPlane, Identity, NodeBuilder, Slot};

use crate::policy::{policed, refused, user};
use crate::policy_records::records_are_guarded;

/// Accounts of Kubernetes that may write Nodes, or anything.
const SYSTEM: [&str; 3] = [
    "generic-garbage-collector",
    "node-controller",
    "cloud-node-controller",
];

#[tokio::test(flavor = "multi_thread")]
async fn marks_of_a_node_change_by_whoever_may_mark_and_nobody_else() {
    let _slot = Slot::take().await.unwrap();
    let plane = policed().await.unwrap();
    marked(&plane).await.unwrap();
    let resources = "nodes,nodes/status,nodetrusts.trustpool.dev,nodetrusts.trustpool.dev/status";
    let verbs = "get,list,create,update,patch,delete";
    let operator = user(&plane, "operator", verbs, resources).await.unwrap();

    for way in WAYS {
        for change in CHANGES {
            let outcome = way.send(&operator.client().await.unwrap(), change()).await;
            judged(&outcome, &format!("{way:?} {}", change().0)).unwrap();
        }
    }
    what_is_of_others_is_theirs(&plane, &operator)
        .await
        .unwrap();
    records_are_guarded(&plane, &operator).await.unwrap();
    for account in SYSTEM {
        a_system_account_marks_nothing(&plane, account)
            .await
            .unwrap();
    }
    a_node_brings_no_label(&plane).await.unwrap();
    a_terminating_node_is_guarded(&plane, &operator)
        .await
        .unwrap();
    whoever_may_mark_does(&plane).await.unwrap();
}

/// A node with every mark.
async fn marked(plane: &ControlPlane) -> anyhow::Result<()> {
    let nodes = plane.nodes().await?;
    nodes.create(&NodeBuilder::new("n1")).await?;
    for (key, value) in [
        (keys::TRUST, "untrusted"),
        (keys::POOL, "p"),
        (keys::HOST, "h"),
    ] {
        nodes.label("n1", key, Some(value)).await?;
    }
    for taint in [
        "trustpool.dev/not-trusted=untrusted:NoSchedule",
        "trustpool.dev/unattested:NoSchedule",
        "a=b:NoSchedule",
    ] {
        plane.kubectl(&["taint", "node", "n1", taint]).await?;
    }
    Ok(())
}

/// How a change is sent.
#[derive(Clone, Copy, Debug)]
enum Way {
    Apply,
    Merge,
    Put,
    Strategic,
    StatusMerge,
    StatusStrategic,
}

const WAYS: [Way; 6] = [
    Way::Apply,
    Way::Merge,
    Way::Put,
    Way::Strategic,
    Way::StatusMerge,
    Way::StatusStrategic,
];

/// A name, and what is sent.
type Change = (&'static str, Value);

/// What nobody may do.
const CHANGES: [fn() -> Change; 7] = [
    || {
        (
            "trust",
            json!({"metadata": {"labels": {keys::TRUST: "trusted"}}}),
        )
    },
    || {
        (
            "no trust",
            json!({"metadata": {"labels": {keys::TRUST: null}}}),
        )
    },
    || ("pool", json!({"metadata": {"labels": {keys::POOL: "q"}}})),
    || {
        (
            "host",
            json!({"metadata": {"labels": {keys::HOST: "good"}}}),
        )
    },
    || {
        (
            "no host",
            json!({"metadata": {"labels": {keys::HOST: null}}}),
        )
    },
    || {
        (
            "no taint",
            json!({"spec": {"taints": [{"key": "trustpool.dev/unattested", "effect": "NoSchedule"}]}}),
        )
    },
    || {
        (
            "another taint",
            json!({"spec": {"taints": [
        {"key": "trustpool.dev/not-trusted", "value": "x", "effect": "NoSchedule"},
        {"key": "trustpool.dev/unattested", "effect": "NoSchedule"}]}}),
        )
    },
];

/// What became of it: an error, or the Node.
type Outcome = Result<Node, String>;

impl Way {
    async fn send(self, client: &Client, (_, change): Change) -> Outcome {
        let nodes: Api<Node> = Api::all(client.clone());
        let plain = PatchParams::default();
        let sent = match self {
            Self::Apply => {
                let mut object = json!({"apiVersion": "v1", "kind": "Node"});
                merge(&mut object, &change);
                nodes
                    .patch(
                        "n1",
                        &PatchParams::apply("somebody").force(),
                        &Patch::Apply(object),
                    )
                    .await
            }
            Self::Merge => nodes.patch("n1", &plain, &Patch::Merge(change)).await,
            Self::Put => {
                let node = nodes.get("n1").await.map_err(|error| error.to_string())?;
                let mut object = serde_json::to_value(node).map_err(|error| error.to_string())?;
                merge(&mut object, &change);
                let object = serde_json::from_value(object).map_err(|error| error.to_string())?;
                nodes
                    .replace("n1", &kube::api::PostParams::default(), &object)
                    .await
            }
            Self::Strategic => nodes.patch("n1", &plain, &Patch::Strategic(change)).await,
            Self::StatusMerge => {
                nodes
                    .patch_status("n1", &plain, &Patch::Merge(change))
                    .await
            }
            Self::StatusStrategic => {
                nodes
                    .patch_status("n1", &plain, &Patch::Strategic(change))
                    .await
            }
        };
        sent.map_err(|error| error.to_string())
    }
}

/// JSON merge patch.
fn merge(base: &mut Value, change: &Value) {
    let (Some(base), Some(change)) = (base.as_object_mut(), change.as_object()) else {
        *base = change.clone();
        return;
    };
    for (key, value) in change {
        if value.is_null() {
            base.remove(key);
        } else {
            merge(base.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// Refused by us, or without effect: a status has no taints.
fn judged(outcome: &Outcome, what: &str) -> anyhow::Result<()> {
    match outcome {
        Err(error) => ensure!(error.contains("nodes.trustpool.dev"), "{what}: {error}"),
        Ok(node) => {
            let label = |key| {
                node.metadata
                    .labels
                    .as_ref()
                    .and_then(|labels| labels.get(key))
                    .cloned()
            };
            let labels = [keys::TRUST, keys::POOL, keys::HOST].map(label);
            let expected = ["untrusted", "p", "h"].map(|value| Some(value.to_owned()));
            ensure!(labels == expected, "{what}: {labels:?}");
            let taints = node
                .spec
                .as_ref()
                .and_then(|spec| spec.taints.clone())
                .unwrap_or_default();
            let ours = taints
                .iter()
                .filter(|taint| taint.key.starts_with("trustpool.dev/"));
            ensure!(
                ours.count() == 2
                    && taints
                        .iter()
                        .any(|taint| taint.value.as_deref() == Some("untrusted")),
                "{what}: {taints:?}"
            );
        }
    }
    Ok(())
}

/// Labels, annotations and taints of others, cordons, heartbeats, and a taint of ours that is added.
async fn what_is_of_others_is_theirs(
    plane: &ControlPlane,
    operator: &Identity,
) -> anyhow::Result<()> {
    let more: [&[&str]; 8] = [
        &["label", "node", "n1", "example.com/a=b"],
        &[
            "label",
            "node",
            "n1",
            "example.node-restriction.kubernetes.io/a=b",
        ],
        &["annotate", "node", "n1", "example.com/a=b"],
        &["taint", "node", "n1", "c=d:NoExecute"],
        &["taint", "node", "n1", "a-"],
        &[
            "taint",
            "node",
            "n1",
            "trustpool.dev/not-trusted=x:NoExecute",
        ],
        // Trustpool has no such taint and would never take it off.
        &[
            "taint",
            "node",
            "n1",
            "trustpool.dev/not-trusted:NoExecute-",
        ],
        &[
            "patch",
            "node",
            "n1",
            "--type=strategic",
            "-p",
            r#"{"spec": {"unschedulable": true}}"#,
        ],
    ];
    for arguments in more {
        plane.kubectl_as(operator, arguments).await?;
    }
    Ok(())
}

/// With the roles that they have from the API server itself.
async fn a_system_account_marks_nothing(plane: &ControlPlane, account: &str) -> anyhow::Result<()> {
    let name = format!("system:serviceaccount:kube-system:{account}");
    let client = plane
        .user(&name, &["system:serviceaccounts"])?
        .client()
        .await?;
    let nodes: Api<Node> = Api::all(client.clone());
    let params = PatchParams::default();
    let trusted = Patch::Merge(json!({"metadata": {"labels": {keys::TRUST: "trusted"}}}));
    ensure!(
        nodes.patch("n1", &params, &trusted).await.is_err(),
        "{account} labels"
    );
    let untainted = Patch::Merge(json!({"spec": {"taints": null}}));
    ensure!(
        nodes.patch("n1", &params, &untainted).await.is_err(),
        "{account} takes taints off"
    );
    let trusts: Api<NodeTrust> = Api::all(client);
    let gone = trusts
        .delete("n1", &kube::api::DeleteParams::default())
        .await;
    ensure!(gone.is_err(), "{account} deletes a record");
    Ok(())
}

async fn a_node_brings_no_label(plane: &ControlPlane) -> anyhow::Result<()> {
    let labels =
        json!({keys::TRUST: "trusted", keys::POOL: "p", keys::HOST: "good", "example.com/a": "b"});
    let node = json!({"metadata": {"name": "fresh", "labels": labels}});
    let client = plane.client().await?;
    let made: Node = try_out(&client, None, node).await?;
    let labels = made.metadata.labels.unwrap_or_default();
    ensure!(
        labels.keys().collect::<Vec<_>>() == ["example.com/a"],
        "{labels:?}"
    );
    for taints in [
        json!(null),
        json!([{"key": "example.com/mine", "effect": "NoExecute"}]),
    ] {
        let kubelet = plane.kubelet("fresh")?.client().await?;
        let node = json!({"metadata": {"name": "fresh"}, "spec": {"taints": taints}});
        try_out::<Node>(&kubelet, None, node)
            .await
            .context("a kubelet cannot register")?;
    }
    Ok(())
}

/// A finalizer must not open a door.
async fn a_terminating_node_is_guarded(
    plane: &ControlPlane,
    operator: &Identity,
) -> anyhow::Result<()> {
    let held = r#"{"metadata": {"finalizers": ["example.com/wait"]}}"#;
    plane
        .kubectl_as(
            operator,
            &["patch", "node", "n1", "--type=merge", "-p", held],
        )
        .await?;
    plane
        .kubectl_as(operator, &["delete", "node", "n1", "--wait=false"])
        .await?;
    let label = format!("{}=trusted", keys::TRUST);
    refused(
        plane,
        operator,
        &["label", "--overwrite", "node", "n1", &label],
        &["may not change labels"],
    )
    .await
}

async fn whoever_may_mark_does(plane: &ControlPlane) -> anyhow::Result<()> {
    let nodes: Api<Node> = Api::all(plane.user(USER, &[])?.client().await?);
    let trusted = Patch::Merge(
        json!({"metadata": {"labels": {keys::TRUST: "trusted"}}, "spec": {"taints": []}}),
    );
    nodes.patch("n1", &PatchParams::default(), &trusted).await?;
    Ok(())
}
