//! The filter's answer against a slow and obvious one, made of JSON values, for any request.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use tokio::runtime::Builder;

use super::{Known, World};

const NAMES: [&str; 8] = [
    "a",
    "b",
    "c",
    "node-1.example",
    "q\"uote",
    "back\\slash",
    "é\u{1}",
    "",
];
const TRUST: &str = "trustpool.dev.node-restriction.kubernetes.io/trust";
const POOL: &str = "trustpool.dev.node-restriction.kubernetes.io/pool";

/// How a request is written.
#[derive(Clone, Copy, Debug)]
enum Hand {
    Compact,
    Spaced,
}

fn known() -> impl Strategy<Value = Known> {
    select(vec![
        Known::Distrusted,
        Known::Expired,
        Known::Failed,
        Known::NeverAttested,
        Known::NotInPool,
        Known::Rebooted,
        Known::Trusted("p"),
        Known::Trusted("p"),
        Known::Trusted("q"),
    ])
}

/// Labels or annotations, or a selector: some of ours, some of others.
fn strings() -> impl Strategy<Value = Value> {
    let ours = vec![
        "trustpool.dev/require",
        "trustpool.dev/pool",
        TRUST,
        POOL,
        "app",
    ];
    let values = vec!["trusted", "trusted", "trusted", "audit", "p", "p", "q", "x"];
    btree_map(select(ours), select(values), 0..3).prop_map(|map| json!(map))
}

fn pod() -> impl Strategy<Value = Value> {
    let part = || option::of(strings());
    (part(), part(), part()).prop_map(|(annotations, labels, selector)| {
        json!({
            "metadata": {"annotations": annotations, "labels": labels, "name": "pod"},
            "spec": {"nodeSelector": selector, "containers": [{"name": "c", "env": []}]},
            "status": {"phase": "Pending"},
        })
    })
}

fn node() -> impl Strategy<Value = Value> {
    (select(NAMES.to_vec()), strings(), any::<bool>()).prop_map(|(name, labels, first)| {
        let metadata = json!({"labels": labels, "name": name, "uid": "u"});
        let other = json!({"metadata": {"name": "a"}, "images": [{"names": ["]}", "\"[{\\"]}]});
        if first {
            json!({"metadata": metadata, "spec": other})
        } else {
            json!({"a": other, "metadata": metadata})
        }
    })
}

fn candidates() -> impl Strategy<Value = (Value, Value)> {
    let names = vec(select(NAMES.to_vec()), 0..12).prop_map(|names| (Value::Null, json!(names)));
    let nodes =
        vec(node(), 0..12).prop_map(|items| (json!({"metadata": {}, "items": items}), Value::Null));
    prop_oneof![names, nodes]
}

/// Where the selector, annotation and label of `pod` are, in this order, and what they say.
fn words<'a>(pod: &'a Value, selector: &str, other: &str) -> [Option<&'a str>; 3] {
    [
        pod["spec"]["nodeSelector"][selector].as_str(),
        pod["metadata"]["annotations"][other].as_str(),
        pod["metadata"]["labels"][other].as_str(),
    ]
}

/// Why `pod` may not run on a node of which `known` is known, if so.
fn refusal(pod: &Value, known: Option<&Known>) -> Option<&'static str> {
    let asks = words(pod, TRUST, "trustpool.dev/require");
    let pools = words(pod, POOL, "trustpool.dev/pool");
    let says: Vec<_> = asks.into_iter().flatten().collect();
    let pools: Vec<_> = pools.into_iter().flatten().collect();
    if asks[0].is_none() && says.iter().all(|value| *value == "audit") {
        return None;
    }
    if says.iter().any(|value| *value != "trusted") || pools.windows(2).any(|two| two[0] != two[1])
    {
        return Some("pod asks for trust with an unknown value");
    }
    match known {
        None | Some(Known::NeverAttested) => Some("node(s) were never attested"),
        Some(Known::Distrusted) => Some("node(s) were distrusted by an administrator"),
        Some(Known::Expired) => Some("node(s) had an expired attestation"),
        Some(Known::Failed) => Some("node(s) failed attestation"),
        Some(Known::NotInPool) => Some("node(s) were in no trust pool"),
        Some(Known::Rebooted) => Some("node(s) were rebooted or re-created after attestation"),
        Some(Known::Trusted(pool)) => pools
            .first()
            .is_some_and(|only| only != pool)
            .then_some("node(s) were in another trust pool"),
    }
}

/// The answer that `request` should get.
fn model(cluster: &[(&str, Known)], request: &Value) -> Value {
    let known = |name: &str| {
        cluster
            .iter()
            .find(|(other, _)| *other == name)
            .map(|(_, known)| known)
    };
    let judge = |name: &Value| refusal(&request["Pod"], known(name.as_str().unwrap()));
    let items = request["Nodes"]["items"].as_array();
    let names: Vec<Value> = match items {
        Some(items) => items
            .iter()
            .map(|item| item["metadata"]["name"].clone())
            .collect(),
        None => request["NodeNames"].as_array().unwrap().clone(),
    };
    let refused: Map<String, Value> = names
        .iter()
        .filter_map(|name| Some((name.as_str().unwrap().to_owned(), json!(judge(name)?))))
        .collect();
    let fits = |name: &Value| judge(name).is_none();
    let nodes = items.map(|items| {
        let kept: Vec<_> = items
            .iter()
            .filter(|item| fits(&item["metadata"]["name"]))
            .collect();
        json!({"metadata": {}, "items": kept})
    });
    json!({
        "Nodes": nodes,
        "NodeNames": names.into_iter().filter(fits).collect::<Vec<_>>(),
        "FailedNodes": {},
        "FailedAndUnresolvableNodes": refused,
        "Error": "",
    })
}

proptest! {
    #[test]
    fn every_answer_is_that_of_the_obvious_filter(
        states in vec(option::of(known()), NAMES.len()),
        pod in pod(),
        (nodes, names) in candidates(),
        hand in select(vec![Hand::Compact, Hand::Spaced]),
    ) {
        let cluster: Vec<_> = NAMES
            .into_iter()
            .zip(states)
            .filter_map(|(name, state)| Some((name, state?)))
            .collect();
        let request = json!({"Pod": pod, "Nodes": nodes, "NodeNames": names, "Later": [1]});
        let body = match hand {
            Hand::Compact => request.to_string(),
            Hand::Spaced => serde_json::to_string_pretty(&request).unwrap(),
        };
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();

        let given = runtime.block_on(World::of(cluster.clone()).ask("/filter", body));

        prop_assert_eq!(given, model(&cluster, &request));
    }
}
