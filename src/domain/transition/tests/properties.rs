//! What holds of every sequence of observations and answers.

use proptest::prelude::*;

use super::*;

fn any_outcome() -> impl Strategy<Value = Outcome> {
    proptest::sample::select(Outcome::ALL.to_vec())
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let readiness = prop_oneof![
        Just(Readiness::Ready),
        Just(Readiness::NotReady),
        Just(Readiness::Silent)
    ];
    (
        0..3_u8,
        readiness,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(boot, readiness, network_at_fault, returned, member)| Facts {
                pool: member.then(|| Membership::from(&pool())),
                identity: match (member, boot) {
                    (false, _) => Err(Reason::NotInPool),
                    (true, 0) => Err(Reason::NoBootID),
                    (true, boot) => Ok(incarnation(&format!("b{boot}"))),
                },
                readiness,
                network_at_fault,
                returned,
            },
        )
}

#[derive(Clone, Debug)]
enum Step {
    Answer(Outcome, u8),
    Distrust(bool),
    Observe(Facts),
    Silent,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (any_outcome(), 1..3_u8).prop_map(|(outcome, boot)| Step::Answer(outcome, boot)),
        any::<bool>().prop_map(Step::Distrust),
        any_facts().prop_map(Step::Observe),
        Just(Step::Silent),
    ]
}

proptest! {
    /// Whatever happens in whatever order: only an answer `Trusted` about the current incarnation
    /// makes a node trusted, and only an answer `Untrusted` or an administrator makes it untrusted.
    #[test]
    fn invariant_2_only_an_answer_grants(steps in proptest::collection::vec(any_step(), 1..60)) {
        let mut record = seen();
        let mut orders = none();
        for (second, step) in (1..).zip(steps) {
            let before = record.clone();
            record = match &step {
                Step::Answer(outcome, boot) => {
                    let given = Answer {
                        asked: incarnation(&format!("b{boot}")),
                        ..given(*outcome, second)
                    };
                    answer(&record, &orders, &given, &pool(), at(second))
                }
                Step::Distrust(distrust) => {
                    orders.distrust = distrust.then(|| "why".to_owned());
                    record
                }
                Step::Observe(facts) => observe(&record, &orders, facts, at(second)),
                Step::Silent => silent(&record, &pool()),
            };
            let gained = |verdict| record.verdict == verdict && before.verdict != verdict;
            if gained(Verdict::Trusted) {
                let Step::Answer(Outcome::Trusted, boot) = step else {
                    panic!("{step:?} granted trust");
                };
                prop_assert_eq!(&before.incarnation, &Some(incarnation(&format!("b{boot}"))));
                prop_assert!(before.hold.is_none() && orders.distrust.is_none());
            }
            if gained(Verdict::Untrusted) {
                let evidence = matches!(step, Step::Answer(Outcome::Untrusted, _));
                prop_assert!(evidence || orders.distrust.is_some(), "{:?} condemned", step);
            }
        }
    }
}
