//! Who may lead, decided from what one candidate has seen of the Lease, by its own uptime alone. Pure.

use std::time::Duration;

use super::claim::Term;

/// How long a Lease lasts that nobody renews, from when that was seen.
pub const LEASE: Duration = Duration::from_secs(9);

/// How long a leader may act, from before it asked for its last renewal. Two thirds of [`LEASE`]: so much faster
/// than the leader's may another candidate's clock run.
pub const RENEW: Duration = Duration::from_secs(6);

/// From one look at the Lease, or one renewal, to the next.
pub const RETRY: Duration = Duration::from_millis(1500);

/// How long a leader goes on that sees nothing of the cluster any more, though it reaches the Lease: another one may
/// see more.
pub const BLIND: Duration = Duration::from_secs(30);

/// The longest that a Lease is believed to last, whatever stands in it.
const LONGEST: Duration = Duration::from_mins(1);

/// What stands in a Lease.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Record {
    /// Who holds it; nobody if empty.
    pub holder: String,
    /// Which term of leading this is; each is higher than the one before.
    pub epoch: u32,
    /// How long it lasts.
    pub length: Duration,
    /// `metadata.resourceVersion`: another one for each change.
    pub version: String,
}

/// What a candidate does next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Read the Lease.
    Look,
    /// Somebody else leads, or this process is not able to: look again then.
    Follow(Duration),
    /// Make the Lease, held by nobody and of no epoch. A request that makes an object replaces no version of it, so
    /// nobody may lead by it: it could be one that was under way while the Lease came and went.
    Create,
    /// Write the Lease with this candidate as its holder, if it is still of that version.
    Write {
        /// The epoch to write.
        epoch: u32,
        /// The version that it replaces.
        over: String,
    },
}

/// What was seen of the Lease, and since when it has been so.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Seen {
    record: Option<Record>,
    at: Duration,
}

/// One candidate.
#[derive(Clone, Debug)]
pub struct Election {
    me: String,
    seen: Option<Seen>,
    /// What was seen may have changed since: look before anything else.
    is_stale: bool,
    term: Option<Term>,
    /// The highest epoch that stood in the Lease.
    highest: u32,
    /// Since when this process could not lead, if it cannot.
    blind_since: Option<Duration>,
}

impl Election {
    /// A candidate that nobody else is called like.
    #[must_use]
    pub const fn new(me: String) -> Self {
        Self {
            me,
            seen: None,
            is_stale: true,
            term: None,
            highest: 0,
            blind_since: None,
        }
    }

    /// The candidate's name.
    #[must_use]
    pub fn me(&self) -> &str {
        &self.me
    }

    /// The term that this candidate may act in, as far as it knows.
    #[must_use]
    pub fn term(&self, now: Duration) -> Option<Term> {
        self.term.filter(|term| now < term.until)
    }

    /// Who leads, as far as was seen.
    #[must_use]
    pub fn leader(&self) -> Option<&str> {
        let record = self.seen.as_ref()?.record.as_ref()?;
        Some(record.holder.as_str()).filter(|holder| !holder.is_empty())
    }

    /// Says what to do at `now`. `past` is the highest epoch that anything was ever written in, as far as is
    /// known; nothing as long as this process could not lead. A leader for whom that lasts leads no more.
    #[must_use]
    pub fn decide(&mut self, past: Option<u32>, now: Duration) -> Step {
        self.look_around(past, now);
        let past = past.map(|past| past.max(self.highest));
        let Some(seen) = self.seen.as_ref().filter(|_| !self.is_stale) else {
            return Step::Look;
        };
        let Some(record) = &seen.record else {
            return Step::Create;
        };
        let over = record.version.clone();
        if let Some(Term { epoch, .. }) = self.term(now) {
            return Step::Write { epoch, over };
        }
        let free_at = self.free_at(record, seen.at, past);
        let Some(past) = past.filter(|_| free_at <= now) else {
            let wait = free_at.saturating_sub(now);
            return Step::Follow(if wait.is_zero() {
                RETRY
            } else {
                wait.min(RETRY)
            });
        };
        let epoch = record.epoch.max(past).saturating_add(1);
        Step::Write { epoch, over }
    }

    /// Ends the term of a leader that sees nothing any more, or a record of a later term.
    fn look_around(&mut self, past: Option<u32>, now: Duration) {
        if let Some(past) = past {
            self.blind_since = None;
            self.term = self.term.filter(|term| past <= term.epoch);
            return;
        }
        let since = *self.blind_since.get_or_insert(now);
        if now.saturating_sub(since) >= BLIND {
            self.term = None;
        }
    }

    /// From when on a Lease may be taken that has been `record` since `at`.
    fn free_at(&self, record: &Record, at: Duration, past: Option<u32>) -> Duration {
        // Somebody deleted the one before, and whoever held that may not have noticed.
        let is_new = past.is_some_and(|past| record.epoch < past);
        if record.holder == self.me || record.holder.is_empty() && !is_new {
            return Duration::ZERO;
        }
        at.saturating_add(record.length.clamp(LEASE, LONGEST))
    }

    /// Notes that what was seen may not be so any more: a write is under way, or a while has passed.
    pub const fn doubt(&mut self) {
        self.is_stale = true;
    }

    /// Notes what the API server says of the Lease at `now`. Who does not hold it any more may not act.
    pub fn saw(&mut self, record: Option<Record>, now: Duration) {
        let version = |record: &Option<Record>| record.as_ref().map(|it| it.version.clone());
        let is_same = |seen: &Seen| version(&seen.record) == version(&record);
        if record
            .as_ref()
            .is_none_or(|record| record.holder != self.me)
        {
            self.term = None;
        }
        let epoch = record.as_ref().map_or(0, |record| record.epoch);
        self.highest = self.highest.max(epoch);
        if !self.seen.as_ref().is_some_and(is_same) {
            self.seen = Some(Seen { record, at: now });
        }
        self.is_stale = false;
    }

    /// Notes that the Lease was written as `record`, by a request that was begun at `begun`.
    pub fn wrote(&mut self, record: Record, begun: Duration, now: Duration) {
        self.highest = self.highest.max(record.epoch);
        self.term = Some(Term {
            epoch: record.epoch,
            until: begun.saturating_add(RENEW),
        });
        self.seen = Some(Seen {
            record: Some(record),
            at: now,
        });
        self.is_stale = false;
    }

    /// Notes that this candidate does not act any more, whoever holds the Lease.
    pub const fn vacate(&mut self) {
        self.term = None;
    }
}

#[cfg(test)]
mod tests;
