//! Invariant 2: the answer behind a grant.

use serde_json::json;

use super::run::{ADMIN, KUBELET, OURS, Run, at, labelled, node, with};
use crate::Invariant::Granted;
use crate::objects::TRUST;

fn trusted_label() -> serde_json::Value {
    labelled(TRUST, "trusted")
}

#[test]
fn a_verdict_and_a_label_on_an_answer_are_right() {
    assert_eq!(Run::trusted().is_right().counts.grants, 2);
}

#[test]
fn a_grant_without_an_answer_is_wrong() {
    let mut run = Run::trusted();
    run.journal.clear();
    let report = run.observe();
    let said: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2, "{report}");
    assert!(said[0].contains("the verdict of node `n`"), "{report}");
    assert!(said[1].contains("the label of node `n`"), "{report}");
    assert!(
        said[1].contains("`trustpool-controller` (audit event id-6)"),
        "{report}"
    );
}

#[test]
fn an_answer_must_be_there_when_the_grant_is_answered() {
    let mut run = Run::trusted();
    run.journal[0].answered = Some(at(12_010));
    run.is_right();

    run.journal[0].answered = Some(at(12_011));
    run.is_wrong(Granted, &["the verdict of node `n`", "the last was none"]);
}

#[test]
fn another_verdict_or_another_host_grants_nothing() {
    for (host, verdict) in [("n", "untrusted"), ("n", "unknown"), ("m", "trusted")] {
        let mut run = Run::trusted();
        run.journal.clear();
        run.answer(10_000, 11_000, host, verdict);
        assert_eq!(run.observe().violations.len(), 2, "{host} {verdict}");
    }
}

#[test]
fn a_verdict_that_was_lost_needs_another_answer() {
    let mut run = Run::trusted();
    run.verdict(20_000, "unknown");
    run.verdict(30_000, "trusted");
    run.is_wrong(
        Granted,
        &["the verdict of node `n`", "id-8", "journal entry 1"],
    );

    run.answer(25_000, 26_000, "n", "trusted");
    assert_eq!(run.is_right().counts.grants, 3);
}

#[test]
fn an_answer_read_while_trustpool_wrote_the_loss_is_later() {
    let mut run = Run::trusted();
    run.verdict(20_000, "unknown");
    run.verdict(20_100, "trusted");
    run.answer(17_000, 18_000, "n", "trusted");
    run.is_right();

    run.journal[1].answered = Some(at(17_999));
    run.is_wrong(Granted, &["journal entry 2"]);
}

#[test]
fn no_answer_grants_twice() {
    let mut run = Run::trusted();
    run.verdict(12_500, "unknown");
    run.verdict(12_600, "trusted");
    run.is_wrong(Granted, &["the verdict of node `n`", "journal entry 1"]);
}

#[test]
fn a_loss_that_somebody_else_wrote_is_exact() {
    let mut run = Run::trusted();
    run.trust(
        20_000,
        ADMIN,
        "t1",
        &json!({"status": {"verdict": "unknown"}}),
    );
    run.verdict(20_100, "trusted");
    run.answer(17_000, 20_000, "n", "trusted");
    run.is_right();

    run.journal[1].answered = Some(at(19_999));
    run.is_wrong(Granted, &["journal entry 2"]);
}

#[test]
fn a_record_that_was_deleted_is_trust_lost() {
    let mut run = Run::trusted();
    run.delete(20_000, "nodetrusts", "n", "t1");
    run.trust(
        21_000,
        OURS,
        "t2",
        &json!({"status": {"verdict": "trusted"}}),
    );
    run.is_wrong(Granted, &["the verdict"]);

    run.answer(20_500, 20_600, "n", "trusted");
    run.is_right();
}

#[test]
fn a_grant_needs_an_answer_about_this_incarnation() {
    let mut run = Run::trusted();
    run.verdict(13_000, "unknown");
    run.node(
        14_000,
        KUBELET,
        &with(trusted_label(), "/status/nodeInfo/bootID", "b2"),
    );
    run.answer(13_999, 15_000, "n", "trusted");
    run.verdict(17_000, "trusted");
    run.is_wrong(Granted, &["boot ID `b2`", "journal entry 2"]);

    run.journal[1].asked = at(14_000);
    run.is_right();
}

#[test]
fn a_grant_to_no_node_is_wrong() {
    let mut run = Run::default();
    run.verdict(12_000, "trusted");
    run.is_wrong(Granted, &["no such node"]);
}

#[test]
fn a_label_that_trustpool_took_off_needs_another_answer() {
    let mut run = Run::trusted();
    run.node(20_000, OURS, &node());
    run.node(30_000, OURS, &trusted_label());
    run.is_wrong(Granted, &["the label of node `n`", "journal entry 1"]);

    run.answer(18_000, 19_000, "n", "trusted");
    run.is_right();
}

#[test]
fn a_label_that_somebody_else_took_off_is_put_right() {
    let mut run = Run::trusted();
    run.node(20_000, ADMIN, &node());
    run.node(20_100, OURS, &trusted_label());
    assert_eq!(run.is_right().counts.grants, 3);
}

#[test]
fn a_label_is_lost_with_the_verdict_two_seconds_later() {
    let mut run = Run::trusted();
    run.node(19_000, ADMIN, &node());
    run.verdict(20_000, "untrusted");
    run.node(22_009, OURS, &trusted_label());
    run.is_right();

    run.lines.pop();
    run.node(22_010, OURS, &trusted_label());
    run.is_wrong(Granted, &["the label"]);
}

#[test]
fn what_others_grant_is_not_trustpools_doing() {
    let mut run = Run::trusted();
    run.node(20_000, OURS, &node());
    run.node(30_000, ADMIN, &trusted_label());
    run.node(31_000, OURS, &trusted_label());
    run.verdict(32_000, "unknown");
    run.trust(
        33_000,
        ADMIN,
        "t1",
        &json!({"status": {"verdict": "trusted"}}),
    );
    assert_eq!(run.is_right().counts.grants, 2);
}

#[test]
fn the_order_of_versions_counts_and_not_that_of_lines() {
    let mut run = Run::trusted();
    run.answer(25_000, 26_000, "n", "trusted");
    run.verdict(20_000, "unknown");
    run.verdict(30_000, "trusted");
    run.lines.reverse();
    assert_eq!(run.is_right().counts.grants, 3);
}
