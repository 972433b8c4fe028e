//! What every Node lacks, in the order in which it is to be written. No I/O.

mod memory;
mod queues;
mod rules;

use std::sync::Arc;
use std::time::Duration;

use crate::controller::setup::Setup;
use crate::domain::mark::Change;
use crate::domain::{NodeName, Now, Reason};
use crate::store::{ByName, Snapshot, Tracked};

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

/// What is remembered between two looks. Only what changed is looked at again: at 5,000 nodes, all
/// of them would keep half a processor busy while they are being marked.
#[derive(Debug, Default)]
pub struct Work {
    /// By node, while it exists.
    nodes: ByName<Memory>,
    queues: Queues,
    /// How many conditions are under way.
    writing_conditions: usize,
    /// What the marks of every node depended on in the last look.
    rules: Rules,
}

impl Work {
    /// Looks at every node. Returns the uptime at which to look again though nothing changed.
    pub fn look(&mut self, snapshot: &Snapshot, setup: &Arc<Setup>, now: Now) -> Option<Duration> {
        let all = self.rules.follow(snapshot, setup);
        let mut again: Option<Duration> = None;
        let mut existing = 0;
        for (name, entry) in snapshot.iter() {
            let Some(node) = &entry.node else {
                self.forget(name);
                continue;
            };
            existing += 1;
            let memory = match self.nodes.get_mut(name) {
                Some(memory) => memory,
                None => self.nodes.entry(name.clone()).or_default(),
            };
            if all || !memory.is_settled(entry, now) {
                memory.look(entry, node, &self.rules, now);
                if let Some(turn) = memory.queue() {
                    self.queues.of(turn).push_back(name.clone());
                }
            }
            again = [again, memory.again].into_iter().flatten().min();
        }
        if self.nodes.len() > existing {
            let exists = |name: &NodeName| snapshot.entry(name.as_str()).is_some();
            self.nodes
                .retain(|name, memory| memory.busy || exists(name));
        }
        again
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

    fn forget(&mut self, name: &NodeName) {
        if self.nodes.get(name).is_some_and(|memory| !memory.busy) {
            self.nodes.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
