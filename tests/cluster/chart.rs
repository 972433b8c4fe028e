//! The chart on a real API server: every setup is accepted, and a release comes, changes and goes without taking along
//! what is not its own.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use trustpool_harness::helm::{chart, helm_command};
use trustpool_harness::install::{NAMESPACE, project};
use trustpool_harness::{ControlPlane, SOON, Slot, eventually};

/// Kinds whose definitions are of others, by a part of their `apiVersion`.
const OF_OTHERS: [&str; 2] = ["cert-manager.io/", "monitoring.coreos.com/"];

/// A CA, as far as an API server looks: what the controller would publish.
const BUNDLE: &str =
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=";

/// Files of values: the tests' setups, and the chart's own.
fn setups() -> Vec<Option<PathBuf>> {
    let folder = project("tests/chart/setups");
    let files = std::fs::read_dir(folder).unwrap();
    let mut setups: Vec<_> = files.map(|file| Some(file.unwrap().path())).collect();
    setups.extend([
        None,
        Some(chart().join("values-ha.yaml")),
        Some(chart().join("values-minimal.yaml")),
        Some(chart().join("values-simulator.yaml")),
    ]);
    setups
}

/// What a setup renders, but for what is of others.
async fn rendered(values: Option<&PathBuf>) -> anyhow::Result<String> {
    let mut command = helm_command().await?;
    command.args(["template", "trustpool"]).arg(chart());
    command.args(["--namespace", NAMESPACE, "--kube-version", "1.37.1"]);
    command.args(
        values
            .iter()
            .flat_map(|file| [PathBuf::from("--values"), (*file).clone()]),
    );
    let output = command.output().await?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout)?;
    let ours = |part: &&str| {
        !OF_OTHERS
            .iter()
            .any(|group| part.contains(&format!("\napiVersion: {group}")))
    };
    Ok(text
        .split("\n---\n")
        .filter(ours)
        .collect::<Vec<_>>()
        .join("\n---\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_setup_of_the_chart_is_accepted_by_the_api_server() {
    let _slot = Slot::take().await.unwrap();
    let plane = ControlPlane::builder().start().await.unwrap();
    plane.apply(&project("crds")).await.unwrap();
    for namespace in [NAMESPACE, "trustpool-check"] {
        plane.create_namespace(namespace).await.unwrap();
    }
    for values in setups() {
        let file = plane.directory().join("setup.yaml");
        std::fs::write(&file, rendered(values.as_ref()).await.unwrap()).unwrap();
        let file = file.display().to_string();
        let arguments = [
            "apply",
            "--server-side",
            "--dry-run=server",
            "--validate=strict",
            "-f",
            &file,
        ];
        let said = plane.kubectl(&arguments).await;
        let said = said.unwrap_or_else(|error| panic!("{values:?}: {error:#}"));
        assert!(said.lines().count() > 40, "{values:?}: {said}");
    }
}

/// Runs helm as the administrator.
pub async fn helm(plane: &ControlPlane, arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = plane.helm_command(plane.admin()).await?;
    command.args(arguments).args(["--namespace", NAMESPACE]);
    let output = command.output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "`helm {}`: {said}",
        arguments.join(" ")
    );
    Ok(())
}

/// One field of one object.
pub async fn field(plane: &ControlPlane, object: &[&str], path: &str) -> anyhow::Result<String> {
    let path = format!("--output=jsonpath={path}");
    plane
        .kubectl(&[&["get"], object, &["--namespace", NAMESPACE, &path]].concat())
        .await
}

/// Whether there is an object of some kind.
pub async fn is_there(plane: &ControlPlane, kind: &str, name: &str) -> anyhow::Result<bool> {
    let arguments = [
        "get",
        kind,
        name,
        "--namespace",
        NAMESPACE,
        "--ignore-not-found",
        "--output=name",
    ];
    Ok(!plane.kubectl(&arguments).await?.is_empty())
}

const POOL: [&str; 2] = ["trustpool", "default"];
const WEBHOOK: [&str; 2] = ["validatingwebhookconfiguration", "bind.trustpool.dev"];

/// Writes what Trustpool writes into objects of the chart.
async fn written(plane: &ControlPlane) -> anyhow::Result<()> {
    let names = ["required", "strict", "open", "audit"].map(|name| {
        format!(
            r#"{{"name":"{name}.bind.trustpool.dev","clientConfig":{{"caBundle":"{BUNDLE}"}}}}"#
        )
    });
    let patch = format!(r#"{{"webhooks":[{}]}}"#, names.join(","));
    plane
        .kubectl(&["patch", WEBHOOK[0], WEBHOOK[1], "--patch", &patch])
        .await?;
    let pools = r#"{"data":{"default":"true"}}"#;
    plane
        .kubectl(&[
            "patch",
            "configmap",
            "trustpool-pools",
            "-n",
            NAMESPACE,
            "--patch",
            pools,
        ])
        .await?;
    Ok(())
}

/// Says that it is all there still.
async fn is_as_written(plane: &ControlPlane) -> anyhow::Result<()> {
    let bundles = field(plane, &WEBHOOK, "{.webhooks[*].clientConfig.caBundle}").await?;
    ensure!(bundles == [BUNDLE; 4].join(" "), "caBundle is `{bundles}`");
    let pools = field(plane, &["configmap", "trustpool-pools"], "{.data.default}").await?;
    ensure!(pools == "true", "trustpool-pools is `{pools}`");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_comes_changes_and_goes_and_leaves_what_is_not_its_own() {
    let _slot = Slot::take().await.unwrap();
    let plane = ControlPlane::builder().start().await.unwrap();
    let chart = chart().display().to_string();
    let values = chart.clone() + "/values-simulator.yaml";
    // Nothing runs pods here, so no Job of the chart would end.
    let told = [
        &*chart,
        "--values",
        &values,
        "--set",
        "check.enabled=false,cleanup.enabled=false",
    ];

    // One command brings definitions and what is of them.
    helm(
        &plane,
        &[&["install", "trustpool", "--create-namespace"], &told[..]].concat(),
    )
    .await
    .unwrap();
    let validity = field(&plane, &POOL, "{.spec.validity}").await.unwrap();
    assert_eq!(validity, "2m");
    written(&plane).await.unwrap();
    is_as_written(&plane).await.unwrap();

    let more = [
        "--set",
        "gate.replicas=4,attestation.pools.default.validity=3m,commonLabels.team=platform",
    ];
    helm(
        &plane,
        &[&["upgrade", "trustpool"], &told[..], &more].concat(),
    )
    .await
    .unwrap();
    is_as_written(&plane).await.unwrap();
    let replicas = field(
        &plane,
        &["deployment", "trustpool-gate"],
        "{.spec.replicas}",
    )
    .await
    .unwrap();
    assert_eq!(replicas, "4");
    let validity = field(&plane, &POOL, "{.spec.validity}").await.unwrap();
    assert_eq!(validity, "3m", "the pool is of the release from now on");
    let label = field(
        &plane,
        &["crd", "nodetrusts.trustpool.dev"],
        "{.metadata.labels.team}",
    )
    .await
    .unwrap();
    assert_eq!(label, "platform", "definitions are upgraded");

    // Another source of certificates takes over what the one before wrote, where that is said.
    let brought = project("tests/chart/setups/brought-certificates.yaml");
    let brought = ["--values", brought.to_str().unwrap()];
    let change = [&["upgrade", "trustpool"], &told[..], &brought].concat();
    let refused = helm(&plane, &change).await.unwrap_err().to_string();
    assert!(refused.contains("caBundle"), "{refused}");
    helm(&plane, &[&change[..], &["--force-conflicts"]].concat())
        .await
        .unwrap();
    let bundles = field(&plane, &WEBHOOK, "{.webhooks[*].clientConfig.caBundle}")
        .await
        .unwrap();
    assert!(!bundles.contains(BUNDLE), "{bundles}");

    helm(&plane, &["uninstall", "trustpool"]).await.unwrap();
    for (kind, name, stays) in [
        ("crd", "nodetrusts.trustpool.dev", true),
        (POOL[0], POOL[1], true),
        (WEBHOOK[0], WEBHOOK[1], false),
        ("validatingadmissionpolicy", "pods.trustpool.dev", false),
        ("deployment", "trustpool-gate", false),
        ("flowschema", "trustpool", false),
    ] {
        let found = is_there(&plane, kind, name).await.unwrap();
        assert_eq!(found, stays, "{kind} {name}");
    }

    // And again, over what has stayed.
    helm(&plane, &[&["install", "trustpool"], &told[..]].concat())
        .await
        .unwrap();
    helm(&plane, &["uninstall", "trustpool"]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_go_along_where_that_is_asked_for() {
    let _slot = Slot::take().await.unwrap();
    let plane = ControlPlane::builder().start().await.unwrap();
    let chart = chart().display().to_string();
    let keep = [
        "--set",
        "check.enabled=false,cleanup.enabled=false,crds.keep=false",
    ];
    let install = ["install", "trustpool", &chart, "--create-namespace"];
    helm(&plane, &[&install[..], &keep].concat()).await.unwrap();
    helm(&plane, &["uninstall", "trustpool"]).await.unwrap();
    eventually(SOON, "the definition to go", async || {
        let found = is_there(&plane, "crd", "nodetrusts.trustpool.dev").await?;
        ensure!(!found, "it is still there");
        Ok(())
    })
    .await
    .unwrap();
}

/// The UID of the `FlowSchema` that a request of `user` was put under: the API server says it in a header.
async fn flow_schema(plane: &ControlPlane, user: &str) -> anyhow::Result<String> {
    let mut command = plane.kubectl_command(plane.admin());
    command.args(["get", "pods", "--namespace=default", "--as", user, "-v=8"]);
    let output = command.output().await?;
    let said = String::from_utf8(output.stderr)?.to_lowercase();
    let header = said.split_once("x-kubernetes-pf-flowschema-uid");
    let (_, after) = header.context("no such header")?;
    let of_a_uid = |c: char| c.is_ascii_hexdigit() || c == '-';
    let value = after.trim_start_matches(|c| !of_a_uid(c));
    let end = value.find(|c| !of_a_uid(c)).unwrap_or(value.len());
    Ok(value.get(..end).unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_our_accounts_and_of_no_other_have_seats_of_their_own() {
    let _slot = Slot::take().await.unwrap();
    let plane = ControlPlane::builder().start().await.unwrap();
    let file = project("manifests/run-flow-control.yaml");
    plane.apply(&file).await.unwrap();
    let uid = field(&plane, &["flowschema", "trustpool"], "{.metadata.uid}")
        .await
        .unwrap();
    for account in ["trustpool-controller", "trustpool-gate"] {
        let user = format!("system:serviceaccount:{NAMESPACE}:{account}");
        eventually(SOON, "seats of their own", async || {
            let found = flow_schema(&plane, &user).await?;
            ensure!(found == uid, "{user} is under `{found}`");
            Ok(())
        })
        .await
        .unwrap();
    }
    let other = format!("system:serviceaccount:{NAMESPACE}:default");
    assert_ne!(flow_schema(&plane, &other).await.unwrap(), uid);
}
