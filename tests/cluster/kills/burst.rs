//! Seconds in which many pods are bound at once that had to wait: whoever they belong to, kube-scheduler and the API
//! server are busy with them, and every other pod queues behind.

use std::collections::{BTreeMap, BTreeSet};

use crate::load::Wait;

/// More than are bound in a second at the pace at which those that ask are made, twice over.
const MANY: usize = 20;

/// Seconds of the clock.
#[derive(Debug)]
pub struct Bursts(BTreeSet<i64>);

impl Bursts {
    /// Those in which too many of `waits` ended.
    pub fn of(waits: impl IntoIterator<Item = Wait>) -> Self {
        let mut bound = BTreeMap::<i64, usize>::new();
        for at in waits.into_iter().filter_map(|wait| wait.bound) {
            *bound.entry(at.as_second()).or_default() += 1;
        }
        let many = bound.into_iter().filter(|&(_, count)| count > MANY);
        Self(many.map(|(second, _)| second).collect())
    }

    /// Says whether a pod waited in one, or just before or after.
    pub fn touch(&self, wait: &Wait) -> bool {
        let until = wait.bound.unwrap_or(wait.made).as_second();
        let around = wait.made.as_second() - 1..=until + 1;
        self.0.range(around).next().is_some()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

#[test]
fn a_pod_waits_in_a_burst_if_one_is_near() {
    let at = |second| jiff::Timestamp::from_second(second).unwrap();
    let wait = |made, bound| Wait {
        made: at(made),
        bound: Some(at(bound)),
    };
    let mut waits = vec![wait(50, 100); MANY + 1];
    waits.extend(vec![wait(50, 200); MANY]);

    let bursts = Bursts::of(waits);

    assert_eq!(bursts.count(), 1);
    for (made, bound, near) in [
        (98, 98, false),
        (99, 99, true),
        (90, 110, true),
        (102, 102, false),
    ] {
        assert_eq!(bursts.touch(&wait(made, bound)), near, "{made} to {bound}");
    }
}
