//! Every node at one moment.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::{NodeName, Standing};

/// One node as both watches know it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What the gates compare.
    pub standing: Standing,
}

/// Every node at one moment, by name.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    entries: HashMap<NodeName, Arc<Entry>>,
}

impl Snapshot {
    /// What the gates compare for the node called `name`; `None` if no watch knows it.
    #[must_use]
    pub fn standing(&self, name: &str) -> Option<&Standing> {
        self.entries.get(name).map(|entry| &entry.standing)
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
