//! Counts each pool's round: who was asked, who got a verdict, who was silent.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::plan::Item;
use super::time::after;
use super::{NodeName, Outcome, Pool, PoolName};

/// A round that is over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Round {
    /// Whose.
    pub pool: PoolName,
    /// When its first request was sent.
    pub started: Timestamp,
    /// When its last answer had come.
    pub ended: Timestamp,
    /// How many hosts were asked about.
    pub asked: usize,
    /// How many got a verdict.
    pub verdicts: usize,
    /// Hosts that the service itself had no verdict for, if it had verdicts for at least half of
    /// the hosts asked; else none, for then the fault is not theirs. Among them are those
    /// that were asked about alone up to an interval before it, and not in it: no kubelet escapes by
    /// being unready whenever the others are asked about.
    pub silent: Vec<NodeName>,
}

/// The rounds under way, and what the last ones left open.
#[derive(Clone, Debug, Default)]
pub(super) struct Tallies {
    rounds: HashMap<PoolName, Tally>,
    /// Hosts that were silent in a round that had too few verdicts to tell, and when it ended.
    in_doubt: HashMap<PoolName, HashMap<NodeName, Timestamp>>,
}

#[derive(Clone, Debug)]
struct Tally {
    started: Timestamp,
    open: HashSet<NodeName>,
    asked: usize,
    verdicts: usize,
    silent: Vec<NodeName>,
}

impl Tallies {
    /// Notes that a request about `items` is sent.
    pub(super) fn begin(&mut self, items: &[Item], now: Timestamp) {
        for item in items {
            if let Some(in_doubt) = self.in_doubt.get_mut(&item.pool) {
                in_doubt.remove(&item.name);
            }
            let tally = self
                .rounds
                .entry(item.pool.clone())
                .or_insert_with(|| Tally::new(now));
            tally.asked += 1;
            tally.open.insert(item.name.clone());
        }
    }

    /// Notes that nothing more is awaited for `items`, and what `outcomes` there are.
    pub(super) fn answered(&mut self, items: &[Item], outcomes: &[(NodeName, Outcome)]) {
        for item in items {
            let Some(tally) = self.rounds.get_mut(&item.pool) else {
                continue;
            };
            let outcome = outcomes.iter().find(|(name, _)| *name == item.name);
            if tally.open.remove(&item.name) {
                tally.count(&item.name, outcome.map(|(_, outcome)| *outcome));
            }
        }
    }

    /// Ends the rounds that nobody is under way in and none of `waiting`, and those that took
    /// longer than the interval of their pool, or whose pool is gone.
    pub(super) fn over<'a>(
        &mut self,
        waiting: &HashSet<PoolName>,
        pool: impl Fn(&PoolName) -> Option<&'a Pool>,
        now: Timestamp,
    ) -> Vec<Round> {
        self.in_doubt.retain(|name, _| pool(name).is_some());
        let interval = |name: &_| pool(name).map_or(SignedDuration::ZERO, |it| it.interval);
        let is_over = |name: &PoolName, tally: &Tally| {
            (tally.open.is_empty() && !waiting.contains(name))
                || after(tally.started, interval(name)) <= now
        };
        let over = self.rounds.extract_if(|name, tally| is_over(name, tally));
        let mut over: Vec<_> = over.collect();
        over.sort_by(|(a, _), (b, _)| a.cmp(b));
        over.into_iter()
            .map(|(name, tally)| {
                let since = interval(&name);
                self.end(name, &tally, since, now)
            })
            .collect()
    }

    /// Ends a round. Hosts that were asked about apart from it, `interval` before it at most, and were
    /// silent, are counted in.
    fn end(
        &mut self,
        pool: PoolName,
        tally: &Tally,
        interval: SignedDuration,
        now: Timestamp,
    ) -> Round {
        let mut in_doubt = self.in_doubt.remove(&pool).unwrap_or_default();
        in_doubt.retain(|_, ended| tally.started < after(*ended, interval));
        let conclusive = tally.is_conclusive(in_doubt.len());
        in_doubt.extend(tally.silent.iter().map(|name| (name.clone(), now)));
        let mut silent = Vec::new();
        if conclusive {
            silent.extend(in_doubt.into_keys());
            silent.sort();
        } else if !in_doubt.is_empty() {
            self.in_doubt.insert(pool.clone(), in_doubt);
        }
        Round {
            pool,
            started: tally.started,
            ended: now,
            asked: tally.asked,
            verdicts: tally.verdicts,
            silent,
        }
    }
}

impl Tally {
    fn new(started: Timestamp) -> Self {
        Self {
            started,
            open: HashSet::new(),
            asked: 0,
            verdicts: 0,
            silent: Vec::new(),
        }
    }

    fn count(&mut self, name: &NodeName, outcome: Option<Outcome>) {
        match outcome {
            Some(outcome) if outcome.is_verdict() => self.verdicts += 1,
            Some(outcome) if outcome.is_silence() && !self.silent.contains(name) => {
                self.silent.push(name.clone());
            }
            _ => {}
        }
    }

    /// Says whether there are verdicts for at least half of the hosts, `others` counted in.
    const fn is_conclusive(&self, others: usize) -> bool {
        self.verdicts > 0 && self.verdicts * 2 >= self.asked + others
    }
}
