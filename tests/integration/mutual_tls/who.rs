//! Who is answered: a client of a CA that is believed, of the right name, whose certificate counts.

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use trustpool::telemetry::to_file;

use super::*;

/// Says whether the server answers a client that shows `pem`, and by which version.
async fn answers(server: &Server, version: Version, pem: Option<&Pem>) -> Option<reqwest::Version> {
    let client = server.client(version, pem);
    let answer = client.get(server.url("/")).send().await.ok()?;
    assert_eq!(answer.status(), 200);
    Some(answer.version())
}

#[tokio::test]
async fn kube_scheduler_alone_is_answered() {
    let server = Server::start();
    let own = &server.authority;
    let made = now() - YEAR;
    let old = Authority::named("a CA", 2 * YEAR, made).unwrap();
    let names = Names::new([SERVER]).unwrap();
    let servers = own.issue(&names, now()).unwrap();
    let table = [
        ("no certificate", None),
        ("another CA", Some(good(&authority()))),
        (
            "another name",
            Some(client(own, "system:kube-scheduler2", YEAR, now())),
        ),
        ("a node", Some(client(own, "system:node:a", YEAR, now()))),
        ("an expired one", Some(client(&old, CLIENT, YEAR / 2, made))),
        ("a server's", Some(servers)),
    ];
    let both = [own, &old].map(|it| it.certificate().to_pem()).concat();
    server.clients.believe(both.as_bytes()).unwrap();

    for version in BOTH {
        for (what, pem) in &table {
            assert_eq!(
                answers(&server, version, pem.as_ref()).await,
                None,
                "{what}"
            );
        }
        for authority in [own, &old] {
            let answered = answers(&server, version, Some(&good(authority))).await;
            let expected = match version {
                Version::Http11 => reqwest::Version::HTTP_11,
                Version::Http2 => reqwest::Version::HTTP_2,
            };
            assert_eq!(answered, Some(expected));
        }
    }
}

#[tokio::test]
async fn whom_it_refuses_it_says_and_not_for_every_one() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let dispatch = to_file(file.reopen().unwrap(), "info");
    let refused = async {
        let server = Server::start();
        let other = client(&server.authority, "somebody", YEAR, now());
        for _ in 0..5 {
            assert_eq!(answers(&server, Version::Http2, Some(&other)).await, None);
        }
    };

    refused.with_subscriber(dispatch).await;

    let log = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(log.matches("a connection was not made").count(), 1, "{log}");
    assert!(
        log.contains("does not say `system:kube-scheduler`") || log.contains("OtherName"),
        "{log}"
    );
}

#[tokio::test]
async fn who_stalls_in_a_handshake_holds_nobody_up() {
    let server = Server::start();
    let started = Instant::now();
    let mut stalled = Vec::new();
    for _ in 0..20 {
        stalled.push(TcpStream::connect(server.address).await.unwrap());
    }

    for version in BOTH {
        let pem = good(&server.authority);
        assert!(answers(&server, version, Some(&pem)).await.is_some());
    }

    assert!(started.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_new_certificate_drops_no_connection() {
    let server = Server::start();
    let pem = good(&server.authority);
    for version in BOTH {
        let client = server.client(version, Some(&pem));
        let slow = client.get(server.url("/slow")).send();
        let swapped = async {
            server.asked.notified().await;
            let names = Names::new([SERVER]).unwrap();
            let pem = server.authority.issue(&names, now()).unwrap();
            let shown = server
                .identity
                .show(pem.certificate.as_bytes(), pem.key.as_bytes());
            shown.unwrap();
            server.answers.notify_one();
        };
        let (answer, ()) = tokio::join!(slow, swapped);

        assert_eq!(answer.unwrap().text().await.unwrap(), "slow\n");
    }
}

/// One that believes nobody yet does not believe everybody.
#[tokio::test]
async fn without_a_ca_nobody_is_answered() {
    let identity = Identity::new(Gauge::default());
    let server = Server::start();
    let names = Names::new([SERVER]).unwrap();
    let pem = server.authority.issue(&names, now()).unwrap();
    let shown = identity.show(pem.certificate.as_bytes(), pem.key.as_bytes());
    shown.unwrap();
    let clients = Clients::named(CLIENT, Gauge::default());
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind("--extender-listen", any).unwrap();
    let listener = listener.over_mutual_tls(identity.config_for(&clients).unwrap(), clients);
    let nobody = Server {
        address: listener.address(),
        ..server
    };
    let mut tasks = JoinSet::new();
    let router = Router::new().route("/", get("here\n"));
    tasks.spawn(server::serve(listener, router, nobody.stop.clone(), DRAIN));

    let pem = good(&nobody.authority);
    let asked = timeout(DRAIN, answers(&nobody, Version::Http2, Some(&pem)));

    assert_eq!(asked.await.unwrap(), None);
}
