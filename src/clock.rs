//! The one reader of time. Everything else is given `now`.

mod suspended;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::domain::Now;

use suspended::Suspended;

/// Wall time plus an offset that tests move, and a monotonic count that nobody can set back.
///
/// Clones share the offset. Wall time may jump; [`Now::uptime`] only grows.
#[derive(Clone, Debug)]
pub struct Clock {
    offset: watch::Sender<SignedDuration>,
    started: Instant,
    suspended: Arc<Suspended>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self {
            offset: watch::Sender::new(SignedDuration::ZERO),
            started: Instant::now(),
            suspended: Arc::new(Suspended::new()),
        }
    }

    /// Moves wall time by `by`, for every clone; sleepers wake if their time has come.
    pub fn shift(&self, by: SignedDuration) {
        self.offset
            .send_modify(|offset| *offset = offset.saturating_add(by));
    }

    /// This moment, on both clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        Now {
            uptime: self.uptime(),
            wall: self.wall(),
        }
    }

    /// Wall time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn wall(&self) -> Timestamp {
        let offset = *self.offset.borrow();
        Timestamp::now()
            .saturating_add(offset)
            .unwrap_or(Timestamp::MAX)
    }

    /// Time since this clock was made, while the machine was suspended too; never set back.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        let running = self.started.elapsed();
        running.saturating_add(self.suspended.so_far())
    }

    /// As if the machine had been suspended for `long` in all.
    #[cfg(test)]
    pub fn suspend(&self, long: Duration) {
        self.suspended.note(long);
    }

    /// Waits until wall time is `at` or later, also when wall time is moved meanwhile.
    pub async fn sleep_until(&self, at: Timestamp) {
        let mut moved = self.offset.subscribe();
        loop {
            let left = at.duration_since(self.wall());
            let Ok(left) = Duration::try_from(left) else {
                return;
            };
            if left.is_zero() {
                return;
            }
            tokio::select! {
                // Whole days are slept in pieces: timers have a longest length, `Timestamp` none.
                () = tokio::time::sleep(left.min(Duration::from_hours(24))) => {}
                _ = moved.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_shift_wakes_a_sleeper_whose_time_has_come() {
        let clock = Clock::system();
        let hour = SignedDuration::from_hours(1);
        let sleeper = clock.clone();
        let at = clock.wall().saturating_add(hour).unwrap();

        let ((), ()) = tokio::join!(sleeper.sleep_until(at), async { clock.shift(hour) });

        assert!(clock.wall() >= at);
        assert!(clock.uptime() < Duration::from_mins(1));
    }
}
