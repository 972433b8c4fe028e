//! The gate through its router, with an API server that knows a few pods.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{Request, Response};
use http_body_util::BodyExt;
use jiff::SignedDuration;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tower::{ServiceExt, service_fn};

use super::*;
use crate::api::keys;
use crate::domain::{Incarnation, Orders, Reason, Record, Standing, Verdict, fixtures};
use crate::store::{self, Kept, Snapshot};
use crate::watch::Event;

/// How often the API server was asked.
type Asked = Arc<AtomicUsize>;

struct World {
    asked: Asked,
    registry: Registry,
    router: Router,
    rules: store::RulesWriter,
    clock: Clock,
    writer: store::Writer,
}

impl World {
    /// Nodes `good`, `bad` and `late`; pods by name, as the API server has them; namespaces say nothing.
    fn new(pods: &[(&'static str, Value)]) -> Self {
        let clock = Clock::system();
        let (writer, reader) = store::channel();
        let entries = [
            ("good", Verdict::Trusted, Reason::Attested, 1),
            ("bad", Verdict::Untrusted, Reason::FailedAttestation, 1),
            ("late", Verdict::Trusted, Reason::Attested, -1),
        ];
        let entries = entries.map(|(name, verdict, reason, hours)| {
            (name.into(), entry(name, verdict, reason, hours, &clock))
        });
        writer.publish(Snapshot::from_iter(entries));
        writer.health().nodes.list(clock.now());
        writer.health().node_trusts.list(clock.now());
        let (rules, read) = store::rules();
        let asked = Asked::default();
        let client = api_server(pods.iter().cloned().collect(), Arc::clone(&asked));
        let mut registry = Registry::with_prefix("trustpool");
        let metrics = Metrics::register(&mut registry);
        let bind = Bind::new(clock.clone(), reader, read, client, metrics);
        let world = Self {
            asked,
            registry,
            router: router(bind),
            rules,
            clock,
            writer,
        };
        world.says(&[]);
        world
    }

    /// Has namespace `ns` carry these labels.
    fn says(&self, labels: &[(&str, &str)]) {
        let mut mirror = crate::watch::Mirror::default();
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let rule = NamespaceRule::from_labels(&labels.collect());
        for event in [
            Event::Started,
            Event::Applied(("ns".to_owned(), rule)),
            Event::Listed,
        ] {
            self.rules.follow(&mut mirror, event, self.clock.now());
        }
    }

    /// What `path` answers to a Binding of `pod` with `uid` to `node`: whether it is allowed, and what is said.
    async fn ask(&self, path: &str, pod: &str, uid: &str, node: &str) -> (bool, String, Value) {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "review", "kind": {"group": "", "version": "v1", "kind": "Binding"}, "subResource": "binding",
            "resource": {"group": "", "version": "v1", "resource": "pods"}, "operation": "CREATE",
            "name": pod, "namespace": "ns", "userInfo": {},
            "object": {"metadata": {"name": pod, "uid": uid, "managedFields": [{"time": "9999-12-31T23:59:59Z"}]},
                "target": {"name": node}}}});
        let path = format!("/bind/{path}?timeout=2s");
        let request = Request::post(path)
            .body(Body::from(review.to_string()))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let answer = response.into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let response = &answer["response"];
        assert_eq!(response["uid"], "review");
        let message = response["status"]["message"].as_str().unwrap_or_default();
        let allowed = response["allowed"].as_bool().unwrap();
        (
            allowed,
            message.to_owned(),
            response["auditAnnotations"].clone(),
        )
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn entry(name: &str, verdict: Verdict, reason: Reason, hours: i64, clock: &Clock) -> Entry {
    let now = clock.now();
    let node = crate::domain::Node {
        name: name.into(),
        ..fixtures::node()
    };
    let hour = SignedDuration::from_hours(1);
    let record = Record {
        pool: Some("gold".into()),
        verdict,
        reason,
        incarnation: Some(Incarnation {
            host: name.to_owned(),
            uid: node.uid.clone(),
            boot_id: node.boot_id.clone(),
            machine_id: node.machine_id.clone(),
            system_uuid: node.system_uuid.clone(),
            ..Incarnation::default()
        }),
        requested_at: Some(now.wall - hour),
        expires_at: Some(now.wall + hour * i32::try_from(hours).unwrap()),
        ..Record::default()
    };
    let standing = Standing::of(&node, &record, &Orders::default(), now);
    let kept = Kept {
        record,
        ..Kept::default()
    };
    Entry {
        trust: Some(Arc::new(kept)),
        ..Entry::from(standing)
    }
}

/// An API server that has `pods`, and nothing else to say.
fn api_server(pods: HashMap<&'static str, Value>, asked: Asked) -> Client {
    let service = service_fn(move |request: Request<kube::client::Body>| {
        asked.fetch_add(1, Ordering::Relaxed);
        let name = request.uri().path().rsplit('/').next().unwrap_or_default();
        let (code, body) = match pods.get(name) {
            Some(Value::Null) => (
                500,
                json!({"status": "Failure", "code": 500, "message": "no etcd"}),
            ),
            Some(pod) => (200, pod.clone()),
            None => (
                404,
                json!({"status": "Failure", "code": 404, "reason": "NotFound", "message": "gone"}),
            ),
        };
        async move {
            let body = Body::from(body.to_string());
            Ok::<_, std::convert::Infallible>(Response::builder().status(code).body(body).unwrap())
        }
    });
    Client::new(service, "default")
}

/// A pod that asks, with a time that nobody can read.
fn asking(uid: &str) -> Value {
    json!({"metadata": {"uid": uid, "managedFields": [{"time": "9999-12-31T23:59:59Z"}]},
        "spec": {"nodeSelector": {keys::TRUST: "trusted"}}})
}

fn silent(uid: &str) -> Value {
    json!({"metadata": {"uid": uid, "labels": {"app": "x"}}, "spec": {}})
}

#[tokio::test]
async fn who_asks_is_bound_to_trusted_nodes_alone_and_who_does_not_to_any() {
    let world = World::new(&[("asks", asking("1")), ("silent", silent("2"))]);
    for path in ["strict", "open"] {
        for node in ["good", "bad", "late", "unheard-of"] {
            assert_eq!(
                world.ask(path, "asks", "1", node).await.0,
                node == "good",
                "{path} {node}"
            );
            assert!(
                world.ask(path, "silent", "2", node).await.0,
                "{path} {node}"
            );
        }
    }
    for node in ["bad", "good"] {
        assert_eq!(
            world.ask("required", "silent", "2", node).await.0,
            node == "good"
        );
        assert!(world.ask("audit", "asks", "1", node).await.0);
    }
}

#[tokio::test]
async fn a_refusal_names_node_verdict_reason_and_age() {
    let world = World::new(&[("asks", asking("1"))]);

    let (_, message, notes) = world.ask("strict", "asks", "1", "bad").await;

    for word in [
        "`asks`",
        "node `bad`",
        "failed attestation",
        "verdict untrusted",
        "reason FailedAttestation",
        "pool gold",
        "asked 1h ago",
    ] {
        assert!(message.contains(word), "`{word}` is not in `{message}`");
    }
    assert_eq!(notes["decision"], "failed");
    assert_eq!(notes["verdict"], "untrusted/FailedAttestation");
    assert_eq!(
        world.ask("strict", "asks", "1", "good").await.2["decision"],
        "granted"
    );
}

#[tokio::test]
async fn what_cannot_be_learnt_is_refused_where_the_gate_is_strict_and_passes_where_it_is_open() {
    let world = World::new(&[("asks", asking("1")), ("broken", Value::Null)]);
    let table = [
        ("gone", "1", "there is no such pod"),
        ("asks", "2", "the pod of that name is another one"),
        ("asks", "", "has no metadata.uid"),
        ("broken", "1", "could not be asked"),
        ("../../secrets/x", "1", "no pod can be named so"),
    ];
    for (pod, uid, words) in table {
        for path in ["strict", "required"] {
            let (allowed, message, _) = world.ask(path, pod, uid, "good").await;
            assert!(
                !allowed && message.contains(words),
                "{path} {pod}: {message}"
            );
        }
        let strict = world.ask("strict", pod, uid, "good").await.2;
        for path in ["open", "audit"] {
            let (allowed, _, notes) = world.ask(path, pod, uid, "good").await;
            assert!(allowed, "{path} {pod}");
            assert_eq!(notes["decision"], strict["decision"], "{path} {pod}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_whose_watches_are_stale_decides_nothing() {
    let world = World::new(&[("asks", asking("1")), ("silent", silent("2"))]);
    tokio::time::advance(store::SILENCE).await;
    world.says(&[]);

    for (path, allowed) in [
        ("strict", false),
        ("required", false),
        ("open", true),
        ("audit", true),
    ] {
        let (passes, message, notes) = world.ask(path, "asks", "1", "good").await;
        assert_eq!(passes, allowed, "{path}");
        assert_eq!(notes["decision"], "not_ready", "{path}");
        assert!(allowed || message.contains("try again"), "{message}");
    }
    assert!(
        world.ask("strict", "silent", "2", "bad").await.0,
        "who does not ask"
    );
}

#[tokio::test]
async fn only_pods_that_ask_are_remembered() {
    let world = World::new(&[("asks", asking("1")), ("silent", silent("2"))]);
    for _ in 0..3 {
        world.ask("strict", "asks", "1", "bad").await;
    }
    assert_eq!(world.asked(), 1);
    for _ in 0..3 {
        world.ask("strict", "silent", "2", "bad").await;
    }
    assert_eq!(world.asked(), 4);
    // Under another name it is not the pod that is remembered, and what the API server says of it counts.
    assert!(!world.ask("strict", "silent", "1", "bad").await.0);
}

/// A gated pod may still be given a nodeSelector: the pool that it will ask for.
#[tokio::test]
async fn a_pod_that_is_held_back_by_a_scheduling_gate_is_not_remembered() {
    let mut gated = asking("1");
    gated["spec"]["schedulingGates"] = json!([{"name": "example.com/later"}]);
    let world = World::new(&[("gated", gated)]);
    for _ in 0..2 {
        assert!(!world.ask("strict", "gated", "1", "bad").await.0);
    }
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn what_is_no_name_is_cut_and_breaks_no_line() {
    let world = World::new(&[("asks", asking("1"))]);
    let long = "n".repeat(100_000);
    for node in [long.as_str(), "good\n2026-01-01 INFO all is well \u{1b}[2J"] {
        let (allowed, message, notes) = world.ask("strict", "asks", "1", node).await;
        assert!(!allowed && message.len() < 1_000, "{}", message.len());
        assert!(!message.contains(char::is_control), "{message}");
        assert!(notes["node"].as_str().unwrap().len() < 300);
    }
    for (pod, uid) in [(long.as_str(), "2"), ("asks", long.as_str())] {
        let (allowed, message, _) = world.ask("strict", pod, uid, "good").await;
        assert!(!allowed && message.len() < 1_000, "{}", message.len());
    }
}

#[tokio::test]
async fn the_rule_of_the_namespace_holds_and_pins_the_pool() {
    let world = World::new(&[("silent", silent("2")), ("asks", asking("1"))]);
    world.says(&[(keys::REQUIRE_POOL, "gold")]);
    assert!(world.ask("required", "silent", "2", "good").await.0);
    assert_eq!(
        world.asked(),
        0,
        "what the namespace settles is not asked for"
    );
    let (allowed, message, _) = world.ask("required", "silent", "", "good").await;
    assert!(!allowed && message.contains("no metadata.uid"), "{message}");
    world.says(&[(keys::REQUIRE_POOL, "silver")]);
    for (path, pod, uid) in [
        ("required", "silent", "2"),
        ("strict", "asks", "1"),
        ("open", "asks", "1"),
    ] {
        let (allowed, message, _) = world.ask(path, pod, uid, "good").await;
        assert!(
            !allowed && message.contains("another trust pool"),
            "{path}: {message}"
        );
    }
    world.says(&[(keys::REQUIRE, "trusted")]);
    assert!(
        !world.ask("open", "silent", "2", "bad").await.0,
        "open, and every pod asks"
    );
}

#[tokio::test]
async fn what_is_no_review_is_answered_with_400_and_everything_is_counted() {
    let world = World::new(&[("asks", asking("1"))]);
    for body in [
        "",
        "{}",
        "[]",
        r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#,
    ] {
        let request = Request::post("/bind/strict")
            .body(Body::from(body))
            .unwrap();
        let response = world.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
    }
    world.ask("strict", "asks", "1", "bad").await;
    world.ask("audit", "asks", "1", "bad").await;
    world.ask("strict", "asks", "1", "good").await;
    let mut text = String::new();
    encode(&mut text, &world.registry).unwrap();
    for line in [
        "trustpool_bind_refusals_total{reason=\"failed\"} 1",
        "trustpool_bind_refusals_total{reason=\"no_uid\"} 0",
        "trustpool_bind_passes_total{reason=\"failed\"} 1",
        "trustpool_bind_duration_seconds_count 3",
        "trustpool_bind_grants_total 1",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_rules_of_namespaces_who_does_not_ask_is_told_apart_still() {
    let world = World::new(&[("asks", asking("1")), ("silent", silent("2"))]);
    tokio::time::advance(store::SILENCE).await;
    world.writer.health().nodes.list(world.clock.now());
    world.writer.health().node_trusts.list(world.clock.now());

    let (allowed, message, _) = world.ask("strict", "asks", "1", "good").await;
    assert!(!allowed && message.contains("Namespaces"), "{message}");
    assert!(world.ask("strict", "silent", "2", "bad").await.0);
    assert!(!world.ask("required", "silent", "2", "good").await.0);
}
