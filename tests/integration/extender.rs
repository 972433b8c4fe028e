//! The scheduler extender through its router and its server: what kube-scheduler would see.

mod full;
mod model;
mod names;
mod preempt;
mod sockets;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use jiff::SignedDuration;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tower::ServiceExt;
use trustpool::clock::Clock;
use trustpool::domain::{
    Carried, Incarnation, Node, Orders, Readiness, Reason, Record, Standing, Verdict,
};
use trustpool::server::extender::{Extender, router};
use trustpool::server::metrics::Metrics;
use trustpool::store::{self, Entry, Snapshot, Writer};

/// What is known of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    Distrusted,
    Expired,
    Failed,
    NeverAttested,
    NotInPool,
    Rebooted,
    /// In this pool, for an hour from when the world was made.
    Trusted(&'static str),
}

/// An extender with what it decides from.
struct World {
    clock: Clock,
    registry: Registry,
    router: Router,
    writer: Writer,
}

impl World {
    /// Knows `nodes`, and both watches are alive.
    fn of(nodes: impl IntoIterator<Item = (&'static str, Known)>) -> Self {
        let world = Self::not_listed();
        let entries = nodes.into_iter();
        let entries = entries.map(|(name, known)| (name.into(), entry(name, known, &world.clock)));
        world.writer.publish(Snapshot::from_iter(entries));
        world.writer.health().nodes.list(world.clock.now());
        world.writer.health().node_trusts.list(world.clock.now());
        world
    }

    /// Knows nothing yet.
    fn not_listed() -> Self {
        let clock = Clock::system();
        let (writer, reader) = store::channel();
        let mut registry = Registry::with_prefix("trustpool");
        let metrics = Metrics::register(&mut registry);
        let extender = Extender::new(clock.clone(), reader, metrics);
        Self {
            clock,
            registry,
            router: router(extender),
            writer,
        }
    }

    /// Posts `body` to `path`.
    async fn post(&self, path: &str, body: impl Into<Body>) -> (StatusCode, Bytes) {
        let request = Request::post(path).body(body.into()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        (
            status,
            response.into_body().collect().await.unwrap().to_bytes(),
        )
    }

    /// Posts `body` to `path`, which is to be answered with 200 and JSON.
    async fn ask(&self, path: &str, body: impl Into<Body>) -> Value {
        let (status, answer) = self.post(path, body).await;
        assert_eq!(status, StatusCode::OK, "{answer:?}");
        serde_json::from_slice(&answer).unwrap()
    }
}

/// The entry of a node of which `known` is known. The only place where tests here make one.
fn entry(name: &str, known: Known, clock: &Clock) -> Entry {
    let now = clock.now();
    let node = Node {
        name: name.into(),
        uid: "u".to_owned(),
        labels: std::collections::BTreeMap::new(),
        readiness: Readiness::Ready,
        boot_id: "b".to_owned(),
        machine_id: "m".to_owned(),
        system_uuid: "s".to_owned(),
        carried: Carried::default(),
    };
    let orders = Orders {
        distrust: (known == Known::Distrusted).then(|| "stolen".to_owned()),
        ..Orders::default()
    };
    Entry::from(Standing::of(&node, &record(known, now.wall), &orders, now))
}

/// The record of a node of which `known` is known, asked about at `now`.
fn record(known: Known, now: jiff::Timestamp) -> Record {
    let hours = |hours| now.checked_add(SignedDuration::from_hours(hours)).unwrap();
    let (verdict, reason) = match known {
        Known::Distrusted => (Verdict::Untrusted, Reason::Distrusted),
        Known::Expired | Known::Rebooted | Known::Trusted(_) => {
            (Verdict::Trusted, Reason::Attested)
        }
        Known::Failed => (Verdict::Untrusted, Reason::FailedAttestation),
        Known::NeverAttested => (Verdict::Unknown, Reason::NeverAttested),
        Known::NotInPool => (Verdict::Unknown, Reason::NotInPool),
    };
    let (requested, expires) = match known {
        Known::Expired => (hours(-2), hours(-1)),
        _ => (now, hours(1)),
    };
    Record {
        pool: match known {
            Known::NotInPool => None,
            Known::Trusted(pool) => Some(pool.into()),
            _ => Some("p".into()),
        },
        verdict,
        reason,
        incarnation: Some(Incarnation {
            url: "https://oat".to_owned(),
            host: "h".to_owned(),
            uid: "u".to_owned(),
            boot_id: if known == Known::Rebooted { "b0" } else { "b" }.to_owned(),
            machine_id: "m".to_owned(),
            system_uuid: "s".to_owned(),
        }),
        requested_at: Some(requested),
        expires_at: Some(expires),
        ..Record::default()
    }
}

/// A pod that asks for trust, as the policies leave it.
const ASKS: &str = r#"{"metadata":{"name":"p"},"spec":{"nodeSelector":{"trustpool.dev.node-restriction.kubernetes.io/trust":"trusted"}}}"#;
/// A pod that does not.
const PLAIN: &str = r#"{"metadata":{"name":"p","labels":{"app":"web"}},"spec":{"containers":[]}}"#;

/// One node of each kind.
const EACH: [(&str, Known); 8] = [
    ("distrusted", Known::Distrusted),
    ("expired", Known::Expired),
    ("failed", Known::Failed),
    ("never", Known::NeverAttested),
    ("nowhere", Known::NotInPool),
    ("rebooted", Known::Rebooted),
    ("trusted", Known::Trusted("p")),
    ("trusted-too", Known::Trusted("q")),
];
