//! Nodes and NodeTrusts, joined as their events come in. No I/O: a fold over events.

use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::{NodeName, Now, Record, Standing};
use crate::watch::{Event, Mirror};

use super::node::Tracked;
use super::snapshot::{ByName, Entry, Snapshot};
use super::trust::Kept;

/// Both halves of every node, and what follows from them.
#[derive(Debug, Default)]
pub(super) struct Joined {
    nodes: Mirror<NodeName, Arc<Tracked>>,
    trusts: Mirror<NodeName, Arc<Kept>>,
    /// When the attestation that a node has was first seen here.
    seen: ByName<Sight>,
    snapshot: Snapshot,
}

#[derive(Clone, Copy, Debug)]
struct Sight {
    attestation: (Option<Timestamp>, Option<Timestamp>),
    at: Now,
}

impl Joined {
    pub(super) fn node(&mut self, event: Event<(NodeName, Arc<Tracked>)>, now: Now) {
        for name in self.nodes.follow(event) {
            self.join(&name, now);
        }
    }

    pub(super) fn trust(&mut self, event: Event<(NodeName, Arc<Kept>)>, now: Now) {
        for name in self.trusts.follow(event) {
            self.join(&name, now);
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.snapshot.clone()
    }

    fn join(&mut self, name: &NodeName, now: Now) {
        let node = self.nodes.get(name).cloned();
        let trust = self.trusts.get(name).cloned();
        if node.is_none() && trust.is_none() {
            self.snapshot.remove(name);
            self.seen.remove(name);
            return;
        }
        let standing = match (&node, &trust) {
            (Some(node), Some(trust)) => {
                let seen = self.sight(name, &trust.record, now);
                Standing::of(&node.node, &trust.record, &trust.orders, seen)
            }
            _ => Standing::missing(),
        };
        let entry = Entry {
            standing,
            node,
            trust,
        };
        self.snapshot.put(name.clone(), entry);
    }

    /// When the attestation of `record` was first seen: an event that shows it again, after a new
    /// listing too, makes it no younger.
    fn sight(&mut self, name: &NodeName, record: &Record, now: Now) -> Now {
        let attestation = (record.requested_at, record.expires_at);
        let fresh = Sight {
            attestation,
            at: now,
        };
        let known = self.seen.entry(name.clone()).or_insert(fresh);
        if known.attestation != attestation {
            *known = fresh;
        }
        known.at
    }
}

#[cfg(test)]
mod tests;
