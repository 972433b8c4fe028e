//! Services that take their time.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use trustpool::domain::Outcome;
use trustpool::provider::openattestation::Timeouts;
use trustpool::provider::{Deadline, Error, Reply, Then};

use crate::openattestation::service::{Authority, Service, listen, reply};
use crate::openattestation::{ask, ask_halved, config, outcomes, summary};

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(60);

/// Asks a service that answers with a body like this, or never begins to.
async fn ask_within(
    (read, total): (Duration, Duration),
    halvings: u32,
    body: fn() -> Option<Body>,
) -> Result<Reply, Error> {
    let authority = Authority::new();
    let leaf = authority.issue("127.0.0.1", |_| ());
    let service = Service::start(&leaf, "http/1.1", move |_| async move {
        match body() {
            Some(body) => reply(200, &[], body),
            None => std::future::pending().await,
        }
    });
    let mut config = config(&service.url, &authority.pem());
    config.timeouts = Timeouts {
        connect: LONG,
        read,
        total,
    };
    ask_halved(config, &["node1"], halvings).await
}

/// A reply in pieces of one byte, one at a time.
fn drip(every: Duration) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let reply = br#"{"hosts":[{"host_name":"node1"}]}"#;
    stream::iter(reply.iter().copied()).then(move |byte| async move {
        tokio::time::sleep(every).await;
        Ok(Bytes::copy_from_slice(&[byte]))
    })
}

/// Asserts that this deadline passed, and how long it was.
fn assert_late(asked: Result<Reply, Error>, expected: (Deadline, Duration)) {
    let error = asked.unwrap_err();
    assert_eq!(
        (error.outcome(), error.then()),
        (Outcome::Unreachable, Then::Split)
    );
    let late = match error {
        Error::Deadline {
            deadline, limit, ..
        } => Some((deadline, limit)),
        _ => None,
    };
    assert_eq!(late, Some(expected));
}

#[tokio::test]
async fn silence_ends_a_question_before_the_first_byte_and_after() {
    let silent_later = || {
        let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{"))]);
        Some(Body::from_stream(first.chain(stream::pending())))
    };

    assert_late(
        ask_within((SHORT, LONG), 0, || None).await,
        (Deadline::Read, SHORT),
    );
    assert_late(
        ask_within((SHORT, LONG), 0, silent_later).await,
        (Deadline::Read, SHORT),
    );
}

#[tokio::test]
async fn a_service_that_never_stops_talking_is_given_up_after_the_total() {
    let drip = || Some(Body::from_stream(drip(SHORT)));

    assert_late(
        ask_within((LONG, SHORT), 0, || None).await,
        (Deadline::Total, SHORT),
    );
    assert_late(
        ask_within((LONG, SHORT * 3), 0, drip).await,
        (Deadline::Total, SHORT * 3),
    );
}

#[tokio::test]
async fn whoever_keeps_talking_may_take_longer_than_the_longest_silence() {
    // 33 bytes in 1.65 s.
    let drip = || Some(Body::from_stream(drip(SHORT / 2)));

    let reply = ask_within((SHORT * 15, LONG), 0, drip).await.unwrap();

    assert_eq!(outcomes(&reply), [Outcome::UnknownLevel]);
}

#[tokio::test]
async fn a_half_of_a_half_has_a_quarter_of_the_time() {
    let read = ask_within((SHORT * 4, LONG), 2, || None).await;
    let total = ask_within((LONG, SHORT * 4), 2, || None).await;

    assert_late(read, (Deadline::Read, SHORT));
    assert_late(total, (Deadline::Total, SHORT));
}

#[tokio::test]
async fn a_port_that_accepts_and_says_nothing_is_no_connection() {
    let (_listener, url) = listen();
    let mut config = config(&url, &Authority::new().pem());
    config.timeouts.connect = SHORT;

    let asked = ask(config, &["node1"]).await;

    let expected = ("connect", Outcome::Unreachable, Then::Retry);
    assert_eq!(summary(&asked.unwrap_err()), expected);
}
