//! What the gate says to a Binding. Pure.

use std::collections::HashMap;
use std::fmt::Write;

use jiff::SignedDuration;

use crate::domain::select::select;
use crate::domain::{Now, Refusal, Requirement, Standing};
use crate::store::{Entry, NotReady};
use crate::telemetry::Chain;

use super::pods::Unlearnt;
use super::review::Subject;

/// What the namespace is to the gate, as the API server found it when it chose the webhook.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cover {
    /// `require: audit`: nothing is refused, everything is noted.
    Audit,
    /// `gate: open`: what is known to be wrong is refused.
    Open,
    /// `require: trusted`: as strict, and every pod asks.
    Required,
    /// `gate: strict`: what is not known to be right is refused.
    Strict,
}

/// Why it is not known whether the pod may go there.
#[derive(Debug)]
pub enum Undecided {
    /// A watch of ours is not to be trusted.
    NotReady(NotReady),
    /// What the pod asks is not known.
    Unlearnt(Unlearnt),
}

/// What is found.
#[derive(Debug)]
pub enum Decision {
    /// The pod asks for nothing.
    NotAsked,
    /// The node will do.
    Granted,
    /// The node will not do.
    Refused(Refusal),
    /// Nobody knows.
    Undecided(Undecided),
}

impl Decision {
    /// Judges the node of `entry` (`None` if it is not known) by what the pod asks.
    #[must_use]
    pub fn of(requirement: &Requirement, entry: Option<&Entry>, now: Now) -> Self {
        if *requirement == Requirement::Nothing {
            return Self::NotAsked;
        }
        let standing: Option<&Standing> = entry.map(|entry| &entry.standing);
        match select(requirement, standing, now) {
            Ok(()) => Self::Granted,
            Err(refusal) => Self::Refused(refusal),
        }
    }

    /// Says whether the Binding may pass where the gate is `cover`.
    #[must_use]
    pub const fn passes(&self, cover: Cover) -> bool {
        match self {
            Self::Granted | Self::NotAsked => true,
            Self::Refused(_) => matches!(cover, Cover::Audit),
            Self::Undecided(_) => matches!(cover, Cover::Audit | Cover::Open),
        }
    }

    /// The word that metrics and the audit log show.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::NotAsked => "not_asked",
            Self::Granted => "granted",
            Self::Refused(refusal) => refusal.label(),
            Self::Undecided(Undecided::NotReady(_)) => "not_ready",
            Self::Undecided(Undecided::Unlearnt(unlearnt)) => unlearnt.label(),
        }
    }

    /// What whoever sent the Binding is told.
    #[must_use]
    pub fn message(&self, subject: &Subject, entry: Option<&Entry>, now: Now) -> String {
        let Subject { pod, node, .. } = subject;
        match self {
            Self::NotAsked | Self::Granted => String::new(),
            Self::Refused(Refusal::UnknownValue) => format!(
                "pod `{pod}` asks for trust with a value that no node can meet: annotation and label \
                 trustpool.dev/require must be `trusted`, and all of its pools one and the same"
            ),
            Self::Refused(refusal) => format!(
                "pod `{pod}` asks for a trusted node, and node `{node}` will not do: {refusal} ({}); \
                 see kubectl describe nodetrust {node}",
                known(entry, now)
            ),
            Self::Undecided(Undecided::NotReady(error)) => {
                format!("node `{node}` cannot be judged now: {error}; try again")
            }
            Self::Undecided(Undecided::Unlearnt(error)) => format!(
                "it is not known what pod `{pod}` asks of node `{node}`: {}",
                Chain(error)
            ),
        }
    }

    /// What the API server is to note: on which evidence this was decided.
    #[must_use]
    pub fn notes(&self, subject: &Subject, entry: Option<&Entry>) -> HashMap<String, String> {
        if matches!(self, Self::NotAsked) {
            return HashMap::new();
        }
        let mut notes = HashMap::new();
        let mut note = |key: &str, value: String| notes.insert(key.to_owned(), value);
        note("decision", self.label().to_owned());
        note("node", subject.node.clone());
        let trust = entry.and_then(|entry| entry.trust.as_ref());
        let Some(record) = trust.map(|trust| &trust.record) else {
            return notes;
        };
        note("verdict", format!("{}/{}", record.verdict, record.reason));
        if let Some(pool) = &record.pool {
            note("pool", pool.to_string());
        }
        if let Some(service) = &record.service {
            note("service", service.to_string());
        }
        if let Some(incarnation) = &record.incarnation {
            note("host", incarnation.host.clone());
        }
        if let Some(requested) = record.requested_at {
            note("requested-at", requested.to_string());
        }
        if let Some(expires) = record.expires_at {
            note("expires-at", expires.to_string());
        }
        notes
    }
}

/// Verdict, reason and age of what is known of a node.
fn known(entry: Option<&Entry>, now: Now) -> String {
    let Some(trust) = entry.and_then(|entry| entry.trust.as_ref()) else {
        return "nothing is known of it".to_owned();
    };
    let record = &trust.record;
    let mut known = format!("verdict {}, reason {}", record.verdict, record.reason);
    if let Some(pool) = &record.pool {
        // A String takes everything.
        let _fits = write!(known, ", pool {pool}");
    }
    match record.requested_at {
        Some(requested) => {
            let age = now.wall.duration_since(requested).as_secs().max(0);
            let age = SignedDuration::from_secs(age);
            let _fits = write!(known, ", asked {age:#} ago");
        }
        None => known.push_str(", never asked"),
    }
    known
}
