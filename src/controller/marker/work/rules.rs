//! What the marks of every node of a pool depend on. No I/O.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::controller::membership::pools;
use crate::controller::setup::{PoolSetup, Setup};
use crate::domain::breaker::{Breaker, Count};
use crate::domain::mark::{self, Change};
use crate::domain::time::has_been;
use crate::domain::{NodeName, PoolName, Record, Verdict};
use crate::store::{Entry, Kept, Snapshot, Tracked};

/// The rules that hold.
#[derive(Debug, Default)]
pub struct Rules {
    /// What is configured.
    pub setup: Arc<Setup>,
    counts: HashMap<PoolName, Count>,
    breakers: HashMap<PoolName, Breaker>,
}

/// As what a node is counted in its pool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Counted {
    pool: PoolName,
    one: Count,
}

impl Rules {
    /// Takes over what is configured, and says whether it is the same as before.
    pub fn follow_setup(&mut self, setup: &Arc<Setup>) -> bool {
        let same = Arc::ptr_eq(setup, &self.setup);
        self.setup = Arc::clone(setup);
        same
    }

    /// Works the breakers out anew, and says whether any of them is another than before.
    pub fn follow_breakers(&mut self) -> bool {
        self.counts.retain(|_, count| count.total > 0);
        let breaker = |(name, count): (&PoolName, &Count)| {
            let pool = self.setup.pool(name)?;
            Some((name.clone(), count.breaker(&pool.pool)))
        };
        let breakers = self.counts.iter().filter_map(breaker).collect();
        let before = std::mem::replace(&mut self.breakers, breakers);
        before != self.breakers
    }

    /// As what a node is to be counted, if it is there and in a pool.
    pub fn count(&self, entry: &Entry) -> Option<Counted> {
        let node = entry.node.as_ref()?;
        let nothing = Record::default();
        let record = entry.trust.as_ref().map_or(&nothing, |trust| &trust.record);
        let pool = &pool(&self.setup, record, node)?.pool;
        let mut one = Count::default();
        one.add(&node.node, record, pool);
        let pool = pool.name.clone();
        Some(Counted { pool, one })
    }

    /// Counts a node as something else than before.
    pub fn recount(&mut self, before: Option<&Counted>, now: Option<&Counted>) {
        if let Some(Counted { pool, one }) = before {
            self.counts.entry(pool.clone()).or_default().subtract(one);
        }
        if let Some(Counted { pool, one }) = now {
            self.counts.entry(pool.clone()).or_default().merge(one);
        }
    }

    /// How the marks of `node` must change.
    pub fn change(&self, record: &Record, pool: Option<&PoolSetup>, node: &Tracked) -> Change {
        let breaker = pool.and_then(|pool| self.breakers.get(&pool.pool.name));
        let breaker = breaker.copied().unwrap_or_default();
        let policy = pool.map(|pool| &pool.pool);
        let change = mark::change(record, policy, breaker, &node.node.carried);
        // Where a pool cannot be read, it may be the one that wants the node tainted.
        let known = pool.is_some() || self.setup.unreadable.is_empty();
        Change {
            lift: change.lift && known,
            ..change
        }
    }
}

/// Says whether what the record says may be shown on `node` at `now`. Trust may only while it counts for
/// this very Node in this very boot: the attestor is about to take it back otherwise, and whatever is
/// written before that would be trust that no answer gave.
#[must_use]
pub fn may_show(kept: &Kept, node: &Tracked, now: Timestamp) -> bool {
    let Kept { record, orders, .. } = kept;
    let same = record.incarnation.as_ref();
    let same = same.is_some_and(|known| node.node.is(known));
    let counts = record.expires_at.is_some_and(|expires| now < expires)
        && record.requested_at.is_some_and(|at| has_been(at, now));
    let undisputed = orders.distrust.is_none() && record.hold.is_none();
    record.verdict != Verdict::Trusted || (same && counts && undisputed)
}

/// How the marks of `node`, read a moment ago, must change at `now`.
#[must_use]
pub fn change(
    snapshot: &Snapshot,
    setup: &Arc<Setup>,
    (name, node): (&NodeName, &Tracked),
    now: Timestamp,
) -> Change {
    let entry = snapshot.entry(name.as_str());
    let nothing = Kept::default();
    let kept = entry
        .and_then(|entry| entry.trust.as_deref())
        .unwrap_or(&nothing);
    let pool = pool(setup, &kept.record, node);
    if entry.is_none() || is_paused(setup, kept, pool) || !may_show(kept, node, now) {
        return Change::default();
    }
    let rules = Rules {
        setup: Arc::clone(setup),
        breakers: breakers(snapshot, setup),
        counts: HashMap::new(),
    };
    rules.change(&kept.record, pool, node)
}

/// The pool whose rules hold for the marks: that of the record while it exists, else the one that
/// selects the node.
pub fn pool<'a>(setup: &'a Setup, record: &Record, node: &'a Tracked) -> Option<&'a PoolSetup> {
    let recorded = record.pool.as_ref().and_then(|name| setup.pool(name));
    recorded.or_else(|| pools(setup, &node.node).0)
}

/// A pool or record that cannot be read is as good as paused: what it wants is not known.
pub fn is_paused(setup: &Setup, kept: &Kept, pool: Option<&PoolSetup>) -> bool {
    let unreadable = kept
        .record
        .pool
        .as_ref()
        .is_some_and(|name| setup.unreadable.contains(name));
    kept.orders.paused || kept.foreign || unreadable || pool.is_some_and(|pool| pool.pool.paused)
}

/// The breaker of every pool.
#[must_use]
pub fn breakers(snapshot: &Snapshot, setup: &Setup) -> HashMap<PoolName, Breaker> {
    let nothing = Record::default();
    let mut counts: HashMap<&PoolName, Count> = HashMap::new();
    for (_, entry) in snapshot.iter() {
        let Some(node) = &entry.node else { continue };
        let record = entry.trust.as_ref().map_or(&nothing, |trust| &trust.record);
        let Some(pool) = pool(setup, record, node) else {
            continue;
        };
        let count = counts.entry(&pool.pool.name).or_default();
        count.add(&node.node, record, &pool.pool);
    }
    let breaker = |(name, count): (&PoolName, Count)| {
        let pool = setup.pool(name)?;
        Some((name.clone(), count.breaker(&pool.pool)))
    };
    counts.into_iter().filter_map(breaker).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Carried, Node, fixtures};

    #[test]
    fn the_taint_of_a_new_node_stays_where_a_pool_that_cannot_be_read_may_want_it() {
        let carried = Carried {
            unattested: true,
            ..Carried::default()
        };
        let node = Tracked {
            node: Node {
                carried,
                ..fixtures::node()
            },
            version: "1".to_owned(),
            taints: Vec::new(),
        };
        for (unreadable, lifted) in [(vec![], true), (vec!["p".into()], false)] {
            let setup = Setup {
                unreadable,
                ..Setup::default()
            };
            let mut rules = Rules::default();
            rules.follow_setup(&Arc::new(setup));

            let change = rules.change(&Record::default(), None, &node);

            assert_eq!(change.lift, lifted);
        }
    }
}
