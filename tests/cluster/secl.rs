//! The seventeen defects of Intel `SecL`'s extension, each shown not to be one here. It was the last to filter nodes
//! by attestation, failed open, and is what users compare us with.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use trustpool::api::keys;
use trustpool_harness::{NodeBuilder, Setup, Slot, World};

use crate::attack::{attack, create, refused, unbound, waits};
use crate::support::{bind, expire, filtered, lands_on, refusals, trusted_nodes};

/// What the filter says of `node` to a pod that asks.
pub async fn said(world: &World, node: &str) -> anyhow::Result<String> {
    let said = refusals(world, &[node]).await?;
    said.get(node).cloned().context("nothing is said")
}

/// A pod that asks and that kube-scheduler places.
fn scheduled(name: &str, spec: &Value) -> Value {
    let mut pod = waits(name);
    pod["spec"]["schedulerName"] = json!("default-scheduler");
    let fields = pod["spec"].as_object_mut().unwrap();
    fields.extend(spec.as_object().cloned().unwrap_or_default());
    pod
}

/// Node affinity with one requirement on the trust label, among the stage's own nodes: other attacks make more of them
/// that are trusted.
fn affinity(operator: &str, values: &Value) -> Value {
    let of_the_stage = json!({"key": "kubernetes.io/hostname", "operator": "In", "values": ["good", "bad", "odd"]});
    json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [of_the_stage, {"key": keys::TRUST, "operator": operator, "values": values}]}]}}}})
}

#[test]
fn secl_01_a_node_of_which_nothing_is_known_passes_nowhere() {
    attack(async |world| {
        // In no pool, and with no host: a Node that nobody was asked about yet.
        world
            .nodes
            .create(&NodeBuilder::new("secl-blank").boot_id(""))
            .await?;
        create(world, "strict", waits("secl-blank")).await?;
        ensure!(!said(world, "secl-blank").await?.is_empty());
        ensure!(said(world, "secl-nowhere").await? == "node(s) were never attested");
        refused(
            bind(world, "strict", "secl-blank", "secl-blank").await,
            &["will not do"],
        )
    });
}

#[test]
fn secl_02_nothing_that_is_copied_from_a_trusted_node_makes_another_trusted() {
    attack(async |world| {
        world.node("secl-thief", "untrusted").await?;
        world.labelled("secl-thief", Some("untrusted")).await?;
        let good = world.trust("good").await?.context("no record")?.status;
        // The whole record, by whoever may write it: it names the Node, its boot and its machine.
        let stolen = json!({"status": good}).to_string();
        let patch = [
            "patch",
            "nodetrust",
            "secl-thief",
            "--subresource=status",
            "--type=merge",
            "-p",
            &stolen,
        ];
        world.plane.kubectl(&patch).await?;
        create(world, "strict", waits("secl-thief")).await?;
        refused(
            bind(world, "strict", "secl-thief", "secl-thief").await,
            &["will not do"],
        )?;
        ensure!(!said(world, "secl-thief").await?.is_empty());
        ensure!(world.label("secl-thief").await?.as_deref() != Some("trusted"));
        Ok(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn secl_03_an_expired_or_untrusted_verdict_passes_nowhere_whatever_else_is_said() {
    let _slot = Slot::take().await.unwrap();
    let world = Setup::default().start().await.unwrap();
    trusted_nodes(&world, &["a"]).await.unwrap();
    crate::support::labelled_namespace(&world, "strict", &["trustpool.dev/gate=strict"])
        .await
        .unwrap();
    create(&world, "strict", waits("late")).await.unwrap();
    expire(&world, "a").await.unwrap();

    assert_eq!(
        said(&world, "a").await.unwrap(),
        "node(s) had an expired attestation"
    );
    refused(
        bind(&world, "strict", "late", "a").await,
        &["expired", "ago"],
    )
    .unwrap();
    assert_eq!(
        world.label("a").await.unwrap().as_deref(),
        Some("trusted"),
        "an outage is no evidence"
    );
}

#[test]
fn secl_04_a_node_selector_asks_as_well_as_anything_else() {
    attack(async |world| {
        let pod = json!({"spec": {"nodeSelector": {keys::TRUST: "trusted"}}});
        let said = filtered(world, &pod, &["good", "bad"]).await?;
        ensure!(
            said["good"].is_empty() && said["bad"] == "node(s) failed attestation",
            "{said:?}"
        );
        Ok(())
    });
}

#[test]
fn secl_05_operators_of_node_affinity_are_kube_schedulers_and_open_no_door() {
    attack(async |world| {
        let exists = affinity("Exists", &json!(null));
        create(world, "strict", scheduled("secl-exists", &exists)).await?;
        lands_on(world, "strict", "secl-exists", "good").await?;
        let not_in = affinity("NotIn", &json!(["untrusted"]));
        create(world, "strict", scheduled("secl-not-in", &not_in)).await?;
        lands_on(world, "strict", "secl-not-in", "good").await?;
        let contradiction = affinity("NotIn", &json!(["trusted"]));
        create(
            world,
            "strict",
            scheduled("secl-contradiction", &contradiction),
        )
        .await?;
        unbound(world, "strict", "secl-contradiction").await
    });
}

#[test]
fn secl_06_affinity_of_any_shape_changes_nothing_about_the_check() {
    attack(async |world| {
        let fields = json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["bad"]}]}]);
        for terms in [fields, json!([]), json!([{}]), json!(null)] {
            let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
            let pod = json!({"spec": {"nodeSelector": {keys::TRUST: "trusted"}, "affinity": {"nodeAffinity": required}}});
            let said = filtered(world, &pod, &["good", "bad"]).await?;
            ensure!(
                said["good"].is_empty() && said["bad"] == "node(s) failed attestation",
                "{said:?}"
            );
        }
        Ok(())
    });
}

#[test]
fn secl_07_when_every_node_is_refused_each_is_told_why() {
    attack(async |world| {
        let said = refusals(world, &["bad", "odd"]).await?;
        ensure!(
            said.len() == 2 && said.values().all(|reason| !reason.is_empty()),
            "{said:?}"
        );
        Ok(())
    });
}

#[test]
fn secl_08_names_alone_are_enough() {
    attack(async |world| {
        let body = json!({"Pod": waits("x"), "Nodes": null, "NodeNames": ["good"]});
        let (code, answer) = world.trustpool().ask("filter", &body).await?;
        ensure!(
            code == 200 && answer.contains(r#""NodeNames":["good"]"#),
            "{code}: {answer}"
        );
        Ok(())
    });
}
