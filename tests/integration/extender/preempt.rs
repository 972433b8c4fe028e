//! `/preempt`: nobody is evicted for a pod that the node would refuse.

use axum::http::StatusCode;
use serde_json::json;

use super::{ASKS, EACH, PLAIN, World};

#[tokio::test]
async fn refused_nodes_are_left_out_and_victims_stay_as_they_came() {
    let world = World::of(EACH);
    let kept = r#"{"Pods":[{"UID":"u1"} , {"UID":"\u0075"}],"NumPDBViolations":1, "New":null}"#;
    let maps = format!(r#"{{"failed":{kept},"trusted":{kept},"stranger":{kept}}}"#);
    let table = [
        (
            ASKS,
            format!(r#"{{"NodeNameToMetaVictims":{{"trusted":{kept}}}}}"#),
        ),
        (PLAIN, format!(r#"{{"NodeNameToMetaVictims":{maps}}}"#)),
    ];
    for (pod, expected) in table {
        let body =
            format!(r#"{{"Pod":{pod},"NodeNameToVictims":null,"NodeNameToMetaVictims":{maps}}}"#);

        let (status, given) = world.post("/preempt", body).await;

        assert_eq!(
            (status, given.as_ref()),
            (StatusCode::OK, expected.as_bytes())
        );
    }
}

#[tokio::test]
async fn whole_pods_are_answered_with_their_uids() {
    let world = World::of(EACH);
    let victims = json!({
        "Pods": [
            {"metadata": {"name": "a", "uid": "u1"}, "spec": {"containers": []}},
            {"metadata": {"name": "b", "uid": "u\"2"}},
        ],
        "NumPDBViolations": 2,
    });
    let none = json!({"Pods": null, "NumPDBViolations": 0});
    let pod: serde_json::Value = serde_json::from_str(ASKS).unwrap();
    let body = json!({
        "Pod": pod,
        "NodeNameToVictims": {"failed": victims, "trusted": victims, "trusted-too": none},
        "NodeNameToMetaVictims": null,
    });

    let given = world.ask("/preempt", body.to_string()).await;

    let expected = json!({"NodeNameToMetaVictims": {
        "trusted": {"Pods": [{"UID": "u1"}, {"UID": "u\"2"}], "NumPDBViolations": 2},
        "trusted-too": none,
    }});
    assert_eq!(given, expected);
}

#[tokio::test]
async fn with_no_node_left_the_answer_is_an_empty_map() {
    let world = World::of(EACH);
    for nodes in [r#"{"failed":{"Pods":[],"NumPDBViolations":0}}"#, "{}"] {
        let body = format!(r#"{{"Pod":{ASKS},"NodeNameToMetaVictims":{nodes}}}"#);

        let given = world.ask("/preempt", body).await;

        assert_eq!(given, json!({"NodeNameToMetaVictims": {}}));
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_a_status_for_want_of_a_field() {
    let world = World::of(EACH);
    let both = "`NodeNameToVictims` and `NodeNameToMetaVictims`";
    let table = [
        (
            "{".to_owned(),
            "cannot read the body of the request: the JSON breaks off at line 1 column 1\n"
                .to_owned(),
        ),
        (
            r#"{"NodeNameToMetaVictims":{}}"#.to_owned(),
            "cannot read the request: `Pod` is missing\n".to_owned(),
        ),
        (
            format!(r#"{{"Pod":{ASKS}}}"#),
            format!("cannot read the request: {both} are both missing\n"),
        ),
        (
            format!(r#"{{"Pod":{ASKS},"NodeNameToVictims":{{}},"NodeNameToMetaVictims":{{}}}}"#),
            format!("cannot read the request: it has both {both}\n"),
        ),
    ];
    for (body, expected) in table {
        let given = world.post("/preempt", body.clone()).await;

        assert_eq!(given, (StatusCode::BAD_REQUEST, expected.into()), "{body}");
    }
}

#[tokio::test]
async fn invariant_3_before_the_first_list_only_pods_that_ask_are_told_to_come_again() {
    let world = World::not_listed();
    let table = [
        (ASKS, StatusCode::SERVICE_UNAVAILABLE),
        (PLAIN, StatusCode::OK),
    ];
    for (pod, expected) in table {
        let body = format!(r#"{{"Pod":{pod},"NodeNameToMetaVictims":{{}}}}"#);

        let (status, _) = world.post("/preempt", body).await;

        assert_eq!(status, expected, "{pod}");
    }
}
