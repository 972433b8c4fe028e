//! What a node is, and that another one needs another answer.

use serde_json::{Value, json};

use super::run::{ADMIN, KUBELET, OURS, Run, labelled, node, with};
use crate::Invariant::Bound;
use crate::objects::TRUST;

/// Node `n`, with its label, in some boot.
fn boot(id: &str) -> Value {
    with(labelled(TRUST, "trusted"), "/status/nodeInfo/bootID", id)
}

#[test]
fn an_answer_about_an_earlier_boot_does_not_count() {
    for field in ["bootID", "machineID", "systemUUID"] {
        let other = with(boot("b1"), &format!("/status/nodeInfo/{field}"), "other");
        let mut run = Run::bound(20_000);
        run.node(17_989, KUBELET, &other);
        run.is_wrong(Bound, &["was asked for before that"]);
    }
}

#[test]
fn a_reboot_counts_two_seconds_after_it_was_written() {
    let mut run = Run::bound(20_000);
    run.node(17_990, KUBELET, &boot("b2"));
    run.is_right();
}

#[test]
fn a_question_after_the_reboot_was_written_counts() {
    let mut run = Run::bound(20_000);
    run.node(13_000, KUBELET, &boot("b2"));
    run.answer(13_000, 13_500, "n", "trusted");
    run.is_right();

    run.journal[1].asked = super::run::at(12_999);
    run.is_wrong(Bound, &["boot ID `b2`", "entry 2", "before that"]);
}

#[test]
fn heartbeats_change_nothing_in_whatever_order_they_are_written_down() {
    let mut run = Run::bound(20_000);
    run.node(15_000, KUBELET, &boot("b1"));
    run.lines.reverse();
    run.is_right();
}

#[test]
fn a_boot_that_comes_back_is_another_one() {
    let mut run = Run::bound(30_000);
    run.node(13_000, KUBELET, &boot("b2"));
    run.node(14_000, KUBELET, &boot("b1"));
    run.is_wrong(Bound, &["boot ID `b1`", "before that"]);
}

#[test]
fn no_boot_id_is_no_incarnation() {
    let mut run = Run::bound(30_000);
    run.node(13_000, KUBELET, &boot(""));
    run.answer(14_000, 15_000, "n", "trusted");
    run.is_wrong(Bound, &["reported no boot ID"]);
}

#[test]
fn a_node_object_made_again_is_another_one() {
    let again = with(node(), "/metadata/uid", "u0");
    let mut run = Run::bound(30_000);
    run.delete(13_000, "nodes", "n", "u1");
    run.node(13_100, ADMIN, &again);
    run.is_wrong(Bound, &["UID `u0`", "before that"]);

    run.answer(14_000, 15_000, "n", "trusted");
    run.lines.reverse();
    run.is_right();
}

#[test]
fn a_node_that_was_deleted_is_none() {
    let mut run = Run::bound(30_000);
    run.delete(27_990, "nodes", "n", "u1");
    run.is_right();

    run.bind(30_001, "team", "p", Some("p1"), "n");
    run.is_wrong(Bound, &["no such node"]);
}

#[test]
fn nodes_that_were_deleted_together_are_none_either() {
    let mut run = Run::bound(30_000);
    let list = json!({"kind": "NodeList", "metadata": {}, "items": [node()]});
    run.write(
        20_000,
        ADMIN,
        ["deletecollection", "nodes"],
        json!({}),
        [json!({}), list],
    );
    run.is_wrong(Bound, &["no such node"]);
}

#[test]
fn a_node_that_is_held_back_by_a_finalizer_is_gone_when_it_lets_go() {
    let mut dying = node();
    dying["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    dying["metadata"]["finalizers"] = json!(["x"]);
    let mut run = Run::bound(30_000);
    run.node(20_000, ADMIN, &dying);
    run.is_right();

    dying["metadata"]["finalizers"] = json!([]);
    run.node(21_000, ADMIN, &dying);
    run.is_wrong(Bound, &["no such node"]);
}

#[test]
fn a_host_that_an_administrator_names_is_asked_about_instead() {
    let mut run = Run::bound(30_000);
    let host = json!({"spec": {"host": "Elsewhere."}, "status": {"verdict": "trusted"}});
    run.trust(13_000, ADMIN, "t1", &host);
    run.is_wrong(Bound, &["host `elsewhere`", "no question"]);

    run.answer(12_999, 14_000, "elsewhere", "trusted");
    run.is_wrong(Bound, &["entry 2", "before that"]);

    run.answer(15_000, 16_000, "elsewhere", "trusted");
    run.is_right();
}

#[test]
fn a_host_label_names_the_host_unless_the_record_does() {
    let host = "trustpool.dev.node-restriction.kubernetes.io/host";
    let mut run = Run::bound(30_000);
    run.node(13_000, ADMIN, &labelled(host, "label"));
    run.is_wrong(Bound, &["host `label`"]);

    let named = json!({"spec": {"host": "n"}, "status": {"verdict": "trusted"}});
    run.trust(12_500, ADMIN, "t1", &named);
    run.is_right();

    run.delete(20_000, "nodetrusts", "n", "t1");
    run.is_wrong(Bound, &["host `label`"]);
}

#[test]
fn a_change_that_two_writes_may_have_made_began_with_the_first() {
    let mut run = Run::bound(30_000);
    run.node(13_000, OURS, &boot("b2"));
    let mut same = run.lines.last().unwrap().clone();
    same["requestReceivedTimestamp"] = json!(super::run::at(12_500));
    run.lines.push(same);
    run.answer(12_600, 13_100, "n", "trusted");
    run.is_right();
}

#[test]
fn a_change_that_two_writes_may_have_made_was_over_with_the_first_answer() {
    let mut run = Run::bound(30_000);
    run.node(28_400, OURS, &boot("b2"));
    let mut same = run.lines.last().unwrap().clone();
    same["requestReceivedTimestamp"] = json!(super::run::at(27_500));
    same["stageTimestamp"] = json!(super::run::at(27_989));
    run.is_right();

    run.lines.push(same);
    run.is_wrong(Bound, &["boot ID `b2`"]);
}
