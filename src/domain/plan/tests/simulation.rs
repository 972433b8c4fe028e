//! Whole rounds in simulated time: a service with hosts that hang, and the plan against it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// `timeouts.read` and `timeouts.total`, with their defaults, in seconds.
const READ: i64 = 75;
const TOTAL: i64 = 90;

/// A service that answers after `latency` seconds, but for the hosts that hang.
struct Oat {
    latency: i64,
    hangs: HashSet<usize>,
}

impl Oat {
    /// When a request sent at `now` ends, and whether with an answer.
    fn ask(&self, batch: &Batch, now: i64) -> (i64, bool) {
        let hangs = batch.items.iter().any(|item| {
            let number = item.name.as_str().trim_start_matches("node-");
            self.hangs.contains(&number.parse().unwrap())
        });
        let deadline = (READ.min(TOTAL) / (1 << batch.halvings.min(10))).max(1);
        let answers = !hangs && self.latency <= deadline;
        (now + if answers { self.latency } else { deadline }, answers)
    }
}

/// The second of each node's first verdict, after `seconds` of running.
fn run(nodes: usize, service: &Oat, seconds: i64) -> BTreeMap<String, i64> {
    let mut world = World::of(vec![new_record(0); nodes]);
    let mut verdicts = BTreeMap::new();
    let mut under_way: Vec<(i64, bool, Batch)> = Vec::new();
    for now in 0..=seconds {
        let (over, left): (Vec<_>, Vec<_>) =
            under_way.into_iter().partition(|(end, ..)| *end <= now);
        under_way = left;
        for (_, answered, batch) in over {
            if !answered {
                world.agenda.failed(&batch, Blame::Hosts, at(now));
                continue;
            }
            world.answer(&batch, Outcome::Trusted);
            for item in &batch.items {
                verdicts.entry(item.name.to_string()).or_insert(now);
            }
        }
        for batch in world.start(at(now)) {
            let (end, answered) = service.ask(&batch, now);
            under_way.push((end, answered, batch));
        }
        assert!(
            under_way.len() <= world.service.max_in_flight,
            "too many requests in flight"
        );
        let slow = under_way
            .iter()
            .filter(|(.., batch)| batch.lane == Lane::Slow)
            .count();
        assert!(slow <= 1, "failed hosts take more than one slot");
    }
    verdicts
}

#[test]
fn with_one_host_that_always_hangs_every_other_has_a_verdict_within_two_deadlines() {
    for culprit in [0, 7, 57, 199] {
        let service = Oat {
            latency: 1,
            hangs: HashSet::from([culprit]),
        };

        let verdicts = run(200, &service, 2 * TOTAL);

        assert_eq!(verdicts.len(), 199, "with {culprit} hanging");
        let undisturbed = verdicts.values().filter(|second| **second <= 10).count();
        assert!(
            undisturbed >= 180,
            "others wait for {culprit}: {undisturbed}"
        );
    }
}

/// A service that says nothing readable about anybody for hours, and then answers.
#[test]
fn whoever_failed_with_everybody_else_is_asked_soon_after_good_answers_return() {
    const RETURN: i64 = 10_000;
    let mut world = World::of(vec![new_record(0); 3]);
    let mut verdicts = BTreeMap::new();
    for now in 0..RETURN + 310 {
        for batch in world.start(at(now)) {
            if now < RETURN {
                world.agenda.failed(&batch, Blame::Hosts, at(now));
                continue;
            }
            world.answer(&batch, Outcome::Trusted);
            for item in &batch.items {
                verdicts.entry(item.name.to_string()).or_insert(now);
            }
        }
    }

    assert_eq!(verdicts.len(), 3, "{verdicts:?}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        // Half an hour is simulated in each: a tenth of the usual cases.
        cases: ProptestConfig::default().cases.div_ceil(10),
        ..ProptestConfig::default()
    })]

    /// No node starves: whoever answers at all has a verdict in time, whoever else hangs.
    #[test]
    fn no_node_starves(
        hangs in proptest::collection::hash_set(0..90_usize, 0..6), latency in 0..4_i64
    ) {
        let service = Oat { latency, hangs: hangs.clone() };
        let verdicts = run(90, &service, 1_800);

        for number in (0..90).filter(|number| !hangs.contains(number)) {
            let name = format!("node-{number:04}");
            prop_assert!(verdicts.contains_key(&name), "{} starves beside {:?}", name, hangs);
        }
    }
}
