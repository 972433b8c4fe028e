//! The ways into `untrusted`, and the ways back.

use super::*;

#[test]
fn untrusted_ends_with_as_many_good_answers_in_a_row_as_the_pool_wants() {
    let table: [(&[Outcome], Verdict); 5] = [
        (&[Outcome::Trusted], Verdict::Untrusted),
        (&[Outcome::Trusted, Outcome::Trusted], Verdict::Trusted),
        (
            &[Outcome::Trusted, Outcome::Unreachable, Outcome::Trusted],
            Verdict::Trusted,
        ),
        (
            &[Outcome::Trusted, Outcome::Untrusted, Outcome::Trusted],
            Verdict::Untrusted,
        ),
        (
            &[Outcome::HostUnknown, Outcome::Missing],
            Verdict::Untrusted,
        ),
    ];
    for (outcomes, verdict) in table {
        let answers: Vec<_> = outcomes.iter().copied().zip(2..).collect();
        let record = answers
            .iter()
            .fold(untrusted_record(), |record, (outcome, second)| {
                answer(
                    &record,
                    &none(),
                    &given(*outcome, *second),
                    &pool(),
                    at(*second),
                )
            });
        assert_eq!(record.verdict, verdict, "{outcomes:?}");
    }
}

#[test]
fn where_a_human_decides_untrusted_is_held() {
    let manual = Pool {
        trust_again: TrustAgain::Manual,
        ..pool()
    };
    let held = answer(
        &seen(),
        &none(),
        &given(Outcome::Untrusted, 1),
        &manual,
        at(1),
    );
    let still = answer(&held, &none(), &given(Outcome::Trusted, 2), &manual, at(2));
    let accepted = Orders {
        accept: Some(at(1)),
        ..none()
    };

    let lifted = observe(&still, &accepted, &facts(), at(3));
    let trusted = answer(
        &lifted,
        &accepted,
        &given(Outcome::Trusted, 4),
        &manual,
        at(4),
    );

    assert_eq!(still.verdict, Verdict::Untrusted);
    assert_eq!(has(&trusted), (Verdict::Trusted, Reason::Attested));
}

#[test]
fn distrust_outranks_every_answer_and_is_not_forgotten_when_lifted() {
    let distrust = Orders {
        distrust: Some("stolen".to_owned()),
        ..none()
    };
    for before in [seen(), trusted_record(), untrusted_record()] {
        let record = observe(&before, &distrust, &facts(), at(5));
        assert_eq!(record.expires_at, None, "nothing is left to expire");
        assert_eq!(has(&record), (Verdict::Untrusted, Reason::Distrusted));

        let answered = answer(
            &record,
            &distrust,
            &given(Outcome::Trusted, 6),
            &pool(),
            at(6),
        );
        assert_eq!(has(&answered), (Verdict::Untrusted, Reason::Distrusted));

        let lifted = observe(&answered, &none(), &facts(), at(7));
        assert_eq!(lifted.verdict, Verdict::Untrusted);
    }
}

#[test]
fn whoever_failed_where_no_human_was_wanted_waits_for_one_where_one_is() {
    let manual = Pool {
        trust_again: TrustAgain::Manual,
        ..pool()
    };
    let good = |record: &Record, orders: &Orders, second| {
        let given = given(Outcome::Trusted, second);
        answer(record, orders, &given, &manual, at(second))
    };

    let held = good(&untrusted_record(), &none(), 4);
    let still = good(&held, &none(), 5);
    let accepted = Orders {
        accept: held.hold.as_ref().map(|hold| hold.since),
        ..none()
    };
    let lifted = observe(&still, &accepted, &facts(), at(6));
    let trusted = good(&lifted, &accepted, 7);

    assert_eq!(held.hold.as_ref().unwrap().since, at(4));
    assert_eq!(still, held_again(&held, &still));
    assert_eq!(has(&lifted), (Verdict::Unknown, Reason::NeverAttested));
    assert_eq!(has(&trusted), (Verdict::Trusted, Reason::Attested));
}

/// `held`, with the last question of `later`.
fn held_again(held: &Record, later: &Record) -> Record {
    Record {
        last_attempt: later.last_attempt,
        ..held.clone()
    }
}

#[test]
fn a_newer_cause_renews_a_hold_and_what_was_accepted_before_does_not_lift_it() {
    let manual = Pool {
        trust_again: TrustAgain::Manual,
        ..pool()
    };
    let failed = |record: &Record, second| {
        let given = given(Outcome::Untrusted, second);
        answer(record, &none(), &given, &manual, at(second))
    };
    let back = Facts {
        identity: Ok(incarnation("b0")),
        returned: true,
        ..facts()
    };
    let first = failed(&seen(), 5);
    let repeated = failed(&first, 6);
    let conflict = observe(&repeated, &none(), &back, at(5));
    let accepted = Orders {
        accept: Some(at(5)),
        ..none()
    };

    let since = |record: &Record| record.hold.as_ref().map(|hold| (hold.reason, hold.since));
    assert_eq!(since(&repeated), Some((Reason::FailedAttestation, at(5))));
    assert_eq!(since(&conflict), Some((Reason::IdentityConflict, at(6))));
    let not_lifted = observe(&conflict, &accepted, &back, at(8));
    assert_eq!(since(&not_lifted), since(&conflict));
}
