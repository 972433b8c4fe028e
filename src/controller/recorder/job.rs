//! A write that is tried until it is settled. No I/O.

use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::Record;
use crate::store::Kept;

use super::{Change, Write};

/// A write under way.
#[derive(Debug)]
pub struct Job {
    /// What is to be recorded.
    pub write: Write,
    /// The record to which it is applied next.
    pub base: Arc<Kept>,
    /// What was sent last: it may have been written though no answer came.
    pub sent: Option<Record>,
    /// How often it was tried.
    pub attempts: u32,
}

impl From<Write> for Job {
    fn from(write: Write) -> Self {
        Self {
            base: Arc::clone(&write.base),
            write,
            sent: None,
            attempts: 0,
        }
    }
}

/// Why a write that failed needs no other try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Settled {
    /// It went through, and only the API server's answer was lost.
    AsSent,
    /// The service's answer does not count for the record that is there now.
    Overtaken,
}

impl Job {
    /// Says whether a write that failed needs no other try, now that `base` was read: counting one
    /// answer twice could end `untrusted`.
    pub fn settled(&self, now: Timestamp) -> Option<Settled> {
        let read = &self.base;
        if self.sent.as_ref() == Some(&read.record) {
            return Some(Settled::AsSent);
        }
        let is_answer = matches!(self.write.change, Change::Answered(..));
        let counts = self.write.change.apply(read, now) != read.record;
        (is_answer && !counts).then_some(Settled::Overtaken)
    }
}

/// What was believed of a node that had no NodeTrust goes on in one that has no status yet: it was
/// made for this write.
pub fn goes_on(write: &Write, read: Arc<Kept>) -> Arc<Kept> {
    let is_new = write.base.version.is_empty() && read.record == Record::default();
    if !is_new || read.version.is_empty() {
        return read;
    }
    Arc::new(Kept {
        record: write.base.record.clone(),
        ..Kept::clone(&read)
    })
}
