//! How connections end: when the server is told to stop, and when the CA they were made by is believed no longer.

use reqwest::header::{CONNECTION, HeaderValue};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::*;

/// How long everything is answered as ever.
const LINGER: Duration = Duration::from_secs(1);

#[tokio::test]
async fn told_to_stop_it_finishes_what_was_asked_and_takes_nobody_new() {
    for version in BOTH {
        let mut server = Server::start();
        let pem = good(&server.authority);
        let client = server.client(version, Some(&pem));
        let slow = client.get(server.url("/slow")).send();
        let stopped = async {
            server.asked.notified().await;
            server.stop.cancel();
            while TcpStream::connect(server.address).await.is_ok() {
                sleep(Duration::from_millis(1)).await;
            }
            server.answers.notify_one();
        };
        let (answer, ()) = tokio::join!(slow, stopped);

        assert_eq!(
            answer.unwrap().text().await.unwrap(),
            "slow\n",
            "{version:?}"
        );
        let ended = timeout(2 * LINGER, server.tasks.join_next()).await;
        ended.unwrap().unwrap().unwrap().unwrap();
    }
}

/// A client that has not heard of it yet may be asking on a connection that rests.
#[tokio::test]
async fn for_a_moment_who_asks_on_an_open_connection_is_answered_and_told_to_go() {
    for version in BOTH {
        let server = Server::start();
        let pem = good(&server.authority);
        let client = server.client(version, Some(&pem));
        let before = client.get(server.url("/")).send().await.unwrap();
        assert!(!before.headers().contains_key(CONNECTION));
        before.text().await.unwrap();

        server.stop.cancel();
        sleep(LINGER / 10).await;
        // Nobody listens any more: this is the connection from before.
        TcpStream::connect(server.address).await.unwrap_err();
        let answer = client.get(server.url("/")).send().await.unwrap();

        let told = answer.headers().get(CONNECTION).map(HeaderValue::as_bytes);
        match version {
            Version::Http11 => assert_eq!(told, Some(&b"close"[..])),
            // HTTP/2 has a frame for it: the end of the connection shows it.
            Version::Http2 => assert_eq!(told, None),
        }
        answer.text().await.unwrap();
        sleep(2 * LINGER).await;
        client.get(server.url("/")).send().await.unwrap_err();
    }
}

#[tokio::test]
async fn when_a_ca_is_removed_connections_from_before_end_and_new_ones_go_on() {
    for version in BOTH {
        let server = Server::start();
        let (old, new) = (good(&server.authority), authority());
        let both = [&server.authority, &new].map(|it| it.certificate().to_pem());
        let old = server.client(version, Some(&old));
        old.get(server.url("/")).send().await.unwrap();

        // One more CA changes nothing for anybody.
        server.clients.believe(both.concat().as_bytes()).unwrap();
        sleep(2 * LINGER).await;
        old.get(server.url("/")).send().await.unwrap();

        let slow = old.get(server.url("/slow")).send();
        let removed = async {
            server.asked.notified().await;
            server.clients.believe(both[1].as_bytes()).unwrap();
            let removed = Instant::now();
            let other = server.client(version, Some(&good(&new)));
            other.get(server.url("/")).send().await.unwrap();
            assert!(removed.elapsed() < LINGER, "new ones wait for nothing");
            sleep(2 * LINGER).await;
            other.get(server.url("/")).send().await.unwrap();
            server.answers.notify_one();
        };
        let (answer, ()) = tokio::join!(slow, removed);

        // What was asked is finished; the next question takes a connection that is not made any more.
        assert_eq!(
            answer.unwrap().text().await.unwrap(),
            "slow\n",
            "{version:?}"
        );
        old.get(server.url("/")).send().await.unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_go_is_cut_off_when_the_drain_is_over() {
    let mut server = Server::start();
    let pem = good(&server.authority);
    let client = server.client(Version::Http2, Some(&pem));
    let mut tasks = JoinSet::new();
    let request = client.get(server.url("/slow")).send();
    tasks.spawn(async move { request.await.map(drop) });
    server.asked.notified().await;
    let told = Instant::now();

    server.stop.cancel();

    let ended = server.tasks.join_next().await;
    ended.unwrap().unwrap().unwrap();
    assert_eq!(told.elapsed().as_secs(), DRAIN.as_secs());
    tasks.join_next().await.unwrap().unwrap().unwrap_err();
}
