//! Who may write a NodeTrust: part of what guards a node.

use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use trustpool::api::NodeTrust;
use trustpool_harness::{ControlPlane, Identity};

use crate::policy::refused;

/// What an operator who may edit every field by RBAC may not write of the NodeTrust of `n1`.
pub async fn records_are_guarded(plane: &ControlPlane, operator: &Identity) -> anyhow::Result<()> {
    let record = ["patch", "nodetrust", "n1", "--type=merge", "-p"];
    let trust = r#"{"apiVersion":"trustpool.dev/v1alpha1","kind":"NodeTrust","metadata":{"name":"n1"},"spec":{}}"#;
    let file = plane.directory().join("trust.json");
    std::fs::write(&file, trust)?;
    let file = file.display().to_string();
    plane.kubectl_as(operator, &["create", "-f", &file]).await?;
    let forbidden = [
        (
            r#"{"spec": {"distrust": {"reason": "x"}}}"#,
            "spec.distrust",
        ),
        (
            r#"{"spec": {"accept": "2026-01-01T00:00:00Z"}}"#,
            "spec.accept",
        ),
        (
            r#"{"spec": {"host": "good"}}"#,
            "`update` on attestationservices.trustpool.dev",
        ),
        (
            r#"{"metadata": {"ownerReferences": [{"apiVersion":"v1","kind":"Node","name":"x","uid":"y"}]}}"#,
            "ownerReferences",
        ),
    ];
    for (patch, words) in forbidden {
        let arguments: Vec<&str> = record.iter().copied().chain([patch]).collect();
        refused(plane, operator, &arguments, &["user `operator`", words]).await?;
    }
    let status = r#"{"status": {"verdict": "trusted", "reason": "Attested", "message": "-"}}"#;
    let status = [
        "patch",
        "nodetrust",
        "n1",
        "--subresource=status",
        "--type=merge",
        "-p",
        status,
    ];
    refused(plane, operator, &status, &["may not write status"]).await?;
    let pause = [
        "patch",
        "nodetrust",
        "n1",
        "--type=merge",
        "-p",
        r#"{"spec": {"paused": true}}"#,
    ];
    plane.kubectl_as(operator, &pause).await?;
    // One that says nothing against its node may go: it comes back as `unknown`.
    let delete = ["delete", "nodetrust", "n1", "--dry-run=server"];
    plane.kubectl_as(operator, &delete).await?;
    against(plane).await?;
    refused(
        plane,
        operator,
        &["delete", "nodetrust", "n1"],
        &["nor delete one that speaks against its node"],
    )
    .await
}

/// A record that speaks against its node.
async fn against(plane: &ControlPlane) -> anyhow::Result<()> {
    let trusts: Api<NodeTrust> = Api::all(plane.client().await?);
    let status =
        json!({"status": {"verdict": "untrusted", "reason": "FailedAttestation", "message": "-"}});
    trusts
        .patch_status("n1", &PatchParams::default(), &Patch::Merge(status))
        .await?;
    Ok(())
}
