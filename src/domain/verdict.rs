//! The words for what a node has (verdict, reason) and for what one answer gave (outcome).

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a node has.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Attested, and the attestation counts until it expires.
    Trusted,
    /// Nothing that counts is known.
    #[default]
    Unknown,
    /// The service said so, or an administrator.
    Untrusted,
}

impl Verdict {
    /// As labels and the API spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Unknown => "unknown",
            Self::Untrusted => "untrusted",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a node has its verdict. A closed set: conditions, events and metrics use these words.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
pub enum Reason {
    /// Trusted: the service said so.
    Attested,
    /// Untrusted: `spec.distrust`.
    Distrusted,
    /// Unknown: the attestation ran out before another came.
    Expired,
    /// Untrusted: the service said so.
    FailedAttestation,
    /// Unknown: the service, or the host's name there, is another one now.
    HostChanged,
    /// Unknown: two nodes claim one host.
    HostConflict,
    /// Unknown: the service keeps answering for others, and not for this host.
    HostSilent,
    /// Unknown and held: a boot ID came back, so two kubelets share one identity.
    IdentityConflict,
    /// Unknown: the host's name cannot be sent to the service.
    InvalidHost,
    /// Unknown: no answer with a verdict yet.
    #[default]
    NeverAttested,
    /// Unknown: the kubelet reports no boot ID, so nothing can be bound to this boot.
    NoBootID,
    /// Unknown: no pool selects the node.
    NotInPool,
    /// Unknown: the node's heartbeat stopped.
    NotReady,
    /// Unknown: another boot than the one attested.
    Rebooted,
    /// Unknown: another Node object than the one attested.
    Recreated,
}

impl Reason {
    /// As conditions, events and metrics spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attested => "Attested",
            Self::Distrusted => "Distrusted",
            Self::Expired => "Expired",
            Self::FailedAttestation => "FailedAttestation",
            Self::HostChanged => "HostChanged",
            Self::HostConflict => "HostConflict",
            Self::HostSilent => "HostSilent",
            Self::IdentityConflict => "IdentityConflict",
            Self::InvalidHost => "InvalidHost",
            Self::NeverAttested => "NeverAttested",
            Self::NoBootID => "NoBootID",
            Self::NotInPool => "NotInPool",
            Self::NotReady => "NotReady",
            Self::Rebooted => "Rebooted",
            Self::Recreated => "Recreated",
        }
    }

    /// One sentence for a person: what it means and what to do.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Attested => "the attestation service calls this host trusted",
            Self::Distrusted => {
                "an administrator distrusted this node; without spec.distrust it is trusted again after good answers"
            }
            Self::Expired => {
                "the attestation ran out before another came; look at the AttestationService, and whether the node or its TrustPool is paused"
            }
            Self::FailedAttestation => {
                "the attestation service calls this host untrusted; compare its measurements there"
            }
            Self::HostChanged => "the service or the host's name there is another one now",
            Self::HostConflict => {
                "another node claims the same host at this service; give one of them another spec.host"
            }
            Self::HostSilent => {
                "the service has answers for other hosts and none for this one; look at the host's attestation agent"
            }
            Self::IdentityConflict => {
                "a boot ID came back: two kubelets seem to share this node's identity; settle that first"
            }
            Self::InvalidHost => "the host's name cannot be sent to this service; set spec.host",
            Self::NeverAttested => "no verdict of the attestation service counts for this node yet",
            Self::NoBootID => {
                "the kubelet reports no boot ID, or an identifier of more than 1,024 bytes; nothing can be bound to this boot"
            }
            Self::NotInPool => "no TrustPool selects this node",
            Self::NotReady => {
                "the kubelet's heartbeat stopped; the node is attested again once it is Ready"
            }
            Self::Rebooted => {
                "the node was rebooted after its attestation; waiting for an answer about this boot"
            }
            Self::Recreated => {
                "the Node was re-created after its attestation; waiting for an answer about this one"
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one answer gave for one host. Only the first two are verdicts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Outcome {
    /// The service compared and the host passed.
    Trusted,
    /// The service compared and the host failed.
    Untrusted,
    /// The time of the answer cannot be read.
    BadTime,
    /// The host was answered more than once.
    Duplicate,
    /// The time of the answer lies in the future.
    Future,
    /// The service is still at work; ask again.
    HostPending,
    /// The service says that the host did not report in time.
    HostTimeout,
    /// The service does not know the host, or cannot reach it.
    HostUnknown,
    /// The host was asked about and not answered.
    Missing,
    /// The service refused the request.
    Refused,
    /// The time of the answer lies before the question.
    Stale,
    /// A level that no dialect has.
    UnknownLevel,
    /// No connection, or no answer in time.
    Unreachable,
    /// An answer that is not in the service's language.
    Unreadable,
}

impl Outcome {
    /// Every outcome, for tables and metrics.
    pub const ALL: [Self; 14] = [
        Self::Trusted,
        Self::Untrusted,
        Self::BadTime,
        Self::Duplicate,
        Self::Future,
        Self::HostPending,
        Self::HostTimeout,
        Self::HostUnknown,
        Self::Missing,
        Self::Refused,
        Self::Stale,
        Self::UnknownLevel,
        Self::Unreachable,
        Self::Unreadable,
    ];

    /// As the API and metrics spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadTime => "BadTime",
            Self::Duplicate => "Duplicate",
            Self::Future => "Future",
            Self::HostPending => "HostPending",
            Self::HostTimeout => "HostTimeout",
            Self::HostUnknown => "HostUnknown",
            Self::Missing => "Missing",
            Self::Refused => "Refused",
            Self::Stale => "Stale",
            Self::Trusted => "Trusted",
            Self::UnknownLevel => "UnknownLevel",
            Self::Unreachable => "Unreachable",
            Self::Unreadable => "Unreadable",
            Self::Untrusted => "Untrusted",
        }
    }

    /// What it means, for a person.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::BadTime => "the time of the answer cannot be read",
            Self::Duplicate => "the service answered about the host more than once",
            Self::Future => "the time of the answer lies in the future; compare the clocks",
            Self::HostPending => "the service is still at work",
            Self::HostTimeout => "the host did not report to the service in time",
            Self::HostUnknown => {
                "the service does not know the host by this name, or cannot reach it"
            }
            Self::Missing => "the service answered, and not about this host",
            Self::Refused => "the service refused the question",
            Self::Stale => "the answer is older than the question; compare the clocks",
            Self::Trusted => "the host passed",
            Self::UnknownLevel => "the service answered with a level that no dialect has",
            Self::Unreachable => "there was no connection, or no answer in time",
            Self::Unreadable => "the answer is not in the service's language",
            Self::Untrusted => "the host failed",
        }
    }

    /// Says whether the service compared the host with what it should be.
    #[must_use]
    pub const fn is_verdict(self) -> bool {
        matches!(self, Self::Trusted | Self::Untrusted)
    }

    /// Says whether the service itself answered that it has no verdict for this host: what a host
    /// whose agent was stopped looks like.
    #[must_use]
    pub const fn is_silence(self) -> bool {
        matches!(self, Self::HostTimeout | Self::HostUnknown)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
