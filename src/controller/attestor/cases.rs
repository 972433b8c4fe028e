//! What the attestor believes of every node: the newest record, be it read or about to be written.
//! Decisions are the domain's; this keeps their inputs together. No I/O.

mod boots;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::controller::membership::{Claim, Claims, claim, identity, pools};
use crate::controller::recorder::{Change, Done, Write};
use crate::controller::setup::{PoolSetup, Setup};
use crate::domain::breaker::Count;
use crate::domain::due::Subject;
use crate::domain::plan::Members;
use crate::domain::tally::Round;
use crate::domain::time::after;
use crate::domain::transition::{Answer, Facts};
use crate::domain::{Incarnation, Node, NodeName, PoolName, Readiness, Reason, Record, Verdict};
use crate::store::{Entry, Kept, Snapshot, is_later};

use boots::Boots;

/// How long the NodeTrust of a Node that is gone is kept.
const MOURNING: SignedDuration = SignedDuration::from_hours(24);

/// Everything believed, by node.
#[derive(Debug, Default)]
pub struct Cases {
    cases: HashMap<NodeName, Case>,
}

/// What is believed of one node.
#[derive(Debug, Default)]
struct Case {
    kept: Kept,
    /// Writes under way. While there are any, what is read is older than what is believed.
    writing: usize,
    boots: Boots,
    /// The pool whose questions the node takes part in, and as what: Ready, with an identity.
    askable: Option<(PoolName, Incarnation)>,
    /// Since when the Node is gone.
    gone_since: Option<Timestamp>,
}

/// A node's place in what is configured.
struct Place<'a> {
    name: &'a NodeName,
    node: &'a Node,
    pool: Option<&'a PoolSetup>,
    claim: Option<Claim>,
}

impl Cases {
    /// Looks at everything, and returns what is to be written.
    pub fn look(&mut self, snapshot: &Snapshot, setup: &Setup, now: Timestamp) -> Vec<Write> {
        for (name, entry) in snapshot.iter() {
            self.cases.entry(name.clone()).or_default().read(entry, now);
        }
        self.cases
            .retain(|name, case| case.writing > 0 || snapshot.entry(name.as_str()).is_some());
        let places = self.places(snapshot, setup);
        let claims = claims(&places);
        let troubled = self.troubled(&places);
        let mut writes = Vec::new();
        for place in &places {
            let Some(case) = self.cases.get_mut(place.name) else {
                continue;
            };
            if place.pool.is_none() && self_is_nobody(case, place.node, setup) {
                continue;
            }
            let facts = facts(place, case, setup, &claims, &troubled);
            case.askable = askable(place, &facts, &case.kept, setup);
            writes.extend(case.observe(place, facts, now));
        }
        writes
    }

    /// The nodes that may be asked about, by pool.
    #[must_use]
    pub fn members<'a>(&'a self, setup: &'a Setup) -> Vec<Members<'a>> {
        let mut by_pool: HashMap<&PoolName, Vec<Subject<'a>>> = HashMap::new();
        for (name, case) in &self.cases {
            if let Some((pool, _)) = &case.askable {
                let Kept { record, orders, .. } = &case.kept;
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

    /// Who `name` is to be asked about as, while it may be asked about for `pool`.
    #[must_use]
    pub fn incarnation(&self, name: &NodeName, pool: &PoolName) -> Option<&Incarnation> {
        let (of, incarnation) = self.cases.get(name)?.askable.as_ref()?;
        (of == pool).then_some(incarnation)
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
        // A node that is not Ready any more may be in another boot by now.
        case.askable.as_ref()?;
        let change = Change::Answered(Box::new(answer), Box::new(pool.pool.clone()));
        case.change(name, change, now)
    }

    /// Applies the end of a round to the hosts that were silent in it.
    pub fn silence(&mut self, round: &Round, pool: &PoolSetup, now: Timestamp) -> Vec<Write> {
        let silent = |name| {
            let change = Change::Silent(Box::new(pool.pool.clone()));
            self.cases.get_mut(name)?.change(name, change, now)
        };
        round.silent.iter().filter_map(silent).collect()
    }

    /// Takes note of what was written. Says whether it could be.
    pub fn written(&mut self, done: Done) -> bool {
        let Some(case) = self.cases.get_mut(&done.name) else {
            return true;
        };
        case.writing = case.writing.saturating_sub(1);
        let written = done.kept.is_some();
        if case.writing == 0 {
            // What could not be written is believed no longer: the next look reads what is there.
            case.believe(done.kept.unwrap_or_default());
        }
        written
    }

    /// When the next attestation expires.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Timestamp> {
        let trusted = self.cases.values().map(|case| &case.kept.record);
        trusted
            .filter(|record| record.verdict == Verdict::Trusted)
            .filter_map(|record| record.expires_at)
            .min()
    }

    /// NodeTrusts whose Node has been gone for a day and about which there is nothing to remember.
    #[must_use]
    pub fn forgettable(&self, now: Timestamp) -> Vec<(NodeName, Kept)> {
        let over = |case: &Case| case.gone_since.is_some_and(|at| after(at, MOURNING) <= now);
        self.cases
            .iter()
            .filter(|(_, case)| over(case) && is_unremarkable(&case.kept))
            .map(|(name, case)| (name.clone(), case.kept.clone()))
            .collect()
    }

    /// Says whether the node is known.
    #[must_use]
    pub fn has(&self, name: &NodeName) -> bool {
        self.cases.contains_key(name)
    }

    fn places<'a>(&self, snapshot: &'a Snapshot, setup: &'a Setup) -> Vec<Place<'a>> {
        let place = |(name, entry): (&'a NodeName, &'a Arc<Entry>)| {
            let node = &entry.node.as_ref()?.node;
            let kept = &self.cases.get(name)?.kept;
            let (pool, _) = pools(setup, node);
            let claim = pool.map(|pool| {
                let service = setup.services.get(&pool.pool.service);
                claim(
                    node,
                    &kept.orders,
                    service,
                    kept.record.incarnation.as_ref(),
                )
            });
            Some(Place {
                name,
                node,
                pool,
                claim,
            })
        };
        snapshot.iter().filter_map(place).collect()
    }

    /// The pools so much of which is not Ready that the network is the likelier cause.
    fn troubled(&self, places: &[Place<'_>]) -> HashSet<PoolName> {
        let mut counts: HashMap<&PoolName, (Count, &PoolSetup)> = HashMap::new();
        for place in places {
            let (Some(pool), Some(case)) = (place.pool, self.cases.get(place.name)) else {
                continue;
            };
            let (count, _) = counts
                .entry(&pool.pool.name)
                .or_insert_with(|| (Count::default(), pool));
            count.add(place.node, &case.kept.record, &pool.pool);
        }
        let at_fault = |(count, pool): &(Count, &PoolSetup)| count.network_at_fault(&pool.pool);
        counts
            .into_iter()
            .filter(|(_, it)| at_fault(it))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

impl Case {
    /// Takes over what was read, unless more is known already.
    fn read(&mut self, entry: &Entry, now: Timestamp) {
        if entry.node.is_some() {
            self.gone_since = None;
        } else {
            self.gone_since.get_or_insert(now);
            self.askable = None;
        }
        if self.writing > 0 {
            return;
        }
        match &entry.trust {
            Some(trust) if is_later(&trust.version, &self.kept.version) => {
                self.believe(Kept::clone(trust));
            }
            // Somebody deleted it: nothing is known any more.
            None if !self.kept.version.is_empty() => self.kept = Kept::default(),
            Some(_) | None => {}
        }
    }

    /// Believes `kept`; when the node became Ready is remembered here, and written along with the
    /// next thing that is worth a write.
    fn believe(&mut self, kept: Kept) {
        let known = !self.kept.version.is_empty() || self.kept.record != Record::default();
        let ready_since = self.kept.record.ready_since;
        self.kept = kept;
        if known {
            self.kept.record.ready_since = ready_since;
        }
    }

    fn observe(&mut self, place: &Place<'_>, facts: Facts, now: Timestamp) -> Option<Write> {
        self.boots.follow(&place.node.boot_id, &self.kept.record);
        self.change(place.name, Change::Observed(Box::new(facts)), now)
    }

    /// Believes what `change` makes of the record, and returns the write, if it is worth one.
    fn change(&mut self, name: &NodeName, change: Change, now: Timestamp) -> Option<Write> {
        let next = change.apply(&self.kept, now);
        let before = self.kept.record.clone();
        let tells_more = next.tells_more_than(&before);
        // That a node exists is worth no write: its first answer brings the rest along.
        let is_new = |record: &Record| {
            record.reason == Reason::NeverAttested && record.last_attempt.is_none()
        };
        let only_exists = matches!(change, Change::Observed(_)) && is_new(&before) && is_new(&next);
        let base = self.kept.clone();
        self.kept.record = next;
        if !tells_more || only_exists {
            return None;
        }
        self.writing += 1;
        let verdict = self.kept.record.verdict;
        let is_loss = verdict != Verdict::Trusted && before.verdict != verdict;
        Some(Write {
            name: name.clone(),
            change,
            base,
            is_loss,
        })
    }
}

/// A node in no pool of which nothing is known, or whose pool cannot be read, is left alone.
fn self_is_nobody(case: &Case, node: &Node, setup: &Setup) -> bool {
    let Kept {
        record,
        orders,
        version,
        ..
    } = &case.kept;
    let unreadable = record
        .pool
        .as_ref()
        .is_some_and(|pool| setup.unreadable.contains(pool));
    let silent = version.is_empty() && record.pool.is_none() && orders.distrust.is_none();
    // Until every pool was read, nobody is in none.
    silent || unreadable || !setup.complete || node.uid.is_empty()
}

fn claims(places: &[Place<'_>]) -> Claims {
    let mut claims = Claims::default();
    for claim in places.iter().filter_map(|place| place.claim.as_ref()) {
        claims.add(claim);
    }
    claims
}

fn facts(
    place: &Place<'_>,
    case: &Case,
    setup: &Setup,
    claims: &Claims,
    troubled: &HashSet<PoolName>,
) -> Facts {
    let pool = place.pool.map(|setup| &setup.pool);
    let service = pool.and_then(|pool| setup.services.get(&pool.service));
    let identity = match &place.claim {
        Some(claim) => identity(place.node, claim, claims, service),
        None => Err(Reason::NotInPool),
    };
    let returned = identity
        .as_ref()
        .is_ok_and(|known| case.boots.is_back(&known.boot_id, &case.kept.record));
    Facts {
        pool: pool.map(|pool| (pool.name.clone(), pool.service.clone())),
        identity,
        readiness: place.node.readiness,
        network_at_fault: pool.is_some_and(|pool| troubled.contains(&pool.name)),
        returned,
    }
}

/// A node is asked about while it is Ready, has an identity, and nobody paused it or its pool.
fn askable(
    place: &Place<'_>,
    facts: &Facts,
    kept: &Kept,
    setup: &Setup,
) -> Option<(PoolName, Incarnation)> {
    let pool = &place.pool?.pool;
    let provider = setup.services.get(&pool.service)?.provider.is_ok();
    let ready = place.node.readiness == Readiness::Ready;
    let incarnation = facts.identity.clone().ok()?;
    (ready && provider && !pool.paused && !kept.orders.paused)
        .then(|| (pool.name.clone(), incarnation))
}

/// Says whether a NodeTrust holds nothing that must outlive its Node: no order, no hold, and no
/// evidence against it.
fn is_unremarkable(kept: &Kept) -> bool {
    let orders = &kept.orders;
    let ordered = orders.host.is_some()
        || orders.distrust.is_some()
        || orders.accept.is_some()
        || orders.paused;
    let evident = kept.record.hold.is_some() || kept.record.verdict == Verdict::Untrusted;
    !ordered && !evident && !kept.version.is_empty()
}

#[cfg(test)]
mod tests;
