//! What the observer must be told of a run, because neither log says it.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::{Clock, Gaps};

/// How late Trustpool may hear of a change: for so long after it, either state may have been acted on.
pub(crate) const LAG: SignedDuration = SignedDuration::from_secs(2);

/// How far two clocks, or a clock and a rounded time, may be apart.
pub(crate) const SLACK: SignedDuration = SignedDuration::from_secs(1);

/// What the observer is told of a run.
#[derive(Clone, Debug)]
pub struct Facts {
    /// For how long an answer counts, from when it was asked for: `validity` of the pool, the longest
    /// where there are several.
    pub validity: SignedDuration,
    /// The users that Trustpool runs as, as audit events name them.
    pub accounts: BTreeSet<String>,
    /// How far the clock of the simulator, and of the role that writes, was from the API server's, and when.
    pub clock: Clock,
    /// The same of the role that answers: how old an answer is it tells by its own.
    pub gate_clock: Clock,
    /// When the role that writes was dead or frozen: an answer of the service that ended then may never
    /// have been read, and what it writes afterwards may follow from what was so before.
    pub controller_gaps: Gaps,
    /// When the watches of the role that answers stood still: what changed meanwhile it hears of
    /// afterwards. While it is dead or frozen as a whole, it answers nothing, and that is no gap.
    pub gate_gaps: Gaps,
}

impl Facts {
    /// Facts of a run whose clocks were never moved, and whose roles were never cut off.
    pub fn new(validity: SignedDuration, accounts: impl IntoIterator<Item = String>) -> Self {
        Self {
            validity,
            accounts: accounts.into_iter().collect(),
            clock: Clock::default(),
            gate_clock: Clock::default(),
            controller_gaps: Gaps::default(),
            gate_gaps: Gaps::default(),
        }
    }

    /// Says whether one of these users is Trustpool.
    pub(crate) fn has_account(&self, users: &[String]) -> bool {
        users.iter().any(|user| self.accounts.contains(user))
    }
}
