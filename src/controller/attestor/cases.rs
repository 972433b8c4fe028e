//! What the attestor believes of every node: the newest record, be it read or about to be written.
//! Decisions are the domain's; this keeps their inputs together. No I/O.

mod boots;
mod case;
mod census;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use crate::controller::recorder::{Change, Done, Write};
use crate::controller::setup::{PoolSetup, Setup};
use crate::domain::due::Subject;
use crate::domain::plan::Members;
use crate::domain::tally::Round;
use crate::domain::transition::Answer;
use crate::domain::{Incarnation, NodeName, Outcome, PoolName};
use crate::store::{ByName, Entry, Kept, Snapshot};

use case::Case;
use census::{Census, Place};

/// Everything believed, by node. A look costs what has changed, not what there is: during a round
/// there are forty looks a second.
#[derive(Debug, Default)]
pub struct Cases {
    cases: ByName<Case>,
    census: Census,
    /// What was configured at the last look.
    setup: Arc<Setup>,
    /// The revision of the snapshot that was looked at last.
    revision: u64,
    /// When.
    looked_at: Timestamp,
    /// Nodes of which something else is believed since the last look.
    unsettled: Vec<NodeName>,
    /// When whose attestation expires.
    expiries: BTreeSet<(Timestamp, NodeName)>,
    /// Who has no Node any more.
    gone: BTreeSet<NodeName>,
    /// Whether planning may find something else than before.
    stirred: bool,
    /// NodeTrusts something on which cannot be read, since the last look.
    unreadable: Vec<(NodeName, Arc<Kept>)>,
}

impl Cases {
    /// Looks at every node for which anything changed, and returns what is to be written.
    pub fn look(&mut self, snapshot: &Snapshot, setup: &Arc<Setup>, now: Timestamp) -> Vec<Write> {
        let mut changed = self.changed(snapshot, setup, now);
        let mut others = Vec::new();
        for (name, entry) in &changed {
            let case = self.cases.entry(NodeName::clone(name)).or_default();
            let known = case.kept.unreadable.clone();
            case.read(entry, now);
            if case.kept.unreadable.is_some() && case.kept.unreadable != known {
                let kept = Arc::clone(&case.kept);
                self.unreadable.push((NodeName::clone(name), kept));
            }
            let node = entry.node.as_ref();
            let place = node.and_then(|node| Place::of(&node.node, &case.kept, setup));
            let from = std::mem::replace(&mut case.place, place);
            others.extend(self.census.settle(name, from.as_ref(), case.place.as_ref()));
            self.settle(name);
        }
        others.extend(self.bury(snapshot));
        if self.census.find_trouble(setup) {
            changed = snapshot.iter().collect();
        } else {
            changed.extend(others.iter().filter_map(|name| snapshot.get(name)));
        }
        changed
            .into_iter()
            .filter_map(|(name, entry)| self.observe(name, entry, now))
            .collect()
    }

    /// Says, once, whether anything changed that planning depends on.
    pub const fn take_stirred(&mut self) -> bool {
        std::mem::replace(&mut self.stirred, false)
    }

    /// The NodeTrusts, once each, something on which cannot be read.
    pub fn take_unreadable(&mut self) -> Vec<(NodeName, Arc<Kept>)> {
        std::mem::take(&mut self.unreadable)
    }

    /// The nodes that may be asked about, by pool.
    #[must_use]
    pub fn members<'a>(&'a self, setup: &'a Setup) -> Vec<Members<'a>> {
        let mut by_pool: HashMap<&PoolName, Vec<Subject<'a>>> = HashMap::new();
        for (name, case) in &self.cases {
            if let Some(pool) = case.askable.as_ref().filter(|_| case.has_room()) {
                let Kept { record, orders, .. } = &*case.kept;
                by_pool.entry(pool).or_default().push(Subject {
                    name,
                    record,
                    orders,
                });
            }
        }
        let members = |setup: &'a PoolSetup| {
            let subjects = by_pool.remove(&setup.pool.name).unwrap_or_default();
            Members {
                pool: &setup.pool,
                subjects,
            }
        };
        setup.pools.iter().map(members).collect()
    }

    /// Says whether a round that asked about so many asked about most of those who may be asked about.
    #[must_use]
    pub fn is_whole(&self, round: &Round) -> bool {
        let asked = |case: &&Case| case.askable.as_ref() == Some(&round.pool);
        round.asked * 2 >= self.cases.values().filter(asked).count()
    }

    /// Who `name` is to be asked about as, while it may be asked about for `pool`.
    #[must_use]
    pub fn incarnation(&self, name: &NodeName, pool: &PoolName) -> Option<&Incarnation> {
        let case = self.cases.get(name)?;
        let asked = case.askable.as_ref() == Some(pool);
        case.kept.record.incarnation.as_ref().filter(|_| asked)
    }

    /// Applies an answer, and returns what is to be written.
    pub fn answer(
        &mut self,
        name: &NodeName,
        answer: Answer,
        pool: &PoolSetup,
        now: Timestamp,
    ) -> Option<Write> {
        let case = self.cases.get_mut(name)?;
        // A node that is not Ready any more may be in another boot by now, so nothing is granted; but
        // no kubelet escapes evidence against what was asked about by being unready for a moment.
        let grants = answer.outcome == Outcome::Trusted;
        let asked = case.askable.as_ref() == Some(&pool.pool.name);
        if !case.is_in(&pool.pool.name) || (grants && !asked) {
            return None;
        }
        let change = Change::Answered(Box::new(answer), Box::new(pool.pool.clone()));
        let write = case.change(name, change, now);
        self.settle(name);
        write
    }

    /// Applies the end of a round to the hosts that were silent in it.
    pub fn silence(&mut self, round: &Round, pool: &PoolSetup, now: Timestamp) -> Vec<Write> {
        let silent = |name| {
            let change = Change::Silent(Box::new(pool.pool.clone()));
            let case = self.cases.get_mut(name)?;
            let member = case.is_in(&round.pool);
            let write = member.then(|| case.change(name, change, now)).flatten();
            self.settle(name);
            write
        };
        round.silent.iter().filter_map(silent).collect()
    }

    /// Takes note of what was written. Says whether it could be.
    pub fn written(&mut self, done: Done) -> bool {
        let Some(case) = self.cases.get_mut(&done.name) else {
            return true;
        };
        let written = done.kept.is_some();
        case.written(done.kept);
        self.settle(&done.name);
        written
    }

    /// When the next attestation expires after `now`. Those of Nodes that are gone stay as they are.
    #[must_use]
    pub fn next_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        let mut expiries = self.expiries.iter().map(|(at, _)| *at);
        expiries.find(|at| *at > now)
    }

    /// NodeTrusts whose Node has been gone for a day and about which there is nothing to remember.
    #[must_use]
    pub fn forgettable(&self, now: Timestamp) -> Vec<(NodeName, Arc<Kept>)> {
        let gone = self.gone.iter();
        let cases = gone.filter_map(|name| Some((name, self.cases.get(name)?)));
        cases
            .filter(|(_, case)| case.is_forgettable(now))
            .map(|(name, case)| (name.clone(), Arc::clone(&case.kept)))
            .collect()
    }

    /// Says whether the node is known.
    #[must_use]
    pub fn has(&self, name: &NodeName) -> bool {
        self.cases.contains_key(name)
    }

    /// The nodes about which anything changed since the last look, or whose time has come.
    fn changed<'a>(
        &mut self,
        snapshot: &'a Snapshot,
        setup: &Arc<Setup>,
        now: Timestamp,
    ) -> Vec<(&'a NodeName, &'a Arc<Entry>)> {
        // After the clock was set back, everything that was seen before was seen too late.
        let set_back = now < self.looked_at;
        self.looked_at = now;
        let same = Arc::ptr_eq(setup, &self.setup) && !set_back;
        let since = if same { self.revision } else { 0 };
        self.setup = Arc::clone(setup);
        self.revision = snapshot.revision();
        let mut changed: Vec<_> = snapshot.since(since).collect();
        let expired = self.expiries.iter().take_while(|(at, _)| *at <= now);
        let expired = expired.map(|(_, name)| name);
        let unsettled = std::mem::take(&mut self.unsettled);
        for name in unsettled.iter().chain(expired) {
            changed.extend(snapshot.get(name));
        }
        self.stirred |= !same;
        changed
    }

    /// Drops who is in no watch any more. Returns the others to whom that matters.
    fn bury(&mut self, snapshot: &Snapshot) -> Vec<NodeName> {
        if self.cases.len() == snapshot.len() {
            return Vec::new();
        }
        self.stirred = true;
        let mut others = Vec::new();
        self.cases.retain(|name, case| {
            let stays = case.is_busy() || snapshot.get(name).is_some();
            if !stays {
                others.extend(self.census.settle(name, case.place.as_ref(), None));
                case.expiry
                    .map(|at| self.expiries.remove(&(at, name.clone())));
                self.gone.remove(name);
            }
            stays
        });
        others
    }

    fn observe(&mut self, name: &NodeName, entry: &Entry, now: Timestamp) -> Option<Write> {
        let node = &entry.node.as_ref()?.node;
        let case = self.cases.get_mut(name)?;
        let nobody = case.place.is_none() && case.is_nobody(node, &self.setup);
        if nobody || case.is_out_of_sight(&self.setup) {
            return None;
        }
        let returned = |boot: &str| case.is_back(boot);
        let place = case.place.as_ref();
        let known = (node, &*case.kept);
        let facts = self.census.facts(known, place, &self.setup, returned);
        let write = case.observe(node, facts, &self.setup, now);
        self.settle(name);
        write
    }

    /// Enters what became of a case into the books.
    fn settle(&mut self, name: &NodeName) {
        let Some(case) = self.cases.get_mut(name) else {
            return;
        };
        self.stirred |= case.take_stirred();
        if case.take_unsettled() {
            self.unsettled.push(name.clone());
        }
        let expiry = case.next_expiry();
        if case.expiry != expiry {
            let before = std::mem::replace(&mut case.expiry, expiry);
            before.map(|at| self.expiries.remove(&(at, name.clone())));
            expiry.map(|at| self.expiries.insert((at, name.clone())));
        }
        if case.is_gone() {
            self.gone.insert(name.clone());
        } else {
            self.gone.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
