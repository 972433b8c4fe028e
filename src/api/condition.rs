//! Conditions of our objects. [`set`] is the only maker of a `Condition`: its schema would take an
//! empty reason and a status `Maybe`.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::time::floor;

/// The longest message, in characters: a condition is read in a terminal.
const LONGEST: usize = 1024;

/// Every type of condition on our objects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Type {
    /// Of a `NodeTrust`: the service calls the host trusted.
    Attested,
    /// Of a `TrustPool`: too much was lost at once; no taint, no eviction until it is less.
    BreakerOpen,
    /// Of a `TrustPool`: it works, and something about it wants looking at.
    Degraded,
    /// Of a `TrustPool`: an older pool keeps some of the nodes it selects.
    Overlapping,
    /// The object can be used and is.
    Ready,
    /// Of a `TrustPool`: a round takes longer than the interval between two.
    RoundTooLong,
}

impl Type {
    /// As objects spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attested => "Attested",
            Self::BreakerOpen => "BreakerOpen",
            Self::Degraded => "Degraded",
            Self::Overlapping => "Overlapping",
            Self::Ready => "Ready",
            Self::RoundTooLong => "RoundTooLong",
        }
    }
}

/// What a condition says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// It is not so.
    False,
    /// It is so.
    True,
    /// Nobody knows.
    Unknown,
}

impl Status {
    /// As objects spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::False => "False",
            Self::True => "True",
            Self::Unknown => "Unknown",
        }
    }
}

/// What is seen now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Observation {
    /// The type of the condition.
    pub kind: Type,
    /// What it says.
    pub status: Status,
    /// One word of a closed set, never empty.
    pub reason: &'static str,
    /// A sentence for a person; cut to 1,024 characters.
    pub message: String,
    /// `metadata.generation` of the object that was looked at.
    pub generation: Option<i64>,
}

/// `conditions` with what is seen at `now` in place of what was said before.
///
/// The transition time changes with the status alone, so an observation that repeats itself gives
/// equal conditions and needs no write.
#[must_use]
pub fn set(conditions: &[Condition], seen: Observation, now: Timestamp) -> Vec<Condition> {
    let mut next = conditions.to_vec();
    let known = next
        .iter_mut()
        .find(|condition| condition.type_ == seen.kind.as_str());
    match known {
        Some(condition) if condition.status == seen.status.as_str() => {
            *condition = made(seen, condition.last_transition_time.clone());
        }
        Some(condition) => *condition = made(seen, Time(floor(now))),
        None => next.push(made(seen, Time(floor(now)))),
    }
    next
}

/// The first 1,024 characters of `text`: no status field for people takes more.
#[must_use]
pub fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
    }
    text
}

/// The condition that says what was seen, and has said so since `since`.
fn made(seen: Observation, since: Time) -> Condition {
    Condition {
        last_transition_time: since,
        message: cut(seen.message),
        observed_generation: seen.generation,
        reason: seen.reason.to_owned(),
        status: seen.status.as_str().to_owned(),
        type_: seen.kind.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ready(status: Status, message: &str) -> Observation {
        Observation {
            kind: Type::Ready,
            status,
            reason: "Answering",
            message: message.to_owned(),
            generation: Some(1),
        }
    }

    #[test]
    fn what_repeats_itself_changes_nothing() {
        let first = set(&[], ready(Status::True, "fine"), at(1));

        assert_eq!(set(&first, ready(Status::True, "fine"), at(2)), first);
    }

    #[test]
    fn the_transition_time_changes_with_the_status_alone() {
        let degraded = Observation {
            kind: Type::Degraded,
            ..ready(Status::False, "")
        };
        let first = set(&[], ready(Status::True, "fine"), at(1));
        let first = set(&first, degraded, at(1));
        let times = |conditions: &[Condition]| -> Vec<_> {
            let time = |condition: &Condition| condition.last_transition_time.0;
            conditions.iter().map(time).collect()
        };

        let reworded = set(&first, ready(Status::True, "better"), at(2));
        let lost = set(&reworded, ready(Status::False, "worse"), at(3));

        assert_eq!(times(&reworded), [at(1), at(1)]);
        assert_eq!(reworded[0].message, "better");
        assert_eq!(times(&lost), [at(3), at(1)]);
        assert_eq!(lost[0].status, "False");
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let conditions = set(&[], ready(Status::True, &"é".repeat(2_000)), at(1));

        assert_eq!(conditions[0].message, "é".repeat(1_024));
    }
}
