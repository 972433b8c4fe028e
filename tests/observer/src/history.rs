//! What became of the objects of one kind, in the order of the store and not of the log.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};

use crate::audit::Event;
use crate::clock::add;
use crate::objects::{Any, Kept};

/// From when a request came in until it was answered. What it did happened at some moment between.
/// Real time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Span {
    pub(crate) received: Timestamp,
    pub(crate) answered: Timestamp,
}

/// One write.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    /// Names the event in the audit log.
    pub(crate) audit_id: String,
    /// An object came to be by it.
    pub(crate) creates: bool,
    pub(crate) span: Span,
    /// Who may have done it; never none. More than one if another write changed nothing and was answered
    /// with the same version: then a kubelet is held to it only if all are kubelets, and Trustpool if it
    /// is among them, since it writes nothing but differences.
    pub(crate) users: Vec<String>,
}

/// All objects of one kind, by name.
#[derive(Debug)]
pub(crate) struct Histories<T>(BTreeMap<String, BTreeMap<String, Life<T>>>);

/// One object, from creation to deletion.
#[derive(Debug)]
struct Life<T> {
    /// By resource version, which grows with every change.
    versions: BTreeMap<u64, Version<T>>,
    /// Its deletion.
    gone: Option<Write>,
}

#[derive(Debug)]
struct Version<T> {
    write: Write,
    /// Shared between versions that do not differ: most are heartbeats.
    value: Rc<T>,
}

/// From one version to the next, under one name.
#[derive(Debug)]
pub(crate) struct Change<'a, T> {
    pub(crate) write: &'a Write,
    /// None if there was no object, as far as the log knows.
    pub(crate) before: Option<&'a T>,
    /// None if there is none any more.
    pub(crate) after: Option<&'a T>,
}

/// For how long something was so, at the longest: from before it may have become so until it was over
/// for sure. So neighbours overlap.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Interval<V> {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) value: V,
}

impl<T> Default for Histories<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Kept> Histories<T> {
    /// Enters a write that succeeded.
    pub(crate) fn enter(&mut self, event: &Event<'_>) -> anyhow::Result<()> {
        let any: Any = event.response()?;
        if event.verb == "deletecollection" {
            for item in any.items {
                self.bury(&item.metadata.name, &item.metadata.uid, event.write());
            }
        } else if any.kind == "Status" {
            let uid = &event.response_status.details.uid;
            self.bury(&event.object_ref.name, uid, event.write());
        } else if any.metadata.is_gone() {
            self.bury(&any.metadata.name, &any.metadata.uid, event.write());
        } else {
            self.store(&any, event)?;
        }
        Ok(())
    }

    /// Every name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What happened under a name, oldest first: the lives of a name do not overlap.
    pub(crate) fn changes(&self, name: &str) -> Vec<Change<'_, T>> {
        let mut lives: Vec<_> = self
            .0
            .get(name)
            .into_iter()
            .flat_map(BTreeMap::values)
            .collect();
        lives.sort_by_key(|life| life.versions.keys().next());
        let mut changes = Vec::new();
        let mut before = None;
        for (write, after) in lives.into_iter().flat_map(Life::writes) {
            changes.push(Change {
                write,
                before,
                after,
            });
            before = after;
        }
        changes
    }

    /// For how long some property of a name was what it was; before the first write, and after a
    /// deletion, that of no object.
    pub(crate) fn intervals<V: PartialEq>(
        &self,
        name: &str,
        property: impl Fn(Option<&T>) -> V,
    ) -> Vec<Interval<V>> {
        let mut intervals = Vec::new();
        let mut current = Interval {
            from: Timestamp::MIN,
            until: Timestamp::MAX,
            value: property(None),
        };
        for change in self.changes(name) {
            let value = property(change.after);
            if value != current.value {
                current.until = change.write.span.answered;
                let from = change.write.span.received;
                let until = Timestamp::MAX;
                intervals.push(std::mem::replace(
                    &mut current,
                    Interval { from, until, value },
                ));
            }
        }
        intervals.push(current);
        intervals
    }

    /// Enters a version.
    fn store(&mut self, any: &Any, event: &Event<'_>) -> anyhow::Result<()> {
        let version = &any.metadata.resource_version;
        let failed = || format!("`{version}` of `{}` is no version", any.metadata.name);
        let number: u64 = version.parse().with_context(failed)?;
        let value = event.response()?;
        let life = self.life(&any.metadata.name, &any.metadata.uid);
        life.store(number, value, event.write());
        Ok(())
    }

    /// Enters a deletion.
    fn bury(&mut self, name: &str, uid: &str, write: Write) {
        self.life(name, uid).gone.get_or_insert(write);
    }

    fn life(&mut self, name: &str, uid: &str) -> &mut Life<T> {
        let lives = self.0.entry(name.to_owned()).or_default();
        lives.entry(uid.to_owned()).or_default()
    }
}

impl<T> Default for Life<T> {
    fn default() -> Self {
        Self {
            versions: BTreeMap::new(),
            gone: None,
        }
    }
}

impl<T: PartialEq> Life<T> {
    /// Enters a version, or one more write that may have made it.
    fn store(&mut self, number: u64, value: T, write: Write) {
        if let Some(known) = self.versions.get_mut(&number) {
            known.write.join(write);
            return;
        }
        let newest = self
            .versions
            .last_key_value()
            .map(|(_, newest)| &newest.value);
        let same = newest.filter(|newest| ***newest == value).cloned();
        let value = same.unwrap_or_else(|| Rc::new(value));
        self.versions.insert(number, Version { write, value });
    }
}

impl<T> Life<T> {
    /// Every write, and what was there after it.
    fn writes(&self) -> impl Iterator<Item = (&Write, Option<&T>)> {
        let versions = self.versions.values();
        let versions = versions.map(|version| (&version.write, Some(&*version.value)));
        versions.chain(self.gone.iter().map(|write| (write, None)))
    }
}

impl Write {
    /// Adds another write that was answered with the same version. Which of them made it cannot be
    /// told, but it was made after the first came in, and before any was answered.
    fn join(&mut self, other: Self) {
        self.creates |= other.creates;
        self.span.received = self.span.received.min(other.span.received);
        self.span.answered = self.span.answered.min(other.span.answered);
        self.users.extend(other.users);
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (users, id) = (self.users.join("` or `"), &self.audit_id);
        write!(f, "`{users}` (audit event {id})")
    }
}

impl Span {
    /// The same, longer at both ends.
    pub(crate) fn widened(self, before: SignedDuration, after: SignedDuration) -> Self {
        Self {
            received: add(self.received, -before),
            answered: add(self.answered, after),
        }
    }
}

impl<V> Interval<V> {
    /// Says whether it may have been so at some moment of a span.
    pub(crate) fn meets(&self, span: Span) -> bool {
        self.from <= span.answered && span.received <= self.until
    }
}
