//! What stops a mass loss of trust from becoming a mass of taints and lost labels.
//!
//! A level, not a rate: computed from what is known at this moment, so there is nothing to remember
//! over a restart.

use super::pool::{OnExpiry, Pool};
use super::{Node, Readiness, Reason, Record, Verdict};

/// Whether a pool's losses may be acted upon.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Breaker {
    /// They may.
    #[default]
    Closed,
    /// Too many at once: no new taint, and no label comes off but of nodes with evidence against
    /// them. Verdicts and gates stay true.
    Open,
}

/// How many of a pool's nodes are what.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Count {
    /// Nodes.
    pub total: usize,
    /// Nodes that are Ready.
    pub ready: usize,
    /// Ready nodes that are untrusted, or have lost their label.
    pub lost: usize,
}

impl Count {
    /// Adds one node.
    pub fn add(&mut self, node: &Node, record: &Record, pool: &Pool) {
        self.total += 1;
        if node.readiness == Readiness::Ready {
            self.ready += 1;
            self.lost += usize::from(is_lost(node, record, pool));
        }
    }

    /// Adds the nodes of `other`.
    pub const fn merge(&mut self, other: &Self) {
        self.total += other.total;
        self.ready += other.ready;
        self.lost += other.lost;
    }

    /// Takes away the nodes of `other`, which were added before.
    pub const fn subtract(&mut self, other: &Self) {
        self.total = self.total.saturating_sub(other.total);
        self.ready = self.ready.saturating_sub(other.ready);
        self.lost = self.lost.saturating_sub(other.lost);
    }

    /// Says whether so much is lost that something else than the nodes is at fault.
    #[must_use]
    pub fn breaker(&self, pool: &Pool) -> Breaker {
        if self.lost > pool.max_untrusted.of(self.ready) {
            Breaker::Open
        } else {
            Breaker::Closed
        }
    }

    /// Says whether so many nodes are not Ready that the network is the likelier cause.
    #[must_use]
    pub fn network_at_fault(&self, pool: &Pool) -> bool {
        self.total - self.ready > pool.max_untrusted.of(self.total)
    }
}

/// A node that had its label and has lost it, or has evidence against it.
fn is_lost(node: &Node, record: &Record, pool: &Pool) -> bool {
    match (record.verdict, record.reason) {
        (Verdict::Trusted, _) | (Verdict::Unknown, Reason::NotInPool) => false,
        // A record that somebody deleted: all of them at once would take every label.
        (Verdict::Unknown, Reason::NeverAttested) => {
            node.carried.trust.as_deref() == Some(Verdict::Trusted.as_str())
        }
        (Verdict::Unknown, Reason::Expired) => pool.on_expiry == OnExpiry::Change,
        (Verdict::Unknown | Verdict::Untrusted, _) => true,
    }
}
