//! What ends an attestation sooner, and what a clock that was wrong leaves behind.

use super::*;

fn member(name: &str, validity: i64) -> Facts {
    let pool = Pool {
        name: name.into(),
        validity: SignedDuration::from_secs(validity),
        ..pool()
    };
    Facts {
        pool: Some(Membership::from(&pool)),
        ..facts()
    }
}

#[test]
fn a_pool_with_a_shorter_validity_ends_an_attestation_sooner_and_none_ends_it_later() {
    let moved = |name, validity, second| {
        let record = observe(
            &trusted_record(),
            &none(),
            &member(name, validity),
            at(second),
        );
        (has(&record), record.expires_at)
    };
    let trusted = (Verdict::Trusted, Reason::Attested);
    let expired = (Verdict::Unknown, Reason::Expired);

    assert_eq!(moved("other", 40, 40), (trusted, Some(at(41))));
    assert_eq!(moved("other", 40, 41), (expired, Some(at(41))));
    assert_eq!(moved("default", 40, 41), (expired, Some(at(41))));
    assert_eq!(moved("other", 400, 41), (trusted, Some(at(101))));
}

#[test]
fn the_shorter_validity_counts_from_the_evidence_too() {
    let early = Answer {
        evidence_at: Some(at(-9)),
        ..given(Outcome::Trusted, 1)
    };
    let record = answer(&seen(), &none(), &early, &pool(), at(1));

    let moved = observe(&record, &none(), &member("other", 40), at(2));

    assert_eq!(moved.expires_at, Some(at(31)));
}

#[test]
fn what_a_clock_far_ahead_has_seen_is_seen_now_and_can_be_attested() {
    let ahead = observe(&Record::default(), &none(), &facts(), at(3_600));

    let right = observe(&ahead, &none(), &facts(), at(0));
    let answered = answer(&right, &none(), &given(Outcome::Trusted, 1), &pool(), at(1));

    assert_eq!(right.incarnation_seen_at, Some(at(0)));
    assert_eq!(right.ready_since, Some(at(0)));
    assert_eq!(has(&answered), (Verdict::Trusted, Reason::Attested));
    let unanswered = answer(&ahead, &none(), &given(Outcome::Trusted, 1), &pool(), at(1));
    assert_eq!(has(&unanswered), (Verdict::Unknown, Reason::NeverAttested));
}

#[test]
fn invariant_2_an_attestation_of_a_clock_far_ahead_does_not_begin_to_count_later() {
    let second = 3_600;
    let ahead = observe(&Record::default(), &none(), &facts(), at(second));
    let trusted = answer(
        &ahead,
        &none(),
        &given(Outcome::Trusted, second),
        &pool(),
        at(second),
    );

    let just_ahead = observe(&trusted, &none(), &facts(), at(second - 30));
    let right = observe(&trusted, &none(), &facts(), at(second - 31));

    assert_eq!(has(&just_ahead), (Verdict::Trusted, Reason::Attested));
    assert_eq!(has(&right), (Verdict::Unknown, Reason::Expired));
    let come = observe(&right, &none(), &facts(), at(second));
    assert_eq!(has(&come), (Verdict::Unknown, Reason::Expired));
}
