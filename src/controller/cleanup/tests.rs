//! The whole of it against an API server in memory: what comes while it is at work.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

const KEEP: Extent = Extent {
    every_label: false,
    secrets: Secrets::All,
};

/// An API server with nodes `n0`, `n1`, …, each with a label of trust.
#[derive(Clone, Default)]
struct Server {
    state: Arc<Mutex<State>>,
    /// How many Nodes are being written, and how many were at most.
    writing: Arc<[AtomicUsize; 2]>,
}

#[derive(Default)]
struct State {
    nodes: Vec<Value>,
    pods: Vec<Value>,
    /// A pod that comes to each node once its label is gone.
    late: Option<Value>,
    /// Whether a controller is deployed once Nodes are being cleaned.
    returns: bool,
    deleted: Vec<String>,
}

fn node(name: &str) -> Value {
    json!({"metadata": {"name": name, "uid": name, "resourceVersion": "1", "labels": {
        keys::TRUST: "trusted", keys::POOL: "p",
    }}})
}

fn pod(node: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["nodeName"] = json!(node);
    spec["containers"] = json!([]);
    json!({"metadata": {"name": "pod"}, "spec": spec, "status": {"phase": "Running"}})
}

fn selects() -> Value {
    json!({"nodeSelector": {keys::TRUST: "trusted"}})
}

fn answer(code: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string().into_bytes()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

fn missing() -> Response<Body> {
    let status = json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound", "message": ""});
    answer(404, &status)
}

fn list(items: &[Value]) -> Response<Body> {
    answer(200, &json!({"metadata": {}, "items": items}))
}

impl Server {
    fn with(count: usize) -> Self {
        let server = Self::default();
        server.state().nodes = (0..count).map(|n| node(&format!("n{n}"))).collect();
        server
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request| server.clone().answer(request));
        Client::new(service, "default")
    }

    /// The labels of a node.
    fn labels(&self, at: usize) -> Value {
        self.state().nodes[at]["metadata"]["labels"].clone()
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let name = path.rsplit('/').next().unwrap();
        Ok(match (head.method, path) {
            (Method::PATCH, _) => {
                let sent = serde_json::from_slice(&body).unwrap();
                self.patch(name, &sent).await
            }
            (Method::DELETE, _) => {
                self.state().deleted.push(name.to_owned());
                answer(200, &json!({"kind": "Status", "status": "Success"}))
            }
            (_, "/api/v1/nodes") => list(&self.state().nodes),
            (_, "/api/v1/pods") => self.state().pods(query),
            (_, path) if path.starts_with("/api/v1/nodes/") => {
                answer(200, &self.state().nodes[index(name)])
            }
            (_, path) if path.ends_with("/pods") => list(&[]),
            _ if self.state().is_deployed() => answer(200, &json!({"metadata": {"name": name}})),
            _ => missing(),
        })
    }

    async fn patch(&self, name: &str, sent: &Value) -> Response<Body> {
        let [now, most] = &*self.writing;
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        sleep(Duration::from_millis(10)).await;
        now.fetch_sub(1, Ordering::SeqCst);
        let mut state = self.state();
        let labels = sent["metadata"]["labels"].as_object().cloned();
        let node = &mut state.nodes[index(name)]["metadata"]["labels"];
        let node = node.as_object_mut().unwrap();
        for (key, value) in labels.unwrap_or_default() {
            match value {
                Value::Null => drop(node.remove(&key)),
                value => drop(node.insert(key, value)),
            }
        }
        let gone = !node.contains_key(keys::TRUST);
        let late = state.late.clone().filter(|_| gone);
        state.pods.extend(late.map(|spec| pod(name, &spec)));
        answer(200, &state.nodes[index(name)])
    }
}

fn index(name: &str) -> usize {
    name.trim_start_matches('n').parse().unwrap()
}

impl State {
    /// Those of one node, or all.
    fn pods(&self, query: &str) -> Response<Body> {
        let node = query.split("spec.nodeName%3D").nth(1);
        let node = node.and_then(|it| it.split('&').next());
        let here = |pod: &&Value| node.is_none_or(|node| pod["spec"]["nodeName"] == node);
        let pods: Vec<Value> = self.pods.iter().filter(here).cloned().collect();
        list(&pods)
    }

    fn is_deployed(&self) -> bool {
        let is_clean = |it: &Value| it["metadata"]["labels"][keys::TRUST].is_null();
        self.returns && self.nodes.iter().any(is_clean)
    }
}

#[tokio::test(start_paused = true)]
async fn labels_stay_where_pods_are_or_come_and_many_nodes_are_cleaned_at_a_time() {
    let server = Server::with(50);
    server.state().pods = vec![pod("n7", &selects())];
    let kept = clean(&server.client(), "trust", KEEP).await.unwrap();
    assert_eq!(kept, 1);
    assert_eq!(server.labels(7), json!({keys::TRUST: "trusted"}));
    let others = (0..50).filter(|at| *at != 7);
    assert!(others.map(|at| server.labels(at)).all(|it| it == json!({})));
    assert_eq!(server.writing[1].load(Ordering::SeqCst), 16);
    let deleted = [
        "trustpool-controller",
        "trustpool-pools",
        "trustpool-ca",
        "trustpool-gate-tls",
    ];
    assert_eq!(server.state().deleted, deleted);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_bound_while_the_label_goes_has_it_back() {
    let server = Server::with(3);
    server.state().late = Some(selects());
    let kept = clean(&server.client(), "trust", KEEP).await.unwrap();
    assert_eq!(kept, 3);
    for at in 0..3 {
        assert_eq!(server.labels(at), json!({keys::TRUST: "trusted"}), "n{at}");
    }

    let every_label = Extent {
        every_label: true,
        ..KEEP
    };
    let kept = clean(&server.client(), "trust", every_label).await.unwrap();
    assert_eq!((kept, server.labels(0)), (0, json!({})));
}

#[tokio::test(start_paused = true)]
async fn what_a_controller_needs_stays_if_one_came_meanwhile() {
    let server = Server::with(2);
    server.state().returns = true;
    let error = clean(&server.client(), "trust", KEEP).await.unwrap_err();
    assert!(matches!(error, Error::Returned { .. }), "{error}");
    assert_eq!(server.state().deleted, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn secrets_that_may_be_of_others_stay() {
    for (secrets, expected) in [
        (Secrets::Authority, &["trustpool-ca"][..]),
        (Secrets::Keep, &[]),
    ] {
        let server = Server::with(1);
        let extent = Extent { secrets, ..KEEP };
        clean(&server.client(), "trust", extent).await.unwrap();
        assert_eq!(
            server.state().deleted.get(2..),
            Some(&expected.iter().map(|&it| it.to_owned()).collect::<Vec<_>>()[..])
        );
    }
}
