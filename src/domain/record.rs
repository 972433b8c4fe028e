//! What is known of one node: the domain's form of a `NodeTrust`.

use jiff::Timestamp;

use super::time::floor;
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

    /// Sentences for a person: why the node has its verdict, what the last answer lacked, and what
    /// must be done by hand.
    #[must_use]
    pub fn message(&self) -> String {
        let mut message = self.reason.message().to_owned();
        let last = self.last_attempt.map(|last| last.outcome);
        let lacking = last.filter(|last| self.verdict == Verdict::Unknown && !last.is_verdict());
        if let Some(outcome) = lacking {
            message.push_str("; last outcome ");
            message.push_str(outcome.as_str());
            message.push_str(": ");
            message.push_str(outcome.message());
        }
        if let Some(hold) = &self.hold {
            let since = floor(hold.since);
            message.push_str(&format!("; held until spec.accept is set to {since}"));
        }
        message
    }

    /// When the node was last asked about, as far as the record tells.
    #[must_use]
    pub fn asked_at(&self) -> Option<Timestamp> {
        self.requested_at.max(self.last_attempt.map(|last| last.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixtures::at;

    #[test]
    fn a_message_names_the_last_outcome_while_there_is_no_verdict_and_how_a_hold_ends() {
        let told = |verdict, reason, outcome, hold: Option<Reason>| {
            let attempt = |outcome| Attempt { at: at(0), outcome };
            let record = Record {
                verdict,
                reason,
                last_attempt: Option::map(outcome, attempt),
                hold: hold.map(|reason| Hold {
                    reason,
                    since: at(0),
                }),
                ..Record::default()
            };
            record.message()
        };
        let unknown = told(
            Verdict::Unknown,
            Reason::HostChanged,
            Some(Outcome::HostUnknown),
            None,
        );
        let silent = told(
            Verdict::Trusted,
            Reason::Attested,
            Some(Outcome::HostTimeout),
            None,
        );
        let held = told(
            Verdict::Untrusted,
            Reason::FailedAttestation,
            Some(Outcome::Untrusted),
            Some(Reason::FailedAttestation),
        );

        assert_eq!(
            unknown,
            "the service or the host's name there is another one now; last outcome HostUnknown: \
             the service does not know the host by this name, or cannot reach it"
        );
        assert_eq!(silent, Reason::Attested.message());
        assert_eq!(
            held,
            "the attestation service calls this host untrusted; compare its measurements there; \
             held until spec.accept is set to 1970-01-12T13:46:40Z"
        );
    }
}
