//! What a connection may cost: how long one may hold on without a byte, and how long it may shake hands.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

/// How long a connection may rest between two requests, or take for one head.
///
/// hyper has one timer for both. Go's client drops what rested for 90 s; were we to drop it first,
/// a pod could be sent into a connection that we are closing.
pub const IDLE: Duration = Duration::from_secs(120);

/// How long a connection may take from its handshake to its first request: who connects has something to ask.
pub const FIRST: Duration = Duration::from_secs(10);

/// How long a client may take nothing of an answer.
pub const STUCK: Duration = Duration::from_secs(10);

/// How long a client may take for a handshake. Each has its own task: nobody waits for another's.
pub const HANDSHAKE: Duration = Duration::from_secs(5);

/// A connection within its limits.
type Limited = Pin<Box<TimeoutStream<TcpStream>>>;

/// A connection that requests come on.
pub type Stream = Either<Limited, TlsStream<Limited>>;

/// Turns Nagle's algorithm off and the limits on; then, where `tls` is spoken, shakes hands.
///
/// # Errors
///
/// The peer is gone, shakes no hands, or may not.
pub async fn begin(stream: TcpStream, tls: Option<&TlsAcceptor>) -> io::Result<Stream> {
    let stream = limit(stream)?;
    let Some(tls) = tls else {
        return Ok(Either::Left(stream));
    };
    let secured = timeout(HANDSHAKE, tls.accept(stream));
    Ok(Either::Right(secured.await.map_err(io::Error::from)??))
}

fn limit(stream: TcpStream) -> io::Result<Limited> {
    stream.set_nodelay(true)?;
    let mut stream = TimeoutStream::new(stream);
    // hyper's timer starts with the first byte of HTTP/1 and never with HTTP/2.
    stream.set_read_timeout(Some(IDLE));
    stream.set_write_timeout(Some(STUCK));
    Ok(Box::pin(stream))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn answers_are_sent_without_delay() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (stream, _) = accepted.unwrap();

        let limited = limit(stream).unwrap();

        assert!(limited.get_ref().nodelay().unwrap());
        drop(client);
    }
}
