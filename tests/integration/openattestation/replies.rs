//! What comes back that is no answer: other people's pages, broken bodies, redirects.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt, stream};
use trustpool::domain::Outcome;
use trustpool::provider::Then;
use trustpool::telemetry::Chain;

use crate::openattestation::service::{Authority, Service, json, reply};
use crate::openattestation::{CANARY, ask, config, summary};

const READABLE: &str = r#"{"hosts":[{"host_name":"node1","trust_lvl":"unknown"}]}"#;

/// How a service answers.
type Respond = fn() -> Response;

/// Asks a service that answers like this; gives the summary of the error and its causes in words.
async fn fail(
    respond: impl Fn() -> Response + Send + Sync + 'static,
) -> ((&'static str, Outcome, Then), String) {
    let authority = Authority::new();
    let leaf = authority.issue("127.0.0.1", |_| ());
    let respond = Arc::new(respond);
    let service = Service::start(&leaf, "http/1.1", move |_| {
        let response = respond();
        async move { response }
    });

    let asked = ask(config(&service.url, &authority.pem()), &["node1"]).await;

    let error = asked.unwrap_err();
    let words = Chain(&error).to_string();
    (summary(&error), words.replace(&service.url, ""))
}

#[tokio::test]
async fn a_reply_in_another_language_is_unreadable_and_says_why() {
    let html = || reply(200, &[("content-type", "text/html")], "<html>Log in</html>");
    let gzip = || reply(200, &[("content-encoding", "gzip")], READABLE);
    let table: [(Respond, &str); 8] = [
        (
            html,
            "the reply is not the JSON that was asked for: expected value at line 1 column 1",
        ),
        (|| json(""), "the reply is empty"),
        (
            || reply(204, &[], Body::empty()),
            "the reply has status 204, where the service's own have 200",
        ),
        (
            || reply(203, &[], READABLE),
            "the reply has status 203, where the service's own have 200",
        ),
        (|| json("null"), "the reply holds no list of hosts"),
        (|| json("[]"), "the reply holds no list of hosts"),
        (
            gzip,
            "the reply has a content encoding, which was not asked for",
        ),
        (
            || json(READABLE.trim_end_matches("}]}")),
            "the reply is not the JSON that was asked for: EOF while parsing an object at line 1 column 52",
        ),
    ];
    for (respond, expected) in table {
        let (given, words) = fail(respond).await;

        assert_eq!(
            given,
            ("unreadable", Outcome::Unreadable, Then::Split),
            "{expected}"
        );
        assert_eq!(
            words,
            format!(
                "failed to read the reply of `/AttestationService/resources/PollHosts`; check that the service itself answers there: {expected}"
            )
        );
    }
}

#[tokio::test]
async fn a_body_that_ends_before_its_length_is_cut() {
    let (given, words) = fail(|| {
        let part = stream::iter([Ok(Bytes::from_static(READABLE.as_bytes()))]);
        // hyper sends what it has when there is nothing to do; only then does this fail.
        let end = stream::once(async {
            tokio::task::yield_now().await;
            Err("gone")
        });
        let body = Body::from_stream(part.chain(end));
        reply(200, &[("content-length", "1000")], body)
    })
    .await;

    assert_eq!(given, ("unreadable", Outcome::Unreadable, Then::Split));
    assert!(words.contains(": the reply ended early: "), "{words}");
}

#[tokio::test]
async fn a_body_far_longer_than_the_question_warrants_is_not_read_to_its_end() {
    let long = || reply(200, &[], " ".repeat(10 << 20));
    let endless = || {
        let spaces = stream::repeat(Ok::<_, Infallible>(Bytes::from_static(&[b' '; 1024])));
        reply(200, &[], Body::from_stream(spaces.boxed()))
    };
    let table: [Respond; 2] = [long, endless];
    for respond in table {
        let (given, words) = fail(respond).await;

        assert_eq!(given, ("unreadable", Outcome::Unreadable, Then::Split));
        // 16 KiB and 4 KiB for the one host.
        assert!(
            words.ends_with(": the reply is longer than 20480 bytes"),
            "{words}"
        );
    }
}

#[tokio::test]
async fn invariant_10_a_service_that_repeats_the_secret_does_not_get_it_into_an_error() {
    let echo = |status| {
        let headers = [
            ("content-type", CANARY),
            ("www-authenticate", CANARY),
            ("location", CANARY),
        ];
        reply(status, &headers, format!("{{\"{CANARY}\": {CANARY}"))
    };
    for status in [200, 201, 302, 307, 400, 401, 404, 500, 503] {
        let (_, words) = fail(move || echo(status)).await;

        assert!(!words.contains(CANARY), "{words}");
    }
}

#[tokio::test]
async fn a_status_says_whether_to_split_and_what_to_check() {
    let (split, retry) = (Then::Split, Then::Retry);
    let table = [
        (
            400,
            "client_error",
            split,
            "check that it takes these host names, and this dialect",
        ),
        (
            401,
            "unauthorized",
            retry,
            "check the header and the secret that authenticate us",
        ),
        (
            404,
            "not_found",
            retry,
            "check the path: it differs between versions of the service",
        ),
        (
            500,
            "server_error",
            split,
            "look at the service's own log; it may not take one of the host names",
        ),
        (
            503,
            "server_error",
            split,
            "it is overloaded or not running behind its proxy; look at its own log",
        ),
    ];
    for (status, kind, then, advice) in table {
        // A readable body makes no difference.
        let (given, words) = fail(move || reply(status, &[], READABLE)).await;

        assert_eq!(given, (kind, Outcome::Refused, then), "{status}");
        let expected = "`/AttestationService/resources/PollHosts` answered with status";
        assert_eq!(words, format!("{expected} {status}; {advice}"));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_secret_goes_nowhere() {
    let authority = Authority::new();
    let leaf = authority.issue("127.0.0.1", |_| ());
    let elsewhere = Service::start(&leaf, "http/1.1", async |_| json(READABLE));
    for status in [301, 302, 303, 307, 308] {
        let location = elsewhere.url.clone();
        let service = Service::start(&leaf, "http/1.1", move |_| {
            let response = reply(status, &[("location", &location)], Body::empty());
            async move { response }
        });

        let asked = ask(config(&service.url, &authority.pem()), &["node1"]).await;

        let given = summary(&asked.unwrap_err());
        assert_eq!(
            given,
            ("redirect", Outcome::Refused, Then::Retry),
            "{status}"
        );
        assert_eq!(service.seen().len(), 1);
    }
    assert_eq!(elsewhere.seen(), []);
}
