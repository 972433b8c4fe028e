//! Every row of the state table, and what universally holds of it.

mod limits;
mod properties;
mod untrusted;

use jiff::SignedDuration;

use super::*;
use crate::domain::fixtures::{self, at};

/// Short enough to run out in a test.
fn pool() -> Pool {
    Pool {
        validity: SignedDuration::from_secs(100),
        ..fixtures::pool()
    }
}

fn incarnation(boot: &str) -> Incarnation {
    Incarnation {
        url: "https://oat".to_owned(),
        host: "a".to_owned(),
        uid: "u".to_owned(),
        boot_id: boot.to_owned(),
        machine_id: "m".to_owned(),
        system_uuid: "s".to_owned(),
    }
}

fn facts() -> Facts {
    Facts {
        pool: Some(Membership::from(&pool())),
        identity: Ok(incarnation("b1")),
        readiness: Readiness::Ready,
        network_at_fault: false,
        returned: false,
    }
}

fn given(outcome: Outcome, second: i64) -> Answer {
    Answer {
        outcome,
        asked: incarnation("b1"),
        requested_at: at(second),
        evidence_at: Some(at(second)),
    }
}

fn none() -> Orders {
    Orders::default()
}

fn seen() -> Record {
    observe(&Record::default(), &none(), &facts(), at(0))
}

fn after_answers(outcomes: &[(Outcome, i64)]) -> Record {
    outcomes.iter().fold(seen(), |record, (outcome, second)| {
        answer(
            &record,
            &none(),
            &given(*outcome, *second),
            &pool(),
            at(*second),
        )
    })
}

fn trusted_record() -> Record {
    after_answers(&[(Outcome::Trusted, 1)])
}

fn untrusted_record() -> Record {
    after_answers(&[(Outcome::Untrusted, 1)])
}

/// Verdict and reason.
fn has(record: &Record) -> (Verdict, Reason) {
    (record.verdict, record.reason)
}

#[test]
fn a_new_node_is_unknown_until_its_first_verdict() {
    assert_eq!(has(&seen()), (Verdict::Unknown, Reason::NeverAttested));
    assert_eq!(has(&trusted_record()), (Verdict::Trusted, Reason::Attested));
    assert_eq!(
        has(&untrusted_record()),
        (Verdict::Untrusted, Reason::FailedAttestation)
    );
}

#[test]
fn trust_expires_after_the_earlier_of_question_and_evidence() {
    let early = Answer {
        evidence_at: Some(at(-9)),
        ..given(Outcome::Trusted, 1)
    };
    let late = Answer {
        evidence_at: Some(at(9)),
        ..given(Outcome::Trusted, 1)
    };

    let expires = |given| answer(&seen(), &none(), given, &pool(), at(1)).expires_at;

    assert_eq!(expires(&early), Some(at(91)));
    assert_eq!(expires(&late), Some(at(101)));
}

#[test]
fn an_outcome_trusted_that_is_expired_already_grants_nothing() {
    let given = Answer {
        evidence_at: Some(at(-99)),
        ..given(Outcome::Trusted, 1)
    };

    let record = answer(&seen(), &none(), &given, &pool(), at(1));

    assert_eq!(has(&record), (Verdict::Unknown, Reason::NeverAttested));
}

#[test]
fn invariant_4_an_outcome_without_a_verdict_leaves_verdict_and_times_as_they_were() {
    for before in [seen(), trusted_record(), untrusted_record()] {
        for outcome in Outcome::ALL
            .into_iter()
            .filter(|outcome| !outcome.is_verdict())
        {
            let record = answer(&before, &none(), &given(outcome, 7), &pool(), at(7));

            let attempt = Some(Attempt { at: at(7), outcome });
            assert_eq!(
                record,
                Record {
                    last_attempt: attempt,
                    ..before.clone()
                }
            );
            let again = answer(&record, &none(), &given(outcome, 8), &pool(), at(8));
            assert_eq!(again, record, "the same outcome again is worth no write");
        }
    }
}

#[test]
fn trust_expires_and_untrusted_stays() {
    let expired = observe(&trusted_record(), &none(), &facts(), at(101));
    let fresh = observe(&trusted_record(), &none(), &facts(), at(100));
    let untrusted = observe(&untrusted_record(), &none(), &facts(), at(100_000));

    assert_eq!(has(&fresh), (Verdict::Trusted, Reason::Attested));
    assert_eq!(has(&expired), (Verdict::Unknown, Reason::Expired));
    assert_eq!(expired.expires_at, Some(at(101)));
    assert_eq!(
        has(&untrusted),
        (Verdict::Untrusted, Reason::FailedAttestation)
    );
}

#[test]
fn another_incarnation_ends_trust_and_keeps_distrust() {
    let with = |change: fn(&mut Incarnation)| {
        let mut incarnation = incarnation("b1");
        change(&mut incarnation);
        Facts {
            identity: Ok(incarnation),
            ..facts()
        }
    };
    let table = [
        (with(|new| new.boot_id.push('2')), Reason::Rebooted),
        (with(|new| new.machine_id.push('2')), Reason::Rebooted),
        (with(|new| new.system_uuid.push('2')), Reason::Rebooted),
        (with(|new| new.uid.push('2')), Reason::Recreated),
        (with(|new| new.host.push('2')), Reason::HostChanged),
        (with(|new| new.url.push('2')), Reason::HostChanged),
        (
            Facts {
                identity: Err(Reason::NoBootID),
                ..facts()
            },
            Reason::NoBootID,
        ),
        (
            Facts {
                identity: Err(Reason::HostConflict),
                ..facts()
            },
            Reason::HostConflict,
        ),
        (
            Facts {
                identity: Err(Reason::InvalidHost),
                ..facts()
            },
            Reason::InvalidHost,
        ),
    ];
    for (facts, reason) in table {
        let lost = observe(&trusted_record(), &none(), &facts, at(5));
        assert_eq!(
            (has(&lost), lost.expires_at),
            ((Verdict::Unknown, reason), None)
        );

        let kept = observe(&untrusted_record(), &none(), &facts, at(5));
        assert_eq!(
            has(&kept),
            (Verdict::Untrusted, Reason::FailedAttestation),
            "{reason}"
        );
    }
}

#[test]
fn invariant_2_an_answer_counts_only_for_this_incarnation_and_a_later_question() {
    let rebooted = Facts {
        identity: Ok(incarnation("b2")),
        ..facts()
    };
    let record = observe(&trusted_record(), &none(), &rebooted, at(5));
    let about = |boot, second| Answer {
        asked: incarnation(boot),
        ..given(Outcome::Trusted, second)
    };

    let in_flight = answer(&record, &none(), &about("b1", 6), &pool(), at(6));
    let too_early = answer(&record, &none(), &about("b2", 4), &pool(), at(6));
    let good = answer(&record, &none(), &about("b2", 5), &pool(), at(6));

    assert_eq!(in_flight, record);
    assert_eq!(too_early, record);
    assert_eq!(has(&good), (Verdict::Trusted, Reason::Attested));
}

#[test]
fn a_boot_id_that_returns_is_held_until_an_administrator_accepts() {
    let back = Facts {
        identity: Ok(incarnation("b0")),
        returned: true,
        ..facts()
    };
    let held = observe(&trusted_record(), &none(), &back, at(5));
    let good = Answer {
        asked: incarnation("b0"),
        ..given(Outcome::Trusted, 6)
    };
    let other = Orders {
        accept: Some(at(6)),
        ..none()
    };
    let accepted = Orders {
        accept: Some(at(5)),
        ..none()
    };

    let still = answer(&held, &none(), &good, &pool(), at(6));
    let not_lifted = observe(&held, &other, &back, at(7));
    let lifted = observe(&held, &accepted, &back, at(7));

    assert_eq!(has(&held), (Verdict::Unknown, Reason::IdentityConflict));
    assert_eq!(has(&still), (Verdict::Unknown, Reason::IdentityConflict));
    assert!(not_lifted.hold.is_some());
    assert_eq!(lifted.hold, None);
    let good = Answer {
        asked: incarnation("b0"),
        ..given(Outcome::Trusted, 8)
    };
    let trusted = answer(&lifted, &accepted, &good, &pool(), at(8));
    assert_eq!(has(&trusted), (Verdict::Trusted, Reason::Attested));
}

#[test]
fn a_kubelet_without_heartbeat_loses_trust_unless_the_network_is_at_fault() {
    let silent = Facts {
        readiness: Readiness::Silent,
        ..facts()
    };
    let network = Facts {
        network_at_fault: true,
        ..silent.clone()
    };
    let not_ready = Facts {
        readiness: Readiness::NotReady,
        ..facts()
    };

    let lost = observe(&trusted_record(), &none(), &silent, at(5));

    assert_eq!(has(&lost), (Verdict::Unknown, Reason::NotReady));
    for facts in [network, not_ready] {
        let kept = observe(&trusted_record(), &none(), &facts, at(5));
        assert_eq!(has(&kept), (Verdict::Trusted, Reason::Attested));
    }
    let in_flight = answer(&lost, &none(), &given(Outcome::Trusted, 4), &pool(), at(6));
    assert_eq!(
        in_flight, lost,
        "the question was sent before the heartbeat stopped"
    );
}

#[test]
fn leaving_every_pool_ends_trust_and_improves_nothing() {
    let alone = Facts {
        pool: None,
        identity: Err(Reason::NotInPool),
        ..facts()
    };

    let left = observe(&trusted_record(), &none(), &alone, at(5));
    let untrusted = observe(&untrusted_record(), &none(), &alone, at(5));

    assert_eq!(
        (has(&left), left.pool),
        ((Verdict::Unknown, Reason::NotInPool), None)
    );
    assert_eq!(
        has(&untrusted),
        (Verdict::Untrusted, Reason::FailedAttestation)
    );
    assert_eq!(untrusted.pool, Some("default".into()));
}

#[test]
fn a_silent_host_is_unknown_after_so_many_rounds() {
    let quiet = answer(
        &trusted_record(),
        &none(),
        &given(Outcome::HostTimeout, 2),
        &pool(),
        at(2),
    );

    let once = silent(&quiet, &pool());
    let twice = silent(&once, &pool());

    assert_eq!(
        (has(&once), once.streak),
        ((Verdict::Trusted, Reason::Attested), 1)
    );
    assert_eq!(has(&twice), (Verdict::Unknown, Reason::HostSilent));
    let answered = answer(&once, &none(), &given(Outcome::Trusted, 3), &pool(), at(3));
    assert_eq!(answered.streak, 0);
    for other in [trusted_record(), untrusted_record(), seen()] {
        assert_eq!(
            silent(&other, &pool()),
            other,
            "only a host that fell silent"
        );
    }
}
