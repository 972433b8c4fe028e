//! A role that hears nothing: late is forgiven, an answer that is too old is not.

use serde_json::json;

use super::run::{KUBELET, OURS, Run, at, labelled, with};
use crate::Invariant::{Bound, Granted};
use crate::objects::TRUST;

#[test]
fn evidence_that_a_gate_could_not_hear_of_counts_two_seconds_after_the_gap() {
    let mut run = Run::bound(30_000);
    run.answer(14_000, 15_000, "n", "untrusted");
    run.is_wrong(Bound, &["was revoked"]);

    run.gate_gaps.add(at(15_500), at(28_000));
    run.is_right();

    run.gate_gaps = crate::Gaps::default();
    run.gate_gaps.add(at(15_500), at(27_999));
    run.is_wrong(Bound, &["was revoked"]);
}

#[test]
fn a_reboot_that_a_gate_could_not_hear_of_counts_two_seconds_after_the_gap() {
    let mut run = Run::bound(30_000);
    let rebooted = with(labelled(TRUST, "trusted"), "/status/nodeInfo/bootID", "b2");
    run.node(15_000, KUBELET, &rebooted);
    run.is_wrong(Bound, &["before that"]);

    run.gate_gaps.add(at(14_000), at(28_500));
    run.is_right();
}

#[test]
fn a_controller_that_is_dead_may_never_have_read_its_last_answer() {
    let mut run = Run::bound(30_000);
    run.answer(14_000, 15_000, "n", "untrusted");
    run.controller_gaps.add(at(14_500), at(15_100));
    run.is_right();

    run.answer(16_000, 17_200, "n", "untrusted");
    run.is_wrong(
        Bound,
        &["was revoked by the `untrusted` of journal entry 3"],
    );
}

#[test]
fn no_gap_makes_an_answer_count_for_longer() {
    let mut run = Run::bound(10_000 + 61_001);
    run.gate_gaps.add(at(11_000), at(80_000));
    run.controller_gaps.add(at(11_000), at(80_000));
    run.is_wrong(Bound, &["was 61.001 s old"]);
}

#[test]
fn a_controller_that_was_frozen_may_write_what_it_decided_before() {
    let mut run = Run::trusted();
    run.trust(
        13_000,
        OURS,
        "t1",
        &json!({"status": {"verdict": "unknown"}}),
    );
    run.answer(14_000, 15_000, "n", "trusted");
    run.node(
        16_000,
        KUBELET,
        &with(labelled(TRUST, "trusted"), "/status/nodeInfo/bootID", "b2"),
    );
    run.verdict(25_000, "trusted");
    run.is_wrong(Granted, &["boot ID `b2`"]);

    run.controller_gaps.add(at(15_000), at(24_000));
    run.is_right();
}
