//! Labels and taints, row by row.

use jiff::Timestamp;

use super::*;
use crate::domain::breaker::Count;
use crate::domain::fixtures::{self, pool};
use crate::domain::record::Attempt;
use crate::domain::{Node, Outcome};

fn record(verdict: Verdict, reason: Reason) -> Record {
    let attempt = Attempt {
        at: Timestamp::UNIX_EPOCH,
        outcome: Outcome::Missing,
    };
    Record {
        pool: Some("default".into()),
        verdict,
        reason,
        last_attempt: Some(attempt),
        ..Record::default()
    }
}

fn carries(trust: Option<&str>, taint: Option<&str>) -> Carried {
    Carried {
        trust: trust.map(str::to_owned),
        pool: trust.map(|_| "default".to_owned()),
        taint: taint.map(str::to_owned),
        unattested: false,
        condition: None,
    }
}

/// Label and taint after the change.
fn becomes(
    record: &Record,
    pool: &Pool,
    breaker: Breaker,
    carried: &Carried,
) -> (Option<String>, Option<String>) {
    let change = change(record, Some(pool), breaker, carried);
    let value = |verdict: Verdict| verdict.as_str().to_owned();
    (
        change
            .trust
            .map_or_else(|| carried.trust.clone(), |trust| trust.map(value)),
        change
            .taint
            .map_or_else(|| carried.taint.clone(), |taint| taint.map(value)),
    )
}

#[test]
fn label_and_taint_follow_evidence_and_an_expiry_keeps_the_label() {
    let (yes, no) = (Some("trusted"), Some("untrusted"));
    let unknown = Some("unknown");
    let trusted = record(Verdict::Trusted, Reason::Attested);
    let failed = record(Verdict::Untrusted, Reason::FailedAttestation);
    let expired = record(Verdict::Unknown, Reason::Expired);
    let rebooted = record(Verdict::Unknown, Reason::Rebooted);
    let never = record(Verdict::Unknown, Reason::NeverAttested);
    let new = Record {
        last_attempt: None,
        ..never.clone()
    };
    let table = [
        (&trusted, (None, None), (yes, None)),
        (&trusted, (no, no), (yes, None)),
        (&failed, (yes, None), (no, no)),
        (&failed, (None, unknown), (no, no)),
        (&expired, (yes, None), (yes, None)),
        (&expired, (None, None), (unknown, None)),
        (&rebooted, (yes, None), (unknown, None)),
        (&rebooted, (no, no), (unknown, None)),
        (&never, (None, None), (unknown, None)),
        (&new, (None, None), (None, None)),
        (&new, (yes, no), (None, None)),
    ];
    for (record, (label, taint), (new_label, new_taint)) in table {
        let after = becomes(record, &pool(), Breaker::Closed, &carries(label, taint));
        let expected = (new_label.map(str::to_owned), new_taint.map(str::to_owned));
        assert_eq!(after, expected, "{} on {label:?}, {taint:?}", record.reason);
    }
}

#[test]
fn an_expiry_takes_the_label_where_the_pool_says_so() {
    let pool = Pool {
        on_expiry: OnExpiry::Change,
        taint_unknown: Taint::NoSchedule,
        ..pool()
    };
    let expired = record(Verdict::Unknown, Reason::Expired);

    let after = becomes(
        &expired,
        &pool,
        Breaker::Closed,
        &carries(Some("trusted"), None),
    );

    assert_eq!(
        after,
        (Some("unknown".to_owned()), Some("unknown".to_owned()))
    );
}

#[test]
fn behind_an_open_breaker_nothing_new_is_tainted_and_only_evidence_takes_a_label() {
    let trusted = carries(Some("trusted"), None);
    let failed = record(Verdict::Untrusted, Reason::FailedAttestation);
    let rebooted = record(Verdict::Unknown, Reason::Rebooted);
    let tainted = carries(Some("untrusted"), Some("untrusted"));

    let evidence = becomes(&failed, &pool(), Breaker::Open, &trusted);
    let witness = becomes(&rebooted, &pool(), Breaker::Open, &trusted);
    let earlier = becomes(&failed, &pool(), Breaker::Open, &tainted);

    assert_eq!(evidence, (Some("untrusted".to_owned()), None));
    assert_eq!(witness, (Some("trusted".to_owned()), None));
    assert_eq!(
        earlier,
        (Some("untrusted".to_owned()), Some("untrusted".to_owned()))
    );
}

#[test]
fn a_dry_run_withholds_taints_and_nothing_else() {
    let dry = Pool {
        dry_run: true,
        ..pool()
    };
    let failed = record(Verdict::Untrusted, Reason::FailedAttestation);

    let after = becomes(
        &failed,
        &dry,
        Breaker::Closed,
        &carries(Some("trusted"), None),
    );

    assert_eq!(after, (Some("untrusted".to_owned()), None));
}

#[test]
fn a_node_outside_every_pool_keeps_only_marks_of_distrust() {
    let left = Record {
        pool: None,
        ..record(Verdict::Unknown, Reason::NotInPool)
    };
    let failed = record(Verdict::Untrusted, Reason::FailedAttestation);
    let tainted = carries(Some("untrusted"), Some("untrusted"));

    let gone = change(
        &left,
        None,
        Breaker::Closed,
        &carries(Some("trusted"), Some("unknown")),
    );
    let kept = change(&failed, None, Breaker::Closed, &tainted);

    assert_eq!(
        gone,
        Change {
            trust: Some(None),
            pool: Some(None),
            taint: Some(None),
            lift: false,
        }
    );
    assert!(kept.is_empty(), "{kept:?}");
}

#[test]
fn only_taking_trust_away_is_a_loss() {
    let change = |trust, taint| Change {
        trust,
        taint,
        ..Change::default()
    };
    let table = [
        (change(Some(Some(Verdict::Trusted)), Some(None)), false),
        (change(Some(Some(Verdict::Unknown)), None), true),
        (change(Some(None), None), true),
        (change(None, Some(Some(Verdict::Untrusted))), true),
        (change(None, Some(None)), false),
        (change(None, None), false),
    ];
    for (change, loss) in table {
        assert_eq!(change.is_loss(), loss, "{change:?}");
    }
}

fn node(trust: Option<&str>) -> Node {
    Node {
        carried: carries(trust, None),
        ..fixtures::node()
    }
}

#[test]
fn records_that_somebody_deleted_cost_no_more_labels_than_the_breaker_allows() {
    let mut count = Count::default();
    for _ in 0..10 {
        count.add(&node(Some("trusted")), &Record::default(), &pool());
    }

    let breaker = count.breaker(&pool());
    let after = becomes(
        &Record::default(),
        &pool(),
        breaker,
        &carries(Some("trusted"), None),
    );

    assert_eq!(breaker, Breaker::Open);
    assert_eq!(after, (Some("trusted".to_owned()), None));
}

#[test]
fn the_breaker_opens_beyond_its_share_and_not_for_expiries() {
    let count = |records: &[(usize, Record)]| {
        let mut count = Count::default();
        for (times, record) in records {
            for _ in 0..*times {
                count.add(&node(None), record, &pool());
            }
        }
        count.breaker(&pool())
    };
    let good = record(Verdict::Trusted, Reason::Attested);
    let bad = record(Verdict::Untrusted, Reason::FailedAttestation);
    let expired = record(Verdict::Unknown, Reason::Expired);
    let rebooted = record(Verdict::Unknown, Reason::Rebooted);

    assert_eq!(
        count(&[(8, good.clone()), (2, bad.clone())]),
        Breaker::Closed
    );
    assert_eq!(count(&[(7, good.clone()), (3, bad.clone())]), Breaker::Open);
    assert_eq!(
        count(&[(7, good.clone()), (2, bad.clone()), (1, rebooted)]),
        Breaker::Open
    );
    assert_eq!(count(&[(1, good), (9, expired)]), Breaker::Closed);
    assert_eq!(
        count(&[(1, bad)]),
        Breaker::Closed,
        "at least one may always be acted upon"
    );
}

#[test]
fn the_taint_of_a_new_node_is_lifted_with_its_verdict_and_at_once_where_nobody_wants_it() {
    let wants = Pool {
        startup_taint: true,
        ..pool()
    };
    let dry = Pool {
        dry_run: true,
        ..wants.clone()
    };
    let untainted = Pool {
        taint_untrusted: Taint::None,
        ..wants.clone()
    };
    let new = Record::default();
    let trusted = record(Verdict::Trusted, Reason::Attested);
    let failed = record(Verdict::Untrusted, Reason::FailedAttestation);
    let nothing_known = record(Verdict::Unknown, Reason::NeverAttested);
    let table = [
        (&new, Some(&wants), Breaker::Closed, false),
        (&nothing_known, Some(&wants), Breaker::Closed, false),
        (&trusted, Some(&wants), Breaker::Closed, true),
        (&failed, Some(&wants), Breaker::Closed, true),
        (&failed, Some(&wants), Breaker::Open, false),
        (&failed, Some(&untainted), Breaker::Open, true),
        (&new, Some(&dry), Breaker::Closed, true),
        (&new, Some(&pool()), Breaker::Closed, true),
        (&new, None, Breaker::Closed, true),
    ];
    for (record, pool, breaker, lifted) in table {
        for unattested in [true, false] {
            let carried = Carried {
                unattested,
                ..Carried::default()
            };
            let change = change(record, pool, breaker, &carried);

            let what = format!("{} {pool:?} {breaker:?}", record.reason);
            assert_eq!(change.lift, lifted && unattested, "{what}");
        }
    }
}
