//! What waits to be written, in the order in which it is to be. No I/O.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::domain::NodeName;

use super::{Done, Write};

/// What waits to be written. Bounded by the nodes: of each a few writes wait at most, since nothing new
/// is asked or seen of it meanwhile.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: HashMap<NodeName, VecDeque<Write>>,
    losses: VecDeque<NodeName>,
    gains: VecDeque<NodeName>,
    busy: HashSet<NodeName>,
}

impl Queue {
    /// Adds a write.
    pub fn push(&mut self, write: Write) {
        let turn = if write.is_loss {
            &mut self.losses
        } else {
            &mut self.gains
        };
        turn.push_back(write.name.clone());
        self.waiting
            .entry(write.name.clone())
            .or_default()
            .push_back(write);
    }

    /// The next write of a node that is not busy.
    pub fn pop(&mut self) -> Option<Write> {
        for turn in [&mut self.losses, &mut self.gains] {
            while let Some(at) = turn.iter().position(|name| !self.busy.contains(name)) {
                let name = turn.remove(at)?;
                // The node's turn may have come earlier, for another change of it.
                if let Some(write) = self.waiting.get_mut(&name).and_then(VecDeque::pop_front) {
                    self.busy.insert(name);
                    return Some(write);
                }
            }
        }
        None
    }

    /// Frees the node, and lets its next write go on from what the last one wrote.
    pub fn finish(&mut self, done: &Done) {
        self.busy.remove(&done.name);
        let Some(waiting) = self.waiting.get_mut(&done.name) else {
            return;
        };
        if let (Some(next), Some(kept)) = (waiting.front_mut(), &done.kept) {
            next.base = Arc::clone(kept);
        }
        if waiting.is_empty() {
            self.waiting.remove(&done.name);
        }
    }
}
