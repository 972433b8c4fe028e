//! What the policies add to a pod is what the pure function says, for pods of every kind.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use trustpool::api::keys;
use trustpool::domain::Requirement;
use trustpool::domain::requirement::{Rule, Words, additions};
use trustpool_harness::Slot;
use trustpool_harness::install::try_out;

use crate::policy::{NAMESPACES, carried, pod, policed, routes};
use crate::support::steps;

/// How many pods are tried.
const PODS: usize = 400;

/// How many at a time.
const AT_ONCE: usize = 16;

/// A pod, by what it says.
#[derive(Clone, Debug)]
struct Said {
    namespace: usize,
    annotation: Option<&'static str>,
    annotation_pool: Option<&'static str>,
    label: Option<&'static str>,
    label_pool: Option<&'static str>,
    selector: Option<&'static str>,
    selector_pool: Option<&'static str>,
    /// Whether each of the three maps has an entry of somebody else.
    others: [bool; 3],
    /// Whether each container names the resource; the last is an init container if there are several.
    containers: Vec<bool>,
}

fn said() -> impl Strategy<Value = Said> {
    let value = || {
        of(
            prop_oneof![4 => Just("trusted"), 2 => Just("audit"), 1 => select(vec!["", "yes", "Trusted"])],
        )
    };
    // A label takes fewer values than an annotation.
    let pool = || of(prop_oneof![3 => select(vec!["p", "q"]), 1 => select(vec!["", "P_x"])]);
    let any_pool =
        || of(prop_oneof![3 => select(vec!["p", "q"]), 1 => select(vec!["", "a b", "-a", "é"])]);
    let words = (value(), any_pool(), value(), pool(), value(), pool());
    (
        0..NAMESPACES.len(),
        words,
        any::<[bool; 3]>(),
        vec(prop::bool::weighted(0.2), 1..4),
    )
        .prop_map(|(namespace, words, others, containers)| Said {
            namespace,
            annotation: words.0,
            annotation_pool: words.1,
            label: words.2,
            label_pool: words.3,
            selector: words.4,
            selector_pool: words.5,
            others,
            containers,
        })
}

impl Said {
    const fn words(&self) -> Words<'static> {
        Words {
            annotation: self.annotation,
            annotation_pool: self.annotation_pool,
            label: self.label,
            label_pool: self.label_pool,
            selector: self.selector,
            selector_pool: self.selector_pool,
        }
    }

    fn rule(&self) -> Rule<'static> {
        let (_, require, pool) = NAMESPACES[self.namespace];
        Rule { require, pool }
    }

    fn pod(&self) -> Value {
        let map = |other: bool, entries: [(&str, Option<&str>); 2]| {
            let entries = entries
                .into_iter()
                .filter_map(|(key, value)| Some((key.to_owned(), json!(value?))));
            let mut map: Map<String, Value> = entries.collect();
            if other {
                map.insert("example.com/other".to_owned(), json!("stays"));
            }
            (!map.is_empty()).then_some(map)
        };
        let [annotations, labels, selector] = self.others;
        let mut containers: Vec<Value> =
            self.containers.iter().enumerate().map(container).collect();
        let init = if containers.len() > 2 {
            containers.pop()
        } else {
            None
        };
        pod(
            json!({
                "annotations": map(annotations, [(keys::REQUIRE, self.annotation), (keys::REQUIRE_POOL, self.annotation_pool)]),
                "labels": map(labels, [(keys::REQUIRE, self.label), (keys::REQUIRE_POOL, self.label_pool)]),
            }),
            json!({
                "nodeSelector": map(selector, [(keys::TRUST, self.selector), (keys::POOL, self.selector_pool)]),
                "containers": containers,
                "initContainers": init.map(|init| vec![init]),
            }),
        )
    }
}

fn container((index, named): (usize, &bool)) -> Value {
    let resources = if *named {
        json!({"limits": {keys::RESOURCE: "0"}})
    } else {
        json!({"requests": {"cpu": "1m"}})
    };
    json!({"name": format!("c{index}"), "image": "none", "resources": resources})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_added_to_a_pod_is_what_the_pure_function_says() {
    let _slot = Slot::take().await.unwrap();
    let plane = policed().await.unwrap();
    let client = plane.client().await.unwrap();
    let mut runner = TestRunner::default();
    let pods: Vec<Said> = (0..steps(PODS))
        .map(|_| said().new_tree(&mut runner).unwrap().current())
        .collect();

    let checks = pods.iter().map(|said| check(&client, said));
    let admitted: Vec<bool> = stream::iter(checks)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
        .unwrap();

    let admitted = admitted.into_iter().filter(|admitted| *admitted).count();
    assert!(admitted > PODS / 4, "{admitted} admitted");
    assert!(admitted < steps(PODS) * 3 / 4, "{admitted} admitted");
}

/// Says whether the pod was admitted, and rightly so.
async fn check(client: &Client, said: &Said) -> anyhow::Result<bool> {
    let (namespace, ..) = NAMESPACES[said.namespace];
    let expected = Expected::of(said);
    let answer = try_out::<Pod>(client, Some(namespace), said.pod()).await;
    match answer {
        Ok(pod) if expected.admitted => {
            let context = || format!("{said:?}: {:?} {:?}", carried(&pod), routes(&pod));
            anyhow::ensure!(
                carried(&pod) == expected.carried,
                "{}, expected {expected:?}",
                context()
            );
            anyhow::ensure!(
                routes(&pod) == expected.routes,
                "{}, expected {expected:?}",
                context()
            );
            let text = serde_json::to_string(&pod)?;
            let others = said.others.iter().filter(|other| **other).count();
            anyhow::ensure!(text.matches("\"stays\"").count() == others, "{}", context());
            Ok(true)
        }
        Err(error) if !expected.admitted => {
            let text = format!("{error:#}");
            anyhow::ensure!(
                text.contains("pods.trustpool.dev") || text.contains("pods-namespace"),
                "{text}"
            );
            Ok(false)
        }
        Ok(pod) => anyhow::bail!("{said:?} is admitted: {:?}", carried(&pod)),
        Err(error) => anyhow::bail!("{said:?} is refused: {error:#}"),
    }
}

/// What the pure functions say.
#[derive(Debug)]
struct Expected {
    admitted: bool,
    carried: [BTreeMap<String, String>; 3],
    routes: Vec<bool>,
}

impl Expected {
    fn of(said: &Said) -> Self {
        let (words, rule) = (said.words(), said.rule());
        let added = additions(&words, &rule);
        let after = Words {
            annotation: added.annotation.or(words.annotation),
            annotation_pool: added.annotation_pool.or(words.annotation_pool),
            label: added.label.or(words.label),
            label_pool: words.label_pool,
            selector: added.selector.or(words.selector),
            selector_pool: added.selector_pool.or(words.selector_pool),
        };
        let map = |entries: [(&str, Option<&str>); 2]| {
            let entries = entries
                .into_iter()
                .filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())));
            entries.collect()
        };
        let mut routes = said.containers.clone();
        if added.resource && !routes.contains(&true) {
            routes[0] = true;
        }
        // A label that a pod brings is never changed, so that it may contradict the rule.
        let admitted = match Requirement::under(&rule, &after) {
            Requirement::Nothing => true,
            Requirement::Trusted { .. } => after.label == Some("trusted"),
            Requirement::Unknown => false,
        };
        Self {
            admitted,
            carried: [
                map([
                    (keys::REQUIRE, after.annotation),
                    (keys::REQUIRE_POOL, after.annotation_pool),
                ]),
                map([
                    (keys::REQUIRE, after.label),
                    (keys::REQUIRE_POOL, after.label_pool),
                ]),
                map([
                    (keys::TRUST, after.selector),
                    (keys::POOL, after.selector_pool),
                ]),
            ],
            routes,
        }
    }
}
