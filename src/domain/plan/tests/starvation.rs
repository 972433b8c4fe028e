//! Hours of a service some of whose hosts make every request about them fail: whoever else there is
//! keeps its attestation.

use std::collections::BTreeMap;

use super::*;

/// A pool of 60 nodes, of which `culprits` make requests fail after `latency` seconds.
struct Trouble {
    culprits: usize,
    latency: i64,
    /// Of the pool, in seconds.
    interval: i64,
}

impl Trouble {
    const NODES: usize = 60;
    const INTERVALS: i64 = 12;

    /// The longest time, in seconds, that a node which answers was without a new verdict, and how often
    /// each culprit was asked about.
    fn run(&self) -> (i64, Vec<usize>) {
        let mut world = World::of(vec![new_record(0); Self::NODES]);
        world.pool.interval = SignedDuration::from_secs(self.interval);
        let mut under_way: Vec<(i64, i64, Batch)> = Vec::new();
        let mut verdicts: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
        let mut asked = vec![0; self.culprits];
        let (mut now, end) = (0, Self::INTERVALS * self.interval);
        while now < end {
            let (over, left) = under_way.into_iter().partition(|(ends, ..)| *ends <= now);
            under_way = left;
            for (_, sent, batch) in over {
                self.end(&mut world, &batch, [sent, now], &mut verdicts);
            }
            for batch in world.start(at(now)) {
                let numbers = batch.items.iter().map(number);
                let culprits: Vec<_> = numbers.filter(|it| *it < self.culprits).collect();
                culprits.iter().for_each(|it| asked[*it] += 1);
                // Each halving halves the deadlines.
                let failing = self.latency >> batch.halvings.min(10);
                let takes = if culprits.is_empty() { 1 } else { failing };
                under_way.push((now + takes, now, batch));
            }
            let next = world.plan(at(now)).next.duration_since(at(0)).as_secs();
            let ends = under_way.iter().map(|(ends, ..)| *ends);
            now = ends.fold(next, i64::min).max(now + 1);
        }
        let good = self.culprits..Self::NODES;
        let gaps = good.flat_map(|node| gaps(verdicts.get(&node), end));
        (gaps.max().unwrap(), asked)
    }

    fn end(
        &self,
        world: &mut World,
        batch: &Batch,
        [sent, now]: [i64; 2],
        verdicts: &mut BTreeMap<usize, Vec<i64>>,
    ) {
        if batch.items.iter().any(|item| number(item) < self.culprits) {
            world.agenda.failed(batch, Blame::Hosts, at(now));
            return;
        }
        world.answer(batch, Outcome::Trusted);
        for item in &batch.items {
            world.nodes[number(item)].1 = trusted_record(sent);
            verdicts.entry(number(item)).or_default().push(now);
        }
    }
}

fn number(item: &Item) -> usize {
    item.name
        .as_str()
        .trim_start_matches("node-")
        .parse()
        .unwrap()
}

/// The times between two verdicts, from the beginning to `end`.
fn gaps(verdicts: Option<&Vec<i64>>, end: i64) -> Vec<i64> {
    let verdicts = verdicts.map_or(&[][..], Vec::as_slice);
    let from = [0].into_iter().chain(verdicts.iter().copied());
    let to = verdicts.iter().copied().chain([end]);
    from.zip(to).map(|(from, to)| to - from).collect()
}

#[test]
fn invariant_8_a_few_hosts_that_always_fail_cost_no_other_its_attestation() {
    let trouble = |culprits, latency, interval| Trouble {
        culprits,
        latency,
        interval,
    };
    for trouble in [
        trouble(0, 0, 300),
        trouble(6, 0, 300),
        trouble(6, 30, 300),
        trouble(13, 75, 300),
        trouble(1, 75, 3_600),
        trouble(6, 0, 3_600),
    ] {
        let (gap, asked) = trouble.run();

        let Trouble {
            culprits,
            latency,
            interval,
        } = trouble;
        let what = format!("{culprits} of 60 fail after {latency} s, interval {interval} s");
        assert!(gap <= 3 * interval, "{what}: {gap} s without a verdict");
        // Once per minInterval at most, halves of batches included.
        let most = usize::try_from(12 * interval / 30).unwrap();
        assert!(
            asked.iter().all(|asked| *asked <= most),
            "{what}: {asked:?}"
        );
    }
}

/// Halves of a batch wait at a service that is down, and their pool moves to another one.
#[test]
fn who_waits_at_a_service_that_does_not_judge_its_pool_any_more_is_free() {
    let mut world = World::of(vec![new_record(0); 4]);
    let batch = world.start(at(0)).remove(0);
    world.agenda.failed(&batch, Blame::Hosts, at(1));
    let [old, new] = ["oat", "new"].map(ServiceName::from);
    let free = |agenda: &mut Agenda, judge: &ServiceName| {
        agenda.prune(|_| true, |_| true, |service, _| service == judge, at(2));
        let nodes = world.nodes.iter();
        nodes
            .filter(|(name, _)| agenda.memory(name).is_idle())
            .count()
    };

    assert_eq!(free(&mut world.agenda, &old), 0);
    assert_eq!(free(&mut world.agenda, &new), 4);
    assert_eq!(world.agenda.desk(&old).groups().count(), 0);
}
