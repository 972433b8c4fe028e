//! Attacks on placement: whoever sends a Binding, a pod that asks runs on a trusted node or nowhere.

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use trustpool::api::keys;
use trustpool_harness::NodeBuilder;

use crate::attack::{attack, create, refused, silent, unbound, waits};
use crate::support::{bind, post_binding, status, trusted_nodes};

#[test]
fn hand_written_binding_to_a_node_that_is_not_trusted_is_refused_by_both_endpoints() {
    attack(async |world| {
        for namespace in ["strict", "required", "open"] {
            let pod = create(world, namespace, waits("by-hand")).await?;
            let named = json!({"metadata": {"name": "by-hand", "uid": pod.metadata.uid}});
            let direct = "pods/by-hand/binding";
            for (node, verdict) in [
                ("bad", "untrusted"),
                ("odd", "unknown"),
                ("nowhere", "nothing is known"),
            ] {
                let outcome = post_binding(world, namespace, direct, named.clone(), node).await;
                let node = format!("node `{node}` will not do");
                refused(outcome, &["asks for a trusted node", &node, verdict])
                    .context(namespace)?;
            }
            // The API server takes the UID from what is posted here, so nobody is told the difference.
            for node in ["bad", "good"] {
                let outcome = post_binding(world, namespace, "bindings", named.clone(), node).await;
                refused(outcome, &["POST to pods/NAME/binding"]).context(namespace)?;
            }
            unbound(world, namespace, "by-hand").await?;
            post_binding(world, namespace, direct, named, "good").await?;
        }
        Ok(())
    });
}

#[test]
fn hand_written_binding_without_a_uid_is_refused_by_both_endpoints() {
    attack(async |world| {
        for namespace in ["strict", "required", "open"] {
            create(world, namespace, waits("no-uid")).await?;
            for path in ["pods/no-uid/binding", "bindings"] {
                let named = json!({"metadata": {"name": "no-uid"}});
                let outcome = post_binding(world, namespace, path, named, "good").await;
                refused(outcome, &["metadata.uid"])
                    .with_context(|| format!("{namespace} {path}"))?;
            }
            unbound(world, namespace, "no-uid").await?;
        }
        // Elsewhere nobody is told how to write a Binding.
        create(world, "plain", silent("no-uid")).await?;
        let named = json!({"metadata": {"name": "no-uid"}});
        post_binding(world, "plain", "pods/no-uid/binding", named, "bad").await
    });
}

#[test]
fn a_refusal_names_node_verdict_reason_and_age_and_is_in_the_audit_log() {
    attack(async |world| {
        create(world, "strict", waits("told")).await?;
        let words = [
            "`told`",
            "node `bad`",
            "node(s) failed attestation",
            "verdict untrusted",
            "reason FailedAttestation",
            "pool default",
            "ago",
            "kubectl describe nodetrust bad",
        ];
        refused(bind(world, "strict", "told", "bad").await, &words)?;
        bind(world, "strict", "told", "good").await?;
        let requested = status(world, "good")
            .await?
            .requested_at
            .context("asked")?
            .0
            .to_string();
        let noted = [
            ("decision", "granted"),
            ("node", "good"),
            ("host", "good"),
            ("pool", "default"),
            ("service", "oat"),
            ("verdict", "trusted/Attested"),
            ("requested-at", &requested),
        ];
        trustpool_harness::eventually(trustpool_harness::SOON, "the evidence", async || {
            let events = world.plane.audit().events()?;
            let bound = events.iter().find(|event| {
                event.is_for("pods", "binding")
                    && event.object_ref.name == "told"
                    && event.response_status.code == 201
            });
            let notes = &bound.context("not bound yet")?.annotations;
            for (key, value) in noted {
                let note = notes.get(&format!("strict.bind.trustpool.dev/{key}"));
                ensure!(note.map(String::as_str) == Some(value), "{key}: {notes:?}");
            }
            Ok(())
        })
        .await
    });
}

#[test]
fn a_pod_that_does_not_ask_goes_anywhere_in_a_covered_namespace_too() {
    attack(async |world| {
        for namespace in ["strict", "open", "plain"] {
            for node in ["bad", "odd", "good"] {
                let name = format!("silent-{node}");
                create(world, namespace, silent(&name)).await?;
                bind(world, namespace, &name, node).await?;
            }
        }
        Ok(())
    });
}

#[test]
fn another_scheduler_cannot_place_a_pod_wrongly() {
    attack(async |world| {
        create(world, "strict", waits("elsewhere")).await?;
        let role = [
            "create",
            "clusterrolebinding",
            "other",
            "--clusterrole=system:kube-scheduler",
            "--user=other",
        ];
        world.plane.kubectl(&role).await?;
        let other = world.plane.user("other", &[])?.client().await?;
        let pods: Api<Pod> = Api::namespaced(other.clone(), "strict");
        let uid = pods.get("elsewhere").await?.metadata.uid;
        let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "elsewhere", "uid": uid},
            "target": {"kind": "Node", "name": "bad"}});
        let request = http::Request::post("/api/v1/namespaces/strict/pods/elsewhere/binding")
            .header("content-type", "application/json")
            .body(binding.to_string().into_bytes())?;
        refused(
            other.request_text(request).await.map_err(Into::into),
            &["node `bad` will not do"],
        )?;
        unbound(world, "strict", "elsewhere").await
    });
}

#[test]
fn node_name_by_hand_is_refused() {
    attack(async |world| {
        for (namespace, mut pod) in [("plain", waits("named")), ("required", silent("named"))] {
            pod["spec"]["nodeName"] = json!("good");
            refused(
                create(world, namespace, pod).await,
                &["spec.nodeName is `good`"],
            )?;
        }
        Ok(())
    });
}

#[test]
fn marks_copied_from_a_trusted_node_grant_nothing() {
    attack(async |world| {
        world.node("copy", "untrusted").await?;
        world.labelled("copy", Some("untrusted")).await?;
        let good = world.nodes.get("good").await?;
        // Even an administrator, whom no policy stops, grants nothing by it.
        let copied =
            json!({"metadata": {"labels": good.labels(), "annotations": good.annotations()}});
        world.patch_node("copy", copied).await?;
        create(world, "strict", waits("copied")).await?;
        refused(
            bind(world, "strict", "copied", "copy").await,
            &["node `copy` will not do", "untrusted"],
        )?;
        world.labelled("copy", Some("untrusted")).await
    });
}

#[test]
fn a_node_deleted_and_created_again_is_another_until_it_is_attested() {
    attack(async |world| {
        trusted_nodes(world, &["again"]).await?;
        create(world, "strict", waits("again")).await?;
        let fresh = NodeBuilder::new("again");
        world.simulator.play("again", "unknown").await?;
        world.nodes.delete("again").await?;
        world.nodes.create(&fresh).await?;
        refused_once(world, "again", "unknown/Recreated").await
    });
}

#[test]
fn a_reboot_between_filter_and_bind_is_noticed() {
    attack(async |world| {
        trusted_nodes(world, &["reboots"]).await?;
        create(world, "strict", waits("reboots")).await?;
        world.simulator.play("reboots", "unknown").await?;
        world.nodes.reboot("reboots", "another-boot").await?;
        refused_once(world, "reboots", "unknown/Rebooted").await
    });
}

/// The gate's own watch shows it within moments; before that, the bind would be for the boot that was attested.
async fn refused_once(
    world: &trustpool_harness::World,
    name: &str,
    verdict: &str,
) -> anyhow::Result<()> {
    world.becomes(name, verdict).await?;
    refused(
        bind(world, "strict", name, name).await,
        &["rebooted or re-created"],
    )
}

#[test]
fn a_requirement_is_not_removed_or_changed_while_its_pod_is_pending() {
    attack(async |world| {
        create(world, "strict", waits("pending")).await?;
        let pods: Api<Pod> = Api::namespaced(world.client.clone(), "strict");
        let params = PatchParams::default();
        for change in [json!(null), json!("audit"), json!("other")] {
            for map in ["annotations", "labels"] {
                let patch = Patch::Merge(json!({"metadata": {map: {keys::REQUIRE: change}}}));
                refused(
                    pods.patch("pending", &params, &patch)
                        .await
                        .map_err(Into::into),
                    &["is settled"],
                )?;
                refused(
                    pods.patch_status("pending", &params, &patch)
                        .await
                        .map_err(Into::into),
                    &["is settled"],
                )?;
            }
        }
        let unselected = Patch::Merge(json!({"spec": {"nodeSelector": null}}));
        ensure!(
            pods.patch("pending", &params, &unselected).await.is_err(),
            "the selector went"
        );
        refused(
            bind(world, "strict", "pending", "bad").await,
            &["will not do"],
        )
    });
}

#[test]
fn a_pod_created_again_under_the_same_name_does_not_get_the_place() {
    attack(async |world| {
        let first = create(world, "strict", silent("twin")).await?;
        let pods: Api<Pod> = Api::namespaced(world.client.clone(), "strict");
        pods.delete("twin", &DeleteParams::default().grace_period(0))
            .await?;
        create(world, "strict", waits("twin")).await?;
        let named = json!({"metadata": {"name": "twin", "uid": first.metadata.uid}});
        for node in ["bad", "good"] {
            let path = "pods/twin/binding";
            let outcome = post_binding(world, "strict", path, named.clone(), node).await;
            refused(outcome, &["the pod of that name is another one"])?;
        }
        unbound(world, "strict", "twin").await
    });
}

#[test]
fn the_cache_takes_nothing_from_a_stranger() {
    attack(async |world| {
        let asks = create(world, "strict", waits("asks")).await?;
        let silent = create(world, "strict", silent("asks-not")).await?;
        // Whoever reaches the port may send reviews: that the one asks and the other does not, under each
        // other's names and UIDs.
        for (name, uid) in [
            ("asks", &silent),
            ("asks-not", &asks),
            ("asks", &asks),
            ("asks-not", &silent),
        ] {
            let binding = json!({"metadata": {"name": name, "uid": uid.metadata.uid, "annotations": {keys::REQUIRE: "trusted"}},
                "target": {"name": "good"}});
            review(world, &binding).await?;
        }
        refused(bind(world, "strict", "asks", "bad").await, &["will not do"])?;
        bind(world, "strict", "asks-not", "bad").await
    });
}

/// Sends a review to the gate, as anybody could.
async fn review(world: &trustpool_harness::World, binding: &Value) -> anyhow::Result<Value> {
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Binding"}, "subResource": "binding",
        "resource": {"group": "", "version": "v1", "resource": "pods"}, "operation": "CREATE",
        "name": "", "namespace": "strict", "userInfo": {}, "object": binding}});
    let http = reqwest::Client::builder()
        .no_proxy()
        .danger_accept_invalid_certs(true)
        .build()?;
    let url = format!("https://{}/bind/strict?timeout=2s", world.addresses.bind);
    Ok(http
        .post(url)
        .json(&review)
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?)
}
