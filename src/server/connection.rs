//! What a connection may cost: how many there are, and how long one may hold on without a byte.

use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use axum_server::Handle;
use axum_server::accept::Accept;
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;

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

/// Turns Nagle's algorithm off and the limits on, for each connection as it comes.
#[derive(Clone, Debug)]
pub struct Acceptor {
    handle: Handle<SocketAddr>,
    most: usize,
}

impl Acceptor {
    /// Counts the connections of the server that has `handle`.
    pub const fn new(handle: Handle<SocketAddr>) -> Self {
        Self { handle, most: MOST }
    }

    fn limit(&self, stream: TcpStream) -> io::Result<Pin<Box<TimeoutStream<TcpStream>>>> {
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

impl<S> Accept<TcpStream, S> for Acceptor {
    type Stream = Pin<Box<TimeoutStream<TcpStream>>>;
    type Service = S;
    type Future = Ready<io::Result<(Self::Stream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(self.limit(stream).map(|stream| (stream, service)))
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;
    use tokio::time::Instant;

    use super::*;

    /// Serves a short answer at `/` and an endless one at `/endless`.
    async fn serve(most: usize, tasks: &mut JoinSet<io::Result<()>>) -> Acceptor {
        let endless = stream::repeat_with(|| Ok::<_, Infallible>("x".repeat(1 << 16)));
        let router = Router::new()
            .route("/", get("short"))
            .route("/endless", get(async || Body::from_stream(endless)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let handle = Handle::new();
        let acceptor = Acceptor {
            handle: handle.clone(),
            most,
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
        let acceptor = serve(1, &mut tasks).await;
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
        let acceptor = serve(1, &mut tasks).await;
        let mut stuck = acceptor.ask("/endless").await;
        stuck.read_exact(&mut [0; 8]).await.unwrap();
        let asked = Instant::now();

        acceptor.empty().await;

        assert_eq!(asked.elapsed().as_secs(), STUCK.as_secs());
    }

    #[tokio::test]
    async fn answers_are_sent_without_delay() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (stream, _) = accepted.unwrap();

        let limited = Acceptor::new(Handle::new()).limit(stream).unwrap();

        assert!(limited.get_ref().nodelay().unwrap());
        drop(client);
    }
}
