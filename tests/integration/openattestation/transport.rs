//! What is sent and to whom: the request, certificates, connections.

use std::process::Command;

use axum::body::Body;
use jiff::SignedDuration;
use serde_json::json;
use trustpool::clock::Clock;
use trustpool::domain::Outcome;
use trustpool::provider::openattestation::{Config, OpenAttestation};
use trustpool::provider::{Error, InvalidHost, Provider, Question, Then};

use crate::openattestation::service::{Authority, Leaf, Seen, Service, json, listen, reply};
use crate::openattestation::{CANARY, ask, config, invariant_10, outcomes, summary};

/// A service whose hosts `node1` and `node2` are trusted and untrusted, by the clock of `clock`.
fn service(leaf: &Leaf, protocol: &str, clock: &Clock) -> Service {
    let clock = clock.clone();
    Service::start(leaf, protocol, move |_| {
        let now = clock.wall().to_string();
        let entry =
            |host: &str, level: &str| json!({"host_name": host, "trust_lvl": level, "vtime": now});
        let hosts = [entry("node2", "untrusted"), entry("node1", "trusted")];
        let response = json(&json!({ "hosts": hosts }).to_string());
        async move { response }
    })
}

/// The kind of error that a service with this certificate gives to a client with these roots.
async fn kind(leaf: &Leaf, roots: &str) -> (&'static str, Outcome, Then) {
    let clock = Clock::system();
    let service = service(leaf, "http/1.1", &clock);
    let asked = ask(config(&service.url, roots), &["node1"]).await;
    assert_eq!(service.seen(), []);
    summary(&asked.unwrap_err())
}

const TLS: (&str, Outcome, Then) = ("tls", Outcome::Unreachable, Then::Retry);

#[tokio::test]
async fn a_batch_is_one_request_with_nothing_optional_and_its_answers_are_in_order() {
    let clock = Clock::system();
    let authority = Authority::new();
    let service = service(&authority.issue("127.0.0.1", |_| ()), "http/1.1", &clock);
    let config = Config {
        clock: clock.clone(),
        ..config(&service.url, &authority.pem())
    };
    let before = clock.wall();

    let reply = ask(config, &["node1", "node2", "node3"]).await.unwrap();

    let expected = [Outcome::Trusted, Outcome::Untrusted, Outcome::Missing];
    assert_eq!((outcomes(&reply), reply.unasked), (expected.to_vec(), 0));
    let times = [before, reply.requested_at, reply.answered_at, clock.wall()];
    assert!(times.is_sorted(), "{times:?}");
    for answer in &reply.answers[..2] {
        let evidence_at = answer.evidence_at.unwrap();
        assert!((reply.requested_at..=reply.answered_at).contains(&evidence_at));
    }
    let headers = [
        ("accept", "application/json"),
        ("accept-encoding", "identity"),
        ("content-length", "45"),
        ("content-type", "application/json"),
        ("host", service.url.trim_start_matches("https://")),
        (
            "user-agent",
            concat!("trustpool/", env!("CARGO_PKG_VERSION")),
        ),
        ("x-auth-blob", CANARY),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let request = Seen {
        line: "POST /AttestationService/resources/PollHosts HTTP/1.1".to_owned(),
        headers: headers.to_vec(),
        body: r#"{"count":3,"hosts":["node1","node2","node3"]}"#.to_owned(),
    };
    assert_eq!(service.seen(), [request]);
}

#[tokio::test]
async fn a_front_that_speaks_http_2_is_asked_in_http_2() {
    let clock = Clock::system();
    let authority = Authority::new();
    let service = service(&authority.issue("127.0.0.1", |_| ()), "h2", &clock);

    let reply = ask(config(&service.url, &authority.pem()), &["node1"])
        .await
        .unwrap();

    assert_eq!(outcomes(&reply), [Outcome::Trusted]);
    assert!(service.seen()[0].line.ends_with(" HTTP/2.0"));
}

#[tokio::test]
async fn proxies_of_the_environment_are_ignored() {
    // The environment of this process cannot be changed safely, that of a child can.
    let test = "openattestation::transport::\
        a_batch_is_one_request_with_nothing_optional_and_its_answers_are_in_order";
    let mut child = Command::new(std::env::current_exe().unwrap());
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        child.env(name, "http://127.0.0.1:9");
        child.env(name.to_lowercase(), "http://127.0.0.1:9");
    }
    child.env_remove("NO_PROXY").env_remove("no_proxy");

    let output = child.args(["--exact", test]).output().unwrap();

    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("1 passed"), "{printed}");
}

#[tokio::test]
async fn nobody_is_asked_about_nobody_or_about_a_name_that_fails_a_batch() {
    let clock = Clock::system();
    let authority = Authority::new();
    let service = service(&authority.issue("127.0.0.1", |_| ()), "http/1.1", &clock);

    let empty = ask(config(&service.url, &authority.pem()), &[])
        .await
        .unwrap();
    let refused = ask(
        config(&service.url, &authority.pem()),
        &["node1", "fe80::1"],
    )
    .await;

    assert_eq!((empty.answers, empty.unasked), (vec![], 0));
    let error = refused.unwrap_err();
    assert_eq!(summary(&error), ("host", Outcome::Refused, Then::Split));
    assert!(error.to_string().contains("\"fe80::1\""));
    assert_eq!(service.seen(), []);
    let provider = OpenAttestation::new(config(&service.url, &authority.pem())).unwrap();
    let expected = Err(InvalidHost::Character(':'));
    assert_eq!(provider.accepts("fe80::1"), expected);
    assert_eq!(provider.accepts("node1"), Ok(()));
}

#[tokio::test]
async fn a_certificate_of_another_authority_name_or_time_is_refused_before_anything_is_sent() {
    let authority = Authority::new();
    let good = authority.issue("127.0.0.1", |_| ());
    let other_name = authority.issue("oat.example.org", |_| ());
    let expired = authority.issue("127.0.0.1", |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let roots = authority.pem();

    assert_eq!(kind(&good, &Authority::new().pem()).await, TLS);
    assert_eq!(kind(&other_name, &roots).await, TLS);
    assert_eq!(kind(&expired, &roots).await, TLS);
    assert_eq!(kind(&Leaf::self_signed("127.0.0.1"), &roots).await, TLS);
}

#[tokio::test]
async fn a_transcript_with_a_self_signed_certificate_in_it_vouches_for_that_certificate() {
    let clock = Clock::system();
    let leaf = Leaf::self_signed("127.0.0.1");
    let service = service(&leaf, "http/1.1", &clock);
    let transcript = format!(
        "CONNECTED(00000003)\n---\nServer certificate\n{}subject=/CN=oat\n---\nDONE\n",
        leaf.certificate
    );

    let reply = ask(config(&service.url, &transcript), &["node1"])
        .await
        .unwrap();

    assert_eq!(outcomes(&reply), [Outcome::Trusted]);
}

#[tokio::test]
async fn a_port_that_does_not_speak_tls_is_told_from_one_where_nobody_listens() {
    let roots = Authority::new().pem();
    let (listener, url) = listen();
    listener.set_nonblocking(false).unwrap();
    let answer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let plain = ask(config(&url, &roots), &["node1"]).await;
    answer.join().unwrap();
    // Now the port is closed.
    let closed = ask(config(&url, &roots), &["node1"]).await;

    assert_eq!(summary(&plain.unwrap_err()), TLS);
    let expected = ("connect", Outcome::Unreachable, Then::Retry);
    assert_eq!(summary(&closed.unwrap_err()), expected);
}

#[tokio::test]
async fn a_connection_that_ends_before_a_reply_is_broken() {
    let authority = Authority::new();
    let leaf = authority.issue("127.0.0.1", |_| ());
    let service = Service::start(&leaf, "http/1.1", async |handle| {
        handle.shutdown();
        std::future::pending().await
    });

    let asked = ask(config(&service.url, &authority.pem()), &["node1"]).await;

    let expected = ("broken", Outcome::Unreachable, Then::Split);
    assert_eq!(summary(&asked.unwrap_err()), expected);
}

#[tokio::test]
async fn one_client_asks_many_times_and_its_clock_says_when() {
    let authority = Authority::new();
    let clock = Clock::system();
    let service = service(&authority.issue("127.0.0.1", |_| ()), "http/1.1", &clock);
    let ours = Clock::system();
    let provider = OpenAttestation::new(Config {
        clock: ours.clone(),
        ..config(&service.url, &authority.pem())
    });
    let provider = provider.unwrap();
    let hosts = ["node1".to_owned()];
    let mut given = Vec::new();

    for minutes in [0, 3, -6] {
        ours.shift(SignedDuration::from_mins(minutes));
        let hosts = &hosts;
        let reply = provider.attest(Question { hosts, halvings: 0 }).await;
        given.extend(outcomes(&reply.unwrap()));
    }

    let expected = [Outcome::Trusted, Outcome::Stale, Outcome::Future];
    assert_eq!(given, expected);
    assert_eq!(service.seen().len(), 3);
}

#[tokio::test]
async fn a_failure_leaves_the_client_fit_for_the_next_question() {
    let authority = Authority::new();
    let leaf = authority.issue("127.0.0.1", |_| ());
    let failing = Service::start(&leaf, "http/1.1", async |_| reply(500, &[], Body::empty()));
    let config = config(&failing.url, &authority.pem());
    let provider = OpenAttestation::new(config).unwrap();
    let hosts = ["node1".to_owned()];
    let hosts = &hosts;

    for _ in 0..3 {
        let asked = provider.attest(Question { hosts, halvings: 0 }).await;
        let error: Error = asked.unwrap_err();
        invariant_10(&error);
        assert_eq!(error.kind(), "server_error");
    }

    assert_eq!(failing.seen().len(), 3);
}
