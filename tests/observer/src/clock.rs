//! The two times of a run: the real one, by which the API server writes its audit log, and the
//! simulated one, by which Trustpool judges and the simulator writes its journal.

use jiff::{SignedDuration, Timestamp};

use crate::facts::SLACK;

/// How far the simulated time was from the real one, and since when. By default never at all.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// From when on (real) by how much, oldest first.
    steps: Vec<(Timestamp, SignedDuration)>,
}

/// A stretch of real time with one offset.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    from: Timestamp,
    until: Timestamp,
    offset: SignedDuration,
}

impl Clock {
    /// A clock that was moved: from each real time on, the simulated time is that much ahead of it. The
    /// offsets are whole ones, not increments. Before the first step both times are the same.
    #[must_use]
    pub fn shifted(steps: impl IntoIterator<Item = (Timestamp, SignedDuration)>) -> Self {
        let mut steps: Vec<_> = steps.into_iter().collect();
        steps.sort_by_key(|&(at, _)| at);
        Self { steps }
    }

    /// The earliest time that the clock may have shown at a real time: a step may have happened
    /// up to one second sooner or later than noted.
    pub(crate) fn earliest(&self, real: Timestamp) -> Timestamp {
        let (since, until) = (add(real, -SLACK), add(real, SLACK));
        let near = self
            .stretches()
            .filter(|it| it.from <= until && since <= it.until);
        let times = near.map(|it| add(real, it.offset));
        times.min().unwrap_or(real)
    }

    /// The real time at which the clock showed `simulated`.
    ///
    /// Where a clock that was set back showed it twice, the first time that is not before `since`.
    /// Where it never did, because it was set ahead meanwhile, the moment of the step.
    pub(crate) fn real(&self, simulated: Timestamp, since: Timestamp) -> Timestamp {
        let shown = self.stretches().map(|it| it.showed(simulated));
        let shown: Vec<_> = shown.collect();
        let sure = shown.iter().filter(|(miss, _)| *miss <= SLACK);
        let mut sure = sure.map(|&(_, at)| at);
        let first = sure.clone().find(|&at| add(at, SLACK) >= since);
        let nearest = || shown.iter().min_by_key(|(miss, _)| *miss);
        first
            .or_else(|| sure.next_back())
            .or_else(|| nearest().map(|&(_, at)| at))
            .unwrap_or(simulated)
    }

    /// Time in pieces, oldest first; never none.
    fn stretches(&self) -> impl Iterator<Item = Stretch> {
        let starts = [(Timestamp::MIN, SignedDuration::ZERO)];
        let starts = starts.into_iter().chain(self.steps.iter().copied());
        let ends = self.steps.iter().map(|&(at, _)| at);
        let ends = ends.chain([Timestamp::MAX]);
        starts.zip(ends).map(|((from, offset), until)| Stretch {
            from,
            until,
            offset,
        })
    }
}

impl Stretch {
    /// When the clock would have shown `simulated`, and by how much that misses this stretch. Far off it
    /// is the stretch's nearer end.
    fn showed(self, simulated: Timestamp) -> (SignedDuration, Timestamp) {
        let at = add(simulated, -self.offset);
        let within = at.clamp(self.from, self.until);
        let miss = at.duration_since(within).abs();
        (miss, if miss <= SLACK { at } else { within })
    }
}

/// A time that much later, as far as time goes.
pub(crate) fn add(at: Timestamp, by: SignedDuration) -> Timestamp {
    let end = if by.is_negative() {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    at.checked_add(by).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    /// An hour ahead from 100 on, right again from 200 on.
    fn clock() -> Clock {
        Clock::shifted([(at(200), SignedDuration::ZERO), (at(100), HOUR)])
    }

    #[test]
    fn a_clock_that_nobody_moved_shows_real_time() {
        assert_eq!(Clock::default().earliest(at(5)), at(5));
        assert_eq!(Clock::default().real(at(5), at(0)), at(5));
    }

    #[test]
    fn within_a_second_of_a_step_the_clock_may_show_either_time() {
        let table = [
            (98, 98),
            (101, 101),
            (102, 3702),
            (198, 3798),
            (199, 199),
            (202, 202),
        ];
        for (real, earliest) in table {
            assert_eq!(clock().earliest(at(real)), at(earliest), "{real}");
        }
    }

    #[test]
    fn every_time_that_was_shown_is_found_again() {
        for (simulated, real) in [(50, 50), (3750, 150), (250, 250)] {
            assert_eq!(clock().real(at(simulated), at(0)), at(real), "{simulated}");
        }
    }

    #[test]
    fn a_step_noted_a_little_late_misplaces_nothing() {
        let early = add(at(3700), SignedDuration::from_millis(-400));
        let real = add(at(100), SignedDuration::from_millis(-400));
        assert_eq!(clock().real(early, at(0)), real);
    }

    #[test]
    fn a_time_that_was_never_shown_is_that_of_the_step() {
        let ahead = Clock::shifted([(at(100), HOUR)]);
        assert_eq!(ahead.real(at(1900), at(0)), at(100));
    }

    #[test]
    fn a_time_that_was_shown_twice_is_the_first_one_not_too_early() {
        let back = Clock::shifted([(at(100), SignedDuration::from_secs(-50))]);
        assert_eq!(back.real(at(80), at(0)), at(80));
        assert_eq!(back.real(at(80), at(81)), at(80));
        assert_eq!(back.real(at(80), at(82)), at(130));
        assert_eq!(back.real(at(80), at(500)), at(130));
    }
}
