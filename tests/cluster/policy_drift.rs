//! A policy that is deleted or weakened is seen and named, and nothing is said when all is well.

use std::fs;
use std::time::Duration;

use anyhow::ensure;
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use tokio::time::Instant;
use trustpool::policies::Choice;
use trustpool_harness::install::project;
use trustpool_harness::{Authority, SOON, Setup, Slot, World, eventually};

use crate::support::{metric, told};

/// No change is seen later.
const LATEST: Duration = Duration::from_secs(60);

/// How it is with each object that is not in force: `kind/name state`.
async fn shown(world: &World) -> anyhow::Result<Vec<String>> {
    let metrics = world.trustpool().metrics().await?;
    let mut count = 0;
    let mut wrong = Vec::new();
    for line in metrics.lines() {
        let Some(labels) = line.strip_prefix("trustpool_policy{") else {
            continue;
        };
        count += 1;
        let words: Vec<&str> = labels.split('"').collect();
        let [_, kind, _, policy, _, state, _] = words[..] else {
            anyhow::bail!("{line}");
        };
        if state != "in_force" {
            wrong.push(format!("{kind}/{policy} {state}"));
        }
    }
    ensure!(count > 35, "{count} are shown");
    Ok(wrong)
}

/// Waits until exactly `expected` is shown, a minute at most.
async fn shows(world: &World, expected: &[&str]) -> anyhow::Result<()> {
    let began = Instant::now();
    eventually(SOON, &format!("{expected:?} is shown"), async || {
        let mut shown = shown(world).await?;
        shown.sort_unstable();
        ensure!(shown == expected, "{shown:?}");
        Ok(())
    })
    .await?;
    ensure!(began.elapsed() < LATEST, "seen after {:?}", began.elapsed());
    Ok(())
}

fn log(world: &World) -> String {
    fs::read_to_string(world.plane.directory().join("controller.log")).unwrap_or_default()
}

async fn patch(world: &World, kind: &str, name: &str, patch: &str) -> anyhow::Result<()> {
    let arguments = ["patch", kind, name, "--type=json", "-p", patch];
    world.plane.kubectl(&arguments).await.map(drop)
}

const POLICY: &str = "validatingadmissionpolicy";
const BINDING: &str = "validatingadmissionpolicybinding";
const WEBHOOK: &str = "validatingwebhookconfiguration";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_or_weakened_is_seen_within_a_minute_and_named() {
    let _slot = Slot::take().await.unwrap();
    let world = Setup::default().start().await.unwrap();
    shows(&world, &[]).await.unwrap();
    assert!(!log(&world).contains("a policy"), "{}", log(&world));

    world
        .plane
        .kubectl(&["delete", POLICY, "pods.trustpool.dev"])
        .await
        .unwrap();
    let weaker =
        r#"[{"op": "replace", "path": "/spec/validations/0/expression", "value": "true"}]"#;
    patch(&world, POLICY, "namespaces.trustpool.dev", weaker)
        .await
        .unwrap();
    let ignoring = r#"[{"op": "replace", "path": "/webhooks/1/failurePolicy", "value": "Ignore"}]"#;
    patch(&world, WEBHOOK, "bind.trustpool.dev", ignoring)
        .await
        .unwrap();
    let audits = r#"[{"op": "replace", "path": "/spec/validationActions", "value": ["Audit"]}]"#;
    patch(&world, BINDING, "nodes.trustpool.dev", audits)
        .await
        .unwrap();
    let never = r#"[{"op": "add", "path": "/spec/matchConditions/-", "value": {"name": "never", "expression": "false"}}]"#;
    patch(
        &world,
        "mutatingadmissionpolicy",
        "require.trustpool.dev",
        never,
    )
    .await
    .unwrap();
    shows(&world, &WRONG).await.unwrap();
    for path in [
        "spec.validations[0].expression",
        "webhooks[1].failurePolicy",
        "spec.validationActions[0]",
        "spec.matchConditions",
    ] {
        assert_eq!(log(&world).matches(path).count(), 1, "{}", log(&world));
    }
    let words = ["spec.validations[0].expression is not as"];
    told(&world, "namespaces.trustpool.dev", "PolicyAltered", &words)
        .await
        .unwrap();
    told(
        &world,
        "pods.trustpool.dev",
        "PolicyMissing",
        &["not there"],
    )
    .await
    .unwrap();

    comes_right(&world).await.unwrap();
}

/// What becomes of them, in order.
const WRONG: [&str; 5] = [
    "MutatingAdmissionPolicy/require.trustpool.dev altered",
    "ValidatingAdmissionPolicy/namespaces.trustpool.dev altered",
    "ValidatingAdmissionPolicy/pods.trustpool.dev missing",
    "ValidatingAdmissionPolicyBinding/nodes.trustpool.dev altered",
    "ValidatingWebhookConfiguration/bind.trustpool.dev altered",
];

/// Whoever installed it installs it again. To apply it is not enough: what somebody else has added to a list stays.
async fn comes_right(world: &World) -> anyhow::Result<()> {
    for file in ["mutating-pods", "namespaces", "nodes", "pods"] {
        let file = project(&format!("manifests/{file}.yaml"));
        let file = file.display().to_string();
        let replace = ["replace", "--force", "-f", &file];
        world.plane.kubectl(&replace).await?;
    }
    let failing = r#"[{"op": "replace", "path": "/webhooks/1/failurePolicy", "value": "Fail"}]"#;
    patch(world, WEBHOOK, "bind.trustpool.dev", failing).await?;
    shows(world, &[]).await?;
    let words = ["it is again as"];
    told(world, "pods.trustpool.dev", "PolicyInForce", &words).await
}

const ALTERED: [&str; 1] = ["ValidatingWebhookConfiguration/bind.trustpool.dev altered"];

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_authority_that_says_it_was_given_and_a_change_that_was_taken_back_are_seen() {
    let _slot = Slot::take().await.unwrap();
    let world = Setup::default().start().await.unwrap();
    shows(&world, &[]).await.unwrap();

    let foreign = Authority::new("somebody").unwrap().certificate();
    let foreign = json!(ByteString(foreign.into_bytes()));
    let hidden = json!([
        {"op": "add", "path": "/metadata/annotations", "value": {"trustpool.dev/ca-bundle": "given"}},
        {"op": "replace", "path": "/webhooks/1/clientConfig/caBundle", "value": foreign},
    ]);
    let name = "bind.trustpool.dev";
    patch(&world, WEBHOOK, name, &hidden.to_string())
        .await
        .unwrap();
    shows(&world, &ALTERED).await.unwrap();
    let words = ["metadata.annotations[trustpool.dev/ca-bundle] is not as"];
    told(&world, name, "PolicyAltered", &words).await.unwrap();

    let kept = ["get", "secret", "trustpool-ca", "-n", "trustpool-system"];
    let kept = [&kept[..], &["--output=jsonpath={.data.ca\\.crt}"]].concat();
    let kept = world.plane.kubectl(&kept).await.unwrap();
    let right = json!([
        {"op": "remove", "path": "/metadata/annotations"},
        {"op": "replace", "path": "/webhooks/1/clientConfig/caBundle", "value": kept},
    ]);
    patch(&world, WEBHOOK, name, &right.to_string())
        .await
        .unwrap();
    shows(&world, &[]).await.unwrap();

    let restored = "trustpool_policies_restored_total";
    assert_eq!(metric(&world, restored).await.unwrap().to_string(), "0");
    for (kind, name, pointer, other) in RESTORED {
        let other = serde_json::from_str(other).unwrap();
        there_and_back(&world, (kind, name), pointer, other)
            .await
            .unwrap();
    }
    for (_, name, _, _) in RESTORED {
        let words = ["for a moment", "generation", ", now generation"];
        told(&world, name, "PolicyRestored", &words).await.unwrap();
    }
    let count = metric(&world, restored).await.unwrap();
    assert_eq!(count.to_string(), RESTORED.len().to_string());
}

/// One object of each kind, and what a field of it becomes for a moment.
const RESTORED: [(&str, &str, &str, &str); 5] = [
    (
        POLICY,
        "namespaces.trustpool.dev",
        "/spec/failurePolicy",
        r#""Ignore""#,
    ),
    (
        BINDING,
        "bindings.trustpool.dev",
        "/spec/validationActions",
        r#"["Warn"]"#,
    ),
    (
        "mutatingadmissionpolicy",
        "require.trustpool.dev",
        "/spec/failurePolicy",
        r#""Ignore""#,
    ),
    (
        "mutatingadmissionpolicybinding",
        "nodes.trustpool.dev",
        "/spec/policyName",
        r#""other""#,
    ),
    (
        WEBHOOK,
        "bind.trustpool.dev",
        "/webhooks/1/failurePolicy",
        r#""Ignore""#,
    ),
];

async fn there_and_back(
    world: &World,
    (kind, name): (&str, &str),
    pointer: &str,
    other: Value,
) -> anyhow::Result<()> {
    let live = world
        .plane
        .kubectl(&["get", kind, name, "--output=json"])
        .await?;
    let live: Value = serde_json::from_str(&live)?;
    let before = live.pointer(pointer).cloned().unwrap_or_default();
    ensure!(before != other, "{name} says {before} already");
    for value in [other, before] {
        let change = json!([{"op": "replace", "path": pointer, "value": value}]);
        patch(world, kind, name, &change.to_string()).await?;
    }
    Ok(())
}

/// Every optional policy, as the API server keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn no_policy_differs_from_itself_in_an_api_server() {
    let _slot = Slot::take().await.unwrap();
    let world = Setup::default().prepare().await.unwrap();
    for file in ["extender", "startup-taint", "without-mutating-policies"] {
        let file = project(&format!("manifests/optional/{file}.yaml"));
        world.plane.apply(&file).await.unwrap();
    }
    let groups = "extender,mutating,startup-taint,unmutated,validating,webhook";
    let url = format!("https://{}", world.addresses.bind);
    let choice = Choice {
        groups: groups.parse().unwrap(),
        url: Some(url.parse().unwrap()),
        ..Choice::default()
    };
    let all = trustpool::policies::expected(&choice, "trustpool-system");
    for expected in all.unwrap() {
        let (kind, name) = (expected.kind.as_str(), expected.name.as_str());
        let live = world
            .plane
            .kubectl(&["get", kind, name, "--output=json"])
            .await
            .unwrap();
        let live: Value = serde_json::from_str(&live).unwrap();
        assert_eq!(
            expected.difference(&live, &[]),
            None,
            "{kind} {name}: {live}"
        );
    }
}
