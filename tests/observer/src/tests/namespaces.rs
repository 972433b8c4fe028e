//! Where the invariants hold: strict and covered namespaces, and changes of their labels.

use serde_json::json;

use super::run::{Run, asking};

/// How many binds were judged of pod `q`, bound at 100 s in a namespace with these labels.
fn judged(namespace: &str, labels: &serde_json::Value, pod: &serde_json::Value) -> usize {
    let mut run = Run::trusted();
    run.namespace(14_000, namespace, labels);
    run.pod(15_000, namespace, "q", "q1", pod);
    run.bind(100_000, namespace, "q", Some("q1"), "n");
    let report = run.observe();
    assert_eq!(report.violations.len(), report.counts.binds, "{report}");
    report.counts.binds
}

#[test]
fn a_namespace_is_strict_by_its_gate_or_its_requirement() {
    let (gate, require) = ("trustpool.dev/gate", "trustpool.dev/require");
    let table = [
        (json!({}), 0),
        (json!({gate: "strict"}), 1),
        (json!({gate: "open"}), 0),
        (json!({require: "trusted"}), 1),
        (json!({require: "trusted", gate: "open"}), 0),
        (json!({require: "audit"}), 0),
        (json!({require: "audit", gate: "strict"}), 1),
    ];
    for (labels, binds) in table {
        assert_eq!(judged("other", &labels, &asking()), binds, "{labels}");
    }
}

#[test]
fn a_namespace_asks_for_its_pods() {
    let asks = json!({"trustpool.dev/require": "trusted"});
    assert_eq!(judged("other", &asks, &json!({})), 1);
    let gate = json!({"trustpool.dev/gate": "strict"});
    assert_eq!(judged("other", &gate, &json!({})), 0);
}

#[test]
fn nobody_looks_at_the_labels_of_the_namespaces_that_repair_a_cluster() {
    let strict = json!({"trustpool.dev/gate": "strict"});
    for exempt in ["kube-system", "trustpool-system"] {
        assert_eq!(judged(exempt, &strict, &asking()), 0);
    }
}

#[test]
fn a_namespace_that_is_new_is_what_it_was_made() {
    let mut run = Run::trusted();
    run.namespace(99_900, "new", &json!({"trustpool.dev/gate": "strict"}));
    run.pod(99_950, "new", "q", "q1", &asking());
    run.bind(100_000, "new", "q", Some("q1"), "n");
    assert_eq!(run.observe().counts.binds, 1);
}

#[test]
fn around_a_change_of_its_labels_a_namespace_is_neither() {
    let strict = json!({"trustpool.dev/gate": "strict"});
    let (on, off) = ((json!({}), strict.clone()), (strict, json!({})));
    let table = [
        (97_989, &on, 1),
        (97_990, &on, 0),
        (102_010, &on, 0),
        (97_990, &off, 0),
        (102_010, &off, 0),
        (102_011, &off, 1),
    ];
    for (relabelled, (before, after), binds) in table {
        let mut run = Run::trusted();
        run.namespace(14_000, "other", before);
        run.namespace(relabelled, "other", after);
        run.pod(15_000, "other", "q", "q1", &asking());
        run.bind(100_000, "other", "q", Some("q1"), "n");
        assert_eq!(
            run.observe().counts.binds,
            binds,
            "{relabelled} {before} {after}"
        );
    }
}

#[test]
fn around_a_change_of_its_requirement_a_namespace_does_not_ask() {
    let mut run = Run::trusted();
    run.namespace(
        14_000,
        "other",
        &json!({"trustpool.dev/require": "trusted"}),
    );
    run.namespace(99_000, "other", &json!({"trustpool.dev/gate": "strict"}));
    run.pod(15_000, "other", "q", "q1", &json!({}));
    run.bind(100_000, "other", "q", Some("q1"), "n");
    assert_eq!(run.is_right().counts.binds, 0);
}
