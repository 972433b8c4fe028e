//! What holds of every plan.

use proptest::prelude::*;

use super::*;

/// What the past of one node may be.
#[derive(Clone, Debug)]
enum Past {
    Failed,
    New,
    Timeout,
    Trusted(i64),
    UnderWay,
}

fn any_past() -> impl Strategy<Value = Past> {
    prop_oneof![
        Just(Past::Failed),
        Just(Past::New),
        Just(Past::Timeout),
        (-900..0_i64).prop_map(Past::Trusted),
        Just(Past::UnderWay),
    ]
}

/// A world at 0, in which every node has its past.
fn world(pasts: &[Past]) -> World {
    let record = |past: &Past| match past {
        Past::Trusted(second) => trusted_record(*second),
        _ => new_record(-900),
    };
    let mut world = World::of(pasts.iter().map(record).collect());
    for (number, past) in pasts.iter().enumerate() {
        let name = world.nodes[number].0.clone();
        let item = Item {
            name,
            pool: world.pool.name.clone(),
            due: Due::New,
        };
        let batch = Batch {
            service: world.service.name.clone(),
            items: vec![item],
            lane: Lane::Fast,
            halvings: 0,
        };
        match past {
            Past::Failed => {
                world.agenda.begin(&batch, false, at(-400));
                world.agenda.failed(&batch, Blame::Hosts, at(-400));
                let empty = Batch {
                    items: Vec::new(),
                    ..batch
                };
                world.agenda.begin(&empty, false, at(-400));
                world.agenda.answered(&empty, &[]);
            }
            Past::Timeout => {
                world.agenda.begin(&batch, false, at(-400));
                world.answer(&batch, Outcome::HostTimeout);
            }
            Past::UnderWay if number < 3 => world.agenda.begin(&batch, false, at(-1)),
            Past::New | Past::Trusted(_) | Past::UnderWay => {}
        }
    }
    world
}

proptest! {
    #[test]
    fn every_due_node_is_in_exactly_one_batch_and_no_batch_exceeds_its_size(
        pasts in proptest::collection::vec(any_past(), 0..120)
    ) {
        let world = world(&pasts);
        let plan = world.plan(at(0));

        let batches = || plan.start.iter().chain(&plan.wait);
        let mut planned: Vec<_> =
            batches().flat_map(|batch| &batch.items).map(|item| item.name.clone()).collect();
        let total = planned.len();
        planned.sort();
        planned.dedup();
        prop_assert_eq!(planned.len(), total, "a node is in two batches");
        for (name, record) in &world.nodes {
            let memory = world.agenda.memory(name);
            let subject = Subject { name, record, orders: &world.orders };
            let due = memory.is_idle() && due(&subject, memory, &world.pool, at(0)).0 <= at(0);
            prop_assert!(!due || planned.contains(name), "{} is due and in no batch", name);
            prop_assert!(memory.is_idle() || !planned.contains(name), "{} is under way", name);
        }
        for batch in batches() {
            prop_assert!((1..=world.service.next).contains(&batch.items.len()));
        }
        prop_assert!(plan.start.len() <= world.service.max_in_flight);
        prop_assert!(plan.start.iter().filter(|batch| batch.lane == Lane::Slow).count() <= 1);
        prop_assert!(plan.next > at(0), "the next wake is in the past");
    }

    /// Whatever boot IDs a kubelet reports, a node is asked about at most once in `minInterval`.
    #[test]
    fn invariant_9_at_most_one_question_per_node_and_shortest_interval(
        reboots in proptest::collection::vec(0..120_i64, 0..60)
    ) {
        let mut world = World::of(vec![new_record(0); 3]);
        let mut asked: Vec<i64> = Vec::new();
        for second in 0..150 {
            if reboots.contains(&second) {
                world.nodes[0].1 = new_record(second);
            }
            for batch in world.start(at(second)) {
                let flapping = batch.items.iter().any(|item| item.name == world.nodes[0].0);
                asked.extend(flapping.then_some(second));
                world.answer(&batch, Outcome::Trusted);
            }
        }
        prop_assert!(!asked.is_empty());
        prop_assert!(asked.windows(2).all(|pair| pair[1] - pair[0] >= 30), "{:?}", asked);
    }

    /// A kubelet that flaps never pulls its pool's round.
    #[test]
    fn invariant_9_a_flapping_node_asks_about_no_node_before_its_time(
        reboots in proptest::collection::vec(0..200_i64, 0..60)
    ) {
        let mut world = World::of(vec![trusted_record(0); 20]);
        for second in 1..225 {
            if reboots.contains(&second) {
                world.nodes[0].1 = new_record(second);
            }
            for batch in world.start(at(second)) {
                let others = batch.items.iter().filter(|item| item.name != world.nodes[0].0);
                prop_assert_eq!(others.count(), 0, "at {}", second);
                world.answer(&batch, Outcome::Trusted);
            }
        }
    }
}
