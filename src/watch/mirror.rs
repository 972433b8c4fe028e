//! What a watch has shown so far.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::Event;

/// Objects by key, as the events of one watch make them.
#[derive(Debug)]
pub struct Mirror<K, T> {
    objects: HashMap<K, T>,
    /// While a listing runs: who was shown so far.
    listing: Option<HashSet<K>>,
    listed: bool,
}

impl<K, T> Default for Mirror<K, T> {
    fn default() -> Self {
        Self {
            objects: HashMap::new(),
            listing: None,
            listed: false,
        }
    }
}

impl<K: Clone + Eq + Hash, T> Mirror<K, T> {
    /// Follows one event and returns the keys that it touches.
    pub fn follow(&mut self, event: Event<(K, T)>) -> Vec<K> {
        match event {
            Event::Alive => Vec::new(),
            Event::Applied((key, object)) => {
                if let Some(listing) = &mut self.listing {
                    listing.insert(key.clone());
                }
                self.objects.insert(key.clone(), object);
                vec![key]
            }
            Event::Deleted((key, _)) => {
                self.objects.remove(&key);
                vec![key]
            }
            Event::Listed => self.end_listing(),
            Event::Started => {
                self.listing = Some(HashSet::new());
                Vec::new()
            }
        }
    }

    /// The object with `key`.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&T> {
        self.objects.get(key)
    }

    /// Every object, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &T)> {
        self.objects.iter()
    }

    /// Says whether the watch has listed.
    #[must_use]
    pub const fn has_listed(&self) -> bool {
        self.listed
    }

    /// Drops what the listing did not show.
    fn end_listing(&mut self) -> Vec<K> {
        let shown = self.listing.take().unwrap_or_default();
        let gone: Vec<K> = self
            .objects
            .keys()
            .filter(|key| !shown.contains(*key))
            .cloned()
            .collect();
        for key in &gone {
            self.objects.remove(key);
        }
        self.listed = true;
        gone
    }
}
