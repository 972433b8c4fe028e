//! The boots of one node, as far as they were seen here.

use std::collections::VecDeque;

use crate::domain::{Record, Verdict};

/// How many boot IDs of a node are remembered: enough to see one come back.
const MOST: usize = 4;

/// The boots of one node.
#[derive(Clone, Debug, Default)]
pub(super) struct Boots {
    /// The boot ID that was reported last. Reporting none between two makes no difference.
    current: String,
    /// Those that were followed by others, newest last.
    former: VecDeque<String>,
}

impl Boots {
    /// Says whether `boot` was followed by another and is back, so that two kubelets seem to share
    /// the identity of the node with `record`.
    pub(super) fn is_back(&self, boot: &str, record: &Record) -> bool {
        let known = record.incarnation.as_ref();
        let is_new = known.is_none_or(|known| known.boot_id != boot);
        is_new && self.former.iter().any(|old| old == boot)
    }

    /// Takes note of the boot that is reported. A boot in which the node is trusted is settled,
    /// whatever was thought of it before.
    pub(super) fn follow(&mut self, reported: &str, record: &Record) {
        let known = record.incarnation.as_ref().map(|known| &known.boot_id);
        if record.verdict == Verdict::Trusted {
            self.former.retain(|boot| Some(boot) != known);
        }
        if self.current.is_empty() {
            self.current = known.cloned().unwrap_or_default();
        }
        if reported.is_empty() || self.current == reported {
            return;
        }
        let old = std::mem::replace(&mut self.current, reported.to_owned());
        if !old.is_empty() {
            self.former.retain(|boot| *boot != old);
            self.former.push_back(old);
            if self.former.len() > MOST {
                self.former.pop_front();
            }
        }
    }
}
