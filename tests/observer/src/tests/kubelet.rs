//! Invariant 5: what a kubelet writes.

use serde_json::{Value, json};

use super::run::{ADMIN, KUBELET, OURS, Run, labelled, node, with};
use crate::Invariant::Kubelet;
use crate::objects::TRUST;

/// Node `n` with its trust label and these taints of ours, among others.
fn tainted(taints: &[(&str, &str)]) -> Value {
    let mut node = labelled(TRUST, "trusted");
    let ours = taints.iter().map(|(value, effect)| json!({"key": "trustpool.dev/not-trusted", "value": value, "effect": effect}));
    let others = [json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"})];
    node["spec"]["taints"] = ours.chain(others).collect();
    node
}

#[test]
fn heartbeats_and_reboots_are_right() {
    let mut run = Run::trusted();
    run.node(20_000, KUBELET, &labelled(TRUST, "trusted"));
    run.node(
        21_000,
        KUBELET,
        &with(labelled(TRUST, "trusted"), "/status/nodeInfo/bootID", "b2"),
    );
    assert_eq!(run.is_right().counts.kubelet_writes, 3);
}

#[test]
fn a_label_of_ours_that_a_kubelet_changes_is_wrong() {
    for key in ["trust", "pool", "host"] {
        let key = format!("trustpool.dev.node-restriction.kubernetes.io/{key}");
        let mut run = Run::trusted();
        let mut changed = labelled(TRUST, "trusted");
        changed["metadata"]["labels"][&key] = json!("other");
        run.node(20_000, KUBELET, &changed);
        run.is_wrong(
            Kubelet,
            &["node `n`", "`system:node:n` (audit event id-7)", "other"],
        );
    }
    let mut run = Run::trusted();
    run.node(20_000, KUBELET, &node());
    run.is_wrong(Kubelet, &["became {}"]);
}

#[test]
fn a_label_that_others_change_between_is_not_the_kubelets_doing() {
    let mut run = Run::trusted();
    run.node(20_000, ADMIN, &node());
    run.node(20_100, KUBELET, &node());
    run.lines.reverse();
    run.is_right();
}

#[test]
fn a_label_that_somebody_else_may_have_changed_is_not_the_kubelets_doing() {
    let mut run = Run::trusted();
    run.node(20_000, OURS, &labelled(TRUST, "untrusted"));
    let mut same = run.lines.last().unwrap().clone();
    same["user"]["username"] = json!(KUBELET);
    run.lines.insert(0, same);
    run.is_right();
}

#[test]
fn a_taint_of_ours_that_a_kubelet_takes_off_or_weakens_is_wrong() {
    let table: [(&[(&str, &str)], bool); 4] = [
        (&[("unknown", "NoSchedule")], true),
        (&[("unknown", "NoSchedule"), ("unknown", "NoExecute")], true),
        (&[("unknown", "PreferNoSchedule")], false),
        (&[], false),
    ];
    for (taints, right) in table {
        let mut run = Run::trusted();
        run.node(20_000, OURS, &tainted(&[("unknown", "NoSchedule")]));
        run.node(21_000, KUBELET, &tainted(taints));
        if right {
            run.is_right();
        } else {
            run.is_wrong(Kubelet, &["trustpool.dev/not-trusted", "is gone"]);
        }
    }
}

#[test]
fn a_kubelet_that_registers_brings_no_label_of_ours() {
    let mut new = tainted(&[("unknown", "NoSchedule")]);
    new["metadata"] = json!({"name": "m", "uid": "u9", "labels": {"other": "x"}});
    let mut run = Run::trusted();
    run.node(20_000, KUBELET, &new);
    run.is_right();

    let mut run = Run::trusted();
    new["metadata"]["labels"] = json!({TRUST: "trusted"});
    run.node(20_000, KUBELET, &new);
    run.is_wrong(Kubelet, &["node `m`", "it brought the labels"]);
}

#[test]
fn a_node_object_made_again_is_not_compared_with_the_old_one() {
    let mut run = Run::trusted();
    run.node(20_000, KUBELET, &with(node(), "/metadata/uid", "u2"));
    run.is_right();
}

#[test]
fn a_kubelet_that_writes_a_record_is_wrong() {
    let mut run = Run::trusted();
    run.trust(
        20_000,
        KUBELET,
        "t1",
        &json!({"status": {"verdict": "trusted"}}),
    );
    run.is_wrong(
        Kubelet,
        &[
            "NodeTrust `n`",
            "`system:node:n`",
            "patch nodetrusts/status",
        ],
    );
    assert_eq!(run.observe().counts.kubelet_writes, 2);
}

#[test]
fn what_a_kubelet_tries_in_vain_is_nothing() {
    let mut run = Run::trusted();
    run.trust(
        20_000,
        KUBELET,
        "t1",
        &json!({"status": {"verdict": "trusted"}}),
    );
    run.node(20_000, KUBELET, &node());
    let tried = run.lines.iter_mut().rev().take(2);
    tried.for_each(|line| line["responseStatus"] = json!({"code": 403}));
    assert_eq!(run.is_right().counts.kubelet_writes, 1);
}

#[test]
fn a_taint_of_somebody_elses_is_none_of_ours() {
    let mut run = Run::trusted();
    run.node(20_000, OURS, &tainted(&[]));
    run.node(21_000, KUBELET, &labelled(TRUST, "trusted"));
    run.is_right();
}

#[test]
fn what_was_there_before_the_log_began_is_not_the_kubelets_doing() {
    let mut run = Run::trusted();
    let other = with(labelled(TRUST, "trusted"), "/metadata/name", "m");
    run.node(20_000, KUBELET, &with(other, "/metadata/uid", "u9"));
    let line = run.lines.last_mut().unwrap();
    line["verb"] = json!("patch");
    line["responseStatus"] = json!({"code": 200});
    assert_eq!(run.is_right().counts.kubelet_writes, 2);
}
