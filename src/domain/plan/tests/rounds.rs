//! What a round tells once it is over.

use super::*;
use crate::domain::tally::Round;

fn rounds_over(world: &mut World, second: i64) -> Vec<Round> {
    let pool = |_: &PoolName| Some(&world.pool);
    world.agenda.rounds_over(&HashSet::new(), pool, at(second))
}

/// Answers `HostTimeout` for `silent`, and `Trusted` for every other node of `batch`.
fn answer_but(world: &mut World, batch: &Batch, silent: &NodeName) {
    let outcome = |name: &NodeName| match name == silent {
        true => Outcome::HostTimeout,
        false => Outcome::Trusted,
    };
    let items = batch.items.iter();
    let outcomes: Vec<_> = items
        .map(|item| (item.name.clone(), outcome(&item.name)))
        .collect();
    world.agenda.answered(batch, &outcomes);
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
            answer_but(&mut world, &batch, &silent);
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

/// Asks who is due, answers `HostTimeout` for one of 10 nodes and `Trusted` for the others, and returns
/// the round.
fn round_at(world: &mut World, second: i64) -> Round {
    for batch in world.start(at(second)) {
        answer_but(world, &batch, &"node-0009".into());
    }
    rounds_over(world, second).remove(0)
}

/// A kubelet that is Ready again just before each round is asked about alone; then it may have been
/// asked about too lately to be asked about with the others.
#[test]
fn who_is_asked_about_alone_just_before_a_round_is_silent_in_it() {
    for (alone, with_others) in [(220, 9), (209, 10)] {
        let mut world = World::of(vec![trusted_record(0); 10]);
        world.pool.min_interval = SignedDuration::from_secs(90);
        world.nodes[9].1.ready_since = Some(at(alone));

        let own = round_at(&mut world, alone);
        let others = round_at(&mut world, 300);
        let again = round_at(&mut world, 600);

        assert_eq!((own.asked, own.silent.len()), (1, 0));
        assert_eq!((others.asked, others.verdicts), (with_others, 9));
        assert_eq!(others.silent, ["node-0009".into()], "asked at {alone}");
        assert_eq!(again.silent, ["node-0009".into()], "once for each round");
    }
}

#[test]
fn a_round_without_verdicts_and_a_good_answer_just_after_it_make_nobody_silent() {
    let mut world = World::of(vec![new_record(0); 10]);
    let batch = world.start(at(0)).remove(0);
    world.answer(&batch, Outcome::HostTimeout);
    let outage = rounds_over(&mut world, 1).remove(0);
    world.nodes.push(("joins".into(), new_record(10)));
    let batch = world.start(at(10)).remove(0);
    world.answer(&batch, Outcome::Trusted);
    let after = rounds_over(&mut world, 11).remove(0);

    assert_eq!((outage.asked, outage.silent.len()), (10, 0));
    assert_eq!((after.asked, after.verdicts, after.silent.len()), (1, 1, 0));
}

/// A kubelet is unready whenever the others are asked about, and asked about alone just after it.
#[test]
fn who_hides_from_each_round_is_silent_in_it() {
    let mut world = World::of(vec![trusted_record(0); 10]);
    let mut silent = 0;
    for round in 1..=5 {
        let second = 300 * round;
        let hidden = world.nodes.remove(9);
        let others = round_at(&mut world, second);
        world.nodes.push(hidden);
        world.nodes[9].1.ready_since = Some(at(second + 2));
        let own = round_at(&mut world, second + 2);

        assert_eq!((others.asked, others.verdicts), (9, 9));
        assert_eq!((own.asked, own.silent.len()), (1, 0));
        silent += others.silent.len();
    }
    assert_eq!(silent, 4, "from the second round on");
}
