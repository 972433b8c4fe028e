//! Times as objects carry them: RFC 3339 in UTC, whole seconds.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

/// The last whole second at or before `at`.
pub(super) fn floor(at: Timestamp) -> Timestamp {
    whole(at, RoundMode::Floor)
}

/// The first whole second at or after `at`.
pub(super) fn ceil(at: Timestamp) -> Timestamp {
    whole(at, RoundMode::Ceil)
}

/// The whole second that `mode` rounds `at` to; `at` itself at the end of time.
fn whole(at: Timestamp, mode: RoundMode) -> Timestamp {
    let second = TimestampRound::new().smallest(Unit::Second).mode(mode);
    at.round(second).unwrap_or(at)
}
