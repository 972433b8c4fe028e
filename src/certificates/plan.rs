//! What to do next about certificates. Pure: looks at everything, remembers nothing.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::domain::Now;
use crate::domain::time::after;

use super::authority::{Authority, BACKDATE};
use super::bundle::Bundle;
use super::certificate::Certificate;
use super::error::Error;
use super::names::Names;
use super::pair::Pair;
use super::state::{Held, Published, State};

/// How long a CA must have been published before it issues, where others are in use: what an API server
/// uses was published up to a minute ago, and this is twice that.
pub const SETTLE: Duration = Duration::from_mins(2);

/// How long a CA and those before it live side by side, from when the server's certificate is the new
/// one's. A server shows what it read up to a minute ago; a day also spans one that is cut off for a night.
pub const SUPERSEDED: SignedDuration = SignedDuration::from_hours(24);

/// The one thing to do next. Then everything is looked at anew.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Write the server's Secret: a new certificate by the CA that issues, and `ca.crt` with that CA.
    Issue(Why),
    /// Write `ca.crt` of the CA's Secret, and leave the rest: the CAs before the present one that are still needed.
    Keep(Bundle),
    /// Write the CA's Secret: a new CA, and `ca.crt` with it and then these.
    Make {
        /// Why a new one.
        why: Why,
        /// Those that servers and clients may still use.
        previous: Bundle,
    },
    /// Give every client these to trust.
    Publish(Bundle),
    /// Nothing, until something changes or it is `until`, which lies ahead.
    Wait {
        /// When to look again.
        until: Timestamp,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issue(why) => write!(f, "issue a certificate: {why}"),
            Self::Keep(bundle) => write!(f, "keep {} CAs", bundle.len()),
            Self::Make { why, .. } => write!(f, "make a CA: {why}"),
            Self::Publish(bundle) => write!(f, "publish {} CAs", bundle.len()),
            Self::Wait { until } => write!(f, "wait until {until}"),
        }
    }
}

/// Why a certificate is to be replaced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Why {
    /// There is none.
    Missing,
    /// Two thirds of its life are over.
    Old,
    /// Its names are not those of the server.
    OtherNames,
    /// It is of another CA than the one that issues.
    OtherAuthority,
    /// It counts from some later time only: a clock was wrong.
    TooNew,
    /// It cannot be read.
    Unreadable(Error),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is none"),
            Self::Old => f.write_str("two thirds of its life are over"),
            Self::OtherNames => f.write_str("it has other names"),
            Self::OtherAuthority => f.write_str("it is of another CA"),
            Self::TooNew => f.write_str("it does not count yet"),
            Self::Unreadable(error) => error.fmt(f),
        }
    }
}

/// What to do next, so that the server has a certificate for `names` that every client takes.
#[must_use]
pub fn plan(state: &State, names: &Names, now: Now) -> Step {
    if state.published == Published::Given {
        return Step::Wait {
            until: Timestamp::MAX,
        };
    }
    let authority = match usable(&state.authority, now.wall) {
        Ok(authority) => authority,
        Err(why) => {
            let previous = state.authorities().unexpired(now.wall);
            return Step::Make { why, previous };
        }
    };
    let current = authority.certificate();
    let leaf = Leaf::new(state, current, names, now.wall);
    let all = |all: &Bundle| needed(all, current, &leaf, now.wall);
    let (noted, needed) = (all(&state.made()), all(&state.authorities()));
    if state.kept != noted.to_pem().as_bytes() {
        return Step::Keep(noted);
    }
    if state.published.differs_from(&needed.to_pem()) {
        return Step::Publish(needed);
    }
    let until = match (leaf.why.as_ref(), unsettled(state, &needed, now)) {
        (Some(why), None) => return Step::Issue(why.clone()),
        (Some(_), Some(until)) => until,
        (None, _) => next(&needed, current, &leaf, now.wall),
    };
    Step::Wait { until }
}

/// When the CA that issues will have been published for [`SETTLE`], if others are in use and it has not.
fn unsettled(state: &State, needed: &Bundle, now: Now) -> Option<Timestamp> {
    let since = state.since.filter(|_| needed.len() > 1)?;
    let left = SETTLE.checked_sub(now.uptime.saturating_sub(since))?;
    let left = SignedDuration::try_from(left).ok()?;
    left.is_positive().then(|| after(now.wall, left))
}

/// The CA that issues, if it may go on.
fn usable(authority: &Held<Authority>, now: Timestamp) -> Result<&Authority, Why> {
    match authority {
        Held::Missing => Err(Why::Missing),
        Held::Readable(authority) => timely(authority.certificate(), now).map(|()| authority),
        Held::Unreadable(error) => Err(Why::Unreadable(error.clone())),
    }
}

fn timely(certificate: &Certificate, now: Timestamp) -> Result<(), Why> {
    if now < certificate.not_before() {
        return Err(Why::TooNew);
    }
    if now >= certificate.due() {
        return Err(Why::Old);
    }
    Ok(())
}

/// The server's certificate, as the plan sees it.
struct Leaf {
    /// When it must be replaced, if there is one.
    due: Option<Timestamp>,
    /// From when nobody needs any CA but the one that issues; nothing while it is another's.
    supersedes: Option<Timestamp>,
    /// Why it must be replaced; nothing if it is good.
    why: Option<Why>,
}

impl Leaf {
    fn new(state: &State, authority: &Certificate, names: &Names, now: Timestamp) -> Self {
        let certificate = state.leaf.readable().map(Pair::certificate);
        let own = certificate.filter(|it| it.is_signed_by(authority, now));
        Self {
            due: certificate.map(Certificate::due),
            supersedes: own.map(|it| after(it.not_before(), BACKDATE + SUPERSEDED)),
            why: match &state.leaf {
                Held::Missing => Some(Why::Missing),
                Held::Unreadable(error) => Some(Why::Unreadable(error.clone())),
                Held::Readable(pair) => {
                    let certificate = pair.certificate();
                    let why = timely(certificate, now).err();
                    why.or_else(|| own.is_none().then_some(Why::OtherAuthority))
                        .or_else(|| (certificate.names() != Some(names)).then_some(Why::OtherNames))
                }
            },
        }
    }

    /// Says whether nobody needs any CA but the one that issues.
    fn has_superseded(&self, now: Timestamp) -> bool {
        self.supersedes.is_some_and(|at| now >= at)
    }
}

/// The CA that issues, and the others of `all` that somebody may still use: until the server's certificate has
/// been of the present CA for [`SUPERSEDED`], nothing that counts is taken from anybody.
fn needed(all: &Bundle, current: &Certificate, leaf: &Leaf, now: Timestamp) -> Bundle {
    if leaf.has_superseded(now) {
        std::iter::once(current.clone()).collect()
    } else {
        all.unexpired(now)
    }
}

/// When the next thing is due; ahead of `now`.
fn next(needed: &Bundle, current: &Certificate, leaf: &Leaf, now: Timestamp) -> Timestamp {
    let expiries = needed
        .iter()
        .map(|it| after(it.not_after(), SignedDuration::from_secs(1)));
    let superseding = leaf.supersedes.filter(|_| needed.len() > 1);
    let times = expiries.chain(leaf.due).chain(superseding);
    times
        .filter(|at| *at > now)
        .fold(current.due(), Timestamp::min)
}

#[cfg(test)]
mod tests;
