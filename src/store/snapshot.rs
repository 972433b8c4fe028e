//! Every node at one moment.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::domain::{NodeName, Standing};

use super::node::Tracked;
use super::trust::Kept;

/// One node as both watches know it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What the gates compare.
    pub standing: Standing,
    /// The Node, if it exists.
    pub node: Option<Arc<Tracked>>,
    /// The NodeTrust, if it exists.
    pub trust: Option<Arc<Kept>>,
}

impl From<Standing> for Entry {
    /// An entry of which only the standing matters.
    fn from(standing: Standing) -> Self {
        Self {
            standing,
            node: None,
            trust: None,
        }
    }
}

/// Something about each node. Not the standard hasher: the filter looks up every name of a request,
/// and Node names are the API server's, not a stranger's; seeded all the same.
pub type ByName<T> = HashMap<NodeName, T, RandomState>;

/// Entries by name.
pub(super) type Entries = ByName<Arc<Entry>>;

/// Every node at one moment, by name.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    entries: Entries,
}

impl Snapshot {
    /// What the gates compare for the node called `name`; `None` if no watch knows it.
    #[must_use]
    pub fn standing(&self, name: &str) -> Option<&Standing> {
        self.entries.get(name).map(|entry| &entry.standing)
    }

    /// The node called `name`.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Arc<Entry>> {
        self.entries.get(name)
    }

    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Says whether there is no node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every node, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&NodeName, &Arc<Entry>)> {
        self.entries.iter()
    }
}

impl From<Entries> for Snapshot {
    fn from(entries: Entries) -> Self {
        Self { entries }
    }
}

impl FromIterator<(NodeName, Entry)> for Snapshot {
    fn from_iter<I: IntoIterator<Item = (NodeName, Entry)>>(entries: I) -> Self {
        Self {
            entries: entries
                .into_iter()
                .map(|(name, entry)| (name, Arc::new(entry)))
                .collect(),
        }
    }
}
