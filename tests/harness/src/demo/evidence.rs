//! When exactly something happened, by the API server's audit log.

use anyhow::Context as _;
use jiff::Timestamp;
use trustpool::clock::Clock;

use crate::install::USER;
use crate::{AuditEvent, AuditLog};

/// What was asked of the API server since some moment.
#[derive(Debug)]
pub(super) struct Evidence {
    log: AuditLog,
    since: Timestamp,
}

impl Evidence {
    /// Whatever comes from now on.
    pub(super) fn from_now(log: &AuditLog, clock: &Clock) -> anyhow::Result<Self> {
        Ok(Self {
            log: log.from_now()?,
            since: clock.wall(),
        })
    }

    /// The moment.
    pub(super) const fn since(&self) -> Timestamp {
        self.since
    }

    /// When a pod was bound.
    pub(super) fn bound(&self, pod: &str) -> anyhow::Result<Timestamp> {
        let binding = |event: &AuditEvent| {
            event.is_for("pods", "binding") && event.object_ref.name == pod && succeeded(event)
        };
        self.first(binding)
            .with_context(|| format!("pod {pod} is not bound yet"))
    }

    /// When Trustpool first wrote labels or taint of a node after `since`.
    pub(super) fn marked(&self, node: &str, since: Timestamp) -> anyhow::Result<Timestamp> {
        let mark = |event: &AuditEvent| {
            event.user.username == USER
                && event.is_for("nodes", "")
                && event.object_ref.name == node
                && event.stage_timestamp >= since
                && succeeded(event)
        };
        self.first(mark)
            .with_context(|| format!("{node} is not marked yet"))
    }

    /// When somebody else wrote a node's status.
    pub(super) fn reported(&self, node: &str) -> anyhow::Result<Timestamp> {
        let report = |event: &AuditEvent| {
            event.user.username != USER
                && event.is_for("nodes", "status")
                && event.object_ref.name == node
                && succeeded(event)
        };
        self.first(report)
            .with_context(|| format!("nobody has written the status of {node} yet"))
    }

    /// How often Trustpool wrote a node before a moment.
    pub(super) fn writes_before(&self, end: Timestamp) -> anyhow::Result<usize> {
        let writes = self.log.writes_by(USER)?;
        let is_one = |event: &&AuditEvent| {
            event.object_ref.resource == "nodes" && event.request_received_timestamp < end
        };
        Ok(writes.iter().filter(is_one).count())
    }

    /// When the first such write was done.
    fn first(&self, is_it: impl Fn(&AuditEvent) -> bool) -> Option<Timestamp> {
        let events = self.log.events().ok()?;
        let found = events
            .iter()
            .find(|event| event.is_write() && is_it(event))?;
        Some(found.stage_timestamp)
    }
}

/// Says whether a request did what it asked for.
fn succeeded(event: &AuditEvent) -> bool {
    (200..300).contains(&event.response_status.code)
}
