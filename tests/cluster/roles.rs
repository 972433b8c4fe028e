//! What roles grant, held against what was asked for: every verb is used, and none is that is not granted.

use std::collections::BTreeSet;

use anyhow::ensure;
use serde::Deserialize;
use serde_json::{Value, json};
use trustpool_harness::helm::{chart, helm_command};
use trustpool_harness::install::NAMESPACE;
use trustpool_harness::{AuditLog, SOON, World, eventually};

/// One document.
#[derive(Deserialize)]
struct Manifest {
    kind: String,
    metadata: Metadata,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
}

/// Verbs that nobody sends. The policies ask for the first (`policy_nodes` shows what happens without); the API
/// server asks for the other when it creates what is applied.
const UNSENT: [&str; 2] = ["trustpool.dev/nodetrusts mark", "/configmaps create"];

/// `group/resource verb` of everything that the roles called `name` in these documents grant.
pub fn granted(documents: &str, name: &str) -> anyhow::Result<BTreeSet<String>> {
    let manifests: Vec<Manifest> = serde_saphyr::from_multiple(documents)?;
    let mut granted = BTreeSet::new();
    for rule in manifests
        .iter()
        .filter(|it| it.kind.ends_with("Role") && it.metadata.name == name)
        .flat_map(|it| &it.rules)
    {
        for group in &rule.api_groups {
            for resource in &rule.resources {
                let verbs = rule.verbs.iter();
                let all = verbs.map(|verb| format!("{group}/{resource} {verb}"));
                granted.extend(all.filter(|verb| !UNSENT.contains(&verb.as_str())));
            }
        }
    }
    Ok(granted)
}

/// `group/resource verb` of everything that `user` asked for, all of it allowed.
fn used(log: &AuditLog, user: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut used = BTreeSet::new();
    for event in log.events()? {
        if event.user.username != user {
            continue;
        }
        let of = &event.object_ref;
        let sub = match of.subresource.as_str() {
            "" => String::new(),
            sub => format!("/{sub}"),
        };
        let request = format!("{}/{}{sub} {}", of.api_group, of.resource, event.verb);
        // A policy or a webhook that refuses says something else.
        let refusal = format!("User \"{user}\" cannot ");
        let message = &event.response_status.message;
        ensure!(!message.contains(&refusal), "{request} was refused");
        used.insert(request);
    }
    Ok(used)
}

/// Waits until `user` has asked for all that is `granted`, and says that it asked for nothing else.
pub async fn all_used_and_no_more(
    log: &AuditLog,
    user: &str,
    granted: &BTreeSet<String>,
) -> anyhow::Result<()> {
    ensure!(!granted.is_empty(), "nothing is granted to {user}");
    eventually(SOON, "every verb to be used", async || {
        let used = used(log, user)?;
        let unused: Vec<_> = granted.difference(&used).collect();
        ensure!(unused.is_empty(), "unused by {user}: {unused:?}");
        Ok(())
    })
    .await?;
    let used = used(log, user)?;
    let strange: Vec<&String> = used.difference(granted).collect();
    ensure!(strange.is_empty(), "not granted to {user}: {strange:?}");
    Ok(())
}

/// Creates the roles of a Job's template, and binds them to `user` instead of the Job's account. Returns what the
/// template renders.
pub async fn of_job(world: &World, template: &str, user: &str) -> anyhow::Result<String> {
    let template = format!("templates/{template}");
    let mut command = helm_command().await?;
    command.args(["template", "trustpool"]).arg(chart());
    command.args(["--namespace", NAMESPACE, "--show-only", &template]);
    let output = command.output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    let rendered = String::from_utf8(output.stdout)?;
    for mut document in serde_saphyr::from_multiple::<Value>(&rendered)? {
        let kind = document["kind"].as_str().unwrap_or_default().to_owned();
        if kind.ends_with("Binding") {
            document["subjects"] =
                json!([{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}]);
        }
        if kind.contains("Role") || kind == "Namespace" {
            let file = world.plane.directory().join("of-job.json");
            std::fs::write(&file, document.to_string())?;
            world.plane.apply(&file).await?;
        }
    }
    Ok(rendered)
}
