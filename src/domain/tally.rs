//! Counts each pool's round: who was asked, who got a verdict, who was silent.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::plan::Item;
use super::time::after;
use super::{NodeName, Outcome, PoolName};

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
    /// the hosts asked; else none, for then the fault is not theirs.
    pub silent: Vec<NodeName>,
}

/// The rounds under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Tallies(HashMap<PoolName, Tally>);

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
            let tally = self
                .0
                .entry(item.pool.clone())
                .or_insert_with(|| Tally::new(now));
            tally.asked += 1;
            tally.open.insert(item.name.clone());
        }
    }

    /// Notes that nothing more is awaited for `items`, and what `outcomes` there are.
    pub(super) fn answered(&mut self, items: &[Item], outcomes: &[(NodeName, Outcome)]) {
        for item in items {
            let Some(tally) = self.0.get_mut(&item.pool) else {
                continue;
            };
            let outcome = outcomes.iter().find(|(name, _)| *name == item.name);
            if tally.open.remove(&item.name) {
                tally.count(&item.name, outcome.map(|(_, outcome)| *outcome));
            }
        }
    }

    /// Ends the rounds that nobody is under way in and none of `waiting`, and those that took
    /// longer than `longest`.
    pub(super) fn over(
        &mut self,
        waiting: &HashSet<PoolName>,
        longest: impl Fn(&PoolName) -> SignedDuration,
        now: Timestamp,
    ) -> Vec<Round> {
        let is_over = |pool: &PoolName, tally: &Tally| {
            (tally.open.is_empty() && !waiting.contains(pool))
                || after(tally.started, longest(pool)) <= now
        };
        let mut over: Vec<Round> = self
            .0
            .iter()
            .filter(|(pool, tally)| is_over(pool, tally))
            .map(|(pool, tally)| tally.round(pool, now))
            .collect();
        over.sort_by(|a, b| a.pool.cmp(&b.pool));
        for round in &over {
            self.0.remove(&round.pool);
        }
        over
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

    fn round(&self, pool: &PoolName, now: Timestamp) -> Round {
        let conclusive = self.verdicts > 0 && self.verdicts * 2 >= self.asked;
        Round {
            pool: pool.clone(),
            started: self.started,
            ended: now,
            asked: self.asked,
            verdicts: self.verdicts,
            silent: if conclusive {
                self.silent.clone()
            } else {
                Vec::new()
            },
        }
    }
}
