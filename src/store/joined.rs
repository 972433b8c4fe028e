//! Nodes and NodeTrusts, joined as their events come in. No I/O: a fold over events.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::{NodeName, Now, Record, Standing};
use crate::watch::Event;

use super::node::Tracked;
use super::snapshot::{Entry, Snapshot};
use super::trust::Kept;

/// Both halves of every node, and what follows from them.
#[derive(Debug, Default)]
pub(super) struct Joined {
    nodes: Half<Tracked>,
    trusts: Half<Kept>,
    /// When the attestation that a node has was first seen here.
    seen: HashMap<NodeName, Sight>,
    entries: HashMap<NodeName, Arc<Entry>>,
}

/// One half, as one watch shows it.
#[derive(Debug)]
struct Half<T> {
    objects: HashMap<NodeName, Arc<T>>,
    /// While a listing runs: who was shown so far.
    listing: Option<HashSet<NodeName>>,
}

#[derive(Clone, Copy, Debug)]
struct Sight {
    attestation: (Option<Timestamp>, Option<Timestamp>),
    at: Now,
}

impl Joined {
    pub(super) fn node(&mut self, event: Event<(NodeName, Tracked)>, now: Now) {
        for name in self.nodes.follow(event) {
            self.join(&name, now);
        }
    }

    pub(super) fn trust(&mut self, event: Event<(NodeName, Kept)>, now: Now) {
        for name in self.trusts.follow(event) {
            self.join(&name, now);
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot::from(self.entries.clone())
    }

    fn join(&mut self, name: &NodeName, now: Now) {
        let node = self.nodes.objects.get(name).cloned();
        let trust = self.trusts.objects.get(name).cloned();
        if node.is_none() && trust.is_none() {
            self.entries.remove(name);
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
        self.entries.insert(name.clone(), Arc::new(Entry { standing, node, trust }));
    }

    /// When the attestation of `record` was first seen: an event that shows it again, after a new
    /// listing too, makes it no younger.
    fn sight(&mut self, name: &NodeName, record: &Record, now: Now) -> Now {
        let attestation = (record.requested_at, record.expires_at);
        let fresh = Sight { attestation, at: now };
        let known = self.seen.entry(name.clone()).or_insert(fresh);
        if known.attestation != attestation {
            *known = fresh;
        }
        known.at
    }
}

impl<T> Default for Half<T> {
    fn default() -> Self {
        Self { objects: HashMap::new(), listing: None }
    }
}

impl<T> Half<T> {
    /// Follows one event and returns the nodes that it touches.
    fn follow(&mut self, event: Event<(NodeName, T)>) -> Vec<NodeName> {
        match event {
            Event::Alive => Vec::new(),
            Event::Applied((name, object)) => {
                if let Some(listing) = &mut self.listing {
                    listing.insert(name.clone());
                }
                self.objects.insert(name.clone(), Arc::new(object));
                vec![name]
            }
            Event::Deleted((name, _)) => {
                self.objects.remove(&name);
                vec![name]
            }
            Event::Listed => {
                let shown = self.listing.take().unwrap_or_default();
                let gone: Vec<_> =
                    self.objects.keys().filter(|name| !shown.contains(*name)).cloned().collect();
                self.objects.retain(|name, _| shown.contains(name));
                gone
            }
            Event::Started => {
                self.listing = Some(HashSet::new());
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests;
