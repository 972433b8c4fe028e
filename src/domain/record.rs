//! What is known of one node: the domain's form of a `NodeTrust`.

use jiff::Timestamp;

use super::{Incarnation, Outcome, PoolName, Reason, ServiceName, Verdict};

/// What administrators say about a node (`NodeTrust.spec`).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Orders {
    /// The host's name at the service.
    pub host: Option<String>,
    /// Why the node is distrusted, if it is.
    pub distrust: Option<String>,
    /// The `since` of the hold that is lifted.
    pub accept: Option<Timestamp>,
    /// Ask again unless asked since.
    pub attest: Option<Timestamp>,
    /// Do not ask, do not write to the Node.
    pub paused: bool,
}

/// Keeps a node from being trusted until a human says so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hold {
    /// What happened.
    pub reason: Reason,
    /// When; `spec.accept` names this time to lift the hold.
    pub since: Timestamp,
}

/// The last question about a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Attempt {
    /// When this outcome was first had.
    pub at: Timestamp,
    /// What it gave.
    pub outcome: Outcome,
}

/// What is known of one node (`NodeTrust.status`). All times are whole seconds, rounded to the side
/// that trusts less.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Record {
    /// The pool that the node is in.
    pub pool: Option<PoolName>,
    /// The service that judges it.
    pub service: Option<ServiceName>,
    /// What the node has.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// What verdict and questions are about.
    pub incarnation: Option<Incarnation>,
    /// Only questions sent after this time count.
    pub incarnation_seen_at: Option<Timestamp>,
    /// When the node became Ready, as far as seen.
    pub ready_since: Option<Timestamp>,
    /// When the question was sent whose answer gave the verdict.
    pub requested_at: Option<Timestamp>,
    /// When the service says that it attested, or answered.
    pub evidence_at: Option<Timestamp>,
    /// When the verdict stops counting.
    pub expires_at: Option<Timestamp>,
    /// While untrusted: `trusted` answers in a row. While trusted: silent rounds in a row.
    pub streak: u32,
    /// What keeps the node from being trusted.
    pub hold: Option<Hold>,
    /// The last question.
    pub last_attempt: Option<Attempt>,
}

impl Record {
    /// Says whether `self` tells so much more than `old` that it is worth a write: when a node
    /// became Ready is not, by itself, since a kubelet could cause such writes at will.
    #[must_use]
    pub fn tells_more_than(&self, old: &Self) -> bool {
        let same_readiness = Self {
            ready_since: old.ready_since,
            ..self.clone()
        };
        same_readiness != *old
    }

    /// When the node was last asked about, as far as the record tells.
    #[must_use]
    pub fn asked_at(&self) -> Option<Timestamp> {
        self.requested_at.max(self.last_attempt.map(|last| last.at))
    }
}
