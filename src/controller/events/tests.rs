//! How many Events wait, and how fast they go out.

use std::convert::Infallible;

use http::{Request, Response, StatusCode};
use kube::client::Body;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use super::*;

fn channel() -> (Events, mpsc::Receiver<Notice>, Metrics) {
    let metrics = Metrics::register(&mut Registry::default());
    let (events, notices) = Events::channel(metrics.clone());
    (events, notices, metrics)
}

fn notice(node: &str) -> Notice {
    Notice::Verdict {
        node: node.into(),
        uid: None,
        verdict: Verdict::Trusted,
        reason: Reason::Attested,
        message: "it is".to_owned(),
    }
}

/// Without a runtime: whoever waited for room here would wait for ever.
#[test]
fn what_a_full_queue_has_no_room_for_is_dropped_at_once_and_counted() {
    let (events, mut notices, metrics) = channel();

    for number in 0..1_003 {
        events.send(notice(&format!("n{number}")));
    }

    assert_eq!(metrics.events_dropped.get(), 3);
    let mut waiting = std::iter::from_fn(|| notices.try_recv().ok());
    assert_eq!(waiting.by_ref().count(), 1_000, "the first ones stay");
    events.send(notice("later"));
    assert_eq!(metrics.events_dropped.get(), 3, "there is room again");
}

/// An API server that refuses every Event, and counts them.
fn refusing(asked: mpsc::UnboundedSender<Instant>) -> Client {
    let service = tower::service_fn(move |_: Request<Body>| {
        asked.send(Instant::now()).unwrap();
        let mut refusal = Response::new(Body::empty());
        *refusal.status_mut() = StatusCode::FORBIDDEN;
        async { Ok::<_, Infallible>(refusal) }
    });
    Client::new(service, "default")
}

#[tokio::test(start_paused = true)]
async fn fifty_events_a_second_are_written_and_one_that_is_refused_keeps_no_other_from_it() {
    let (events, notices, _) = channel();
    let (asked, mut times) = mpsc::unbounded_channel();
    for number in 0..51 {
        events.send(notice(&format!("n{number}")));
    }
    drop(events);

    run(refusing(asked), notices).await;

    let times: Vec<Instant> = std::iter::from_fn(|| times.try_recv().ok()).collect();
    assert_eq!(times.len(), 51);
    let took = times[50].duration_since(times[0]);
    assert!((990..1_100).contains(&took.as_millis()), "{took:?}");
}
