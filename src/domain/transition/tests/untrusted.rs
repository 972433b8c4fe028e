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
