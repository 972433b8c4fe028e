//! The server that is measured: the extender as the product has it, over nodes that are made up, and
//! beside it the routes that are its floors.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use clap::Args;
use jiff::SignedDuration;
use k8s_openapi::List;
use k8s_openapi::api::core::v1::{Node, Pod};
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use trustpool::clock::Clock;
use trustpool::domain::{Incarnation, Now, Orders, Reason, Record, Standing, Verdict};
use trustpool::server::extender::{Extender, router};
use trustpool::server::listen::Listener;
use trustpool::server::metrics::Metrics;
use trustpool::server::serve;
use trustpool::store::{self, Entry, Snapshot};

use super::requests::name;

/// What the server knows.
#[derive(Args, Clone, Copy, Debug)]
pub struct Serve {
    /// How many nodes there are.
    #[arg(long)]
    pub nodes: usize,
    /// Of so many nodes, one is not trusted; 0 if all are.
    #[arg(long)]
    pub untrusted: usize,
}

/// What the floors are made of.
#[derive(Debug)]
pub struct Floors {
    /// The answer that `/prepared` gives.
    prepared: Mutex<Bytes>,
    trusted: HashSet<String>,
}

/// The extender over nodes that are made up.
#[derive(Debug)]
pub struct Measured {
    clock: Clock,
    writer: store::Writer,
    /// Its routes.
    pub router: Router,
}

impl Serve {
    /// Serves until killed. Prints where.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    #[expect(
        clippy::print_stdout,
        reason = "this is how the parent learns the port"
    )]
    pub async fn run(self) -> anyhow::Result<()> {
        let measured = self.extender();
        let router = measured.router.clone().merge(routes(self.floors()));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Listener::bind("--listen", any)?;
        println!("listening on {}", listener.address());
        let alive = async {
            let mut pace = interval(Duration::from_secs(5));
            loop {
                measured.live();
                pace.tick().await;
            }
        };
        let never = CancellationToken::new();
        tokio::select! {
            ended = serve(listener, router, never, Duration::ZERO) => ended.context("the server ended"),
            () = alive => Ok(()),
        }
    }

    /// The extender.
    #[must_use]
    pub fn extender(self) -> Measured {
        let clock = Clock::system();
        let (writer, reader) = store::channel();
        writer.publish(self.snapshot(clock.now()));
        let metrics = Metrics::register(&mut Registry::with_prefix("trustpool"));
        let router = router(Extender::new(clock.clone(), reader, metrics));
        let measured = Measured {
            clock,
            writer,
            router,
        };
        measured.live();
        measured
    }

    /// What the floors are made of.
    #[must_use]
    pub fn floors(self) -> Floors {
        let trusted = (0..self.nodes).filter(|index| self.is_trusted(*index));
        Floors {
            prepared: Mutex::default(),
            trusted: trusted.map(name).collect(),
        }
    }

    const fn is_trusted(self, index: usize) -> bool {
        self.untrusted == 0 || !index.is_multiple_of(self.untrusted)
    }

    fn snapshot(self, now: Now) -> Snapshot {
        let entry = |index| {
            let standing = standing(index, self.is_trusted(index), now);
            (name(index).into(), Entry::from(standing))
        };
        (0..self.nodes).map(entry).collect()
    }
}

/// What the node with this index is worth.
fn standing(index: usize, trusted: bool, now: Now) -> Standing {
    let incarnation = Incarnation {
        url: "https://oat.example.org".to_owned(),
        host: name(index),
        uid: format!("u-{index}"),
        boot_id: format!("b-{index}"),
        ..Incarnation::default()
    };
    let node = trustpool::domain::Node {
        name: name(index).into(),
        uid: incarnation.uid.clone(),
        labels: BTreeMap::new(),
        readiness: trustpool::domain::Readiness::Ready,
        boot_id: incarnation.boot_id.clone(),
        machine_id: String::new(),
        system_uuid: String::new(),
        carried: trustpool::domain::Carried::default(),
    };
    let (verdict, reason) = if trusted {
        (Verdict::Trusted, Reason::Attested)
    } else {
        (Verdict::Untrusted, Reason::FailedAttestation)
    };
    let record = Record {
        pool: Some("default".into()),
        verdict,
        reason,
        incarnation: Some(incarnation),
        requested_at: Some(now.wall),
        expires_at: now.wall.checked_add(SignedDuration::from_hours(24)).ok(),
        ..Record::default()
    };
    Standing::of(&node, &record, &Orders::default(), now)
}

impl Measured {
    /// Makes the watches look alive.
    pub fn live(&self) {
        let health = self.writer.health();
        health.nodes.list(self.clock.now());
        health.node_trusts.list(self.clock.now());
    }
}

/// `/prepare` takes the answer that `/prepared` gives; `/decoded` answers a filter's request as one
/// would with Kubernetes' own types.
fn routes(floors: Floors) -> Router {
    Router::new()
        .route("/prepare", post(prepare))
        .route("/prepared", post(prepared))
        .route("/decoded", post(decoded))
        .layer(DefaultBodyLimit::disable())
        .with_state(Arc::new(floors))
}

async fn prepare(State(floors): State<Arc<Floors>>, body: Bytes) {
    let mut prepared = floors
        .prepared
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    *prepared = body;
}

async fn prepared(State(floors): State<Arc<Floors>>, body: Bytes) -> Response {
    drop(body);
    let prepared = floors
        .prepared
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    json(prepared.clone())
}

async fn decoded(State(floors): State<Arc<Floors>>, body: Bytes) -> Response {
    match spawn_blocking(move || floors.decode(&body)).await {
        Ok(Ok(answer)) => json(answer),
        Ok(Err(error)) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn json(answer: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], answer).into_response()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ExtenderArgs {
    pod: Pod,
    nodes: List<Node>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ExtenderFilterResult {
    nodes: List<Node>,
    node_names: Vec<String>,
    failed_nodes: BTreeMap<String, String>,
    failed_and_unresolvable_nodes: BTreeMap<String, String>,
    error: String,
}

impl Floors {
    /// The same question, answered by way of Kubernetes' types.
    ///
    /// # Errors
    ///
    /// If `body` is no request with Nodes.
    pub fn decode(&self, body: &[u8]) -> serde_json::Result<Bytes> {
        let ExtenderArgs { pod, mut nodes } = serde_json::from_slice(body)?;
        let selector = pod.spec.and_then(|spec| spec.node_selector);
        let asks = selector.is_some_and(|it| it.contains_key(trustpool::api::keys::TRUST));
        let name = |node: &Node| node.metadata.name.clone().unwrap_or_default();
        let fits = |node: &Node| !asks || self.trusted.contains(&name(node));
        let refused = nodes.items.iter().filter(|node| !fits(node));
        let reason = "node(s) failed attestation";
        let refused = refused
            .map(|node| (name(node), reason.to_owned()))
            .collect();
        nodes.items.retain(fits);
        let answer = serde_json::to_vec(&ExtenderFilterResult {
            node_names: nodes.items.iter().map(name).collect(),
            nodes,
            failed_nodes: BTreeMap::new(),
            failed_and_unresolvable_nodes: refused,
            error: String::new(),
        })?;
        Ok(answer.into())
    }
}
