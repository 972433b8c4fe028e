//! Invariant 1: the answer behind a Binding.

use serde_json::json;

use super::run::{Run, asking};
use crate::Invariant::Bound;

#[test]
fn a_bind_on_a_fresh_answer_is_right() {
    let report = Run::bound(20_000).is_right();
    assert_eq!(report.counts.binds, 1);
    assert_eq!(report.counts.strays, 0);
}

#[test]
fn a_bind_without_an_answer_is_wrong() {
    let mut run = Run::bound(20_000);
    run.journal.clear();
    let report = run.observe();
    let bound = report.violations.iter().find(|it| it.invariant == Bound);
    let said = bound.unwrap().to_string();
    for words in [
        "`team/p` (UID p1)",
        "node `n`",
        "`scheduler`",
        "id-8",
        "host `n`",
        "boot ID `b1`",
        "no question",
    ] {
        assert!(said.contains(words), "no `{words}` in {said}");
    }
}

#[test]
fn an_answer_counts_for_its_validity_and_a_second() {
    Run::bound(10_000 + 61_000).is_right();
    Run::bound(10_000 + 61_001).is_wrong(Bound, &["entry 1", "was 61.001 s old"]);
}

#[test]
fn an_answer_must_be_there_when_the_bind_is_answered() {
    // Invariant 2 has its own opinion of such a run.
    let bound = |run: Run| {
        run.observe()
            .violations
            .iter()
            .any(|it| it.invariant == Bound)
    };
    assert!(!bound(Run::bound(10_990)));
    assert!(bound(Run::bound(10_989)));
}

#[test]
fn untrusted_evidence_takes_an_answer_away_within_two_seconds() {
    let mut run = Run::bound(20_000);
    run.answer(17_000, 18_000, "n", "untrusted");
    run.is_right();

    run.journal[1].answered = Some(super::run::at(17_999));
    run.is_wrong(
        Bound,
        &[
            "entry 1",
            "was revoked by the `untrusted` of journal entry 2",
        ],
    );
}

#[test]
fn untrusted_evidence_that_was_asked_for_before_is_outdated() {
    let mut run = Run::bound(20_000);
    run.answer(9_000, 12_000, "n", "untrusted");
    run.is_right();
}

#[test]
fn a_later_answer_makes_good_for_untrusted_evidence() {
    let mut run = Run::bound(30_000);
    run.answer(12_000, 13_000, "n", "untrusted");
    run.answer(14_000, 15_000, "n", "trusted");
    run.is_right();
}

#[test]
fn another_hosts_answer_does_not_count() {
    let mut run = Run::bound(20_000);
    run.answer(15_000, 16_000, "m", "untrusted");
    run.is_right();

    run.bind(20_000, "team", "p", Some("p1"), "m");
    run.is_wrong(Bound, &["node `m`", "no such node"]);
}

#[test]
fn answers_that_nobody_could_read_are_no_evidence() {
    for (fault, status) in [("truncate", Some(200)), ("none", Some(500)), ("none", None)] {
        let mut run = Run::bound(100_000);
        let entry = run.answer(90_000, 91_000, "n", "trusted");
        entry.fault = fault.to_owned();
        entry.status = status;
        run.is_wrong(Bound, &["entry 1", "90.000 s old"]);
    }
}

#[test]
fn a_host_that_one_answer_calls_both_has_no_verdict() {
    let mut run = Run::bound(100_000);
    let other = run.answer(90_000, 91_000, "N.", "untrusted").hosts[0].clone();
    run.answer(90_000, 91_000, "n", "trusted").hosts.push(other);
    run.journal.remove(1);
    run.is_wrong(Bound, &["entry 1", "90.000 s old"]);
}

#[test]
fn hosts_are_compared_without_case_and_dot() {
    let mut run = Run::bound(100_000);
    run.answer(90_000, 91_000, "N.", "trusted");
    run.is_right();
}

#[test]
fn every_way_to_ask_is_asking() {
    let ways = [
        (asking(), 1),
        (
            json!({"metadata": {"annotations": {"trustpool.dev/require": "trusted"}}}),
            1,
        ),
        (
            json!({"metadata": {"labels": {"trustpool.dev/require": "trusted"}}}),
            1,
        ),
        (
            json!({"metadata": {"labels": {"trustpool.dev/require": "audit"}}}),
            0,
        ),
        (json!({}), 0),
    ];
    for (pod, binds) in ways {
        let mut run = Run::trusted();
        run.pod(15_000, "team", "q", "q1", &pod);
        run.bind(100_000, "team", "q", Some("q1"), "n");
        assert_eq!(run.observe().counts.binds, binds, "{pod}");
        assert_eq!(run.observe().violations.len(), binds, "{pod}");
    }
}

#[test]
fn a_pod_that_took_a_name_over_is_another_pod() {
    let mut run = Run::bound(20_000);
    run.pod(80_000, "team", "p", "p2", &json!({}));
    run.bind(100_000, "team", "p", Some("p2"), "n");
    run.bind(100_000, "team", "p", None, "n");
    assert_eq!(run.is_right().counts.binds, 1);

    run.bind(79_000, "team", "p", None, "n");
    run.is_wrong(Bound, &["UID not given", "69.000 s old"]);
}

#[test]
fn while_a_name_changes_hands_a_bind_is_of_the_pod_it_names() {
    let mut run = Run::bound(20_000);
    run.pod(100_005, "team", "p", "p2", &json!({}));
    run.bind(100_000, "team", "p", None, "n");
    assert_eq!(run.is_right().counts.binds, 1);

    run.bind(100_000, "team", "p", Some("p1"), "n");
    run.is_wrong(Bound, &["UID p1"]);
}

#[test]
fn a_pod_that_took_a_name_over_may_ask_where_the_old_one_did_not() {
    let mut run = Run::trusted();
    run.pod(15_000, "team", "q", "q1", &json!({}));
    run.pod(16_000, "team", "q", "q2", &asking());
    run.bind(100_000, "team", "q", None, "n");
    run.is_wrong(Bound, &["`team/q`"]);
}

#[test]
fn a_pod_that_nobody_knows_is_counted() {
    let mut run = Run::trusted();
    run.bind(100_000, "team", "p", Some("p9"), "n");
    let report = run.is_right();
    assert_eq!((report.counts.binds, report.counts.strays), (0, 1));
}

#[test]
fn a_pod_created_on_a_node_is_bound_there_unless_a_kubelet_mirrors_it() {
    let mut run = Run::trusted();
    let mut pod = asking();
    pod["spec"]["nodeName"] = json!("n");
    run.pod(100_000, "team", "q", "q1", &pod);
    run.is_wrong(Bound, &["`team/q`", "90.000 s old"]);

    let mut run = Run::trusted();
    pod["metadata"] = json!({"annotations": {"kubernetes.io/config.mirror": "x"}});
    run.pod(100_000, "team", "q", "q1", &pod);
    run.is_right();
}

#[test]
fn a_bind_that_was_refused_binds_nothing() {
    let mut run = Run::bound(100_000);
    let line = run.lines.last_mut().unwrap();
    line["responseStatus"] = json!({"code": 403, "message": "bind.trustpool.dev says no"});
    assert_eq!(run.is_right().counts.binds, 0);
}

#[test]
fn the_older_form_of_a_binding_is_judged_too() {
    let mut run = Run::bound(100_000);
    let line = run.lines.last_mut().unwrap();
    line["objectRef"] = json!({"resource": "bindings", "namespace": "team"});
    run.is_wrong(Bound, &["`team/p`"]);
}
