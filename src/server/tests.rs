//! What connections cost, how many there may be, and whom nobody waits for.

use std::convert::Infallible;

use axum::body::Body;
use axum::routing::get;
use futures::stream;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connection::{FIRST, HANDSHAKE, STUCK};
use super::tls::Identity;
use super::*;

/// How long the server gives its clients once it is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// What a client of HTTP/2 begins with: the preface, and SETTINGS without any.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Types of frames (RFC 9113, section 6).
const PING: u8 = 6;
const GOAWAY: u8 = 7;

/// A server at work.
struct Served {
    address: SocketAddr,
    peers: Peers,
    stop: CancellationToken,
    _tasks: JoinSet<()>,
}

impl Served {
    /// Serves a short answer at `/` and an endless one at `/endless`, to `most` connections at a time.
    fn start(most: usize, tls: Option<TlsAcceptor>) -> Self {
        let endless = stream::repeat_with(|| Ok::<_, Infallible>("x".repeat(1 << 16)));
        let router = Router::new()
            .route("/", get("short"))
            .route("/endless", get(async || Body::from_stream(endless)));
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket = TcpListener::from_std(socket).unwrap();
        let (address, peers) = (socket.local_addr().unwrap(), Peers::at_most(most, 1));
        let server = Server {
            terms: Terms::new(router, tls),
            peers: peers.clone(),
            refused: Sparing::default(),
        };
        let stop = CancellationToken::new();
        let (mut tasks, stopped) = (JoinSet::new(), stop.clone());
        tasks.spawn(async move { server.run(socket, None, &stopped, DRAIN).await });
        Self {
            address,
            peers,
            stop,
            _tasks: tasks,
        }
    }

    /// Asks for `path` on a connection of its own.
    async fn ask(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// Waits until there are so many connections.
    async fn has(&self, count: usize) {
        while self.peers.count() != count {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_connection_too_many_is_hung_up_on_until_another_ends() {
    let served = Served::start(1, None);
    // A reset, where the request was not read.
    let answered = async |stream: &mut TcpStream| stream.read(&mut [0; 8]).await.unwrap_or(0);

    let mut first = served.ask("/").await;
    assert_ne!(answered(&mut first).await, 0);
    assert_eq!(answered(&mut served.ask("/").await).await, 0);

    drop(first);
    served.has(0).await;
    assert_ne!(answered(&mut served.ask("/").await).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_of_its_answer_is_hung_up_on() {
    let served = Served::start(1, None);
    let mut stuck = served.ask("/endless").await;
    stuck.read_exact(&mut [0; 8]).await.unwrap();
    let asked = Instant::now();

    served.has(0).await;

    assert_eq!(asked.elapsed().as_secs(), STUCK.as_secs());
}

#[tokio::test(start_paused = true)]
async fn one_that_never_asks_is_hung_up_on_whatever_it_speaks() {
    for sent in [&b""[..], b"GET / HTTP/1.1\r\nhost:", PREFACE] {
        let served = Served::start(1, None);
        let mut silent = TcpStream::connect(served.address).await.unwrap();
        let asked = Instant::now();
        silent.write_all(sent).await.unwrap();
        served.has(1).await;

        served.has(0).await;

        assert_eq!(asked.elapsed().as_secs(), FIRST.as_secs(), "{sent:?}");
    }
}

#[tokio::test]
async fn one_that_shakes_no_hands_counts_and_is_hung_up_on() {
    let tls = Identity::new(Gauge::default()).config().unwrap();
    let served = Served::start(1, Some(tls.into()));
    let asked = Instant::now();
    let mut stalled = TcpStream::connect(served.address).await.unwrap();
    served.has(1).await;

    let mut second = TcpStream::connect(served.address).await.unwrap();
    assert_eq!(second.read(&mut [0; 8]).await.unwrap(), 0);
    assert!(asked.elapsed() < HANDSHAKE);

    tokio::time::pause();
    assert_eq!(stalled.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(asked.elapsed().as_secs(), HANDSHAKE.as_secs());
    served.has(0).await;
}

/// The type of the next frame of HTTP/2, and what it holds.
async fn frame(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let mut rest = vec![0; usize::from(head[2])];
    stream.read_exact(&mut rest).await?;
    Ok((head[3], rest))
}

#[tokio::test]
async fn a_client_that_goes_on_sending_hears_that_it_must_go_and_is_not_reset() {
    let served = Served::start(1, None);
    let mut client = TcpStream::connect(served.address).await.unwrap();
    client.write_all(PREFACE).await.unwrap();
    served.has(1).await;
    served.stop.cancel();
    let mut heard = Vec::new();
    let ping = loop {
        let (kind, holds) = frame(&mut client).await.unwrap();
        heard.push(kind);
        if kind == PING {
            break [&b"\0\0\x08\x06\x01\0\0\0\0"[..], &holds].concat();
        }
    };
    assert!(heard.contains(&GOAWAY), "{heard:?}");

    // The first lets the server end the connection; the others come too late.
    for _ in 0..3 {
        client.write_all(&ping).await.unwrap();
        sleep(Duration::from_millis(50)).await;
    }

    assert_eq!(frame(&mut client).await.unwrap().0, GOAWAY);
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    drop(client);
    served.has(0).await;
}
