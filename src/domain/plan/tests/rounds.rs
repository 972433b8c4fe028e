//! What a round tells once it is over.

use super::*;
use crate::domain::tally::Round;

fn rounds_over(world: &mut World, second: i64) -> Vec<Round> {
    let interval = |_: &PoolName| SignedDuration::from_mins(5);
    world
        .agenda
        .rounds_over(&HashSet::new(), interval, at(second))
}

#[test]
fn a_round_names_its_silent_hosts_only_if_it_was_conclusive() {
    for (good, silent) in [(5, 5), (4, 0)] {
        let mut world = World::of(vec![new_record(0); 10]);
        let batch = world.start(at(0)).remove(0);
        let outcome = |n| {
            if n < good {
                Outcome::Trusted
            } else {
                Outcome::HostUnknown
            }
        };
        let outcomes: Vec<_> = batch
            .items
            .iter()
            .enumerate()
            .map(|(n, i)| (i.name.clone(), outcome(n)))
            .collect();
        world.agenda.answered(&batch, &outcomes);

        let rounds = rounds_over(&mut world, 4);

        assert_eq!(rounds.len(), 1);
        assert_eq!((rounds[0].asked, rounds[0].verdicts), (10, good));
        assert_eq!(rounds[0].silent.len(), silent);
    }
}

/// One host of ten hangs, one is silent: the round that tells so is over when the halves are.
#[test]
fn a_round_goes_on_while_a_culprit_is_searched_and_counts_what_the_halves_gave() {
    let mut world = World::of(vec![new_record(0); 10]);
    let names = ["node-0000", "node-0009"];
    let [hangs, silent] = names.map(NodeName::from);
    let mut now = 0;
    let mut batches = world.start(at(now));
    while !batches.is_empty() {
        now += 1;
        for batch in batches {
            if batch.items.iter().any(|item| item.name == hangs) {
                world.agenda.failed(&batch, Blame::Hosts, at(now));
                continue;
            }
            let outcome = |name: &NodeName| match *name == silent {
                true => Outcome::HostTimeout,
                false => Outcome::Trusted,
            };
            let outcomes = batch.items.iter();
            let outcomes: Vec<_> = outcomes
                .map(|item| (item.name.clone(), outcome(&item.name)))
                .collect();
            world.agenda.answered(&batch, &outcomes);
        }
        batches = world.start(at(now));
        let over = rounds_over(&mut world, now);
        assert_eq!(over.is_empty(), !batches.is_empty(), "at {now}: {over:?}");
        if let [round] = over.as_slice() {
            assert_eq!((round.asked, round.verdicts), (10, 8));
            assert_eq!(round.silent, std::slice::from_ref(&silent));
        }
    }
    assert!(now > 3, "a search takes several questions");
}
