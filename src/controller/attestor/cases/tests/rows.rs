//! What is believed, from what is read, answered and written.

use std::sync::Arc;

use super::super::Cases;
use crate::controller::fixture::{at, entry, incarnation, kept, node, snapshot, usable};
use crate::controller::recorder::{Done, Write};
use crate::controller::setup::Setup;
use crate::domain::tally::Round;
use crate::domain::transition::Answer;
use crate::domain::{NodeName, Orders, Outcome, Readiness, Reason, Verdict};
use crate::store::{Kept, Tracked};

fn trusted(node: &Tracked) -> Answer {
    Answer {
        outcome: Outcome::Trusted,
        asked: incarnation(node),
        requested_at: at(10),
        evidence_at: None,
    }
}

pub(super) fn name() -> NodeName {
    "a".into()
}

/// Lets writes go through, one after the other.
fn go_through(cases: &mut Cases, writes: &[Write], second: i64) {
    for write in writes {
        let kept = Kept {
            record: write.change.apply(&write.base, at(second)),
            version: "2".to_owned(),
            ..Kept::clone(&write.base)
        };
        cases.written(Done {
            name: name(),
            kept: Some(Arc::new(kept)),
        });
    }
}

/// Looks at `a` alone.
pub(super) fn look(
    cases: &mut Cases,
    setup: &Arc<Setup>,
    seen: (Option<Tracked>, Option<Kept>),
    second: i64,
) -> Vec<Write> {
    let snapshot = snapshot([("a", entry(seen.0, seen.1))]);
    cases.look(&snapshot, setup, at(second))
}

fn reasons(writes: &[Write], second: i64) -> Vec<Reason> {
    let applied = |write: &Write| write.change.apply(&write.base, at(second)).reason;
    writes.iter().map(applied).collect()
}

#[test]
fn a_new_node_is_worth_a_question_and_its_answer_a_write() {
    let (mut cases, setup) = (Cases::default(), Arc::new(usable()));
    let a = node("a", "b");
    let writes = look(&mut cases, &setup, (Some(a.clone()), None), 5);
    assert!(writes.is_empty(), "that it exists is worth no write");
    assert_eq!(cases.members(&setup)[0].subjects.len(), 1);

    let write = cases
        .answer(&name(), trusted(&a), &setup.pools[0], at(11))
        .unwrap();

    assert_eq!(
        reasons(std::slice::from_ref(&write), 11),
        [Reason::Attested]
    );
    assert!(!write.is_loss);
    assert_eq!(cases.next_expiry(at(0)), Some(at(10 + 1_800)));
}

#[test]
fn what_is_read_while_a_write_is_under_way_is_older_than_what_is_believed() {
    let (mut cases, setup) = (Cases::default(), Arc::new(usable()));
    let a = node("a", "b");
    look(&mut cases, &setup, (Some(a.clone()), None), 5);
    cases
        .answer(&name(), trusted(&a), &setup.pools[0], at(11))
        .unwrap();

    let old = kept(&a, Verdict::Untrusted, Reason::FailedAttestation);
    look(&mut cases, &setup, (Some(a), Some(old)), 12);
    assert!(cases.next_expiry(at(0)).is_some());

    let done = Done {
        name: name(),
        kept: None,
    };
    assert!(!cases.written(done), "it could not be written");
    assert_eq!(cases.next_expiry(at(0)), None, "and is believed no longer");
}

#[test]
fn an_answer_about_a_node_that_may_not_be_asked_about_any_more_is_dropped() {
    let (mut cases, setup) = (Cases::default(), Arc::new(usable()));
    let mut a = node("a", "b");
    look(&mut cases, &setup, (Some(a.clone()), None), 5);
    a.node.readiness = Readiness::Silent;
    look(&mut cases, &setup, (Some(a.clone()), None), 6);

    assert!(cases.incarnation(&name(), &"default".into()).is_none());
    let written = cases.answer(&name(), trusted(&a), &setup.pools[0], at(11));
    assert!(written.is_none());
}

#[test]
fn invariant_5_evidence_about_a_node_that_is_unready_for_a_moment_counts() {
    for readiness in [Readiness::NotReady, Readiness::Silent] {
        let (mut cases, setup) = (Cases::default(), Arc::new(usable()));
        let mut a = node("a", "b");
        let good = kept(&a, Verdict::Trusted, Reason::Attested);
        look(&mut cases, &setup, (Some(a.clone()), Some(good.clone())), 5);
        a.node.readiness = readiness;
        look(&mut cases, &setup, (Some(a.clone()), Some(good)), 6);
        let answered = |outcome| Answer {
            outcome,
            ..trusted(&a)
        };

        let answer = answered(Outcome::Untrusted);
        let write = cases.answer(&name(), answer, &setup.pools[0], at(11));

        assert_eq!(
            reasons(&write.into_iter().collect::<Vec<_>>(), 11),
            [Reason::FailedAttestation],
            "{readiness:?}"
        );
    }
}

#[test]
fn a_round_of_most_of_those_who_may_be_asked_about_is_whole() {
    let (mut cases, setup) = (Cases::default(), Arc::new(usable()));
    let mut unready = node("d", "b");
    unready.node.readiness = Readiness::NotReady;
    let ready = |name| (name, entry(Some(node(name, "b")), None));
    let unready = ("d", entry(Some(unready), None));
    let nodes = [ready("a"), ready("b"), ready("c"), unready];
    cases.look(&snapshot(nodes), &setup, at(5));
    let of = |asked| Round {
        pool: "default".into(),
        started: at(5),
        ended: at(6),
        asked,
        verdicts: 0,
        silent: Vec::new(),
    };

    assert!(!cases.is_whole(&of(1)), "one of three joined");
    assert!(cases.is_whole(&of(2)));
}

#[test]
fn a_loss_is_written_first_and_a_deleted_record_is_nothing_known() {
    let (mut cases, setup) = (Cases::default(), Arc::new(usable()));
    let a = node("a", "b");
    let good = kept(&a, Verdict::Trusted, Reason::Attested);
    assert!(look(&mut cases, &setup, (Some(a.clone()), Some(good.clone())), 5).is_empty());

    let writes = look(
        &mut cases,
        &setup,
        (Some(node("a", "b2")), Some(good.clone())),
        6,
    );
    assert_eq!(reasons(&writes, 6), [Reason::Rebooted]);
    assert!(writes[0].is_loss);

    let mut cases = Cases::default();
    look(&mut cases, &setup, (Some(a.clone()), Some(good)), 5);
    let writes = look(&mut cases, &setup, (Some(a), None), 6);
    assert!(writes.is_empty());
    assert_eq!(cases.next_expiry(at(0)), None);
}

#[test]
fn a_boot_that_comes_back_is_a_conflict_whatever_is_reported_between() {
    for between in [&["b2"][..], &["", "b2"], &["b2", ""], &["", "b2", "", "b3"]] {
        let (mut cases, setup) = (Cases::default(), Arc::new(usable()));
        let good = kept(&node("a", "b1"), Verdict::Trusted, Reason::Attested);
        look(
            &mut cases,
            &setup,
            (Some(node("a", "b1")), Some(good.clone())),
            5,
        );
        for boot in between {
            let seen = (Some(node("a", boot)), Some(good.clone()));
            let writes = look(&mut cases, &setup, seen, 6);
            go_through(&mut cases, &writes, 6);
        }
        let writes = look(&mut cases, &setup, (Some(node("a", "b1")), Some(good)), 7);

        assert_eq!(
            reasons(&writes, 7),
            [Reason::IdentityConflict],
            "{between:?}"
        );
    }
    // No boot ID for a moment is no other boot.
    let (mut cases, setup) = (Cases::default(), Arc::new(usable()));
    let good = kept(&node("a", "b1"), Verdict::Trusted, Reason::Attested);
    for boot in ["b1", "", "b1"] {
        let seen = (Some(node("a", boot)), Some(good.clone()));
        let writes = look(&mut cases, &setup, seen, 5);
        assert!(!reasons(&writes, 5).contains(&Reason::IdentityConflict));
    }
}

#[test]
fn only_a_record_without_orders_holds_and_evidence_is_forgotten_a_day_after_its_node() {
    const DAY: i64 = 24 * 3_600;
    let a = node("a", "b");
    let plain = kept(&a, Verdict::Unknown, Reason::Expired);
    let ordered = Kept {
        orders: Orders {
            paused: true,
            ..Orders::default()
        },
        ..plain.clone()
    };
    let bad = kept(&a, Verdict::Untrusted, Reason::FailedAttestation);
    for (kept, forgotten) in [(plain, 1), (ordered, 0), (bad, 0)] {
        let (mut cases, setup) = (Cases::default(), Arc::new(usable()));
        look(&mut cases, &setup, (Some(a.clone()), Some(kept.clone())), 0);
        look(&mut cases, &setup, (None, Some(kept)), 5);

        assert_eq!(cases.forgettable(at(5 + DAY - 1)).len(), 0);
        assert_eq!(cases.forgettable(at(5 + DAY)).len(), forgotten);
    }
}

#[test]
fn a_restart_does_not_begin_the_day_anew_of_a_node_that_was_gone_before() {
    const DAY: i64 = 24 * 3_600;
    let expired = kept(&node("a", "b"), Verdict::Unknown, Reason::Expired);
    let last = expired.record.requested_at.unwrap();
    let (mut cases, setup) = (Cases::default(), Arc::new(usable()));

    look(&mut cases, &setup, (None, Some(expired)), 50_000);

    let day = jiff::SignedDuration::from_secs(DAY);
    let second = jiff::SignedDuration::from_secs(1);
    assert_eq!(cases.forgettable(last + day - second).len(), 0);
    assert_eq!(cases.forgettable(last + day).len(), 1);
}

#[test]
fn a_boot_in_which_a_node_was_trusted_since_it_came_back_is_settled() {
    let (mut cases, setup) = (Cases::default(), Arc::new(usable()));
    let in_boot = |boot: &str| {
        (
            Some(node("a", boot)),
            Some(kept(&node("a", boot), Verdict::Trusted, Reason::Attested)),
        )
    };
    for (version, boot) in [("1", "b1"), ("2", "b2"), ("3", "b1"), ("4", "b1")] {
        let (node, kept) = in_boot(boot);
        let kept = kept.map(|kept| Kept {
            version: version.to_owned(),
            ..kept
        });
        look(&mut cases, &setup, (node, kept), 5);
    }
    let (_, kept) = in_boot("b1");
    for boot in ["", "b1"] {
        let writes = look(&mut cases, &setup, (Some(node("a", boot)), kept.clone()), 6);

        assert!(!reasons(&writes, 6).contains(&Reason::IdentityConflict));
    }
}

#[test]
fn invariant_9_however_often_a_kubelet_reports_another_boot_little_waits_to_be_written() {
    let (mut cases, setup) = (Cases::default(), Arc::new(usable()));
    let a = node("a", "b0");
    let good = kept(&a, Verdict::Trusted, Reason::Attested);
    look(&mut cases, &setup, (Some(a), Some(good.clone())), 5);

    let flap = |number| (Some(node("a", &format!("b{number}"))), Some(good.clone()));
    let writes = (1..100).flat_map(|number| look(&mut cases, &setup, flap(number), 6));
    let writes: Vec<_> = writes.collect();

    assert_eq!(writes.len(), 2);
    for _ in writes {
        let kept = Some(Arc::new(good.clone()));
        cases.written(Done { name: name(), kept });
    }
    let last = look(&mut cases, &setup, flap(100), 7);
    assert_eq!(
        last.len(),
        1,
        "the last boot is recorded once there is room"
    );
}

/// As the pool that selects `a` alone may be after a downgrade, while `host` is in another.
#[test]
fn nothing_is_asked_about_a_node_of_which_several_writes_wait() {
    let (mut cases, setup) = (Cases::default(), Arc::new(usable()));
    let a = node("a", "b");
    let good = kept(&a, Verdict::Trusted, Reason::Attested);
    look(&mut cases, &setup, (Some(a.clone()), Some(good)), 5);
    let mut asked = 0;
    for round in 1..=10 {
        if cases.members(&setup)[0].subjects.is_empty() {
            continue;
        }
        asked += 1;
        let answer = Answer {
            requested_at: at(10 + 300 * round),
            ..trusted(&a)
        };
        cases.answer(&name(), answer, &setup.pools[0], at(11 + 300 * round));
    }
    assert_eq!(asked, 2);
}
