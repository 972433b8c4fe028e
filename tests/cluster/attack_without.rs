//! Attacks on Trustpool itself: what is left when it is down, disarmed or impersonated.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use serde_json::json;
use tokio::time::Instant;
use trustpool::api::keys;
use trustpool_harness::install::install_webhook;
use trustpool_harness::{Authority, SOON, Setup, Slot, World, eventually, free_port};

use crate::attack::{NAMESPACES, create, refused, silent, unbound, waits};
use crate::support::{bind, labelled_namespace, trusted_nodes};

/// The API server waits so long for a webhook that does not answer.
const TIMEOUT: Duration = Duration::from_secs(2);

async fn covered() -> anyhow::Result<World> {
    let world = Setup::default().scheduler().start().await?;
    trusted_nodes(&world, &["good"]).await?;
    world.node("bad", "untrusted").await?;
    world.labelled("bad", Some("untrusted")).await?;
    for (name, labels) in NAMESPACES {
        labelled_namespace(&world, name, labels).await?;
    }
    Ok(world)
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_3_while_trustpool_is_down_strict_is_shut_open_is_open_and_nobody_else_notices() {
    let _slot = Slot::take().await.unwrap();
    let mut world = covered().await.unwrap();
    world.trustpool.take().unwrap().stop().await.unwrap();

    for namespace in ["strict", "required"] {
        create(&world, namespace, waits("down")).await.unwrap();
        for node in ["good", "bad"] {
            refused(
                bind(&world, namespace, "down", node).await,
                &["bind.trustpool.dev"],
            )
            .unwrap();
        }
        unbound(&world, namespace, "down").await.unwrap();
    }
    create(&world, "open", waits("down")).await.unwrap();
    bind(&world, "open", "down", "good").await.unwrap();
    // Plain pods, by kube-scheduler, elsewhere and where the gate is open: none waits for a timeout.
    for namespace in ["plain", "default"] {
        let began = Instant::now();
        for number in 0..10 {
            let mut pod = silent(&format!("plain-{number}"));
            pod["spec"]["schedulerName"] = json!("default-scheduler");
            create(&world, namespace, pod).await.unwrap();
        }
        let pods: Api<Pod> = Api::namespaced(world.client.clone(), namespace);
        eventually(SOON, "plain pods are bound", async || {
            for number in 0..10 {
                let pod = pods.get(&format!("plain-{number}")).await?;
                ensure!(
                    pod.spec.context("no spec")?.node_name.is_some(),
                    "{number} waits"
                );
            }
            Ok(())
        })
        .await
        .unwrap();
        println!("10 plain pods in {namespace}: {:?}", began.elapsed());
    }
    let asked = world.plane.audit().events().unwrap();
    let plain = asked
        .iter()
        .filter(|event| event.object_ref.namespace == "plain" && event.is_for("pods", "binding"));
    let slowest = plain
        .map(|event| {
            event
                .stage_timestamp
                .duration_since(event.request_received_timestamp)
        })
        .max();
    assert!(
        slowest.unwrap() < TIMEOUT.try_into().unwrap(),
        "{slowest:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_mutating_policy_or_its_binding_a_pod_that_asks_is_refused_not_admitted_unguarded()
 {
    let _slot = Slot::take().await.unwrap();
    let world = covered().await.unwrap();
    for kind in ["mutatingadmissionpolicybinding", "mutatingadmissionpolicy"] {
        for name in ["require.trustpool.dev", "require-namespace.trustpool.dev"] {
            world.plane.kubectl(&["delete", kind, name]).await.unwrap();
        }
        eventually(SOON, "nothing is added any more", async || {
            for (namespace, pod) in [("plain", waits("probe")), ("required", silent("probe"))] {
                let outcome =
                    trustpool_harness::install::try_out::<Pod>(&world.client, Some(namespace), pod)
                        .await;
                refused(
                    outcome,
                    &["mutating admission policies are off", "add nodeSelector"],
                )?;
            }
            Ok(())
        })
        .await
        .unwrap();
        create(&world, "plain", silent(&format!("plain-{kind}")))
            .await
            .unwrap();
    }
    let mut complete = waits("complete");
    complete["metadata"]["labels"] = json!({keys::REQUIRE: "trusted"});
    complete["spec"]["nodeSelector"] = json!({keys::TRUST: "trusted"});
    create(&world, "required", complete).await.unwrap();
    bind(&world, "required", "complete", "good").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requirement_stripped_by_whoever_no_policy_stops_is_still_in_the_selector() {
    let _slot = Slot::take().await.unwrap();
    let world = covered().await.unwrap();
    create(&world, "strict", waits("stripped")).await.unwrap();
    let policy = "pods-update.trustpool.dev";
    let gone = ["delete", "validatingadmissionpolicybinding", policy];
    world.plane.kubectl(&gone).await.unwrap();
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), "strict");
    let bare = json!({"metadata": {"annotations": null, "labels": null}});
    eventually(SOON, "annotation and label are gone", async || {
        let params = kube::api::PatchParams::default();
        let patch = kube::api::Patch::Merge(&bare);
        let pod = pods.patch("stripped", &params, &patch).await?;
        ensure!(pod.metadata.annotations.is_none() && pod.metadata.labels.is_none());
        Ok(())
    })
    .await
    .unwrap();

    let outcome = bind(&world, "strict", "stripped", "bad").await;
    refused(outcome, &["asks for a trusted node", "`bad` will not do"]).unwrap();
    bind(&world, "strict", "stripped", "good").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_with_a_certificate_of_another_ca_is_not_believed() {
    let _slot = Slot::take().await.unwrap();
    let world = covered().await.unwrap();
    create(&world, "strict", waits("mitm")).await.unwrap();
    create(&world, "open", waits("mitm")).await.unwrap();
    let port = free_port().unwrap();
    let _impostor = impostor(&world, port).await.unwrap();
    // Trustpool's CA is put back at once, whatever was written there, so the address is what is changed.
    install_webhook(&world.plane, ([127, 0, 0, 1], port).into())
        .await
        .unwrap();

    eventually(SOON, "the impostor is asked", async || {
        refused(bind(&world, "strict", "mitm", "bad").await, &["x509"])
    })
    .await
    .unwrap();
    unbound(&world, "strict", "mitm").await.unwrap();
    bind(&world, "open", "mitm", "good").await.unwrap();
}

/// Who says yes to everything, under a name that is right and a CA that is not.
async fn impostor(world: &World, port: u16) -> anyhow::Result<trustpool_harness::Process> {
    let pair = Authority::new("impostor")?.server(&["127.0.0.1"])?;
    let directory = world.plane.directory();
    std::fs::write(directory.join("impostor.crt"), &pair.certificate)?;
    std::fs::write(directory.join("impostor.key"), &pair.key)?;
    // Any server with TLS will do: nobody gets past the handshake.
    let program = trustpool_harness::Program::new(
        "impostor",
        std::path::Path::new(env!("CARGO_BIN_EXE_oat-simulator")),
    )
    .arg(format!("--listen=127.0.0.1:{port}"))
    .arg(format!("--admin-listen=127.0.0.1:{}", free_port()?))
    .arg("--tls-cert=impostor.crt")
    .arg("--tls-key=impostor.key");
    let process = program.start(directory)?;
    eventually(SOON, "the impostor listens", async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
        Ok(())
    })
    .await?;
    Ok(process)
}
