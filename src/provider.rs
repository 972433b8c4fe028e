//! Who is asked about hosts, and what comes back: the interface behind which every attestation
//! service stands. Providers ask once and judge; whom to ask, and when again, is their caller's.

mod error;
pub mod fixed;
pub mod openattestation;

use std::fmt::Debug;

use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::domain::Outcome;

pub use error::{Cause, Deadline, Error, InvalidHost, Problem, Then};

/// One question about several hosts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Question<'a> {
    /// Whom to ask about: names that the provider [accepts](Provider::accepts), none twice.
    pub hosts: &'a [String],
    /// How often the batch that failed was halved to come to this one. Deadlines are divided by
    /// 2 to this power: each half gets half of its parent's time, so that the search for a culprit
    /// takes less than one more total deadline.
    pub halvings: u32,
}

/// What one question gave for one host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The outcome.
    pub outcome: Outcome,
    /// When the service says that it judged: with a verdict always, else never.
    pub evidence_at: Option<Timestamp>,
}

impl Answer {
    /// An answer without a verdict.
    #[must_use]
    pub const fn without(outcome: Outcome) -> Self {
        Self {
            outcome,
            evidence_at: None,
        }
    }
}

/// What one question gave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// One for each host asked about, in the order of the question.
    pub answers: Vec<Answer>,
    /// How many entries were about nobody who was asked about. They are ignored; a service that
    /// sends any is worth a warning.
    pub unasked: usize,
    /// Just before the question was sent.
    pub requested_at: Timestamp,
    /// Just after the last byte of the reply.
    pub answered_at: Timestamp,
}

/// An attestation service.
pub trait Provider: Debug + Send + Sync {
    /// Says whether a host of this name can be asked about at all.
    ///
    /// # Errors
    ///
    /// What speaks against it.
    fn accepts(&self, host: &str) -> Result<(), InvalidHost>;

    /// Asks once about every host of `question`. A question about nobody is answered without
    /// asking.
    fn attest<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Reply, Error>>;
}
