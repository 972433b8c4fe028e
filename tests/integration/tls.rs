//! A server that speaks TLS: whom it shows itself as, to whom, and whom it does not wait for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use prometheus_client::metrics::gauge::Gauge;
use reqwest::{Client, Version};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS12;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use trustpool::certificates::{Authority, Certificate, Names, Pem};
use trustpool::clock::Clock;
use trustpool::server;
use trustpool::server::listen::Listener;
use trustpool::server::tls::Identity;

const NAME: &str = "trustpool-gate.trustpool-system.svc";
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// A server at work, and the CA of its certificates.
struct Server {
    address: SocketAddr,
    authority: Authority,
    identity: Identity,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), server::Error>>,
}

impl Server {
    /// A server that has nothing to show yet.
    fn start() -> Self {
        let identity = Identity::new(Gauge::default());
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind("--bind-listen", any).unwrap();
        let listener = listener.over_tls(identity.config().unwrap());
        let address = listener.address();
        let stop = CancellationToken::new();
        let router = Router::new().route("/", get("here\n"));
        let mut tasks = JoinSet::new();
        let drain = Duration::from_secs(10);
        tasks.spawn(server::serve(listener, router, stop.clone(), drain));
        Self {
            address,
            authority: Authority::make(Clock::system().wall()).unwrap(),
            identity,
            stop,
            tasks,
        }
    }

    /// Shows a new certificate, and returns it.
    fn show(&self) -> CertificateDer<'static> {
        let names = Names::new([NAME]).unwrap();
        let issued = self.authority.issue(&names, Clock::system().wall());
        let Pem { certificate, key } = issued.unwrap();
        let shown = self.identity.show(certificate.as_bytes(), key.as_bytes());
        shown.unwrap();
        let read = Certificate::from_pem(certificate.as_bytes());
        read.unwrap().der().clone()
    }

    /// A client that trusts the CA.
    fn client(&self) -> Client {
        let root = self.authority.certificate().der();
        let root = reqwest::Certificate::from_der(root).unwrap();
        Client::builder()
            .tls_certs_only([root])
            .resolve(NAME, self.address)
            .no_proxy()
            .build()
            .unwrap()
    }

    fn url(&self) -> String {
        format!("https://{NAME}:{}/", self.address.port())
    }

    /// A connection with its handshake done.
    async fn connect(&self, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await
    }

    /// What a client that trusts the CA offers.
    fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.authority.certificate().der().clone())
            .unwrap();
        ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

/// The certificate that the server showed on `stream`.
fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let certificates = stream.get_ref().1.peer_certificates();
    certificates.unwrap()[0].clone().into_owned()
}

/// Asks on `stream`, and says whether it is answered.
async fn asks(stream: &mut TlsStream<TcpStream>) -> bool {
    let request = format!("GET / HTTP/1.1\r\nhost: {NAME}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"here\n") {
        if stream.read_buf(&mut answer).await.unwrap() == 0 {
            return false;
        }
    }
    answer.starts_with(b"HTTP/1.1 200 OK")
}

#[tokio::test]
async fn both_versions_of_http_and_of_tls_are_spoken() {
    let server = Server::start();
    server.show();

    let answer = server.client().get(server.url()).send().await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);
    assert_eq!(answer.text().await.unwrap(), "here\n");

    let mut plain = server.connect(server.config()).await.unwrap();
    assert!(asks(&mut plain).await);

    let mut config = server.config();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = server.connect(config).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));

    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let mut roots = RootCertStore::empty();
    roots
        .add(server.authority.certificate().der().clone())
        .unwrap();
    let old = builder.with_protocol_versions(&[&TLS12]).unwrap();
    let old = old.with_root_certificates(roots).with_no_client_auth();
    assert!(asks(&mut server.connect(old).await.unwrap()).await);
}

#[tokio::test]
async fn a_certificate_is_swapped_and_open_connections_live_on() {
    let server = Server::start();
    let first = server.show();
    let mut before = server.connect(server.config()).await.unwrap();
    assert!(asks(&mut before).await);

    let second = server.show();

    assert!(asks(&mut before).await);
    assert_eq!(shown(&before), first);
    let mut after = server.connect(server.config()).await.unwrap();
    assert_eq!(shown(&after), second);
    assert_ne!(first, second);
    assert!(asks(&mut after).await);
    assert!(asks(&mut before).await);
}

#[tokio::test]
async fn a_server_with_nothing_to_show_shakes_no_hands_until_it_has() {
    let server = Server::start();
    assert!(server.connect(server.config()).await.is_err());

    server.show();

    assert!(server.connect(server.config()).await.is_ok());
    let stranger = Server::start();
    assert!(server.connect(stranger.config()).await.is_err());
}

#[tokio::test]
async fn a_stalled_handshake_is_cut_and_nobody_waits_for_it() {
    let server = Server::start();
    server.show();
    let asked = Instant::now();
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut half = TcpStream::connect(server.address).await.unwrap();
    // The head of a record that announces a hundred bytes, and three of them.
    half.write_all(&[22, 3, 1, 0, 100, 1, 0, 0]).await.unwrap();

    let mut other = server.connect(server.config()).await.unwrap();
    assert!(asks(&mut other).await);
    assert!(asked.elapsed() < HANDSHAKE);

    tokio::time::pause();
    for stalled in [&mut silent, &mut half] {
        assert_eq!(stalled.read(&mut [0; 8]).await.unwrap_or(0), 0);
        assert_eq!(asked.elapsed().as_secs(), HANDSHAKE.as_secs());
    }
    assert!(asks(&mut other).await);
}

#[tokio::test]
async fn one_who_speaks_plain_http_is_hung_up_on_at_once() {
    let server = Server::start();
    server.show();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();

    let read = timeout(HANDSHAKE, stream.read_to_end(&mut answer)).await;

    // An alert of TLS at most, or a reset.
    drop(read.unwrap());
    assert!(!answer.starts_with(b"HTTP"));
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_ends_and_its_idle_connections_with_it() {
    let mut server = Server::start();
    server.show();
    let mut idle = server.connect(server.config()).await.unwrap();
    assert!(asks(&mut idle).await);

    server.stop.cancel();

    let ended = timeout(HANDSHAKE, server.tasks.join_next()).await;
    ended.unwrap().unwrap().unwrap().unwrap();
    assert_eq!(idle.read(&mut [0; 8]).await.unwrap_or(0), 0);
}
