//! The chart for those who render it and apply that, as docs/install.md says.

use anyhow::ensure;
use trustpool_harness::helm::{chart, helm_command};
use trustpool_harness::install::{NAMESPACE, project};
use trustpool_harness::{ControlPlane, SOON, Slot, eventually};

use crate::chart::field;

/// What is rendered with the documented arguments, in a file of the control plane's.
async fn rendered(plane: &ControlPlane) -> anyhow::Result<String> {
    let mut command = helm_command().await?;
    command.args(["template", "trustpool"]).arg(chart());
    command.args(["--namespace", NAMESPACE, "--no-hooks"]);
    command.args(["--kube-version", "1.37.1"]);
    command.args(["--api-versions", "trustpool.dev/v1alpha1"]);
    command
        .arg("--values")
        .arg(chart().join("values-simulator.yaml"));
    let output = command.output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    let file = plane.directory().join("rendered.yaml");
    std::fs::write(&file, output.stdout)?;
    Ok(file.display().to_string())
}

/// The versions of what an administrator would see change.
async fn versions(plane: &ControlPlane) -> anyhow::Result<Vec<String>> {
    let mut versions = Vec::new();
    for object in [
        ["deployment", "trustpool-gate"],
        ["mutatingadmissionpolicy", "require.trustpool.dev"],
        ["trustpool", "default"],
    ] {
        versions.push(field(plane, &object, "{.metadata.generation}").await?);
    }
    Ok(versions)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_helm_renders_is_applied_with_pools_and_without_its_jobs() {
    let _slot = Slot::take().await.unwrap();
    let plane = ControlPlane::builder().start().await.unwrap();
    plane.create_namespace(NAMESPACE).await.unwrap();
    plane.apply(&project("crds")).await.unwrap();
    let file = rendered(&plane).await.unwrap();
    let apply = ["apply", "--server-side", "--validate=strict", "-f", &file];

    plane.kubectl(&apply).await.unwrap();

    let before = versions(&plane).await.unwrap();
    assert_eq!(before, ["1", "1", "1"]);
    let jobs = ["get", "jobs", "--all-namespaces", "--output=name"];
    assert_eq!(plane.kubectl(&jobs).await.unwrap(), "");
    plane.kubectl(&apply).await.unwrap();
    assert_eq!(versions(&plane).await.unwrap(), before, "nothing changed");
    must_refuse(&plane).await.unwrap();
}

/// Waits until the policies that were applied refuse what they must.
async fn must_refuse(plane: &ControlPlane) -> anyhow::Result<()> {
    let run = ["run", "vault", "--image=vault", "--namespace=default"];
    let wrong = "--annotations=trustpool.dev/require=yes";
    eventually(SOON, "a refusal", async || {
        let said = plane
            .kubectl(&[&run[..], &[wrong, "--dry-run=server"]].concat())
            .await;
        let said = said.err().map(|error| error.to_string());
        let said = said.unwrap_or_default();
        ensure!(said.contains("trustpool.dev/require"), "it said `{said}`");
        Ok(())
    })
    .await
}
