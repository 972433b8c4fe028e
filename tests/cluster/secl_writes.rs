//! The defects 9 to 17 of Intel `SecL`'s extension: what it writes, whom it believes, how it is installed.

use anyhow::ensure;
use serde_json::{Value, json};
use trustpool::api::keys;
use trustpool_harness::install::project;
use trustpool_harness::{SOON, Setup, Slot, World, eventually};

use crate::attack::{attack, waits};
use crate::secl::said;
use crate::support::trusted_nodes;

#[test]
fn secl_09_taints_of_others_outlive_every_change_of_ours() {
    attack(async |world| {
        trusted_nodes(world, &["secl-taints"]).await?;
        for taint in [
            "gpu=yes:NoSchedule",
            "maintenance=now:NoExecute",
            "trustpool.dev/not-trusted=x:NoExecute",
        ] {
            world
                .plane
                .kubectl(&["taint", "node", "secl-taints", taint])
                .await?;
        }
        flip(world, "secl-taints", &["untrusted", "trusted"]).await?;
        let node = world.nodes.get("secl-taints").await?;
        let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
        let mut kept: Vec<&str> = taints.iter().map(|taint| taint.key.as_str()).collect();
        kept.sort_unstable();
        ensure!(
            kept == ["gpu", "maintenance", "trustpool.dev/not-trusted"],
            "{taints:?}"
        );
        Ok(())
    });
}

/// Has a host judged anew, again and again.
async fn flip(world: &World, node: &str, verdicts: &[&str]) -> anyhow::Result<()> {
    for (number, verdict) in verdicts.iter().enumerate() {
        world.simulator.play(node, verdict).await?;
        world
            .nodes
            .reboot(node, &format!("{node}-{verdict}-{number}"))
            .await?;
        world.labelled(node, Some(verdict)).await?;
    }
    Ok(())
}

#[test]
fn secl_10_the_same_verdict_again_writes_no_second_taint() {
    attack(async |world| {
        world.node("secl-twice", "untrusted").await?;
        world.labelled("secl-twice", Some("untrusted")).await?;
        let asks =
            json!({"metadata": {"annotations": {keys::ATTEST: world.clock.wall().to_string()}}});
        world.change("nodetrust", "secl-twice", asks).await?;
        eventually(SOON, "it is asked about again", async || {
            let asked = crate::support::questions(world, "secl-twice").await?.len();
            ensure!(asked >= 2, "{asked}");
            Ok(())
        })
        .await?;
        ensure!(world.taints("secl-twice").await? == ["untrusted"]);
        Ok(())
    });
}

#[test]
fn secl_11_fields_of_a_later_kubernetes_are_skipped() {
    attack(async |world| {
        let mut pod = waits("x");
        pod["spec"]["fieldOfTomorrow"] = json!({"deep": [1, 2, {"deeper": null}]});
        pod["metadata"]["another"] = json!(7);
        let body =
            json!({"Pod": pod, "NodeNames": ["good"], "Nodes": null, "FieldOfTomorrow": true});
        let (code, answer) = world.trustpool().ask("filter", &body).await?;
        ensure!(
            code == 200 && answer.contains(r#""NodeNames":["good"]"#),
            "{code}: {answer}"
        );
        Ok(())
    });
}

#[test]
fn secl_12_a_write_that_meets_another_is_done_again_and_loses_nothing() {
    attack(async |world| {
        trusted_nodes(world, &["secl-conflict"]).await?;
        world.simulator.play("secl-conflict", "untrusted").await?;
        world
            .nodes
            .reboot("secl-conflict", "secl-conflict-again")
            .await?;
        for number in 0..40 {
            let written =
                json!({"metadata": {"annotations": {format!("example.com/{number}"): "kept"}}});
            world.patch_node("secl-conflict", written).await?;
        }
        world.labelled("secl-conflict", Some("untrusted")).await?;
        let node = world.nodes.get("secl-conflict").await?;
        let annotations = node.metadata.annotations.unwrap_or_default();
        let kept = annotations
            .values()
            .filter(|value| *value == "kept")
            .count();
        ensure!(kept == 40, "{kept} of 40");
        ensure!(world.taints("secl-conflict").await? == ["untrusted"]);
        Ok(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn secl_13_a_node_that_no_pool_wants_any_more_keeps_no_mark_of_trust() {
    let _slot = Slot::take().await.unwrap();
    let world = Setup::default().start().await.unwrap();
    trusted_nodes(&world, &["a"]).await.unwrap();

    world
        .plane
        .kubectl(&["delete", "trustpool", "default"])
        .await
        .unwrap();

    world.becomes("a", "unknown/NotInPool").await.unwrap();
    world.labelled("a", None).await.unwrap();
    assert_eq!(
        said(&world, "a").await.unwrap(),
        "node(s) were in no trust pool"
    );
}

#[test]
fn secl_14_events_that_anybody_may_write_do_nothing() {
    attack(async |world| {
        let before = crate::support::requested_at(world, "good").await?;
        for reason in ["Rebooted", "NodeRegistered"] {
            let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": format!("forged-{reason}").to_lowercase()},
                "involvedObject": {"kind": "Node", "name": "good", "uid": "good"}, "reason": reason, "type": "Warning",
                "message": "boot id: forged", "source": {"component": "kubelet", "host": "good"}});
            let file = world.plane.directory().join("event.json");
            std::fs::write(&file, event.to_string())?;
            world
                .plane
                .kubectl(&["create", "-n", "default", "-f", &file.display().to_string()])
                .await?;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        ensure!(world.verdict("good").await? == "trusted/Attested");
        ensure!(world.label("good").await?.as_deref() == Some("trusted"));
        let asked = crate::support::requested_at(world, "good").await?;
        ensure!(asked == before, "it was asked about anew");
        Ok(())
    });
}

#[test]
fn secl_15_no_role_of_ours_deletes_nodes_or_is_that_of_a_kubelet() {
    let rbac = std::fs::read_to_string(project("manifests/rbac.yaml")).unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&rbac).unwrap();
    let rules = documents
        .iter()
        .filter_map(|document| document.get("rules")?.as_array())
        .flatten();
    for rule in rules {
        let has = |field: &str, value: &str| {
            let values = rule.get(field).and_then(Value::as_array);
            values.is_some_and(|values| values.contains(&json!(value)))
        };
        assert!(
            !has("verbs", "*") && !has("resources", "*") && !has("apiGroups", "*"),
            "{rule}"
        );
        assert!(
            !has("resources", "nodes") || !has("verbs", "delete"),
            "{rule}"
        );
    }
    assert!(!rbac.contains("system:node"));
}

#[test]
fn secl_16_the_scheduler_is_never_told_to_trust_whoever_answers() {
    let text = std::fs::read_to_string(project("manifests/optional/scheduler.yaml")).unwrap();
    let configuration: Value = serde_saphyr::from_str(&text).unwrap();
    for extender in configuration["extenders"].as_array().unwrap() {
        let url = extender["urlPrefix"].as_str().unwrap();
        assert!(url.starts_with("https://"), "{extender}");
        // Without a CA kube-scheduler verifies nothing, silently.
        for file in ["caFile", "certFile", "keyFile"] {
            assert!(extender["tlsConfig"][file].is_string(), "{extender}");
        }
        assert_eq!(
            extender["ignorable"],
            json!(false),
            "an extender that is down must not be skipped"
        );
    }
}

#[test]
fn secl_17_reviews_are_of_the_version_that_the_api_server_speaks() {
    attack(async |world| {
        let http = reqwest::Client::builder()
            .no_proxy()
            .danger_accept_invalid_certs(true)
            .build()?;
        let url = format!("https://{}/bind/strict?timeout=2s", world.addresses.bind);
        let send = async |version: &str, body: Value| -> anyhow::Result<(u16, String)> {
            let review = json!({"apiVersion": version, "kind": "AdmissionReview", "request": body});
            let answer = http.post(&url).json(&review).send().await?;
            Ok((answer.status().as_u16(), answer.text().await?))
        };
        let request = json!({"uid": "u-1", "kind": {"group": "", "version": "v1", "kind": "Binding"},
            "resource": {"group": "", "version": "v1", "resource": "pods"}, "subResource": "binding", "operation": "CREATE",
            "name": "x", "namespace": "strict", "userInfo": {}, "fieldOfTomorrow": 1,
            "object": {"metadata": {"name": "x", "uid": "y"}, "target": {"name": "bad"}}});
        let (code, answer) = send("admission.k8s.io/v1", request.clone()).await?;
        let answer: Value = serde_json::from_str(&answer)?;
        ensure!(
            code == 200 && answer["response"]["uid"] == "u-1",
            "{code}: {answer}"
        );
        ensure!(
            answer["response"]["allowed"] == json!(false)
                && answer["apiVersion"] == "admission.k8s.io/v1"
        );
        for (version, body) in [
            ("admission.k8s.io/v1beta1", request),
            ("admission.k8s.io/v1", json!(null)),
        ] {
            let (code, answer) = send(version, body).await?;
            ensure!(code == 400, "{version}: {code}: {answer}");
        }
        Ok(())
    });
}
