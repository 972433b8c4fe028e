//! How long the machine was suspended. `CLOCK_MONOTONIC`, and with it [`std::time::Instant`] and every timer, leaves
//! that out; `CLOCK_BOOTTIME` does not (`clock_gettime(2)`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts from when it was made, and never backwards.
#[derive(Debug)]
pub struct Suspended {
    /// By how much the one clock was ahead of the other.
    before: Duration,
    /// The most that was seen since, in nanoseconds.
    most: AtomicU64,
}

impl Suspended {
    /// Nothing so far.
    pub fn new() -> Self {
        // In this order a pause between the two readings makes what is told later less, and never more.
        let monotonic = monotonic();
        Self {
            before: with_suspension().saturating_sub(monotonic),
            most: AtomicU64::new(0),
        }
    }

    /// How long altogether.
    pub fn so_far(&self) -> Duration {
        let with_suspension = with_suspension();
        let ahead = with_suspension.saturating_sub(monotonic());
        self.note(ahead.saturating_sub(self.before))
    }

    /// Notes that it was at least `long`.
    pub fn note(&self, long: Duration) -> Duration {
        let long = u64::try_from(long.as_nanos()).unwrap_or(u64::MAX);
        let most = self.most.fetch_max(long, Ordering::AcqRel).max(long);
        Duration::from_nanos(most)
    }
}

#[cfg(target_os = "linux")]
fn monotonic() -> Duration {
    read(rustix::time::ClockId::Monotonic)
}

#[cfg(target_os = "linux")]
fn with_suspension() -> Duration {
    read(rustix::time::ClockId::Boottime)
}

#[cfg(target_os = "linux")]
fn read(clock: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
const fn monotonic() -> Duration {
    Duration::ZERO
}

#[cfg(not(target_os = "linux"))]
const fn with_suspension() -> Duration {
    Duration::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_counts_backwards_and_counts_nothing_while_the_machine_runs() {
        let suspended = Suspended::new();
        assert_eq!(suspended.so_far(), Duration::ZERO);

        suspended.note(Duration::from_secs(2));
        suspended.note(Duration::from_secs(1));

        assert_eq!(suspended.so_far(), Duration::from_secs(2));
    }
}
