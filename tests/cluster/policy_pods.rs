//! What the policies say to a pod when it is created, and what they leave alone.

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use trustpool::api::keys;
use trustpool_harness::install::try_out;
use trustpool_harness::{ControlPlane, NodeBuilder, Slot};

use crate::policy::{annotated, carried, pod, policed};

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_says_what_to_do_and_a_pod_that_does_not_ask_is_left_as_it_is() {
    let _slot = Slot::take().await.unwrap();
    let plane = policed().await.unwrap();
    let client = plane.client().await.unwrap();

    refusals_name_the_place_and_the_value(&client)
        .await
        .unwrap();
    a_pod_that_does_not_ask_is_left_as_it_is(&plane, &client)
        .await
        .unwrap();
    a_rule_cannot_be_opted_out_of(&client).await.unwrap();
    mirror_pods_are_of_their_kubelet(&plane, &client)
        .await
        .unwrap();
    a_gated_pod_asks_like_any_other(&plane, &client)
        .await
        .unwrap();
    a_running_pod_can_be_debugged_and_resized(&plane, &client)
        .await
        .unwrap();
    excluded_namespaces_have_no_rule(&plane, &client)
        .await
        .unwrap();
}

async fn refusals_name_the_place_and_the_value(client: &Client) -> anyhow::Result<()> {
    let node = json!({"nodeName": "n1"});
    let selector = json!({"nodeSelector": {keys::TRUST: "untrusted"}});
    let two_pools = json!({"annotations": {keys::REQUIRE: "trusted", keys::REQUIRE_POOL: "a"},
        "labels": {keys::REQUIRE_POOL: "b"}});
    let no_pool = json!({"annotations": {keys::REQUIRE: "trusted", keys::REQUIRE_POOL: "No Pool"}});
    let nothing = json!({});
    let table: [(&str, Value, &Value, &[&str]); 13] = [
        (
            "plain",
            annotated("yes"),
            &nothing,
            &[
                "annotation trustpool.dev/require is `yes`",
                "`trusted` or `audit`",
            ],
        ),
        (
            "plain",
            json!({"labels": {keys::REQUIRE: "no"}}),
            &nothing,
            &["label trustpool.dev/require is `no`"],
        ),
        (
            "plain",
            json!({}),
            &selector,
            &["nodeSelector", "is `untrusted`", "must be `trusted`"],
        ),
        (
            "plain",
            annotated("trusted"),
            &node,
            &["spec.nodeName is `n1`", "remove spec.nodeName", "hostname"],
        ),
        ("asks", json!({}), &node, &["spec.nodeName is `n1`"]),
        (
            "plain",
            two_pools,
            &nothing,
            &["`a`", "`b`", "one and the same"],
        ),
        (
            "plain",
            no_pool,
            &nothing,
            &["`No Pool`", "a name that a pool can have"],
        ),
        (
            "asks-pinned",
            json!({"annotations": {keys::REQUIRE_POOL: "q"}}),
            &nothing,
            &["`p`", "`q`"],
        ),
        // Were the label changed, a ReplicaSet that selects by it would make pods without end.
        (
            "asks",
            json!({"labels": {keys::REQUIRE: "audit"}}),
            &nothing,
            &["annotation or label trustpool.dev/require says `audit`"],
        ),
        (
            "plain",
            json!({"labels": {keys::REQUIRE: "audit"}, "annotations": {keys::REQUIRE: "trusted"}}),
            &nothing,
            &["annotation or label trustpool.dev/require says `audit`"],
        ),
        // What YAML makes of `|`, and what no message has room for.
        (
            "plain",
            annotated("trusted\n"),
            &nothing,
            &["annotation trustpool.dev/require", "no line break"],
        ),
        (
            "plain",
            annotated(&"x".repeat(100_000)),
            &nothing,
            &["annotation trustpool.dev/require", "far too long"],
        ),
        (
            "asks",
            json!({"annotations": {keys::REQUIRE_POOL: "gold\n"}}),
            &nothing,
            &["annotation trustpool.dev/pool", "no line break"],
        ),
    ];
    for (namespace, metadata, spec, words) in table {
        let object = pod(metadata.clone(), spec.clone());
        let refused = try_out::<Pod>(client, Some(namespace), object).await;
        let error = refused
            .err()
            .with_context(|| format!("{metadata} {spec} is admitted"))?;
        let error = format!("{error:#}");
        for word in words {
            ensure!(error.contains(word), "`{word}` is not in {error}");
        }
    }
    Ok(())
}

async fn a_pod_that_does_not_ask_is_left_as_it_is(
    plane: &ControlPlane,
    client: &Client,
) -> anyhow::Result<()> {
    let plain = || {
        pod(
            json!({"annotations": {keys::REQUIRE_POOL: "No Pool"}}),
            json!({"nodeName": "n1"}),
        )
    };
    for namespace in ["plain", "pinned"] {
        let made: Pod = try_out(client, Some(namespace), plain()).await?;
        ensure!(made.spec.clone().unwrap_or_default().node_name.as_deref() == Some("n1"));
        let [_, labels, selector] = carried(&made);
        ensure!(
            labels.is_empty() && selector.is_empty(),
            "{namespace}: {made:?}"
        );
    }
    // Audited: a label, and a note in the audit log.
    let pools =
        json!({"annotations": {keys::REQUIRE_POOL: "gold"}, "labels": {keys::REQUIRE_POOL: "tin"}});
    let empty = json!({"annotations": {keys::REQUIRE_POOL: ""}});
    let table = [
        ("audits", json!({}), "n1", "spec.nodeName is `n1`"),
        ("plain", annotated("audit"), "n2", "spec.nodeName is `n2`"),
        ("audits", pools, "", "named are `gold`, `tin`"),
        ("audits", empty, "", "named are ``,"),
    ];
    for (namespace, metadata, node, words) in table {
        let named = if node.is_empty() {
            json!({})
        } else {
            json!({"nodeName": node})
        };
        let audited: Pod = try_out(client, Some(namespace), pod(metadata, named)).await?;
        let [_, labels, selector] = carried(&audited);
        ensure!(
            labels.get(keys::REQUIRE).map(String::as_str) == Some("audit"),
            "{labels:?}"
        );
        ensure!(selector.is_empty(), "{selector:?}");
        noted(plane, words).await?;
    }
    Ok(())
}

async fn noted(plane: &ControlPlane, words: &str) -> anyhow::Result<()> {
    trustpool_harness::eventually(trustpool_harness::SOON, "a note", async || {
        let events = plane.audit().events()?;
        let mut notes = events.iter().flat_map(|event| event.annotations.values());
        let noted = notes.any(|note| {
            note.contains("with trustpool.dev/require: trusted this would be refused")
                && note.contains(words)
        });
        ensure!(noted, "`{words}` is not noted");
        Ok(())
    })
    .await
}

async fn a_rule_cannot_be_opted_out_of(client: &Client) -> anyhow::Result<()> {
    for metadata in [json!({}), annotated("audit")] {
        let made: Pod = try_out(client, Some("asks"), pod(metadata, json!({}))).await?;
        for map in carried(&made) {
            ensure!(map.values().any(|value| value == "trusted"), "{map:?}");
        }
    }
    Ok(())
}

async fn mirror_pods_are_of_their_kubelet(
    plane: &ControlPlane,
    client: &Client,
) -> anyhow::Result<()> {
    let node = plane.nodes().await?.create(&NodeBuilder::new("n1")).await?;
    let owner = json!([{"apiVersion": "v1", "kind": "Node", "name": "n1", "controller": true,
        "uid": node.metadata.uid}]);
    let mirror = json!({"annotations": {keys::REQUIRE: "trusted", "kubernetes.io/config.mirror": "hash"},
        "ownerReferences": owner});
    let mirror = || pod(mirror.clone(), json!({"nodeName": "n1"}));
    let kubelet = plane.kubelet("n1")?.client().await?;

    for namespace in ["asks", "plain"] {
        let made: Pod = try_out(&kubelet, Some(namespace), mirror()).await?;
        let [_, labels, selector] = carried(&made);
        ensure!(
            labels.is_empty() && selector.is_empty(),
            "a mirror pod was changed"
        );
        let of_another = try_out::<Pod>(client, Some(namespace), mirror()).await;
        ensure!(
            of_another.is_err(),
            "anybody can make a mirror pod in {namespace}"
        );
    }
    // `trusted` would not have refused it.
    let _: Pod = try_out(&kubelet, Some("audits"), mirror()).await?;
    trustpool_harness::eventually(trustpool_harness::SOON, "an event of it", async || {
        let events = plane.audit().events()?;
        let made = events.iter().find(|event| {
            event.user.username == "system:node:n1" && event.object_ref.namespace == "audits"
        });
        let notes = &made.context("not yet")?.annotations;
        ensure!(
            !notes.values().any(|note| note.contains("would be refused")),
            "{notes:?}"
        );
        Ok(())
    })
    .await
}

async fn a_gated_pod_asks_like_any_other(
    plane: &ControlPlane,
    client: &Client,
) -> anyhow::Result<()> {
    let gates = json!({"schedulingGates": [{"name": "example.com/later"}]});
    let pods: Api<Pod> = Api::namespaced(client.clone(), "asks");
    let gated = serde_json::from_value(pod(json!({"name": "gated"}), gates))?;
    let made = pods.create(&PostParams::default(), &gated).await?;
    ensure!(carried(&made).iter().all(|map| !map.is_empty()));
    let ungate = r#"{"spec": {"schedulingGates": null, "nodeSelector": {"example.com/a": "b"}}}"#;
    let ungated = [
        "patch",
        "pod",
        "gated",
        "-n",
        "asks",
        "--type=strategic",
        "-p",
        ungate,
    ];
    plane.kubectl(&ungated).await.map(drop)
}

async fn a_running_pod_can_be_debugged_and_resized(
    plane: &ControlPlane,
    client: &Client,
) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), "asks");
    let small = json!({"containers": [{"name": "main", "image": "none", "resources": {"requests": {"cpu": "1m"}}}]});
    let object = serde_json::from_value(pod(json!({"name": "runs"}), small))?;
    pods.create(&PostParams::default(), &object).await?;
    let debug = [
        "debug",
        "-n",
        "asks",
        "pod/runs",
        "--image=none",
        "--attach=false",
    ];
    plane.kubectl(&debug).await?;
    let resize =
        r#"{"spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "2m"}}}]}}"#;
    let resize = [
        "patch",
        "pod",
        "runs",
        "-n",
        "asks",
        "--subresource=resize",
        "-p",
        resize,
    ];
    plane.kubectl(&resize).await?;
    // The copy has lost annotation and label, and gets them back by its selector, elsewhere too.
    let copy = [
        "debug",
        "-n",
        "asks",
        "pod/runs",
        "--image=none",
        "--attach=false",
        "--copy-to=copy",
    ];
    plane.kubectl(&copy).await?;
    let copy = pods.get("copy").await?;
    ensure!(
        carried(&copy).iter().all(|map| !map.is_empty()),
        "{:?}",
        carried(&copy)
    );
    Ok(())
}

/// `kube-system` and our own namespace must start whatever is written on them.
async fn excluded_namespaces_have_no_rule(
    plane: &ControlPlane,
    client: &Client,
) -> anyhow::Result<()> {
    for namespace in ["kube-system", "trustpool-system"] {
        let label = [
            "label",
            "namespace",
            namespace,
            "trustpool.dev/require=trusted",
            "trustpool.dev/gate=strict",
        ];
        plane.kubectl(&label).await?;
        crate::policy::account(client, namespace).await?;
        let made: Pod = try_out(
            client,
            Some(namespace),
            pod(json!({}), json!({"nodeName": "n1"})),
        )
        .await?;
        ensure!(
            carried(&made)
                .iter()
                .all(std::collections::BTreeMap::is_empty),
            "{made:?}"
        );
    }
    Ok(())
}
