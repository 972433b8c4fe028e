//! Which node is where, and who claims which host: kept up as nodes change. Counting anew for every
//! look would keep a processor busy at 5,000 nodes. No I/O.

use std::collections::{HashMap, HashSet};

use crate::controller::membership::{Claims, Stake, claim, identity, pools};
use crate::controller::setup::Setup;
use crate::domain::breaker::Count;
use crate::domain::transition::{Facts, Membership};
use crate::domain::{Node, NodeName, PoolName, Readiness, Reason};
use crate::store::Kept;

/// A node's place in what is configured.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The pool that it is in.
    pub pool: PoolName,
    stake: Stake,
    readiness: Readiness,
}

impl Place {
    /// The place of `node`, of which `kept` is known; nothing outside every pool. While the pool that it
    /// is known in cannot be read, no other takes it over, and none its host.
    pub fn of(node: &Node, kept: &Kept, setup: &Setup) -> Option<Self> {
        let known = kept.record.pool.as_ref();
        let unreadable = known.filter(|pool| setup.unreadable.contains(pool));
        let (pool, service) = if let Some(pool) = unreadable {
            (pool, kept.record.service.as_ref())
        } else {
            let pool = &pools(setup, node).0?.pool;
            (&pool.name, Some(&pool.service))
        };
        let service = service.and_then(|name| setup.services.get(name));
        let known = kept.record.incarnation.as_ref();
        Some(Self {
            pool: pool.clone(),
            stake: Stake::from(&claim(node, &kept.orders, service, known)),
            readiness: node.readiness,
        })
    }
}

/// Every node's place, as far as one node's matters to others.
#[derive(Debug, Default)]
pub struct Census {
    claims: Claims,
    counts: HashMap<PoolName, Count>,
    troubled: HashSet<PoolName>,
}

impl Census {
    /// Moves a node. Returns the others whose identity this may change.
    pub fn settle(
        &mut self,
        name: &NodeName,
        from: Option<&Place>,
        to: Option<&Place>,
    ) -> Vec<NodeName> {
        if from == to {
            return Vec::new();
        }
        let mut others = Vec::new();
        if let Some(from) = from {
            others.extend(self.claims.remove(name, &from.stake));
            let count = self.counts.entry(from.pool.clone()).or_default();
            count.total = count.total.saturating_sub(1);
            let ready = usize::from(from.readiness == Readiness::Ready);
            count.ready = count.ready.saturating_sub(ready);
        }
        if let Some(to) = to {
            others.extend(self.claims.add(name, &to.stake));
            let count = self.counts.entry(to.pool.clone()).or_default();
            count.total += 1;
            count.ready += usize::from(to.readiness == Readiness::Ready);
        }
        others
    }

    /// Looks for pools so much of which is not Ready that the network is the likelier cause. Says
    /// whether they are others than before.
    pub fn find_trouble(&mut self, setup: &Setup) -> bool {
        self.counts.retain(|_, count| count.total > 0);
        let at_fault = |(name, count): (&PoolName, &Count)| {
            let pool = &setup.pool(name)?.pool;
            count.network_at_fault(pool).then(|| name.clone())
        };
        let troubled = self.counts.iter().filter_map(at_fault).collect();
        let before = std::mem::replace(&mut self.troubled, troubled);
        before != self.troubled
    }

    /// What is to be told of `node`, whose place is `place`; `returned` says whether a boot came back
    /// that was followed by another.
    pub fn facts(
        &self,
        (node, kept): (&Node, &Kept),
        place: Option<&Place>,
        setup: &Setup,
        returned: impl Fn(&str) -> bool,
    ) -> Facts {
        let settled = place.and_then(|place| Some((place, setup.pool(&place.pool)?)));
        let identity = match settled {
            Some((place, pool)) => {
                let service = setup.services.get(&pool.pool.service);
                let known = kept.record.incarnation.as_ref();
                let claim = claim(node, &kept.orders, service, known);
                identity(node, &claim, self.claims.holds(&place.stake), service)
            }
            None => Err(Reason::NotInPool),
        };
        let returned = identity.as_ref().is_ok_and(|it| returned(&it.boot_id));
        let pool = settled.map(|(_, pool)| &pool.pool);
        Facts {
            pool: pool.map(Membership::from),
            identity,
            readiness: node.readiness,
            network_at_fault: pool.is_some_and(|pool| self.troubled.contains(&pool.name)),
            returned,
        }
    }
}
