//! A moment, on both clocks.

use std::time::Duration;

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};

/// How far ahead of this machine's clock another's may be.
pub const LEAD: SignedDuration = SignedDuration::from_secs(30);

/// One moment as wall time and as time since the process began.
///
/// Wall time is what records carry and what other machines agree on, roughly; it may be set back.
/// Uptime is what lengths are counted with, so that a clock set back lengthens nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Now {
    /// Monotonic, and of this process only.
    pub uptime: Duration,
    /// Wall time.
    pub wall: Timestamp,
}

/// The last whole second that is not after `at`.
#[must_use]
pub fn floor(at: Timestamp) -> Timestamp {
    rounded(at, RoundMode::Floor)
}

/// The first whole second that is not before `at`.
#[must_use]
pub fn ceil(at: Timestamp) -> Timestamp {
    rounded(at, RoundMode::Ceil)
}

/// `at` plus `length`, or the end of time.
#[must_use]
pub fn after(at: Timestamp, length: SignedDuration) -> Timestamp {
    at.saturating_add(length).unwrap_or(Timestamp::MAX)
}

/// Says whether `at` can be when something happened. What lies further ahead than [`LEAD`] was written
/// by a clock that has been set right since, and tells nothing.
#[must_use]
pub fn has_been(at: Timestamp, now: Timestamp) -> bool {
    at <= after(now, LEAD)
}

fn rounded(at: Timestamp, mode: RoundMode) -> Timestamp {
    // Rounding fails only beyond the last second there is; `at` itself is right then.
    at.round(TimestampRound::new().smallest(Unit::Second).mode(mode))
        .unwrap_or(at)
}
