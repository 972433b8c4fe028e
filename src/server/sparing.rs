//! Log lines that strangers cause, bounded.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// At most one line in this time.
const PACE: Duration = Duration::from_secs(10);

/// Lets a line through, and then none for [`PACE`].
#[derive(Debug, Default)]
pub struct Sparing(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the last one was let through.
    last: Option<Instant>,
    /// How many were not, since.
    withheld: u64,
}

impl Sparing {
    /// Whether a line may be written now: then how many were not written before it.
    pub fn may_speak(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| last.elapsed() < PACE) {
            state.withheld += 1;
            return None;
        }
        state.last = Some(Instant::now());
        Some(std::mem::take(&mut state.withheld))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_in_ten_seconds_and_the_number_of_the_others() {
        let sparing = Sparing::default();

        let said: Vec<_> = (0..3).map(|_| sparing.may_speak()).collect();
        tokio::time::advance(PACE).await;

        assert_eq!(said, [Some(0), None, None]);
        assert_eq!(sparing.may_speak(), Some(2));
    }
}
