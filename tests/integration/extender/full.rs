//! `/filter` with whole `Nodes`.

use axum::body::Body;
use axum::http::Request;
use axum::http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;

use super::{ASKS, EACH, PLAIN, World};

/// Nodes as an informer has them, with the oddities that a byte-for-byte answer must keep.
const TRUSTED: &str = r#"{"metadata":{"name":"trusted","labels":{"a":"\u0062\/"}},"status":{"x" : 1.50, "y":"]},{[\""}}"#;
const TOO: &str = r#"{ "spec":{"metadata":{"name":"failed"}}, "metadata":{"name":"trusted-too"} }"#;
/// Says of itself that it is trusted, as any kubelet could.
const EXPIRED: &str = r#"{"metadata":{"name":"expired","labels":{"trustpool.dev.node-restriction.kubernetes.io/trust":"trusted"}}}"#;

fn request(pod: &str, items: &str) -> String {
    format!(
        r#"{{"Pod":{pod},"Nodes":{{"metadata":{{"resourceVersion":"1"}},"items":[{items}]}},"NodeNames":null}}"#
    )
}

/// The text of an answer.
fn answer(names: &str, refused: &str, items: &str) -> String {
    format!(
        "{{\"NodeNames\":[{names}],\"FailedNodes\":{{}},\"FailedAndUnresolvableNodes\":{{{refused}}},\
         \"Error\":\"\",\"Nodes\":{{\"metadata\":{{}},\"items\":[{items}]}}}}"
    )
}

#[tokio::test]
async fn kept_nodes_come_back_byte_for_byte() {
    let world = World::of(EACH);
    let expired = r#""expired":"node(s) had an expired attestation""#;
    let both = r#""trusted","trusted-too""#;
    let table = [
        (format!(" {TRUSTED} "), answer(r#""trusted""#, "", TRUSTED)),
        (
            format!("{TRUSTED} , \n{TOO}"),
            answer(both, "", &format!("{TRUSTED} , \n{TOO}")),
        ),
        (
            format!("{TRUSTED} ,{EXPIRED}, {TOO}\n"),
            answer(both, expired, &format!("{TRUSTED},{TOO}")),
        ),
        (
            format!("{EXPIRED},{TRUSTED},{TOO}"),
            answer(both, expired, &format!("{TRUSTED},{TOO}")),
        ),
        (EXPIRED.to_owned(), answer("", expired, "")),
        (String::new(), answer("", "", "")),
    ];
    for (items, expected) in table {
        let (_, given) = world.post("/filter", request(ASKS, &items)).await;
        assert_eq!(given, expected, "{items}");
    }
}

#[tokio::test]
async fn a_pod_that_does_not_ask_gets_every_node_back() {
    let world = World::not_listed();
    let items = format!("{TRUSTED},{EXPIRED},{TOO}");

    let (_, given) = world.post("/filter", request(PLAIN, &items)).await;

    assert_eq!(
        given,
        answer(r#""trusted","expired","trusted-too""#, "", &items)
    );
}

#[tokio::test]
async fn a_list_that_go_left_nil_is_empty() {
    let world = World::of(EACH);
    let body = format!(r#"{{"Pod":{ASKS},"Nodes":{{"metadata":{{}},"items":null}}}}"#);

    let (_, given) = world.post("/filter", body).await;

    assert_eq!(given, answer("", "", ""));
}

#[tokio::test]
async fn a_node_without_a_name_cannot_be_read() {
    let world = World::of(EACH);
    for nameless in ["{}", "1", r#"{"metadata":{"name":null}}"#] {
        let items = format!("{TRUSTED},{nameless}");

        let given = world.ask("/filter", request(ASKS, &items)).await;

        let expected = json!({
            "Nodes": null,
            "NodeNames": [],
            "FailedNodes": {},
            "FailedAndUnresolvableNodes": {},
            "Error": "trustpool: cannot read the request: `Nodes.items[1].metadata.name` is missing",
        });
        assert_eq!(given, expected, "{nameless}");
    }
}

#[tokio::test]
async fn nodes_that_are_not_nodes_cannot_be_read() {
    let world = World::of(EACH);
    let table = [
        (
            "1",
            "cannot read `Nodes` of the request: not what kube-scheduler sends",
        ),
        (
            r#"{"items":1}"#,
            "cannot read `Nodes.items` of the request: not what kube-scheduler sends",
        ),
        (
            r#"{"items":[{]}"#,
            "cannot read `Nodes.items[0]` of the request: not JSON",
        ),
    ];
    for (nodes, expected) in table {
        let body = format!(r#"{{"Pod":{ASKS},"Nodes":{nodes}}}"#);

        let given = world.ask("/filter", body).await;

        let sentence = given["Error"].as_str().unwrap();
        assert!(sentence.contains(expected), "{nodes}: {sentence}");
    }
}

#[tokio::test]
async fn more_than_two_mebibytes_of_nodes_are_answered_with_their_length() {
    let world = World::of(EACH);
    let padding = "x".repeat(4 << 10);
    let node = |name: &str| format!(r#"{{"metadata":{{"name":"{name}"}},"x":"{padding}"}}"#);
    let items: Vec<_> = (0..1_000)
        .map(|n| node(if n % 3 == 0 { "failed" } else { "trusted" }))
        .collect();
    let body = request(ASKS, &items.join(","));
    assert!(body.len() > 2 << 20);

    let request = Request::post("/filter").body(Body::from(body)).unwrap();
    let response = world.router.clone().oneshot(request).await.unwrap();

    let length = response
        .headers()
        .get(CONTENT_LENGTH)
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let given = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(length, given.len().to_string());
    let given: serde_json::Value = serde_json::from_slice(&given).unwrap();
    assert_eq!(given["Nodes"]["items"].as_array().unwrap().len(), 666);
    assert_eq!(given["NodeNames"].as_array().unwrap().len(), 666);
}
