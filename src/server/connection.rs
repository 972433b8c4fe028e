//! What a connection may cost: how long one may hold on without a byte, and how long it may shake hands.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{copy, sink};
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

/// How long a client may take to close what we have closed. Go's server waits as long after `GOAWAY` (`goAwayTimeout` in
/// `net/http`).
const PARTING: Duration = Duration::from_secs(1);

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

/// The socket below a [`Stream`], which it keeps open when the stream is dropped.
#[derive(Debug)]
pub struct Socket(std::net::TcpStream);

impl Socket {
    /// That of `stream`.
    ///
    /// # Errors
    ///
    /// The process has too many files open.
    pub fn of(stream: &Stream) -> io::Result<Self> {
        let limited = match stream {
            Either::Left(limited) => limited,
            Either::Right(secured) => secured.get_ref().0,
        };
        let socket = limited.get_ref().as_fd().try_clone_to_owned()?;
        Ok(Self(socket.into()))
    }

    /// Once all is said: takes in what the client was just sending, until it closes too, or for a second.
    ///
    /// A socket that is closed while something came that nobody read is reset, and with it goes what the client has not
    /// read yet: the last answer, or the `GOAWAY` that lets it ask elsewhere (RFC 9112, section 9.6).
    pub async fn part(self) -> io::Result<()> {
        let mut socket = TcpStream::from_std(self.0)?;
        match timeout(PARTING, copy(&mut socket, &mut sink())).await {
            Ok(read) => read.map(drop),
            Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::time::{Instant, sleep};

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        (client.unwrap(), accepted.unwrap().0)
    }

    #[tokio::test]
    async fn answers_are_sent_without_delay() {
        let (_client, stream) = pair().await;

        let limited = limit(stream).unwrap();

        assert!(limited.get_ref().nodelay().unwrap());
    }

    #[tokio::test]
    async fn who_was_just_sending_reads_the_end_and_no_reset() {
        let (mut client, stream) = pair().await;
        let mut stream = begin(stream, None).await.unwrap();
        let socket = Socket::of(&stream).unwrap();
        stream.write_all(b"goodbye").await.unwrap();
        stream.shutdown().await.unwrap();
        drop(stream);

        let sending = async move {
            for _ in 0..3 {
                client.write_all(b"one more").await.unwrap();
                sleep(Duration::from_millis(20)).await;
            }
            let mut heard = String::new();
            client.read_to_string(&mut heard).await.map(|_| heard)
        };
        let (parted, heard) = tokio::join!(socket.part(), sending);

        parted.unwrap();
        assert_eq!(heard.unwrap(), "goodbye");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stays_is_waited_for_for_a_second() {
        let (_client, stream) = pair().await;
        let stream = begin(stream, None).await.unwrap();
        let socket = Socket::of(&stream).unwrap();
        let began = Instant::now();

        socket.part().await.unwrap();

        assert_eq!(began.elapsed().as_secs(), PARTING.as_secs());
    }
}
