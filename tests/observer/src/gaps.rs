//! When a role of Trustpool could not hear: it was dead, frozen, or cut off.

use jiff::{SignedDuration, Timestamp};

use crate::clock::add;
use crate::facts::LAG;

/// Stretches of real time in which a role may have heard nothing. By default none.
#[derive(Clone, Debug, Default)]
pub struct Gaps(Vec<(Timestamp, Timestamp)>);

impl Gaps {
    /// Adds one: from when until when.
    pub fn add(&mut self, from: Timestamp, until: Timestamp) {
        self.0.push((from, until));
    }

    /// How long they are together, each for itself.
    pub fn length(&self) -> SignedDuration {
        let lengths = self.0.iter();
        lengths.fold(SignedDuration::ZERO, |sum, &(from, until)| {
            sum.saturating_add(until.duration_since(from))
        })
    }

    /// Since when the news may not have come in at a time: for two seconds, and as long as a gap before.
    pub(crate) fn unheard_since(&self, at: Timestamp) -> Timestamp {
        let mut since = add(at, -LAG);
        let before = |&&(from, _): &&(Timestamp, Timestamp)| from <= at;
        while let Some(&(from, _)) = self
            .0
            .iter()
            .filter(before)
            .find(|&&(from, until)| since <= until && add(from, -LAG) < since)
        {
            since = add(from, -LAG);
        }
        since
    }

    /// Says whether what came in at a time may have been lost with the role, or with its patience.
    pub(crate) fn may_have_lost(&self, at: Timestamp) -> bool {
        let mut gaps = self.0.iter();
        gaps.any(|&(from, until)| add(from, -LAG) <= at && at <= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    /// Two that touch, and one far off.
    fn gaps() -> Gaps {
        let mut gaps = Gaps::default();
        for (from, until) in [(120, 130), (110, 119), (200, 210)] {
            gaps.add(at(from), at(until));
        }
        gaps
    }

    #[test]
    fn news_is_two_seconds_late_and_as_late_as_the_gaps_before_it_are_long() {
        let table = [
            (50, 48),
            (109, 107),
            (110, 108),
            (119, 108),
            (125, 108),
            (132, 108),
            (133, 131),
            (205, 198),
            (213, 211),
        ];
        for (time, since) in table {
            assert_eq!(gaps().unheard_since(at(time)), at(since), "{time}");
        }
        assert_eq!(Gaps::default().unheard_since(at(50)), at(48));
    }

    #[test]
    fn what_came_in_a_gap_or_just_before_may_be_lost() {
        for (time, lost) in [(197, false), (198, true), (210, true), (211, false)] {
            assert_eq!(gaps().may_have_lost(at(time)), lost, "{time}");
        }
        assert_eq!(gaps().length(), SignedDuration::from_secs(29));
    }
}
