//! `/filter` with `NodeNames`, which is how kube-scheduler should be told to ask.

use std::time::Duration;

use axum::http::StatusCode;
use jiff::SignedDuration;
use prometheus_client::encoding::text::encode;
use serde_json::{Value, json};
use trustpool::store::SILENCE;

use super::{ASKS, EACH, Known, PLAIN, World};

fn request(pod: &str, names: &[&str]) -> String {
    let names = serde_json::to_string(names).unwrap();
    format!(r#"{{"Pod":{pod},"Nodes":null,"NodeNames":{names}}}"#)
}

fn answer(names: &[&str], refused: &Value) -> Value {
    json!({
        "Nodes": null,
        "NodeNames": names,
        "FailedNodes": {},
        "FailedAndUnresolvableNodes": refused,
        "Error": "",
    })
}

#[tokio::test]
async fn every_refused_node_is_listed_with_its_sentence() {
    let world = World::of(EACH);
    let names: Vec<_> = EACH
        .iter()
        .map(|(name, _)| *name)
        .chain(["stranger"])
        .collect();

    let given = world.ask("/filter", request(ASKS, &names)).await;

    let refused = json!({
        "distrusted": "node(s) were distrusted by an administrator",
        "expired": "node(s) had an expired attestation",
        "failed": "node(s) failed attestation",
        "never": "node(s) were never attested",
        "nowhere": "node(s) were in no trust pool",
        "rebooted": "node(s) were rebooted or re-created after attestation",
        "stranger": "node(s) were never attested",
    });
    assert_eq!(given, answer(&["trusted", "trusted-too"], &refused));
}

#[tokio::test]
async fn a_pool_that_is_named_is_the_only_one_that_will_do() {
    let world = World::of(EACH);
    let pod = r#"{"metadata":{"annotations":{"trustpool.dev/require":"trusted","trustpool.dev/pool":"q"}}}"#;

    let given = world
        .ask("/filter", request(pod, &["trusted", "trusted-too"]))
        .await;

    let refused = json!({"trusted": "node(s) were in another trust pool"});
    assert_eq!(given, answer(&["trusted-too"], &refused));
}

#[tokio::test]
async fn an_unknown_value_fits_no_node() {
    let world = World::of(EACH);
    let pod = r#"{"metadata":{"labels":{"trustpool.dev/require":"yes"}}}"#;

    let given = world.ask("/filter", request(pod, &["trusted"])).await;

    let refused = json!({"trusted": "pod asks for trust with an unknown value"});
    assert_eq!(given, answer(&[], &refused));
}

#[tokio::test]
async fn a_pod_that_does_not_ask_gets_every_node_back_in_its_order() {
    let world = World::of(EACH);
    let names = ["stranger", "failed", "expired", "trusted"];

    let given = world.ask("/filter", request(PLAIN, &names)).await;

    assert_eq!(given, answer(&names, &json!({})));
}

#[tokio::test]
async fn node_names_are_never_null() {
    let world = World::of(EACH);
    let refused = json!({"failed": "node(s) failed attestation"});
    for (names, expected) in [
        (&["failed"][..], answer(&[], &refused)),
        (&[], answer(&[], &json!({}))),
    ] {
        assert_eq!(world.ask("/filter", request(ASKS, names)).await, expected);
    }
}

#[tokio::test]
async fn a_name_sent_twice_is_answered_twice() {
    let world = World::of(EACH);
    let names = ["trusted", "failed", "trusted", "failed"];

    let given = world.ask("/filter", request(ASKS, &names)).await;

    let refused = json!({"failed": "node(s) failed attestation"});
    assert_eq!(given, answer(&["trusted", "trusted"], &refused));
}

#[tokio::test]
async fn a_verdict_stops_counting_by_the_clock() {
    let world = World::of(EACH);
    let request = request(ASKS, &["trusted"]);
    assert_eq!(
        world.ask("/filter", request.clone()).await,
        answer(&["trusted"], &json!({}))
    );

    world.clock.shift(SignedDuration::from_hours(1));

    let refused = json!({"trusted": "node(s) had an expired attestation"});
    assert_eq!(world.ask("/filter", request).await, answer(&[], &refused));
}

#[tokio::test(start_paused = true)]
async fn invariant_3_while_stale_only_pods_that_ask_are_told_to_come_again() {
    let stale = World::of(EACH);
    tokio::time::advance(SILENCE).await;
    let fresh = World::of(EACH);
    tokio::time::advance(SILENCE - Duration::from_millis(1)).await;
    let names = ["trusted"];
    let table = [
        (
            &World::not_listed(),
            "the watch of Nodes has not listed yet",
        ),
        (&stale, "the watch of Nodes has been silent for 179 s"),
    ];
    for (world, why) in table {
        let (status, text) = world.post("/filter", request(ASKS, &names)).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            text,
            format!("no pod that asks for trust can be answered now: {why}\n")
        );

        let given = world.ask("/filter", request(PLAIN, &names)).await;
        assert_eq!(given, answer(&names, &json!({})));
    }
    let given = fresh.ask("/filter", request(ASKS, &names)).await;
    assert_eq!(given, answer(&names, &json!({})));
}

#[tokio::test]
async fn unknown_fields_whitespace_order_and_escapes_are_all_one() {
    let world = World::of([
        ("a", Known::Trusted("p")),
        ("q\"\\é\n", Known::Trusted("p")),
    ]);
    let body = r#" { "NodeNames" : [ "\u0061" , "q\"\\\u00e9\n" , "b\u0000" ] , "New": [{"x":[]}],
        "Pod" : {"kind":"Pod","status":{"phase":"Pending"},"spec":{"nodeSelector":
        {"trustpool.dev.node-restriction.kubernetes.io\/trust":"trusted","z":"y"}, "x":null}} } "#;

    let given = world.ask("/filter", body).await;

    let refused = json!({"b\u{0}": "node(s) were never attested"});
    assert_eq!(given, answer(&["a", "q\"\\é\n"], &refused));
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_never_quoted() {
    let world = World::of(EACH);
    let table: [(&[u8], &str); 11] = [
        (b"", "cannot read the body of the request: the JSON breaks off at line 1 column 0"),
        (b"1", "cannot read the body of the request: not what kube-scheduler sends at line 1 column 1"),
        (b"{}", "cannot read the request: `Pod` is missing"),
        (b"{\"Pod\":\xff}", "cannot read the request: not UTF-8 at byte 7"),
        (br#"{"Pod":null,"NodeNames":[]}"#, "cannot read the request: `Pod` is missing"),
        (br#"{"Pod":{}}"#, "cannot read the request: `Nodes` and `NodeNames` are both missing"),
        (
            br#"{"Pod":{},"Nodes":null,"NodeNames":null}"#,
            "cannot read the request: `Nodes` and `NodeNames` are both missing",
        ),
        (
            br#"{"Pod":{},"Nodes":{"items":[]},"NodeNames":[]}"#,
            "cannot read the request: it has both `Nodes` and `NodeNames`",
        ),
        (
            br#"{"Pod":{"metadata":{"labels":{"trustpool.dev/require":["secret"]}}},"NodeNames":[]}"#,
            "cannot read `Pod.metadata.labels.trustpool.dev/require` of the request: not what \
             kube-scheduler sends at line 1 column 54",
        ),
        (
            br#"{"Pod":{},"NodeNames":["a",{"secret":1}]}"#,
            "cannot read `NodeNames[1]` of the request: not what kube-scheduler sends at line 1 column 27",
        ),
        (
            br#"{"Pod":{},"NodeNames":["a"]}{"#,
            "cannot read the body of the request: not JSON at line 1 column 29",
        ),
    ];
    for (body, sentence) in table {
        let mut expected = answer(&[], &json!({}));
        expected["Error"] = json!(format!("trustpool: {sentence}"));
        assert_eq!(world.ask("/filter", body).await, expected, "{body:?}");
    }
}

#[tokio::test]
async fn names_may_have_two_mebibytes_and_not_a_byte_more() {
    let world = World::of(EACH);
    let empty = request(ASKS, &["trusted", ""]).len();
    let filled = |length: usize| request(ASKS, &["trusted", &"x".repeat(length - empty)]);

    let given = world.ask("/filter", filled(2 << 20)).await;
    assert_eq!(given["NodeNames"], json!(["trusted"]));

    let given = world.ask("/filter", filled((2 << 20) + 1)).await;
    let mut expected = answer(&[], &json!({}));
    expected["Error"] =
        json!("trustpool: a request with `NodeNames` may have 2097152 bytes at most");
    assert_eq!(given, expected);
}

#[tokio::test]
async fn so_many_names_that_no_cluster_has_them_are_not_read() {
    let world = World::of(EACH);
    let ask = async |count| {
        world
            .ask("/filter", request(ASKS, &vec!["trusted"; count]))
            .await
    };

    assert_eq!(ask(50_000).await["Error"], json!(""));
    let sentence = ask(50_001).await["Error"].to_string();
    assert!(
        sentence.contains("cannot read `NodeNames` of the request"),
        "{sentence}"
    );
}

#[tokio::test]
async fn only_posts_to_the_two_paths_are_answered() {
    let world = World::of(EACH);

    let (status, _) = world.post("/prioritize", "{}").await;

    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn answers_and_refusals_are_counted() {
    let world = World::of(EACH);
    world
        .ask(
            "/filter",
            request(ASKS, &["failed", "never", "stranger", "trusted"]),
        )
        .await;
    world.ask("/filter", request(PLAIN, &["failed"])).await;

    let mut text = String::new();
    encode(&mut text, &world.registry).unwrap();

    for line in [
        "trustpool_filter_duration_seconds_count{mode=\"names\"} 2",
        "trustpool_filter_duration_seconds_count{mode=\"full\"} 0",
        "trustpool_filter_refusals_total{reason=\"failed\"} 1",
        "trustpool_filter_refusals_total{reason=\"never_attested\"} 2",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
    }
}
