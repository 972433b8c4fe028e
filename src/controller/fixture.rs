//! What the unit tests of this folder start from: one service, one pool, nodes and records.

pub mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::domain::time::after;
use crate::domain::{
    Carried, Incarnation, Node, NodeName, Now, Readiness, Reason, Record, Standing, Verdict,
};
use crate::store::{Entry, Kept, Snapshot, Tracked};
use crate::watch::Event;

use super::objects::Objects;
use super::setup::{Setup, setup};

/// A moment; `uptime` counts the same seconds.
pub fn now(second: i64) -> Now {
    Now {
        uptime: Duration::from_secs(second.unsigned_abs()),
        wall: at(second),
    }
}

/// A whole second.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// An object as a watch shows it.
pub fn object(kind: &str, name: &str, spec: &Value) -> DynamicObject {
    let object = json!({
        "apiVersion": "trustpool.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1},
        "spec": spec,
    });
    serde_json::from_value(object).unwrap()
}

/// The service `oat`, which trusts the CA in the ConfigMap `oat`.
pub fn service() -> DynamicObject {
    let spec = json!({"openAttestation": {
        "url": "https://oat.example.org:8443",
        "auth": {"secretRef": {"name": "oat"}},
        "tls": {"caRef": {"kind": "ConfigMap", "name": "oat"}},
    }});
    object("AttestationService", "oat", &spec)
}

/// A pool of every node, judged by `oat`, with more in its `spec`.
pub fn pool(name: &str, more: &Value) -> DynamicObject {
    let mut spec = json!({"attestationServiceRef": {"name": "oat"}});
    let more = more.as_object().unwrap().clone();
    spec.as_object_mut().unwrap().extend(more);
    object("TrustPool", name, &spec)
}

/// A ConfigMap or Secret `oat` in `version`, with `data` and the label `label`.
pub fn holder(version: &str, label: &str, data: &Value) -> Value {
    json!({
        "metadata": {
            "name": "oat",
            "resourceVersion": version,
            "labels": {crate::api::keys::SERVICE: label},
        },
        "data": data,
    })
}

/// A certificate authority, PEM.
pub fn ca() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["ca".to_owned()]).unwrap();
    params.self_signed(&key).unwrap().pem()
}

/// Everything that `oat` and `default` need, and every watch has listed.
pub fn objects() -> Objects {
    let mut objects = Objects::default();
    let applied =
        |object: DynamicObject| Event::Applied((object.metadata.name.clone().unwrap(), object));
    objects.services.follow(Event::Started);
    objects.services.follow(applied(service()));
    objects.services.follow(Event::Listed);
    objects.pools.follow(Event::Started);
    objects.pools.follow(applied(pool("default", &json!({}))));
    objects.pools.follow(Event::Listed);
    let map = holder("1", "oat", &json!({"ca.crt": ca()}));
    let map = serde_json::from_value(map).unwrap();
    objects.config_maps.follow(Event::Started);
    objects
        .config_maps
        .follow(Event::Applied(("oat".to_owned(), map)));
    objects.config_maps.follow(Event::Listed);
    let secret = holder("1", "oat", &json!({"auth-blob": "YQ=="}));
    let secret = serde_json::from_value(secret).unwrap();
    objects.secrets.follow(Event::Started);
    objects
        .secrets
        .follow(Event::Applied(("oat".to_owned(), secret)));
    objects.secrets.follow(Event::Listed);
    objects
}

/// What they mean.
pub fn usable() -> Setup {
    setup(&objects(), &Setup::default(), &Clock::system())
}

/// The same with more in the spec of the pool `default`.
pub fn configured(more: &Value) -> Setup {
    let mut objects = objects();
    let applied = Event::Applied(("default".to_owned(), pool("default", more)));
    objects.pools.follow(applied);
    setup(&objects, &Setup::default(), &Clock::system())
}

/// A Ready node in boot `boot`, of version 1.
pub fn node(name: &str, boot: &str) -> Tracked {
    let node = Node {
        name: name.into(),
        uid: format!("uid-{name}"),
        labels: BTreeMap::new(),
        readiness: Readiness::Ready,
        boot_id: boot.to_owned(),
        machine_id: "m".to_owned(),
        system_uuid: "s".to_owned(),
        carried: Carried::default(),
    };
    Tracked {
        node,
        version: "1".to_owned(),
        taints: Vec::new(),
    }
}

/// Who `node` is at `oat`.
pub fn incarnation(node: &Tracked) -> Incarnation {
    Incarnation {
        url: usable().services[&"oat".into()].service.url.clone(),
        host: node.node.name.to_string(),
        uid: node.node.uid.clone(),
        boot_id: node.node.boot_id.clone(),
        machine_id: node.node.machine_id.clone(),
        system_uuid: node.node.system_uuid.clone(),
    }
}

/// The record of `node` with a verdict asked for at second 0.
pub fn kept(node: &Tracked, verdict: Verdict, reason: Reason) -> Kept {
    let trusted = verdict == Verdict::Trusted;
    let record = Record {
        pool: Some("default".into()),
        service: Some("oat".into()),
        verdict,
        reason,
        incarnation: Some(incarnation(node)),
        incarnation_seen_at: Some(at(-10)),
        ready_since: Some(at(-10)),
        requested_at: Some(at(0)),
        expires_at: trusted.then(|| after(at(0), SignedDuration::from_mins(30))),
        ..Record::default()
    };
    Kept {
        record,
        version: "1".to_owned(),
        uid: "nt".to_owned(),
        ..Kept::default()
    }
}

/// What the store has of a node.
pub fn entry(node: Option<Tracked>, trust: Option<Kept>) -> Entry {
    let standing = match (&node, &trust) {
        (Some(node), Some(kept)) => Standing::of(&node.node, &kept.record, &kept.orders, now(0)),
        _ => Standing::missing(),
    };
    Entry {
        standing,
        node: node.map(Arc::new),
        trust: trust.map(Arc::new),
    }
}

/// A snapshot of these.
pub fn snapshot<const N: usize>(entries: [(&str, Entry); N]) -> Snapshot {
    let named = entries.map(|(name, entry)| (NodeName::from(name), entry));
    named.into_iter().collect()
}
