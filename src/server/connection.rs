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
    use axum::Router;
    use axum::routing::get;
    use axum_server::Server;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn one_connection_too_many_is_hung_up_on_until_another_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let handle = Handle::new();
        let acceptor = Acceptor {
            handle: handle.clone(),
            most: 1,
        };
        let server = Server::from_listener(listener)
            .acceptor(acceptor)
            .handle(handle.clone());
        let router = Router::new().route("/", get(""));
        let mut tasks = JoinSet::new();
        tasks.spawn(server.serve(router.into_make_service()));
        // Says whether there is an answer on a new connection, which stays open.
        let answered = async || {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream
                .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                .await
                .unwrap();
            // A reset, where the request was not read.
            let read = stream.read(&mut [0; 8]).await.unwrap_or(0);
            (read > 0, stream)
        };

        let (first, stream) = answered().await;
        let (second, _) = answered().await;
        drop(stream);
        while handle.connection_count() > 0 {
            tokio::task::yield_now().await;
        }
        let (third, _) = answered().await;

        assert_eq!((first, second, third), (true, false, true));
    }
}
