//! The extender's port: who is answered, who is not, and when who was believed is believed no longer.

mod end;
mod who;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use prometheus_client::metrics::gauge::Gauge;
use reqwest::Client;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber;
use trustpool::certificates::{Authority, Names, Order, Pem, Purpose};
use trustpool::clock::Clock;
use trustpool::server;
use trustpool::server::listen::Listener;
use trustpool::server::tls::{Clients, Identity};

const SERVER: &str = "trustpool-extender";
const CLIENT: &str = "system:kube-scheduler";
const DRAIN: Duration = Duration::from_secs(10);
const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

fn now() -> Timestamp {
    Clock::system().wall()
}

fn authority() -> Authority {
    Authority::named("a CA", YEAR, now()).unwrap()
}

/// A certificate called `name`, which counts until `end`.
fn client(authority: &Authority, name: &str, life: SignedDuration, made: Timestamp) -> Pem {
    let order = Order {
        common_name: name,
        names: None,
        purpose: Purpose::Client,
        life,
    };
    authority.sign(&order, made).unwrap()
}

/// What kube-scheduler shows.
fn good(authority: &Authority) -> Pem {
    client(authority, CLIENT, YEAR, now())
}

/// A server at work, which answers at `/`, and at `/slow` when it is told to.
struct Server {
    address: SocketAddr,
    authority: Authority,
    clients: Clients,
    identity: Identity,
    /// Somebody asked for `/slow`.
    asked: Arc<Notify>,
    /// It is answered.
    answers: Arc<Notify>,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), server::Error>>,
}

impl Server {
    /// Believes clients of its own CA.
    fn start() -> Self {
        let (authority, identity) = (authority(), Identity::new(Gauge::default()));
        let names = Names::new([SERVER]).unwrap();
        let pem = authority.issue(&names, now()).unwrap();
        let shown = identity.show(pem.certificate.as_bytes(), pem.key.as_bytes());
        shown.unwrap();
        let clients = Clients::named(CLIENT, Gauge::default());
        clients
            .believe(authority.certificate().to_pem().as_bytes())
            .unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind("--extender-listen", any).unwrap();
        let listener =
            listener.over_mutual_tls(identity.config_for(&clients).unwrap(), clients.clone());
        let (address, stop) = (listener.address(), CancellationToken::new());
        let (asked, answers) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let router = router(&asked, &answers);
        let mut tasks = JoinSet::new();
        let serving = server::serve(listener, router, stop.clone(), DRAIN);
        tasks.spawn(serving.with_current_subscriber());
        Self {
            address,
            authority,
            clients,
            identity,
            asked,
            answers,
            stop,
            tasks,
        }
    }

    /// A client that believes the server and shows `pem`.
    fn client(&self, version: Version, pem: Option<&Pem>) -> Client {
        let root = self.authority.certificate().der();
        let root = reqwest::Certificate::from_der(root).unwrap();
        let mut builder = Client::builder()
            .tls_certs_only([root])
            .resolve(SERVER, self.address)
            .no_proxy();
        if version == Version::Http11 {
            builder = builder.http1_only();
        }
        if let Some(Pem { certificate, key }) = pem {
            let both = format!("{certificate}{key}");
            builder = builder.identity(reqwest::Identity::from_pem(both.as_bytes()).unwrap());
        }
        builder.build().unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("https://{SERVER}:{}{path}", self.address.port())
    }
}

fn router(asked: &Arc<Notify>, answers: &Arc<Notify>) -> Router {
    let (asked, answers) = (Arc::clone(asked), Arc::clone(answers));
    let slow = async move || {
        asked.notify_one();
        answers.notified().await;
        "slow\n"
    };
    Router::new()
        .route("/", get("here\n"))
        .route("/slow", get(slow))
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Version {
    Http11,
    Http2,
}

const BOTH: [Version; 2] = [Version::Http11, Version::Http2];
