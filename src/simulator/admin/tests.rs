//! The admin port without its socket.

use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::clock::Clock;
use crate::simulator::dialect::Dialect;
use crate::simulator::hosts::{Finding, Hosts};
use crate::simulator::journal::Entry;
use crate::simulator::simulation::TimeScale;

fn playing() -> Arc<Simulation> {
    Arc::new(Simulation::new(
        None,
        Clock::system(),
        Dialect::V2.speech(),
        Hosts::default(),
        TimeScale::default(),
    ))
}

/// Status and body; a body that is not JSON is a JSON string.
async fn ask(simulation: &Arc<Simulation>, what: &str, body: &str) -> (u16, Value) {
    let (method, uri) = what.split_once(' ').unwrap();
    let request = Request::builder().method(method).uri(uri);
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let response: Response<Body> = router(Arc::clone(simulation))
        .oneshot(request)
        .await
        .unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

#[tokio::test]
async fn hosts_are_set_changed_listed_and_removed() {
    let simulation = playing();
    let steps = [
        (
            "PUT /hosts/b",
            r#"{"verdict":"trusted"}"#,
            200,
            json!({"name": "b", "verdict": "trusted", "delay": "0s"}),
        ),
        (
            "PUT /hosts/b",
            r#"{"verdict":"hang","delay":"1500ms"}"#,
            200,
            json!({"name": "b", "verdict": "hang", "delay": "1s500ms"}),
        ),
        (
            "PUT /hosts/a%20c",
            r#"{"verdict":"untrusted","delay":"0s"}"#,
            200,
            json!({"name": "a c", "verdict": "untrusted", "delay": "0s"}),
        ),
        (
            "GET /hosts",
            "",
            200,
            json!({"hosts": [
                {"name": "a c", "verdict": "untrusted", "delay": "0s"},
                {"name": "b", "verdict": "hang", "delay": "1s500ms"},
            ]}),
        ),
        ("DELETE /hosts/b", "", 204, json!("")),
        ("DELETE /hosts/b", "", 404, json!("host `b` is not played")),
        (
            "GET /hosts",
            "",
            200,
            json!({"hosts": [{"name": "a c", "verdict": "untrusted", "delay": "0s"}]}),
        ),
    ];
    for (what, body, status, expected) in steps {
        assert_eq!(
            ask(&simulation, what, body).await,
            (status, expected),
            "{what} {body}"
        );
    }
    let rule = simulation.with_hosts(|hosts| hosts.rule(&"a c".parse().unwrap()));
    assert_eq!(rule.verdict, Finding::Untrusted);
}

#[tokio::test]
async fn a_fault_is_set_and_shown() {
    let simulation = playing();
    let steps = [
        ("GET /fault", "", json!({"kind": "none"})),
        (
            "PUT /fault",
            r#"{"kind":"status"}"#,
            json!({"kind": "status", "status": 503}),
        ),
        ("GET /fault", "", json!({"kind": "status", "status": 503})),
        (
            "PUT /fault",
            r#"{"kind":"truncate","status":503}"#,
            json!({"kind": "truncate"}),
        ),
        ("PUT /fault", r#"{"kind":"none"}"#, json!({"kind": "none"})),
    ];
    for (what, body, expected) in steps {
        assert_eq!(
            ask(&simulation, what, body).await,
            (200, expected),
            "{what} {body}"
        );
    }
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_field_and_value_and_changes_nothing() {
    let simulation = playing();
    let cases = [
        (
            "PUT /hosts/a",
            r#"{"verdict":"maybe"}"#,
            &["field `verdict`", "`maybe`"][..],
        ),
        (
            "PUT /hosts/a",
            r#"{"delay":"1s"}"#,
            &["missing field `verdict`"],
        ),
        (
            "PUT /hosts/a",
            r#"{"verdict":"trusted","delay":"-1s"}"#,
            &["field `delay`", "`-1s` is negative"],
        ),
        (
            "PUT /hosts/a",
            r#"{"verdict":"trusted","delay":7}"#,
            &["field `delay`", "`7`"],
        ),
        (
            "PUT /hosts/a",
            r#"{"verdict":"trusted","dealy":"1s"}"#,
            &["`dealy`"],
        ),
        ("PUT /hosts/a", r#"{"verdict":"trusted"} x"#, &["trailing"]),
        ("PUT /hosts/a", "", &["EOF"]),
        (
            "PUT /fault",
            r#"{"kind":"flood"}"#,
            &["field `kind`", "`flood`"],
        ),
        (
            "PUT /fault",
            r#"{"kind":"status","status":42}"#,
            &["field `status`", "`42`"],
        ),
        (
            "PUT /fault",
            r#"{"kind":"status","status":"x"}"#,
            &["field `status`", "\"x\""],
        ),
        ("GET /requests?since=-1", "", &["`since`", "`-1`"]),
        ("GET /requests?from=1", "", &["`from`"]),
    ];
    for (what, body, expected) in cases {
        let (status, sentence) = ask(&simulation, what, body).await;

        let sentence = sentence.as_str().unwrap();
        assert_eq!(status, 400, "{what} {body}: {sentence}");
        for part in expected {
            assert!(sentence.contains(part), "{what} {body}: {sentence}");
        }
    }
    assert_eq!(
        ask(&simulation, "GET /hosts", "").await.1,
        json!({"hosts": []})
    );
    assert_eq!(
        ask(&simulation, "GET /fault", "").await.1,
        json!({"kind": "none"})
    );
}

#[tokio::test]
async fn the_rest_is_refused_by_status() {
    for (what, expected) in [
        ("GET /livez", 200),
        ("GET /", 404),
        ("PUT /hosts/", 404),
        ("POST /fault", 405),
    ] {
        assert_eq!(ask(&playing(), what, "").await.0, expected, "{what}");
    }
    let large = " ".repeat(LARGEST + 1);
    assert_eq!(ask(&playing(), "PUT /fault", &large).await.0, 413);
}

#[tokio::test]
async fn requests_are_listed_from_a_number_on() {
    let simulation = playing();
    let entry: Entry = serde_json::from_value(json!({
        "seq": 0, "asked": "2026-01-02T03:04:05.678901Z", "answered": null,
        "peer": "[::1]:9", "method": "GET", "path": "/", "headers": [], "hosts": [],
        "fault": "none", "status": null,
    }))
    .unwrap();
    simulation.journal.open(entry.clone());
    simulation.journal.open(entry);

    let (status, page) = ask(&simulation, "GET /requests?since=1", "").await;

    let expected = json!({
        "dropped": 0,
        "last": 2,
        "requests": [{
            "seq": 2, "asked": "2026-01-02T03:04:05.678901Z", "answered": null,
            "peer": "[::1]:9", "method": "GET", "path": "/", "headers": [], "hosts": [],
            "fault": "none", "status": null,
        }],
    });
    assert_eq!((status, page), (200, expected));
    let (_, all) = ask(&simulation, "GET /requests", "").await;
    assert_eq!(all["requests"].as_array().unwrap().len(), 2);
}
