//! May a pod with this requirement run on this node now? The one answer that every gate gives.

use std::fmt;

use super::{Now, Requirement, Standing};

/// Why a node is refused. A closed set of constant sentences: kube-scheduler counts equal ones into
/// the histogram of a pod's event, so none may hold a name, a time or a number.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Refusal {
    /// Another boot, another Node object or another host than the one attested.
    Changed,
    /// `spec.distrust`.
    Distrusted,
    /// The attestation does not count at this moment.
    Expired,
    /// The service said `untrusted`.
    Failed,
    /// No verdict yet, or a node that one of our watches does not know.
    NeverAttested,
    /// No pool selects the node.
    NotInPool,
    /// The pod names another pool.
    OtherPool,
    /// The pod asks for something that we do not know.
    UnknownValue,
}

impl Refusal {
    /// Every refusal, for metrics.
    pub const ALL: [Self; 8] = [
        Self::Changed,
        Self::Distrusted,
        Self::Expired,
        Self::Failed,
        Self::NeverAttested,
        Self::NotInPool,
        Self::OtherPool,
        Self::UnknownValue,
    ];

    /// The sentence that pod events show.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "node(s) were rebooted or re-created after attestation",
            Self::Distrusted => "node(s) were distrusted by an administrator",
            Self::Expired => "node(s) had an expired attestation",
            Self::Failed => "node(s) failed attestation",
            Self::NeverAttested => "node(s) were never attested",
            Self::NotInPool => "node(s) were in no trust pool",
            Self::OtherPool => "node(s) were in another trust pool",
            Self::UnknownValue => "pod asks for trust with an unknown value",
        }
    }

    /// The word that metrics show.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Distrusted => "distrusted",
            Self::Expired => "expired",
            Self::Failed => "failed",
            Self::NeverAttested => "never_attested",
            Self::NotInPool => "not_in_pool",
            Self::OtherPool => "other_pool",
            Self::UnknownValue => "unknown_value",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Says why a pod with `requirement` may not run on the node of `standing` at `now`, if it may not.
/// `None` is a node that is not known here.
///
/// # Errors
///
/// The refusal.
pub fn select(
    requirement: &Requirement,
    standing: Option<&Standing>,
    now: Now,
) -> Result<(), Refusal> {
    let pool = match requirement {
        Requirement::Nothing => return Ok(()),
        Requirement::Trusted { pool } => pool,
        Requirement::Unknown => return Err(Refusal::UnknownValue),
    };
    let standing = standing.ok_or(Refusal::NeverAttested)?;
    standing.check(now)?;
    if pool.is_some() && *pool != standing.pool {
        Err(Refusal::OtherPool)
    } else {
        Ok(())
    }
}
