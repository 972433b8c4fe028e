//! The service port without its socket: the contract's fixtures, delays, faults, the secret, and
//! what the journal shows of them.

use std::pin::pin;

use axum::http::{HeaderName, Method};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::clock::Clock;
use crate::simulator::auth::Auth;
use crate::simulator::dialect::Dialect;
use crate::simulator::fault::Kind;

const POLL: &str = "/AttestationService/resources/PollHosts";
const FIXTURES: &str = include_str!("../../../tests/fixtures/openattestation_2x.json");
const HOUR: Duration = Duration::from_hours(1);

/// Three hosts, of which one hangs; any other is unknown.
const HOSTS: &str = "
- {name: node1, verdict: trusted}
- {name: node3, verdict: untrusted, delay: 2s}
- {name: stuck, verdict: hang}
";

fn playing(auth: Option<Auth>, scale: &str) -> Arc<Simulation> {
    Arc::new(Simulation::new(
        auth,
        Clock::system(),
        Dialect::V2.speech(),
        HOSTS.parse().unwrap(),
        scale.parse().unwrap(),
    ))
}

fn poll(body: &Value) -> Request<Body> {
    request(
        "POST",
        POLL,
        &[("content-type", "application/json")],
        body.to_string(),
    )
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: String) -> Request<Body> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body)).unwrap()
}

async fn send(
    simulation: &Arc<Simulation>,
    request: Request<Body>,
) -> Result<Response<Body>, Severed> {
    let peer = ([192, 0, 2, 7], 4711).into();
    Port::new(Arc::clone(simulation), peer)
        .oneshot(request)
        .await
}

/// Status, content type, and body.
async fn plain(response: Response<Body>) -> (u16, String, String) {
    let kind = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, kind, String::from_utf8(body.to_vec()).unwrap())
}

fn newest(simulation: &Simulation) -> Entry {
    let page = simulation.journal.page(0);
    Entry::clone(page.requests.last().unwrap())
}

/// The newest entry's hosts, and the verdicts answered about them.
fn answered(simulation: &Simulation) -> Vec<(String, Option<Verdict>)> {
    let hosts = newest(simulation).hosts.into_iter();
    hosts
        .map(|asked| (asked.name.into(), asked.verdict))
        .collect()
}

#[tokio::test]
async fn the_contracts_fixtures_are_answered_to_the_letter() {
    let fixtures: Vec<Value> = serde_json::from_str(FIXTURES).unwrap();
    for fixture in fixtures {
        let simulation = playing(None, "1");
        let (id, ask, expected) = (&fixture["id"], &fixture["request"], &fixture["response"]);
        let method = ask["method"].as_str().unwrap();
        let body = ask["body"].is_object().then(|| ask["body"].to_string());
        let json = [("content-type", "application/json")];
        let path = ask["path"].as_str().unwrap();
        let ask = request(method, path, &json, body.unwrap_or_default());

        let (status, kind, body) = plain(send(&simulation, ask).await.unwrap()).await;

        assert_eq!(status, expected["status"], "{id}");
        assert_eq!(kind, expected["content_type"], "{id}");
        if expected["body_raw"].is_string() {
            assert_eq!(body, expected["body_raw"], "{id}");
            continue;
        }
        // The fixture was captured at another time.
        let asked = newest(&simulation)
            .asked
            .strftime("%Y-%m-%dT%H:%M:%S%.3f+0000")
            .to_string();
        let mut expected = expected["body"].clone();
        for host in expected
            .get_mut("hosts")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            host["vtime"] = asked.clone().into();
        }
        assert_eq!(
            serde_json::from_str::<Value>(&body).unwrap(),
            expected,
            "{id}"
        );
    }
}

#[tokio::test]
async fn an_answer_carries_no_location() {
    let simulation = playing(None, "1");

    let response = send(&simulation, poll(&json!({"hosts": ["node1"]})))
        .await
        .unwrap();

    let mut names: Vec<_> = response.headers().keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "content-type"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_takes_as_long_as_its_slowest_host() {
    for (hosts, scale, expected) in [
        (["node1", "ghost"], "1", Duration::ZERO),
        (["node1", "node3"], "1", Duration::from_secs(2)),
        (["node3", "node1"], "0.5", Duration::from_secs(1)),
        (["node3", "node3"], "0", Duration::ZERO),
    ] {
        let simulation = playing(None, scale);

        send(&simulation, poll(&json!({"hosts": hosts})))
            .await
            .unwrap();

        assert_eq!(
            simulation.clock.uptime().as_secs(),
            expected.as_secs(),
            "{hosts:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_says_what_was_so_when_it_was_asked() {
    let simulation = playing(None, "1");
    let ask = poll(&json!({"hosts": ["node1", "node3", "node1"]}));
    let mut waiting = pin!(send(&simulation, ask));
    let early = time::timeout(Duration::from_secs(1), &mut waiting).await;
    assert!(early.is_err());
    assert_eq!(
        (newest(&simulation).answered, newest(&simulation).status),
        (None, None)
    );

    simulation
        .set_host(
            "node1".parse().unwrap(),
            Hosts::default().rule(&"x".parse().unwrap()),
        )
        .unwrap();
    let (status, _, _) = plain(waiting.await.unwrap()).await;

    let expected = [
        ("node1".to_owned(), Some(Verdict::Trusted)),
        ("node3".to_owned(), Some(Verdict::Untrusted)),
        ("node1".to_owned(), Some(Verdict::Trusted)),
    ];
    assert_eq!((status, answered(&simulation)), (200, expected.to_vec()));
    assert!(newest(&simulation).answered.is_some());
}

#[tokio::test(start_paused = true)]
async fn one_hanging_host_silences_its_batch_and_no_other() {
    let simulation = playing(None, "1");
    let stuck = send(&simulation, poll(&json!({"hosts": ["node1", "stuck"]})));

    assert!(time::timeout(HOUR, stuck).await.is_err());

    let expected = [("node1".to_owned(), None), ("stuck".to_owned(), None)];
    assert_eq!(answered(&simulation), expected);
    assert_eq!(newest(&simulation).answered, None);
    let other = send(&simulation, poll(&json!({"hosts": ["node1"]})))
        .await
        .unwrap();
    assert_eq!(other.status(), 200);
}

#[tokio::test]
async fn who_lacks_the_secret_is_refused_before_anything_else_and_it_is_never_shown() {
    let secret = Auth::new(HeaderName::from_static("x-auth-blob"), "canary").unwrap();
    let simulation = playing(Some(secret), "1");
    let json = ("content-type", "application/json");
    let refused = r#"{"error_code":"401","error_message":"Unauthorized"}"#;
    let cases = [
        (POLL, &[json, ("x-auth-blob", "canary")][..], 200),
        (POLL, &[json, ("x-auth-blob", "wrong")], 401),
        (POLL, &[json, ("auth_blob", "canary")], 401),
        (POLL, &[], 401),
        ("/nowhere?blob=canary", &[json], 401),
    ];
    for (path, headers, expected) in cases {
        let ask = request("POST", path, headers, r#"{"hosts":["node1"]}"#.to_owned());

        let (status, _, body) = plain(send(&simulation, ask).await.unwrap()).await;

        assert_eq!(status, expected, "{path} {headers:?}");
        assert_eq!(body == refused, status == 401, "{path} {headers:?}: {body}");
    }
    let journal = serde_json::to_value(simulation.journal.page(0)).unwrap();
    assert!(!journal.to_string().contains("canary"), "{journal}");
    let secret = json!({"name": "x-auth-blob", "length": 6, "matched": true});
    assert_eq!(journal["requests"][0]["headers"][1], secret);
    assert_eq!(journal["requests"][0]["hosts"][0]["verdict"], "trusted");
    assert_eq!(journal["requests"][1]["headers"][1]["matched"], false);
    assert_eq!(journal["requests"][1]["hosts"][0]["verdict"], Value::Null);
    assert_eq!(journal["requests"][4]["path"], "/nowhere?blob=[auth blob]");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read() {
    let simulation = playing(None, "1");
    let mut ask = poll(&json!({"hosts": []}));
    *ask.body_mut() = Body::from(vec![b' '; LARGEST + 1]);

    let response = send(&simulation, ask).await.unwrap();

    assert_eq!(response.status(), 413);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_cut_off() {
    let simulation = playing(None, "1");
    let mut ask = poll(&json!({}));
    *ask.body_mut() = Body::from_stream(futures::stream::pending::<Result<Bytes, BoxError>>());

    assert_eq!(send(&simulation, ask).await.unwrap_err(), Severed);

    assert_eq!(simulation.clock.uptime().as_secs(), SLOWEST.as_secs());
}

#[tokio::test]
async fn a_request_is_on_record_with_all_that_was_sent() {
    let simulation = playing(None, "1");
    let headers = [("content-type", "application/json"), ("user-agent", "nova")];
    let ask = request("POST", POLL, &headers, r#"{"hosts":["ghost"]}"#.to_owned());

    send(&simulation, ask).await.unwrap();

    let mut entry = newest(&simulation);
    assert!(entry.answered.take().unwrap() >= entry.asked);
    let expected = json!({
        "seq": 1,
        "asked": entry.asked,
        "answered": null,
        "peer": "192.0.2.7:4711",
        "method": "POST",
        "path": POLL,
        "headers": [
            {"name": "content-type", "value": "application/json"},
            {"name": "user-agent", "value": "nova"},
        ],
        "hosts": [{"name": "ghost", "verdict": "unknown"}],
        "fault": "none",
        "status": 200,
    });
    assert_eq!(serde_json::to_value(entry).unwrap(), expected);
}

#[tokio::test]
async fn a_fault_with_an_answer_answers_at_once_and_gives_no_verdict() {
    let failure = r#"{"error_code":"SYSTEM_ERROR","error_message":"System error: simulated"}"#;
    let teapot = StatusCode::IM_A_TEAPOT;
    for (fault, status, kind, body) in [
        (Fault::Status(teapot), 418, "application/json", failure),
        (
            Fault::Garbage,
            200,
            "text/html",
            "<html><body>It works!</body></html>",
        ),
    ] {
        let simulation = playing(None, "1");
        simulation.set_fault(fault);

        let answer = send(&simulation, poll(&json!({"hosts": ["node1", "stuck"]}))).await;

        let expected = (status, kind.to_owned(), body.to_owned());
        assert_eq!(plain(answer.unwrap()).await, expected);
        let entry = newest(&simulation);
        assert_eq!((entry.status, entry.fault), (Some(status), fault.kind()));
        assert!(
            answered(&simulation)
                .iter()
                .all(|(_, verdict)| verdict.is_none())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_without_an_answer_gives_none() {
    let simulation = playing(None, "1");
    simulation.set_fault(Fault::Hang);
    let hanging = send(&simulation, poll(&json!({"hosts": ["node1"]})));
    assert!(time::timeout(HOUR, hanging).await.is_err());
    assert_eq!(
        (newest(&simulation).fault, newest(&simulation).answered),
        (Kind::Hang, None)
    );

    simulation.set_fault(Fault::Down);
    let severed = send(&simulation, poll(&json!({"hosts": ["node1"]}))).await;
    assert_eq!(severed.unwrap_err(), Severed);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_goes_down_takes_along_what_hangs() {
    let simulation = playing(None, "1");
    let hanging = send(&simulation, poll(&json!({"hosts": ["stuck"]})));

    let (ended, ()) = tokio::join!(time::timeout(HOUR, hanging), async {
        tokio::task::yield_now().await;
        simulation.set_fault(Fault::Down);
    });

    assert_eq!(ended.unwrap().unwrap_err(), Severed);
    assert_eq!(newest(&simulation).answered, None);
}

#[tokio::test]
async fn a_truncated_answer_declares_what_it_does_not_send() {
    let simulation = playing(None, "1");
    simulation.set_fault(Fault::Truncate);

    let response = send(&simulation, poll(&json!({"hosts": ["node1"]})))
        .await
        .unwrap();

    let declared: usize = response.headers()["content-length"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let mut body = response.into_body();
    let half = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(half.len(), declared / 2);
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(newest(&simulation).fault, Kind::Truncate);
}
