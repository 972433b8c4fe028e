//! Who waits to be written: losses of trust, then gains, then conditions. No I/O.

use std::collections::VecDeque;

use crate::domain::NodeName;

/// When a write is due, beside others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// A Node loses a label or gains a taint.
    Loss,
    /// Any other change of labels and taint.
    Gain,
    /// A condition.
    Condition,
}

/// The nodes that wait, by turn.
#[derive(Debug, Default)]
pub struct Queues {
    losses: VecDeque<NodeName>,
    gains: VecDeque<NodeName>,
    conditions: VecDeque<NodeName>,
}

impl Queues {
    /// The queue of a turn.
    pub const fn of(&mut self, turn: Turn) -> &mut VecDeque<NodeName> {
        match turn {
            Turn::Loss => &mut self.losses,
            Turn::Gain => &mut self.gains,
            Turn::Condition => &mut self.conditions,
        }
    }
}
