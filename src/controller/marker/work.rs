//! What every Node lacks, in the order in which it is to be written. No I/O.

mod memory;
mod queues;
mod rules;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::controller::setup::Setup;
use crate::domain::mark::Change;
use crate::domain::{NodeName, Now, Reason};
use crate::store::{ByName, Entry, Snapshot, Tracked};

pub use rules::{breakers, change};

use memory::Memory;
use queues::{Queues, Turn};
use rules::Rules;

/// How many conditions may be under way at once. After a round of new nodes there are thousands to
/// write, and the API server has labels to write that pods wait for.
const CONDITIONS: usize = 2;

/// One write to a Node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mark {
    /// The condition: status and reason.
    Condition(&'static str, Reason),
    /// Labels and taint.
    Labels(Change),
}

impl Mark {
    const fn is_condition(&self) -> bool {
        matches!(self, Self::Condition(..))
    }
}

/// A write that is due.
#[derive(Clone, Debug)]
pub struct Job {
    /// Of which node.
    pub name: NodeName,
    /// The Node that it was made from.
    pub node: Arc<Tracked>,
    /// What to write.
    pub mark: Mark,
}

/// What is remembered between two looks. A look costs what has changed, not what there is: while
/// nodes are being marked there are forty looks a second.
#[derive(Debug, Default)]
pub struct Work {
    /// By node, while it exists.
    nodes: ByName<Memory>,
    queues: Queues,
    /// How many conditions are under way.
    writing_conditions: usize,
    /// What the marks of every node depended on in the last look.
    rules: Rules,
    /// The revision of the snapshot that was looked at last.
    revision: u64,
    /// Nodes to which a write is over since the last look.
    written: Vec<NodeName>,
    /// When (uptime) to look again at which node though nothing changed.
    alarms: BTreeSet<(Duration, NodeName)>,
}

impl Work {
    /// Looks at every node for which anything changed. Returns the uptime at which to look again
    /// though nothing did.
    pub fn look(&mut self, snapshot: &Snapshot, setup: &Arc<Setup>, now: Now) -> Option<Duration> {
        let same = self.rules.follow_setup(setup);
        let since = if same { self.revision } else { 0 };
        self.revision = snapshot.revision();
        let mut changed: Vec<_> = snapshot.since(since).collect();
        for (name, entry) in &changed {
            self.count(name, entry);
        }
        self.forget(snapshot);
        if self.rules.follow_breakers() {
            changed = snapshot.iter().collect();
        }
        let written = std::mem::take(&mut self.written);
        let due = self.due(now);
        let others = written.iter().chain(&due);
        changed.extend(others.filter_map(|name| snapshot.get(name)));
        for (name, entry) in changed {
            self.look_at(name, entry, now);
        }
        self.alarms.first().map(|(at, _)| *at)
    }

    /// The next write: losses, then gains, then conditions.
    pub fn pop(&mut self) -> Option<Job> {
        let mark = self.pop_from(Turn::Loss);
        let mark = mark.or_else(|| self.pop_from(Turn::Gain));
        if mark.is_some() || self.writing_conditions >= CONDITIONS {
            return mark;
        }
        let condition = self.pop_from(Turn::Condition);
        self.writing_conditions += usize::from(condition.is_some());
        condition
    }

    /// Takes note of a write that was over at `uptime`; `version` is what it made of the Node, if it
    /// went through.
    pub fn finish(&mut self, job: &Job, version: Option<String>, uptime: Duration) {
        let condition = usize::from(job.mark.is_condition());
        self.writing_conditions = self.writing_conditions.saturating_sub(condition);
        if let Some(memory) = self.nodes.get_mut(&job.name) {
            memory.finish(&job.mark, version, uptime);
            self.written.push(job.name.clone());
        }
    }

    fn pop_from(&mut self, turn: Turn) -> Option<Job> {
        loop {
            let name = self.queues.of(turn).pop_front()?;
            let Some(memory) = self.nodes.get_mut(&name) else {
                continue;
            };
            memory.queued.take_if(|queued| *queued == turn);
            // It may have been looked at again since, with another result.
            if let Some((_, job)) = memory.job.take_if(|(of, _)| *of == turn) {
                memory.busy = true;
                return Some(job);
            }
        }
    }

    /// Counts a node as what it is now; forgets it if its Node is gone.
    fn count(&mut self, name: &NodeName, entry: &Entry) {
        if entry.node.is_none() {
            self.drop(name);
        }
        let memory = match self.nodes.get_mut(name) {
            Some(memory) => memory,
            None => self.nodes.entry(name.clone()).or_default(),
        };
        let counted = self.rules.count(entry);
        let before = std::mem::replace(&mut memory.counted, counted);
        self.rules.recount(before.as_ref(), memory.counted.as_ref());
    }

    /// Drops the nodes that are in no watch any more.
    fn forget(&mut self, snapshot: &Snapshot) {
        if self.nodes.len() == snapshot.len() {
            return;
        }
        let gone = |name: &&NodeName| snapshot.get(name).is_none();
        let gone: Vec<NodeName> = self.nodes.keys().filter(gone).cloned().collect();
        for name in &gone {
            self.drop(name);
        }
    }

    /// Drops a node, once nothing is under way to it.
    fn drop(&mut self, name: &NodeName) {
        let Some(memory) = self.nodes.get_mut(name) else {
            return;
        };
        let counted = memory.counted.take();
        self.rules.recount(counted.as_ref(), None);
        if !memory.busy {
            memory
                .again
                .map(|at| self.alarms.remove(&(at, name.clone())));
            self.nodes.remove(name);
        }
    }

    /// The nodes whose time has come.
    fn due(&self, now: Now) -> Vec<NodeName> {
        let due = self.alarms.iter().take_while(|(at, _)| *at <= now.uptime);
        due.map(|(_, name)| name.clone()).collect()
    }

    fn look_at(&mut self, name: &NodeName, entry: &Entry, now: Now) {
        let Some(node) = &entry.node else {
            // It was gone before what was under way to it was over.
            self.count(name, entry);
            return;
        };
        let Some(memory) = self.nodes.get_mut(name) else {
            return;
        };
        let before = memory.again;
        memory.look(entry, node, &self.rules, now);
        if before != memory.again {
            before.map(|at| self.alarms.remove(&(at, name.clone())));
            memory
                .again
                .map(|at| self.alarms.insert((at, name.clone())));
        }
        if let Some(turn) = memory.queue() {
            self.queues.of(turn).push_back(name.clone());
        }
    }
}

#[cfg(test)]
mod tests;
