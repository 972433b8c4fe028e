//! What pools and services say of themselves. Pure: compared with what they say already, and written
//! only if it differs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::attestation_service::{AttestationService, AttestationServiceStatus, Dialect};
use crate::api::condition::{self, Observation, Status, Type};
use crate::api::trust_pool::{Nodes, TrustPool, TrustPoolStatus};
use crate::domain::breaker::Breaker;
use crate::domain::tally::Round;
use crate::domain::time::{after, floor};
use crate::domain::{Pool, PoolName, Verdict};
use crate::store::Snapshot;

use super::attestor::ServiceHealth;
use super::membership::pools;
use super::setup::{Setup, State, Trouble};

/// How much older than the truth `lastSuccess` may be before it is worth a write of its own.
const LAST_SUCCESS: jiff::SignedDuration = jiff::SignedDuration::from_mins(1);

/// What there is to say of a pool's nodes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tale {
    /// Nodes by verdict.
    pub nodes: Nodes,
    /// When the oldest verdict that counts was asked for.
    pub oldest: Option<Timestamp>,
    /// How many more nodes the pool selects, and an older pool keeps.
    pub kept_by_others: u32,
}

/// What there is to say of every pool's nodes.
#[must_use]
pub fn tales(snapshot: &Snapshot, setup: &Setup) -> BTreeMap<PoolName, Tale> {
    let empty = setup
        .pools
        .iter()
        .map(|pool| (pool.pool.name.clone(), Tale::default()));
    let mut tales: BTreeMap<PoolName, Tale> = empty.collect();
    for (_, entry) in snapshot.iter() {
        let Some(node) = &entry.node else { continue };
        let (pool, others) = pools(setup, &node.node);
        for other in others {
            tales
                .entry(other.pool.name.clone())
                .or_default()
                .kept_by_others += 1;
        }
        let Some(pool) = pool else { continue };
        let record = entry.trust.as_ref().map(|trust| &trust.record);
        let verdict = record.map(|record| record.verdict).unwrap_or_default();
        let tale = tales.entry(pool.pool.name.clone()).or_default();
        tale.add(verdict, record.and_then(|record| record.requested_at));
    }
    tales
}

impl Tale {
    fn add(&mut self, verdict: Verdict, requested_at: Option<Timestamp>) {
        self.nodes.total += 1;
        match verdict {
            Verdict::Trusted => self.nodes.trusted += 1,
            Verdict::Unknown => self.nodes.unknown += 1,
            Verdict::Untrusted => self.nodes.untrusted += 1,
        }
        if verdict != Verdict::Unknown {
            self.oldest = [self.oldest, requested_at].into_iter().flatten().min();
        }
    }
}

/// How the service of a pool does.
#[derive(Clone, Debug, Default)]
pub struct Judge<'a> {
    /// Why nobody can be asked for this pool.
    pub trouble: Option<Trouble>,
    /// What its requests gave.
    pub health: Option<&'a ServiceHealth>,
}

/// What a pool's status should be.
#[must_use]
pub fn pool(
    state: &State<TrustPool>,
    pool: Option<(&Pool, &Tale, Breaker)>,
    round: Option<&Round>,
    judge: Judge<'_>,
    now: Timestamp,
) -> TrustPoolStatus {
    let mut next = state
        .object
        .as_ref()
        .and_then(|it| it.status.clone())
        .unwrap_or_default();
    let ready = (
        Type::Ready,
        state.trouble.as_ref(),
        usable(pool.map(|(pool, ..)| pool)),
    );
    let mut say = |seen| next.conditions = condition::set(&next.conditions, seen, now);
    say(good(ready, state.generation));
    let Some((pool, tale, breaker)) = pool else {
        next.observed_generation = state.generation;
        return next;
    };
    for (kind, trouble, fine) in [
        (Type::Degraded, degraded(judge), "the service answers"),
        (
            Type::BreakerOpen,
            open(breaker),
            "no more is lost than the pool allows",
        ),
        (
            Type::Overlapping,
            overlapping(tale),
            "no older pool keeps a node that this one selects",
        ),
        (
            Type::RoundTooLong,
            too_long(pool, round),
            "rounds end within their interval",
        ),
    ] {
        say(bad((kind, trouble.as_ref(), fine), state.generation));
    }
    next.nodes = tale.nodes;
    next.oldest_verdict = tale.oldest.map(Time);
    if let Some(round) = round {
        next.last_round = Some(Time(floor(round.ended)));
        next.next_round = Some(Time(floor(after(round.started, pool.interval))));
    }
    next.observed_generation = state.generation;
    next
}

/// What a service's status should be.
#[must_use]
pub fn service(
    state: &State<AttestationService>,
    health: Option<&ServiceHealth>,
    now: Timestamp,
) -> AttestationServiceStatus {
    let old = state
        .object
        .as_ref()
        .and_then(|it| it.status.clone())
        .unwrap_or_default();
    let failing = health.and_then(|health| {
        let message = health.last_error.clone()?;
        Some(Trouble {
            reason: "RequestFailed",
            message,
        })
    });
    let trouble = state.trouble.clone().or(failing);
    let fine = if health.is_some_and(|health| health.last_success.is_some()) {
        "the service answers"
    } else {
        "the service was not asked yet"
    };
    let seen = good((Type::Ready, trouble.as_ref(), fine), state.generation);
    let conditions = condition::set(&old.conditions, seen, now);
    let mut next = AttestationServiceStatus {
        conditions,
        ..old.clone()
    };
    next.observed_generation = state.generation;
    if let Some(health) = health {
        next.consecutive_failures = health.failures;
        next.last_error = health.last_error.clone().map(condition::cut);
        let known = old.last_success.map(|time| time.0);
        // While it fails, the failures are written anyhow, and since when is what people ask.
        let fresh = |at: &Timestamp| {
            health.failures > 0 || known.is_none_or(|known| after(known, LAST_SUCCESS) <= *at)
        };
        if let Some(at) = health.last_success.filter(fresh) {
            next.last_success = Some(Time(floor(at)));
            next.observed_dialect = Some(Dialect::V2);
        }
    }
    next
}

/// What a pool that can be used says of what it withholds.
const fn usable(pool: Option<&Pool>) -> &'static str {
    match pool {
        Some(Pool { paused: true, .. }) => {
            "paused: no host is asked about, no Node is written, and what is known expires"
        }
        Some(Pool { dry_run: true, .. }) => "dry run: no taint is written",
        _ => "every part of the pool can be used",
    }
}

/// A condition that is True while there is no trouble.
fn good(about: (Type, Option<&Trouble>, &str), generation: Option<i64>) -> Observation {
    observation(about, generation, [Status::True, Status::False])
}

/// A condition that is False while there is no trouble.
fn bad(about: (Type, Option<&Trouble>, &str), generation: Option<i64>) -> Observation {
    observation(about, generation, [Status::False, Status::True])
}

fn observation(
    (kind, trouble, fine): (Type, Option<&Trouble>, &str),
    generation: Option<i64>,
    [without, with]: [Status; 2],
) -> Observation {
    let (status, reason, message) = match trouble {
        None => (without, "AsExpected", fine.to_owned()),
        Some(trouble) => (with, trouble.reason, trouble.message.clone()),
    };
    Observation {
        kind,
        status,
        reason,
        message,
        generation,
    }
}

fn degraded(judge: Judge<'_>) -> Option<Trouble> {
    judge.trouble.or_else(|| {
        let message = judge.health?.last_error.clone()?;
        Some(Trouble {
            reason: "RequestFailed",
            message,
        })
    })
}

fn open(breaker: Breaker) -> Option<Trouble> {
    (breaker == Breaker::Open).then(|| Trouble {
        reason: "TooMuchLost",
        message: "more of the pool's Ready nodes lost trust than breaker.maxUntrusted allows: no \
                  node is tainted for it until it is fewer; look at the service, then at the nodes"
            .to_owned(),
    })
}

fn overlapping(tale: &Tale) -> Option<Trouble> {
    (tale.kept_by_others > 0).then(|| Trouble {
        reason: "OlderPoolKeepsNodes",
        message: format!(
            "{} nodes that this pool selects are in an older pool",
            tale.kept_by_others
        ),
    })
}

fn too_long(pool: &Pool, round: Option<&Round>) -> Option<Trouble> {
    // Without any verdict it is the service that is late, not the round that is large.
    let round = round.filter(|round| round.verdicts > 0)?;
    let took = round.ended.duration_since(round.started);
    (took >= pool.interval).then(|| Trouble {
        reason: "RoundTooLong",
        message: format!(
            "the last round took {} s and the interval is {} s: raise batch.maxInFlight or batch.next of the service, or refresh.interval",
            took.as_secs(),
            pool.interval.as_secs()
        ),
    })
}

#[cfg(test)]
mod tests;
