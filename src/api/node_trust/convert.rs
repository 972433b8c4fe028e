//! Between a `NodeTrust` and the domain's record and orders. The only conversion there is.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::api::condition::{self, Observation, Status, Type};
use crate::api::time::{ceil, floor};
use crate::api::{Invalid, keys};
use crate::domain::record::Attempt;
use crate::domain::{Hold, Incarnation, NodeName, Orders, PoolName, Record, ServiceName, Verdict};

use super::{AttemptStatus, HoldStatus, IncarnationStatus, NodeTrust, NodeTrustStatus};

impl NodeTrust {
    /// The name of the node that this is about.
    ///
    /// # Errors
    ///
    /// The object has no name.
    pub fn node(&self) -> Result<NodeName, Invalid> {
        match &self.metadata.name {
            Some(name) => Ok(NodeName::from(name.as_str())),
            None => Err(Invalid::new("metadata.name", "", "must be there")),
        }
    }

    /// The time in the annotation `trustpool.dev/attest`: ask again unless asked since.
    ///
    /// # Errors
    ///
    /// The annotation holds no time.
    pub fn attest(&self) -> Result<Option<Timestamp>, Invalid> {
        let annotations = self.metadata.annotations.as_ref();
        let text = annotations.and_then(|annotations| annotations.get(keys::ATTEST));
        let Some(text) = text else {
            return Ok(None);
        };
        let why = "must be a time in RFC 3339, such as 2026-01-31T12:00:00Z";
        let field = || format!("metadata.annotations[{}]", keys::ATTEST);
        let time = text.parse();
        time.map(Some).map_err(|_| Invalid::new(field(), text, why))
    }
}

impl From<&NodeTrust> for Orders {
    /// An annotation that cannot be read asks for nothing: it can only ever ask a question, and must
    /// not take the gates' sight of the node away. [`NodeTrust::attest`] says what is wrong with it.
    fn from(object: &NodeTrust) -> Self {
        let spec = &object.spec;
        Self {
            host: spec.host.clone(),
            distrust: spec
                .distrust
                .as_ref()
                .map(|distrust| distrust.reason.clone()),
            accept: moment(spec.accept.as_ref()),
            attest: object.attest().unwrap_or_default(),
            paused: spec.paused,
        }
    }
}

impl From<&NodeTrust> for Record {
    fn from(object: &NodeTrust) -> Self {
        object.status.as_ref().map(Self::from).unwrap_or_default()
    }
}

impl From<&NodeTrustStatus> for Record {
    fn from(status: &NodeTrustStatus) -> Self {
        Self {
            pool: status.pool.as_deref().map(PoolName::from),
            service: status.service.as_deref().map(ServiceName::from),
            verdict: status.verdict,
            reason: status.reason,
            incarnation: status.incarnation.clone().map(Incarnation::from),
            incarnation_seen_at: moment(status.incarnation_seen_at.as_ref()),
            ready_since: moment(status.ready_since.as_ref()),
            requested_at: moment(status.requested_at.as_ref()),
            evidence_at: moment(status.evidence_at.as_ref()),
            expires_at: moment(status.expires_at.as_ref()),
            streak: status.streak,
            hold: status.hold.as_ref().map(Hold::from),
            last_attempt: status.last_attempt.as_ref().map(Attempt::from),
        }
    }
}

impl NodeTrustStatus {
    /// What `record` is as a status, in whole seconds, each rounded to the side that trusts less.
    ///
    /// `previous` are the conditions that the object carries and `generation` is its
    /// `metadata.generation`. Equal records give equal statuses, whenever; whoever writes one adds the epoch.
    #[must_use]
    pub fn of(
        record: &Record,
        previous: &[Condition],
        generation: Option<i64>,
        now: Timestamp,
    ) -> Self {
        let incarnation = record.incarnation.clone().map(IncarnationStatus::from);
        let down = |at: Option<Timestamp>| at.map(floor).map(Time);
        Self {
            epoch: None,
            pool: record.pool.as_ref().map(ToString::to_string),
            service: record.service.as_ref().map(ToString::to_string),
            host: incarnation.as_ref().map(|known| known.host.clone()),
            verdict: record.verdict,
            reason: record.reason,
            message: record.message(),
            incarnation,
            incarnation_seen_at: seen(record).map(Time),
            ready_since: down(record.ready_since),
            requested_at: down(record.requested_at),
            evidence_at: down(record.evidence_at),
            expires_at: down(record.expires_at),
            streak: record.streak,
            hold: record.hold.as_ref().map(HoldStatus::from),
            last_attempt: record.last_attempt.map(AttemptStatus::from),
            conditions: condition::set(previous, attested(record, generation), now),
        }
    }
}

/// When the incarnation was first seen, up to the next second: fewer questions count. But one that
/// counted before goes on counting, though its own time is rounded down.
fn seen(record: &Record) -> Option<Timestamp> {
    let seen = record.incarnation_seen_at?;
    Some(match record.requested_at {
        Some(requested) if seen < requested => ceil(seen).min(floor(requested)),
        _ => ceil(seen),
    })
}

/// The condition that tells the verdict.
fn attested(record: &Record, generation: Option<i64>) -> Observation {
    Observation {
        kind: Type::Attested,
        status: match record.verdict {
            Verdict::Trusted => Status::True,
            Verdict::Unknown => Status::Unknown,
            Verdict::Untrusted => Status::False,
        },
        reason: record.reason.as_str(),
        message: record.message(),
        generation,
    }
}

/// The moment that an object carries.
fn moment(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}

impl From<IncarnationStatus> for Incarnation {
    fn from(status: IncarnationStatus) -> Self {
        Self {
            url: status.url,
            host: status.host,
            uid: status.uid,
            boot_id: status.boot_id,
            machine_id: status.machine_id,
            system_uuid: status.system_uuid,
        }
    }
}

impl From<Incarnation> for IncarnationStatus {
    fn from(incarnation: Incarnation) -> Self {
        Self {
            url: incarnation.url,
            host: incarnation.host,
            uid: incarnation.uid,
            boot_id: incarnation.boot_id,
            machine_id: incarnation.machine_id,
            system_uuid: incarnation.system_uuid,
        }
    }
}

impl From<&HoldStatus> for Hold {
    fn from(status: &HoldStatus) -> Self {
        Self {
            reason: status.reason,
            since: status.since.0,
        }
    }
}

impl From<&Hold> for HoldStatus {
    fn from(hold: &Hold) -> Self {
        Self {
            reason: hold.reason,
            since: Time(floor(hold.since)),
        }
    }
}

impl From<&AttemptStatus> for Attempt {
    fn from(status: &AttemptStatus) -> Self {
        Self {
            at: status.at.0,
            outcome: status.outcome,
        }
    }
}

impl From<Attempt> for AttemptStatus {
    fn from(attempt: Attempt) -> Self {
        Self {
            at: Time(floor(attempt.at)),
            outcome: attempt.outcome,
        }
    }
}

#[cfg(test)]
mod tests;
