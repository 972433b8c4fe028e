//! What every Node lacks, in the order in which it is to be written. No I/O.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::controller::membership::pools;
use crate::controller::setup::{PoolSetup, Setup};
use crate::domain::breaker::{Breaker, Count};
use crate::domain::mark::{self, Change};
use crate::domain::{NodeName, Now, PoolName, Reason, Record, Verdict};
use crate::store::{Entry, Kept, Snapshot, Tracked, is_later};

/// How much later than labels and taint the condition is written. By then every replica has seen the
/// record, and the condition's change wakes the pods that one of them refused too soon.
const LATER: Duration = Duration::from_secs(1);

/// One write to a Node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mark {
    /// The condition: status and reason.
    Condition(&'static str, Reason),
    /// Labels and taint.
    Labels(Change),
}

/// A write that is due.
#[derive(Clone, Debug)]
pub struct Job {
    /// Of which node.
    pub name: NodeName,
    /// The Node that it was made from.
    pub node: Arc<Tracked>,
    /// What to write.
    pub mark: Mark,
}

/// What is remembered between two looks.
#[derive(Debug, Default)]
pub struct Work {
    /// By node, while it exists.
    nodes: HashMap<NodeName, Memory>,
    losses: VecDeque<Job>,
    gains: VecDeque<Job>,
    conditions: VecDeque<Job>,
}

#[derive(Debug, Default)]
struct Memory {
    /// A write is under way.
    busy: bool,
    /// The version that our last write made; older ones are not looked at.
    version: String,
    /// The condition that is wanted, and since when (uptime).
    wanted: Option<((&'static str, Reason), Duration)>,
    /// Until when the attestation counted that was seen last.
    counted_until: Option<Timestamp>,
    /// The attestation lapsed and came back: the condition must change, whatever it says.
    lapsed: bool,
}

impl Work {
    /// Looks at every node. Returns the uptime at which to look again for a condition.
    pub fn look(&mut self, snapshot: &Snapshot, setup: &Setup, now: Now) -> Option<Duration> {
        self.nodes.retain(|name, memory| {
            memory.busy
                || snapshot
                    .entry(name.as_str())
                    .is_some_and(|entry| entry.node.is_some())
        });
        for queue in [&mut self.losses, &mut self.gains, &mut self.conditions] {
            queue.clear();
        }
        let breakers = breakers(snapshot, setup);
        let mut again: Option<Duration> = None;
        for (name, entry) in snapshot.iter() {
            let due = self.look_at(name, entry, setup, &breakers, now);
            again = [again, due].into_iter().flatten().min();
        }
        again
    }

    /// The next write: losses, then gains, then conditions.
    pub fn pop(&mut self) -> Option<Job> {
        let queues = [&mut self.losses, &mut self.gains, &mut self.conditions];
        let job = queues.into_iter().find_map(VecDeque::pop_front)?;
        self.nodes.entry(job.name.clone()).or_default().busy = true;
        Some(job)
    }

    /// Takes note of a write that is over; `version` is what it made of the Node.
    pub fn finish(&mut self, job: &Job, version: Option<String>) {
        let memory = self.nodes.entry(job.name.clone()).or_default();
        memory.busy = false;
        if let Some(version) = version {
            memory.version = version;
            if matches!(job.mark, Mark::Condition("True", _)) {
                memory.lapsed = false;
            }
        }
    }

    fn look_at(
        &mut self,
        name: &NodeName,
        entry: &Entry,
        setup: &Setup,
        breakers: &HashMap<PoolName, Breaker>,
        now: Now,
    ) -> Option<Duration> {
        let node = entry.node.as_ref()?;
        let nothing = Kept::default();
        let kept = entry.trust.as_deref().unwrap_or(&nothing);
        let memory = self.nodes.entry(name.clone()).or_default();
        memory.note_lapse(&kept.record, now);
        let stale = is_later(&memory.version, &node.version);
        let pool = pool(setup, &kept.record, node);
        if memory.busy || stale || is_paused(setup, kept, pool) {
            return None;
        }
        let breaker = pool.and_then(|pool| breakers.get(&pool.pool.name)).copied();
        let carried = &node.node.carried;
        let policy = pool.map(|pool| &pool.pool);
        let change = mark::change(&kept.record, policy, breaker.unwrap_or_default(), carried);
        let job = |mark| Job {
            name: name.clone(),
            node: Arc::clone(node),
            mark,
        };
        if !change.is_empty() {
            let queue = if change.is_loss() {
                &mut self.losses
            } else {
                &mut self.gains
            };
            queue.push_back(job(Mark::Labels(change)));
            return None;
        }
        let (condition, due) = memory.condition(&kept.record, node, now)?;
        if due <= now.uptime {
            self.conditions.push_back(job(condition));
            return None;
        }
        Some(due)
    }
}

impl Memory {
    /// Notes a gain after a time in which the gates refused by the clock alone.
    fn note_lapse(&mut self, record: &Record, now: Now) {
        let until = record
            .expires_at
            .filter(|_| record.verdict == Verdict::Trusted);
        if let (Some(old), Some(new)) = (self.counted_until, until) {
            self.lapsed |= new > old && old <= now.wall;
        }
        self.lapsed |= record.reason == Reason::Expired;
        self.counted_until = until.or(self.counted_until);
    }

    /// The condition that is to be written, and when (uptime), if any is.
    fn condition(&mut self, record: &Record, node: &Tracked, now: Now) -> Option<(Mark, Duration)> {
        let carried = &node.node.carried;
        let wanted = mark::condition(record, carried)?;
        let has = carried
            .condition
            .as_ref()
            .map(|(status, reason)| (status.as_str(), reason.as_str()));
        if has == Some((wanted.0, wanted.1.as_str())) {
            let flip = self.lapsed && wanted.0 == "True";
            self.wanted = None;
            // Pods that were refused in the lapse wait for a change of the Node.
            return flip.then_some((Mark::Condition("Unknown", Reason::Expired), now.uptime));
        }
        let since = match self.wanted {
            Some((known, since)) if known == wanted => since,
            _ => now.uptime,
        };
        self.wanted = Some((wanted, since));
        Some((
            Mark::Condition(wanted.0, wanted.1),
            since.saturating_add(LATER),
        ))
    }
}

/// How the marks of `node`, read a moment ago, must change.
#[must_use]
pub fn change(snapshot: &Snapshot, setup: &Setup, name: &NodeName, node: &Tracked) -> Change {
    let entry = snapshot.entry(name.as_str());
    let nothing = Kept::default();
    let kept = entry
        .and_then(|entry| entry.trust.as_deref())
        .unwrap_or(&nothing);
    let pool = pool(setup, &kept.record, node);
    let gone = entry.is_none() || is_paused(setup, kept, pool);
    if gone {
        return Change::default();
    }
    let breakers = breakers(snapshot, setup);
    let breaker = pool.and_then(|pool| breakers.get(&pool.pool.name)).copied();
    let policy = pool.map(|pool| &pool.pool);
    mark::change(
        &kept.record,
        policy,
        breaker.unwrap_or_default(),
        &node.node.carried,
    )
}

/// The pool whose rules hold for the marks: that of the record while it exists, else the one that
/// selects the node.
fn pool<'a>(setup: &'a Setup, record: &Record, node: &'a Tracked) -> Option<&'a PoolSetup> {
    let recorded = record.pool.as_ref().and_then(|name| setup.pool(name));
    recorded.or_else(|| pools(setup, &node.node).0)
}

/// A pool that cannot be read is as good as paused: what it wants is not known.
fn is_paused(setup: &Setup, kept: &Kept, pool: Option<&PoolSetup>) -> bool {
    let unreadable = kept
        .record
        .pool
        .as_ref()
        .is_some_and(|name| setup.unreadable.contains(name));
    kept.orders.paused || unreadable || pool.is_some_and(|pool| pool.pool.paused)
}

/// The breaker of every pool.
#[must_use]
pub fn breakers(snapshot: &Snapshot, setup: &Setup) -> HashMap<PoolName, Breaker> {
    let mut counts: HashMap<&PoolName, Count> = HashMap::new();
    for (_, entry) in snapshot.iter() {
        let (Some(node), Some(trust)) = (&entry.node, &entry.trust) else {
            continue;
        };
        let Some(pool) = trust.record.pool.as_ref().and_then(|name| setup.pool(name)) else {
            continue;
        };
        let count = counts.entry(&pool.pool.name).or_default();
        count.add(node.node.readiness, &trust.record, &pool.pool);
    }
    let breaker = |(name, count): (&PoolName, Count)| {
        let pool = setup.pool(name)?;
        Some((name.clone(), count.breaker(&pool.pool)))
    };
    counts.into_iter().filter_map(breaker).collect()
}

#[cfg(test)]
mod tests;
