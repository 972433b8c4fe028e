//! A clock that was moved: the journal's times are simulated, the log's are real.

use jiff::SignedDuration;

use super::run::{Run, at};
use crate::Invariant::Bound;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const AHEAD: i64 = 3_600_000;

#[test]
fn a_clock_set_ahead_ends_every_answer_a_second_later() {
    let mut run = Run::bound(30_000);
    run.clock = vec![(at(29_000), HOUR)];
    run.is_right();

    run.clock = vec![(at(28_999), HOUR)];
    run.is_wrong(Bound, &["was 3620.000 s old"]);
}

#[test]
fn answers_on_a_clock_set_ahead_count_by_it() {
    let mut run = Run::bound(100_000);
    run.clock = vec![(at(20_000), HOUR)];
    run.answer(AHEAD + 39_000, AHEAD + 40_000, "n", "trusted");
    run.is_right();

    run.journal[1].asked = at(AHEAD + 38_999);
    run.is_wrong(Bound, &["entry 2", "was 61.001 s old"]);
}

#[test]
fn answers_on_a_clock_set_ahead_are_as_late_as_they_were() {
    let mut run = Run::bound(60_000);
    run.clock = vec![(at(20_000), HOUR)];
    run.answer(AHEAD + 40_000, AHEAD + 60_011, "n", "trusted");
    run.is_wrong(Bound, &["entry 1"]);

    run.journal[1].answered = Some(at(AHEAD + 60_010));
    run.is_right();
}

#[test]
fn a_clock_set_back_lengthens_nothing() {
    let mut run = Run::bound(72_001);
    run.clock = vec![(at(20_000), -SignedDuration::from_secs(30))];
    run.is_wrong(Bound, &["entry 1", "was 61.001 s old"]);

    let mut run = Run::bound(72_000);
    run.clock = vec![(at(20_000), -SignedDuration::from_secs(30))];
    run.is_right();
}

#[test]
fn evidence_on_a_clock_set_back_is_in_the_order_of_the_journal() {
    let mut run = Run::bound(60_000);
    run.clock = vec![(at(20_000), -SignedDuration::from_secs(15))];
    run.answer(14_000, 14_500, "n", "trusted");
    run.answer(9_000, 10_000, "n", "untrusted");
    run.is_wrong(
        Bound,
        &[
            "entry 2",
            "asked 2026-09-21T14:13:34",
            "revoked by the `untrusted` of journal entry 3",
        ],
    );
}

#[test]
fn a_gate_with_a_clock_of_its_own_counts_by_that() {
    let mut run = Run::bound(30_000);
    run.clock = vec![(at(20_000), HOUR)];
    run.gate_clock_is_right = true;
    run.is_right();

    let mut run = Run::bound(10_000 + 61_001);
    run.clock = vec![(at(20_000), -HOUR)];
    run.gate_clock_is_right = true;
    run.is_wrong(Bound, &["was 61.001 s old"]);
}
