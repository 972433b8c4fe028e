//! Pools and services as decisions see them: only valid parts, lengths as lengths.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

/// The name of a `TrustPool`: a label value, so at most 63 characters.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PoolName(Arc<str>);

impl PoolName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PoolName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an `AttestationService`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ServiceName(Arc<str>);

impl ServiceName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ServiceName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A share of something: a count, or so many per cent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Share {
    /// So many.
    Count(u32),
    /// So many of a hundred, 0 to 100.
    Percent(u32),
}

impl Share {
    /// How many of `total` the share is: rounded down, and at least 1.
    #[must_use]
    pub fn of(self, total: usize) -> usize {
        let share = match self {
            Self::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
            Self::Percent(percent) => {
                total.saturating_mul(usize::try_from(percent).unwrap_or(100)) / 100
            }
        };
        share.max(1)
    }
}

/// What becomes of the trust label when an attestation merely expires.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnExpiry {
    /// The label becomes `unknown`.
    Change,
    /// The label stays; the gates refuse by the clock.
    Keep,
}

/// Whether nodes of a verdict are tainted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Taint {
    /// No.
    None,
    /// With effect `NoSchedule`.
    NoSchedule,
}

/// What it takes to be trusted again after `untrusted`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TrustAgain {
    /// A human who lifts the hold.
    Manual,
    /// So many `trusted` answers in a row; at least 1.
    Verdicts(u32),
}

/// One trust pool: how long its verdicts count and what follows from them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pool {
    /// Its name.
    pub name: PoolName,
    /// When it was created: of two pools that select a node, the older keeps it.
    pub created: Timestamp,
    /// Who judges.
    pub service: ServiceName,
    /// How long an attestation counts.
    pub validity: SignedDuration,
    /// How often the whole pool is asked about.
    pub interval: SignedDuration,
    /// The shortest time between two questions about one node.
    pub min_interval: SignedDuration,
    /// Rounds after which a silent host is `unknown`; at least 1.
    pub silent_after: u32,
    /// Whether an untrusted node is tainted.
    pub taint_untrusted: Taint,
    /// Whether an unknown node is tainted.
    pub taint_unknown: Taint,
    /// What becomes of the label on expiry.
    pub on_expiry: OnExpiry,
    /// How much loss is taken for the service's or the network's fault.
    pub max_untrusted: Share,
    /// The way back from `untrusted`.
    pub trust_again: TrustAgain,
    /// Whether a new node is tainted until it is attested.
    pub startup_taint: bool,
    /// Withholds new taints.
    pub dry_run: bool,
    /// Withholds questions and writes to Nodes.
    pub paused: bool,
}

/// One attestation service: what planning needs of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Where it is, path included: part of a node's incarnation.
    pub url: String,
    /// How many hosts the first request of a round asks about; at least 1.
    pub first: usize,
    /// How many every further request asks about; at least 1.
    pub next: usize,
    /// How many requests may be under way at once; at least 1.
    pub max_in_flight: usize,
}
