//! What `trustpool pki renew` does next. Pure: the folder and the time in, a step and its reason out.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use crate::certificates::{BACKDATE, Certificate, Error, Held, Pair};
use crate::domain::time::after;

use super::folder::State;

/// One step. Between two of them somebody acts on the machines.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Make a CA beside the one that issues, and have both believed. Certificates stay.
    Announce(Why),
    /// Believe the CA that issues alone.
    Drop,
    /// Make certificates anew, by the CA that issues.
    Issue(Why),
    /// Make certificates anew, by the next CA, which issues from then on. Both are still believed.
    TakeOver,
}

/// Why something is replaced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Why {
    /// It was asked for.
    Asked,
    /// A certificate is not there.
    Missing,
    /// Two thirds of its life are over.
    Old,
    /// A certificate is not of the CA that issues, or not for what it is shown for, or does not count now.
    Unfit,
    /// A certificate cannot be read.
    Unreadable(Error),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("it was asked for"),
            Self::Missing => f.write_str("one is missing"),
            Self::Old => f.write_str("two thirds of its life are over"),
            Self::Unfit => f.write_str("one would not be believed"),
            Self::Unreadable(error) => error.fmt(f),
        }
    }
}

/// What is wished for beside what is due.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Wish {
    /// A new CA, whatever the age of the one there is.
    pub authority: bool,
    /// What the last step asked for on the machines was done.
    pub done: bool,
    /// That may be taken for granted so long after the step.
    pub wait: Option<SignedDuration>,
}

/// Why there is no step.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Blocked {
    /// The next step would cut somebody off.
    #[error(
        "the next step is to {next}, but first do on the machines what the last one asked for, then say `--done`"
    )]
    NotDone {
        /// What comes next.
        next: &'static str,
    },
    /// The CA's key is not there.
    #[error(
        "ca.key is not there: this is a copy; renew in the folder that `trustpool pki init` made"
    )]
    NoKey,
    /// The CA's key is of none of the CAs.
    #[error("ca.key cannot be used with ca.crt: {0}")]
    Key(Error),
    /// `--done` was said, and no step had asked for anything.
    #[error(
        "nothing was to be done: no CA is being replaced (without `--done` certificates are made anew)"
    )]
    NothingToDo,
}

/// What to do next.
///
/// # Errors
///
/// Nothing may be done.
pub fn plan(state: &State, wish: Wish, now: Timestamp) -> Result<Step, Blocked> {
    let authority = match &state.authority {
        Held::Missing => return Err(Blocked::NoKey),
        Held::Unreadable(error) => return Err(Blocked::Key(error.clone())),
        Held::Readable(authority) => authority.certificate(),
    };
    if let Some(next) = state.next.readable() {
        let next = next.certificate();
        if has_begun(state, next, now) || authority.has_expired(now) {
            return Ok(Step::TakeOver);
        }
        if let Some(why) = unfit(state, authority, now) {
            return Ok(Step::Issue(why));
        }
        return wish.permits(made(next), now, Step::TakeOver, "take over with the new CA");
    }
    let why = unfit(state, authority, now);
    if state.bundle.len() > 1 {
        let mut others = state.bundle.iter().filter(|it| *it != authority);
        return match why {
            Some(why) => Ok(Step::Issue(why)),
            None if others.all(|it| it.has_expired(now)) => Ok(Step::Drop),
            None => wish.permits(newest(state), now, Step::Drop, "drop the old CA"),
        };
    }
    if now >= authority.due() {
        return Ok(Step::Announce(Why::Old));
    }
    match why {
        Some(why) => Ok(Step::Issue(why)),
        None if wish.done => Err(Blocked::NothingToDo),
        None if wish.authority => Ok(Step::Announce(Why::Asked)),
        None => Ok(Step::Issue(Why::Asked)),
    }
}

impl Wish {
    /// Says that `step` may follow what was done at `since`.
    fn permits(
        self,
        since: Timestamp,
        now: Timestamp,
        step: Step,
        next: &'static str,
    ) -> Result<Step, Blocked> {
        let over = self.wait.is_some_and(|wait| now >= after(since, wait));
        if self.done || over {
            return Ok(step);
        }
        Err(Blocked::NotDone { next })
    }
}

/// When a certificate was made.
fn made(certificate: &Certificate) -> Timestamp {
    after(certificate.not_before(), BACKDATE)
}

fn newest(state: &State) -> Timestamp {
    let pairs = [&state.extender, &state.scheduler];
    let certificates = pairs.iter().filter_map(|it| it.readable());
    let made = certificates.map(|pair| made(pair.certificate()));
    made.max().unwrap_or(Timestamp::MAX)
}

/// Says whether one of the certificates is of the next CA already: a step was cut short.
fn has_begun(state: &State, next: &Certificate, now: Timestamp) -> bool {
    let of = |held: &Held<Pair>, is: fn(&Certificate, &Certificate, Timestamp) -> bool| {
        held.readable()
            .is_some_and(|pair| is(pair.certificate(), next, now))
    };
    of(&state.extender, Certificate::is_signed_by)
        || of(&state.scheduler, Certificate::is_clients_of)
}

/// Why the certificates must be made anew, if they must.
fn unfit(state: &State, authority: &Certificate, now: Timestamp) -> Option<Why> {
    let extender = lacks(&state.extender, |it| it.is_signed_by(authority, now), now);
    extender.or_else(|| lacks(&state.scheduler, |it| it.is_clients_of(authority, now), now))
}

fn lacks(
    held: &Held<Pair>,
    is_fit: impl FnOnce(&Certificate) -> bool,
    now: Timestamp,
) -> Option<Why> {
    match held {
        Held::Missing => Some(Why::Missing),
        Held::Unreadable(error) => Some(Why::Unreadable(error.clone())),
        Held::Readable(pair) if !is_fit(pair.certificate()) => Some(Why::Unfit),
        Held::Readable(pair) if now >= pair.certificate().due() => Some(Why::Old),
        Held::Readable(_) => None,
    }
}

#[cfg(test)]
mod tests;
