//! Whether this process leads, as its other parts see it.

use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;

/// A stretch of leading.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Term {
    /// Its number; higher than that of every term before.
    pub epoch: u32,
    /// Until when (uptime) this process may act in it, unless it is renewed.
    pub until: Duration,
}

/// The term that this process is in. Clones see the same.
#[derive(Clone, Debug)]
pub struct Claims {
    clock: Clock,
    term: watch::Receiver<Option<Term>>,
}

impl Claims {
    /// Nothing is claimed until the sender says so.
    #[must_use]
    pub fn new(clock: Clock) -> (watch::Sender<Option<Term>>, Self) {
        let (sender, term) = watch::channel(None);
        (sender, Self { clock, term })
    }

    /// The term, if this process may act in it at this very moment. A process that was stopped for a while, or whose
    /// machine was suspended, finds out here, and not when a timer gets its turn.
    #[must_use]
    pub fn term(&self) -> Option<Term> {
        let term = *self.term.borrow();
        term.filter(|term| self.clock.uptime() < term.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Term = Term {
        epoch: 1,
        until: Duration::from_secs(6),
    };

    #[tokio::test(start_paused = true)]
    async fn a_claim_runs_out_by_itself_unless_it_is_renewed() {
        let (sender, claims) = Claims::new(Clock::system());
        assert_eq!(claims.term(), None);

        sender.send_replace(Some(FIRST));
        assert_eq!(claims.term(), Some(FIRST));
        tokio::time::advance(Duration::from_secs(5)).await;
        let renewed = Term {
            until: Duration::from_secs(11),
            ..FIRST
        };
        sender.send_replace(Some(renewed));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(claims.term(), Some(renewed));

        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(claims.term(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_runs_out_while_the_machine_is_suspended() {
        let clock = Clock::system();
        let (sender, claims) = Claims::new(clock.clone());
        sender.send_replace(Some(FIRST));

        clock.suspend(Duration::from_secs(5));
        assert_eq!(claims.term(), Some(FIRST));
        clock.suspend(Duration::from_secs(6));
        assert_eq!(claims.term(), None);
    }
}
