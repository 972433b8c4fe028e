//! Objects that cannot be used: each says so, names what is wrong, and stops nobody else.

use anyhow::ensure;
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use trustpool_harness::install::NAMESPACE;
use trustpool_harness::world::object;
use trustpool_harness::{Setup, Slot, World};

use crate::support::{
    INTERVAL, attested_again, condition_becomes, condition_is, impatient, passing, requested_at,
    trusted_nodes,
};

const SERVICE: (&str, &str, &str) = ("ats", "oat", "Ready");
const POOL: (&str, &str, &str) = ("tp", "default", "Ready");

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_object_says_what_is_wrong_and_stops_no_other() {
    let _slot = Slot::take().await.unwrap();
    let mut world = Setup::default().start().await.unwrap();
    trusted_nodes(&world, &["a"]).await.unwrap();
    condition_becomes(&world, POOL, "True/AsExpected", "")
        .await
        .unwrap();
    condition_becomes(&world, SERVICE, "True/AsExpected", "")
        .await
        .unwrap();
    for definition in ["trustpools", "attestationservices", "nodetrusts"] {
        admit_anything(&world, definition).await.unwrap();
    }

    bad_ones_name_their_field(&world).await.unwrap();
    others_work_on(&world, "b").await.unwrap();
    one_that_goes_bad_keeps_what_it_was(&world).await.unwrap();
    others_work_on(&world, "c").await.unwrap();
    let running = world.trustpool.take().unwrap();
    running.stop().await.unwrap();
    let good = json!({"spec": {"validity": "30m"}});
    world.change("tp", "default", good).await.unwrap();
    let good = json!({"spec": {"timeouts": null}});
    world.change("ats", "oat", good).await.unwrap();
    world.run().await.unwrap();
    others_work_on(&world, "d").await.unwrap();
}

/// Replaces a definition's schema by one without rules, as an older version might have had.
async fn admit_anything(world: &World, plural: &str) -> anyhow::Result<()> {
    let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = Api::all_with(world.client.clone(), &resource);
    let mut definition = api.get(&format!("{plural}.trustpool.dev")).await?;
    let schema = definition.data.pointer_mut("/spec/versions/0/schema");
    if let Some(schema) = schema {
        *schema = json!({"openAPIV3Schema":
            {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    }
    let name = definition.metadata.name.clone().unwrap_or_default();
    api.replace(&name, &PostParams::default(), &definition)
        .await?;
    Ok(())
}

/// Objects that no rule would let in, and the field that each gets wrong.
fn bad_objects() -> [(Value, &'static str); 5] {
    let pool = |name, change: Value| {
        let mut spec = json!({"attestationServiceRef": {"name": "oat"}});
        spec.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        object("TrustPool", name, spec)
    };
    let selector = json!({"nodeSelector": {"matchLabels": {"example.com/any": "x"}}});
    let service = json!({"openAttestation": {"url": "http://oat.example.org",
        "tls": {"caRef": {"kind": "ConfigMap", "name": "oat-ca"}}}});
    [
        (
            pool("bad-length", json!({"validity": "soon"})),
            "spec.validity",
        ),
        (
            pool("bad-shape", json!({"refresh": "often"})),
            "spec.refresh",
        ),
        (pool("bad-selector", selector), "spec.nodeSelector"),
        (
            object("TrustPool", "bad-empty", json!({})),
            "attestationServiceRef",
        ),
        (
            object("AttestationService", "bad", service),
            "spec.openAttestation.url",
        ),
    ]
}

async fn bad_ones_name_their_field(world: &World) -> anyhow::Result<()> {
    for (object, field) in bad_objects() {
        let kind = object["kind"].as_str().unwrap().to_lowercase();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        crate::support::create_soon(world, object).await?;
        let ready = (kind.as_str(), name.as_str(), "Ready");
        condition_becomes(world, ready, "False/InvalidSpec", field).await?;
    }
    // A NodeTrust that cannot be read is one of which nothing is known.
    let trust = json!({"spec": {"host": {"name": "x"}}});
    world.node("strange", "trusted").await?;
    world.labelled("strange", Some("trusted")).await?;
    world.change("nt", "strange", trust).await?;
    crate::support::filter_says(world, "strange", "node(s) were never attested").await
}

/// A new node is attested, and so are those that there were.
async fn others_work_on(world: &World, new: &str) -> anyhow::Result<()> {
    world.node(new, "trusted").await?;
    world.labelled(new, Some("trusted")).await?;
    attested_again(world, "a", INTERVAL).await
}

async fn one_that_goes_bad_keeps_what_it_was(world: &World) -> anyhow::Result<()> {
    let bad = json!({"spec": {"validity": "for ever"}});
    world.change("tp", "default", bad).await?;
    condition_becomes(world, POOL, "False/InvalidSpec", "spec.validity").await?;
    let bad = json!({"spec": {"timeouts": {"total": "-1s"}}});
    world.change("ats", "oat", bad).await?;
    condition_becomes(world, SERVICE, "False/InvalidSpec", "spec.timeouts.total").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_refers_to_must_be_there_labelled_and_is_followed() {
    let _slot = Slot::take().await.unwrap();
    let setup = Setup::default().service(impatient());
    let world = setup.start().await.unwrap();
    trusted_nodes(&world, &["a"]).await.unwrap();
    condition_becomes(&world, SERVICE, "True/AsExpected", "")
        .await
        .unwrap();

    a_reference_to_nothing_is_named(&world).await.unwrap();
    what_is_not_labelled_for_it_is_not_used(&world)
        .await
        .unwrap();
    another_namespace_is_never_read(&world).await.unwrap();
    a_rotated_secret_is_used(&world).await.unwrap();
    a_pool_without_its_service_says_so(&world).await.unwrap();
}

fn ca(name: &str) -> Value {
    json!({"spec": {"openAttestation": {"tls": {"caRef": {"name": name}}}}})
}

async fn a_reference_to_nothing_is_named(world: &World) -> anyhow::Result<()> {
    world.change("ats", "oat", ca("nowhere")).await?;
    condition_becomes(world, SERVICE, "False/ReferenceMissing", "`nowhere`").await?;
    let degraded = ("tp", "default", "Degraded");
    let words = "AttestationService `oat`";
    condition_becomes(world, degraded, "True/ServiceNotReady", words).await?;
    world.change("ats", "oat", ca("oat-ca")).await?;
    condition_becomes(world, SERVICE, "True/AsExpected", "").await
}

async fn label(world: &World, object: &str, label: &str) -> anyhow::Result<()> {
    let arguments = ["label", "-n", NAMESPACE, object, label, "--overwrite"];
    world.plane.kubectl(&arguments).await?;
    Ok(())
}

async fn what_is_not_labelled_for_it_is_not_used(world: &World) -> anyhow::Result<()> {
    for object in ["configmap/oat-ca", "secret/oat-auth"] {
        for wrong in ["trustpool.dev/service-", "trustpool.dev/service=other"] {
            label(world, object, wrong).await?;
            let name = object.rsplit('/').next().unwrap_or_default();
            condition_becomes(world, SERVICE, "False/ReferenceMissing", name).await?;
        }
        label(world, object, "trustpool.dev/service=oat").await?;
        condition_becomes(world, SERVICE, "True/AsExpected", "").await?;
    }
    Ok(())
}

async fn another_namespace_is_never_read(world: &World) -> anyhow::Result<()> {
    let data = format!("--from-literal=ca.crt={}", world.simulator.ca());
    let create = ["create", "configmap", "elsewhere", "-n", "default", &data];
    world.plane.kubectl(&create).await?;
    let of = [
        "label",
        "-n",
        "default",
        "configmap/elsewhere",
        "trustpool.dev/service=oat",
    ];
    world.plane.kubectl(&of).await?;
    world.change("ats", "oat", ca("elsewhere")).await?;
    condition_becomes(world, SERVICE, "False/ReferenceMissing", "elsewhere").await?;
    world.change("ats", "oat", ca("oat-ca")).await?;
    condition_becomes(world, SERVICE, "True/AsExpected", "").await
}

async fn secret(world: &World, blob: &str) -> anyhow::Result<()> {
    let secret = json!({"stringData": {"auth-blob": blob}}).to_string();
    let patch = ["patch", "secret", "oat-auth", "-n", NAMESPACE];
    let arguments = [&patch[..], &["--type=merge", "-p", &secret]].concat();
    world.plane.kubectl(&arguments).await?;
    Ok(())
}

async fn a_rotated_secret_is_used(world: &World) -> anyhow::Result<()> {
    secret(world, "another").await?;
    passing(world, INTERVAL, "a wrong secret is refused", async || {
        condition_is(world, SERVICE, "False/RequestFailed", "401").await
    })
    .await?;
    secret(world, trustpool_harness::simulator::AUTH_BLOB).await?;
    let before = requested_at(world, "a").await?;
    passing(world, INTERVAL, "the right secret is used", async || {
        ensure!(requested_at(world, "a").await? > before);
        condition_is(world, SERVICE, "True/AsExpected", "").await
    })
    .await
}

async fn a_pool_without_its_service_says_so(world: &World) -> anyhow::Result<()> {
    let other = json!({"attestationServiceRef": {"name": "none"}});
    world.create(object("TrustPool", "lonely", other)).await?;
    let lonely = ("tp", "lonely", "Ready");
    condition_becomes(world, lonely, "False/ServiceMissing", "`none`").await?;
    let degraded = ("tp", "lonely", "Degraded");
    condition_becomes(world, degraded, "True/ServiceMissing", "`none`").await?;
    let overlapping = ("tp", "lonely", "Overlapping");
    condition_becomes(world, overlapping, "True/OlderPoolKeepsNodes", "1 node").await?;
    ensure!(world.verdict("a").await? == "trusted/Attested");
    Ok(())
}
