//! A TLS server that answers as it is told and remembers what it was asked.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::task::JoinSet;

/// A certificate with its key, in PEM.
#[derive(Clone, Debug)]
pub struct Leaf {
    pub certificate: String,
    pub key: String,
}

impl Leaf {
    /// One that vouches for itself.
    pub fn self_signed(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        Self {
            certificate: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A certificate authority.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Issues a certificate for `name`, changed by `change`.
    pub fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        Leaf {
            certificate: params.signed_by(&key, &self.0).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A request as it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    pub line: String,
    /// Name and value, sorted.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    async fn of(request: Request) -> Self {
        let (parts, body) = request.into_parts();
        let mut headers: Vec<(String, String)> = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        headers.sort();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        Self {
            line: format!("{} {} {:?}", parts.method, parts.uri, parts.version),
            headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Service {
    pub url: String,
    pub handle: Handle<std::net::SocketAddr>,
    seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

impl Service {
    /// Serves `answer` over `protocol`, as TLS names it, on a free port of 127.0.0.1.
    pub fn start<F, Fut>(leaf: &Leaf, protocol: &str, answer: F) -> Self
    where
        F: Fn(Handle<std::net::SocketAddr>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Response> + Send,
    {
        let (listener, url) = listen();
        let handle = Handle::new();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (log, stop) = (Arc::clone(&seen), handle.clone());
        let router = Router::new().fallback(async move |request: Request| {
            let request = Seen::of(request).await;
            log.lock().unwrap().push(request);
            answer(stop).await
        });
        let server = axum_server::from_tcp_rustls(listener, tls(leaf, protocol)).unwrap();
        let server = server.handle(handle.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { server.serve(router.into_make_service()).await.unwrap() });
        Self {
            url,
            handle,
            seen,
            _tasks: tasks,
        }
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

/// A port of 127.0.0.1 on which nobody accepts yet, and its URL.
pub fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    (listener, url)
}

fn tls(leaf: &Leaf, protocol: &str) -> RustlsConfig {
    let certificate = CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    RustlsConfig::from_config(Arc::new(config))
}

/// A reply with a JSON body.
pub fn json(body: &str) -> Response {
    reply(
        200,
        &[("content-type", "application/json")],
        body.to_owned(),
    )
}

/// Any reply.
pub fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut response = Response::builder().status(status);
    for &(name, value) in headers {
        response = response.header(name, value);
    }
    response.body(body.into()).unwrap()
}
