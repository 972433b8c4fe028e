//! The API server alone: identities, audit log, nodes, kubectl.

use std::time::Duration;

use anyhow::ensure;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;
use trustpool_harness::{ControlPlane, NodeBuilder, Part, Readiness, Signal, Slot, eventually};

const LONG: Duration = Duration::from_secs(10);

/// What a kubelet must not say of itself.
const LABEL: &str = "test.node-restriction.kubernetes.io/trust";

#[tokio::test]
async fn the_audit_log_counts_each_write_of_each_user() {
    let _slot = Slot::take().await.unwrap();
    let control_plane = ControlPlane::builder().start().await.unwrap();
    let kubelet = control_plane.kubelet("n1").unwrap();
    let audit = control_plane.audit().from_now().unwrap();

    let nodes: Api<Node> = Api::all(kubelet.client().await.unwrap());
    let node = NodeBuilder::new("n1").build();
    nodes.create(&Default::default(), &node).await.unwrap();
    nodes.get("n1").await.unwrap();

    let writes = eventually(LONG, "the write in the audit log", async || {
        let writes = audit.writes_by(kubelet.user())?;
        ensure!(!writes.is_empty(), "no write");
        Ok(writes)
    });
    let writes = writes.await.unwrap();
    assert_eq!(writes.len(), 1);
    assert!(writes[0].is_for("nodes", ""), "{writes:?}");
    assert_eq!(
        (writes[0].verb.as_str(), writes[0].response_status.code),
        ("create", 201)
    );
    assert_eq!(
        writes[0].user.groups,
        ["system:nodes", "system:authenticated"]
    );
    assert!(
        !audit
            .writes()
            .unwrap()
            .contains_key(control_plane.admin().user())
    );
    control_plane.stop().await.unwrap();
}

#[tokio::test]
async fn a_kubelet_cannot_give_itself_a_restricted_label() {
    let _slot = Slot::take().await.unwrap();
    let control_plane = ControlPlane::builder().start().await.unwrap();
    let kubelet = control_plane.kubelet("n1").unwrap();
    let nodes: Api<Node> = Api::all(kubelet.client().await.unwrap());
    nodes
        .create(&Default::default(), &NodeBuilder::new("n1").build())
        .await
        .unwrap();

    let patch = Patch::Merge(json!({"metadata": {"labels": {LABEL: "trusted"}}}));
    let refused = nodes
        .patch("n1", &PatchParams::default(), &patch)
        .await
        .unwrap_err();

    assert!(
        refused
            .to_string()
            .contains("is not allowed to modify labels"),
        "{refused}"
    );
    let admin = control_plane.nodes().await.unwrap();
    admin.label("n1", LABEL, Some("trusted")).await.unwrap();
    let label = admin
        .get("n1")
        .await
        .unwrap()
        .metadata
        .labels
        .unwrap()
        .remove(LABEL);
    assert_eq!(label.as_deref(), Some("trusted"));
}

#[tokio::test]
async fn a_user_without_a_role_may_not_list_nodes() {
    let _slot = Slot::take().await.unwrap();
    let control_plane = ControlPlane::builder().start().await.unwrap();
    let user = control_plane.user("someone", &["first", "second"]).unwrap();

    let nodes: Api<Node> = Api::all(user.client().await.unwrap());
    let refused = nodes.list(&ListParams::default()).await.unwrap_err();
    assert!(
        refused.to_string().contains("User \"someone\" cannot list"),
        "{refused}"
    );

    let who = control_plane
        .kubectl_as(&user, &["auth", "whoami", "-o", "json"])
        .await
        .unwrap();
    assert!(who.contains("first") && who.contains("second"), "{who}");
}

#[tokio::test]
async fn nodes_register_ready_reboot_and_fall_silent() {
    let _slot = Slot::take().await.unwrap();
    let control_plane = ControlPlane::builder().start().await.unwrap();
    let nodes = control_plane.nodes().await.unwrap();
    let tainted = NodeBuilder::new("n0")
        .taint("mine", "yes", "NoSchedule")
        .boot_id("first");

    let node = nodes.create(&tainted).await.unwrap();
    let taints = node.spec.unwrap().taints.unwrap();
    assert_eq!(
        taints
            .iter()
            .map(|taint| taint.key.as_str())
            .collect::<Vec<_>>(),
        ["mine"]
    );

    let node = nodes.reboot("n0", "second").await.unwrap();
    let status = node.status.unwrap();
    let info = status.node_info.unwrap();
    assert_eq!(
        (info.boot_id.as_str(), info.machine_id.as_str()),
        ("second", "machine-n0")
    );

    let node = nodes.set_ready("n0", Readiness::Unknown).await.unwrap();
    let conditions = node.status.unwrap().conditions.unwrap();
    assert_eq!(conditions.len(), 1);
    assert_eq!(conditions[0].status, "Unknown");

    let many: Vec<_> = (1..200)
        .map(|i| NodeBuilder::new(&format!("n{i}")))
        .collect();
    nodes.create_all(&many).await.unwrap();
    let list = nodes.api().list(&ListParams::default()).await.unwrap();
    assert_eq!(list.items.len(), 200);
}

#[tokio::test]
async fn manifests_apply_with_their_own_definitions_and_errors_say_why() {
    let _slot = Slot::take().await.unwrap();
    let control_plane = ControlPlane::builder().start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let thing = "apiVersion: test.dev/v1\nkind: Thing\nmetadata: {name: one}\n";
    std::fs::write(folder.path().join("a.yaml"), thing).unwrap();
    std::fs::write(folder.path().join("b.yaml"), DEFINITION).unwrap();

    control_plane.apply(folder.path()).await.unwrap();

    let names = control_plane
        .kubectl(&["get", "things", "-o", "name"])
        .await
        .unwrap();
    assert_eq!(names, "thing.test.dev/one\n");
    let error = control_plane
        .kubectl(&["get", "thing", "two"])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("\"two\" not found"), "{error}");
}

#[tokio::test]
async fn an_api_server_that_is_killed_comes_back_with_its_objects() {
    let _slot = Slot::take().await.unwrap();
    let mut control_plane = ControlPlane::builder().start().await.unwrap();
    let nodes = control_plane.nodes().await.unwrap();
    nodes.create(&NodeBuilder::new("n1")).await.unwrap();

    let api_server = control_plane.part(Part::ApiServer).unwrap();
    api_server.signal(Signal::Kill).unwrap();
    api_server.wait(LONG).await.unwrap();
    assert!(nodes.get("n1").await.is_err());
    control_plane
        .part(Part::ApiServer)
        .unwrap()
        .restart()
        .unwrap();
    control_plane.api_server_ready().await.unwrap();

    assert!(nodes.get("n1").await.is_ok());
}

#[tokio::test]
async fn a_part_that_cannot_start_says_why_at_once() {
    let _slot = Slot::take().await.unwrap();

    let builder = ControlPlane::builder().api_server_flag("--no-such-flag");
    let error = format!("{:#}", builder.start().await.unwrap_err());

    assert!(error.contains("unknown flag: --no-such-flag"), "{error}");
}

const DEFINITION: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.test.dev}
spec:
  group: test.dev
  scope: Cluster
  names: {kind: Thing, plural: things, singular: thing}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object}}
";
