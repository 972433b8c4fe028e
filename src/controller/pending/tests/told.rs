//! How often pods that wait are told.

use std::convert::Infallible;

use axum::body::Body as Streamed;
use futures::stream;
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use prometheus_client::registry::Registry;
use tokio::time::{Instant, sleep, sleep_until};

use super::*;
use crate::controller::Metrics;
use crate::controller::fixture::at;
use crate::store::{self, Writer};

/// One line of a watch, and after how many seconds it is shown.
type Line = (u64, String);

/// An API server with one watch of pods, which shows `lines` and stays open.
fn showing(lines: Vec<Line>) -> Client {
    let began = Instant::now();
    let service = tower::service_fn(move |_: Request<Body>| {
        let shown = stream::iter(lines.clone()).then(move |(second, line)| async move {
            sleep_until(began + Duration::from_secs(second)).await;
            Ok::<_, Infallible>(line)
        });
        let open = Streamed::from_stream(shown.chain(stream::pending()));
        async { Ok::<_, Infallible>(Response::new(open)) }
    });
    Client::new(service, "default")
}

fn line(kind: &str, name: &str, uid: &str, annotations: &serde_json::Value) -> String {
    let object = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": uid,
            "resourceVersion": "7",
            "annotations": annotations,
            "labels": {keys::REQUIRE: "trusted"},
        },
    });
    format!(r#"{{"type":"{kind}","object":{object}}}"#) + "\n"
}

fn pod(second: u64, kind: &str, name: &str, uid: &str) -> Line {
    (second, line(kind, name, uid, &json!({})))
}

fn listed() -> Line {
    let ends = json!({"k8s.io/initial-events-end": "true"});
    (0, line("BOOKMARK", "", "", &ends))
}

/// Shows signs of life of both watches behind the snapshot, for ever.
async fn live(writer: &Writer, clock: &Clock) {
    loop {
        writer.health().nodes.list(clock.now());
        writer.health().node_trusts.list(clock.now());
        sleep(Duration::from_secs(30)).await;
    }
}

/// `(second, pod)` of everything that is told within `seconds`, with one node that is what `entry`
/// says.
async fn told(lines: Vec<Line>, entry: Entry, seconds: u64) -> Vec<(u64, String)> {
    let clock = Clock::system();
    clock.shift(at(5).duration_since(clock.wall()));
    let (writer, reader) = store::channel();
    writer.publish(snapshot([("n", entry)]));
    let (_sender, setup) = channel::channel(Arc::new(usable()));
    let metrics = Metrics::register(&mut Registry::default());
    let (events, mut notices) = Events::channel(metrics);
    let pending = Pending {
        pods: Api::all(showing(lines)),
        reader,
        setup,
        listed: channel::Sender::new(false),
        events,
        clock: clock.clone(),
    };
    let mut told = Vec::new();
    let listen = async {
        while let Some(notice) = notices.recv().await {
            told.push((clock.uptime().as_secs(), name(notice)));
        }
    };
    tokio::select! {
        () = live(&writer, &clock) => {}
        () = pending.run() => {}
        () = listen => {}
        () = sleep(Duration::from_secs(seconds)) => {}
    }
    told
}

fn name(notice: Notice) -> String {
    match notice {
        Notice::NoTrustedNode { pod, .. } => pod.name.unwrap_or_default(),
        other => format!("{other:?}"),
    }
}

/// The seconds in which `pod` was told.
fn seconds(told: &[(u64, String)], pod: &str) -> Vec<u64> {
    let told = told.iter().filter(|(_, to)| to == pod);
    told.map(|(second, _)| *second).collect()
}

fn refused() -> Entry {
    entry(Some(node("n", "b")), None)
}

#[tokio::test(start_paused = true)]
async fn each_pod_that_waits_is_told_within_two_seconds_and_again_after_a_minute_each() {
    let lines = vec![
        pod(0, "ADDED", "first", "1"),
        listed(),
        pod(31, "ADDED", "second", "2"),
        pod(40, "MODIFIED", "first", "1"),
    ];

    let told = told(lines, refused(), 190).await;

    for (pod, since) in [("first", 0), ("second", 31)] {
        let seconds = seconds(&told, pod);
        assert!((since..=since + 2).contains(&seconds[0]), "{told:?}");
        let mut gaps = seconds.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.all(|gap| (60..=62).contains(&gap)), "{told:?}");
        assert!(seconds.len() >= 3, "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_goes_is_told_no_more_and_another_of_its_name_is_told_at_once() {
    let lines = vec![
        pod(0, "ADDED", "a", "1"),
        listed(),
        pod(10, "DELETED", "a", "1"),
        pod(21, "ADDED", "a", "2"),
        pod(30, "DELETED", "a", "2"),
    ];

    let told = told(lines, refused(), 100).await;

    let seconds = seconds(&told, "a");
    assert_eq!(seconds.len(), 2, "{told:?}");
    assert!((21..=23).contains(&seconds[1]), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_while_a_node_is_trusted() {
    let lines = vec![pod(0, "ADDED", "a", "1"), listed()];
    let trusted = seen("n", Verdict::Trusted, Reason::Attested);

    let told = told(lines, trusted, 100).await;

    assert_eq!(told, []);
}
