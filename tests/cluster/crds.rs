//! Our definitions on a real API server: what it admits, what it makes of it, and how it is shown.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde::Deserialize;
use serde_json::{Value, json};
use trustpool::api::trust_pool::is_selectable;
use trustpool::api::{AttestationService, NodeTrust, NodeTrustStatus, TrustPool, decode};
use trustpool::domain::{Incarnation, Reason, Record, Verdict};
use trustpool_harness::{ControlPlane, NodeBuilder, Nodes, Slot};

const OBJECTS: &str = include_str!("../fixtures/objects.yaml");

/// One row of the table.
#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    #[serde(default)]
    refused: Option<Refusal>,
    object: Object,
}

/// How an object is refused.
#[derive(Debug, Deserialize)]
struct Refusal {
    at: String,
    mentions: String,
}

/// An object of ours that is not there yet.
#[derive(Debug, Deserialize)]
struct Object {
    kind: String,
    metadata: Metadata,
    spec: Value,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    name: String,
}

impl Object {
    fn new(kind: &str, name: &str, spec: Value) -> Self {
        Self {
            kind: kind.to_owned(),
            metadata: Metadata {
                name: name.to_owned(),
            },
            spec,
        }
    }

    /// Creates the object and returns what the API server made of it.
    async fn create(&self, client: &Client, params: &PostParams) -> kube::Result<DynamicObject> {
        let kind = GroupVersionKind::gvk("trustpool.dev", "v1alpha1", &self.kind);
        let resource = ApiResource::from_gvk(&kind);
        let object = DynamicObject::new(&self.metadata.name, &resource);
        let object = object.data(json!({"spec": self.spec}));
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        api.create(params, &object).await
    }
}

impl Case {
    /// Says whether the API server's answer is the one that the table says.
    fn is_answered_by(&self, answer: &kube::Result<DynamicObject>) -> bool {
        match (&self.refused, answer) {
            (None, Ok(_)) => true,
            (Some(Refusal { at, mentions }), Err(kube::Error::Api(status))) => {
                let says = |words: &str| status.message.contains(words);
                status.is_invalid() && says(at) && says(mentions)
            }
            (None, Err(_)) | (Some(_), Ok(_) | Err(_)) => false,
        }
    }
}

/// The folder of our definitions.
fn crds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crds")
}

#[tokio::test]
async fn an_api_server_admits_and_refuses_what_the_table_says() {
    let _slot = Slot::take().await.unwrap();
    let plane = ControlPlane::builder().start().await.unwrap();
    plane.apply(&crds()).await.unwrap();
    let client = plane.client().await.unwrap();
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let cases: Vec<Case> = serde_saphyr::from_str(OBJECTS).unwrap();

    let mut wrong = Vec::new();
    for case in cases {
        let answer = case.object.create(&client, &params).await;
        if !case.is_answered_by(&answer) {
            wrong.push((case.name, answer.map(|object| object.data)));
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
    plane.stop().await.unwrap();
}

#[tokio::test]
async fn objects_are_read_back_with_their_defaults_and_shown_with_what_matters() {
    let _slot = Slot::take().await.unwrap();
    let plane = ControlPlane::builder().start().await.unwrap();
    definitions_raise_no_warning(&plane).await.unwrap();
    plane.apply(&crds()).await.unwrap();
    let client = plane.client().await.unwrap();

    a_service_has_its_defaults(&client).await.unwrap();
    a_pool_has_its_defaults(&client).await.unwrap();
    a_way_back_can_be_chosen_later(&client).await.unwrap();
    a_record_survives_its_status(&client).await.unwrap();
    everything_is_shown(&plane).await.unwrap();
    plane.stop().await.unwrap();
}

/// API servers warn of formats that they do not know, and of rules that cannot be.
async fn definitions_raise_no_warning(plane: &ControlPlane) -> anyhow::Result<()> {
    let mut apply = plane.kubectl_command(plane.admin());
    let applied = apply.arg("apply").arg("-f").arg(crds()).output().await?;

    assert_eq!(String::from_utf8(applied.stderr)?, "");
    Ok(())
}

async fn a_service_has_its_defaults(client: &Client) -> anyhow::Result<()> {
    let spec = json!({"openAttestation": {
        "url": "https://oat.example.org:8443",
        "auth": {"secretRef": {"name": "oat"}},
        "tls": {"caRef": {"kind": "ConfigMap", "name": "oat"}},
    }});
    let service = Object::new("AttestationService", "oat", spec);

    let service = service.create(client, &PostParams::default()).await?;

    let expected = json!({
        "openAttestation": {
            "url": "https://oat.example.org:8443",
            "path": "/AttestationService/resources",
            "dialect": "V2",
            "auth": {"header": "x-auth-blob", "secretRef": {"name": "oat", "key": "auth-blob"}},
            "tls": {"caRef": {"kind": "ConfigMap", "name": "oat", "key": "ca.crt"}},
            "maxSkew": "2m",
        },
        "timeouts": {"connect": "5s", "read": "1m15s", "total": "1m30s"},
        "batch": {"first": 10, "next": 20, "maxInFlight": 4},
    });
    assert_eq!(service.data.get("spec"), Some(&expected));
    let read: AttestationService = decode(&service)?;
    assert_eq!(serde_json::to_value(&read.spec)?, expected);
    Ok(())
}

async fn a_pool_has_its_defaults(client: &Client) -> anyhow::Result<()> {
    let spec = json!({"attestationServiceRef": {"name": "oat"}});
    let pool = Object::new("TrustPool", "default", spec);

    let pool = pool.create(client, &PostParams::default()).await?;

    let expected = json!({
        "nodeSelector": {},
        "attestationServiceRef": {"name": "oat"},
        "validity": "30m",
        "refresh": {"interval": "5m", "minInterval": "30s"},
        "silentAfter": 2,
        "onUntrusted": {"taint": "NoSchedule"},
        "onUnknown": {"label": "Keep", "taint": "None"},
        "breaker": {"maxUntrusted": "20%"},
        "startupTaint": false,
        "dryRun": false,
        "paused": false,
    });
    assert_eq!(pool.data.get("spec"), Some(&expected));
    let read: TrustPool = decode(&pool)?;
    assert_eq!(serde_json::to_value(&read.spec)?, expected);
    Ok(())
}

/// Whoever says nothing at first may say `manual: true` later: no default stands in the way.
async fn a_way_back_can_be_chosen_later(client: &Client) -> anyhow::Result<()> {
    let pools: Api<TrustPool> = Api::all(client.clone());
    let patch = Patch::Merge(json!({"spec": {"trustAgain": {"manual": true}}}));

    let patched = pools
        .patch("default", &PatchParams::default(), &patch)
        .await?;

    assert_eq!(patched.spec.trust_again.manual, Some(true));
    Ok(())
}

async fn a_record_survives_its_status(client: &Client) -> anyhow::Result<()> {
    let object = Object::new("NodeTrust", "node-1", json!({"host": null}));
    let object = object.create(client, &PostParams::default()).await?;
    // A null says nothing, and is not stored.
    assert_eq!(object.data.get("spec"), Some(&json!({"paused": false})));
    let nodes: Api<NodeTrust> = Api::all(client.clone());
    let record = record()?;
    let status = NodeTrustStatus::of(&record, &[], Some(1), "2026-01-31T12:00:03Z".parse()?);

    let patch = Patch::Merge(json!({"status": &status}));
    let patched = nodes
        .patch_status("node-1", &PatchParams::default(), &patch)
        .await?;

    assert_eq!(patched.status.as_ref(), Some(&status));
    assert_eq!(Record::from(&patched), record);
    Ok(())
}

fn record() -> anyhow::Result<Record> {
    let requested: Timestamp = "2026-01-31T12:00:00Z".parse()?;
    Ok(Record {
        pool: Some("default".into()),
        service: Some("oat".into()),
        verdict: Verdict::Trusted,
        reason: Reason::Attested,
        incarnation: Some(Incarnation {
            url: "https://oat.example.org:8443/AttestationService/resources".to_owned(),
            host: "node-1".to_owned(),
            uid: "u".to_owned(),
            boot_id: "b".to_owned(),
            machine_id: String::new(),
            system_uuid: String::new(),
        }),
        incarnation_seen_at: Some(requested),
        requested_at: Some(requested),
        expires_at: Some("2026-01-31T12:30:00Z".parse()?),
        ..Record::default()
    })
}

async fn everything_is_shown(plane: &ControlPlane) -> anyhow::Result<()> {
    let table = [
        ("ats", "NAME READY URL LAST SUCCESS FAILURES AGE"),
        (
            "tp",
            "NAME READY SERVICE NODES TRUSTED UNTRUSTED UNKNOWN LAST ROUND AGE",
        ),
        ("nt", "NAME POOL VERDICT REASON VERDICT AGE EXPIRES"),
        ("nt", "node-1 default trusted Attested 2026-01-31T12:30:00Z"),
        // A kind's name is not a category's, which kubectl would look for first.
        ("trustpool/default", "default oat"),
        ("trust", "attestationservice.trustpool.dev/oat"),
        ("trust", "nodetrust.trustpool.dev/node-1"),
        ("trust", "trustpool.trustpool.dev/default"),
    ];
    for (what, expected) in table {
        let shown = plane.kubectl(&["get", what]).await?;
        let words: Vec<&str> = shown.split_whitespace().collect();
        let mut rest = words.iter();
        let in_order = expected
            .split(' ')
            .all(|word| rest.any(|shown| *shown == word));
        assert!(in_order, "no `{expected}` in:\n{shown}");
    }
    Ok(())
}

#[tokio::test]
async fn no_kubelet_can_write_a_label_that_a_pool_may_select_by() {
    let _slot = Slot::take().await.unwrap();
    let plane = ControlPlane::builder().start().await.unwrap();
    let admin = plane.nodes().await.unwrap();
    admin.create(&NodeBuilder::new("node-1")).await.unwrap();
    let kubelet = plane.kubelet("node-1").unwrap().client().await.unwrap();
    let kubelet = Nodes::new(kubelet);
    let table = [
        ("node-restriction.kubernetes.io/pool", true),
        ("example.com.node-restriction.kubernetes.io/pool", true),
        ("trustpool.dev.node-restriction.kubernetes.io/host", true),
        ("node-role.kubernetes.io/control-plane", true),
        ("pool", false),
        ("example.com/pool", false),
        ("node.kubernetes.io/instance-type", false),
        ("x.node.kubernetes.io/pool", false),
        ("kubelet.kubernetes.io/pool", false),
        ("topology.kubernetes.io/zone", false),
        ("node-role.kubernetes.io.example.com/pool", false),
        ("node-restriction.kubernetes.io.example.com/pool", false),
    ];

    for (key, selectable) in table {
        let written = kubelet.label("node-1", key, Some("x")).await;

        assert_eq!(is_selectable(key), selectable, "{key}");
        assert_eq!(written.is_err(), selectable, "{key}: {written:?}");
    }
    plane.stop().await.unwrap();
}
