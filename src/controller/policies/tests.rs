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
use crate::policies::{Groups, expected};

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

fn watched() -> Watched {
    let mut registry = Registry::with_prefix("trustpool");
    let metrics = Metrics::register(&mut registry);
    let (events, notices) = Events::channel(metrics.clone());
    let all = expected(&"startup-taint".parse::<Groups>().unwrap(), "trust", &[]).unwrap();
    let binding = all.into_iter().filter(|it| it.kind.ends_with("Binding"));
    let server = Server(Arc::new(Mutex::new(Err(404))));
    let policies = Policies {
        client: server.client(),
        expected: binding.collect(),
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

fn binding(policy: &str) -> Value {
    json!({"metadata": {"name": "startup-taint.trustpool.dev"}, "spec": {"policyName": policy}})
}

/// What the metrics say, label by label.
fn shown(registry: &Registry) -> Vec<String> {
    let mut text = String::new();
    encode(&mut text, registry).unwrap();
    let lines = text
        .lines()
        .filter(|line| line.starts_with("trustpool_policy"));
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
