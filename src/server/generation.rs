//! The connections that were made on the same terms, and how they end together.
//!
//! Whoever is told to go may just be asking. So it is done in three steps: for a moment everything is answered as
//! ever, and each answer of HTTP/1.1 says `Connection: close`; then connections that rest are closed, and HTTP/2 is
//! told `GOAWAY`, and what a client sends until it hears of that is taken in and dropped; then, when the drain is over,
//! what is left is cut.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Version};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls::{CertificateError, Error as TlsError, OtherError};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::instrument::WithSubscriber;
use tracing::{debug, error, warn};

use crate::telemetry::Chain;

use super::connection::{FIRST, IDLE, Socket, Stream, begin};
use super::peers::Seat;
use super::sparing::Sparing;

/// How long everything is answered as ever, from when connections are to go: a request that was sent before its
/// sender heard of it is under way for less.
const LINGER: Duration = Duration::from_secs(1);

/// What each of the connections is served with.
#[derive(Clone)]
pub struct Terms {
    builder: Arc<Builder<TokioExecutor>>,
    refused: Arc<Sparing>,
    router: Router,
    tls: Option<TlsAcceptor>,
}

/// Connections on the same terms.
pub struct Generation {
    terms: Terms,
    connections: JoinSet<()>,
    going: CancellationToken,
    leaving: CancellationToken,
}

impl Terms {
    /// Answers by `router`, over TLS if there is `tls`.
    pub fn new(router: Router, tls: Option<TlsAcceptor>) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE);
        builder.http2().timer(TokioTimer::new());
        Self {
            builder: Arc::new(builder),
            refused: Arc::default(),
            router,
            tls,
        }
    }
}

impl Generation {
    /// None yet.
    pub fn new(terms: &Terms) -> Self {
        let leaving = CancellationToken::new();
        let layer = from_fn_with_state(leaving.clone(), say_goodbye);
        let terms = Terms {
            router: terms.router.clone().layer(layer),
            ..terms.clone()
        };
        Self {
            terms,
            connections: JoinSet::new(),
            going: CancellationToken::new(),
            leaving,
        }
    }

    /// Serves one more connection, from `peer`, which has a `seat`.
    pub fn take(&mut self, stream: TcpStream, peer: SocketAddr, seat: Seat) {
        let (terms, going) = (self.terms.clone(), self.going.clone());
        let serving = async move {
            match begin(stream, terms.tls.as_ref()).await {
                Ok(stream) => answer(stream, terms, &going).await,
                Err(error) => terms.refuse(peer, &error),
            }
            drop(seat);
        };
        self.connections.spawn(serving.with_current_subscriber());
    }

    /// Waits until one has ended; for ever while there is none.
    pub async fn ended(&mut self) {
        match self.connections.join_next().await {
            Some(ended) => look(ended),
            None => std::future::pending().await,
        }
    }

    /// Ends them all, within `drain`.
    pub async fn retire(mut self, drain: Duration) {
        let linger = LINGER.min(drain / 2);
        self.leaving.cancel();
        if timeout(linger, self.all_ended()).await.is_ok() {
            return;
        }
        self.going.cancel();
        let rest = drain.saturating_sub(linger);
        if timeout(rest, self.all_ended()).await.is_err() {
            debug!(
                connections = self.connections.len(),
                "cut off, for they were to end before"
            );
        }
    }

    async fn all_ended(&mut self) {
        while let Some(ended) = self.connections.join_next().await {
            look(ended);
        }
    }
}

impl Terms {
    fn refuse(&self, peer: SocketAddr, error: &io::Error) {
        if let Some(others) = self.refused.may_speak() {
            let error = reason(error);
            warn!(%peer, error, others, "a connection was not made: no handshake of TLS");
        }
    }
}

/// Answers what comes on `stream`, until it ends or is told to go.
async fn answer(stream: Stream, terms: Terms, going: &CancellationToken) {
    let asked = Arc::new(Notify::new());
    let asks = Arc::clone(&asked);
    let router = terms.router.map_request(move |request: Request<_>| {
        asks.notify_one();
        request
    });
    let service = TowerToHyperService::new(router);
    let socket = Socket::of(&stream);
    let serving = terms
        .builder
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    let never_asks = async {
        tokio::select! {
            () = asked.notified() => std::future::pending().await,
            () = sleep(FIRST) => {}
        }
    };
    let ended = tokio::select! {
        biased;
        ended = serving.as_mut() => ended,
        () = going.cancelled() => {
            serving.as_mut().graceful_shutdown();
            let ended = serving.as_mut().await;
            if let Err(error) = part(socket).await {
                debug!(%error, "a client was gone first");
            }
            ended
        }
        () = never_asks => return,
    };
    if let Err(error) = ended {
        debug!(error, "a connection ended");
    }
}

/// The stream is closed by now, and its socket only once the client has heard of it.
async fn part(socket: io::Result<Socket>) -> io::Result<()> {
    socket?.part().await
}

/// From when connections are to go, has clients of HTTP/1 make another for the next request.
async fn say_goodbye(
    State(leaving): State<CancellationToken>,
    request: Request,
    next: Next,
) -> Response {
    let version = request.version();
    let mut response = next.run(request).await;
    if leaving.is_cancelled() && version <= Version::HTTP_11 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

/// Why nobody's hand was shaken. rustls shows an error that is not its own as it is written in Rust.
fn reason(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|it| it.downcast_ref());
    match tls {
        Some(TlsError::InvalidCertificate(CertificateError::Other(OtherError(why)))) => {
            format!("the client's certificate is refused: {why}")
        }
        _ => Chain(error).to_string(),
    }
}

/// Nothing may die unseen.
fn look(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        error!(error = %Chain(&error), "a connection died");
    }
}
