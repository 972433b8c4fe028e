//! The state table: the only functions that change a [`Record`].
//!
//! [`observe`] follows what is seen of the node and of the clock and never grants; [`answer`] is the
//! only way to `trusted`; [`silent`] ends the trust of a host that the service has no word for. Each
//! takes the record as it is and returns the record as it should be.

use jiff::{SignedDuration, Timestamp};

use super::pool::TrustAgain;
use super::record::{Attempt, Hold};
use super::time::{after, ceil, floor, has_been};
use super::{
    Incarnation, Orders, Outcome, Pool, PoolName, Readiness, Reason, Record, ServiceName, Verdict,
};

/// What is seen of a node, the record aside.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Facts {
    /// The pool that selects it.
    pub pool: Option<Membership>,
    /// Who it is now, or why nobody can tell.
    pub identity: Result<Incarnation, Reason>,
    /// Its `Ready` condition.
    pub readiness: Readiness,
    /// So much of the pool is not ready that the network is the likelier cause.
    pub network_at_fault: bool,
    /// This boot ID was seen, was followed by another, and is back.
    pub returned: bool,
}

/// What a pool means for its nodes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Membership {
    /// The pool.
    pub pool: PoolName,
    /// Who judges.
    pub service: ServiceName,
    /// How long an attestation counts.
    pub validity: SignedDuration,
}

impl From<&Pool> for Membership {
    fn from(pool: &Pool) -> Self {
        Self {
            pool: pool.name.clone(),
            service: pool.service.clone(),
            validity: pool.validity,
        }
    }
}

/// One answer about one node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// What it gave.
    pub outcome: Outcome,
    /// What the question was about.
    pub asked: Incarnation,
    /// When the question was sent.
    pub requested_at: Timestamp,
    /// When the service says that it attested, or answered.
    pub evidence_at: Option<Timestamp>,
}

/// The record after a look at the node and at the clock. Only ever revokes.
#[must_use]
pub fn observe(record: &Record, orders: &Orders, facts: &Facts, now: Timestamp) -> Record {
    let mut next = record.clone();
    follow_clock(&mut next, now);
    shorten(&mut next, facts);
    expire(&mut next, now);
    follow_identity(&mut next, facts, now);
    follow_readiness(&mut next, facts, now);
    lift(&mut next, orders);
    follow_pool(&mut next, facts);
    if orders.distrust.is_some() {
        next.verdict = Verdict::Untrusted;
        next.reason = Reason::Distrusted;
        next.expires_at = None;
        next.streak = 0;
    }
    next
}

/// The record after `answer`, for a node of `pool`. An answer to a question about another
/// incarnation, or sent before this one was seen, changes nothing.
#[must_use]
pub fn answer(
    record: &Record,
    orders: &Orders,
    answer: &Answer,
    pool: &Pool,
    now: Timestamp,
) -> Record {
    let seen = record
        .incarnation_seen_at
        .is_some_and(|seen| seen <= answer.requested_at);
    if record.incarnation.as_ref() != Some(&answer.asked) || !seen {
        return record.clone();
    }
    let mut next = record.clone();
    attempt(&mut next, answer);
    match answer.outcome {
        Outcome::Trusted => trusted(&mut next, orders, answer, pool, now),
        Outcome::Untrusted => untrusted(&mut next, orders, answer, pool, now),
        _ => {}
    }
    next
}

/// The record after a round that gave verdicts for at least half of its hosts, and in which the
/// service itself had none for this one.
#[must_use]
pub fn silent(record: &Record, pool: &Pool) -> Record {
    let mut next = record.clone();
    let had_trust = record.verdict == Verdict::Trusted || record.reason == Reason::Expired;
    if had_trust
        && record
            .last_attempt
            .is_some_and(|last| last.outcome.is_silence())
    {
        next.streak = record.streak.saturating_add(1);
        if next.streak >= pool.silent_after {
            become_unknown(&mut next, Reason::HostSilent);
        }
    }
    next
}

/// What was first seen at a time that has not come yet, by a clock that has been set right since, is
/// seen now: no question would count before that time.
fn follow_clock(next: &mut Record, now: Timestamp) {
    let right = |at: &Timestamp| has_been(*at, now);
    if let Some(seen) = &mut next.incarnation_seen_at {
        *seen = Some(*seen).filter(right).unwrap_or_else(|| ceil(now));
    }
    if let Some(ready) = &mut next.ready_since {
        *ready = Some(*ready).filter(right).unwrap_or_else(|| floor(now));
    }
    // Else it would begin to count once its time comes.
    if next.verdict == Verdict::Trusted && !next.requested_at.as_ref().is_some_and(right) {
        become_unknown(next, Reason::Expired);
    }
}

/// No attestation counts longer than the pool says that selects the node now, whichever it was in when
/// it was attested.
fn shorten(next: &mut Record, facts: &Facts) {
    let requested = next
        .requested_at
        .filter(|_| next.verdict == Verdict::Trusted);
    if let (Some(membership), Some(requested)) = (&facts.pool, requested) {
        let longest = expiry(requested, next.evidence_at, membership.validity);
        next.expires_at = next.expires_at.map(|expires| expires.min(longest));
    }
}

/// An attestation that ran out counts no longer. Its times stay: they say since when.
fn expire(next: &mut Record, now: Timestamp) {
    let over = next.expires_at.is_none_or(|expires| expires <= now);
    if next.verdict == Verdict::Trusted && over {
        next.verdict = Verdict::Unknown;
        next.reason = Reason::Expired;
    }
}

/// Another incarnation has what it earns itself: nothing, or the distrust of the one before it.
fn follow_identity(next: &mut Record, facts: &Facts, now: Timestamp) {
    match &facts.identity {
        Ok(current) => {
            if next.incarnation.as_ref() != Some(current) {
                let reason = difference(next.incarnation.as_ref(), current);
                let known_before = *next != Record::default();
                become_unknown(next, reason);
                next.incarnation = Some(current.clone());
                // A record that was never written is judged by the moment itself; one that was is
                // read back in whole seconds, and so are the questions that count for it.
                next.incarnation_seen_at = Some(if known_before { ceil(now) } else { now });
                if facts.returned {
                    become_unknown(next, Reason::IdentityConflict);
                    hold(next, Reason::IdentityConflict, now);
                }
            }
        }
        Err(reason) => {
            if next.verdict != Verdict::Untrusted {
                become_unknown(next, *reason);
                next.incarnation = None;
                next.incarnation_seen_at = None;
            }
        }
    }
}

/// What became of `old`.
fn difference(old: Option<&Incarnation>, new: &Incarnation) -> Reason {
    match old {
        None => Reason::NeverAttested,
        Some(old) if old.uid != new.uid => Reason::Recreated,
        Some(old) if old.url != new.url || old.host != new.host => Reason::HostChanged,
        Some(_) => Reason::Rebooted,
    }
}

/// A kubelet without a heartbeat may be on its way to another boot.
fn follow_readiness(next: &mut Record, facts: &Facts, now: Timestamp) {
    next.ready_since = match facts.readiness {
        Readiness::Ready => next.ready_since.or_else(|| Some(floor(now))),
        Readiness::NotReady | Readiness::Silent => None,
    };
    let had_trust = next.verdict == Verdict::Trusted || next.reason == Reason::Expired;
    if had_trust && facts.readiness == Readiness::Silent && !facts.network_at_fault {
        become_unknown(next, Reason::NotReady);
        next.incarnation_seen_at = Some(ceil(now));
    }
}

/// A hold ends when an administrator names it. A failure that was accepted is over: the next answer
/// tells.
fn lift(next: &mut Record, orders: &Orders) {
    let named = |hold: &mut Hold| orders.accept == Some(hold.since);
    let Some(lifted) = next.hold.take_if(named) else {
        return;
    };
    if next.verdict == Verdict::Unknown || next.reason == lifted.reason {
        next.verdict = Verdict::Unknown;
        next.reason = Reason::NeverAttested;
        next.streak = 0;
    }
}

/// Leaving every pool improves nothing: who was untrusted or held stays so, marks and all.
fn follow_pool(next: &mut Record, facts: &Facts) {
    match &facts.pool {
        Some(membership) => {
            next.pool = Some(membership.pool.clone());
            next.service = Some(membership.service.clone());
        }
        None if next.verdict == Verdict::Untrusted || next.hold.is_some() => {}
        None => {
            become_unknown(next, Reason::NotInPool);
            next.pool = None;
            next.service = None;
            next.incarnation = None;
            next.incarnation_seen_at = None;
        }
    }
}

/// Ends trust, for `reason`. `untrusted` stays, and starts to count good answers anew.
fn become_unknown(next: &mut Record, reason: Reason) {
    next.streak = 0;
    if next.verdict != Verdict::Untrusted {
        next.verdict = Verdict::Unknown;
        next.reason = reason;
        next.expires_at = None;
    }
}

/// Notes the question. An outcome without a verdict is noted when it differs from the last: a
/// service that is down must not cost a write for every node and round.
fn attempt(next: &mut Record, answer: &Answer) {
    let repeated = next
        .last_attempt
        .is_some_and(|last| last.outcome == answer.outcome);
    if answer.outcome.is_verdict() || !repeated {
        let at = floor(answer.requested_at);
        next.last_attempt = Some(Attempt {
            at,
            outcome: answer.outcome,
        });
    }
}

fn trusted(next: &mut Record, orders: &Orders, answer: &Answer, pool: &Pool, now: Timestamp) {
    let expires = expiry(answer.requested_at, answer.evidence_at, pool.validity);
    if next.hold.is_some() || orders.distrust.is_some() || expires <= now {
        return;
    }
    if next.verdict == Verdict::Untrusted {
        if pool.trust_again == TrustAgain::Manual && next.reason == Reason::FailedAttestation {
            // It failed while its pool, or the one that it was in, wanted no human.
            hold(next, Reason::FailedAttestation, now);
            return;
        }
        next.streak = next.streak.saturating_add(1);
        if next.streak < needed(pool) {
            return;
        }
    }
    next.verdict = Verdict::Trusted;
    next.reason = Reason::Attested;
    next.requested_at = Some(floor(answer.requested_at));
    next.evidence_at = answer.evidence_at.map(floor);
    next.expires_at = Some(expires);
    next.streak = 0;
}

/// When an attestation stops counting: its validity after the earlier of question and evidence.
fn expiry(
    requested: Timestamp,
    evidence: Option<Timestamp>,
    validity: SignedDuration,
) -> Timestamp {
    let earlier = evidence.map_or(requested, |at| at.min(requested));
    floor(after(earlier, validity))
}

/// How many good answers in a row end `untrusted`. Where a human decides, the hold waits for that
/// human, and one answer is enough after it.
const fn needed(pool: &Pool) -> u32 {
    match pool.trust_again {
        TrustAgain::Manual => 1,
        TrustAgain::Verdicts(verdicts) => verdicts,
    }
}

fn untrusted(next: &mut Record, orders: &Orders, answer: &Answer, pool: &Pool, now: Timestamp) {
    next.verdict = Verdict::Untrusted;
    if orders.distrust.is_none() {
        next.reason = Reason::FailedAttestation;
    }
    next.requested_at = Some(floor(answer.requested_at));
    next.evidence_at = answer.evidence_at.map(floor);
    next.expires_at = None;
    next.streak = 0;
    let held = next.hold.as_ref().map(|hold| hold.reason);
    if pool.trust_again == TrustAgain::Manual && held != Some(Reason::FailedAttestation) {
        hold(next, Reason::FailedAttestation, now);
    }
}

/// Holds the node for another cause than before: what was accepted until now was accepted without it.
fn hold(next: &mut Record, reason: Reason, now: Timestamp) {
    let before = next.hold.as_ref().map(|hold| hold.since);
    let later = before.map(|before| after(before, SignedDuration::from_secs(1)));
    let since = floor(now).max(later.unwrap_or(Timestamp::MIN));
    next.hold = Some(Hold { reason, since });
}

#[cfg(test)]
mod tests;
