//! What a watch asks for again after it broke.

mod pages;

use std::sync::{Arc, Mutex};

use axum::body::Body as Answer;
use http::{Request, Response};
use kube::api::DynamicObject;
use kube::client::Body;
use kube::core::{ApiResource, GroupVersionKind};

use super::*;

/// A server whose watches each show what is next in `scripts`, a status and lines, and end; and what it
/// was asked for: where, and as what.
fn server(scripts: Vec<(u16, String)>) -> (kube::Client, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let scripts = Arc::new(Mutex::new(scripts.into_iter()));
    let service = tower::service_fn(move |request: Request<Body>| {
        let accept = request.headers().get(http::header::ACCEPT);
        let accept = accept.map_or("", |value| value.to_str().unwrap());
        let asked = format!("{} {accept}", request.uri());
        log.lock().unwrap().push(asked);
        let script = scripts.lock().unwrap().next();
        async move {
            match script {
                Some((status, lines)) => {
                    let body = match lines.strip_suffix(RESTS) {
                        Some(lines) => resting(lines.to_owned()),
                        None => Answer::from(lines),
                    };
                    let mut response = Response::new(body);
                    *response.status_mut() = status.try_into().unwrap();
                    Ok::<_, std::convert::Infallible>(response)
                }
                None => std::future::pending().await,
            }
        }
    });
    (kube::Client::new(service, "default"), asked)
}

/// At the end of a script: the watch does not end, and shows nothing more.
const RESTS: &str = "…";

fn resting(lines: String) -> Answer {
    let lines = stream::iter([Ok::<_, std::convert::Infallible>(lines)]);
    Answer::from_stream(lines.chain(stream::pending()))
}

fn line(kind: &str, version: &str, annotations: &str) -> String {
    let object = format!(
        r#"{{"apiVersion":"v1","kind":"Node","metadata":{{"name":"a","resourceVersion":"{version}","annotations":{{{annotations}}}}}}}"#
    );
    format!(r#"{{"type":"{kind}","object":{object}}}"#) + "\n"
}

fn listed(version: &str) -> String {
    line("BOOKMARK", version, r#""k8s.io/initial-events-end":"true""#)
}

async fn events(scripts: Vec<(u16, String)>, count: usize) -> (Vec<Event<()>>, Vec<String>) {
    let (client, asked) = server(scripts);
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Node"));
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let events = watch("nodes", api, WatchParams::default());
    let events = events.map(|event| event.map(|_| ())).take(count);
    // By a clock that stands still: whoever asks for ever gets there at once.
    let seen = timeout(Duration::from_mins(10), events.collect()).await;
    let seen = seen.expect("as many events as are expected");
    let asked = asked.lock().unwrap().clone();
    (seen, asked)
}

#[tokio::test(start_paused = true)]
async fn a_broken_watch_goes_on_after_the_last_event_and_shows_nothing_again() {
    let first = [
        line("ADDED", "3", ""),
        listed("5"),
        line("MODIFIED", "7", ""),
    ];
    let second = line("MODIFIED", "8", "");

    let (seen, asked) = events(vec![(200, first.concat()), (200, second)], 5).await;

    assert!(matches!(seen[0], Event::Started), "{seen:?}");
    assert!(matches!(seen[4], Event::Applied(())), "{seen:?}");
    assert!(asked[0].contains("sendInitialEvents=true"), "{asked:?}");
    assert!(asked[1].contains("resourceVersion=7"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_broke_is_begun_anew() {
    let broken = line("ADDED", "3", "");
    let whole = [line("ADDED", "3", ""), listed("5")].concat();

    let (seen, asked) = events(vec![(200, broken), (200, whole)], 5).await;

    assert!(matches!(seen[2], Event::Started), "{seen:?}");
    assert!(matches!(seen[4], Event::Listed), "{seen:?}");
    assert!(asked[1].contains("sendInitialEvents=true"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_every_watch_with_an_error_is_not_asked_without_pause() {
    let gone = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","code":410,"reason":"Expired","message":"too old"}}"#;
    let began = tokio::time::Instant::now();

    let (seen, _) = events(vec![(200, format!("{gone}\n")); 4], 4).await;

    assert!(seen.iter().all(|event| matches!(event, Event::Started)));
    assert!(began.elapsed() >= Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_version_that_the_server_cannot_go_on_from_is_listed_anew_and_other_errors_are_not() {
    let status = |code| {
        format!(
            r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","code":{code},"reason":"x","message":"x"}}"#
        )
    };
    for (code, anew) in [(410, true), (504, true), (500, false), (429, false)] {
        let script = vec![(200, listed("5")), (code, status(code)), (200, listed("6"))];

        let (_, asked) = events(script, 3).await;

        let listing = asked[2].contains("sendInitialEvents=true");
        assert_eq!(listing, anew, "{code}: {asked:?}");
    }
}

/// The API server sends no bookmark of what has not changed since the watch began.
#[tokio::test(start_paused = true)]
async fn a_watch_of_what_never_changes_lists_anew() {
    let quiet = [line("ADDED", "3", ""), listed("5"), RESTS.to_owned()].concat();
    let began = tokio::time::Instant::now();

    let (seen, asked) = events(vec![(200, quiet.clone()), (200, quiet)], 6).await;

    assert!(matches!(seen[5], Event::Listed), "{seen:?}");
    assert!(asked[1].contains("sendInitialEvents=true"), "{asked:?}");
    assert_eq!(began.elapsed(), SILENCE);
}
