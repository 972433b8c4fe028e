//! What only a real connection shows: panics, clients that stall, and the end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use trustpool::server;
use trustpool::server::listen::Listener;

use super::{ASKS, EACH, World};

const DRAIN: Duration = Duration::from_secs(10);
/// How long a connection may rest.
const IDLE: Duration = Duration::from_secs(120);

/// A server at work.
struct Server {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), server::Error>>,
}

impl Server {
    fn start(router: Router) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind("--extender-listen", any).unwrap();
        let address = listener.address();
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(server::serve(listener, router, stop.clone(), DRAIN));
        Self {
            address,
            stop,
            tasks,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Tells the server to stop, and waits until it has.
    async fn stop(mut self) -> Duration {
        let told = Instant::now();
        self.stop.cancel();
        self.tasks.join_next().await.unwrap().unwrap().unwrap();
        told.elapsed()
    }
}

/// The head and the text of the next answer on `stream`.
async fn answer(stream: &mut TcpStream) -> (String, String) {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() == length.unwrap().parse::<usize>().unwrap() {
                return (head.to_owned(), body.to_owned());
            }
        }
        assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "{read:?}");
    }
}

fn post(body: &str) -> String {
    format!(
        "POST /filter HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn request() -> String {
    post(&format!(
        r#"{{"Pod":{ASKS},"NodeNames":["trusted","failed"]}}"#
    ))
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = Server::start(World::of(EACH).router);
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(request().as_bytes()).await.unwrap();

        let (head, body) = answer(&mut stream).await;

        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        assert!(head.contains("content-type: application/json"), "{head}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["NodeNames"], json!(["trusted"]));
    }
}

#[tokio::test]
async fn a_panic_is_one_answer_and_not_the_end() {
    let broken = Router::new().route("/panic", get(async || -> () { panic!("on purpose") }));
    let server = Server::start(World::of(EACH).router.merge(broken));
    let mut stream = server.connect().await;

    stream
        .write_all(b"GET /panic HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let (head, _) = answer(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 500 "), "{head}");

    stream.write_all(request().as_bytes()).await.unwrap();
    let (head, _) = answer(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

#[tokio::test]
async fn a_body_that_says_it_is_too_long_is_not_waited_for() {
    let server = Server::start(World::of(EACH).router);
    let mut stream = server.connect().await;
    let head = "POST /filter HTTP/1.1\r\nhost: x\r\ncontent-length: 268435457\r\n\r\n";

    stream.write_all(head.as_bytes()).await.unwrap();

    let (head, body) = answer(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body["Error"],
        json!("trustpool: the request's body is longer than 268435456 bytes")
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_answered_after_five_seconds() {
    let server = Server::start(World::of(EACH).router);
    let mut stream = server.connect().await;
    let head = "POST /filter HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{";

    stream.write_all(head.as_bytes()).await.unwrap();

    let (_, body) = answer(&mut stream).await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body["Error"],
        json!("trustpool: the request's body took longer than 5 s to arrive")
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_falls_silent_is_hung_up_on() {
    let server = Server::start(World::of(EACH).router);
    for sent in ["", "P", "POST /filter HTTP/1.1\r\nhost:"] {
        let mut stream = server.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut read = Vec::new();

        let hung_up = timeout(2 * IDLE, stream.read_to_end(&mut read)).await;

        assert!(hung_up.is_ok(), "{sent}");
        assert!(!read.starts_with(b"HTTP/1.1 200"), "{sent}: {read:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_between_two_requests_is_longer_than_gos_ninety_seconds() {
    let server = Server::start(World::of(EACH).router);
    let mut stream = server.connect().await;
    stream.write_all(request().as_bytes()).await.unwrap();
    answer(&mut stream).await;

    let rested = Instant::now();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);

    assert_eq!(rested.elapsed().as_secs(), IDLE.as_secs());
}

#[tokio::test]
async fn told_to_stop_it_hangs_up_on_idle_connections_at_once() {
    let server = Server::start(World::of(EACH).router);
    let mut stream = server.connect().await;
    stream.write_all(request().as_bytes()).await.unwrap();
    answer(&mut stream).await;

    let took = server.stop().await;

    assert!(took < DRAIN, "{took:?}");
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn told_to_stop_it_finishes_the_request_it_has() {
    let server = Server::start(World::of(EACH).router);
    let address = server.address;
    let mut stream = server.connect().await;
    let request = request();
    let (first, rest) = request.split_at(request.len() - 1);
    stream.write_all(first.as_bytes()).await.unwrap();
    // Another connection that is answered: by then the first one is being read.
    let mut other = server.connect().await;
    other.write_all(request.as_bytes()).await.unwrap();
    answer(&mut other).await;

    let finishes = async {
        // Refused connections say that the stop was heard.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        stream.write_all(rest.as_bytes()).await.unwrap();
        answer(&mut stream).await
    };
    let (took, (head, _)) = tokio::join!(server.stop(), finishes);

    assert!(took < DRAIN, "{took:?}");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_it_waits_for_stragglers_no_longer_than_it_was_told() {
    let begun = Arc::new(Notify::new());
    let begins = Arc::clone(&begun);
    let waits = get(async move || {
        begins.notify_one();
        std::future::pending::<()>().await;
    });
    let server = Server::start(Router::new().route("/wait", waits));
    let mut stream = server.connect().await;
    let request = b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    begun.notified().await;

    let took = server.stop().await;

    assert_eq!(took.as_secs(), DRAIN.as_secs());
}
