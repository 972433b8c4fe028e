//! What is told of policies, and how often.

use std::convert::Infallible;
use std::sync::Mutex;

use http::{Request, Response, StatusCode};
use kube::client::Body;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::api::keys;
use crate::policies::{Choice, Group, expected};

/// An API server with one policy: it answers with this, or a code.
#[derive(Clone)]
struct Server(Arc<Mutex<Result<Value, u16>>>);

impl Server {
    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |_: Request<Body>| {
            let now = server.0.lock().unwrap().clone();
            let (code, body) = match now {
                Ok(object) => (200, object),
                Err(code) => (code, failure(code)),
            };
            let mut response = Response::new(Body::from(body.to_string().into_bytes()));
            *response.status_mut() = StatusCode::from_u16(code).unwrap();
            async { Ok::<_, Infallible>(response) }
        });
        Client::new(service, "default")
    }
}

fn failure(code: u16) -> Value {
    // By the reason, kube tells what is not there from every other failure.
    let reason = if code == 404 { "NotFound" } else { "" };
    json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": ""})
}

struct Watched {
    server: Server,
    policies: Policies,
    notices: mpsc::Receiver<Notice>,
    registry: Registry,
}

/// A controller that looks at the one object of `groups` whose kind ends so.
fn watched_of(groups: &str, kind: &str, bundles: &[&str]) -> Watched {
    let mut registry = Registry::with_prefix("trustpool");
    let metrics = Metrics::register(&mut registry);
    let (events, notices) = Events::channel(metrics.clone());
    let choice = Choice {
        groups: groups.parse().unwrap(),
        ..Choice::default()
    };
    let all = expected(&choice, "trustpool-system").unwrap();
    let server = Server(Arc::new(Mutex::new(Err(404))));
    let policies = Policies {
        client: server.client(),
        expected: all
            .into_iter()
            .filter(|it| it.kind.ends_with(kind))
            .collect(),
        bundles: watch::channel(bundles.iter().map(|&it| it.to_owned()).collect()).1,
        events,
        metrics,
    };
    Watched {
        server,
        policies,
        notices,
        registry,
    }
}

fn watched() -> Watched {
    watched_of("startup-taint", "Binding", &[])
}

fn binding(policy: &str) -> Value {
    json!({"metadata": {"name": "startup-taint.trustpool.dev"}, "spec": {"policyName": policy}})
}

/// What the metrics say, label by label.
fn shown(registry: &Registry) -> Vec<String> {
    let mut text = String::new();
    encode(&mut text, registry).unwrap();
    let lines = text
        .lines()
        .filter(|line| line.starts_with("trustpool_policy{"));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn each_state_is_shown_and_each_change_is_told_once() {
    let mut watched = watched();
    let good = || Ok(binding("startup-taint.trustpool.dev"));
    let table = [
        (good(), "in_force", None),
        (Err(404), "missing", Some("missing")),
        (Err(404), "missing", None),
        (Ok(binding("other")), "altered", Some("altered")),
        (Ok(binding("other")), "altered", None),
        (good(), "in_force", Some("in_force")),
        // Nothing is known to be wrong, and nothing was.
        (Err(403), "unknown", None),
        (good(), "in_force", None),
        (Err(500), "unknown", None),
        (Err(404), "missing", Some("missing")),
    ];
    let mut told = Told::default();
    for (step, (answer, state, notice)) in table.into_iter().enumerate() {
        *watched.server.0.lock().unwrap() = answer;
        watched.policies.look(&mut told).await;
        let expected = format!(
            "trustpool_policy{{kind=\"MutatingAdmissionPolicyBinding\",policy=\"startup-taint.trustpool.dev\",state=\"{state}\"}} 1"
        );
        assert_eq!(shown(&watched.registry), [expected], "step {step}");
        let found = watched.notices.try_recv().ok().map(|notice| match notice {
            Notice::Policy { state, .. } => state.as_str(),
            other => panic!("{other:?}"),
        });
        assert_eq!(found, notice, "step {step}");
    }
}

#[tokio::test]
async fn the_first_field_that_differs_is_told() {
    let mut watched = watched();
    *watched.server.0.lock().unwrap() = Ok(binding("other"));

    watched.policies.look(&mut Told::default()).await;

    let Ok(Notice::Policy { policy, state }) = watched.notices.try_recv() else {
        panic!("nothing was told");
    };
    assert_eq!(state, State::Altered("spec.policyName".to_owned()));
    assert_eq!(
        policy.kind.as_deref(),
        Some("MutatingAdmissionPolicyBinding")
    );
    assert_eq!(policy.name.as_deref(), Some("startup-taint.trustpool.dev"));
}

/// The binding as it should be, so often changed.
fn version(uid: &str, generation: i64) -> Value {
    let mut binding = binding("startup-taint.trustpool.dev");
    binding["metadata"]["uid"] = json!(uid);
    binding["metadata"]["generation"] = json!(generation);
    binding
}

#[tokio::test]
async fn what_was_altered_and_put_right_between_two_looks_is_told() {
    let mut watched = watched();
    let mut altered = version("a", 6);
    altered["spec"]["policyName"] = json!("other");
    let table = [
        (Ok(version("a", 3)), None),
        (Ok(version("a", 3)), None),
        // One change that leaves it as it should be is none there and back.
        (Ok(version("a", 4)), None),
        (Ok(version("a", 6)), Some("restored")),
        (Err(500), None),
        (Ok(version("a", 8)), Some("restored")),
        (Ok(version("b", 1)), Some("restored")),
        // That something is wrong, and right again, was told as it was.
        (Ok(altered), Some("altered")),
        (Ok(version("b", 9)), Some("in_force")),
        (Err(404), Some("missing")),
        (Ok(version("c", 1)), Some("in_force")),
    ];
    let mut told = Told::default();
    for (step, (answer, notice)) in table.into_iter().enumerate() {
        *watched.server.0.lock().unwrap() = answer;
        watched.policies.look(&mut told).await;
        let found = watched.notices.try_recv().ok().map(|notice| match notice {
            Notice::Policy { state, .. } => state.as_str(),
            Notice::Restored { .. } => "restored",
            other => panic!("{other:?}"),
        });
        assert_eq!(found, notice, "step {step}");
    }
    assert_eq!(watched.policies.metrics.policies_restored.get(), 3);
}

#[tokio::test]
async fn a_foreign_bundle_and_the_annotation_that_would_hide_it_are_told() {
    let webhook = include_str!("../../../manifests/webhook.yaml");
    let mut webhook: Value = serde_saphyr::from_str(webhook).unwrap();
    for entry in webhook["webhooks"].as_array_mut().unwrap() {
        entry["clientConfig"]["caBundle"] = json!("b3Vycw==");
    }
    let mut foreign = webhook.clone();
    foreign["webhooks"][3]["clientConfig"]["caBundle"] = json!("Zm9yZWlnbg==");
    let mut hidden = foreign.clone();
    hidden["metadata"]["annotations"] = json!({keys::CA_BUNDLE: keys::CA_BUNDLE_GIVEN});
    let annotation = format!("metadata.annotations[{}]", keys::CA_BUNDLE);
    for (live, group, expected) in [
        (&webhook, Group::Webhook, None),
        (
            &foreign,
            Group::Webhook,
            Some("webhooks[3].clientConfig.caBundle"),
        ),
        (&hidden, Group::Webhook, Some(&*annotation)),
        (&hidden, Group::WebhookGiven, None),
    ] {
        let mut watched = watched_of(group.as_str(), "Configuration", &["b3Vycw=="]);
        *watched.server.0.lock().unwrap() = Ok(live.clone());
        watched.policies.look(&mut Told::default()).await;
        let found = watched.notices.try_recv().ok().map(|notice| match notice {
            Notice::Policy { state, .. } => state,
            other => panic!("{other:?}"),
        });
        let expected = expected.map(|path| State::Altered(path.to_owned()));
        assert_eq!(found, expected, "{group:?}");
    }
}
