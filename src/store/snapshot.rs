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

/// Every node at one moment, by name.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    slots: ByName<Slot>,
    /// Counts changes, so that readers need not look at what they have seen.
    revision: u64,
}

#[derive(Clone, Debug)]
struct Slot {
    /// The snapshot's revision since when the entry is this one.
    revision: u64,
    entry: Arc<Entry>,
}

impl Snapshot {
    /// What the gates compare for the node called `name`; `None` if no watch knows it.
    #[must_use]
    pub fn standing(&self, name: &str) -> Option<&Standing> {
        self.entry(name).map(|entry| &entry.standing)
    }

    /// The node called `name`.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Arc<Entry>> {
        self.slots.get(name).map(|slot| &slot.entry)
    }

    /// The node called `name`, with its name as it is kept here.
    #[must_use]
    pub fn get(&self, name: &NodeName) -> Option<(&NodeName, &Arc<Entry>)> {
        let (name, slot) = self.slots.get_key_value(name)?;
        Some((name, &slot.entry))
    }

    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Says whether there is no node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Every node, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&NodeName, &Arc<Entry>)> {
        self.since(0)
    }

    /// Counts the changes so far. A later snapshot of the same store has a greater one.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The nodes that are not as they were in the snapshot with this revision. It does not tell who
    /// is gone.
    pub fn since(&self, revision: u64) -> impl Iterator<Item = (&NodeName, &Arc<Entry>)> {
        let slots = self.slots.iter();
        let changed = slots.filter(move |(_, slot)| slot.revision > revision);
        changed.map(|(name, slot)| (name, &slot.entry))
    }

    /// Puts `entry` in the place of what was known of `name`.
    pub fn put(&mut self, name: NodeName, entry: Entry) {
        self.revision += 1;
        let slot = Slot {
            revision: self.revision,
            entry: Arc::new(entry),
        };
        self.slots.insert(name, slot);
    }

    /// Drops what was known of `name`.
    pub fn remove(&mut self, name: &NodeName) {
        self.revision += 1;
        self.slots.remove(name);
    }
}

impl FromIterator<(NodeName, Entry)> for Snapshot {
    /// A snapshot of no store: [`Self::since`] shows everything that it was made from.
    fn from_iter<I: IntoIterator<Item = (NodeName, Entry)>>(entries: I) -> Self {
        let slot = |(name, entry)| {
            let slot = Slot {
                revision: u64::MAX,
                entry: Arc::new(entry),
            };
            (name, slot)
        };
        Self {
            slots: entries.into_iter().map(slot).collect(),
            revision: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_since_a_revision_is_shown() {
        let entry = || Entry::from(Standing::missing());
        let names = |snapshot: &Snapshot, revision| {
            let mut names: Vec<_> = snapshot
                .since(revision)
                .map(|(name, _)| name.to_string())
                .collect();
            names.sort();
            names
        };
        let [a, b] = ["a", "b"].map(NodeName::from);
        let mut first = Snapshot::default();
        for name in [&a, &b] {
            first.put(name.clone(), entry());
        }
        assert_eq!(names(&first, 0), ["a", "b"]);

        let mut next = first.clone();
        next.put(b, entry());
        assert_eq!(names(&next, first.revision()), ["b"]);
        assert_eq!(names(&next, next.revision()), Vec::<String>::new());

        next.remove(&a);
        assert!(next.revision() > first.revision());
        assert_eq!(names(&next, 0), ["b"]);
        let made = Snapshot::from_iter([(a, entry())]);
        assert_eq!(names(&made, next.revision()), ["a"]);
    }
}
