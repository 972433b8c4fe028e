//! How each version of OpenAttestation reads a request and words its answer. All of it is pure: a
//! request in, a `Question` or a refusal out; verdicts in, an `Answer` out.
//!
//! A new dialect is a file here that implements `Speech`, and an arm in `Dialect::speech` and
//! `Dialect::from_str`.

use std::fmt;
use std::str::FromStr;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::request::Parts;
use jiff::Timestamp;
use thiserror::Error;

use crate::domain::Verdict;
use crate::simulator::hosts::HostName;

mod v2;

/// The dialects that are spoken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Dialect {
    /// OpenAttestation 2.0 to 2.3.
    #[default]
    V2,
}

/// Why a text names no dialect that is spoken.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum BadDialect {
    /// A version of OpenAttestation that nobody has taught the simulator.
    #[error("dialect `{0}` is not simulated yet; use `2.x`")]
    NotYet(String),
    /// No version of OpenAttestation.
    #[error("`{0}` is no dialect; use `2.x`")]
    Unheard(String),
}

impl Dialect {
    /// What speaks it.
    pub(super) fn speech(self) -> &'static dyn Speech {
        match self {
            Self::V2 => &v2::V2,
        }
    }
}

impl FromStr for Dialect {
    type Err = BadDialect;

    fn from_str(name: &str) -> Result<Self, BadDialect> {
        match name {
            "2.x" => Ok(Self::V2),
            "1.0" | "1.5beta" | "1.6" | "1.7" | "opencit" => {
                Err(BadDialect::NotYet(name.to_owned()))
            }
            _ => Err(BadDialect::Unheard(name.to_owned())),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V2 => "2.x",
        })
    }
}

/// One version of the service, as seen from the wire.
pub(super) trait Speech: Send + Sync {
    /// What is asked.
    ///
    /// # Errors
    ///
    /// The refusal that this version answers with.
    fn read(&self, head: &Parts, body: &[u8]) -> Result<Question, Answer>;

    /// How it refuses a body that is larger than the simulator reads.
    fn too_large(&self) -> Answer;

    /// How it refuses who does not prove who they are.
    fn unauthorized(&self) -> Answer;

    /// How it fails with `status`, for no reason in the request.
    fn failure(&self, status: StatusCode) -> Answer;
}

/// A question that was understood.
#[derive(Debug)]
pub(super) struct Question {
    /// Whom it is about, as asked, in the order asked.
    pub(super) hosts: Vec<HostName>,
    /// How the answer is worded.
    pub(super) wording: Wording,
}

/// Words the verdicts on the hosts of a question that was asked at a moment.
pub(super) type Wording = fn(&[Judged], Timestamp) -> Answer;

/// A host of a question, and what is answered about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Judged {
    /// The host, as asked.
    pub(super) host: HostName,
    /// What is answered.
    pub(super) verdict: Verdict,
}

/// What goes back, before any fault.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: StatusCode,
    /// `Content-Type`.
    pub(super) kind: &'static str,
    /// `Allow`.
    pub(super) allow: Option<&'static str>,
    /// The body.
    pub(super) body: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_that_is_not_simulated_is_refused_by_name() {
        let mut cases = vec![
            ("2.x", Ok(Dialect::V2)),
            ("3.0", Err(BadDialect::Unheard("3.0".to_owned()))),
        ];
        for name in ["1.0", "1.5beta", "1.6", "1.7", "opencit"] {
            cases.push((name, Err(BadDialect::NotYet(name.to_owned()))));
        }
        for (given, expected) in cases {
            assert_eq!(given.parse::<Dialect>(), expected, "{given}");
        }
    }
}
