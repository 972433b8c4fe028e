//! What a reply says about each host that was asked about: pure, and failing closed.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::domain::Outcome;
use crate::provider::openattestation::vtime;
use crate::provider::openattestation::wire::Entry;
use crate::provider::{Answer, Reply};

/// When an answer must have been given to count.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Just before the question was sent.
    pub requested_at: Timestamp,
    /// Just after the reply was read.
    pub answered_at: Timestamp,
    /// How far the service's clock may be from ours.
    pub max_skew: SignedDuration,
}

impl Window {
    /// Says why a verdict of this time does not count, if it does not.
    fn check(self, time: Timestamp) -> Result<(), Outcome> {
        if self.requested_at.duration_since(time) > self.max_skew {
            return Err(Outcome::Stale);
        }
        if time.duration_since(self.answered_at) > self.max_skew {
            return Err(Outcome::Future);
        }
        Ok(())
    }
}

/// The entries of a reply about one asked host.
#[derive(Clone, Copy)]
enum About<'a> {
    None,
    One(&'a Entry),
    Many,
}

/// Judges the entries of a reply to a question about `hosts`.
///
/// Names are compared byte by byte: all versions echo them as they were asked. Order means nothing.
pub fn judge(entries: &[Entry], hosts: &[String], window: Window) -> Reply {
    let mut about: HashMap<&str, About<'_>> = hosts
        .iter()
        .map(|host| (host.as_str(), About::None))
        .collect();
    let mut unasked = 0;
    for entry in entries {
        let host = entry.host_name.as_str();
        match host.and_then(|host| about.get_mut(host)) {
            Some(slot @ About::None) => *slot = About::One(entry),
            Some(slot) => *slot = About::Many,
            None => unasked += 1,
        }
    }
    let answer = |host: &String| match about.get(host.as_str()) {
        None | Some(About::None) => Answer::without(Outcome::Missing),
        Some(About::One(entry)) => answer(entry, window),
        Some(About::Many) => Answer::without(Outcome::Duplicate),
    };
    Reply {
        answers: hosts.iter().map(answer).collect(),
        unasked,
        requested_at: window.requested_at,
        answered_at: window.answered_at,
    }
}

/// What the only entry about a host says.
fn answer(entry: &Entry, window: Window) -> Answer {
    let outcome = level(&entry.trust_lvl);
    if !outcome.is_verdict() {
        return Answer::without(outcome);
    }
    let Some(time) = vtime::read(&entry.vtime) else {
        return Answer::without(Outcome::BadTime);
    };
    match window.check(time) {
        Err(outcome) => Answer::without(outcome),
        Ok(()) => Answer {
            outcome,
            evidence_at: Some(time),
        },
    }
}

/// Reads `trust_lvl`. Every version writes it in lower case.
fn level(level: &Value) -> Outcome {
    match level.as_str() {
        Some("pending") => Outcome::HostPending,
        Some("timeout") => Outcome::HostTimeout,
        Some("trusted") => Outcome::Trusted,
        Some("unknown") => Outcome::HostUnknown,
        Some("untrusted") => Outcome::Untrusted,
        _ => Outcome::UnknownLevel,
    }
}

#[cfg(test)]
mod tests;
