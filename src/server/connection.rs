//! What a connection may cost: how many there are, and how long one may hold on without a byte.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;
use tokio_util::either::Either;

/// How long a connection may rest between two requests, or take for one head.
///
/// hyper has one timer for both. Go's client drops what rested for 90 s; were we to drop it first,
/// a pod could be sent into a connection that we are closing.
pub const IDLE: Duration = Duration::from_secs(120);

/// How long a client may take nothing of an answer.
const STUCK: Duration = Duration::from_secs(10);

/// Connections at a time: kube-scheduler keeps one to a few, Prometheus and the kubelet one each. A
/// quarter of the 1,024 files that a process may usually open.
const MOST: usize = 256;

/// How long a client may take for a handshake. Each has its own task: nobody waits for another's.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Turns Nagle's algorithm off and the limits on, for each connection as it comes; then, where the server
/// speaks TLS, shakes hands.
#[derive(Clone, Debug)]
pub struct Acceptor {
    handle: Handle<SocketAddr>,
    most: usize,
    tls: Option<RustlsAcceptor>,
}

/// A connection within its limits.
type Limited = Pin<Box<TimeoutStream<TcpStream>>>;

impl Acceptor {
    /// Counts the connections of the server that has `handle`, and speaks TLS as `tls` says.
    pub fn new(handle: Handle<SocketAddr>, tls: Option<Arc<ServerConfig>>) -> Self {
        let secure = |config| {
            let config = RustlsConfig::from_config(config);
            RustlsAcceptor::new(config).handshake_timeout(HANDSHAKE)
        };
        Self {
            handle,
            most: MOST,
            tls: tls.map(secure),
        }
    }

    fn limit(&self, stream: TcpStream) -> io::Result<Limited> {
        // The server has counted this one already.
        if self.handle.connection_count() > self.most {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        stream.set_nodelay(true)?;
        let mut stream = TimeoutStream::new(stream);
        // hyper's timer starts with the first byte of HTTP/1 and never with HTTP/2.
        stream.set_read_timeout(Some(IDLE));
        stream.set_write_timeout(Some(STUCK));
        Ok(Box::pin(stream))
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for Acceptor {
    type Stream = Either<Limited, <RustlsAcceptor as Accept<Limited, S>>::Stream>;
    type Service = S;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let stream = match self.limit(stream) {
            Ok(stream) => stream,
            Err(refused) => return ready(Err(refused)).boxed(),
        };
        let Some(tls) = &self.tls else {
            return ready(Ok((Either::Left(stream), service))).boxed();
        };
        let secured = tls.accept(stream, service);
        let secured =
            secured.map(|it| it.map(|(stream, service)| (Either::Right(stream), service)));
        secured.boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use axum_server::Server;
    use futures::stream;
    use prometheus_client::registry::Registry;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;
    use tokio::time::Instant;

    use crate::server::tls::Identity;

    use super::*;

    /// Serves a short answer at `/` and an endless one at `/endless`.
    async fn serve(
        most: usize,
        tls: Option<Arc<ServerConfig>>,
        tasks: &mut JoinSet<io::Result<()>>,
    ) -> Acceptor {
        let endless = stream::repeat_with(|| Ok::<_, Infallible>("x".repeat(1 << 16)));
        let router = Router::new()
            .route("/", get("short"))
            .route("/endless", get(async || Body::from_stream(endless)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let handle = Handle::new();
        let acceptor = Acceptor {
            most,
            ..Acceptor::new(handle.clone(), tls)
        };
        let server = Server::from_listener(listener)
            .acceptor(acceptor.clone())
            .handle(handle);
        tasks.spawn(server.serve(router.into_make_service()));
        acceptor
    }

    impl Acceptor {
        /// Asks for `path` on a connection of its own.
        async fn ask(&self, path: &str) -> TcpStream {
            let address = self.handle.listening().await.unwrap();
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            stream
        }

        /// Waits until every connection has ended.
        async fn empty(&self) {
            while self.handle.connection_count() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_connection_too_many_is_hung_up_on_until_another_ends() {
        let mut tasks = JoinSet::new();
        let acceptor = serve(1, None, &mut tasks).await;
        // A reset, where the request was not read.
        let answered = async |stream: &mut TcpStream| stream.read(&mut [0; 8]).await.unwrap_or(0);

        let mut first = acceptor.ask("/").await;
        assert_ne!(answered(&mut first).await, 0);
        assert_eq!(answered(&mut acceptor.ask("/").await).await, 0);

        drop(first);
        acceptor.empty().await;
        assert_ne!(answered(&mut acceptor.ask("/").await).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_of_its_answer_is_hung_up_on() {
        let mut tasks = JoinSet::new();
        let acceptor = serve(1, None, &mut tasks).await;
        let mut stuck = acceptor.ask("/endless").await;
        stuck.read_exact(&mut [0; 8]).await.unwrap();
        let asked = Instant::now();

        acceptor.empty().await;

        assert_eq!(asked.elapsed().as_secs(), STUCK.as_secs());
    }

    #[tokio::test]
    async fn one_that_shakes_no_hands_counts_and_is_hung_up_on() {
        let mut tasks = JoinSet::new();
        let tls = Identity::new(&mut Registry::default()).config().unwrap();
        let acceptor = serve(1, Some(tls), &mut tasks).await;
        let address = acceptor.handle.listening().await.unwrap();
        let asked = Instant::now();
        let mut stalled = TcpStream::connect(address).await.unwrap();
        while acceptor.handle.connection_count() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::task::yield_now().await;

        let mut second = TcpStream::connect(address).await.unwrap();
        assert_eq!(second.read(&mut [0; 8]).await.unwrap(), 0);
        assert!(asked.elapsed() < HANDSHAKE);

        tokio::time::pause();
        assert_eq!(stalled.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(asked.elapsed().as_secs(), HANDSHAKE.as_secs());
        acceptor.empty().await;
    }

    #[tokio::test]
    async fn answers_are_sent_without_delay() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (stream, _) = accepted.unwrap();

        let limited = Acceptor::new(Handle::new(), None).limit(stream).unwrap();

        assert!(limited.get_ref().nodelay().unwrap());
        drop(client);
    }
}
