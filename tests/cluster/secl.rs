//! The seventeen defects of Intel `SecL`'s extension, each shown not to be one here. It was the last to filter nodes
//! by attestation, failed open, and is what users compare us with.

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use serde_json::{Value, json};
use trustpool::api::keys;
use trustpool_harness::install::project;
use trustpool_harness::{NodeBuilder, SOON, Setup, Slot, World, eventually};

use crate::attack::{attack, create, refused, unbound, waits};
use crate::support::{VALIDITY, bind, filtered, refusals, trusted_nodes};

/// What the filter says of `node` to a pod that asks.
async fn said(world: &World, node: &str) -> anyhow::Result<String> {
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

async fn lands_on(world: &World, namespace: &str, pod: &str, node: &str) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), namespace);
    eventually(SOON, &format!("{pod} is on {node}"), async || {
        let on = pods.get(pod).await?.spec.and_then(|spec| spec.node_name);
        ensure!(on.as_deref() == Some(node), "{on:?}");
        Ok(())
    })
    .await
}

/// Node affinity with one requirement on the trust label.
fn affinity(operator: &str, values: &Value) -> Value {
    json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": keys::TRUST, "operator": operator, "values": values}]}]}}}})
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
    world
        .simulator
        .fault(&json!({"kind": "down"}))
        .await
        .unwrap();
    world.pass(VALIDITY);
    world.becomes("a", "unknown/Expired").await.unwrap();

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
        let by_tls = url.starts_with("https") || extender["enableHTTPS"] == json!(true);
        let authority = extender.pointer("/tlsConfig/caFile");
        // Without a CA kube-scheduler verifies nothing, silently. Without TLS it asks its own machine alone.
        assert!(
            authority.is_some() || (!by_tls && url.starts_with("http://127.0.0.1:")),
            "{extender}"
        );
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
