//! An API server that keeps the three objects, and lets the task do what its role allows and no more.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::time::sleep;

use crate::api::keys;

/// The server. Clones share what it keeps.
#[derive(Clone)]
pub struct Server(Arc<Mutex<State>>);

struct State {
    objects: BTreeMap<String, Value>,
    version: u64,
    /// `VERB NAME` of every request but watches.
    asked: Vec<String>,
    /// How many writes are refused from here on.
    refusals: usize,
    /// Before how many writes somebody else writes the same object.
    races: usize,
    /// Names, and lines of their watches.
    changes: broadcast::Sender<(String, String)>,
}

impl Server {
    /// A server that keeps nothing.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            objects: BTreeMap::new(),
            version: 0,
            asked: Vec::new(),
            refusals: 0,
            races: 0,
            changes: broadcast::channel(1000).0,
        })))
    }

    pub fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request| server.clone().answer(request));
        Client::new(service, "default")
    }

    /// Somebody else writes `object`.
    pub fn put(&self, name: &str, object: Value) {
        self.state().put(name, object);
    }

    /// Somebody else deletes it.
    pub fn delete(&self, name: &str) {
        let mut state = self.state();
        let object = state.objects.remove(name).unwrap();
        state.tell(name, "DELETED", &object);
    }

    /// Refuses so many writes.
    pub fn refuse(&self, writes: usize) {
        self.state().refusals = writes;
    }

    /// Has somebody else write the same object before so many writes.
    pub fn race(&self, writes: usize) {
        self.state().races = writes;
    }

    pub fn get(&self, name: &str) -> Option<Value> {
        self.state().objects.get(name).cloned()
    }

    /// What was asked since this was asked last.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state().asked)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    async fn answer(
        self,
        request: Request<kube::client::Body>,
    ) -> Result<Response<Body>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
        let query = head.uri.query().unwrap_or_default();
        if query.contains("watch=true") {
            return Ok(self.watch(query));
        }
        let path = head.uri.path();
        let last = path.rsplit('/').next().unwrap();
        let name = sent["metadata"]["name"].as_str().unwrap_or(last);
        let secrets = "/api/v1/namespaces/trustpool-system/secrets";
        let webhook = keys::BIND_WEBHOOK;
        let configuration = format!(
            "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{webhook}"
        );
        let secret = [keys::CA_SECRET, keys::GATE_SECRET].map(|name| format!("{secrets}/{name}"));
        let may = match head.method {
            Method::POST => path == secrets,
            Method::PUT => secret.iter().any(|it| it == path),
            Method::PATCH => path == configuration,
            _ => false,
        };
        Ok(self.state().write(&head.method, name, &sent, may))
    }

    /// Only a watch of one object is allowed to somebody who may see that alone.
    fn watch(&self, query: &str) -> Response<Body> {
        let name = [keys::CA_SECRET, keys::GATE_SECRET, keys::BIND_WEBHOOK];
        let name = name
            .into_iter()
            .find(|name| query.contains(&format!("fieldSelector=metadata.name%3D{name}")));
        let Some(name) = name else {
            return failure(StatusCode::FORBIDDEN);
        };
        let state = self.state();
        let first = state.objects.get(name).map(|it| line("ADDED", it));
        let end = bookmark(&json!({"k8s.io/initial-events-end": "true"}));
        let changes = stream::unfold(state.changes.subscribe(), move |mut changes| async move {
            loop {
                tokio::select! {
                    change = changes.recv() => match change.ok()? {
                        (of, line) if of == name => return Some((line, changes)),
                        _ => {}
                    },
                    () = sleep(Duration::from_mins(1)) => {
                        return Some((bookmark(&json!({})), changes));
                    }
                }
            }
        });
        let lines = stream::iter(first.into_iter().chain([end])).chain(changes);
        let lines = lines.map(|line| Ok::<_, Infallible>(Bytes::from(line)));
        Response::new(Body::from_stream(lines))
    }
}

/// A sign of life, which the API server gives every minute.
fn bookmark(annotations: &Value) -> String {
    let metadata = json!({"resourceVersion": "1", "annotations": annotations});
    let kind = json!({"apiVersion": "v1", "kind": "Any", "metadata": metadata});
    line("BOOKMARK", &kind)
}

impl State {
    fn put(&mut self, name: &str, mut object: Value) {
        self.version += 1;
        object["metadata"]["name"] = json!(name);
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let known = self.objects.insert(name.to_owned(), object.clone());
        self.tell(name, known.map_or("ADDED", |_| "MODIFIED"), &object);
    }

    fn tell(&self, name: &str, kind: &str, object: &Value) {
        drop(self.changes.send((name.to_owned(), line(kind, object))));
    }

    fn write(&mut self, method: &Method, name: &str, sent: &Value, may: bool) -> Response<Body> {
        self.asked.push(format!("{method} {name}"));
        if !may {
            return failure(StatusCode::FORBIDDEN);
        }
        if self.refusals > 0 {
            self.refusals -= 1;
            return failure(StatusCode::SERVICE_UNAVAILABLE);
        }
        if self.races > 0 {
            self.races -= 1;
            let object = self.objects.get(name).cloned();
            self.put(name, object.unwrap_or_else(|| json!({})));
        }
        let known = self.objects.get(name).cloned();
        let is_new = *method == Method::POST;
        let Some(mut object) = known.or_else(|| is_new.then(|| json!({}))) else {
            return failure(StatusCode::NOT_FOUND);
        };
        if object["metadata"]["resourceVersion"] != sent["metadata"]["resourceVersion"] {
            return failure(StatusCode::CONFLICT);
        }
        if *method == Method::PATCH {
            merge(&mut object["webhooks"], &sent["webhooks"]);
        } else {
            object = sent.clone();
        }
        self.put(name, object);
        let written = &self.objects[name];
        Response::new(Body::from(written.to_string()))
    }
}

/// What a strategic merge patch does with webhooks: of the same name, the bundle is replaced.
fn merge(webhooks: &mut Value, patches: &Value) {
    for webhook in webhooks.as_array_mut().unwrap() {
        let patches = patches.as_array().unwrap();
        let patch = patches.iter().find(|it| it["name"] == webhook["name"]);
        let bundle = patch.map(|it| it["clientConfig"]["caBundle"].clone());
        webhook["clientConfig"]["caBundle"] = bundle.unwrap();
    }
}

fn line(kind: &str, object: &Value) -> String {
    format!(r#"{{"type":"{kind}","object":{object}}}"#) + "\n"
}

fn failure(code: StatusCode) -> Response<Body> {
    let status = json!({
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "code": code.as_u16(),
        "reason": code.canonical_reason(),
        "message": "as it was told",
    });
    let mut response = Response::new(Body::from(status.to_string()));
    *response.status_mut() = code;
    response
}
