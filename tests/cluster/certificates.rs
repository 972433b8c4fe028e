//! The certificate of the bind gate: what is taken away, spoilt or exchanged comes right by itself, and the gate
//! is believed again.

use anyhow::{Context as _, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;
use trustpool_harness::install::NAMESPACE;
use trustpool_harness::{Authority, SOON, Setup, Slot, World, eventually};

use crate::attack::{create, refused, waits};
use crate::support::{bind, labelled_namespace};

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_secrets_and_bundle_the_gate_is_believed_again() {
    let _slot = Slot::take().await.unwrap();
    let world = Setup::default().start().await.unwrap();
    world.node("bad", "untrusted").await.unwrap();
    world.labelled("bad", Some("untrusted")).await.unwrap();
    labelled_namespace(&world, "strict", &["trustpool.dev/gate=strict"])
        .await
        .unwrap();
    create(&world, "strict", waits("asks")).await.unwrap();
    believed(&world).await.unwrap();

    without_its_secret(&world).await.unwrap();
    with_somebody_elses(&world).await.unwrap();
    without_its_authority(&world).await.unwrap();
    with_a_bundle_of_another(&world).await.unwrap();
}

/// Says that the API server asks the gate and believes it: it is the gate's own refusal that comes back.
async fn believed(world: &World) -> anyhow::Result<()> {
    eventually(SOON, "the gate is believed", async || {
        refused(
            bind(world, "strict", "asks", "bad").await,
            &["node `bad` will not do"],
        )
    })
    .await
}

fn secrets(world: &World) -> Api<Secret> {
    Api::namespaced(world.client.clone(), NAMESPACE)
}

async fn certificate(world: &World) -> anyhow::Result<Vec<u8>> {
    let secret = secrets(world).get("trustpool-gate-tls").await?;
    let mut data = secret.data.context("an empty Secret")?;
    Ok(data.remove("tls.crt").context("no certificate")?.0)
}

/// Waits until the Secret holds another certificate than `before`.
async fn another(world: &World, before: &[u8]) -> anyhow::Result<()> {
    eventually(SOON, "another certificate", async || {
        ensure!(certificate(world).await? != before);
        Ok(())
    })
    .await
}

async fn without_its_secret(world: &World) -> anyhow::Result<()> {
    let before = certificate(world).await?;
    secrets(world)
        .delete("trustpool-gate-tls", &DeleteParams::default())
        .await?;
    another(world, &before).await?;
    believed(world).await
}

/// A certificate that is good by itself, and of a CA that nobody was told of.
async fn with_somebody_elses(world: &World) -> anyhow::Result<()> {
    let pair = Authority::new("somebody")?.server(&["127.0.0.1"])?;
    let data =
        Patch::Merge(json!({"stringData": {"tls.crt": pair.certificate, "tls.key": pair.key}}));
    secrets(world)
        .patch("trustpool-gate-tls", &PatchParams::default(), &data)
        .await?;
    another(world, pair.certificate.as_bytes()).await?;
    believed(world).await
}

async fn without_its_authority(world: &World) -> anyhow::Result<()> {
    let before = secrets(world).get("trustpool-ca").await?.data;
    secrets(world)
        .delete("trustpool-ca", &DeleteParams::default())
        .await?;
    eventually(SOON, "another CA", async || {
        let now = secrets(world).get("trustpool-ca").await?.data;
        ensure!(now != before);
        Ok(())
    })
    .await?;
    believed(world).await
}

async fn with_a_bundle_of_another(world: &World) -> anyhow::Result<()> {
    let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(world.client.clone());
    let bundle = k8s_openapi::ByteString(Authority::new("somebody")?.certificate().into_bytes());
    let entries = ["audit", "open", "required", "strict"]
        .map(|name| json!({"name": format!("{name}.bind.trustpool.dev"), "clientConfig": {"caBundle": bundle}}));
    let patch = Patch::Strategic(json!({"webhooks": entries}));
    webhooks
        .patch("bind.trustpool.dev", &PatchParams::default(), &patch)
        .await?;
    believed(world).await?;
    let now = webhooks
        .get("bind.trustpool.dev")
        .await?
        .webhooks
        .unwrap_or_default();
    let spoilt = now
        .iter()
        .filter(|entry| entry.client_config.ca_bundle.as_ref() == Some(&bundle));
    ensure!(spoilt.count() == 0, "a bundle of somebody else is left");
    Ok(())
}
