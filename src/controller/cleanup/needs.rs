//! Which labels of ours a pod needs on its node for as long as it runs: a kubelet that starts asks every pod of its
//! node again what it asked when it was bound, and fails it if the node does not have that. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{NodeSelector, NodeSelectorRequirement, Pod, PodSpec};

use crate::api::keys;

/// Operators that a node without the label does not meet. It meets the others, `NotIn` and `DoesNotExist`, all the
/// more without.
const WANTING: [&str; 4] = ["Exists", "Gt", "In", "Lt"];

/// Labels of ours that somebody needs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Needs {
    /// That of trust.
    pub trust: bool,
    /// That of the pool.
    pub pool: bool,
}

impl Needs {
    /// Says whether there is one.
    pub const fn is_any(self) -> bool {
        self.trust || self.pool
    }

    /// What either needs.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            trust: self.trust || other.trust,
            pool: self.pool || other.pool,
        }
    }

    /// What `pods` need of each node that they are on.
    pub fn of_nodes(pods: &[Pod]) -> BTreeMap<String, Self> {
        let mut nodes: BTreeMap<String, Self> = BTreeMap::new();
        for (node, needs) in pods.iter().filter_map(of) {
            let known = nodes.entry(node).or_default();
            *known = known.and(needs);
        }
        nodes
    }
}

/// The node that a pod is on, and what it needs there, if it needs anything.
fn of(pod: &Pod) -> Option<(String, Needs)> {
    let spec = pod.spec.as_ref()?;
    let phase = pod.status.as_ref().and_then(|it| it.phase.as_deref());
    let over = matches!(phase, Some("Succeeded" | "Failed"));
    let needs = Needs {
        trust: wants(spec, keys::TRUST),
        pool: wants(spec, keys::POOL),
    };
    let node = spec.node_name.clone()?;
    (needs.is_any() && !over).then_some((node, needs))
}

/// Says whether a pod wants the label `key`: of several terms, one that does without may not be met by the node, so
/// one that wants it suffices.
fn wants(spec: &PodSpec, key: &str) -> bool {
    let selector = spec.node_selector.as_ref();
    let selects = selector.is_some_and(|it| it.contains_key(key));
    let wanted =
        |it: &&NodeSelectorRequirement| it.key == key && WANTING.contains(&it.operator.as_str());
    let terms = required(spec).map(|it| it.node_selector_terms.iter());
    let mut expressions = terms.into_iter().flatten();
    selects
        || expressions.any(|term| {
            term.match_expressions
                .iter()
                .flatten()
                .any(|it| wanted(&it))
        })
}

/// The affinity that counts when a kubelet starts: what is only preferred does not.
fn required(spec: &PodSpec) -> Option<&NodeSelector> {
    let affinity = spec.affinity.as_ref()?.node_affinity.as_ref()?;
    affinity
        .required_during_scheduling_ignored_during_execution
        .as_ref()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const TRUST: Needs = Needs {
        trust: true,
        pool: false,
    };
    const POOL: Needs = Needs {
        trust: false,
        pool: true,
    };

    fn pod(phase: &str, spec: &Value) -> Pod {
        let mut spec = spec.clone();
        spec["containers"] = json!([]);
        let pod = json!({"metadata": {}, "spec": spec, "status": {"phase": phase}});
        serde_json::from_value(pod).unwrap()
    }

    fn selects(key: &str) -> Value {
        json!({"nodeName": "a", "nodeSelector": {key: "x"}})
    }

    /// A pod with required affinity to each of `terms`.
    fn affine(terms: &[(&str, &str)]) -> Value {
        let term = |(key, operator): &(&str, &str)| {
            let other = json!({"key": "zone", "operator": "Exists"});
            json!({"matchExpressions": [other, {"key": key, "operator": operator}]})
        };
        let terms: Vec<Value> = terms.iter().map(term).collect();
        let required = json!({"nodeSelectorTerms": terms});
        json!({"nodeName": "a", "affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": required,
        }}})
    }

    #[test]
    fn a_pod_needs_a_label_that_it_selects_while_it_runs() {
        let preferred = json!({"weight": 1, "preference": {
            "matchExpressions": [{"key": keys::TRUST, "operator": "Exists"}],
        }});
        let prefers = json!({"nodeName": "a", "affinity": {"nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [preferred],
        }}});
        let nowhere = json!({"nodeSelector": {keys::TRUST: "trusted"}});
        let none = Needs::default();
        let table = [
            ("Running", selects(keys::TRUST), TRUST),
            ("Pending", selects(keys::TRUST), TRUST),
            ("Running", selects(keys::POOL), POOL),
            ("Succeeded", selects(keys::TRUST), none),
            ("Failed", selects(keys::TRUST), none),
            ("Running", selects("x"), none),
            ("Pending", nowhere, none),
            ("Running", json!({"nodeName": "a"}), none),
            ("Running", affine(&[(keys::TRUST, "In")]), TRUST),
            ("Running", affine(&[(keys::TRUST, "Exists")]), TRUST),
            ("Running", affine(&[(keys::POOL, "Gt")]), POOL),
            ("Running", affine(&[("x", "In"), (keys::POOL, "Lt")]), POOL),
            (
                "Running",
                affine(&[(keys::TRUST, "In"), (keys::POOL, "In")]),
                TRUST.and(POOL),
            ),
            ("Running", affine(&[(keys::TRUST, "NotIn")]), none),
            ("Running", affine(&[(keys::TRUST, "DoesNotExist")]), none),
            ("Failed", affine(&[(keys::TRUST, "In")]), none),
            ("Running", prefers, none),
        ];
        for (phase, spec, expected) in table {
            let found = Needs::of_nodes(&[pod(phase, &spec)]);
            let expected = expected.is_any().then_some(("a".to_owned(), expected));
            assert_eq!(found.into_iter().next(), expected, "{phase} {spec}");
        }
    }

    #[test]
    fn what_the_pods_of_a_node_need_adds_up() {
        let specs = [selects(keys::TRUST), selects(keys::POOL), selects("x")];
        let pods: Vec<Pod> = specs.iter().map(|spec| pod("Running", spec)).collect();
        assert_eq!(Needs::of_nodes(&pods)["a"], TRUST.and(POOL));
    }
}
