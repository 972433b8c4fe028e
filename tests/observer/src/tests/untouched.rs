//! Invariant 3: who does not ask.

use serde_json::{Value, json};

use super::run::{ADMIN, OURS, Run, asking};
use crate::Invariant::Untouched;

const REFUSAL: &str = "ValidatingAdmissionPolicy 'pods.trustpool.dev' denied request";

/// A run in which plain pod `q` is created at 15 s.
fn plain(namespace: &str) -> Run {
    let mut run = Run::trusted();
    run.pod(15_000, namespace, "q", "q1", &json!({}));
    run
}

/// Makes the last request one that was refused.
fn refuse(run: &mut Run, message: &str) {
    let line = run.lines.last_mut().unwrap();
    line["responseStatus"] = json!({"code": 422, "message": message});
    line["responseObject"] = json!({"kind": "Status", "message": message});
}

/// Lets a user do something to pod `q`.
fn touch(run: &mut Run, user: &str, what: [&str; 2], namespace: &str) {
    let reference = json!({"namespace": namespace, "name": "q"});
    run.write(
        20_000,
        user,
        what,
        reference,
        [Value::Null, json!({"kind": "Pod"})],
    );
}

#[test]
fn a_plain_pod_that_is_stored_and_bound_is_right() {
    let mut run = plain("default");
    run.bind(16_000, "default", "q", Some("q1"), "n");
    let counts = run.is_right().counts;
    assert_eq!(
        (counts.plain_pods, counts.plain_binds, counts.binds),
        (1, 1, 0)
    );
}

#[test]
fn a_plain_pod_that_is_refused_is_wrong() {
    let mut run = plain("default");
    refuse(&mut run, REFUSAL);
    run.is_wrong(
        Untouched,
        &["`default/q`", "`admin` (audit event id-7)", REFUSAL],
    );
}

#[test]
fn what_others_refuse_is_not_trustpools_doing() {
    let mut run = plain("default");
    refuse(&mut run, "exceeded quota");
    run.is_right();
}

#[test]
fn a_name_of_trustpools_in_the_request_is_not_trustpools_doing() {
    let mut run = plain("trustpool-system");
    refuse(
        &mut run,
        "pods \"q\" in namespace \"trustpool-system\": exceeded quota",
    );
    run.is_right();

    refuse(
        &mut run,
        "in namespace \"trustpool-system\": refused by bind.trustpool.dev",
    );
    run.is_wrong(Untouched, &["`trustpool-system/q`"]);
}

#[test]
fn a_plain_pod_that_is_marked_is_wrong() {
    let mut run = plain("default");
    let line = run.lines.last_mut().unwrap();
    line["responseObject"]["spec"]["nodeSelector"] = asking()["spec"]["nodeSelector"].clone();
    run.is_wrong(Untouched, &["`default/q` (UID q1)", "something of ours"]);
}

#[test]
fn a_pod_that_names_us_may_be_refused_and_marked() {
    let mut run = Run::trusted();
    run.pod(
        15_000,
        "default",
        "q",
        "q1",
        &json!({"metadata": {"annotations": {"trustpool.dev/require": "x"}}}),
    );
    refuse(&mut run, REFUSAL);
    assert_eq!(run.is_right().counts.plain_pods, 0);
}

#[test]
fn in_a_covered_namespace_pods_may_be_refused_and_marked() {
    for labels in [
        json!({"trustpool.dev/gate": "open"}),
        json!({"trustpool.dev/require": "audit"}),
    ] {
        let mut run = Run::trusted();
        run.namespace(100, "other", &labels);
        run.pod(15_000, "other", "q", "q1", &json!({}));
        run.bind(16_000, "other", "q", Some("q1"), "n");
        refuse(&mut run, REFUSAL);
        let counts = run.is_right().counts;
        assert_eq!((counts.plain_pods, counts.plain_binds), (0, 0), "{labels}");
    }
}

#[test]
fn a_namespace_that_was_covered_a_moment_ago_counts_as_covered() {
    for (relabelled, right) in [(12_991, true), (12_989, false)] {
        let mut run = Run::trusted();
        run.namespace(100, "other", &json!({"trustpool.dev/gate": "strict"}));
        run.namespace(relabelled, "other", &json!({}));
        run.pod(15_000, "other", "q", "q1", &json!({}));
        refuse(&mut run, REFUSAL);
        assert_eq!(run.observe().violations.is_empty(), right, "{relabelled}");
    }
}

#[test]
fn a_plain_pod_that_is_kept_from_a_node_is_wrong() {
    for uid in [Some("q1"), None] {
        let mut run = plain("default");
        run.bind(16_000, "default", "q", uid, "n");
        refuse(
            &mut run,
            "admission webhook \"bind.trustpool.dev\" denied the request",
        );
        run.is_wrong(
            Untouched,
            &["`default/q`", "node `n`", "denied the request"],
        );
    }
}

#[test]
fn a_pod_that_asks_may_be_kept_from_a_node() {
    let mut run = Run::trusted();
    run.pod(15_000, "default", "q", "q1", &asking());
    run.bind(16_000, "default", "q", Some("q1"), "n");
    refuse(&mut run, REFUSAL);
    run.is_right();
}

#[test]
fn a_pod_that_came_to_ask_may_be_kept_from_a_node() {
    let label = json!({"kind": "Pod", "metadata": {"uid": "q1", "labels": {"trustpool.dev/require": "trusted"}}});
    for (labelled, right) in [(16_010, true), (16_011, false)] {
        let mut run = plain("default");
        let reference = json!({"namespace": "default", "name": "q"});
        run.write(
            labelled,
            ADMIN,
            ["patch", "pods"],
            reference,
            [json!({}), label.clone()],
        );
        let mut again = run.lines.last().unwrap().clone();
        again["requestReceivedTimestamp"] = json!(super::run::at(17_000));
        run.lines.insert(0, again);
        run.bind(16_000, "default", "q", Some("q1"), "n");
        refuse(&mut run, REFUSAL);
        assert_eq!(run.observe().violations.is_empty(), right, "{labelled}");
    }
}

#[test]
fn a_plain_pod_that_trustpool_touches_is_wrong() {
    for what in [
        ["create", "pods/eviction"],
        ["delete", "pods"],
        ["patch", "pods/status"],
    ] {
        let mut run = plain("default");
        touch(&mut run, OURS, what, "default");
        run.is_wrong(
            Untouched,
            &["`default/q`", "`trustpool-controller`", what[0], what[1]],
        );

        let mut run = plain("default");
        touch(&mut run, ADMIN, what, "default");
        run.is_right();
    }
}

#[test]
fn pods_that_trustpool_deletes_together_are_touched_each() {
    let mut run = plain("default");
    let list = json!({"kind": "PodList", "metadata": {}, "items": [{"metadata": {"name": "q", "uid": "q1"}}]});
    let what = ["deletecollection", "pods"];
    run.write(
        20_000,
        OURS,
        what,
        json!({"namespace": "default"}),
        [Value::Null, list],
    );
    run.is_wrong(
        Untouched,
        &["`default/q` (UID q1)", "deletecollection pods"],
    );
}

#[test]
fn a_pod_that_asks_or_is_covered_may_be_evicted() {
    let mut run = Run::trusted();
    run.pod(15_000, "default", "q", "q1", &asking());
    touch(&mut run, OURS, ["create", "pods/eviction"], "default");
    run.is_right();

    let mut run = plain("team");
    touch(&mut run, OURS, ["create", "pods/eviction"], "team");
    run.is_right();
}

#[test]
fn a_touch_that_was_refused_is_none() {
    let mut run = plain("default");
    touch(&mut run, OURS, ["create", "pods/eviction"], "default");
    refuse(&mut run, "would violate the pod's disruption budget");
    run.is_right();
}

#[test]
fn a_pod_that_nobody_knows_may_have_asked() {
    let mut run = Run::trusted();
    run.bind(16_000, "default", "q", Some("q1"), "n");
    refuse(&mut run, REFUSAL);
    touch(&mut run, OURS, ["create", "pods/eviction"], "default");
    run.is_right();
}

#[test]
fn a_pods_name_hides_no_refusal() {
    let mut run = Run::trusted();
    run.pod(15_000, "default", "pool", "q1", &json!({}));
    refuse(&mut run, REFUSAL);
    run.is_wrong(Untouched, &["`default/pool`"]);
}

#[test]
fn a_pod_that_was_applied_is_created_too() {
    let mut run = plain("default");
    run.lines.last_mut().unwrap()["verb"] = json!("patch");
    run.lines.last_mut().unwrap()["responseStatus"] = json!({"code": 201});
    assert_eq!(run.is_right().counts.plain_pods, 1);

    run.lines.last_mut().unwrap()["responseStatus"] = json!({"code": 200});
    assert_eq!(run.is_right().counts.plain_pods, 0);
}

#[test]
fn a_request_that_was_refused_unread_says_nothing() {
    let mut run = plain("default");
    run.bind(16_000, "default", "q", Some("q1"), "n");
    for (position, message) in [
        (6, "pods is forbidden"),
        (7, "unknown field `trustpool.dev`"),
    ] {
        let line = &mut run.lines[position];
        line["responseStatus"] = json!({"code": 403, "message": message});
        line.as_object_mut().unwrap().remove("requestObject");
    }
    let counts = run.is_right().counts;
    assert_eq!((counts.plain_pods, counts.plain_binds), (0, 0));
}
